"""F129, F132, F133: what the signature of a Redirect message covers: the octets of the query as they came.

Entra and AD FS encode in lower case, others leave `/` unescaped or write a space as `+`; each of them signs what it
writes, and whoever decodes and encodes again refuses them. What was written otherwise on the way is refused.

Decisions: a raw `+` in a value is a space, so a Signature with one is signature_invalid and a message with one a
decode_error.

The doors of applications have the same parser and bindings; test_f_applications.py knocks there.
"""

import re
from base64 import b64encode
from dataclasses import replace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saml_slo.errors import MessageRefused
from tests import idp
from tests.attacks.surfaces import ANSWER_REDIRECT, REQUEST_REDIRECT, by_redirect, signed_query
from tests.idp import deflated

LONG = "https://idp.example/a b/c?d=e&f=g+h~'(i)*!:;,@é"


def _lower(value, safe=""):
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(value, safe=safe))


def _every_octet(value, safe=""):
    return "".join(f"%{octet:02x}" for octet in value.encode())


ENCODINGS = {
    "upper": quote,
    "lower": _lower,
    "plus-for-space": lambda value, **_: quote_plus(value),
    "slash-unescaped": lambda value, **_: quote(value, safe="/"),
    "colon-and-slash-unescaped": lambda value, **_: quote(value, safe="/:"),
    "as-little-as-possible": lambda value, **_: quote(value, safe="/:?=@!$'()*,;~-._"),
    "as-java": lambda value, **_: quote_plus(value, safe="*-_.").replace("~", "%7E"),
    "every-octet": _every_octet,
    "mixed-case": lambda value, safe="": quote(value, safe=safe).replace("%2F", "%2f"),
}


def _signature(request):
    head, _, value = request.query.partition(b"&Signature=")
    return head, value


@by_redirect
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("relay_state", [None, "", "a", LONG], ids=["none", "empty", "short", "long"])
def test_f129_as_the_sender_wrote_it(stage, surface, encoding, relay_state):
    """F129: the control: lower-case escapes, `+` or `%20`, unescaped `/` are all good as they were signed."""
    surface.accepted(
        stage.bridge,
        request=lambda octets: surface.request(octets, relay_state=relay_state, quoted=ENCODINGS[encoding]),
    )


@by_redirect
@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name not in ("upper", "plus-for-space", "as-java")])
def test_f129_as_it_was_not_signed(stage, surface, encoding):
    """F129: the same values, encoded again on the way in another way than was signed, are refused."""
    octets = surface.hostile(stage)
    signed = surface.request(octets, relay_state=LONG)
    other = surface.request(octets, relay_state=LONG, quoted=ENCODINGS[encoding])
    signature = signed.query[signed.query.index(b"&Signature=") :]
    query = other.query[: other.query.index(b"&Signature=")] + signature
    assert query != signed.query
    stage.refused(replace(signed, query=query), "signature_invalid")


@by_redirect
@pytest.mark.parametrize("name", ["message", "RelayState", "SigAlg"])
def test_f129_one_escape_in_another_case(stage, surface, name):
    """F129: even the case of one escape, in any signed parameter, belongs to what was signed."""
    octets = surface.hostile(stage)
    while b"%2" not in quote(deflated(octets), safe="").encode():
        octets += b"\n"
    request = surface.request(octets, relay_state="a/b")
    start = request.query.index((surface.parameter if name == "message" else name).encode() + b"=")
    at = re.compile(rb"%[0-9A-F]?[A-F]").search(request.query, start)
    query = request.query[: at.start()] + at[0].lower() + request.query[at.end() :]
    assert query != request.query
    stage.refused(replace(request, query=query), "signature_invalid")


@by_redirect
@pytest.mark.parametrize("encoding", ["lower", "every-octet", "slash-unescaped"])
def test_f129_the_signature_itself_is_not_signed(stage, surface, encoding):
    """F129: the control: how the Signature's own value is escaped does not matter."""

    def request(octets):
        made = surface.request(octets)
        head, _ = _signature(made)
        signature = b64encode(idp.detached(head)).decode()
        return replace(made, query=head + b"&Signature=" + ENCODINGS[encoding](signature).encode())

    surface.accepted(stage.bridge, request=request)


# F132: SigAlg ---------------------------------------------------------------------------------------------------------

MORE = "http://www.w3.org/2001/04/xmldsig-more#"
RSA = [MORE + "rsa-sha256", MORE + "rsa-sha384", MORE + "rsa-sha512"]


def _claimed(request, algorithm):
    """The request with another SigAlg, the signature left alone."""
    query = re.sub(rb"SigAlg=[^&]*", b"SigAlg=" + quote(algorithm, safe="").encode(), request.query)
    return replace(request, query=query)


