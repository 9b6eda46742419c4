"""Checks on the document: its kind, its structure, its signatures. They run before anything is read from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lxml import etree

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import VERSION, Binding, SignatureAlgorithm
from saml_slo.protocol.peer import SignedPart
from saml_slo.protocol.status import SUCCESS
from saml_slo.wire import reader, schema
from saml_slo.wire.algorithms import public_key, verify_octets
from saml_slo.wire.encryption import decrypt_element
from saml_slo.wire.inspection import Inspection, ResponseInspection
from saml_slo.wire.reader import child_of, saml, samlp
from saml_slo.wire.signature import verify_enveloped
from saml_slo.wire.signature_profile import SIGNATURE, profiled_signature, refuse_stray_signatures

AnyInspection = Inspection[Any]

_ASSERTION = saml("Assertion")
_ENCRYPTED_ASSERTION = saml("EncryptedAssertion")
# Every message of the protocol (Core 3): the root of a document is one, and nothing below it may be another.
_REQUESTS = "ArtifactResolve AssertionIDRequest AttributeQuery AuthnQuery AuthnRequest AuthzDecisionQuery LogoutRequest"
_MORE_REQUESTS = "ManageNameIDRequest NameIDMappingRequest"
_RESPONSES = "ArtifactResponse LogoutResponse ManageNameIDResponse NameIDMappingResponse Response"
_MESSAGES = frozenset(reader.samlp(name) for name in f"{_REQUESTS} {_MORE_REQUESTS} {_RESPONSES}".split())


def _assertions(root: etree._Element) -> list[etree._Element]:
    """Return every assertion; those inside a Signature are left to the check that refuses them as what they are."""
    return [
        element
        for element in root.iter(_ASSERTION, _ENCRYPTED_ASSERTION)
        if next(element.iterancestors(SIGNATURE), None) is None
    ]


def message_type(inspection: AnyInspection) -> None:
    """Refuse a root element or parameter that is not this endpoint's; local names alone do not count."""
    got = (inspection.received.parameter, str(inspection.root.tag))
    expected = (inspection.expected_parameter, inspection.expected_tag)
    if got != expected:
        raise MessageRefused(
            Reason.UNEXPECTED_MESSAGE_TYPE,
            "not the message that belongs here",
            expected=str(expected),
            got=str(got)[:200],
        )


def one_assertion(inspection: AnyInspection) -> None:
    """Refuse all but one (encrypted) assertion, which must be a child of the Response (A003, A009, A016).

    A Response that says no may carry none; one that carries any assertion more, or anywhere else, is refused whatever
    it says.
    """
    found = _assertions(inspection.root)
    if not found and _unverified_status(inspection) != SUCCESS:
        return
    if len(found) != 1 or found[0].getparent() is not inspection.root:
        raise MessageRefused(
            Reason.ASSERTION_COUNT, "not exactly one assertion as a child of the Response", got=str(len(found))
        )
    inspection.assertion = found[0]


def _unverified_status(inspection: AnyInspection) -> str:
    # Read before any verification, and only ever to refuse: see status_success.
    status = child_of(inspection.root, samlp("Status"))
    code = None if status is None else child_of(status, samlp("StatusCode"))
    return SUCCESS if code is None else code.get("Value", "")


def status_may_be_success(inspection: AnyInspection) -> None:
    """Refuse a Response that says no, signed or not: it opens no session either way (G152)."""
    if _unverified_status(inspection) != SUCCESS:
        raise MessageRefused(
            Reason.STATUS_NOT_SUCCESS,
            "the IdP did not sign the person in",
            expected="Success",
            got=str(reader.status(inspection.root))[:200],
        )


def no_assertion(inspection: AnyInspection) -> None:
    """Refuse an assertion anywhere in a message in which none belongs (B026)."""
    found = _assertions(inspection.root)
    if found:
        raise MessageRefused(
            Reason.ASSERTION_COUNT, "a message that is no Response carries an assertion", got=str(len(found))
        )


def signature_structure(inspection: AnyInspection) -> None:
    """Refuse misplaced and misshapen signatures before any cryptography, and before the schema looks (Core 5.4)."""
    parents = [inspection.root]
    if inspection.assertion is not None and inspection.assertion.tag == _ASSERTION:
        parents.append(inspection.assertion)
    _profile_signatures(inspection, parents)


def one_message(inspection: AnyInspection) -> None:
    """Refuse a message inside the message (B024 to B032); a schema lets one stand in an extension."""
    for element in inspection.root.iterdescendants(samlp("*")):
        if element.tag in _MESSAGES:
            raise MessageRefused(Reason.SCHEMA_VIOLATION, "a message stands inside the message", got=str(element.tag))


def _profile_signatures(inspection: AnyInspection, parents: Sequence[etree._Element]) -> None:
    """Check the structure of the signatures on `parents`, and that there is none anywhere else in the first of them."""
    for parent in parents:
        inspection.signatures[parent] = profiled_signature(parent, inspection.allowed)
    refuse_stray_signatures(parents[0], parents)


def schema_valid(inspection: AnyInspection) -> None:
    """Refuse what the OASIS schema does not allow, and any Version but 2.0 (Core 3.2.1, G163)."""
    schema.validate(inspection.root)
    version_2(inspection.root)


