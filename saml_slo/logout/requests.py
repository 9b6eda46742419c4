"""What a peer is asked and where, by its kind; or the sentence why it is not asked at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from saml_slo.logout.endpoint import Way
from saml_slo.logout.transaction import Channel, Request, State
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.method import BACK_CHANNEL, CANNOT_ANSWER, LogoutMethod, Method
from saml_slo.protocol.peer import Connection, EndpointSource
from saml_slo.protocol.session import Login, Participant, Subject
from saml_slo.protocol.upstream import Upstream

# They are told by `sub` and `sid`.
_BY_SUBJECT = (Method.OIDC_BACKCHANNEL, Method.OIDC_FRONTCHANNEL)
_ASKS_US = "It asks us about each request, and is refused from now on."
_WAIVER_OVER = "It was not to be told until a day that is over."
_LACKING = {
    "id_token": "Its sign-out needs the ID token of your sign-in, and the application handed none over.",
    "access_token": "Its sign-out needs the access token of your sign-in, and the application handed none over.",
    "client_id": "Its sign-out needs our client_id there, and its configuration names none.",
    "user": "Its sign-out needs your user id there, and the application handed none over.",
    "sid": "Its sign-out needs the id of your session there, and the application handed none over.",
}
_NO_SID = "It wants to be told by the id of your session (sid), and registered none."
_NOBODY = "It registered nothing by which it could be told whose session is over."
_NO_INDEX = "It wants a SessionIndex and gave none at sign-in, so it cannot be asked."


@dataclass(frozen=True, slots=True)
class Unasked:
    """A target that nothing is sent to: its state from the start, and the sentence why."""

    state: State
    reason: str


def saml_request(
    way: Way, name_id: NameId, session_indexes: tuple[str, ...], patience: int, retry_until: int
) -> Request:
    """Return a LogoutRequest's part of a target."""
    return Request(
        channel=way.channel,
        binding=way.binding,
        location=way.location,
        source=way.source,
        name_id=name_id,
        session_indexes=session_indexes,
        patience=patience,
        retry_until=retry_until,
    )


def saml_idp_request(
    connection: Connection, way: Way, login: Login, patience: int, retry_until: int
) -> Request | Unasked:
    """Return what an IdP is asked that speaks SAML (product L4)."""
    if connection.session_index_required and not login.session_indexes:
        return Unasked(State.UNSUPPORTED, _NO_INDEX)
    indexes = login.session_indexes[:1] if connection.first_session_index_only else login.session_indexes
    request = saml_request(way, login.name_id, indexes, patience, retry_until)
    return replace(request, hint=connection.logout_hint)


def page_request(connection: Connection, patience: int) -> Request | None:
    """Return the visit of a vendor's own sign-out page, None where the connection has none."""
    if connection.logout_page is None:
        return None
    return Request(
        channel=Channel.WINDOW,
        method=Method.VENDOR_URL,
        location=connection.logout_page,
        source=EndpointSource.PRESET,
        patience=patience,
        answers=False,
        returns=False,
        hint=connection.logout_hint,
    )


def upstream_request(upstream: Upstream, login: Login, patience: int) -> Request | Unasked:
    """Return how a person is signed out at a provider that does not speak SAML.

    Without something that its sign-out needs it is not asked at all: that would strand the person on an error page.
    """
    if upstream.no_session:
        return Unasked(State.CONFIRMED, upstream.why or "There is no session to end.")
    if upstream.kind is Method.NONE or upstream.logout_url is None:
        return Unasked(State.UNSUPPORTED, upstream.why or "There is no way to sign out there from here.")
    missing = lacking(upstream, login)
    if missing:
        return Unasked(State.UNSUPPORTED, " ".join(_LACKING[need] for need in missing))
    return Request(
        channel=Channel.WINDOW,
        method=upstream.kind,
        location=upstream.logout_url,
        source=EndpointSource.CONFIGURATION,
        patience=patience,
        answers=upstream.return_proves,
        returns=upstream.returns,
        name_id=login.name_id,
        session_indexes=login.session_indexes,
        tokens=login.tokens,
        hint=upstream.hint,
    )


def lacking(upstream: Upstream, login: Login) -> tuple[str, ...]:
    """Return what a provider's sign-out needs and a login has not."""
    return tuple(need for need in upstream.needs if not _is_known(need, upstream, login))


def _is_known(need: str, upstream: Upstream, login: Login) -> bool:
    match need:
        case "client_id":
            return bool(upstream.client_id)
        case "user":
            return bool(login.name_id.value)
        case "sid":
            return bool(login.session_indexes)
        case _:
            return need in login.token_names


def application_request(
    method: LogoutMethod, participant: Participant, today: date, patience: dict[Channel, int], retry_until: int
) -> Request | Unasked:
    """Return how an application is told by a method other than SAML (product L9)."""
    if method.kind is Method.PROXY:
        return Unasked(State.CONFIRMED, _ASKS_US)
    if method.kind is Method.NONE or method.uri is None:
        waiver = method.waiver
        if waiver is not None and today <= waiver.until:
            return Unasked(State.WAIVED, f"Until {waiver.until} it is not to be told: {waiver.why.rstrip('.')}.")
        return Unasked(State.UNSUPPORTED, _WAIVER_OVER)
    subject = _known_as(participant)
    if method.kind in _BY_SUBJECT:
        subject = _as_claims(subject)
        if method.session_required and not subject.sid:
            return Unasked(State.UNSUPPORTED, _NO_SID)
    if method.kind is Method.OIDC_BACKCHANNEL and not (subject.sub or subject.sid):
        return Unasked(State.UNSUPPORTED, _NOBODY)
    channel = Channel.BACK if method.kind in BACK_CHANNEL else Channel.FRAME
    return Request(
        channel=channel,
        method=method.kind,
        location=method.uri,
        source=EndpointSource.CONFIGURATION,
        patience=patience[channel],
        retry_until=retry_until,
        answers=method.kind not in CANNOT_ANSWER,
        trust_sent=method.trust_sent,
        name_id=participant.name_id,
        subject=subject,
    )


def _known_as(participant: Participant) -> Subject:
    """Return what an application calls a person and a session: as it registered them, else as our assertion did."""
    return participant.subject or Subject(sub=participant.name_id.value, sid=participant.session_index)


def _as_claims(subject: Subject) -> Subject:
    """Return a subject with a `sub` or `sid`, without which no logout token is (Back-Channel Logout 1.0 2.4).

    An application that registered neither is told by its own ids of the person and the session. One that registered
    one of them gets that one alone: a reader finds no session by an id from elsewhere, and takes that for done.
    """
    if subject.sub or subject.sid:
        return subject
    return replace(subject, sub=subject.user, sid=subject.session)
