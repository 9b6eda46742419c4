"""What an operator wants to know of a certificate. None of it decides anything: trust is in the key that was pinned."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

_MAX_DER = 32 * 1024


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate. `fingerprint` is SHA-256 of its DER in hex, `key` words such as `RSA 2048`."""

    fingerprint: str
    key: str
    not_before: datetime
    not_after: datetime

    @property
    def short(self) -> str:
        """Return the start of the fingerprint, enough to tell two certificates apart."""
        return f"sha256:{self.fingerprint[:16]}"


def certificate_facts(der: bytes) -> CertificateFacts | None:
    """Return the facts of a DER certificate, None for what is no certificate that we can read."""
    if len(der) > _MAX_DER:
        return None
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if isinstance(key, rsa.RSAPublicKey):
        words = f"RSA {key.key_size}"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        words = f"EC {key.curve.name}"
    else:
        words = type(key).__name__
    return CertificateFacts(
        fingerprint=hashlib.sha256(der).hexdigest(),
        key=words,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )
