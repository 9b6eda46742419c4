"""HTTP-Redirect: the signature is over the octets as they came, and nothing about the query is guessed."""

import re
import zlib
from base64 import b64encode
from dataclasses import replace
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.envelope import HttpIn
from saml_slo.protocol.messages import LogoutRequest, NameId
from saml_slo.protocol.names import Binding, SignatureAlgorithm
from saml_slo.wire import bindings
from saml_slo.wire.bindings.redirect import DEFLATE, MAX_QUERY_BYTES
from saml_slo.wire.writer import write
from saml_slo.wire.xml import MAX_MESSAGE_BYTES
from tests import idp
from tests.cost import costs_little
from tests.keys import pair

RELAY = "https://app.example/a b?x=1&y=ü~/+%"
LOGOUT = idp.logout_request(signed=False)


def get(query, **changes):
    """A GET with a query."""
    return replace(HttpIn(method="GET", endpoint=idp.SLO, query=query.encode()), **changes)


def refusal_of(query, **changes):
    """The reason for which a query is refused, by the codec or by the checks."""
    with pytest.raises(MessageRefused) as refused:
        idp.check(get(query, **changes))
    return refused.value.reason


def lower(value, safe=""):
    """Percent-encoding in lower case, as .NET writes it (Entra, AD FS)."""
    return re.sub("%..", lambda found: found[0].lower(), quote(value, safe=safe))


def mixed(value, safe=""):
    """Percent-encoding in both cases at once."""
    return re.sub("%..", lambda found: found[0].lower() if found.start() % 2 else found[0], quote(value, safe=safe))


def everything(value, safe=""):
    """Every octet percent-encoded, letters too."""
    return "".join(f"%{octet:02x}" for octet in value.encode())


def slashes(value, safe=""):
    """Slashes, colons and at signs left as they are."""
    return quote(value, safe="/:@!$'()*,;")


@pytest.mark.parametrize("quoted", [quote, quote_plus, lower, mixed, everything, slashes], ids=lambda f: f.__name__)
@pytest.mark.parametrize("relay_state", [None, "", "_t1", RELAY])
def test_every_spelling_is_verified_as_it_came(quoted, relay_state):
    """Whatever way the sender encodes, what it signed is what is verified (F129); the RelayState comes out exactly."""
    verified = idp.check(idp.redirect(LOGOUT, relay_state=relay_state, quoted=quoted))
    assert verified.relay_state == relay_state
    assert verified.binding is Binding.REDIRECT
    assert verified.message.id == "_lr1"


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_any_relay_state_goes_there_and_back(relay_state):
    """A RelayState that we send is read to the letter by the codec itself."""
    message = LogoutRequest(id="_1", issue_instant=idp.NOW, issuer=idp.SP, name_id=NameId(value="a"))
    sent = bindings.encode(
        Binding.REDIRECT, write(message), "https://x.example/slo?a=1", relay_state, pair("p256").signing, idp.CONNECTION
    )
    received = bindings.decode(get(urlsplit(sent.location).query))
    assert received.relay_state == relay_state
    assert received.root.get("ID") == "_1"


def test_other_octets_of_the_same_meaning_are_refused():
    """Encoded anew on the way, the message is not the signed one any more, however it reads."""
    query = idp.query(LOGOUT, quoted=lower, relay_state=RELAY)
    again = re.sub("%..", lambda found: found[0].upper(), query)
    assert dict(parse_qsl(query)) == dict(parse_qsl(again))
    assert refusal_of(again) == Reason.SIGNATURE_INVALID


PARTS = idp.query(LOGOUT, relay_state="_t1").split("&")


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (2, 0, 1, 3), (3, 0, 2, 1)])
def test_the_order_is_rebuilt(order):
    """The signed string has one order whatever the query's is (F130)."""
    assert idp.check(get("&".join(PARTS[index] for index in order))).relay_state == "_t1"


