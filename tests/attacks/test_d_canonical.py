"""D102, D104: canonicalization that yields nothing, and names and characters that change on a round trip.

libxml2 cannot canonicalize a relative namespace; an implementation that takes its empty answer for the document finds
that the digest of nothing fits every content (CVE-2025-66475). A parser and a serializer that disagree let one document
be verified and another be read (CVE-2020-29509): here one tree is verified and read, and never written again.

The doors of applications have the same parser and bindings; test_d_applications.py knocks there.
"""

import hashlib
import re
from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from saml_slo.wire import checks, reader
from saml_slo.wire.xml import parse_message
from tests import idp
from tests.attacks.surfaces import (
    ANSWER_POST,
    BOTH_SIGNED,
    POSTS,
    REQUEST_POST,
    REQUEST_REDIRECT,
    REQUEST_SOAP,
    RESPONSE,
    SIGNED_RESPONSE,
    SURFACES,
    by_post,
    everywhere,
    recorded,
    replaced,
    someone,
)
from tests.keys import pair

NOTHING = b64encode(hashlib.sha256(b"").digest()).decode()
with_xml_signature = pytest.mark.parametrize("surface", [*POSTS, REQUEST_SOAP], ids=str)
RELATIVE = ("1", "a", "../a", "a/b", "#a", "?a", "//host/a")


def _declared(octets, name, uri):
    """Declare a prefix `ex` for a URI on the first element of a local name."""
    return re.sub(rb"(<(?:\w+:)?%s)\b" % name.encode(), rb'\1 xmlns:ex="%s"' % uri.encode(), octets, count=1)


def _forged(octets):
    """Let the message speak of victim, or say the opposite where it names nobody."""
    if b"alice@corp.test" in octets:
        return octets.replace(b"alice@corp.test", b"victim@corp.test")
    return replaced(octets, b"status:Success", b"status:Responder")


def _signed_name(surface):
    return "Assertion" if surface is RESPONSE else surface.kind


@with_xml_signature
@pytest.mark.parametrize("uri", RELATIVE)
def test_d102_relative_namespace(stage, surface, uri):
    """D102: a relative namespace on the signed element: it has no canonical form, so no signature."""
    octets = _declared(surface.hostile(stage), _signed_name(surface), uri)
    stage.refused(surface.request(octets), "signature_invalid")


@with_xml_signature
@pytest.mark.parametrize("name", ["Signature", "SignedInfo", "Reference"])
def test_d102_relative_namespace_in_the_signature(stage, surface, name):
    """D102: the same on the signature's own elements, where SignedInfo would become nothing."""
    octets = _declared(surface.hostile(stage), name, "1")
    stage.refused(surface.request(_forged(octets)), "signature_invalid", "signature_profile_violation")


def _of_nothing(octets, *, sign_nothing):
    """Forge the content, and let the digest (and the signature as well) be those of an empty string."""
    forged = re.sub(rb"(<ds:DigestValue>)[^<]+", rb"\g<1>" + NOTHING.encode(), _forged(octets))
    if sign_nothing:
        value = b64encode(idp.detached(b""))
        forged = re.sub(rb"(<ds:SignatureValue>)[^<]+", lambda found: found[1] + value, forged)
    return forged


@with_xml_signature
@pytest.mark.parametrize("sign_nothing", [False, True], ids=["digest", "digest+signature"])
@pytest.mark.parametrize("where", ["element", "element+SignedInfo", "root"])
def test_d102_the_digest_of_nothing(stage, surface, sign_nothing, where):
    """D102: forged content with the digest of an empty string, even with the IdP's signature over an empty string."""
    octets = _of_nothing(surface.hostile(stage), sign_nothing=sign_nothing)
    name = surface.kind if where == "root" else _signed_name(surface)
    octets = _declared(octets, name, "1")
    if "SignedInfo" in where:
        octets = _declared(octets, "SignedInfo", "1")
    stage.refused(surface.request(octets), "signature_invalid")


PARENTS = [(RESPONSE, "Response"), (REQUEST_SOAP, "Envelope"), (REQUEST_SOAP, "Body")]


@pytest.mark.parametrize(("surface", "parent"), PARENTS, ids=[name for _, name in PARENTS])
@pytest.mark.parametrize("forge", [False, True], ids=["genuine", "forged"])
def test_d102_on_an_unsigned_parent(stage, surface, parent, forge):
    """D102: a relative namespace around the signed element leaves that element without a signature as well."""
    octets = _declared(surface.hostile(stage), parent, "1")
    stage.refused(surface.request(_forged(octets) if forge else octets), "signature_invalid")


