"""The one structure that an XML signature may have (Core 5.4), checked before any cryptography.

Everything that a signature may look like is checked in our own code before libxmlsec sees it, because libxmlsec runs
the transforms and opens the files that a message names before it knows whether the key is right: an XPath transform
cost 293 s of CPU, a `file:` Reference opened the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lxml import etree
from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import DS, ENVELOPED_SIGNATURE, EXCLUSIVE_C14N, SAML
from saml_slo.wire.algorithms import AllowedAlgorithms

SIGNATURE = f"{{{DS}}}Signature"
_ISSUER = f"{{{SAML}}}Issuer"
_INCLUSIVE_NAMESPACES = f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces"
_INCLUSIVE_C14N = frozenset({"http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11"})
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_XML_SPACE = " \t\r\n"


def _ds(name: str) -> str:
    return f"{{{DS}}}{name}"


_CHILDREN = ([_ds("SignedInfo"), _ds("SignatureValue")], [_ds("SignedInfo"), _ds("SignatureValue"), _ds("KeyInfo")])
_KEY_INFO_CHILDREN = frozenset({_ds("X509Data"), _ds("KeyName")})
# The schema lets elements of any other namespace into X509Data, whole assertions too; of those, X509Digest is real.
_X509_DATA = frozenset(
    {
        *map(_ds, ("X509Certificate", "X509CRL", "X509SKI", "X509SubjectName")),
        *map(_ds, ("X509IssuerSerial", "X509IssuerName", "X509SerialNumber")),
        "{http://www.w3.org/2009/xmldsig11#}X509Digest",
    }
)


def _signed_info(in_method: int, in_transform: int) -> list[tuple[str, int]]:
    """Return the elements of a SignedInfo in document order, each with its number of children: that is the whole tree.

    The arguments say how many InclusiveNamespaces (0 or 1) the canonicalization method and the transform hold.
    """
    return [
        (_ds("SignedInfo"), 3),
        (_ds("CanonicalizationMethod"), in_method),
        *[(_INCLUSIVE_NAMESPACES, 0)] * in_method,
        (_ds("SignatureMethod"), 0),
        (_ds("Reference"), 3),
        (_ds("Transforms"), 2),
        (_ds("Transform"), 0),
        (_ds("Transform"), in_transform),
        *[(_INCLUSIVE_NAMESPACES, 0)] * in_transform,
        (_ds("DigestMethod"), 0),
        (_ds("DigestValue"), 0),
    ]


_SIGNED_INFOS = [_signed_info(in_method, in_transform) for in_method in (0, 1) for in_transform in (0, 1)]


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

    The Signature follows the Issuer (schema order), holds SignedInfo, SignatureValue and at most one KeyInfo; its one
    Reference is `#` and the parent's ID; the transforms are exactly enveloped-signature and exclusive C14N. No
    cryptography, and no look at the rest of the document.
    """
    found = [child for child in parent if child.tag == SIGNATURE]
    if not found:
        return None
    if len(found) > 1:
        raise _violation("one element carries several signatures", got=str(len(found)))
    signature = found[0]
    _check_place(signature)
    children = list(signature)
    if [child.tag for child in children] not in _CHILDREN:
        raise _violation(
            "the Signature has other children than SignedInfo, SignatureValue, KeyInfo", got=_names(children)
        )
    signed_info, value, *key_info = children
    _refuse_text([signature.text] + [child.tail for child in children])
    _check_base64(value)
    for element in key_info:
        _check_key_info(element)
    profiled = object.__new__(ProfiledSignature)
    profiled.parent, profiled.element = parent, signature
    profiled.signature_transforms, profiled.reference_transforms = _check_signed_info(signed_info, parent, allowed)
    return profiled


def refuse_stray_signatures(root: _Element, allowed_parents: Sequence[_Element]) -> None:
    """Refuse a ds:Signature anywhere but as a direct child of one of `allowed_parents` (C079, B024, A001)."""
    for signature in root.iter(SIGNATURE):
        if signature.getparent() not in allowed_parents:
            raise _violation("a signature stands at a place where none may be", got=_path(signature))


def _check_place(signature: _Element) -> None:
    before = signature.getprevious()
    if before is None:
        after = signature.getnext()
        misplaced = after is not None and after.tag == _ISSUER  # without an Issuer it comes first
    else:
        misplaced = before.tag != _ISSUER or before.getprevious() is not None
    if misplaced:
        raise _violation("the Signature does not follow the Issuer", got=_path(signature))