@pytest.mark.parametrize("added", ["&foo=1", "foo=1&", "&&", "&", "?=&", "&RelayStateX=1", "&samlrequest=1", "&=1"])
def test_other_parameters_are_left_alone(added):
    """Extra and empty parameters change nothing (F130)."""
    query = "&".join(PARTS)
    assert idp.check(get(query + added if added.startswith("&") else added + query)).relay_state == "_t1"


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.partition("=")[0])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("spell", [str, lambda name: "%" + f"{ord(name[0]):02x}" + name[1:]], ids=["plain", "encoded"])
def test_a_parameter_comes_once(part, first, spell):
    """Two of a name, plain or percent-encoded, equal or not, in either order: ambiguous (F122)."""
    name, _, value = part.partition("=")
    for other in (value, "x", ""):
        double = f"{spell(name)}={other}"
        query = "&".join([double, *PARTS] if first else [*PARTS, double])
        assert refusal_of(query) == Reason.BINDING_AMBIGUOUS


@pytest.mark.parametrize("name", ["SAMLResponse", "%53AMLResponse", "SAMLRespons%65"])
def test_a_request_and_an_answer_together_are_ambiguous(name):
    """SAMLRequest beside SAMLResponse is refused in both orders, signed as either (F123)."""
    query = "&".join(PARTS)
    assert refusal_of(f"{name}=x&{query}") == Reason.BINDING_AMBIGUOUS
    assert refusal_of(f"{query}&{name}={quote(idp.deflated(idp.logout_response(signed=False)))}") == (
        Reason.BINDING_AMBIGUOUS
    )


def test_an_encoded_name_is_the_parameter():
    """`%53AMLRequest` is SAMLRequest; the signature covers the name as the specification writes it."""
    assert idp.check(get("&".join(PARTS).replace("SAMLRequest", "%53AMLReques%74"))).relay_state == "_t1"


def test_the_names_are_case_sensitive():
    """`samlrequest` is no message."""
    assert refusal_of("&".join(PARTS).replace("SAMLRequest", "samlrequest")) == Reason.BINDING_MISMATCH


@pytest.mark.parametrize(
    ("signed", "delivered"),
    [
        ("_t1", None),
        (None, "&RelayState=_t1"),
        (None, "&RelayState="),
        (None, "&RelayState"),
        ("", None),
        ("_t1", "&RelayState=_t2"),
        ("_t1", "&RelayState="),
        ("_t1", "&RelayState=%5Ft1"),
    ],
)
def test_the_relay_state_is_part_of_what_is_signed(signed, delivered):
    """A RelayState left out, put in, emptied or spelled otherwise: the signature is bad (F131)."""
    query = re.sub("&RelayState=[^&]*", "", idp.query(LOGOUT, relay_state=signed))
    assert refusal_of(query + (delivered or "")) == Reason.SIGNATURE_INVALID


def without(name):
    """The genuine query without a parameter."""
    return "&".join(part for part in PARTS if not part.startswith(f"{name}="))


@pytest.mark.parametrize(
    "query",
    [
        "&".join(PARTS[:2]),
        without("Signature"),
        without("SigAlg"),
        "&".join([*PARTS[:2], "SigAlg=", "Signature="]),
        "&".join([*PARTS[:2], "SigAlg", "Signature"]),
        without("Signature") + "&Signature=",
        without("Signature") + "&Signature",
        without("SigAlg") + "&SigAlg=",
    ],
)
def test_half_a_signature_is_none(query):
    """No signature, half of one and an empty one are the same: missing (C042)."""
    assert refusal_of(query) == Reason.SIGNATURE_MISSING


@pytest.mark.parametrize(
    "value", ["AAAA", "=", "====", "!", "%00", "A", "AA", quote("A+/="), "A" * 30_000, "%2B%2B%2B%2B", "%ff", "é"]
)
def test_a_bad_signature_is_bad(value):
    """Whatever stands in Signature, it is refused as a signature and never an accident (C043)."""
    assert refusal_of(without("Signature") + "&Signature=" + value) == Reason.SIGNATURE_INVALID


def test_a_plus_that_was_not_escaped_is_a_space():
    """`+` means a space, in the Signature too: we refuse rather than guess (F133)."""
    for number in range(100):  # until base64 has a plus in it
        query = idp.query(idp.logout_request(signed=False, identifier=f"_{number}"))
        signed, _, signature = query.partition("&Signature=")
        if "%2B" in signature:
            break
    assert refusal_of(f"{signed}&Signature={signature.replace('%2B', '+')}") == Reason.SIGNATURE_INVALID
    assert refusal_of(re.sub("%2B", "+", query.replace("%2F", "%2B"), count=1)) in {
        Reason.DECODE_ERROR,
        Reason.SIGNATURE_INVALID,
    }