# D104 -----------------------------------------------------------------------------------------------------------------

MALFORMED = {
    "two-colons": b"<x::y/>",
    "colon-first": b"<:y/>",
    "colon-last": b"<x:/>",
    "attribute-two-colons": b'<y xmlns="urn:x" a::b="c"/>',
    "attribute-colon-first": b'<y xmlns="urn:x" :b="c"/>',
    "xmlns-colon": b'<y xmlns="urn:x" xmlns:="c"/>',
    "prefix-emptied": b'<y xmlns="urn:x" xmlns:saml=""/>',
    "prefix-xmlns": b'<y xmlns="urn:x" xmlns:xmlns="urn:y"/>',
    "prefix-xml": b'<y xmlns="urn:x" xmlns:xml="urn:y"/>',
    "prefix-unbound": b"<y:x/>",
    "attribute-prefix-unbound": b'<y xmlns="urn:x" z:a="b"/>',
    "attribute-twice": b'<y xmlns="urn:x" xmlns:a="urn:a" xmlns:b="urn:a" a:c="1" b:c="2"/>',
}


@everywhere
@pytest.mark.parametrize("name", MALFORMED)
def test_d104_names_that_change_on_a_round_trip(stage, surface, name):
    """D104: names that a lenient parser takes, and writes as something else, are not well-formed here."""
    issuer = b"</saml:Issuer>"
    extensions = b"<samlp:Extensions>" + MALFORMED[name] + b"</samlp:Extensions>"
    octets = surface.hostile(stage).replace(issuer, issuer + extensions, 1)
    stage.refused(surface.request(octets), "xml_malformed")


def _with(extension):
    return lambda root: root.insert(1, idp.element(f"<samlp:Extensions>{extension}</samlp:Extensions>"))


@everywhere
@pytest.mark.parametrize("extension", ['<y xmlns=""/>', "<y/>", "text"])
def test_d104_a_namespace_that_was_reset(stage, surface, extension):
    """D104: `xmlns=""` takes an element out of every namespace; the schema wants Extensions in somebody's own."""
    stage.refused(surface.request(surface.hostile(stage, _with(extension))), "schema_violation")


@everywhere
@pytest.mark.parametrize(
    "planted", ["<saml:Issuer>https://evil.example</saml:Issuer>", "<saml:NameID>victim</saml:NameID>"]
)
def test_d104_what_is_planted_in_extensions_is_not_read(stage, surface, planted):
    """D104: a second Issuer or NameID in signed Extensions is no Issuer and no NameID of the message."""
    name_id = someone()
    done = surface.accepted(stage.bridge, _with(planted), name_id=name_id)
    if surface.kind == "Response":
        assert recorded(stage.bridge, done).find("{*}NameID").text == idp.element(name_id).text


SPELLINGS = {
    "tab-in-tag": lambda octets: re.sub(rb" (ID=)", rb"\t\1", octets),
    "newlines-in-tag": lambda octets: re.sub(rb" (ID|Version|IssueInstant)=", rb"\n\t\1=", octets),
    "space-before-close": lambda octets: re.sub(rb"</([\w:]+)>", rb"</\1 >", octets),
    "space-around-equals": lambda octets: re.sub(rb' (ID|Version)="', rb' \1 = "', octets),
    "attributes-reversed": lambda octets: re.sub(
        rb'(<samlp:\w+ )([^>]*?)( ID="[^"]*")( Version="2.0")?', rb"\1\2\4\3", octets, count=1
    ),
    "default-namespace-reset": lambda octets: re.sub(rb"(<samlp:\w+ )", rb'\1xmlns="" ', octets, count=1),
    "unused-prefix": lambda octets: re.sub(rb"(<samlp:\w+ )", rb'\1xmlns:unused="urn:x" ', octets, count=1),
    "prefix-declared-again": lambda octets: octets.replace(
        b"<saml:Issuer>", b'<saml:Issuer xmlns:saml="%s">' % idp.SAML.encode()
    ),
    "empty-element-spelled-out": lambda octets: re.sub(rb"<(samlp:StatusCode) ([^>]*)/>", rb"<\1 \2></\1>", octets),
    "declaration": lambda octets: b'<?xml version="1.0" encoding="UTF-8"?>\n' + octets,
    "newlines-around": lambda octets: b"\n \n" + octets + b"\n\n",
}


