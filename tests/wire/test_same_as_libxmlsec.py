"""wire/signature.py and libxmlsec say the same of every signature, and what is read is what was digested.

Signed documents that are as strange as the parser lets them be, every captured message, and mutants of all of them. A
long run: HYPOTHESIS_PROFILE=deep.
"""

from random import Random

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from lxml import etree

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import DigestAlgorithm, SignatureAlgorithm
from saml_slo.wire import signature as ours
from saml_slo.wire.algorithms import AllowedAlgorithms
from saml_slo.wire.signature_profile import SIGNATURE, profiled_signature
from saml_slo.wire.xml import parse_message, parse_metadata
from tests import application
from tests.fuzz.genuine import genuine
from tests.keys import pair
from tests.vectors.captures import vectors
from tests.wire import by_the_book, libxmlsec
from tests.wire.signed_documents import made, mutant

EVERYTHING = AllowedAlgorithms(frozenset(SignatureAlgorithm), frozenset(DigestAlgorithm), inclusive_c14n=True)
EMBEDDED = [vector for vector in vectors() if vector.is_signed and vector.binding != "redirect"]
BOTH = [pair("idp").certificate, pair(application.KEY).certificate]
# A document takes many choices, and one that takes too many is left out.
often = settings(
    max_examples=settings().max_examples * 3,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
GOOD, REFUSED, MISSHAPEN, UNREADABLE = "good", "refused", "misshapen", "unreadable"


def parsed(octets, *, lenient=False):
    """The root of a document by the parser for metadata, or by the one for messages."""
    return parse_metadata(octets, 1_000_000) if lenient else parse_message(octets)


def signatures(root):
    """The signatures of a document, the outer ones first, each profiled when it is its turn; MISSHAPEN ends it."""
    for parent in [element.getparent() for element in root.iter(SIGNATURE)]:
        try:
            yield None if parent is None else profiled_signature(parent, EVERYTHING)
        except MessageRefused:
            yield None


def verdict(octets, certificates, *, lenient=False):
    """What both say of a document, which must be the same; what ours calls good is looked at closely."""
    try:
        mine, other = parsed(octets, lenient=lenient), parsed(octets, lenient=lenient)
    except MessageRefused:
        return UNREADABLE
    said = MISSHAPEN
    for signature, its in zip(signatures(mine), signatures(other), strict=True):
        if signature is None or its is None:
            assert signature is its
            return MISSHAPEN
        theirs = libxmlsec.is_good(its, certificates)
        try:
            said = our_verdict(signature, certificates, octets)
        except MessageRefused as refused:
            assert (refused.reason, theirs) == (Reason.SIGNATURE_INVALID, False), octets  # noqa: PT017 - either may be
            return REFUSED
        assert theirs or no_canonical_form(other), octets
    return said


def our_verdict(signature, certificates, octets):
    """Verify by ours; what was digested must be what the specifications say, and what is read afterwards."""
    ours.verify_enveloped(signature, certificates)
    assert SIGNATURE not in [child.tag for child in signature.parent]
    digested = ours._octets(signature.parent, signature.transform)
    exclusive, prefixes = signature.transform
    assert digested == by_the_book.digested(octets, signature.parent.get("ID"), exclusive=exclusive, prefixes=prefixes)
    same(etree.fromstring(digested), signature.parent)
    return GOOD


def same(one, other):
    """Assert that two elements have the same names, attributes, texts and children, all the way down."""
    left, right = list(one.iter()), list(other.iter())
    assert len(left) == len(right)
    for first, second in zip(left, right, strict=True):
        assert (first.tag, first.text or "", len(first)) == (second.tag, second.text or "", len(second))
        assert sorted(first.items()) == sorted(second.items())
        assert first is one or (first.tail or "") == (second.tail or "")


def no_canonical_form(root):
    """Whether a relative namespace stands somewhere: libxmlsec refuses it anywhere, ours in what was signed."""
    try:
        etree.tostring(root.getroottree(), method="c14n")
    except etree.C14NError:
        return True
    return False


@often
@given(st.randoms(use_true_random=False))
def test_what_libxmlsec_signed_is_good(chance):
    """A document that nobody touched is good, and that of another key is not."""
    document = made(chance)
    said = verdict(document.octets, [pair(document.signer).certificate], lenient=document.lenient)
    event(said)
    assert said in (GOOD, MISSHAPEN)
    assert verdict(document.octets, [pair("other-idp").certificate], lenient=document.lenient) in (REFUSED, MISSHAPEN)


@often
@given(st.randoms(use_true_random=False))
def test_mutants_get_the_same_verdict(chance):
    """Whatever is changed in a signed document: both say the same of it, and what is good is what was signed."""
    document = made(chance)
    octets = document.octets
    for _ in range(chance.randint(1, 3)):
        octets = mutant(chance, octets)
        event(verdict(octets, [pair(document.signer).certificate], lenient=document.lenient))


@pytest.mark.parametrize("name", genuine())
def test_messages_get_the_same_verdict(name):
    """The messages of tests/fuzz, some with a signature in what another one signed: as they are, and changed."""
    octets, chance = genuine()[name], Random(name)
    if name != "encrypted":
        assert verdict(octets, BOTH) == GOOD
    for _ in range(50):
        verdict(mutant(chance, octets), BOTH)


@pytest.mark.parametrize("vector", EMBEDDED, ids=str)
def test_captured_messages_get_the_same_verdict(vector):
    """The messages of five programs, each as it came and changed at fifty places."""
    certificates, octets = vector.connection.signing_certificates, vector.xml.encode()
    assert verdict(octets, certificates) == GOOD
    chance = Random(str(vector))
    assert {verdict(mutant(chance, octets), certificates) for _ in range(50)} >= {REFUSED, UNREADABLE}