@pytest.mark.parametrize(
    ("claimed", "reason"),
    [
        (SignatureAlgorithm.RSA_SHA512, Reason.SIGNATURE_INVALID),
        (SignatureAlgorithm.ECDSA_SHA256, Reason.SIGNATURE_INVALID),
        (SignatureAlgorithm.RSA_SHA1, Reason.ALGORITHM_NOT_ALLOWED),
        ("http://www.w3.org/2000/09/xmldsig#hmac-sha1", Reason.ALGORITHM_NOT_ALLOWED),
        ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", Reason.ALGORITHM_NOT_ALLOWED),
        ("http://www.w3.org/2000/09/xmldsig#dsa-sha1", Reason.ALGORITHM_NOT_ALLOWED),
        ("RSA-SHA256", Reason.ALGORITHM_NOT_ALLOWED),
        (idp.RSA_SHA256 + " ", Reason.ALGORITHM_NOT_ALLOWED),
        (idp.RSA_SHA256.upper(), Reason.ALGORITHM_NOT_ALLOWED),
    ],
)
def test_another_algorithm_is_refused(claimed, reason):
    """SigAlg is what was signed, to the letter, and on the connection's list (F132, C051, C054)."""
    query = "&".join(PARTS).replace(quote(idp.RSA_SHA256, safe=""), quote(claimed, safe=""))
    assert refusal_of(query) == reason


def test_sha1_is_a_connections_choice():
    """RSA-SHA1 passes where the connection says `insecure_sha1`, and only there."""
    request = idp.redirect(LOGOUT, method=SignatureAlgorithm.RSA_SHA1)
    assert idp.check(request, insecure_sha1=True).signed
    with pytest.raises(MessageRefused):
        idp.check(request)


@pytest.mark.parametrize(("signer", "bits"), [("p256", 256), ("p384", 384), ("p521", 512)])
@pytest.mark.parametrize("form", ["der", "pair"])
def test_elliptic_curve_signatures_come_in_two_forms(signer, bits, form):
    """An ECDSA signature in a query is DER or the pair of XMLDSig, on every curve."""
    method = f"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha{bits}"
    query = idp.query(LOGOUT, signer=signer, method=method)
    if form == "pair":
        signed = query.partition("&Signature=")[0]
        value = pair(signer).signing.sign(SignatureAlgorithm(method), signed.encode(), plain_pair=True)
        query = f"{signed}&Signature={quote(b64encode(value), safe='')}"
    certificates = (pair("idp").certificate, pair(signer).certificate)
    assert idp.check(get(query), signing_certificates=certificates).signed


def test_an_embedded_signature_does_not_replace_the_querys():
    """A message signed in the XML alone is not signed, by Redirect; both signed is fine, one of them bad is not."""
    signed = idp.logout_request()
    bare = f"SAMLRequest={quote(idp.deflated(signed), safe='')}"
    assert refusal_of(bare) == Reason.SIGNATURE_MISSING
    assert idp.check(idp.redirect(signed)).signed
    assert refusal_of(idp.query(idp.sign(idp.logout_request(signed=False), "attacker"))) == Reason.SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [("", Reason.DECODE_ERROR), ("urn:x", Reason.DECODE_ERROR), (DEFLATE + "2", Reason.DECODE_ERROR)],
)
def test_an_unknown_encoding_is_refused(encoding, reason):
    """SAMLEncoding is DEFLATE or absent (F135)."""
    assert refusal_of("&".join(PARTS) + f"&SAMLEncoding={quote(encoding, safe='')}") == reason


def test_deflate_may_be_named():
    """DEFLATE said outright is what it is by default (F135)."""
    assert idp.check(get("&".join(PARTS) + f"&SAMLEncoding={quote(DEFLATE, safe='')}")).relay_state == "_t1"


def message_of(data):
    """A query that carries these octets after base64."""
    return f"SAMLRequest={quote(b64encode(data).decode(), safe='')}"


def squeezed(data, wbits=-zlib.MAX_WBITS):
    """Octets after DEFLATE (or with the header that `wbits` asks for)."""
    stream = zlib.compressobj(9, wbits=wbits)
    return stream.compress(data) + stream.flush()


XML = idp.octets(LOGOUT)


