"""HTTP-POST: one form, one message, base64 to the letter."""

from base64 import b64decode, b64encode, urlsafe_b64encode
from dataclasses import replace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.envelope import HttpIn
from saml_slo.protocol.names import Binding
from saml_slo.wire import bindings
from saml_slo.wire.bindings.post import MAX_BODY_BYTES
from saml_slo.wire.bindings.received import MAX_RELAY_STATE, decode_base64
from saml_slo.wire.xml import MAX_MESSAGE_BYTES
from tests import idp
from tests.cost import costs_little

LOGOUT = idp.logout_request()
XML = idp.octets(LOGOUT)
FORM = "application/x-www-form-urlencoded"
GOOD = idp.post(LOGOUT)


def form(value, *, name="SAMLRequest", more="", **changes):
    """A POST whose message field holds `value`, percent-encoded."""
    body = f"{name}={quote(value, safe='')}{more}".encode()
    return replace(HttpIn(method="POST", endpoint=idp.SLO, body=body, content_type=FORM), **changes)


def refusal_of(request):
    """The reason for which a request is refused, by the codec or by the checks."""
    with pytest.raises(MessageRefused) as refused:
        idp.check(request)
    return refused.value.reason


def filled(octets):
    """Base64 of a message whose length is a multiple of three, so that there is no padding, in a field of any size."""
    data = XML + b" " * (-len(XML) % 3) + b" " * (octets // 3 * 3)
    return b64encode(data).decode()


@pytest.mark.parametrize("relay_state", [None, "", "_t1", " a&b=c+d%20ü\r\n", "x" * MAX_RELAY_STATE, "ü" * 1024])
def test_a_form_is_read(relay_state):
    """Message and RelayState come out exactly; an empty RelayState is not an absent one."""
    verified = idp.check(idp.post(LOGOUT, relay_state=relay_state))
    assert verified.relay_state == relay_state
    assert verified.binding is Binding.POST
    assert verified.signed


@pytest.mark.parametrize(
    "relay_state", ["x" * (MAX_RELAY_STATE + 1), "ü" * (MAX_RELAY_STATE // 2 + 1), "x" * 100_000], ids=len
)
def test_a_relay_state_has_a_limit(relay_state):
    """RelayState is limited in octets, not in letters."""
    assert refusal_of(idp.post(LOGOUT, relay_state=relay_state)) == Reason.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("spell", [quote, quote_plus, lambda value: "".join(f"%{ord(letter):02x}" for letter in value)])
def test_every_spelling_of_a_field_is_one(spell):
    """A form's encoding is not signed: however a browser writes the octets, they are the same."""
    body = f"SAMLRequest={spell(b64encode(XML).decode())}&RelayState={spell('a b')}".encode()
    assert idp.check(replace(GOOD, body=body)).relay_state == "a b"


TEXT = b64encode(XML).decode()


@pytest.mark.parametrize("width", [64, 76, 1, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_line_breaks_are_tolerated(width, end):
    """Base64 in lines, as MIME writes it, is the same message; nothing else between the letters is (E119)."""
    lines = [TEXT[start : start + width] for start in range(0, len(TEXT), width)]
    assert idp.check(form(end.join(lines) + end)).signed


BAD = [
    TEXT[:40] + " " + TEXT[40:],
    " " + TEXT,
    TEXT + " ",
    TEXT[:40] + "\t" + TEXT[40:],
    TEXT[:40] + "!" + TEXT[40:],
    TEXT[:40] + "*" + TEXT[40:],
    TEXT[:40] + "\0" + TEXT[40:],
    TEXT[:40] + "%" + TEXT[40:],
    TEXT[:-1],
    TEXT + "A",
    TEXT.rstrip("=") + "====",
    TEXT + "====",
    "====" + TEXT,
    filled(0) + "=",
    filled(0) + "==",
    filled(0) + "====",
    b64encode(XML[:100]).decode() + b64encode(XML[100:]).decode(),
    filled(0)[:-4] + "=" + filled(0)[-4:],
    urlsafe_b64encode(b"\xfb\xff" * 300).decode(),
    filled(0)[:-1] + "-",
    filled(0)[:-1] + "_",
    filled(0)[:-1] + "é",
    "A",
    "AA",
    "AAA",
    "=",
    "&#10;",
]


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_base64_is_strict(text):
    """Blanks, foreign letters, the URL alphabet, wrong or misplaced padding and joined segments are refused (E119)."""
    assert refusal_of(form(text)) == Reason.DECODE_ERROR


@pytest.mark.parametrize(
    ("text", "others"), [("QQ==", ["QR==", "QV==", "QX=="]), ("QUI=", ["QUJ=", "QUL="]), ("/w==", ["/x==", "//=="])]
)
def test_base64_is_one_text_for_one_message(text, others):
    """The bits that padding throws away are zeros: a message has no second spelling (E119)."""
    assert b64encode(decode_base64(text.encode())).decode() == text
    for other in others:
        with pytest.raises(MessageRefused):
            decode_base64(other.encode())


@given(st.binary(max_size=300))
def test_base64_is_the_standard_one(data):
    """Every octet string comes back from its base64, with and without line breaks."""
    text = b64encode(data)
    assert decode_base64(text) == data
    assert decode_base64(b"\r\n".join(text[start : start + 7] for start in range(0, len(text), 7))) == data


@given(st.text("ABab01+/=-_ \n\r!%", max_size=24))
def test_base64_that_is_accepted_is_base64(text):
    """What is accepted is what the standard library's strict decoder accepts, line breaks aside."""
    compact = text.replace("\r", "").replace("\n", "")
    try:
        decoded = decode_base64(text.encode())
    except MessageRefused:
        return
    assert decoded == b64decode(compact, validate=True)
    assert len(compact) % 4 == 0


def test_an_empty_message_is_malformed():
    """No octets are no XML."""
    assert refusal_of(form("")) == Reason.XML_MALFORMED
    assert refusal_of(replace(GOOD, body=b"SAMLRequest")) == Reason.XML_MALFORMED


def test_a_compressed_body_is_refused():
    """DEFLATE belongs to the Redirect binding; in a form it is a decoding error, not a second chance (E118)."""
    assert refusal_of(form(idp.deflated(LOGOUT))) == Reason.DECODE_ERROR
    assert refusal_of(form(b64encode(b"\x00\x01binary").decode())) == Reason.XML_MALFORMED


@pytest.mark.parametrize(
    "content_type",
    [FORM, FORM.upper(), f"{FORM}; charset=utf-8", f"{FORM};charset=UTF-8", f'{FORM}; charset="utf-8"', f" {FORM} ; "],
)
def test_a_form_may_name_its_charset(content_type):
    """The media type of a form, in any case, in UTF-8 or without a charset."""
    assert idp.check(replace(GOOD, content_type=content_type)).signed


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data; boundary=x",
        f"{FORM}; charset=utf-16",
        f"{FORM}; charset=utf-7",
        f"{FORM}; charset=utf-8; charset=utf-16",
        f"{FORM}, {FORM}",
        f"{FORM}x",
    ],
)
def test_another_content_type_is_refused(content_type):
    """Only a form in UTF-8 is read (E120)."""
    assert refusal_of(replace(GOOD, content_type=content_type)) == Reason.BINDING_MISMATCH


@pytest.mark.parametrize(
    "more",
    [
        "&SAMLRequest=x",
        "&SAMLRequest=",
        "&SAMLRequest",
        "&%53AMLRequest=x",
        "&SAMLResponse=x",
        "&SAMLRespons%65=x",
        "&RelayState=a&RelayState=a",
        "&RelayState=a&Relay%53tate=b",
    ],
)
def test_a_field_comes_once(more):
    """Two of a name, or a request beside an answer, are ambiguous however they are spelled (F122, F123)."""
    body = GOOD.body + more.encode()
    assert refusal_of(replace(GOOD, body=body)) == Reason.BINDING_AMBIGUOUS
    assert refusal_of(replace(GOOD, body=more[1:].encode() + b"&" + GOOD.body)) == Reason.BINDING_AMBIGUOUS


@pytest.mark.parametrize("query", [b"SAMLRequest=x", b"RelayState=x", b"a=1&SAMLResponse=", b"%53igAlg=x"])
def test_a_form_has_no_parameters_in_its_url(query):
    """SAML parameters in the URL of a POST are ambiguous (F136); others are nobody's business."""
    assert refusal_of(replace(GOOD, query=query)) == Reason.BINDING_AMBIGUOUS
    assert idp.check(replace(GOOD, query=b"tenant=1")).signed


@pytest.mark.parametrize("number", [62, 63, 64, 10_000])
def test_a_form_has_few_fields(number):
    """64 fields are read, more are refused (E120)."""
    request = replace(GOOD, body=GOOD.body + b"&a=1" * number)
    if number <= 63:
        assert idp.check(request).signed
    else:
        assert refusal_of(request) == Reason.BINDING_AMBIGUOUS


def test_a_body_has_a_limit():
    """A body up to the limit is looked at, a larger one is refused unread; the message's own limit is the parser's."""
    body = GOOD.body + b"&a=" + b"x" * (MAX_BODY_BYTES - len(GOOD.body) - 3)
    assert idp.check(replace(GOOD, body=body)).signed
    assert refusal_of(replace(GOOD, body=body + b"x")) == Reason.MESSAGE_TOO_LARGE
    assert refusal_of(form(filled(MAX_MESSAGE_BYTES))) == Reason.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("octets", [10_000_000, 100_000_000])
def test_a_large_body_costs_little(octets):
    """10 or 100 MB are refused at once (E114)."""
    request = replace(GOOD, body=b"SAMLRequest=" + b"A" * octets)
    with costs_little():
        assert refusal_of(request) == Reason.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("unit", [b"%", b"&", b"=", b"%2", b"%25", b"a=1&", b"+"])
def test_a_full_body_of_nonsense_costs_little(unit):
    """The largest body there may be, made of what decoders are slow at, is refused quickly."""
    request = replace(GOOD, body=(b"SAMLRequest=" + unit * MAX_BODY_BYTES)[:MAX_BODY_BYTES])
    with costs_little(), pytest.raises(MessageRefused):
        idp.check(request)


def test_a_field_has_a_limit_of_escapes():
    """128 k escapes are decoded, one more is refused: decoding takes memory for each."""
    assert refusal_of(replace(GOOD, body=b"SAMLRequest=" + b"%41" * 131_072)) == Reason.XML_MALFORMED
    assert refusal_of(replace(GOOD, body=b"SAMLRequest=" + b"%41" * 131_073)) == Reason.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("body", [b"", b"a=1", b"RelayState=x", b"samlrequest=x", b"SAMLart=AAQ"])
def test_no_message_is_told(body):
    """A form without a message says so."""
    assert refusal_of(replace(GOOD, body=body)) == Reason.BINDING_MISMATCH


def test_a_form_takes_no_signature_from_its_fields():
    """Signature fields in a form mean nothing: an unsigned message stays unsigned."""
    bare = idp.logout_request(signed=False)
    signed_query = idp.query(bare).partition("&")[2]
    request = idp.post(bare)
    assert refusal_of(replace(request, body=request.body + b"&" + signed_query.encode())) == Reason.SIGNATURE_MISSING


@given(st.binary(max_size=100) | st.text("SAMLRequestpon=&%+AZaz09/\u00e9", max_size=80).map(str.encode))
def test_nothing_but_a_refusal_is_raised(body):
    """Any body is a message or a refusal."""
    try:
        bindings.decode(replace(GOOD, body=body))
    except MessageRefused:
        return
