"""Whom to ask, in which order, over which channel, with which rung of the SessionIndex ladder (product L3, L4, L6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from saml_slo.logout.transaction import Kept, Kind, Request, State, Target
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection, EndpointSource
from saml_slo.protocol.session import Login, Session

_LOCAL = "This logout was for here only, so you are still signed in there."
_OTHERS = "Another identity provider asked for this logout, so you are still signed in there."
_FRONT_CHANNEL = (Binding.REDIRECT, Binding.POST)


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets in the order in which they are asked, and the sessions that are left alive on purpose."""

    targets: tuple[Target, ...]
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True)
class _Endpoint:
    binding: Binding
    location: str
    source: EndpointSource


def plan_logout(
    session: Session, connections: Mapping[str, Connection], ids: Iterator[str], now: int, *, federated: bool
) -> Plan:
    """Return the plan that ends `session`, ours first, then its IdPs in the order of sign-in when `federated`.

    `ids` gives a fresh message ID for each target. Our own session is `confirmed` because the plan only takes effect by
    the commit that ends it.
    """
    ours = Target(
        id=next(ids),
        kind=Kind.SESSION,
        name="This browser",
        connection="",
        since=session.created_at,
        state=State.CONFIRMED,
        changed_at=now,
        reason="Our own session was ended first.",
    )
    if not federated:
        return Plan((ours,), tuple(_kept(login, connections) for login in session.logins))
    return Plan((ours, *(_idp(login, connections, next(ids), now) for login in session.logins)))


def plan_requested_logout(
    sessions: Sequence[Session],
    requester: str,
    connections: Mapping[str, Connection],
    ids: Iterator[str],
    now: int,
    *,
    shard: str,
) -> Plan:
    """Return the plan of a LogoutRequest by the connection `requester`: every selected session of ours ends (L7).

    A session in another shard than the logout's is `sent` until its own slot says that it ended. Other IdPs of those
    sessions are kept: theirs is another sign-in, about which this IdP does not decide.
    """
    targets = tuple(
        Target(
            id=next(ids),
            kind=Kind.SESSION,
            name="Session here",
            connection="",
            since=session.created_at,
            state=State.CONFIRMED if session.id.startswith(shard) else State.SENT,
            changed_at=now,
            reason="Our own session was ended.",
            session=None if session.id.startswith(shard) else session.id,
        )
        for session in sessions
    )
    others = {
        login.connection: login for session in sessions for login in session.logins if login.connection != requester
    }
    return Plan(targets, tuple(_kept(login, connections, _OTHERS) for login in others.values()))


def _kept(login: Login, connections: Mapping[str, Connection], reason: str = _LOCAL) -> Kept:
    return Kept(
        name=_title(login, connections),
        connection=login.connection,
        since=login.recorded_at,
        reason=reason,
    )


def _title(login: Login, connections: Mapping[str, Connection]) -> str:
    connection = connections.get(login.connection)
    return login.connection if connection is None else connection.title


def _idp(login: Login, connections: Mapping[str, Connection], message_id: str, now: int) -> Target:
    connection = connections.get(login.connection)
    endpoint, reason = (
        (None, "The connection was removed from the configuration after this sign-in.")
        if connection is None
        else choose_endpoint(connection)
    )
    request = None
    if endpoint is not None and connection is not None:
        indexes = login.session_indexes[:1] if connection.first_session_index_only else login.session_indexes
        request = Request(
            binding=endpoint.binding,
            location=endpoint.location,
            source=endpoint.source,
            name_id=login.name_id,
            session_indexes=indexes,
        )
    return Target(
        id=message_id,
        kind=Kind.IDP,
        name=_title(login, connections),
        connection=login.connection,
        since=login.recorded_at,
        state=State.UNSUPPORTED if request is None else State.WAITING,
        changed_at=now,
        reason=reason,
        request=request,
    )


def choose_endpoint(connection: Connection) -> tuple[_Endpoint | None, str]:
    """Return where to send the LogoutRequest, or None and the sentence why there is no way (product L3).

    In order: the operator's `logout_url`, the metadata's SingleLogoutService, and where it has none the login URL,
    unless `login_url_fallback` vetoes it. A SOAP-only SingleLogoutService is no reason to fall back: the IdP said
    where it wants to be asked.
    """
    preferred = connection.logout_binding
    order = sorted(_FRONT_CHANNEL, key=lambda binding: binding is not preferred)
    if connection.logout_url is not None:
        return _Endpoint(order[0], connection.logout_url, EndpointSource.OPERATOR), ""
    if connection.single_logout:
        for binding in order:
            for endpoint in connection.single_logout:
                if endpoint.binding is binding:
                    return _Endpoint(binding, endpoint.location, EndpointSource.METADATA), ""
        return None, "The identity provider takes logout requests by SOAP only, which this version does not send."
    if not connection.login_url_fallback:
        return None, "The identity provider has no logout URL, and its login URL may not be used for one."
    for binding in order:
        for endpoint in connection.single_sign_on:
            if endpoint.binding is binding:
                return _Endpoint(binding, endpoint.location, EndpointSource.LOGIN_URL), ""
    return None, "The identity provider has neither a logout URL nor a login URL that a browser can use."
