"""Verify enveloped XML signatures the strict way (Core 5.4): first the structure, then the cryptography.

Everything that a signature may look like is checked in our own code before libxmlsec sees it, because libxmlsec runs
the transforms and opens the files that a message names before it knows whether the key is right: an XPath transform
cost 293 s of CPU, a `file:` Reference opened the file. What is left for libxmlsec is canonicalization, one digest and
one public-key operation with a key that comes from the peer's metadata, never from KeyInfo.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import xmlsec
from lxml import etree

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import DS, ENVELOPED_SIGNATURE, EXCLUSIVE_C14N, SAML
from saml_slo.wire.algorithms import AllowedAlgorithms, public_key_pem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml.etree import _Element

SIGNATURE = f"{{{DS}}}Signature"
_ISSUER = f"{{{SAML}}}Issuer"
_INCLUSIVE_NAMESPACES = f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces"
_INCLUSIVE_C14N = frozenset({"http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11"})
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_XML_SPACE = " \t\r\n"
# libxml2 looks up every prefix at every element: 50,000 prefixes cost 28 s before the key was known to be right.
_MAX_PREFIX_LOOKUPS = 8_192

_TRANSFORMS = (
    xmlsec.Transform.ENVELOPED,
    xmlsec.Transform.EXCL_C14N,
    xmlsec.Transform.C14N,
    xmlsec.Transform.C14N11,
    xmlsec.Transform.SHA1,
    xmlsec.Transform.SHA256,
    xmlsec.Transform.SHA384,
    xmlsec.Transform.SHA512,
    xmlsec.Transform.RSA_SHA1,
    xmlsec.Transform.RSA_SHA256,
    xmlsec.Transform.RSA_SHA384,
    xmlsec.Transform.RSA_SHA512,
    xmlsec.Transform.ECDSA_SHA256,
    xmlsec.Transform.ECDSA_SHA384,
    xmlsec.Transform.ECDSA_SHA512,
)


def _ds(name: str) -> str:
    return f"{{{DS}}}{name}"


_SIGNED_INFO_CHILDREN = [_ds("CanonicalizationMethod"), _ds("SignatureMethod"), _ds("Reference")]
_REFERENCE_CHILDREN = [_ds("Transforms"), _ds("DigestMethod"), _ds("DigestValue")]
_KEY_INFO_CHILDREN = frozenset({_ds("X509Data"), _ds("KeyName")})


def find_signature(parent: _Element) -> _Element | None:
    """Return the Signature that is a direct child of `parent`, or None; refuse two (C080)."""
    found = [child for child in parent if child.tag == SIGNATURE]
    if len(found) > 1:
        raise _violation("one element carries several signatures", got=str(len(found)))
    return found[0] if found else None


def refuse_stray_signatures(root: _Element, allowed_parents: Sequence[_Element]) -> None:
    """Refuse a ds:Signature anywhere but as a direct child of one of `allowed_parents` (C079, B024, A001)."""
    for signature in root.iter(SIGNATURE):
        if not any(signature.getparent() is parent for parent in allowed_parents):
            raise _violation("a signature stands at a place where none may be", got=_path(signature))


def verify_enveloped(
    parent: _Element, signature: _Element, certificates: Sequence[bytes], allowed: AllowedAlgorithms
) -> None:
    """Verify that `signature`, a child of `parent`, is over `parent` and was made with a key of `certificates` (DER).

    Returns nothing: whatever is read afterwards is read from `parent`, the element that was signed, in the same tree.
    """
    check_profile(parent, signature, allowed)
    for certificate in certificates:
        context = xmlsec.SignatureContext()
        for transform in _TRANSFORMS:
            context.enable_reference_transform(transform)
            context.enable_signature_transform(transform)
        context.key = _xmlsec_key(certificate)
        try:
            context.register_id(parent, "ID")
            context.verify(signature)
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
    return xmlsec.Key.from_memory(public_key_pem(certificate), xmlsec.KeyFormat.PEM)


def check_profile(parent: _Element, signature: _Element, allowed: AllowedAlgorithms) -> None:
    """Refuse every structure but the one of Core 5.4; no cryptography, no look at the rest of the document.

    The Signature follows the Issuer (schema order), holds SignedInfo, SignatureValue and at most one KeyInfo; its one
    Reference is `#` and the parent's ID; the transforms are exactly enveloped-signature and exclusive C14N.
    """
    before = signature.getprevious()
    if before is not None and (before.tag != _ISSUER or before.getprevious() is not None):
        raise _violation("the Signature does not follow the Issuer", got=_path(signature))
    children = _children(signature)
    names = [child.tag for child in children]
    if names[:2] != [_ds("SignedInfo"), _ds("SignatureValue")] or names[2:] not in ([], [_ds("KeyInfo")]):
        raise _violation("the Signature has other children than SignedInfo, SignatureValue, KeyInfo", got=str(names))
    signed_info, value = children[0], children[1]
    if len(value) or not _is_base64(value.text or ""):
        raise _violation("the SignatureValue is not base64")
    if len(children) > 2:  # noqa: PLR2004 - the optional third child, named in the docstring
        _check_key_info(children[2])
    parts = _children(signed_info)
    if [part.tag for part in parts] != _SIGNED_INFO_CHILDREN:
        raise _violation("SignedInfo must hold one Reference", got=str([part.tag for part in parts])[:200])
    _check_c14n(parts[0], allowed)
    _check_method(parts[1], allowed.signature)
    _check_reference(parts[2], parent, allowed)


def _check_reference(reference: _Element, parent: _Element, allowed: AllowedAlgorithms) -> None:
    identifier = parent.get("ID")
    if not identifier or dict(reference.attrib) != {"URI": f"#{identifier}"}:
        raise _violation(
            "the Reference is not to the signed element", expected=f"#{identifier}", got=str(dict(reference.attrib))
        )
    parts = _children(reference)
    if [part.tag for part in parts] != _REFERENCE_CHILDREN:
        raise _violation("the Reference must hold Transforms, DigestMethod, DigestValue")
    transforms = _children(parts[0])
    if (
        [t.tag for t in transforms] != [_ds("Transform")] * 2
        or transforms[0].get("Algorithm") != ENVELOPED_SIGNATURE
        or len(transforms[0])
    ):
        raise _violation(
            "the transforms must be enveloped-signature, then exclusive C14N",
            got=str([t.get("Algorithm") for t in transforms])[:300],
        )
    _check_c14n(transforms[1], allowed)
    _check_method(parts[1], allowed.digest)
    if len(parts[2]) or not _is_base64(parts[2].text or ""):
        raise _violation("the DigestValue is not base64")


def _check_c14n(method: _Element, allowed: AllowedAlgorithms) -> None:
    algorithm = method.get("Algorithm")
    known = algorithm == EXCLUSIVE_C14N or (allowed.inclusive_c14n and algorithm in _INCLUSIVE_C14N)
    if not known:
        # A canonicalization that is merely not on the list is an algorithm; anything else does not belong here.
        if algorithm is not None and "c14n" in algorithm:
            raise _not_allowed("canonicalization", EXCLUSIVE_C14N, algorithm)
        raise _violation("a transform is not allowed", expected=EXCLUSIVE_C14N, got=str(algorithm)[:200])
    if set(method.attrib) != {"Algorithm"}:
        raise _violation("a canonicalization method has unknown attributes")
    for child in _children(method):
        if child.tag != _INCLUSIVE_NAMESPACES or set(child.attrib) != {"PrefixList"} or len(child):
            raise _violation("only InclusiveNamespaces may stand in a canonicalization method", got=str(child.tag))
        prefixes, elements = len(child.get("PrefixList", "").split()), sum(1 for _ in child.getroottree().iter("*"))
        if prefixes * elements > _MAX_PREFIX_LOOKUPS:
            raise _violation("the PrefixList is too long", got=f"{prefixes} prefixes for {elements} elements")


def _check_method(method: _Element, algorithms: frozenset[str]) -> None:
    if len(method) or set(method.attrib) != {"Algorithm"} or _has_text(method):
        # HMACOutputLength and the like (CVE-2009-0217).
        raise _violation("an algorithm has parameters", got=_path(method))
    if method.get("Algorithm") not in algorithms:
        raise _not_allowed(
            etree.QName(method).localname, "an algorithm on the allow-list", str(method.get("Algorithm"))
        )


def _check_key_info(key_info: _Element) -> None:
    # Keys come from metadata alone, so these are only tolerated; what would make a verifier fetch or import a key
    # (KeyValue, DEREncodedKeyValue, RetrievalMethod, KeyInfoReference) is refused outright (CVE-2021-21239).
    for child in _children(key_info):
        if child.tag not in _KEY_INFO_CHILDREN:
            raise _violation("KeyInfo may hold X509Data or KeyName only", got=str(child.tag))


def _children(element: _Element) -> list[_Element]:
    """Return the child elements; refuse text between them, which no signer writes there."""
    if _has_text(element):
        raise _violation("text stands between the elements of a signature", got=_path(element))
    return list(element)


def _is_base64(text: str) -> bool:
    # Line breaks and indentation between lines come from lasso and Santuario; a blank inside a line from nobody. No
    # regular expression over the lines: one with a repetition in a repetition took a minute for 30 characters.
    return bool(_BASE64.fullmatch("".join(line.strip(" \t") for line in text.replace("\r", "\n").split("\n"))))


def _has_text(element: _Element) -> bool:
    return bool((element.text or "").strip(_XML_SPACE)) or any(
        (child.tail or "").strip(_XML_SPACE) for child in element
    )


def _path(element: _Element) -> str:
    return str(element.getroottree().getelementpath(element))[:200]


def _violation(message: str, *, expected: str = "", got: str = "") -> MessageRefused:
    return MessageRefused(Reason.SIGNATURE_PROFILE_VIOLATION, message, expected=expected, got=got[:300])


def _not_allowed(what: str, expected: str, got: str) -> MessageRefused:
    return MessageRefused(Reason.ALGORITHM_NOT_ALLOWED, f"this {what} is not allowed", expected=expected, got=got[:200])