def _check_signed_info(
    signed_info: _Element, parent: _Element, allowed: AllowedAlgorithms
) -> tuple[tuple[str, str], tuple[str, str, str]]:
    """Return the transforms of SignedInfo and those of its Reference."""
    elements = list(signed_info.iter())
    if [(element.tag, len(element)) for element in elements] not in _SIGNED_INFOS:
        raise _violation("SignedInfo holds more, less or other elements than it may", got=_names(elements))
    _refuse_text([element.text for element in elements[:-1]] + [element.tail for element in elements[1:]])
    c14n, method, reference = signed_info
    transforms, digest_method, digest_value = reference
    enveloped, c14n_transform = transforms
    identifier = parent.get("ID")
    if not identifier or reference.items() != [("URI", f"#{identifier}")]:
        raise _violation(
            "the Reference is not to the signed element", expected=f"#{identifier}", got=str(dict(reference.attrib))
        )
    if enveloped.items() != [("Algorithm", ENVELOPED_SIGNATURE)]:
        raise _violation("the first transform must be enveloped-signature", got=str(dict(enveloped.attrib)))
    _check_base64(digest_value)
    return (
        (_c14n(c14n, allowed), _method(method, allowed.signature)),
        (ENVELOPED_SIGNATURE, _c14n(c14n_transform, allowed), _method(digest_method, allowed.digest)),
    )


def _c14n(method: _Element, allowed: AllowedAlgorithms) -> str:
    algorithm = method.get("Algorithm", "")
    known = algorithm == EXCLUSIVE_C14N or (allowed.inclusive_c14n and algorithm in _INCLUSIVE_C14N)
    if not known:
        # A canonicalization that is merely not on the list is an algorithm; anything else does not belong here.
        if "c14n" in algorithm:
            raise _not_allowed("canonicalization", EXCLUSIVE_C14N, algorithm)
        raise _violation("a transform is not allowed", expected=EXCLUSIVE_C14N, got=algorithm)
    if method.keys() != ["Algorithm"]:
        raise _violation("a canonicalization method has unknown attributes")
    for inclusive in method:
        if inclusive.keys() != ["PrefixList"]:
            raise _violation("InclusiveNamespaces may have a PrefixList only")
        prefixes = len(inclusive.get("PrefixList", "").split())
        elements = sum(1 for _ in inclusive.getroottree().iter("*"))
        if prefixes * elements > allowed.prefix_lookups:
            raise _violation("the PrefixList is too long", got=f"{prefixes} prefixes for {elements} elements")
    return algorithm


def _method(method: _Element, algorithms: frozenset[str]) -> str:
    if method.keys() != ["Algorithm"]:
        raise _violation("an algorithm has parameters", got=_path(method))
    algorithm = method.get("Algorithm", "")
    if algorithm not in algorithms:
        raise _not_allowed(etree.QName(method).localname, "an algorithm on the allow-list", algorithm)
    return algorithm


def _check_base64(element: _Element) -> None:
    # Line breaks and indentation between lines come from lasso and Santuario; a blank inside a line from nobody. No
    # regular expression over the lines: one with a repetition in a repetition took a minute for 30 characters.
    text = (element.text or "").replace("\n", "")
    if len(element) or not (_BASE64.fullmatch(text) or _BASE64.fullmatch(_joined_lines(element.text or ""))):
        raise _violation(f"the {etree.QName(element).localname} is not base64")


def _joined_lines(text: str) -> str:
    return "".join(line.strip(" \t") for line in text.replace("\r", "\n").split("\n"))


def _check_key_info(key_info: _Element) -> None:
    # Keys come from metadata alone, so these are only tolerated; what would make a verifier fetch or import a key
    # (KeyValue, DEREncodedKeyValue, RetrievalMethod, KeyInfoReference) is refused outright (CVE-2021-21239).
    children = list(key_info)
    _refuse_text([key_info.text, *(child.tail for child in children)])
    for child in children:
        if child.tag not in _KEY_INFO_CHILDREN:
            raise _violation("KeyInfo may hold X509Data or KeyName only", got=str(child.tag))
        for inside in child.iterdescendants():
            if inside.tag not in _X509_DATA:
                raise _violation("something foreign stands in KeyInfo", got=str(inside.tag))


def _refuse_text(texts: Iterable[str | None]) -> None:
    """Refuse text between the elements of a signature, which no signer writes there."""
    for text in texts:
        if text is not None and text.strip(_XML_SPACE):
            raise _violation("text stands between the elements of a signature", got=repr(text[:80]))


def _names(elements: Sequence[_Element]) -> str:
    return " ".join(str(element.tag).rpartition("}")[2] for element in elements[:20])


def _path(element: _Element) -> str:
    return str(element.getroottree().getelementpath(element))[:200]


def _violation(message: str, *, expected: str = "", got: str = "") -> MessageRefused:
    return MessageRefused(Reason.SIGNATURE_PROFILE_VIOLATION, message, expected=expected, got=got[:300])


def _not_allowed(what: str, expected: str, got: str) -> MessageRefused:
    return MessageRefused(Reason.ALGORITHM_NOT_ALLOWED, f"this {what} is not allowed", expected=expected, got=got[:200])