@pytest.mark.parametrize(
    "data",
    [
        XML,
        b"",
        b"\x00",
        b"\xff" * 50,
        squeezed(XML)[:-1],
        squeezed(XML)[: len(XML) // 4],
        squeezed(XML) + b"x",
        squeezed(XML) + squeezed(XML),
        squeezed(XML, wbits=zlib.MAX_WBITS),
        squeezed(XML, wbits=zlib.MAX_WBITS + 16),
        zlib.compressobj(wbits=-zlib.MAX_WBITS).flush(zlib.Z_SYNC_FLUSH),
    ],
    ids=range(11),
)
def test_what_is_not_one_deflate_stream_is_refused(data):
    """Raw DEFLATE, whole, and nothing after it: no zlib or gzip header, no second stream (E118)."""
    assert refusal_of(message_of(data)) == Reason.DECODE_ERROR


def padded(octets):
    """A message of exactly so many octets."""
    return XML.replace(b">alice@", b">" + b"a" * (octets - len(XML)) + b"alice@")


def test_a_message_may_inflate_to_the_limit():
    """Exactly the limit is read, one octet more is too large."""
    assert bindings.decode(get(message_of(squeezed(padded(MAX_MESSAGE_BYTES))))).root.get("ID") == "_lr1"
    assert refusal_of(message_of(squeezed(padded(MAX_MESSAGE_BYTES + 1)))) == Reason.MESSAGE_TOO_LARGE


def test_a_bomb_stops_at_the_cap():
    """50 MB in 64 kB of URL are not inflated beyond the cap: time and memory stay small (E116)."""
    bomb = message_of(squeezed(b"A" * 45_000_000))
    assert len(bomb) < MAX_QUERY_BYTES
    with costs_little(megabytes=8):
        assert refusal_of(bomb) == Reason.MESSAGE_TOO_LARGE


@pytest.mark.parametrize(("size", "refused"), [(MAX_QUERY_BYTES, False), (MAX_QUERY_BYTES + 1, True)])
def test_a_url_has_a_limit(size, refused):
    """A query is read up to 64 kB (E121)."""
    query = "&".join(PARTS)
    query += "&x=" + "y" * (size - len(query) - 3)
    if refused:
        assert refusal_of(query) == Reason.MESSAGE_TOO_LARGE
    else:
        assert idp.check(get(query)).signed


@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS", "DELETE", "get", "", "TRACE", "GET "])
def test_another_method_is_no_binding(method):
    """Only GET carries a Redirect message (F136)."""
    assert refusal_of("&".join(PARTS), method=method) == Reason.BINDING_MISMATCH


def test_a_get_has_no_body():
    """A GET with a body is refused (F136)."""
    assert refusal_of("&".join(PARTS), body=b"x") == Reason.BINDING_MISMATCH


@pytest.mark.parametrize("query", ["", "foo=1", "RelayState=x", "SigAlg=x&Signature=y", "SAMLart=AAQ"])
def test_no_message_is_told(query):
    """A query without a message says so."""
    assert refusal_of(query) == Reason.BINDING_MISMATCH


@pytest.mark.parametrize("added", ["&RelayState=%ff", "&RelayState=%ed%a0%80", "&%ff=1", "&SAMLEncoding=%c0%80"])
def test_what_is_not_utf8_is_refused(added):
    """Names and texts are UTF-8."""
    assert refusal_of(without("RelayState") + added) == Reason.DECODE_ERROR


@given(st.text("SAMLRequestponRlayig=&%+AZaz09/\u00e9", max_size=80) | st.binary(max_size=60).map(message_of))
def test_nothing_but_a_refusal_is_raised(query):
    """Any query is a message or a refusal."""
    try:
        bindings.decode(get(query))
    except MessageRefused:
        return


def test_what_we_send_can_be_taken_apart():
    """Our redirect carries each parameter once, escaped to the last reserved character."""
    message = write(LogoutRequest(id="_1", issue_instant=idp.NOW, issuer=idp.SP, name_id=NameId(value="a")))
    sent = bindings.encode(
        Binding.REDIRECT, message, "https://x.example/slo", RELAY, pair("bridge").signing, idp.CONNECTION
    )
    query = urlsplit(sent.location).query
    assert [part.partition("=")[0] for part in query.split("&")] == ["SAMLRequest", "RelayState", "SigAlg", "Signature"]
    assert unquote(query.split("&")[1]) == f"RelayState={RELAY}"
    assert re.fullmatch(r"[A-Za-z0-9\-._~%=&]+", query)
