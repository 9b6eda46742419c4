"""Whom to ask, in which order, over which channel, with which rung of the SessionIndex ladder (product L3, L4, L6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from saml_slo.logout.endpoint import application_endpoint, idp_endpoint
from saml_slo.logout.engine import FRAME_ROUNDS
from saml_slo.logout.reach import EVERYWHERE, Reach
from saml_slo.logout.requests import (
    Unasked,
    application_request,
    lacking,
    page_request,
    saml_idp_request,
    saml_request,
    upstream_request,
)
from saml_slo.logout.transaction import Channel, Kept, Kind, Request, State, Target
from saml_slo.protocol.method import Method
from saml_slo.protocol.moments import instant_of
from saml_slo.protocol.peer import Application, Connection, EndpointSource
from saml_slo.protocol.session import Login, Participant, Session
from saml_slo.protocol.upstream import Upstream

_OTHERS = "Another identity provider asked for this logout, so you are still signed in there."
_REMOVED = Unasked(State.UNSUPPORTED, "It was removed from the configuration after this sign-in.")
_LOGIN_URL_STRANDS = Unasked(
    State.UNSUPPORTED,
    "It has no logout URL, and its login URL may keep the browser, which the application that asked is waiting for.",
)
_PAGE_STRANDS = Unasked(
    State.UNSUPPORTED,
    "Its sign-out page keeps the browser, which the application that asked is waiting for.",
)
_NO_METHOD = Unasked(State.UNSUPPORTED, "Its configuration names no way to tell it of a logout.")
_ORDER = (Channel.BACK, Channel.FRAME, Channel.WINDOW, None)


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets in the order in which they are asked, and the sessions that are left alive on purpose."""

    targets: tuple[Target, ...]
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Makes the targets of one logout at `now` (milliseconds).

    `ids` gives a fresh message ID for each. Patience in milliseconds: of the back channel, of a frame, of a peer that
    takes the whole window. `has_browser`: somebody's browser is there to carry front-channel messages, for every
    session or, where `present` is given, for those of these ids. `retry_at_least` (milliseconds): for how long a failed
    delivery is tried again although the session's own time is over.
    """

    connections: Mapping[str, Connection]
    applications: Mapping[str, Application]
    ids: Iterator[str]
    now: int
    back_patience: int
    frame_patience: int
    window_patience: int
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    has_browser: bool = True
    requester_waits: bool = False
    present: frozenset[str] | None = None
    retry_at_least: int = 0

    def of(self, session: Session) -> Planner:
        """Return the planner of one session's peers: without a browser where the session is in another one."""
        here = self.present is None or session.id in self.present
        return self if here or not self.has_browser else replace(self, has_browser=False)

    def _retry_until(self, session: Session) -> int:
        return max(session.hard_ends_at, self.now + self.retry_at_least)

    def own(self, session: Session, shard: str) -> Target:
        """Return our own session: `confirmed` by the commit, or `sent` to the slot of another shard."""
        here = session.id.startswith(shard)
        in_this_browser = self.has_browser and not self.requester_waits
        present = self.present is None or session.id in self.present
        return Target(
            id=next(self.ids),
            kind=Kind.SESSION,
            name=("This browser" if present else "Another browser") if in_this_browser else "Session here",
            peer="",
            since=session.created_at,
            state=State.CONFIRMED if here else State.SENT,
            changed_at=self.now,
            deadline=self.now + self.back_patience,
            reason="Our own session was ended first.",
            session=None if here else session.id,
        )

    def application(self, session: Session, participant: Participant) -> Target:
        """Return an application's session that hangs on ours."""
        application = self.applications.get(participant.application)
        title = participant.application if application is None else application.title
        asked = self._application_request(session, participant, application)
        return self._target(Kind.APPLICATION, title, participant.application, participant.since, asked)

    def elsewhere(self, target: Target, session: Session) -> Target:
        """Return an application's target of a session in another slot, which is ended after the commit.

        One that asks us about each request is confirmed by that end, and not before.
        """
        if target.state is not State.CONFIRMED:
            return target
        return replace(target, state=State.SENT, deadline=self.now + self.back_patience, session=session.id)

    def _application_request(
        self, session: Session, participant: Participant, application: Application | None
    ) -> Request | Unasked:
        if application is None:
            return _REMOVED
        method, until = application.logout, self._retry_until(session)
        if method is not None and method.kind is not Method.SAML:
            today = instant_of(self.now).date()
            return application_request(method, participant, today, self._patience, until)
        if application.provider is None:
            return _NO_METHOD
        way, reason = application_endpoint(application.provider)
        if way is None:
            return Unasked(State.UNSUPPORTED, reason)
        patience = self._patience[way.channel]
        return saml_request(way, participant.name_id, (participant.session_index,), patience, until)

    def idp(self, login: Login, session: Session) -> Target:
        """Return the IdP session behind a login."""
        asked = self._idp_request(login, session)
        return self._target(Kind.IDP, self._title(login), login.connection, login.recorded_at, asked)

    def _idp_request(self, login: Login, session: Session) -> Request | Unasked:
        patience = self.window_patience
        upstream = self.upstreams.get(login.connection)
        if upstream is not None:
            return self._unless_it_strands(upstream_request(upstream, login, patience))
        connection = self.connections.get(login.connection)
        if connection is None:
            return _REMOVED
        way, reason = idp_endpoint(connection, self.has_browser)
        if way is None:
            page = page_request(connection, patience)
            return Unasked(State.UNSUPPORTED, reason) if page is None else self._unless_it_strands(page)
        if way.source is EndpointSource.LOGIN_URL and self.requester_waits:
            return _LOGIN_URL_STRANDS  # a requester is never lost to a login page (product L6)
        return saml_idp_request(connection, way, login, self._patience[way.channel], self._retry_until(session))

    def _unless_it_strands(self, asked: Request | Unasked) -> Request | Unasked:
        strands = isinstance(asked, Request) and not asked.returns and self.requester_waits
        return _PAGE_STRANDS if strands else asked

    def kept(self, login: Login, reason: str) -> Kept:
        """Return an IdP session that is left alive."""
        return Kept(name=self._title(login), peer=login.connection, since=login.recorded_at, reason=reason)

    def spared(self, participant: Participant, reason: str) -> Kept:
        """Return an application's session that is left alive."""
        application = self.applications.get(participant.application)
        title = participant.application if application is None else application.title
        return Kept(
            name=title, peer=participant.application, since=participant.since, reason=reason, kind=Kind.APPLICATION
        )

    def _title(self, login: Login) -> str:
        found = self.connections.get(login.connection) or self.upstreams.get(login.connection)
        return login.connection if found is None else found.title

    @property
    def _patience(self) -> dict[Channel, int]:
        return {
            Channel.BACK: self.back_patience,
            Channel.FRAME: self.frame_patience,
            Channel.WINDOW: self.window_patience,
        }

    def _target(self, kind: Kind, name: str, peer: str, since: int, asked: Request | Unasked) -> Target:
        request = asked if isinstance(asked, Request) else None
        state, reason = (asked.state, asked.reason) if isinstance(asked, Unasked) else (State.WAITING, "")
        framed = request is not None and request.channel is Channel.FRAME
        if request is not None and request.channel is not Channel.BACK and not self.has_browser:
            state, reason = State.UNREACHABLE, "It can only be asked through a browser."
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
            reason=reason,
            request=request,
        )


