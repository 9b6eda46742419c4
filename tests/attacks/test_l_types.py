"""L239: what two JSON parsers could read differently, and what is of another type than the document says.

Every body here is refused whole, with 400 and a description that names the field, before anything is looked up.
"""

import pytest

from tests.attacks.callers import VICTIMS

REGISTER = ("PUT", "/api/v1/sessions/evil")
LOGOUT = ("POST", "/api/v1/logouts")
TOUCH = ("POST", "/api/v1/sessions/mine-1/touch")
JSON = "application/json"

# What no call takes, whatever its fields are.
OCTETS = {
    "empty": b"",
    "space": b" ",
    "not-json": b"user=victim",
    "cut-off": b'{"user": "victim"',
    "two-objects": b'{"user": "victim"}{"user": "victim"}',
    "something-behind": b'{"user": "victim"} x',
    "nul-behind": b'{"user": "victim"}\0',
    "comment": b'{"user": "victim" /* him */}',
    "comma-behind": b'{"user": "victim",}',
    "single-quotes": b"{'user': 'victim'}",
    "no-quotes": b'{user: "victim"}',
    "nan": b'{"user": NaN}',
    "nan-beside": b'{"user": "victim", "x": NaN}',
    "infinity": b'{"user": Infinity}',
    "minus-infinity": b'{"user": -Infinity}',
    "nan-root": b"NaN",
    "list": b'["victim"]',
    "list-of-objects": b'[{"user": "victim"}]',
    "text": b'"victim"',
    "number": b"1",
    "minus-zero": b"-0",
    "too-large-a-number": b"1e400",
    "true": b"true",
    "null": b"null",
    "twice": b'{"user": "alice", "user": "victim"}',
    "twice-equal": b'{"user": "victim", "user": "victim"}',
    "twice-escaped": b'{"user": "alice", "us\\u0065r": "victim"}',
    "twice-unknown": b'{"user": "alice", "x": 1, "x": 1}',
    "bom": b'\xef\xbb\xbf{"user": "victim"}',
    "utf-16": '{"user": "victim"}'.encode("utf-16"),
    "utf-16-be": '{"user": "victim"}'.encode("utf-16-be"),
    "utf-32": '{"user": "victim"}'.encode("utf-32"),
    "utf-7": b'{"user": "+AHY-ictim"}\x80',
    "latin-1": '{"user": "ñ"}'.encode("latin-1"),
    "overlong": b'{"user": "\xc1\xb6ictim"}',
    "surrogates-in-utf-8": b'{"user": "\xed\xa0\xbd\xed\xb8\x80"}',
    "deep-list": b"[" * 8000,
    "deep-list-closed": b"[" * 8000 + b"]" * 8000,
    "deep-object": b'{"a":' * 3000,
    "deep-value": b'{"user":' + b"[" * 7000 + b"]" * 7000 + b"}",
    "long-number": b'{"user": ' + b"9" * 8000 + b"}",
    "long-exponent": b'{"user": 1e' + b"9" * 8000 + b"}",
    "control-character": b'{"user": "vic\x01tim"}',
    "line-break": b'{"user": "vic\ntim"}',
    "bad-escape": b'{"user": "\\x76ictim"}',
    "half-an-escape": b'{"user": "\\u12"}',
}
# What a field that holds a text may not be.
WRONG = {
    "null": "null",
    "true": "true",
    "false": "false",
    "number": "1",
    "zero": "0",
    "minus-zero": "-0",
    "float": "1.0",
    "too-large-a-number": "1e400",
    "list": '["victim"]',
    "empty-list": "[]",
    "object": '{"id": "victim"}',
    "operator": '{"$ne": ""}',
    "empty": '""',
    "nul": '"vic\\u0000tim"',
    "escape-character": '"\\u001b[31m"',
    "line-feed": '"victim\\n"',
    "delete": '"\\u007f"',
    "c1": '"\\u0085"',
    "half-a-pair": '"\\ud83d"',
    "other-half": '"\\ude00x"',
    "halves-reversed": '"\\ude00\\ud83d"',
    "too-long": '"' + "v" * 257 + '"',
}
TEXTS = ("issuer", "sub", "sid")