@by_redirect
@pytest.mark.parametrize("made", RSA, ids=["256", "384", "512"])
@pytest.mark.parametrize("claimed", [*RSA, MORE + "ecdsa-sha256", MORE + "ecdsa-sha512"])
def test_f132_another_algorithm_is_claimed(stage, surface, made, claimed):
    """F132: a signature by one algorithm under the name of another is invalid; under its own it is accepted."""
    if made == claimed:
        surface.accepted(stage.bridge, request=lambda octets: surface.request(octets, method=made))
    else:
        stage.refused(_claimed(surface.request(surface.hostile(stage), method=made), claimed), "signature_invalid")


@by_redirect
@pytest.mark.parametrize("made", [MORE + "rsa-sha256", MORE + "rsa-sha512"])
@pytest.mark.parametrize("claimed", [MORE + "rsa-sha256", MORE + "rsa-sha512"])
def test_f132_the_name_is_signed_the_deed_is_another(stage, surface, made, claimed):
    """F132: SigAlg says one algorithm, and is signed so, with a signature that was made by the other one."""
    if made == claimed:
        return
    value = quote(deflated(surface.hostile(stage)), safe="")
    query = f"{surface.parameter}={value}&SigAlg={quote(claimed, safe='')}"
    signature = quote(b64encode(idp.detached(query.encode(), method=made)).decode(), safe="")
    request = replace(surface.request(b""), query=f"{query}&Signature={signature}".encode())
    stage.refused(request, "signature_invalid")


UNKNOWN = {
    "rsa-sha1": "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    "dsa-sha1": "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
    "rsa-md5": MORE + "rsa-md5",
    "rsa-ripemd": MORE + "rsa-ripemd160",
    "hmac-sha256": MORE + "hmac-sha256",
    "hmac-sha1": "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
    "digest": "http://www.w3.org/2001/04/xmlenc#sha256",
    "none": "none",
    "jose": "RS256",
    "upper-case": (MORE + "rsa-sha256").upper(),
    "space-behind": MORE + "rsa-sha256 ",
    "newline-behind": MORE + "rsa-sha256\n",
    "https": (MORE + "rsa-sha256").replace("http:", "https:"),
    "fragment-twice": MORE + "#rsa-sha256",
    "pss": "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "very-long": "a" * 20_000,
    "html": "<script>alert(1)</script>",
    "control": "a\r\nb",
}


@by_redirect
@pytest.mark.parametrize("name", UNKNOWN)
def test_f132_unknown_algorithms(stage, surface, name):
    """F132: what is not on the list of algorithms is refused by its name, whatever the signature is."""
    stage.refused(_claimed(surface.request(surface.hostile(stage)), UNKNOWN[name]), "algorithm_not_allowed")


@by_redirect
@pytest.mark.parametrize(
    "encoded",
    [
        _lower(idp.RSA_SHA256),
        idp.RSA_SHA256.replace("#", "%23"),
        _every_octet(idp.RSA_SHA256),
        quote(idp.RSA_SHA256, safe="").replace("rsa", "%72sa"),
    ],
    ids=["lower", "little", "all", "one-letter"],
)
def test_f132_sigalg_encoded_otherwise(stage, surface, encoded):
    """F132: SigAlg in another encoding than was signed is the same algorithm and another query."""
    request = surface.request(surface.hostile(stage))
    query = re.sub(rb"SigAlg=[^&]*", b"SigAlg=" + encoded.encode(), request.query)
    stage.refused(replace(request, query=query), "signature_invalid")


