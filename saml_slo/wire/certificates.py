"""The certificates in a peer's metadata: text in, DER out; keys that are too weak to trust are refused.

A certificate is a container for a key. Trust comes from the metadata that names it, so dates, issuer, subject and
extensions decide nothing (SAML V2.0 Metadata Interoperability Profile 1.0; Shibboleth's ExplicitKey engine does the
same). What an operator may want to know about them is a warning, never silence.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from saml_slo.wire.keys import MIN_RSA_BITS

# Above this, one check costs so much that a signature from anybody is a burden (OpenSSL's own limit is the same).
_MAX_RSA_BITS = 16384
Use = Literal["signing", "encryption"]

_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_ARMOUR = re.compile(r"-----(BEGIN|END) CERTIFICATE-----")
_SPACE = re.compile(r"\s+")


class CertificateRefusedError(ValueError):
    """A certificate cannot be used. `expected` and `got` are short texts for the operator."""

    def __init__(self, message: str, *, expected: str, got: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.got = got


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """One usable certificate as DER, and what is odd about it: sentences, empty when nothing is.

    `is_rsa`: a key can be encrypted to it; with EC that would need key agreement, which is not spoken here.
    """

    der: bytes
    is_rsa: bool
    warnings: tuple[str, ...]


def read_certificate(text: str, now: datetime, *, use: Use = "signing") -> PeerCertificate:
    """Return the certificate in a ds:X509Certificate's text; white space and PEM armour are taken off.

    Raises CertificateRefusedError for what is no certificate and for keys other than RSA of 2,048 bits or more with an
    odd exponent of 3 or more, and EC on P-256, P-384 or P-521 (security C057).
    """
    try:
        der = base64.b64decode(_SPACE.sub("", _ARMOUR.sub("", text)), validate=True)
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateRefusedError(
            "a certificate cannot be read", expected="base64 of an X.509 certificate", got=str(error)[:200]
        ) from None
    if weakness := _weakness(key):
        raise CertificateRefusedError(
            "a certificate has a key that is too weak or of an unknown kind",
            expected=f"RSA of {MIN_RSA_BITS} bits or more, or EC on P-256, P-384 or P-521",
            got=weakness,
        )
    return PeerCertificate(der, isinstance(key, rsa.RSAPublicKey), tuple(_oddities(certificate, now, use)))


def _weakness(key: object) -> str | None:
    if isinstance(key, rsa.RSAPublicKey):
        # An exponent that is even or below 3 does not come this far: cryptography does not make a key of it.
        return None if MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS else f"RSA of {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.name in _CURVES else f"EC on {key.curve.name}"
    return type(key).__name__.lstrip("_")


def _oddities(certificate: x509.Certificate, now: datetime, use: Use) -> list[str]:
    name = f"the {use} certificate with the serial number {certificate.serial_number:x}"
    oddities = []
    if certificate.not_valid_after_utc < now:
        oddities.append(f"{name} expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if certificate.not_valid_before_utc > now:
        oddities.append(f"{name} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return oddities
    except ValueError:
        return [*oddities, f"{name} has extensions that cannot be read"]
    if use == "signing" and not usage.digital_signature:
        oddities.append(f"{name} has a keyUsage without digitalSignature")
    if use == "encryption" and not usage.key_encipherment:
        oddities.append(f"{name} has a keyUsage without keyEncipherment")
    return oddities
