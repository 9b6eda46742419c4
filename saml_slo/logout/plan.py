"""Whom to ask, in which order, over which channel, with which rung of the SessionIndex ladder (product L3, L4, L6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from saml_slo.logout.endpoint import application_endpoint, idp_endpoint
from saml_slo.logout.engine import FRAME_ROUNDS
from saml_slo.logout.transaction import Channel, Kept, Kind, Request, State, Target
from saml_slo.protocol.peer import Connection, EndpointSource, ServiceProvider
from saml_slo.protocol.session import Login, Participant, Session

_LOCAL = "This logout was for here only, so you are still signed in there."
_OTHERS = "Another identity provider asked for this logout, so you are still signed in there."
_REMOVED = "It was removed from the configuration after this sign-in."
_LOGIN_URL_STRANDS = (
    "It has no logout URL, and its login URL may keep the browser, which the application that asked is waiting for."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets in the order in which they are asked, and the sessions that are left alive on purpose."""

    targets: tuple[Target, ...]
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Makes the targets of one logout at `now` (milliseconds).

    `ids` gives a fresh message ID for each. Patience in milliseconds: of the back channel, of a frame, of a peer that
    takes the whole window. `has_browser`: somebody's browser is there to carry front-channel messages.
    """

    connections: Mapping[str, Connection]
    providers: Mapping[str, ServiceProvider]
    ids: Iterator[str]
    now: int
    back_patience: int
    frame_patience: int
    window_patience: int
    has_browser: bool = True
    requester_waits: bool = field(default=False)

    def own(self, session: Session, shard: str) -> Target:
        """Return our own session: `confirmed` by the commit, or `sent` to the slot of another shard."""
        here = session.id.startswith(shard)
        return Target(
            id=next(self.ids),
            kind=Kind.SESSION,
            name="This browser" if self.has_browser and not self.requester_waits else "Session here",
            peer="",
            since=session.created_at,
            state=State.CONFIRMED if here else State.SENT,
            changed_at=self.now,
            deadline=self.now + self.back_patience,
            reason="Our own session was ended first.",
            session=None if here else session.id,
        )

    def applications(self, session: Session, besides: str | None = None) -> tuple[Target, ...]:
        """Return the other participants of a session; `besides` is the application that asked and has ended its own."""
        targets = [self._application(session, one) for one in session.participants if one.application != besides]
        order = (Channel.BACK, Channel.FRAME, Channel.WINDOW, None)
        return tuple(sorted(targets, key=lambda target: order.index(target.channel)))

    def _application(self, session: Session, participant: Participant) -> Target:
        provider = self.providers.get(participant.application)
        endpoint, reason = (None, _REMOVED) if provider is None else application_endpoint(provider)
        request = None
        if endpoint is not None and provider is not None:
            request = Request(
                channel=endpoint.channel,
                binding=endpoint.binding,
                location=endpoint.location,
                source=endpoint.source,
                name_id=participant.name_id,
                session_indexes=(participant.session_index,),
                patience=self._patience(endpoint.channel),
                retry_until=session.hard_ends_at,
            )
        title = participant.application if provider is None else provider.title
        return self._target(Kind.APPLICATION, title, participant.application, participant.since, request, reason)

    def idp(self, login: Login, session: Session) -> Target:
        """Return the IdP session behind a login."""
        connection = self.connections.get(login.connection)
        endpoint, reason = (None, _REMOVED) if connection is None else idp_endpoint(connection, self.has_browser)
        strands = endpoint is not None and endpoint.source is EndpointSource.LOGIN_URL and self.requester_waits
        if strands:
            endpoint, reason = None, _LOGIN_URL_STRANDS  # a requester is never lost to a login page (product L6)
        request = None
        if endpoint is not None and connection is not None:
            only_first = connection.first_session_index_only
            request = Request(
                channel=endpoint.channel,
                binding=endpoint.binding,
                location=endpoint.location,
                source=endpoint.source,
                name_id=login.name_id,
                session_indexes=login.session_indexes[:1] if only_first else login.session_indexes,
                patience=self._patience(endpoint.channel),
                retry_until=session.hard_ends_at,
            )
        return self._target(Kind.IDP, self._title(login), login.connection, login.recorded_at, request, reason)

    def kept(self, login: Login, reason: str) -> Kept:
        """Return an IdP session that is left alive."""
        return Kept(name=self._title(login), peer=login.connection, since=login.recorded_at, reason=reason)

    def _title(self, login: Login) -> str:
        connection = self.connections.get(login.connection)
        return login.connection if connection is None else connection.title

    def _patience(self, channel: Channel) -> int:
        return {
            Channel.BACK: self.back_patience,
            Channel.FRAME: self.frame_patience,
            Channel.WINDOW: self.window_patience,
        }[channel]

    def _target(  # noqa: PLR0917 - what every target has
        self, kind: Kind, name: str, peer: str, since: int, request: Request | None, reason: str
    ) -> Target:
        reachable = request is not None and (request.channel is Channel.BACK or self.has_browser)
        framed = request is not None and request.channel is Channel.FRAME
        state = State.UNSUPPORTED if request is None else State.WAITING if reachable else State.UNREACHABLE
        return Target(
            id=next(self.ids),
            kind=kind,
            name=name,
            peer=peer,
            since=since,
            state=state,
            changed_at=self.now,
            # Until somebody's browser comes for it: the frames' time to be opened, or the whole round's.
            deadline=self.now + (FRAME_ROUNDS * self.frame_patience if framed else self.window_patience),
            reason=reason if request is None else "" if reachable else "It can only be asked through a browser.",
            request=request,
        )


def plan_logout(planner: Planner, session: Session, shard: str, *, federated: bool) -> Plan:
    """Return the plan of a person's logout: ours, the applications, the IdPs in the order of sign-in if `federated`."""
    ours, applications = planner.own(session, shard), planner.applications(session)
    if not federated:
        return Plan((ours, *applications), tuple(planner.kept(login, _LOCAL) for login in session.logins))
    return Plan((ours, *applications, *(planner.idp(login, session) for login in session.logins)))


def plan_for_idp(planner: Planner, sessions: Sequence[Session], shard: str, requester: str) -> Plan:
    """Return the plan of an IdP's LogoutRequest: every selected session of ours with all its applications (L7).

    Other IdPs of those sessions are kept: theirs is another sign-in, about which this IdP does not decide.
    """
    targets = [planner.own(session, shard) for session in sessions]
    targets += [target for session in sessions for target in planner.applications(session)]
    others = {
        login.connection: login for session in sessions for login in session.logins if login.connection != requester
    }
    return Plan(tuple(targets), tuple(planner.kept(login, _OTHERS) for login in others.values()))


def plan_for_application(
    planner: Planner, sessions: Sequence[Session], shard: str, requester: str, *, federated: bool
) -> Plan:
    """Return the plan of an application's LogoutRequest: our session, every other participant, and the IdPs (L8)."""
    targets = [planner.own(session, shard) for session in sessions]
    targets += [target for session in sessions for target in planner.applications(session, besides=requester)]
    logins = [(login, session) for session in sessions for login in session.logins]
    if not federated:
        return Plan(tuple(targets), tuple(planner.kept(login, _LOCAL) for login, _ in logins))
    return Plan((*targets, *(planner.idp(login, session) for login, session in logins)))
