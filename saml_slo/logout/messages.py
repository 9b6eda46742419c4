"""Between decisions and messages: what a LogoutRequest says, what a LogoutResponse means, what we answer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from saml_slo.logout.events import Happening, PeerAnswered
from saml_slo.logout.transaction import Request
from saml_slo.protocol import status as codes
from saml_slo.protocol.messages import LogoutRequest, LogoutResponse
from saml_slo.protocol.peer import Peer
from saml_slo.protocol.session import Login, Participant


def logout_request(message_id: str, request: Request, peer: Peer, now: datetime, reason: str) -> LogoutRequest:
    """Return the LogoutRequest to a peer (Core 3.7.1, product L3, L11); `request` is one of the method `saml`."""
    if request.name_id is None:
        raise ValueError("a LogoutRequest names somebody")
    return LogoutRequest(
        id=message_id,
        issue_instant=now,
        destination=request.location,
        issuer=peer.our_entity_id,
        name_id=request.name_id,
        session_indexes=request.session_indexes,
        not_on_or_after=now + timedelta(seconds=peer.logout_request_lifetime),
        reason=reason,
    )


def meaning_of(response: LogoutResponse, *, signed: bool) -> PeerAnswered:
    """Return what a LogoutResponse means for the target that it answers (product T1, Core 3.7.3.2)."""
    status, request_id = response.status, response.in_response_to or ""
    if status.is_partial_logout:
        return PeerAnswered(request_id, Happening.PARTIAL, "It answered that not every session could be ended.")
    if status.is_success and signed:
        return PeerAnswered(request_id, Happening.CONFIRMED, "It confirmed with a signed answer.")
    if status.is_success:
        return PeerAnswered(
            request_id, Happening.ANSWERED, "It answered that the session was ended; the answer was not signed."
        )
    if codes.UNKNOWN_PRINCIPAL in (status.code, *status.nested) and signed:
        return PeerAnswered(request_id, Happening.ANSWERED, "It answered that it knows no such session.")
    return PeerAnswered(request_id, Happening.REFUSED, f"It refused: {str(status)[:200]}.")


def is_meant_by_idp(request: LogoutRequest, logins: Collection[Login]) -> bool:
    """Say whether an IdP's LogoutRequest is about a session, given its logins of the principal (Profiles 4.4.3.1).

    Without SessionIndex values it is about every session. With some, about those that one of them names. A login for
    which the IdP gave no index may be any of them: it ends, because a session too many costs a sign-in, and one left
    alive is what a logout is there to prevent.
    """
    wanted = request.session_indexes
    return any(
        not wanted or not login.session_indexes or any(index in wanted for index in login.session_indexes)
        for login in logins
    )


def is_named_by_index(request: LogoutRequest, logins: Collection[Login]) -> bool:
    """Say whether a LogoutRequest names one of the logins at its IdP by SessionIndex, whomever its NameID names."""
    return any(index in request.session_indexes for login in logins for index in login.session_indexes)


def is_meant_by_application(request: LogoutRequest, participants: Collection[Participant]) -> bool:
    """Say whether an application's LogoutRequest is about a session, given its participation under this NameID."""
    wanted = request.session_indexes
    return any(not wanted or participant.session_index in wanted for participant in participants)
