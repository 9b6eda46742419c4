"""The signature of a metadata document: who may have made it, and how strictly it is looked at."""

from pathlib import Path

import pytest
from lxml import etree

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.wire.metadata import read_idp_metadata
from saml_slo.wire.metadata_signature import Signers, fingerprint, read_signers
from tests.attacks import forge
from tests.keys import pair
from tests.metadata.signing import document, signed, signer_file
from tests.wire.idp_metadata import NOW, entities, entity

PINNED = Signers(certificates=(pair("idp").certificate,))
PRINT = fingerprint(pair("idp").certificate)


def read(text, signers=PINNED, entity_id=None):
    """Read a document that must be signed."""
    return read_idp_metadata(text.encode(), entity_id, now=NOW, signers=signers)


def refusal(text, signers=PINNED):
    """The sentence with which it is refused."""
    with pytest.raises(ConfigurationError) as raised:
        read(text, signers)
    assert raised.value.reason is Reason.METADATA_INVALID
    return str(raised.value)


@pytest.mark.parametrize(
    "signers",
    [
        PINNED,
        Signers(certificates=(pair("other-idp").certificate, pair("idp").certificate)),
        Signers(fingerprints=(PRINT,)),
        Signers(fingerprints=("0" * 64, PRINT)),
    ],
)
def test_a_signature_by_a_pinned_signer_counts(signers):
    """The certificate, one of two during the signer's rollover, or the fingerprint of the one that it brings along."""
    assert read(signed(), signers).entity_id == "https://idp.test/metadata"


def test_a_pinned_certificate_needs_no_key_info():
    """The key comes from the pin, so the signature need not bring one along."""
    assert read(signed(key_info="")).entity_id


def test_what_simplesamlphp_signed_counts():
    """Signed by software that nobody here wrote (xmlseclibs in PHP), with white space in SignedInfo."""
    document = (Path(__file__).parents[1] / "vectors" / "metadata" / "simplesamlphp-signed.xml").read_text()
    signer = Signers(fingerprints=("d67a81621092ce112d407c340892711764e7b619cc9529e71ab51c600e6ee71b",))
    assert read(document, signer).single_logout
    assert "content was changed" in refusal(document.replace("SingleLogoutService.php", "x.php"), signer)


def test_an_aggregate_is_signed_as_a_whole():
    """The signature of an EntitiesDescriptor covers its entities, and their own signatures are not looked at."""
    inner = signed(entity(entity_id="https://one.test", attributes='ID="_one"'), signer="attacker")
    text = signed(entities(inner, entity(entity_id="https://two.test"), attributes='ID="_all"'))
    assert read(text, entity_id="https://two.test").entity_id == "https://two.test"
    assert read(text, entity_id="https://one.test").entity_id == "https://one.test"


def test_signers_of_federations_write_keys_of_every_form():
    """KeyInfo is not looked at, not even for what a protocol message may not have there."""
    name = "<ds:KeyName>mine</ds:KeyName>"
    value = "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue>"
    assert read(signed(key_info=f"{name}{value}</ds:KeyValue>{forge.x509('idp')}"), Signers(fingerprints=(PRINT,)))


@pytest.mark.parametrize(
    ("text", "signers", "words"),
    [
        (entity(), PINNED, "not signed"),
        (signed(signer="attacker"), PINNED, "made with no key"),
        (signed(signer="attacker", key_info=forge.x509("idp")), PINNED, "made with no key"),
        (signed(signer="attacker"), Signers(fingerprints=(PRINT,)), "no certificate that is pinned"),
        (signed(key_info=""), Signers(fingerprints=(PRINT,)), "no certificate in its KeyInfo"),
        (signed(signer="attacker", key_info=forge.x509("idp")), Signers(fingerprints=(PRINT,)), "made with no key"),
        (signed().replace("https://idp.test/slo", "https://evil.test/slo"), PINNED, "content was changed"),
        (signed().replace("EntityDescriptor ", 'EntityDescriptor xmlns:r="relative" ', 1), PINNED, "no canonical form"),
        (signed(uri=""), PINNED, "not to the signed element"),
        (signed(digest=forge.DS + "sha1"), PINNED, "not allowed"),
        (signed(method=forge.DS + "rsa-sha1"), PINNED, "not allowed"),
        (signed(transforms=(forge.ENVELOPED,)), PINNED, "SignedInfo holds more, less"),
    ],
)
def test_anything_else_is_refused(text, signers, words):
    """Absent, another's, of changed content, of another shape: each refuses the document, in words."""
    assert words in refusal(text, signers)


def test_the_refusal_names_both_fingerprints():
    """An operator whose pin is wrong sees what is pinned and what came."""
    told = refusal(signed(signer="attacker"), Signers(fingerprints=(PRINT,)))
    assert PRINT in told
    assert fingerprint(pair("attacker").certificate) in told


def test_a_signature_elsewhere_is_refused():
    """A Signature stands on the document, or on an entity inside it, and nowhere else."""
    root = document()
    forge.sign(root[0], uri="#_metadata", into=root[0][0], at=0)
    forge.sign(root, at=0)
    assert "a place where none may be" in refusal(etree.tostring(root).decode())


def test_a_signer_file_may_hold_the_next_one_too():
    """Two certificates in one PEM file are both pinned."""
    assert read_signers(signer_file("idp", "idp-next").encode()) == (
        pair("idp").certificate,
        pair("idp-next").certificate,
    )


@pytest.mark.parametrize("content", [b"", b"key", pair("idp").key_pem, b"\xff", pair("idp").certificate_pem * 9])
def test_a_signer_file_without_certificates_is_refused(content):
    """What holds no certificate, or too many, pins nobody."""
    with pytest.raises(ConfigurationError):
        read_signers(content)