def version_2(element: etree._Element) -> None:
    """Refuse any Version but `2.0`, to the letter."""
    if element.get("Version") != VERSION:
        raise MessageRefused(
            Reason.SCHEMA_VIOLATION, "not SAML 2.0", expected=VERSION, got=repr(element.get("Version"))[:40]
        )


def root_signature(inspection: AnyInspection) -> None:
    """Verify the signature over the whole message: in the query for Redirect, in the XML otherwise.

    An embedded signature never replaces the query's; one that is present must verify as well.
    """
    signature = inspection.signature_of(inspection.root)
    if signature is not None:
        verify_enveloped(signature, inspection.certificates)
    if inspection.received.binding is Binding.REDIRECT:
        inspection.root_signed = _verify_detached(inspection)
    else:
        inspection.root_signed = signature is not None


def _verify_detached(inspection: AnyInspection) -> bool:
    detached = inspection.received.detached
    if detached is None:
        return False
    if detached.algorithm is None or not detached.value:
        raise MessageRefused(
            Reason.SIGNATURE_MISSING, "SigAlg and Signature must both be there", expected="both", got="one, or empty"
        )
    if detached.algorithm not in inspection.allowed.signature:
        raise MessageRefused(
            Reason.ALGORITHM_NOT_ALLOWED,
            "this signature algorithm is not allowed",
            expected="RSA or ECDSA with SHA-2",
            got=detached.algorithm[:200],
        )
    algorithm = SignatureAlgorithm(detached.algorithm)
    for certificate in inspection.certificates:
        if verify_octets(public_key(certificate), algorithm, detached.value, detached.octets):
            return True
    raise MessageRefused(
        Reason.SIGNATURE_INVALID,
        "the query was signed with no key of the sender's metadata, or was changed",
        expected=f"one of {len(inspection.certificates)} key(s)",
    )


def root_must_be_signed(inspection: AnyInspection) -> None:
    """Refuse an unsigned message; there is no switch."""
    if not inspection.root_signed:
        raise MessageRefused(Reason.SIGNATURE_MISSING, "the message is not signed")


def root_signed_unless_expected(inspection: AnyInspection) -> None:
    """Refuse an unsigned LogoutResponse unless the connection expects one (`unsigned_logout_response`)."""
    if not inspection.root_signed and not inspection.peer.unsigned_logout_response:
        raise MessageRefused(
            Reason.SIGNATURE_MISSING,
            "the LogoutResponse is not signed",
            expected="a signature (unsigned_logout_response)",
        )


def decrypt_assertion(inspection: AnyInspection) -> None:
    """Decrypt an EncryptedAssertion and hold its content to the same structure rules (Core 2.3.4).

    AES-CBC has no integrity, so it is decrypted only inside a Response whose signature was verified.
    """
    element = inspection.assertion
    if element is None or element.tag != _ENCRYPTED_ASSERTION or inspection.keys is None:
        return
    aes_cbc = inspection.peer.insecure_aes_cbc and inspection.root_signed
    decrypted = decrypt_element(element, inspection.keys, aes_cbc=aes_cbc)
    if decrypted.tag != _ASSERTION or _assertions(decrypted) != [decrypted]:
        raise MessageRefused(Reason.ASSERTION_COUNT, "the encrypted element does not hold exactly one assertion")
    inspection.assertion = decrypted
    _profile_signatures(inspection, (decrypted,))
    schema.validate(decrypted)


def assertion_signature(inspection: AnyInspection) -> None:
    """Verify the signature over the assertion, where there is one, and its Version."""
    if inspection.assertion is None:
        return
    version_2(inspection.assertion)
    signature = inspection.signature_of(inspection.assertion)
    if signature is not None:
        verify_enveloped(signature, inspection.certificates)
        inspection.assertion_signed = True


def required_part_signed(inspection: ResponseInspection) -> None:
    """Refuse a Response in which the part that the connection names is not signed; at least one always is (C081)."""
    response, assertion = inspection.root_signed, inspection.assertion_signed
    satisfied = {
        SignedPart.EITHER: response or assertion,
        SignedPart.ASSERTION: assertion,
        SignedPart.RESPONSE: response,
        SignedPart.BOTH: response and assertion,
    }[inspection.peer.signed_part]
    if not satisfied:
        raise MessageRefused(
            Reason.SIGNATURE_MISSING,
            "the part that must be signed is not",
            expected=f"signed_part = {inspection.peer.signed_part}",
            got=f"response signed: {response}, assertion signed: {assertion}",
        )


def decrypt_subject(inspection: AnyInspection) -> None:
    """Decrypt an EncryptedID in the subject, after the signatures over it were verified (Core 2.2.4)."""
    holder = inspection.root
    if inspection.assertion is not None:
        subject = child_of(inspection.assertion, saml("Subject"))
        if subject is None:
            return
        holder = subject
    encrypted = child_of(holder, saml("EncryptedID"))
    if encrypted is None or inspection.keys is None:
        return
    signed = inspection.root_signed or inspection.assertion_signed
    element = decrypt_element(encrypted, inspection.keys, aes_cbc=inspection.peer.insecure_aes_cbc and signed)
    if element.tag != saml("NameID"):
        raise MessageRefused(
            Reason.SUBJECT_INVALID, "the EncryptedID does not hold a NameID", got=str(element.tag)[:100]
        )
    schema.validate(element)
    holder.replace(encrypted, element)
