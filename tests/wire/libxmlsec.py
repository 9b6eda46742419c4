"""The other verifier and signer: libxmlsec, by which tests hold wire/signature.py to what everybody else says."""

from functools import cache

import xmlsec
from lxml import etree
from xmlsec import constants

from saml_slo.protocol.names import EXCLUSIVE_C14N
from saml_slo.wire.algorithms import public_key_pem
from tests.keys import pair

# By their URIs: constants of python-xmlsec know their own.
TRANSFORMS = {
    transform.href: transform
    for transform in (getattr(constants, name) for name in dir(constants) if name.startswith("Transform"))
    if hasattr(transform, "href")
}


@cache
def _public(certificate):
    return xmlsec.Key.from_memory(public_key_pem(certificate), constants.KeyDataFormatPem)


@cache
def _private(signer):
    return xmlsec.Key.from_memory(pair(signer).key_pem, constants.KeyDataFormatPem)


def is_good(signature, certificates):
    """Say what libxmlsec says of a profiled signature, which is left where it is."""
    for certificate in certificates:
        context = xmlsec.SignatureContext()
        context.key = _public(certificate)
        try:
            context.register_id(signature.parent, "ID")
            context.verify(signature.element)
        except (xmlsec.Error, ValueError):
            continue
        return True
    return False


def sign(
    parent,
    signer,
    place,
    *,
    method,
    digest=constants.TransformSha256.href,
    canonicalization=(EXCLUSIVE_C14N, None),
    transform=(EXCLUSIVE_C14N, None),
    prefix="ds",
):
    """Put a signature by libxmlsec into an element with an ID, and return it.

    `canonicalization` (of SignedInfo) and `transform` (of the content) are each a URI and a PrefixList or None.
    """
    signature = xmlsec.template.create(parent, TRANSFORMS[canonicalization[0]], TRANSFORMS[method], ns=prefix)
    reference = xmlsec.template.add_reference(signature, TRANSFORMS[digest], uri=f"#{parent.get('ID')}")
    xmlsec.template.add_transform(reference, constants.TransformEnveloped)
    last = xmlsec.template.add_transform(reference, TRANSFORMS[transform[0]])
    for element, (_, prefixes) in ((signature[0][0], canonicalization), (last, transform)):
        if prefixes is not None:
            etree.SubElement(element, f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces", PrefixList=prefixes)
    parent.insert(place, signature)
    context = xmlsec.SignatureContext()
    context.key = _private(signer)
    context.register_id(parent, "ID")
    context.sign(signature)
    return signature
