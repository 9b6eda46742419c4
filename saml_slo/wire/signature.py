"""Verify enveloped XML signatures the strict way (Core 5.4): first the structure, then the cryptography.

Everything that a signature may look like is checked in our own code before libxmlsec sees it, because libxmlsec runs
the transforms and opens the files that a message names before it knows whether the key is right: an XPath transform
cost 293 s of CPU, a `file:` Reference opened the file. What is left for libxmlsec is canonicalization, one digest and
one public-key operation with a key that comes from the peer's metadata, never from KeyInfo.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import xmlsec
from lxml import etree
from lxml.etree import _Element
from xmlsec import constants

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import DS, ENVELOPED_SIGNATURE, EXCLUSIVE_C14N, SAML
from saml_slo.wire.algorithms import AllowedAlgorithms, public_key_pem

SIGNATURE = f"{{{DS}}}Signature"
_ISSUER = f"{{{SAML}}}Issuer"
_INCLUSIVE_NAMESPACES = f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces"
_INCLUSIVE_C14N = frozenset({"http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11"})
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_XML_SPACE = " \t\r\n"
# libxml2 looks up every prefix at every element: 50,000 prefixes cost 28 s before the key was known to be right.
_MAX_PREFIX_LOOKUPS = 8_192

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


def _ds(name: str) -> str:
    return f"{{{DS}}}{name}"


_SIGNATURE_CHILDREN = [_ds("SignedInfo"), _ds("SignatureValue")]
_SIGNATURE_CHILDREN_WITH_KEY_INFO = [*_SIGNATURE_CHILDREN, _ds("KeyInfo")]
_SIGNED_INFO_CHILDREN = [_ds("CanonicalizationMethod"), _ds("SignatureMethod"), _ds("Reference")]
_REFERENCE_CHILDREN = [_ds("Transforms"), _ds("DigestMethod"), _ds("DigestValue")]
_TWO_TRANSFORMS = [_ds("Transform")] * 2
_KEY_INFO_CHILDREN = frozenset({_ds("X509Data"), _ds("KeyName")})
# The schema lets elements of any other namespace into X509Data, whole assertions too; of those, X509Digest is real.
_X509_DATA = frozenset(
    {
        *map(_ds, ("X509Certificate", "X509CRL", "X509SKI", "X509SubjectName")),
        *map(_ds, ("X509IssuerSerial", "X509IssuerName", "X509SerialNumber")),
        "{http://www.w3.org/2009/xmldsig11#}X509Digest",
    }
)


class ProfiledSignature:
    """A signature that has the structure of Core 5.4; the only thing that `verify_enveloped` takes.

    `profiled_signature` is the only maker, so no signature reaches libxmlsec before its structure was checked. The two
    lists of transform URIs are all that libxmlsec may run for it.
    """

    __slots__ = ("element", "parent", "reference_transforms", "signature_transforms")

    element: _Element
    parent: _Element
    reference_transforms: tuple[str, ...]
    signature_transforms: tuple[str, ...]

    def __init__(self) -> None:
        """Refuse: a signature is profiled by checking it, not by calling a constructor."""
        msg = "ProfiledSignature is made by profiled_signature only"
        raise TypeError(msg)


def profiled_signature(parent: _Element, allowed: AllowedAlgorithms) -> ProfiledSignature | None:
    """Return the Signature that is a child of `parent`, None when there is none; refuse two (C080) and misshapen ones.

    No cryptography, and no look at the rest of the document.
    """
    found = list(parent.iterchildren(SIGNATURE))
    if not found:
        return None
    if len(found) > 1:
        raise _violation("one element carries several signatures", got=str(len(found)))
    profiled = object.__new__(ProfiledSignature)
    profiled.parent, profiled.element = parent, found[0]
    profiled.signature_transforms, profiled.reference_transforms = _check_profile(parent, found[0], allowed)
    return profiled


def refuse_stray_signatures(root: _Element, allowed_parents: Sequence[_Element]) -> None:
    """Refuse a ds:Signature anywhere but as a direct child of one of `allowed_parents` (C079, B024, A001)."""
    for signature in root.iter(SIGNATURE):
        if not any(signature.getparent() is parent for parent in allowed_parents):
            raise _violation("a signature stands at a place where none may be", got=_path(signature))


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
        "the signature was made with no key of this connection's metadata, or the content was changed",
        expected=f"one of {len(certificates)} key(s)",
    )


@lru_cache(maxsize=4096)
def _xmlsec_key(certificate: bytes) -> xmlsec.Key:
    return xmlsec.Key.from_memory(public_key_pem(certificate), constants.KeyDataFormatPem)


def _check_profile(
    parent: _Element, signature: _Element, allowed: AllowedAlgorithms
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Refuse every structure but that of Core 5.4; return the transforms of SignedInfo and of the Reference.

    The Signature follows the Issuer (schema order), holds SignedInfo, SignatureValue and at most one KeyInfo; its one
    Reference is `#` and the parent's ID; the transforms are exactly enveloped-signature and exclusive C14N.
    """
    before = signature.getprevious()
    if before is None:
        after = signature.getnext()
        misplaced = after is not None and after.tag == _ISSUER  # without an Issuer it comes first
    else:
        misplaced = before.tag != _ISSUER or before.getprevious() is not None
    if misplaced:
        raise _violation("the Signature does not follow the Issuer", got=_path(signature))
    children = _children(signature)
    names = [child.tag for child in children]
    if names == _SIGNATURE_CHILDREN_WITH_KEY_INFO:
        _check_key_info(children[2])
    elif names != _SIGNATURE_CHILDREN:
        raise _violation("the Signature has other children than SignedInfo, SignatureValue, KeyInfo", got=str(names))
    _check_base64(children[1], "SignatureValue")
    parts = _children(children[0])
    if [part.tag for part in parts] != _SIGNED_INFO_CHILDREN:
        raise _violation("SignedInfo must hold one Reference", got=str([part.tag for part in parts])[:200])
    c14n, method, reference = parts
    return (
        (_check_c14n(c14n, allowed), _check_method(method, allowed.signature)),
        _check_reference(reference, parent, allowed),
    )