def plan_logout(
    planner: Planner, sessions: Sequence[Session], shard: str, reach: Reach = EVERYWHERE, *, besides: str | None = None
) -> Plan:
    """Return the plan of a logout: our sessions, the applications, the IdPs in the order of sign-in (product L6).

    `besides` is the application that asked and has ended its own session (L8).
    """
    applications, kept = _applications(planner, sessions, shard, reach, besides)
    targets = [*(planner.own(session, shard) for session in sessions), *applications]
    for session in sessions:
        for login in _logins(planner, session, reach.asker):
            if reach.asks(login):
                targets.append(planner.of(session).idp(login, session))
            else:
                kept.append(planner.kept(login, reach.kept))
    return Plan(tuple(targets), tuple(kept))


def _logins(planner: Planner, session: Session, asker: str | None) -> Iterator[Login]:
    """Yield the logins that are signed out: of those that applications brought, one for each provider.

    A browser has one session there, whoever told of it. What the application that asks brought is taken, else what came
    first; but none without what the sign-out needs, where another one has it.
    """
    for login in session.logins:
        upstream = planner.upstreams.get(login.connection)
        if upstream is None:
            yield login
            continue
        same = [one for one in session.logins if one.connection == login.connection]
        if login is same[0]:
            yield min(same, key=lambda one: (bool(lacking(upstream, one)), one.application != asker))


def plan_for_idp(
    planner: Planner, sessions: Sequence[Session], shard: str, requester: str, reach: Reach = EVERYWHERE
) -> Plan:
    """Return the plan of an IdP's LogoutRequest: every selected session of ours with all its applications (L7).

    Other IdPs of those sessions are kept: theirs is another sign-in, about which this IdP does not decide.
    """
    applications, kept = _applications(planner, sessions, shard, reach, None)
    targets = [*(planner.own(session, shard) for session in sessions), *applications]
    others = {
        login.connection: login for session in sessions for login in session.logins if login.connection != requester
    }
    return Plan(tuple(targets), (*kept, *(planner.kept(login, _OTHERS) for login in others.values())))


def _applications(
    planner: Planner, sessions: Sequence[Session], shard: str, reach: Reach, besides: str | None
) -> tuple[list[Target], list[Kept]]:
    """Return the applications to be told, back channel first, and those that a policy spares."""
    told: list[Target] = []
    spared: list[Kept] = []
    for session in sessions:
        targets = []
        for participant in session.participants:
            if participant.application == besides:
                continue
            if why := reach.spares(participant):
                spared.append(planner.spared(participant, why))
            else:
                target = planner.of(session).application(session, participant)
                targets.append(target if session.id.startswith(shard) else planner.elsewhere(target, session))
        told += sorted(targets, key=lambda target: _ORDER.index(target.channel))
    return told, spared
