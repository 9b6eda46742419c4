"""Checks on what a message says: who sent it, to whom, when, about whom. They run on verified elements only."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.messages import Assertion, LogoutRequest, LogoutResponse, SubjectConfirmation
from saml_slo.protocol.names import CONFIRMATION_BEARER, Binding
from saml_slo.wire import instants, reader
from saml_slo.wire.inspection import Inspection, ResponseInspection
from saml_slo.wire.reader import child_of, saml

AnyInspection = Inspection[Any]


def read_response(inspection: ResponseInspection) -> None:
    """Read the Response and the assertion that was verified."""
    inspection.message = reader.response(inspection.root, inspection.assertion)


def read_logout_response(inspection: Inspection[LogoutResponse]) -> None:
    """Read the LogoutResponse."""
    inspection.message = reader.logout_response(inspection.root)


def read_logout_request(inspection: Inspection[LogoutRequest]) -> None:
    """Read the LogoutRequest; it must name its principal by NameID (BaseID is not used by any peer)."""
    name_id = child_of(inspection.root, saml("NameID"))
    if name_id is None:
        raise MessageRefused(Reason.SUBJECT_INVALID, "the LogoutRequest has no NameID")
    inspection.message = reader.logout_request(inspection.root, name_id)


def issuer_is_the_peer(inspection: AnyInspection) -> None:
    """Require the peer's entity id as Issuer (Profiles 4.1.4.2, 4.4.4.1)."""
    _same_issuer(inspection, inspection.read.issuer)


def issuer_is_the_peer_or_absent(inspection: ResponseInspection) -> None:
    """Require the peer's entity id where a Response has an Issuer at all (Profiles 4.1.4.2 lets it be left out)."""
    if inspection.read.issuer is not None:
        _same_issuer(inspection, inspection.read.issuer)


def _same_issuer(inspection: AnyInspection, issuer: str | None) -> None:
    if issuer is None:
        raise MessageRefused(Reason.SCHEMA_VIOLATION, "the Issuer is missing", expected=inspection.peer.entity_id)
    if issuer != inspection.peer.entity_id:
        raise MessageRefused(
            Reason.ISSUER_MISMATCH, "the Issuer is another", expected=inspection.peer.entity_id, got=issuer[:200]
        )


def destination_is_here(inspection: AnyInspection) -> None:
    """Require our endpoint as Destination where the message is signed, and wherever it is stated (Bindings 3.5.5.2).

    Scheme and host compare without case, all else to the letter. Several SLO endpoints do not share messages.
    """
    destination = inspection.read.destination
    if destination is None and (not inspection.root_signed or inspection.received.binding is Binding.SOAP):
        return  # SOAP names its endpoint by the connection; mellon's LogoutResponse has no Destination
    if destination is None or not _same_url(destination, inspection.endpoint):
        raise MessageRefused(
            Reason.DESTINATION_MISMATCH,
            "the Destination is not this endpoint",
            expected=inspection.endpoint,
            got=repr(destination)[:200],
        )


def _same_url(one: str, other: str) -> bool:
    return one == other or _normal(one) == _normal(other)


def _normal(url: str) -> tuple[str, str, str]:
    # By hand: urlsplit drops blanks before the scheme, and tabs and line ends everywhere.
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return scheme.lower(), host.lower(), path


def issued_recently(inspection: AnyInspection) -> None:
    """Require an IssueInstant at most `skew` ahead and `max_age` seconds ago (Core 1.3.3; both limits are inside)."""
    _recent(inspection, "message", inspection.read.issue_instant)


def _recent(inspection: AnyInspection, what: str, issued: datetime) -> None:
    now, peer = inspection.now, inspection.peer
    if issued > now + timedelta(seconds=peer.skew):
        raise _early("IssueInstant", issued, now, peer.skew)
    if issued < now - timedelta(seconds=peer.max_age):
        raise MessageRefused(
            Reason.EXPIRED,
            f"the {what} is too old",
            expected=f"IssueInstant at most {peer.max_age} s ago (max_age), now {instants.render(now)}",
            got=instants.render(issued),
        )


def request_not_expired(inspection: Inspection[LogoutRequest]) -> None:
    """Require a LogoutRequest whose NotOnOrAfter has not passed (Core 3.7.1)."""
    _not_expired(inspection, "NotOnOrAfter", inspection.read.not_on_or_after)


def assertion_issued_by_peer(inspection: ResponseInspection) -> None:
    """Require the assertion's own Issuer and a recent IssueInstant (Core 2.3.3).

    The Response may be unsigned and its IssueInstant forged. The assertion's bounds how long a replay mark must be
    kept, whatever validity the IdP gives its assertions.
    """
    assertion = _assertion(inspection)
    _same_issuer(inspection, assertion.issuer)
    _recent(inspection, "assertion", assertion.issue_instant)


