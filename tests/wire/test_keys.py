"""Our own keys: what is loaded, what is refused with a sentence that helps, and what is made."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from saml_slo.errors import ConfigurationError
from saml_slo.wire.keys import (
    decryption_key,
    load_certificate,
    load_private_key,
    new_private_key,
    self_signed,
    signing_key,
)
from tests.keys import pair

NOW = datetime(2026, 11, 20, 6, 26, tzinfo=UTC)


def pem(key, encryption=None):
    """A private key as PKCS#8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption or serialization.NoEncryption()
    )


@pytest.mark.parametrize("name", ["bridge", "p256", "p384", "p521"])
def test_a_strong_key_is_loaded(name):
    """RSA-2048 and the three NIST curves are signing keys, with their certificate."""
    loaded = signing_key(pair(name).key_pem, pair(name).certificate_pem, "signing")
    assert loaded.certificate == pair(name).certificate
    assert loaded.key.private_numbers() == pair(name).key.private_numbers()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no key",
        pair("bridge").certificate_pem,
        pair("bridge").key_pem[:500],
        pem(pair("p256").key, serialization.BestAvailableEncryption(b"secret")),
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - to be refused
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(ec.generate_private_key(ec.SECP224R1())),
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(dsa.generate_private_key(1024)),  # noqa: S505 - to be refused
    ],
    ids=["empty", "text", "certificate", "cut", "encrypted", "rsa 1024", "secp256k1", "p224", "ed25519", "dsa"],
)
def test_anything_else_is_refused_by_name(data):
    """What is no key, a locked one, a weak one or one of another kind is refused, and the file is named."""
    with pytest.raises(ConfigurationError, match=r"signing\.key"):
        load_private_key(data, "signing.key")


def test_a_certificate_is_its_keys():
    """A certificate of another key, or no certificate, is refused, and the files are named."""
    with pytest.raises(ConfigurationError, match=r"signing\.crt: this is not the certificate of signing\.key"):
        signing_key(pair("bridge").key_pem, pair("attacker").certificate_pem, "signing")
    with pytest.raises(ConfigurationError, match=r"signing\.crt: this is not a PEM certificate"):
        signing_key(pair("bridge").key_pem, pair("bridge").key_pem, "signing")
    assert load_certificate(pair("bridge").pem, "both.pem") == pair("bridge").certificate


def test_a_decryption_key_is_rsa():
    """Nobody can encrypt to an EC key with RSA-OAEP: it is refused for decryption."""
    assert decryption_key(pair("bridge-encryption").key_pem, "encryption.key").key_size == 2048
    with pytest.raises(ConfigurationError, match=r"encryption\.key must be RSA"):
        decryption_key(pair("p256").key_pem, "encryption.key")


def test_a_new_key_has_3072_bits():
    """What we make is stronger than what we accept."""
    assert load_private_key(new_private_key(), "new").key_size == 3072


def test_a_self_signed_certificate_fits_its_key():
    """A certificate names its purpose, holds its key, and is valid from a day ago for ten years."""
    made = self_signed(pair("p256").key_pem, "x" * 100, NOW)
    certificate = x509.load_pem_x509_certificate(made)
    assert signing_key(pair("p256").key_pem, made, "new").certificate
    assert certificate.subject == certificate.issuer
    assert certificate.subject.rfc4514_string() == f"CN={'x' * 64}"
    assert certificate.not_valid_before_utc == NOW - timedelta(days=1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=3650)
    assert certificate.verify_directly_issued_by(certificate) is None
