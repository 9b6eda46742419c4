"""Who may have signed a metadata document, and the check that one of them did (SAML V2.0 Metadata 3, Core 5.4).

The signature is that of the root and covers the whole document; the same strict profile holds as for messages. What
differs: the key never comes from the signature. Pinned certificates are the keys; a pinned fingerprint chooses one of
the certificates that the signature brings along, and KeyInfo is then taken off before anything looks at the signature,
because federations' signers write keys of every form there.

Entities inside an aggregate may carry signatures of their own. The root's covers them; nobody looks at them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml.etree import _Element

from saml_slo.errors import ConfigurationError, MessageRefused, Reason
from saml_slo.protocol.names import DS
from saml_slo.wire.algorithms import METADATA_ALGORITHMS
from saml_slo.wire.certificates import CertificateRefusedError, read_certificate
from saml_slo.wire.metadata_entity import invalid, md
from saml_slo.wire.signature import verify_enveloped
from saml_slo.wire.signature_profile import SIGNATURE, profiled_signature

_KEY_INFO = f"{{{DS}}}KeyInfo"
_CERTIFICATE = "/".join(f"{{{DS}}}{name}" for name in ("X509Data", "X509Certificate"))
_ENTITIES = (md("EntityDescriptor"), md("EntitiesDescriptor"))
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_MAX_CERTIFICATES = 8  # of one KeyInfo or signer file: the signer's, and the chain above it
_NEXT_STEP = "Ask whoever publishes it for the certificate of the signer, and compare it with the one that is pinned."


@dataclass(frozen=True, slots=True)
class Signers:
    """Who may sign: certificates (DER), and SHA-256 fingerprints of certificates in lower-case hex without colons."""

    certificates: tuple[bytes, ...] = ()
    fingerprints: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Say whether anybody is named."""
        return bool(self.certificates or self.fingerprints)


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a DER certificate, as `Signers` has it."""
    return hashlib.sha256(certificate).hexdigest()


def read_signers(pem: bytes, now: datetime | None = None) -> tuple[bytes, ...]:
    """Return the certificates of a PEM file (DER): the signer's, and during its rollover the next one's.

    Raises ConfigurationError for a file without one, with too many, or with a key that is too weak.
    """
    texts = _PEM.findall(pem.decode("ascii", "replace"))
    if not 1 <= len(texts) <= _MAX_CERTIFICATES:
        raise ConfigurationError(
            "this is not a file with certificates of a metadata signer",
            expected=f"1 to {_MAX_CERTIFICATES} certificates in PEM",
            got=str(len(texts)),
        )
    try:
        return tuple(read_certificate(text, now or datetime.now(UTC)).der for text in texts)
    except CertificateRefusedError as error:
        raise ConfigurationError(str(error), expected=error.expected, got=error.got) from None


def verify_metadata(root: _Element, signers: Signers) -> None:
    """Verify that one of `signers` signed the whole document, or raise ConfigurationError (METADATA_INVALID).

    Security B038: the one signature that counts is a direct child of the root, and its one Reference is the root.
    """
    found = [child for child in root if child.tag == SIGNATURE]
    if not found:
        raise invalid(
            "the metadata is not signed",
            root,
            expected="a signature of the whole document by the signer that is pinned",
            got="no Signature as a child of the root",
            next_step=_NEXT_STEP,
        )
    certificates = (*signers.certificates, *_chosen(found[0], signers.fingerprints))
    if not certificates:
        raise invalid(
            "the signature was made with no certificate that is pinned",
            found[0],
            expected=f"SHA-256 fingerprint {' or '.join(signers.fingerprints)}",
            got=", ".join(map(fingerprint, _brought(found[0]))) or "no certificate in its KeyInfo",
            next_step=_NEXT_STEP,
        )
    for key_info in found[0].findall(_KEY_INFO):
        found[0].remove(key_info)
    try:
        _verify(root, certificates)
    except MessageRefused as error:
        raise invalid(
            f"the signature of the metadata is not good: {error.message}",
            found[0],
            expected=error.expected,
            got=error.got,
            next_step=_NEXT_STEP,
        ) from None


def _verify(root: _Element, certificates: tuple[bytes, ...]) -> None:
    signature = profiled_signature(root, METADATA_ALGORITHMS)
    if signature is None:
        raise MessageRefused(Reason.SIGNATURE_MISSING, "there is none")
    _refuse_elsewhere(root)
    verify_enveloped(signature, certificates)


def _refuse_elsewhere(root: _Element) -> None:
    """Refuse a Signature anywhere but on the root, or on an entity or group inside it."""
    for signature in root.iter(SIGNATURE):
        parent = signature.getparent()
        if parent is None or parent.tag not in _ENTITIES:
            raise MessageRefused(
                Reason.SIGNATURE_PROFILE_VIOLATION,
                "a signature stands at a place where none may be",
                got=f"line {signature.sourceline}",
            )


def _brought(signature: _Element) -> Iterable[bytes]:
    """Yield the usable certificates that a signature brings along; nothing makes them trustworthy yet."""
    now = datetime.now(UTC)
    elements = [element for key_info in signature.findall(_KEY_INFO) for element in key_info.findall(_CERTIFICATE)]
    for element in elements[:_MAX_CERTIFICATES]:
        try:
            yield read_certificate("".join(element.itertext()), now).der
        except CertificateRefusedError:
            continue


def _chosen(signature: _Element, fingerprints: tuple[str, ...]) -> list[bytes]:
    return [der for der in _brought(signature) if fingerprint(der) in fingerprints] if fingerprints else []