def body(**fields):
    """A JSON object of fields whose values are JSON already."""
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}").encode()


@pytest.mark.parametrize("call", [REGISTER, LOGOUT, TOUCH], ids=["register", "logout", "touch"])
@pytest.mark.parametrize("kind", OCTETS)
def test_l239_octets_that_are_no_call(door, call, kind):
    """L239: not one JSON object in UTF-8, or one that can be read in two ways."""
    if call is TOUCH and kind == "empty":
        return  # a touch needs no body
    door.refused(*call, 400, "api_bad_request", data=OCTETS[kind], content_type=JSON)


@pytest.mark.parametrize("field", ["user", *TEXTS])
@pytest.mark.parametrize("kind", WRONG)
def test_l239_fields_of_a_registration(door, kind, field):
    """L239: nothing is converted: not a number, not null, not a list of one; the description names the field."""
    fields = {"user": '"mallory"', field: WRONG[kind]}
    said, _ = door.refused(*REGISTER, 400, "api_bad_request", data=body(**fields), content_type=JSON)
    assert field in said["description"]
    assert said["setting"] == field
    assert "victim" not in str(said)


@pytest.mark.parametrize("kind", [kind for kind in WRONG if kind != "too-long"])
@pytest.mark.parametrize("field", ["session", "connection", "id_token", "access_token", "signed_in_at", "expires_at"])
def test_l239_other_fields_of_a_registration(door, kind, field):
    """L239: handles, names, tokens and times are texts as well."""
    fields = {"connection": '"facebook"', field: WRONG[kind]}
    if field != "session":
        fields["user"] = '"mallory"'
    said, _ = door.refused(*REGISTER, 400, "api_bad_request", data=body(**fields), content_type=JSON)
    assert said["setting"] == field


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("field", ["user", "session", "reason"])
def test_l239_fields_of_a_logout(door, kind, field):
    """L239: whom, and why."""
    fields = {field: WRONG[kind]} if field != "reason" else {"user": '"victim"', field: WRONG[kind]}
    said, _ = door.refused(*LOGOUT, 400, "api_bad_request", data=body(**fields), content_type=JSON)
    assert said["setting"] == field


UNKNOWN = {
    "misspelt": {"user": '"alice"', "signed_in": '"2026-11-20T06:26:00Z"'},
    "other-case": {"user": '"alice"', "Sub": '"a"'},
    "prototype": {"user": '"alice"', "__proto__": "{}"},
    "class": {"user": '"alice"', "__class__": '"x"'},
    "application": {"user": '"alice"', "client_id": '"blog"'},
    "empty-name": {"user": '"alice"', "": '"x"'},
    "nul-in-the-name": {"user": '"alice"', "a\\u0000": '"x"'},
    "half-a-pair-in-the-name": {"user": '"alice"', "\\ud800": '"x"'},
    "escape-in-the-name": {"user": '"alice"', "\\u001b[31m": '"x"'},
    "very-long-name": {"user": '"alice"', "x" * 5000: '"x"'},
    "three-hundred-names": {"user": '"alice"'} | {f"x{number}": "1" for number in range(300)},
    "nothing": {},
    "both": {"user": '"alice"', "session": '"x"'},
    "neither": {"sub": '"a"'},
}


@pytest.mark.parametrize("call", [REGISTER, LOGOUT], ids=["register", "logout"])
@pytest.mark.parametrize("kind", UNKNOWN)
def test_l239_fields_that_no_call_has(door, call, kind):
    """L239: a field that is not known is a mistake, not a wish; so are both of two, and neither."""
    said, refusal = door.refused(*call, 400, "api_bad_request", data=body(**UNKNOWN[kind]), content_type=JSON)
    assert all(character.isprintable() for text in said.values() for character in str(text))
    assert len(refusal.response.get_data()) < 1500


def test_l239_tokens_need_their_provider(door):
    """A token without the connection that it is of would never be used, so it is told."""
    said, _ = door.refused(
        *REGISTER, 400, "api_bad_request", data=body(user='"alice"', access_token='"t"'), content_type=JSON
    )
    assert "connection" in said["description"]


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-20", "2026-11-20T06:26:00", "2026-11-20 06:26:00Z", "2026-W47-5T06:26:00Z", "20261120T062600Z"),
        *("2026-02-30T06:26:00Z", "2026-11-20T24:00:00Z", "2026-11-20T06:60:00Z", "2026-11-20T06:26:00+0100"),
        *("2026-11-20T06:26:00+25:00", "2026-11-20T06:26:00Z ", " 2026-11-20T06:26:00Z", "1795155960", "now"),
        *(
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "\N{FULLWIDTH DIGIT TWO}026-11-20T06:26:00Z",
            "2026-11-20T06:26Z",
        ),
        *("2026-11-20T06:26:00.Z", "2026-11-20T06:26:00,5Z", "-2026-11-20T06:26:00Z", "12026-11-20T06:26:00Z"),
    ],
)
@pytest.mark.parametrize("field", ["signed_in_at", "expires_at"])
def test_l239_times_that_are_none(door, field, text):
    """L239: RFC 3339 with a zone, of a day that the calendar has."""
    fields = {"user": '"alice"', field: f'"{text}"'}
    said, _ = door.refused(*REGISTER, 400, "api_bad_request", data=body(**fields).decode().encode(), content_type=JSON)
    assert said["setting"] == field


@pytest.mark.parametrize("key", ["", " ", "a b", "a\tb", "ñ", "x" * 65, "a, b", "a\x7f"])
def test_l239_an_idempotency_key_that_cannot_be_used(door, key):
    """A key is 1 to 64 visible characters; two headers are none."""
    headers = {**door.shop.authorization}
    environ = {"HTTP_IDEMPOTENCY_KEY": key.encode().decode("latin-1")}
    door.refused(*LOGOUT, 400, "api_bad_request", headers=headers, json={"user": "victim"}, environ_overrides=environ)


TEXTS_OF_PEOPLE = [
    "alice@corp.test",
    "Алиса",
    "愛麗絲",
    "😀",
    "a b",
    " a ",
    "a'; --",
    "\u202eecila",
    "\u2028",
    "\ufeff",
    "İ",
    "ß",
]


@pytest.mark.parametrize("user", TEXTS_OF_PEOPLE)
def test_l239_ids_are_taken_as_they_are(door, user):
    """The control: an id is any text; it is not trimmed, folded or normalised, so none is taken for another."""
    name = f"text-{TEXTS_OF_PEOPLE.index(user)}"
    assert door.shop.register(name, user=user).get_json()["user"] == user
    for other in (user.strip(), user.upper(), user.casefold(), user + " ", "a"):
        if other not in (user, ""):
            assert door.shop.logout(user=other).get_json()["sessions"] == []
    assert door.shop.is_alive(name)
    assert len(door.shop.logout(user=user).get_json()["sessions"]) == 2


@pytest.mark.parametrize("text", ["2026-11-20T06:20:00Z", "2026-11-20t06:20:00.123456z", "2026-11-20T07:20:00+01:00"])
def test_l239_times_as_rfc_3339_has_them(door, text):
    """The control: capital or small letters, fractions, zones."""
    name = f"time-{len(text)}-{text[-1]}"
    assert door.shop.register(name, user="timed", signed_in_at=text).status_code == 201
    door.shop.leave(name)
    assert door.blog.is_alive(VICTIMS)