def conditions_hold(inspection: ResponseInspection) -> None:
    """Require the Conditions' window and, in every AudienceRestriction, our entity id (Core 2.5.1, G149)."""
    conditions = _assertion(inspection).conditions
    if conditions is not None:
        begins, ends = conditions.not_before, conditions.not_on_or_after
        _not_early(inspection, "Conditions/NotBefore", begins)
        _not_expired(inspection, "Conditions/NotOnOrAfter", ends)
        if begins is not None and ends is not None and begins >= ends:  # skew must not open it (Core 2.5.1.2)
            raise MessageRefused(
                Reason.EXPIRED,
                "the assertion ends before it begins",
                expected=f"NotOnOrAfter after {instants.render(begins)}",
                got=instants.render(ends),
            )
    ours = inspection.peer.sp_entity_id
    restrictions = () if conditions is None else conditions.audience_restrictions
    if not restrictions or any(ours not in audiences for audiences in restrictions):
        raise MessageRefused(
            Reason.AUDIENCE_MISMATCH, "the assertion is not for us", expected=ours, got=str(restrictions)[:300]
        )


def subject_confirmed(inspection: ResponseInspection) -> None:
    """Require a NameID and a bearer confirmation that holds; keep only those that hold (Profiles 4.1.4.2, 4.1.4.3)."""
    assertion = _assertion(inspection)
    if assertion.name_id is None or not assertion.name_id.value.strip():
        raise MessageRefused(Reason.SUBJECT_INVALID, "the subject has no NameID")
    holding, refusal = [], MessageRefused(Reason.SUBJECT_INVALID, "there is no bearer SubjectConfirmation")
    for confirmation in assertion.confirmations:
        if confirmation.method != CONFIRMATION_BEARER:
            continue
        try:
            _bearer(inspection, confirmation)
        except MessageRefused as refused:
            refusal = refused
        else:
            holding.append(confirmation)
    if not holding:
        raise refusal
    if len(holding) < len(assertion.confirmations):
        inspection.message = replace(inspection.read, assertion=replace(assertion, confirmations=tuple(holding)))


def _bearer(inspection: ResponseInspection, confirmation: SubjectConfirmation) -> None:
    if not confirmation.has_data or confirmation.not_before is not None or confirmation.not_on_or_after is None:
        raise MessageRefused(
            Reason.SUBJECT_INVALID, "a bearer confirmation must have NotOnOrAfter and must not have NotBefore"
        )
    acs = inspection.peer.acs_url
    if confirmation.recipient is None or not _same_url(confirmation.recipient, acs):
        raise MessageRefused(
            Reason.RECIPIENT_MISMATCH, "the Recipient is another", expected=acs, got=repr(confirmation.recipient)[:200]
        )
    _not_expired(inspection, "SubjectConfirmationData/NotOnOrAfter", confirmation.not_on_or_after)


def authenticated(inspection: ResponseInspection) -> None:
    """Require an AuthnStatement, not from the future, whose session has not ended already (Core 2.7.2, G164)."""
    statements = _assertion(inspection).authn_statements
    if not statements:
        raise MessageRefused(Reason.SUBJECT_INVALID, "the assertion has no AuthnStatement")
    for statement in statements:
        _not_early(inspection, "AuthnInstant", statement.authn_instant)
        ends = statement.session_not_on_or_after
        if ends is not None and ends <= inspection.now:
            raise MessageRefused(
                Reason.EXPIRED,
                "the IdP's session is over already",
                expected=f"SessionNotOnOrAfter after {instants.render(inspection.now)}",
                got=instants.render(ends),
            )


def _assertion(inspection: ResponseInspection) -> Assertion:
    assertion = inspection.read.assertion
    if assertion is None:
        raise MessageRefused(Reason.ASSERTION_COUNT, "the Response has no assertion")
    return assertion


def _not_early(inspection: AnyInspection, name: str, instant: datetime | None) -> None:
    if instant is not None and instant > inspection.now + timedelta(seconds=inspection.peer.skew):
        raise _early(name, instant, inspection.now, inspection.peer.skew)


def _not_expired(inspection: AnyInspection, name: str, instant: datetime | None) -> None:
    skew = inspection.peer.skew
    if instant is not None and instant <= inspection.now - timedelta(seconds=skew):
        raise MessageRefused(
            Reason.EXPIRED,
            f"{name} has passed",
            expected=f"later than {instants.render(inspection.now)} less {skew} s (skew)",
            got=instants.render(instant),
        )


def _early(name: str, instant: datetime, now: datetime, skew: int) -> MessageRefused:
    return MessageRefused(
        Reason.NOT_YET_VALID,
        f"{name} lies in the future",
        expected=f"at most {skew} s (skew) after {instants.render(now)}",
        got=instants.render(instant),
    )
