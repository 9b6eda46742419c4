"""Our own keys: a signing key with its certificate, and the decryption keys that are live.

Pure: PEM bytes in, objects out. certs.py reads and writes the files under certs/.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from saml_slo.errors import ConfigurationError
from saml_slo.protocol.names import SignatureAlgorithm
from saml_slo.wire.algorithms import PrivateKey, fits, sign_octets
from saml_slo.wire.encryption import DecryptionKeys

MIN_RSA_BITS = 2048
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_PAIRS = (
    (SignatureAlgorithm.RSA_SHA256, SignatureAlgorithm.ECDSA_SHA256),
    (SignatureAlgorithm.RSA_SHA384, SignatureAlgorithm.ECDSA_SHA384),
    (SignatureAlgorithm.RSA_SHA512, SignatureAlgorithm.ECDSA_SHA512),
)
_COUNTERPART = {**dict(_PAIRS), **{ecdsa: rsa_ for rsa_, ecdsa in _PAIRS}}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the DER certificate under which peers know it."""

    key: PrivateKey
    certificate: bytes

    def algorithm(self, wanted: SignatureAlgorithm) -> SignatureAlgorithm:
        """Return `wanted`, or its counterpart with the same hash when our key is of the other family."""
        return wanted if fits(self.key, wanted) else _COUNTERPART.get(wanted, SignatureAlgorithm.ECDSA_SHA256)

    def sign(self, algorithm: SignatureAlgorithm, octets: bytes, *, plain_pair: bool) -> bytes:
        """Return the signature over `octets`; see `sign_octets`."""
        return sign_octets(self.key, algorithm, octets, plain_pair=plain_pair)


@dataclass(frozen=True, slots=True)
class OurKeys:
    """Everything that signs and decrypts here, with the certificates that our metadata publishes (DER).

    `published_signing` holds the active certificate first, then the one that a rollover will use next.
    """

    signing: SigningKey
    published_signing: tuple[bytes, ...]
    decryption: DecryptionKeys
    published_encryption: tuple[bytes, ...]


def load_private_key(pem: bytes, name: str) -> PrivateKey:
    """Return an RSA key of 2,048 bits or more or an EC key on a NIST curve; `name` is the file for the error text."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            "this is not an unencrypted PEM private key",
            file=Path(name),
            got=_first_sentence(error),
            next_step="Put a PKCS#8 PEM file there.",
        ) from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= MIN_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    raise ConfigurationError(
        f"{name} holds a key that is too weak or of an unknown kind",
        expected=f"RSA of {MIN_RSA_BITS} bits or more, or EC on {', '.join(_CURVES)}",
        got=type(key).__name__,
    )


def decryption_key(pem: bytes, name: str) -> rsa.RSAPrivateKey:
    """Return a key that peers can encrypt to; that is RSA only."""
    key = load_private_key(pem, name)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(f"{name} must be RSA to decrypt", got="an EC key", next_step="Put an RSA key there.")
    return key


def load_certificate(pem: bytes, name: str) -> bytes:
    """Return the first certificate of a PEM file as DER."""
    try:
        return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    except ValueError as error:
        raise ConfigurationError(
            "this is not a PEM certificate",
            file=Path(name),
            expected="-----BEGIN CERTIFICATE----- and what follows",
            got=_first_sentence(error),
            next_step="Put the certificate of the key beside it there.",
        ) from None


def signing_key(key_pem: bytes, certificate_pem: bytes, name: str) -> SigningKey:
    """Return a signing key; refuse a certificate that is not this key's."""
    key = load_private_key(key_pem, f"{name}.key")
    certificate = load_certificate(certificate_pem, f"{name}.crt")
    if not is_certificate_of(certificate, key):
        raise ConfigurationError(
            f"this is not the certificate of {name}.key",
            file=Path(f"{name}.crt"),
            next_step="Put the matching pair there.",
        )
    return SigningKey(key, certificate)


def _first_sentence(error: Exception) -> str:
    return str(error).partition(". ")[0][:100]


def is_certificate_of(certificate: bytes, *keys: PrivateKey) -> bool:
    """Say whether a DER certificate is that of one of these keys."""
    public = x509.load_der_x509_certificate(certificate).public_key()
    return any(public == key.public_key() for key in keys)


def new_private_key(like: PrivateKey | None = None) -> bytes:
    """Return a new RSA-3072 key as PEM, or an EC key on the curve of the one that it is to follow."""
    key: PrivateKey = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    if isinstance(like, ec.EllipticCurvePrivateKey):
        key = ec.generate_private_key(like.curve)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def self_signed(key_pem: bytes, common_name: str, now: datetime, *, years: int = 10) -> bytes:
    """Return a self-signed certificate of a key as PEM. Peers pin the key, not the dates."""
    key = load_private_key(key_pem, common_name)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * years))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