@everywhere
@pytest.mark.parametrize("how", SPELLINGS)
def test_d104_other_spellings_of_the_same_document(stage, surface, how):
    """D104: what canonicalization takes for the same document is the same document."""
    surface.accepted(stage.bridge, change=SPELLINGS[how])


@pytest.mark.parametrize("surface", [*SURFACES, BOTH_SIGNED], ids=str)
def test_d104_what_is_verified_is_what_is_read(surface, monkeypatch):
    """D104: the element whose signature was verified and the one that is read are one object, not two equal ones."""
    verified, consumed = [], []

    def watch(module, name, seen, position):
        inner = getattr(module, name)

        def watched(*arguments, **named):
            seen.append(arguments[position])
            return inner(*arguments, **named)

        monkeypatch.setattr(module, name, watched)

    watch(checks.structure, "verify_enveloped", verified, 0)
    watch(reader, "assertion", consumed, 0)
    for kind in ("response", "logout_response", "logout_request"):
        watch(reader, kind, consumed, 0)
    idp.check(surface.request(surface.seal(surface.draft("_q1"))))
    parents = [signature.parent for signature in verified]
    assert len(parents) == (0 if surface.binding == "redirect" else len(surface.signs))
    assert all(any(parent is element for element in consumed) for parent in parents)
    assert {etree.QName(element).localname for element in consumed} >= {surface.kind}


@by_post
def test_d104_written_and_parsed_again(surface):
    """D104: an accepted message that is parsed, written and parsed again is still the same signed message."""
    again = parse_message(surface.seal(surface.draft("_q1")))
    for _ in range(3):
        again = parse_message(etree.tostring(again))
    verified = idp.check(surface.request(etree.tostring(again)))
    assert verified.signed


# What XML can hold (Char) without what its parsers normalise: a carriage return is written as a reference.
_XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r"),
    min_size=1,
    max_size=60,
).filter(str.strip)


@given(_XML_TEXT)
@pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE, REQUEST_POST, REQUEST_REDIRECT], ids=str)
def test_d104_any_name_is_read_as_it_was_signed(surface, name):
    """D104: whatever characters a NameID has, what is read is, to the octet, what the IdP signed."""
    root = surface.draft("_q1")
    next(root.iter("{*}NameID")).text = name
    message = idp.check(surface.request(surface.seal(root))).message
    read = message.assertion.name_id if surface.kind == "Response" else message.name_id
    assert read.value == name


@pytest.mark.parametrize(
    "name", ["a\rb", "a\r\nb", " a", "a ", "a\tb", "a\nb", "a\u2028b", "a\x85b", "é", "e\u0301", "\U0001f511"]
)
def test_d104_a_name_goes_back_as_it_came(stage, name):
    """D104: carriage returns, spaces at the ends and both forms of é come back to the IdP in its LogoutRequest."""
    unique = f"{name}{someone()[-40:]}".partition("<")[0]
    quoted = unique.replace("\r", "&#xD;")
    browser = RESPONSE.accepted(stage.bridge, name_id=idp.NAME_ID.replace("alice@corp.test", quoted))
    assert recorded(stage.bridge, browser).find("{*}NameID").text == unique


def test_d104_attributes_normalise_as_xml_says(stage):
    """D104: a tab in an attribute is a space unless it is a reference; both sides of the signature see the same."""
    name_id = someone().replace('NameQualifier="', 'NameQualifier="a&#9;b&#10;c', 1)
    browser = RESPONSE.accepted(stage.bridge, name_id=name_id)
    assert recorded(stage.bridge, browser).find("{*}NameID").get("NameQualifier").startswith("a\tb\nc")
    literal = someone().replace('NameQualifier="', 'NameQualifier="a\tb', 1)
    browser = RESPONSE.accepted(stage.bridge, name_id=literal)
    assert recorded(stage.bridge, browser).find("{*}NameID").get("NameQualifier").startswith("a b")


def test_d102_the_forged_documents_are_good_but_for_that(stage):
    """D102: an attack document parses, and the IdP's signature over nothing is good: it is refused for nothing less."""
    octets = _declared(_of_nothing(ANSWER_POST.hostile(stage), sign_nothing=True), "LogoutResponse", "1")
    root = parse_message(octets)
    assert root.nsmap["ex"] == "1"
    value = b64decode(next(root.iter("{*}SignatureValue")).text)
    pair("idp").key.public_key().verify(value, b"", padding.PKCS1v15(), hashes.SHA256())