def _check_reference(reference: _Element, parent: _Element, allowed: AllowedAlgorithms) -> tuple[str, ...]:
    identifier = parent.get("ID")
    if not identifier or reference.items() != [("URI", f"#{identifier}")]:
        raise _violation(
            "the Reference is not to the signed element", expected=f"#{identifier}", got=str(dict(reference.attrib))
        )
    parts = _children(reference)
    if [part.tag for part in parts] != _REFERENCE_CHILDREN:
        raise _violation("the Reference must hold Transforms, DigestMethod, DigestValue")
    transforms, method, value = parts
    chain = _children(transforms)
    if (
        [transform.tag for transform in chain] != _TWO_TRANSFORMS
        or chain[0].items() != [("Algorithm", ENVELOPED_SIGNATURE)]
        or _children(chain[0])
    ):
        raise _violation(
            "the transforms must be enveloped-signature, then exclusive C14N",
            got=str([transform.get("Algorithm") for transform in chain])[:300],
        )
    c14n = _check_c14n(chain[1], allowed)
    digest = _check_method(method, allowed.digest)
    _check_base64(value, "DigestValue")
    return (ENVELOPED_SIGNATURE, c14n, digest)


def _check_c14n(method: _Element, allowed: AllowedAlgorithms) -> str:
    algorithm = method.get("Algorithm", "")
    known = algorithm == EXCLUSIVE_C14N or (allowed.inclusive_c14n and algorithm in _INCLUSIVE_C14N)
    if not known:
        # A canonicalization that is merely not on the list is an algorithm; anything else does not belong here.
        if "c14n" in algorithm:
            raise _not_allowed("canonicalization", EXCLUSIVE_C14N, algorithm)
        raise _violation("a transform is not allowed", expected=EXCLUSIVE_C14N, got=algorithm)
    if method.keys() != ["Algorithm"]:
        raise _violation("a canonicalization method has unknown attributes")
    for child in _children(method):
        if child.tag != _INCLUSIVE_NAMESPACES or child.keys() != ["PrefixList"] or len(child):
            raise _violation("only InclusiveNamespaces may stand in a canonicalization method", got=str(child.tag))
        prefixes, elements = len(child.get("PrefixList", "").split()), sum(1 for _ in child.getroottree().iter("*"))
        if prefixes * elements > _MAX_PREFIX_LOOKUPS:
            raise _violation("the PrefixList is too long", got=f"{prefixes} prefixes for {elements} elements")
    return algorithm


def _check_method(method: _Element, algorithms: frozenset[str]) -> str:
    if method.keys() != ["Algorithm"] or _children(method):
        # HMACOutputLength and the like (CVE-2009-0217).
        raise _violation("an algorithm has parameters", got=_path(method))
    algorithm = method.get("Algorithm", "")
    if algorithm not in algorithms:
        raise _not_allowed(etree.QName(method).localname, "an algorithm on the allow-list", algorithm)
    return algorithm


def _check_base64(element: _Element, name: str) -> None:
    # Line breaks and indentation between lines come from lasso and Santuario; a blank inside a line from nobody. No
    # regular expression over the lines: one with a repetition in a repetition took a minute for 30 characters.
    text = (element.text or "").replace("\n", "")
    if len(element) or not (_BASE64.fullmatch(text) or _BASE64.fullmatch(_joined_lines(element.text or ""))):
        raise _violation(f"the {name} is not base64")


def _joined_lines(text: str) -> str:
    return "".join(line.strip(" \t") for line in text.replace("\r", "\n").split("\n"))


def _check_key_info(key_info: _Element) -> None:
    # Keys come from metadata alone, so these are only tolerated; what would make a verifier fetch or import a key
    # (KeyValue, DEREncodedKeyValue, RetrievalMethod, KeyInfoReference) is refused outright (CVE-2021-21239).
    for child in _children(key_info):
        if child.tag not in _KEY_INFO_CHILDREN:
            raise _violation("KeyInfo may hold X509Data or KeyName only", got=str(child.tag))
        for inside in child.iterdescendants():
            if inside.tag not in _X509_DATA:
                raise _violation("something foreign stands in KeyInfo", got=str(inside.tag))


def _children(element: _Element) -> list[_Element]:
    """Return the child elements; refuse text between them, which no signer writes there."""
    children = list(element)
    texts = [element.text]
    texts += [child.tail for child in children]
    for text in texts:
        if text is not None and text.strip(_XML_SPACE):
            raise _violation("text stands between the elements of a signature", got=_path(element))
    return children


def _path(element: _Element) -> str:
    return str(element.getroottree().getelementpath(element))[:200]


def _violation(message: str, *, expected: str = "", got: str = "") -> MessageRefused:
    return MessageRefused(Reason.SIGNATURE_PROFILE_VIOLATION, message, expected=expected, got=got[:300])


def _not_allowed(what: str, expected: str, got: str) -> MessageRefused:
    return MessageRefused(Reason.ALGORITHM_NOT_ALLOWED, f"this {what} is not allowed", expected=expected, got=got[:200])