@by_redirect
@pytest.mark.parametrize("gone", ["SigAlg", "Signature", "both"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_f132_half_a_signature(stage, surface, gone, how):
    """F132: without SigAlg, without Signature, or with either empty, a message is not signed."""
    query = surface.request(surface.hostile(stage)).query
    for name in ("SigAlg", "Signature") if gone == "both" else (gone,):
        query = re.sub(f"&{name}=[^&]*".encode(), b"" if how == "absent" else f"&{name}=".encode(), query)
    stage.refused(replace(surface.request(b""), query=query), "signature_missing")


# F133: the value of the signature -------------------------------------------------------------------------------------


VALUES = {
    "plus-unescaped": lambda value: value.replace(b"%2B", b"+"),
    "plus-as-space": lambda value: value.replace(b"%2B", b"%20"),
    "plus-taken-away": lambda value: value.replace(b"%2B", b""),
    "url-alphabet": lambda value: value.replace(b"%2B", b"-"),
    "padding-taken-away": lambda value: value.replace(b"%3D", b""),
    "padding-added": lambda value: value + b"%3D%3D%3D%3D",
    "escaped-twice": lambda value: value.replace(b"%", b"%25"),
    "one-letter-changed": lambda value: (b"B" if value[:1] == b"A" else b"A") + value[1:],
    "short": lambda value: value[:40],
    "one-octet": lambda _: b"AA%3D%3D",
    "zeros": lambda _: b"A" * 342 + b"%3D%3D",
    "long": lambda value: value.replace(b"%3D", b"") * 20,
    "hex": lambda _: b"ab" * 256,
    "space": lambda _: b"%20",
    "nul": lambda _: b"%00",
    "not-ascii": lambda _: b"%C3%A9",
    "html": lambda _: b"%3Cscript%3E",
}


@by_redirect
@pytest.mark.parametrize("how", VALUES)
def test_f133_signature_values(stage, surface, how):
    """F133: a Signature with a raw `+`, of another length, alphabet or content is signature_invalid, never a 500."""
    octets = surface.hostile(stage)
    while b"%2B" not in _signature(surface.request(octets))[1]:
        octets += b"\n"
    request = surface.request(octets)
    head, value = _signature(request)
    changed = VALUES[how](value)
    assert changed != value
    stage.refused(replace(request, query=head + b"&Signature=" + changed), "signature_invalid")


@by_redirect
def test_f133_a_raw_plus_in_the_message(stage, surface):
    """F133: in the message's value a raw `+` is a space as well, signed or not: a decode_error."""
    octets = surface.hostile(stage)
    while "+" not in deflated(octets):
        octets += b"\n"
    value = quote(deflated(octets), safe="+")
    stage.refused(signed_query(surface, value), "decode_error")


@by_redirect
@pytest.mark.parametrize("signer", ["attacker", "other-idp", "bridge", "idp-next", "p256"])
def test_f133_keys_that_are_not_in_the_metadata(stage, surface, signer):
    """F133: a perfect query by a stranger's, another IdP's or our own key, or one that is not published yet."""
    method = MORE + "ecdsa-sha256" if signer == "p256" else idp.RSA_SHA256
    request = surface.request(surface.hostile(stage), signer=signer, method=method)
    stage.refused(request, "signature_invalid")


@by_redirect
@pytest.mark.parametrize("what", ["decoded", "message-only", "reordered", "url", "with-foo"])
def test_f133_signed_octets_that_are_not_the_query(stage, surface, what):
    """F133: the IdP's own signature over something else than the octets of Bindings 3.4.4.1."""
    head, _ = _signature(surface.request(surface.hostile(stage), relay_state="a b"))
    parts = head.split(b"&")
    octets = {
        "decoded": head.replace(b"%2B", b"+").replace(b"%2F", b"/").replace(b"%3D", b"=").replace(b"%20", b" "),
        "message-only": parts[0],
        "reordered": b"&".join(reversed(parts)),
        "url": f"{surface.endpoint}?".encode() + head,
        "with-foo": head + b"&foo=1",
    }[what]
    value = quote(b64encode(idp.detached(octets)).decode(), safe="").encode()
    tail = b"&foo=1" if what == "with-foo" else b""
    request = replace(surface.request(b""), query=head + tail + b"&Signature=" + value)
    stage.refused(request, "signature_invalid")


@by_redirect
def test_f133_a_signature_inside_does_not_replace_it(stage, surface):
    """F133: the message carries a good signature in its XML and none in the query: by Redirect that is none."""
    root = surface.draft(stage.pending.id)
    value = quote(deflated(idp.sign(root)), safe="")
    request = replace(surface.request(b""), query=f"{surface.parameter}={value}".encode())
    stage.refused(request, "signature_missing")


_QUERIES = {
    surface: surface.request(surface.seal(surface.draft("_q1")), relay_state="a/b c")
    for surface in (REQUEST_REDIRECT, ANSWER_REDIRECT)
}


@given(st.data())
@pytest.mark.parametrize("surface", _QUERIES, ids=str)
def test_f129_any_octet_of_the_query_changed(surface, data):
    """F129: change, drop or add any octet of a signed query, and it is refused or says exactly what it said."""
    request = _QUERIES[surface]
    position = data.draw(st.integers(0, len(request.query) - 1))
    kept = data.draw(st.integers(0, 1))
    octets = request.query[:position] + data.draw(st.binary(max_size=2)) + request.query[position + kept :]
    try:
        verified = idp.check(replace(request, query=octets))
    except MessageRefused:
        return
    genuine = idp.check(request)
    assert (verified.message, verified.relay_state) == (genuine.message, genuine.relay_state)
