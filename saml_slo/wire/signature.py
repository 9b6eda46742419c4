"""Verify enveloped XML signatures (Core 5.4) whose structure has been checked, with keys from the peer's metadata.

What is left for libxmlsec after signature_profile.py is canonicalization, one digest and one public-key operation. It
gets the transforms that the profiled signature names and no others, and a key of ours: KeyInfo is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import xmlsec
from xmlsec import constants

from saml_slo.errors import MessageRefused, Reason
from saml_slo.wire.algorithms import public_key_pem
from saml_slo.wire.signature_profile import ProfiledSignature

_TRANSFORM_OF = {
    transform.href: transform
    for transform in (
        constants.TransformEnveloped,
        constants.TransformExclC14N,
        constants.TransformInclC14N,
        constants.TransformInclC14N11,
        constants.TransformSha1,
        constants.TransformSha256,
        constants.TransformSha384,
        constants.TransformSha512,
        constants.TransformRsaSha1,
        constants.TransformRsaSha256,
        constants.TransformRsaSha384,
        constants.TransformRsaSha512,
        constants.TransformEcdsaSha256,
        constants.TransformEcdsaSha384,
        constants.TransformEcdsaSha512,
    )
}


def verify_enveloped(signature: ProfiledSignature, certificates: Sequence[bytes]) -> None:
    """Verify that `signature` is over its parent and was made with a key of `certificates` (DER).

    Returns nothing: whatever is read afterwards is read from the parent, the element that was signed, in the same tree.
    """
    for certificate in certificates:
        context = xmlsec.SignatureContext()
        for transform in signature.signature_transforms:
            context.enable_signature_transform(_TRANSFORM_OF[transform])
        for transform in signature.reference_transforms:
            context.enable_reference_transform(_TRANSFORM_OF[transform])
        context.key = _xmlsec_key(certificate)
        try:
            context.register_id(signature.parent, "ID")
            context.verify(signature.element)
        except (xmlsec.Error, ValueError):
            continue
        return
    raise MessageRefused(
        Reason.SIGNATURE_INVALID,
        "the signature was made with no key of the sender's metadata, or the content was changed",
        expected=f"one of {len(certificates)} key(s)",
    )


@lru_cache(maxsize=4096)
def _xmlsec_key(certificate: bytes) -> xmlsec.Key:
    return xmlsec.Key.from_memory(public_key_pem(certificate), constants.KeyDataFormatPem)
