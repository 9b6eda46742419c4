"""Verify enveloped XML signatures (Core 5.4, XMLDSig 3.2): of messages, of assertions, of whole metadata documents.

What signature_profile.py lets through says nothing that would have to be carried out, so verifying is three steps, in
this order:

1. the octets of SignedInfo carry a signature by a key of the peer's metadata (KeyInfo is not looked at): until then
   nothing of the content was worked on, so that whoever has no key makes us canonicalize a dozen elements;
2. the Signature is taken off the tree, as the transform enveloped-signature says, and stays off: whatever is read
   afterwards was signed;
3. the octets of what is left of its parent have the digest that SignedInfo names. The Reference is to the parent's ID
   and the parent is what is digested: no ID is looked up.

lxml canonicalizes (libxml2, as under every other verifier), hashlib digests, `cryptography` verifies. Where a Response
and its Assertion are both signed, the Response goes first: its digest is over the other's signature too.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

from lxml import etree
from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import DigestAlgorithm
from saml_slo.wire.algorithms import public_key, verify_octets
from saml_slo.wire.signature_profile import Canonicalization, ProfiledSignature
from saml_slo.wire.xml import parse_message

_HASHES: dict[DigestAlgorithm, Callable[[bytes], hashlib._Hash]] = {
    DigestAlgorithm.SHA1: hashlib.sha1,
    DigestAlgorithm.SHA256: hashlib.sha256,
    DigestAlgorithm.SHA384: hashlib.sha384,
    DigestAlgorithm.SHA512: hashlib.sha512,
}


def verify_enveloped(signature: ProfiledSignature, certificates: Sequence[bytes]) -> int:
    """Verify that `signature` is over its parent and was made with a key of `certificates` (DER); say which, from 0.

    Whatever is read afterwards is read from the parent, the element that was signed, in the same tree, which has lost
    the Signature; a signature can be verified once.
    """
    place = _signer(signature, certificates)
    _take_off(signature.parent, signature.element)
    digest = _HASHES[signature.digest](_octets(signature.parent, signature.transform)).digest()
    if not hmac.compare_digest(digest, signature.digest_value):
        raise _refused("the content was changed after it was signed", certificates)
    return place


def _signer(signature: ProfiledSignature, certificates: Sequence[bytes]) -> int:
    octets = _octets(signature.signed_info, signature.canonicalization)
    for place, certificate in enumerate(certificates):
        if verify_octets(public_key(certificate), signature.method, signature.value, octets, der=False):
            return place
    raise _refused("the signature was made with no key that is trusted here", certificates)


def _octets(element: _Element, how: Canonicalization) -> bytes:
    """Return the canonical form of an element where it stands, with the namespaces that are declared around it.

    Comments would be octets too: none can hide from the digest, whatever a parser let through (CVE-2017-11427).
    """
    if not how.exclusive:
        element = _by_itself(element)
    # libxml2 knows the default namespace by an empty prefix too, and lxml passes on no name that a document never had.
    prefixes = ["" if prefix == "#default" else prefix for prefix in how.prefixes]
    try:
        octets = etree.tostring(
            element, method="c14n", exclusive=how.exclusive, with_comments=True, inclusive_ns_prefixes=prefixes or None
        )
    except etree.C14NError:
        octets = b""
    if not octets:  # a relative namespace has no canonical form, and the digest of nothing fits every content
        raise MessageRefused(Reason.SIGNATURE_INVALID, "what was signed has no canonical form")
    return octets


def _by_itself(element: _Element) -> _Element:
    """Return an equal element that is the root of its document and declares every namespace that is in scope.

    lxml canonicalizes a part of a document with copies of the declarations around it, and libxml2's inclusive C14N
    tells declarations by their identity: it wrote `xmlns=""` where a default namespace was inherited.
    """
    copy = parse_message(etree.tostring(element, encoding="utf-8", with_tail=False))
    if not all(map(_are_equal, copy.iter(), element.iter())):
        raise MessageRefused(Reason.SIGNATURE_INVALID, "what was signed cannot be written as it was read")
    return copy


def _are_equal(one: _Element, other: _Element) -> bool:
    """Compare two elements without their children; what stands behind the first root is not part of it."""
    tail = "" if one.getparent() is None else other.tail or ""
    return (one.tag, one.text or "", one.tail or "", one.items(), len(one)) == (
        other.tag,
        other.text or "",
        tail,
        other.items(),
        len(other),
    )


def _take_off(parent: _Element, signature: _Element) -> None:
    """Remove the Signature and leave the text behind it."""
    before, tail = signature.getprevious(), signature.tail
    if tail:
        if before is not None:
            before.tail = (before.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
    parent.remove(signature)


def _refused(message: str, certificates: Sequence[bytes]) -> MessageRefused:
    return MessageRefused(Reason.SIGNATURE_INVALID, message, expected=f"one of {len(certificates)} key(s)")
