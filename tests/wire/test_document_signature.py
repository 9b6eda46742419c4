"""The signature of a whole document: our own verification says what libxmlsec says, of good ones and of bad ones."""

import contextlib
import random

import pytest
import xmlsec
from lxml import etree
from xmlsec import constants

from saml_slo.errors import MessageRefused
from saml_slo.wire.algorithms import METADATA_ALGORITHMS
from saml_slo.wire.document_signature import verify_document
from saml_slo.wire.signature import verify_enveloped
from saml_slo.wire.signature_profile import SIGNATURE, profiled_signature
from saml_slo.wire.xml import parse_metadata
from tests.attacks import forge
from tests.keys import pair
from tests.metadata.signing import document
from tests.wire.idp_metadata import entities, entity

C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
EC = "http://www.w3.org/2001/04/xmldsig-more#"
SIGNERS = ("idp", "p256", "p384", "p521")


def says(check, octets, signer="idp"):
    """What a verification says of a document: good, or why not."""
    root = parse_metadata(octets, 1_000_000)
    try:
        check(profiled_signature(root, METADATA_ALGORITHMS), [pair(signer).certificate])
    except MessageRefused:
        return "refused"
    return "good"


def both(octets, signer="idp"):
    """What both say, which must be the same."""
    ours, theirs = says(verify_document, octets, signer), says(verify_enveloped, octets, signer)
    assert ours == theirs
    return ours


def by_libxmlsec(root, signer="idp", *, prefixes=(), in_method=(), method=None):
    """Sign as other products do: with libxmlsec, line breaks in base64, prefixes named where they are given."""
    method = method or constants.TransformRsaSha256
    signature = xmlsec.template.create(root, constants.TransformExclC14N, method, ns="ds")
    root.insert(0, signature)
    signature.tail = "\n  "
    reference = xmlsec.template.add_reference(signature, constants.TransformSha256, uri="#_metadata")
    xmlsec.template.add_transform(reference, constants.TransformEnveloped)
    transform = xmlsec.template.add_transform(reference, constants.TransformExclC14N)
    for place, names in ((transform, prefixes), (signature[0][0], in_method)):
        if names:
            etree.SubElement(place, f"{{{C14N}}}InclusiveNamespaces", PrefixList=" ".join(names))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pair(signer).key_pem, constants.KeyDataFormatPem)
    context.register_id(root, "ID")
    context.sign(signature)
    return etree.tostring(root)


def spread():
    """A document with what canonicalization has to get right."""
    text = entity().replace(
        "<md:IDPSSO", '\n\t<x:a xmlns:x="urn:x" b="&#10;&lt;&quot;" a="ü">\r\n&amp;&#13;</x:a><md:IDPSSO', 1
    )
    return document(text.replace("<md:EntityDescriptor ", '<md:EntityDescriptor xmlns:xs="urn:xs" xmlns="urn:d" ', 1))


@pytest.mark.parametrize("prefixes", [(), ("xs",), ("#default", "xs", "md"), ("none",)])
@pytest.mark.parametrize("in_method", [(), ("xs",), ("#default",)])
def test_what_libxmlsec_signed_is_good(prefixes, in_method):
    """With and without prefixes that are to be kept, also for SignedInfo itself."""
    assert both(by_libxmlsec(spread(), prefixes=prefixes, in_method=in_method)) == "good"


@pytest.mark.parametrize(
    ("signer", "method", "digest"),
    [
        ("idp", EC + "rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha512"),
        ("idp", EC + "rsa-sha512", EC + "sha384"),
        ("p256", EC + "ecdsa-sha256", forge.SHA256),
        ("p384", EC + "ecdsa-sha384", forge.SHA256),
        ("p521", EC + "ecdsa-sha512", forge.SHA256),
    ],
)
def test_every_algorithm_that_is_allowed(signer, method, digest):
    """RSA and ECDSA with each hash."""
    root = spread()
    forge.sign(root, signer=signer, method=method, digest=digest, at=0)
    assert both(etree.tostring(root), signer) == "good"
    assert both(etree.tostring(root), "other-idp") == "refused"


def test_text_around_the_signature_stays_signed():
    """The transform takes the Signature away and leaves the white space behind it."""
    octets = by_libxmlsec(spread())
    assert both(octets.replace(b"</ds:Signature>\n  ", b"</ds:Signature>\n   ")) == "refused"


@pytest.mark.parametrize("name", ["SignatureValue", "DigestValue"])
@pytest.mark.parametrize("value", ["A", "AAAA", "AAA", "AAAAA===", "////"])
def test_a_value_that_is_none_is_refused(name, value):
    """Base64 of any length, which the profile lets through, is no signature and no digest."""
    root = etree.fromstring(by_libxmlsec(spread()))
    next(root.iter(f"{{{forge.DS}}}{name}")).text = value
    with contextlib.suppress(MessageRefused):  # by the profile already
        assert both(etree.tostring(root)) == "refused"


def test_any_octet_that_changes_the_content_is_noticed():
    """Whatever single character is changed outside the Signature: both say the same of it."""
    octets = by_libxmlsec(document(entities(entity())))
    end = octets.index(b"</ds:Signature>")
    chance = random.Random(1)
    seen = set()
    for _ in range(300):
        place = chance.randrange(end, len(octets))
        changed = octets[:place] + bytes([octets[place] ^ 1 << chance.randrange(6)]) + octets[place + 1 :]
        try:
            seen.add(both(changed))
        except MessageRefused:
            continue  # not well-formed any more
    assert "refused" in seen


def test_the_signature_is_off_the_tree_afterwards():
    """Nothing that stood in it can be read by mistake."""
    root = parse_metadata(by_libxmlsec(spread()), 1_000_000)
    verify_document(profiled_signature(root, METADATA_ALGORITHMS), [pair("idp").certificate])
    assert root.find(SIGNATURE) is None
