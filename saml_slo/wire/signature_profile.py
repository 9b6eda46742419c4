"""The one structure that an XML signature may have (Core 5.4), checked before any cryptography.

A signature that says how it is to be verified is a program. General verifiers run the transforms and open the files
that a message names before they know whether the key is right: in libxmlsec an XPath transform cost 293 s of CPU, and a
`file:` Reference opened the file. Here one structure is left, and nothing in it is to be carried out.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import (
    DS,
    ENVELOPED_SIGNATURE,
    EXCLUSIVE_C14N,
    SAML,
    DigestAlgorithm,
    SignatureAlgorithm,
)
from saml_slo.wire.algorithms import AllowedAlgorithms

SIGNATURE = f"{{{DS}}}Signature"
_ISSUER = f"{{{SAML}}}Issuer"
_INCLUSIVE_NAMESPACES = f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces"
_INCLUSIVE_C14N = frozenset({"http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11"})
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_XML_SPACE = " \t\r\n"
_MAX_INCLUSIVE_LOOKUPS = 8_000_000  # 0.05 s; a thousand declarations at one level, or a hundred above 800 elements
_XML_ATTRIBUTE = "{http://www.w3.org/XML/1998/namespace}"


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


class Canonicalization(NamedTuple):
    """How octets are made of an element: exclusive C14N, with the prefixes of its PrefixList, or inclusive C14N."""

    exclusive: bool
    prefixes: Sequence[str]


class ProfiledSignature:
    """A signature that has the structure of Core 5.4; the only thing that `verify_enveloped` takes.

    `profiled_signature` is the only maker, so no signature reaches any cryptography before its structure was checked.
    `parent` is what it is over: `element` is the Signature, a child of it, and `digest_value` the digest that `parent`
    must have without it. `value` must be a signature over `signed_info`.
    """

    __slots__ = (
        "canonicalization",
        "digest",
        "digest_value",
        "element",
        "method",
        "parent",
        "signed_info",
        "transform",
        "value",
    )

    element: _Element
    parent: _Element
    signed_info: _Element
    canonicalization: Canonicalization
    method: SignatureAlgorithm
    value: bytes
    transform: Canonicalization
    digest: DigestAlgorithm
    digest_value: bytes

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
    profiled = object.__new__(ProfiledSignature)
    profiled.parent, profiled.element, profiled.signed_info = parent, signature, signed_info
    profiled.value = _base64(value)
    for element in key_info:
        _check_key_info(element)
    _read_signed_info(profiled, allowed)
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


def _read_signed_info(profiled: ProfiledSignature, allowed: AllowedAlgorithms) -> None:
    """Fill in what SignedInfo says, once it has been seen that it says nothing else."""
    signed_info, parent = profiled.signed_info, profiled.parent
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
    profiled.digest_value = _base64(digest_value)
    profiled.canonicalization = _c14n(c14n, allowed)
    profiled.method = SignatureAlgorithm(_method(method, allowed.signature))
    profiled.transform = _c14n(c14n_transform, allowed)
    profiled.digest = DigestAlgorithm(_method(digest_method, allowed.digest))


def _c14n(method: _Element, allowed: AllowedAlgorithms) -> Canonicalization:
    algorithm = method.get("Algorithm", "")
    exclusive = algorithm == EXCLUSIVE_C14N
    if not exclusive and not (allowed.inclusive_c14n and algorithm in _INCLUSIVE_C14N):
        # A canonicalization that is merely not on the list is an algorithm; anything else does not belong here.
        if "c14n" in algorithm:
            raise _not_allowed("canonicalization", EXCLUSIVE_C14N, algorithm)
        raise _violation("a transform is not allowed", expected=EXCLUSIVE_C14N, got=algorithm)
    if method.keys() != ["Algorithm"]:
        raise _violation("a canonicalization method has unknown attributes")
    if not exclusive:
        _check_inclusive(method)
    if not len(method):
        return Canonicalization(exclusive, ())
    (inclusive,) = method
    if inclusive.keys() != ["PrefixList"]:
        raise _violation("InclusiveNamespaces may have a PrefixList only")
    prefixes = [prefix for prefix in inclusive.get("PrefixList", "").split(" ") if prefix]
    elements = sum(1 for _ in inclusive.getroottree().iter("*"))
    if len(prefixes) * elements > allowed.prefix_lookups:
        raise _violation("the PrefixList is too long", got=f"{len(prefixes)} prefixes for {elements} elements")
    return Canonicalization(exclusive, prefixes)


def _check_inclusive(method: _Element) -> None:
    """Refuse what makes inclusive C14N dear or ambiguous, anywhere in the document.

    xml:lang, xml:base and their like are handed down to what is signed, by rules in which versions 1.0 and 1.1 differ.
    libxml2 looks up every declaration in scope at every element, by going through all of them: 500 elements below 500
    declarations took 0.7 s, and both can be sixteen times as many.
    """
    in_scope = lookups = 0
    for event, element in etree.iterwalk(method.getroottree(), events=("start-ns", "end-ns", "start")):
        if event == "start-ns":
            in_scope += 1
        elif event == "end-ns":
            in_scope -= 1
        elif isinstance(element, _Element):
            lookups += in_scope * in_scope
            if any(name.startswith(_XML_ATTRIBUTE) for name in element.attrib):
                raise _violation("inclusive canonicalization where there is an xml: attribute", got=_path(element))
    if lookups > _MAX_INCLUSIVE_LOOKUPS:
        raise _violation("inclusive canonicalization of too many namespace declarations", got=f"{lookups} look-ups")


def _method(method: _Element, algorithms: frozenset[str]) -> str:
    if method.keys() != ["Algorithm"]:
        raise _violation("an algorithm has parameters", got=_path(method))
    algorithm = method.get("Algorithm", "")
    if algorithm not in algorithms:
        raise _not_allowed(etree.QName(method).localname, "an algorithm on the allow-list", algorithm)
    return algorithm


def _base64(element: _Element) -> bytes:
    # Line breaks and indentation between lines come from lasso and Santuario; a blank inside a line from nobody. No
    # regular expression over the lines: one with a repetition in a repetition took a minute for 30 characters.
    text = (element.text or "").replace("\n", "")
    if not _BASE64.fullmatch(text):
        text = _joined_lines(element.text or "")
    if len(element) or len(text) % 4 or not _BASE64.fullmatch(text):
        raise _violation(f"the {etree.QName(element).localname} is not base64")
    return binascii.a2b_base64(text)


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
