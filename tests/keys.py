"""Fixed test keys, shipped in tests/vectors/keys because RSA keys are slow to make. Public on purpose."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from saml_slo.wire.algorithms import PrivateKey
from saml_slo.wire.encryption import DecryptionKeys
from saml_slo.wire.keys import SigningKey

KEYS = Path(__file__).parent / "vectors" / "keys"


@dataclass(frozen=True)
class Pair:
    """A private key and its self-signed certificate, in the forms that the libraries ask for."""

    name: str
    pem: bytes
    key: PrivateKey
    certificate: bytes

    @property
    def signing(self) -> SigningKey:
        """The pair as our own signing key."""
        return SigningKey(self.key, self.certificate)

    @property
    def key_pem(self) -> bytes:
        """The private key alone, as PKCS#8."""
        return self.pem[: self.pem.index(b"-----BEGIN CERTIFICATE")]

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone."""
        return self.pem[self.pem.index(b"-----BEGIN CERTIFICATE") :]


@cache
def pair(name: str) -> Pair:
    """The pair of tests/vectors/keys/<name>.pem: RSA-2048, or EC on the curve that the name says."""
    pem = (KEYS / f"{name}.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    certificate = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    return Pair(name, pem, key, certificate)


def decryption_keys(*names: str) -> DecryptionKeys:
    """Our live decryption keys; without names both, the newest first."""
    return DecryptionKeys(tuple(pair(name).key for name in names or ("bridge-encryption-next", "bridge-encryption")))
