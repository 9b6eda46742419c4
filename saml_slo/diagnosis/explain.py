"""Which preconditions of a logout hold, value and "should be", and what the logout would then do, without doing it.

The plan is the planner's own (logout/plan.py), made for the sessions as they are stored now; nothing is written, nobody
is asked. Where there is no session, the conditions of a peer are told as far as they do not depend on one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from saml_slo.delivery.egress import Egress, Resolver, look_up
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.diagnosis.explanation import Asked, Condition, Explanation, State
from saml_slo.diagnosis.peers import LOOK_UP_SECONDS, back_channel_urls
from saml_slo.house import House
from saml_slo.logout.endpoint import Way, application_endpoint, idp_endpoint
from saml_slo.logout.plan import plan_logout
from saml_slo.logout.transaction import Channel, Target
from saml_slo.peers import coverage
from saml_slo.protocol.moments import in_words, instant_of
from saml_slo.protocol.peer import Application, Connection, EndpointSource, Peer
from saml_slo.protocol.policy import Federated
from saml_slo.protocol.session import Login, Participant, Session
from saml_slo.protocol.upstream import Upstream
from saml_slo.store import tokens
from saml_slo.wire.certificate_facts import certificate_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """Explains logouts at one installation.

    `client_id` is the application that would ask, `federated` whether its link says so, `has_browser` whether the
    person's browser is there. `resolve` looks names up for the egress guard.
    """

    house: House
    client_id: str | None = None
    federated: bool = True
    has_browser: bool = True
    resolve: Resolver = look_up

    def sessions(self, sessions: Sequence[Session], tried: Sequence[str]) -> tuple[Explanation, ...]:
        """Return what would become of each session; `tried` is where was looked, for whoever has none."""
        if sessions:
            return tuple(self._session(number, session) for number, session in enumerate(sessions, 1))
        missing = Condition(
            about="session",
            name="session found",
            value="none",
            should_be="at least one",
            state=State.FAILS,
            next_step="It ended, or the person is known by another name: "
            + (f"looked for {', '.join(tried)}." if tried else "nowhere was looked."),
        )
        return (Explanation(subject="no session", conditions=(missing,)),)

    def connection(self, connection: Connection) -> Explanation:
        """Return what holds for an identity provider whoever the person is."""
        about = f"connection {connection.name}"
        return Explanation(subject=about, conditions=tuple(self._connection(about, connection)))

    def upstream(self, upstream: Upstream) -> Explanation:
        """Return what holds for a provider that does not speak SAML."""
        about = f"connection {upstream.name}"
        return Explanation(subject=about, conditions=tuple(_upstream(about, upstream, None)))

    def application(self, application: Application) -> Explanation:
        """Return what holds for an application whoever the person is."""
        about = f"application {application.client_id}"
        return Explanation(subject=about, conditions=tuple(self._application(about, application)))

    # One session ------------------------------------------------------------------------------------------------------

    def _session(self, number: int, session: Session) -> Explanation:
        now = self.house.clock()
        began = in_words(instant_of(session.created_at))
        ends = (session.ends_at - int(now.timestamp() * 1000)) // 1000
        conditions = [
            Condition(
                about="session",
                name="session found",
                value=f"began {began}, ends by itself in {ends} s",
                should_be="a living session",
                state=State.HOLDS,
            )
        ]
        for login in session.logins:
            conditions += self._login(login)
        for participant in session.participants:
            conditions += self._participant(session, participant)
        return Explanation(subject=f"session {number}", conditions=tuple(conditions), plan=tuple(self._plan(session)))

    def _plan(self, session: Session) -> Iterator[Asked]:
        journey, policies = self.house.journey, self.house.policies
        shard = session.id[:2]
        planner = journey.planner(tokens.new_logout_id(shard), journey.now(), has_browser=self.has_browser)
        reach = policies.reach((session,), self.client_id, param=self.federated)
        plan = plan_logout(planner, (session,), shard, reach)
        yield from map(_asked, plan.targets)
        for kept in plan.kept:
            yield Asked(kind=kept.kind, name=kept.name, peer=kept.peer, state="kept", reason=kept.reason)

    def _login(self, login: Login) -> Iterator[Condition]:
        about = f"connection {login.connection}"
        connection = self.house.registry.connection(login.connection)
        upstream = self.house.registry.upstream(login.connection)
        if connection is not None:
            yield from _session_index(about, connection, login)
            yield from self._connection(about, connection)
        elif upstream is not None:
            yield from _upstream(about, upstream, login)
        else:
            yield Condition(
                about=about,
                name="in force",
                value="removed since the sign-in",
                should_be="in force",
                state=State.FAILS,
                next_step="Restore its files, or end the session at the provider.",
            )
        yield self._federated(about, login)

    def _federated(self, about: str, login: Login) -> Condition:
        policy = self.house.policies.federated_of(login, self.client_id)
        asked = self.house.policies.asks(login, self.client_id, param=self.federated)
        in_link = "and the link says federated" if self.federated else "and the link does not say federated"
        state = State.FAILS if not asked else State.WEAK if policy is Federated.ASK else State.HOLDS
        chosen = {Federated.PARAM: f"param, {in_link}", Federated.ASK: "ask: the person chooses"}
        return Condition(
            about=about,
            name="policy federated",
            value=chosen.get(policy, str(policy)),
            should_be="always, or param with federated in the link",
            state=state,
            next_step={
                State.HOLDS: "",
                State.WEAK: "Nothing to do: it is asked when the person says so.",
                State.FAILS: "Add federated to the link, or set the policy federated.",
            }[state],
        )

    def _participant(self, session: Session, participant: Participant) -> Iterator[Condition]:
        about = f"application {participant.application}"
        application = self.house.registry.application(participant.application)
        if application is None:
            yield Condition(
                about=about,
                name="in force",
                value="removed since the sign-in",
                should_be="in force",
                state=State.FAILS,
                next_step="Restore its file, or end the session there.",
            )
            return
        spared = self.house.policies.spares(participant, self.client_id, (session,))
        yield Condition(
            about=about,
            name="policy propagation",
            value=spared or "it is told",
            should_be="it is told",
            state=State.FAILS if spared else State.HOLDS,
            next_step="Set propagation for the application that asks, its organisation, or all." if spared else "",
        )
        yield from self._application(about, application)

    # Peers ------------------------------------------------------------------------------------------------------------

    def _connection(self, about: str, connection: Connection) -> Iterator[Condition]:
        yield _in_force(about, enabled=connection.enabled)
        way, reason = idp_endpoint(connection, self.has_browser)
        if way is None and connection.logout_page is not None:
            yield Condition(
                about=about,
                name="endpoint",
                value=f"sign-out page {connection.logout_page}",
                should_be="a logout URL of its metadata or of the operator",
                state=State.WEAK,
                next_step="Nothing to do: its page ends the session and says nothing to us.",
            )
            return
        yield from self._way(about, connection, way, reason)

    def _application(self, about: str, application: Application) -> Iterator[Condition]:
        row = coverage.of_application(application, self.house.clock().date())
        blind = row.state in coverage.UNCOVERED
        weak = row.state in (coverage.State.FRAME_ONLY, coverage.State.WAIVED, coverage.State.TAKES_NO_PART)
        yield Condition(
            about=about,
            name="logout method",
            value=f"{row.method}: {row.sentence}",
            should_be="a method by which it is told and answers",
            state=State.FAILS if blind else State.WEAK if weak else State.HOLDS,
            next_step="Name one in its file (logout = …), or a dated waiver." if blind else "",
        )
        provider = application.provider
        if provider is not None and row.method == "saml":
            yield _in_force(about, enabled=provider.enabled)
            way, reason = application_endpoint(provider)
            yield from self._way(about, provider, way, reason)
        for url, what in back_channel_urls(application):
            yield self._egress(about, url, what)

    def _way(self, about: str, peer: Peer, way: Way | None, reason: str) -> Iterator[Condition]:
        if way is None:
            yield Condition(
                about=about,
                name="endpoint",
                value=reason,
                should_be="a logout URL of its metadata or of the operator",
                state=State.FAILS,
                next_step="Switch single logout on there and fetch its metadata anew, or set logout_url.",
            )
            return
        guessed = way.source is EndpointSource.LOGIN_URL
        yield Condition(
            about=about,
            name="endpoint",
            value=f"{way.source}: {way.location}",
            should_be="metadata or operator",
            state=State.WEAK if guessed else State.HOLDS,
            next_step="A login URL does not always take a LogoutRequest: name a preset, or set logout_url."
            if guessed
            else "",
        )
        offered = sorted({endpoint.binding.short for endpoint in peer.single_logout})
        fits = guessed or way.source is EndpointSource.OPERATOR or way.binding.short in offered
        needs = way.channel is not Channel.BACK and not self.has_browser
        yield Condition(
            about=about,
            name="binding",
            value=f"{way.binding.short}, {way.channel}" + (", and no browser is there" if needs else ""),
            should_be=f"one that it offers ({', '.join(offered) or 'none'}), and a browser unless it is soap",
            state=State.HOLDS if fits and not needs else State.FAILS,
            next_step="It can be asked through a browser only." if needs else "",
        )
        yield from self._keys(about, peer)
        if way.channel is Channel.BACK and isinstance(peer, Connection):
            yield self._egress(about, way.location, "SOAP logout endpoint")

    def _keys(self, about: str, peer: Peer) -> Iterator[Condition]:
        now, ours = self.house.clock(), self.house.keys.current()
        for name, certificates, advice in (
            ("our signing key", (ours.signing.certificate,), "Roll it over: `saml-slo doctor` says how."),
            ("its signing keys", peer.signing_certificates, "Fetch its present metadata."),
        ):
            facts = [one for one in map(certificate_facts, certificates) if one is not None]
            last = max((one.not_after for one in facts), default=None)
            good = last is not None and last > now
            yield Condition(
                about=about,
                name=name,
                value="none" if last is None else f"{len(facts)}, valid until {last:%Y-%m-%d}",
                should_be=f"valid after {now:%Y-%m-%d}",
                state=State.HOLDS if good else State.WEAK,  # keys count, not dates; peers may think otherwise
                next_step="" if good else advice,
            )

    def _egress(self, about: str, url: str, what: str) -> Condition:
        state, value, advice = State.HOLDS, f"{url} may be called", ""
        try:
            guard = Egress(self.house.settings.back_channel_allow, resolve=self.resolve)
            guard.target(url, deadline=time.monotonic() + LOOK_UP_SECONDS)
        except DeliveryFailed as failed:
            state = State.WEAK if failed.why in (Why.DNS, Why.LOCAL) else State.FAILS
            value, advice = f"{url}: {failed.sentence}", "List it in SLO_BACK_CHANNEL_ALLOW, if it is right."
        return Condition(
            about=about,
            name=f"egress to the {what}",
            value=value,
            should_be="a public address, or one that SLO_BACK_CHANNEL_ALLOW lists",
            state=state,
            next_step=advice,
        )


def _in_force(about: str, *, enabled: bool) -> Condition:
    return Condition(
        about=about,
        name="in force",
        value="yes" if enabled else "no: disabled, or its metadata has expired",
        should_be="yes",
        state=State.HOLDS if enabled else State.WEAK,  # a session from there can still be ended
        next_step="" if enabled else "`saml-slo doctor` on it says why.",
    )


def _session_index(about: str, connection: Connection, login: Login) -> Iterator[Condition]:
    number = len(login.session_indexes)
    required = connection.session_index_required
    advice = "The request names the NameID alone, and may end the person's other devices there as well."
    yield Condition(
        about=about,
        name="SessionIndex of the sign-in",
        value=str(number) if number else "none",
        should_be="at least one" + (", which it demands" if required else ""),
        state=State.HOLDS if number else State.FAILS if required else State.WEAK,
        next_step="" if number else "Let it issue a SessionIndex at sign-in." if required else advice,
    )
    if number > 1 and not connection.first_session_index_only:
        yield Condition(
            about=about,
            name="SessionIndex values in the request",
            value=str(number),
            should_be="as many as it knows: some providers keep the first of a sign-in alone",
            state=State.WEAK,
            next_step="If it refuses: first_session_index_only = true, or the preset that has it.",
        )


def _upstream(about: str, upstream: Upstream, login: Login | None) -> Iterator[Condition]:
    row = coverage.of_upstream(upstream)
    bad = row.state is coverage.State.OUT_OF_REACH
    yield Condition(
        about=about,
        name="endpoint",
        value=f"{row.where} ({row.sentence})" if row.where else row.sentence,
        should_be="a sign-out that we can send the browser to",
        state=State.FAILS if bad else State.HOLDS if row.state is coverage.State.COVERED else State.WEAK,
        next_step="Look at its preset in docs/providers.md." if bad else "",
    )
    for need in upstream.needs:
        if login is None or need not in ("id_token", "access_token"):
            continue
        there = need in login.token_names
        yield Condition(
            about=about,
            name=f"{need.replace('_', ' ')} of the sign-in",
            value="registered" if there else "none",
            should_be="registered by the application, for its sign-out needs it",
            state=State.HOLDS if there else State.FAILS,
            next_step="" if there else "Let the application hand it over when it registers the session.",
        )


def _asked(target: Target) -> Asked:
    request = target.request
    if request is None:
        return Asked(kind=target.kind, name=target.name, peer=target.peer, state=target.state, reason=target.reason)
    return Asked(
        kind=target.kind,
        name=target.name,
        peer=target.peer,
        state=target.state,
        how=request.how,
        channel=request.channel,
        location=request.location,
        source=request.source,
        rung="" if request.rung is None else request.rung,
        reason=target.reason,
    )
