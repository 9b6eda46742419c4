"""Who signed a message, and with what: facts for a person, found with the same functions that the checks use.

Where a signature in a URL is not good, the octets are tried in the other spellings that senders and proxies use: a URL
that was encoded anew on its way is the most common reason, and the message alone does not show it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import islice
from urllib.parse import quote, quote_plus, unquote_to_bytes

from lxml.etree import _Element

from saml_slo.errors import MessageRefused
from saml_slo.protocol.names import DS, SignatureAlgorithm
from saml_slo.wire.algorithms import AllowedAlgorithms, public_key, verify_octets
from saml_slo.wire.bindings.received import DetachedSignature, Received
from saml_slo.wire.certificate_facts import CertificateFacts, certificate_facts
from saml_slo.wire.reader import child_of, saml
from saml_slo.wire.signature import verify_enveloped
from saml_slo.wire.signature_profile import SIGNATURE, profiled_signature

_MAX_SIGNATURES = 8
_MAX_TEXT = 200
_ESCAPE = re.compile(r"%[0-9A-F]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFacts:
    """One signature. `where` says what it stands on; `signer` is the place, from 0, of the certificate that fits.

    `problem` says why none does. `remark` is a lead. `carried` is the certificate that the signature itself brings
    along, which proves nothing.
    """

    where: str
    algorithm: str
    digest: str = ""
    signer: int | None = None
    problem: str = ""
    remark: str = ""
    carried: CertificateFacts | None = None


def signature_facts(
    received: Received, certificates: Sequence[bytes], allowed: AllowedAlgorithms, assertion: _Element | None = None
) -> tuple[SignatureFacts, ...]:
    """Return what is to be known of every signature of a message; `assertion` once it was decrypted, if it was."""
    found = []
    if received.detached is not None:
        found.append(_of_query(received.detached, certificates, allowed))
    roots = [received.root]
    if assertion is not None and assertion.getroottree().getroot() is not received.root:
        roots.append(assertion)
    for root in roots:
        signatures = islice(root.iter(SIGNATURE), _MAX_SIGNATURES)
        found += [_of_element(signature, received.root, certificates, allowed) for signature in signatures]
    return tuple(found)


def _of_query(detached: DetachedSignature, certificates: Sequence[bytes], allowed: AllowedAlgorithms) -> SignatureFacts:
    algorithm = (detached.algorithm or "absent")[:_MAX_TEXT]
    where = "the URL"
    if detached.value is None or detached.algorithm is None:
        return SignatureFacts(where=where, algorithm=algorithm, problem="SigAlg and Signature must both be there")
    if detached.algorithm not in allowed.signature:
        return SignatureFacts(where=where, algorithm=algorithm, problem="this algorithm is not allowed for the sender")
    signer = _signer(detached, detached.octets, certificates)
    if signer is not None:
        return SignatureFacts(where=where, algorithm=algorithm, signer=signer)
    remark = next(
        (words for words, octets in _spellings(detached.octets) if _signer(detached, octets, certificates) is not None),
        "",
    )
    return SignatureFacts(where=where, algorithm=algorithm, problem=_no_key(certificates), remark=remark)


def _signer(detached: DetachedSignature, octets: bytes, certificates: Sequence[bytes]) -> int | None:
    algorithm = SignatureAlgorithm(detached.algorithm or "")
    for place, certificate in enumerate(certificates):
        if verify_octets(public_key(certificate), algorithm, detached.value or b"", octets):
            return place
    return None


def _spellings(octets: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield other octets that say the same, each with what it would mean if the signature were over those."""
    pairs = [pair.partition(b"=") for pair in octets.split(b"&")]
    encoders: tuple[tuple[str, Callable[[bytes], str]], ...] = (
        ("in upper-case percent-encoding", lambda value: quote(value, safe="")),
        ("in lower-case percent-encoding", lambda value: _lower(quote(value, safe=""))),
        ("with + for blanks", quote_plus),
        ("in lower case, with + for blanks", lambda value: _lower(quote_plus(value))),
        ("with / left as it is", lambda value: quote(value, safe="/")),
    )
    for words, encode in encoders:
        spelled = b"&".join(
            name + b"=" + encode(unquote_to_bytes(value.replace(b"+", b" "))).encode() for name, _, value in pairs
        )
        if spelled != octets:
            yield f"the signature is good over the same URL {words}: something on the way encoded it anew", spelled
    without = b"&".join(b"=".join((name, value)) for name, _, value in pairs if name != b"RelayState")
    if without != octets:
        yield "the signature is good without RelayState, which was added or changed after signing", without


def _lower(text: str) -> str:
    return _ESCAPE.sub(lambda found: found[0].lower(), text)


def _of_element(
    signature: _Element, root: _Element, certificates: Sequence[bytes], allowed: AllowedAlgorithms
) -> SignatureFacts:
    parent = signature.getparent()
    facts = SignatureFacts(
        where=_where(parent, root),
        algorithm=_algorithm(signature, "SignatureMethod"),
        digest=_algorithm(signature, "DigestMethod"),
        carried=_carried(signature),
    )
    problem, signer = _no_key(certificates), None
    try:
        profiled = None if parent is None else profiled_signature(copied(parent), allowed)
        # Of two on one element the profile says that they are two; an element without a parent is on none.
        if profiled is not None and certificates:
            signer, problem = verify_enveloped(profiled, certificates), ""
    except MessageRefused as refused:
        problem = refused.message
    remark = "" if signer is not None else _lead(facts.carried, certificates)
    return replace(facts, signer=signer, problem=problem, remark=remark)


def copied(element: _Element) -> _Element:
    """Return an element in a copy of its whole document: verifying takes the Signature off the tree."""
    tree = element.getroottree()
    found = deepcopy(tree).find(tree.getelementpath(element))
    if found is None:
        msg = "a copy has the elements of its original"
        raise RuntimeError(msg)
    return found


def _where(parent: _Element | None, root: _Element) -> str:
    if parent is root:
        return "the message"
    if parent is not None and parent.tag == saml("Assertion"):
        return "the assertion"
    return "a place where none belongs"


def _algorithm(signature: _Element, name: str) -> str:
    element = next(signature.iter(f"{{{DS}}}{name}"), None)
    return "absent" if element is None else element.get("Algorithm", "absent")[:_MAX_TEXT]


def _carried(signature: _Element) -> CertificateFacts | None:
    key_info = child_of(signature, f"{{{DS}}}KeyInfo")
    element = None if key_info is None else next(key_info.iter(f"{{{DS}}}X509Certificate"), None)
    if element is None:
        return None
    try:
        der = base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return certificate_facts(der)


def _lead(carried: CertificateFacts | None, certificates: Sequence[bytes]) -> str:
    if carried is None:
        return ""
    known = [facts.fingerprint for der in certificates if (facts := certificate_facts(der)) is not None]
    until = f"{carried.short}, valid until {carried.not_after:%Y-%m-%d}"
    if carried.fingerprint in known:
        return f"it names a certificate of the sender's metadata ({until}), so the content was changed after signing"
    return f"it names another certificate than the sender's metadata ({until}): was a key rolled over?"


def _no_key(certificates: Sequence[bytes]) -> str:
    if not certificates:
        return "no key of the sender is known here"
    return f"none of the {len(certificates)} key(s) of the sender's metadata made it"
