"""The road of a logout on one page.

`logout`: our own session ends first, in the commit that also stores the logout and asks the back channel; only then is
the browser sent anywhere (product L5, L6). `receive`: what a peer answers: verify → match → decide and commit → on.
`go_on`, `open_frame`, `ask_again`: the browser on the progress page or the receipt; `returned`: it comes back from a
provider that does not speak SAML.
Nothing here fails because a peer is dead, odd or silent: that is a state on the receipt.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from saml_slo.errors import MessageRefused, Reason, RequestRefused, StoreUnavailable
from saml_slo.journey import Journey, Outcome
from saml_slo.logout.events import Arrived, BrowserReturned, FrameOpened, Happening, PeerAnswered, PersonRetries
from saml_slo.logout.messages import meaning_of
from saml_slo.logout.plan import plan_logout
from saml_slo.logout.transaction import Channel, Kind, State, Target, Transaction
from saml_slo.peers.lookup import peer_of, provider_of
from saml_slo.peers.methods.upstream import wants
from saml_slo.peers.return_urls import ReturnUrls
from saml_slo.policies import Policies
from saml_slo.protocol.envelope import Redirect, Verified
from saml_slo.protocol.messages import LogoutResponse
from saml_slo.protocol.method import Method
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Peer
from saml_slo.protocol.session import Login, Session
from saml_slo.question import Question, Questions
from saml_slo.store import keys, tokens
from saml_slo.store.store import Ended, Ending
from saml_slo.wire import checks
from saml_slo.wire.bindings.received import Received

_MAX_CONFLICTS = 10
_RESUME_UNTIL = 600_000  # milliseconds after the last deadline
_CAME_BACK = "It sent the browser back after its sign-out; such an answer is not signed."


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutCall:
    """One call of /v2/logout. `session` is the id that the browser's cookie opens, `running` its logout's handle.

    `handle` names a session to which an application belongs (product A2). `everywhere`: the person's sessions in other
    browsers end too. `access_token` is for a provider whose sign-out wants one. `confirmed`: the person was asked.
    """

    federated: bool
    return_to: str | None
    client_id: str | None
    session: str | None
    running: str | None
    handle: str | None = None
    everywhere: bool = False
    access_token: str | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """Ends the session of a browser, and takes what peers answer."""

    journey: Journey
    policies: Policies
    questions: Questions
    tenant_return_urls: ReturnUrls
    handle_secret: bytes

    def return_url(self, return_to: str | None, client_id: str | None) -> str | None:
        """Return the checked return URL, the application's default, or None for our own page (product L13)."""
        allowed = self.tenant_return_urls
        if client_id is not None:
            found = self.journey.registry.return_urls(client_id)
            if found is None:
                raise RequestRefused(
                    "There is no such application here",
                    reason=Reason.APPLICATION_UNKNOWN,
                    expected="the client_id of an application that is in force",
                    got=repr(client_id[:80]),
                    setting="metadata/applications/<client_id>.toml",
                    next_step="Correct client_id in the link, or add the application's file.",
                )
            allowed = found
        if return_to:
            allowed.allowed(return_to)
            return return_to
        return allowed.default() if client_id is not None else None

    # The person says: log out ---------------------------------------------------------------------------------------

    def logout(self, call: LogoutCall) -> Outcome | Question:
        """End this browser's session, or go on with the logout of it that is still running (product L1 to L6).

        Where the person must be asked before, nothing has ended, and the question is returned.
        """
        return_to, may_ask = self.return_url(call.return_to, call.client_id), not call.confirmed
        for _ in range(_MAX_CONFLICTS):
            now = self.journey.now()
            sessions, over = self.sessions(call, now)
            if not sessions:
                return self._resume_own(over, call.running, return_to)
            question = self._question(sessions, call) if may_ask else None
            if question is not None:
                return question
            may_ask = False
            ended = self._end(sessions, call, return_to, now)
            if ended is not None:
                return ended
        raise StoreUnavailable("the sessions changed under every attempt to end them", cause="conflict")

    def _question(self, sessions: tuple[Session, ...], call: LogoutCall) -> Question | None:
        known = self._with_token(sessions, call)
        return self.questions.before(known, call.client_id, self._present(call), federated=call.federated)

    def sessions(self, call: LogoutCall, now: int) -> tuple[tuple[Session, ...], dict[str, str]]:
        """Return the living sessions that a call is about, and by session those that a logout ended, with its id.

        The browser's own first, then the one that the link names, then those of the same person elsewhere.
        """
        found: dict[str, Session] = {}
        over: dict[str, str] = {}
        for identifier in self._present(call):
            session = self.journey.store.read_session(identifier, now)
            if isinstance(session, Ended):
                over[identifier] = session.logout_id
            elif session is not None:
                found[session.id] = session
        if call.everywhere:
            principals = [who for session in found.values() for who in self.journey.endings.principals(session)]
            for who in dict.fromkeys(principals):
                found |= {one.id: one for one in self.journey.store.sessions_of(who, now) if one.id not in found}
        return tuple(found.values()), over

    def _present(self, call: LogoutCall) -> tuple[str, ...]:
        """Return the ids of the sessions that are in this browser: the cookie's, and the one that the link names."""
        named = None
        if call.handle is not None:
            named = tokens.session_id_of_handle(self.handle_secret, call.handle, call.client_id or "")
            if named is None:
                raise RequestRefused(
                    "This link names a session that its application does not have",
                    reason=Reason.BAD_REQUEST,
                    expected="the handle that the API gave to the application of client_id",
                    got=repr(call.handle[:12]),
                    setting="session",
                    next_step="Use the logout_url that the API returned, with its client_id.",
                )
        return tuple(dict.fromkeys(filter(None, (call.session, named))))

    def _with_token(self, sessions: tuple[Session, ...], call: LogoutCall) -> tuple[Session, ...]:
        """Return the sessions with the access token that the link brought, in logins at the provider that wants one.

        The link does not say whose it is: where several want one, none gets it. It is a key to somebody's account. Of
        the logins there, it belongs to the one that the link's application brought, where it did.
        """
        access_token = call.access_token
        if access_token is None:
            return sessions
        asking = self.journey.asking
        logins = (login.connection for session in sessions for login in session.logins)
        found = (asking.registry.upstream(name) for name in dict.fromkeys(logins))
        wanting = [upstream.name for upstream in found if upstream is not None and wants(upstream, "access_token")]
        if len(wanting) != 1:
            return sessions

        def known(session: Session) -> Iterator[Login]:
            there = [login for login in session.logins if login.connection == wanting[0]]
            theirs = [login for login in there if login.application == call.client_id] or there
            for login in session.logins:
                yield asking.with_access_token(login, access_token) if login in theirs else login

        return tuple(replace(session, logins=tuple(known(session))) for session in sessions)

    def _end(self, sessions: tuple[Session, ...], call: LogoutCall, return_to: str | None, now: int) -> Outcome | None:
        """End sessions that were just read; None when one moved on and they must be read again."""
        journey, endings, shard = self.journey, self.journey.endings, sessions[0].id[:2]
        logout_id = tokens.new_logout_id(shard)
        present = frozenset(self._present(call))
        planner = journey.planner(logout_id, now, has_browser=True, present=present)
        reach = self.policies.reach(sessions, call.client_id, param=call.federated)
        plan = plan_logout(planner, self._with_token(sessions, call), shard, reach)
        begun = journey.transaction(logout_id, plan, now, return_to=return_to, client_id=call.client_id)
        begun = replace(begun, strangers=self._strangers(sessions))
        step = journey.first_step(begun, [BrowserReturned()], now)
        principals = dict.fromkeys(who for session in sessions for who in endings.principals(session))
        ending = Ending(
            transaction=step.transaction,
            sessions=tuple(session for session in sessions if session.id.startswith(shard)),
            tombstones=tuple(keys.asked_before(who, now) for who in principals),
            ended_ttl=max(endings.window(session, now) for session in sessions),
        )
        ended = journey.store.end_sessions(ending, now)
        if ended is None:
            return None
        if not ended.by_this_logout:
            # The browser's own was ended by somebody else: that logout is shown. Of several, the others still end.
            over = {sessions[0].id: ended.logout_id}
            return self._resume_own(over, call.running, return_to) if len(sessions) == 1 else None
        for session in ending.sessions:
            endings.unlist(session)
        return journey.carry_out(journey.elsewhere(step, [BrowserReturned()]))

    def _strangers(self, sessions: tuple[Session, ...]) -> tuple[str, ...]:
        """Return those of the sessions that nothing but a link ties to the first one: no user and no login in common.

        Anybody can make somebody else open a link to their own session. It ends, but whoever has it gets to see nothing
        of the logout: there is another person's NameID in it.
        """
        first = set(self.journey.endings.principals(sessions[0]))
        return tuple(one.id for one in sessions[1:] if first.isdisjoint(self.journey.endings.principals(one)))

    # The person comes back ------------------------------------------------------------------------------------------

    def _resume_own(self, over: Mapping[str, str], handle: str | None, return_to: str | None) -> Outcome:
        """Go on with the logout that ended this browser's session, or the one whose handle the browser has.

        `over`: sessions of this browser and the logouts that ended them. A stranger to one of these has no way in.
        """
        for session, logout_id in over.items():
            transaction = self.journey.store.read_logout(logout_id)
            if transaction is None or session not in transaction.strangers:
                return self._resume(transaction, return_to)
        parts = tokens.split_receipt_handle(handle)
        if parts is None:
            return self._nothing(return_to)
        transaction = self.journey.store.read_logout(parts[0])
        known = transaction is not None and hmac.compare_digest(parts[1], transaction.secret)
        return self._resume(transaction if known else None, return_to)

    def _resume(self, transaction: Transaction | None, return_to: str | None) -> Outcome:
        """Go on with a logout that is still running; one that is settled is history, and so is the session."""
        if transaction is None or not _is_running(transaction, self.journey.now()):
            return self._nothing(return_to)
        return self.journey.advance(transaction, [BrowserReturned(by_itself=True)])

    @staticmethod
    def _nothing(return_to: str | None) -> Outcome:
        return Outcome(None if return_to is None else Redirect(return_to))

    def is_running(self, transaction: Transaction) -> bool:
        """Say whether a browser that comes back would go on with this logout."""
        return _is_running(transaction, self.journey.now())

    def read_receipt(self, handle: str) -> Transaction | None:
        """Return the logout whose receipt this handle opens, with deadlines applied; None when there is none."""
        return self.journey.open(handle)

    def go_on(self, handle: str) -> Outcome | None:
        """Send the browser on its way: to the next peer, the requester, the return URL, or back to the page."""
        transaction = self.journey.open(handle)
        return None if transaction is None else self.journey.advance(transaction, [BrowserReturned()])

    def open_frame(self, handle: str, request_id: str) -> Outcome | None:
        """Send the browser in a frame of the progress page to its peer."""
        transaction = self.journey.open(handle)
        return None if transaction is None else self.journey.advance(transaction, [FrameOpened(request_id)])

    def loaded(self, handle: str, request_id: str) -> Outcome | None:
        """Take note that the frame of a peer which cannot answer came to rest; None when the handle opens nothing."""
        transaction = self.journey.open(handle)
        return None if transaction is None else self.journey.advance(transaction, [Arrived(request_id)])

    def ask_again(self, handle: str, request_id: str) -> Outcome | None:
        """Ask one peer once more because the person says so; None when the handle opens nothing."""
        transaction = self.journey.open(handle)
        if transaction is None:
            return None
        fresh = next(tokens.new_logout_message_ids(transaction.id))
        outcome = self.journey.advance(transaction, [PersonRetries(request_id, fresh)])
        if outcome.out is None and outcome.transaction is not None:
            step = self.journey.tick(outcome.transaction)  # a back-channel retry became due: send it now
            if step.deliver:
                return self.journey.carry_out(step)
        return outcome

    def returned(self, handle: str | None, state: str | None) -> Outcome:
        """Go on with the logout of this browser, which a provider that does not speak SAML sent back (product P).

        `handle` is the browser's own, from its cookie: nobody else's return says anything about this logout. Without
        one, or with the `state` of another message, nothing changes. A return without a state proves nothing.
        """
        transaction = self.journey.open(handle)
        if transaction is None:
            return Outcome()
        visited = [target for target in transaction.targets if _brings_back(target)]
        if state is None:
            silent = [one.id for one in visited if one.state is State.SENT and one.is_open and not _answers(one)]
            event = Arrived(silent[0], whole_window=True) if silent else BrowserReturned()
            return self.journey.advance(transaction, [event])
        found = transaction.target(state)
        if found is None or found not in visited:
            return Outcome()
        if _answers(found):
            return self.journey.advance(transaction, [PeerAnswered(state, Happening.ANSWERED, _CAME_BACK)])
        return self.journey.advance(transaction, [Arrived(state, whole_window=True)])

    # A peer answers -------------------------------------------------------------------------------------------------

    def receive_from_idp(self, name: str, received: Received) -> Outcome:
        """Take the LogoutResponse that an IdP sends to the endpoint of its connection."""
        return self._receive(peer_of(self.journey.registry, name, checks.claimed_issuer(received)), received, Kind.IDP)

    def receive_from_application(self, received: Received) -> Outcome:
        """Take the LogoutResponse that an application sends to our identity provider's endpoint."""
        provider = provider_of(self.journey.registry, checks.claimed_issuer(received))
        return self._receive(provider, received, Kind.APPLICATION)

    def _receive(self, peer: Peer, received: Received, kind: Kind) -> Outcome:
        if received.binding is Binding.SOAP:
            raise MessageRefused(Reason.BINDING_MISMATCH, "an answer by SOAP comes in the response to our request")
        verified = checks.verify_logout_response(received, peer, self.journey.clock())
        logout_id = tokens.logout_id_of_message(verified.message.in_response_to)
        transaction = None if logout_id is None else self.journey.store.read_logout(logout_id)
        if transaction is None:
            raise _unsolicited(verified)
        event = meaning_of(verified.message, signed=verified.signed)
        return self.journey.advance(transaction, [event], lambda current: _awaited(current, verified, kind))


def _is_running(transaction: Transaction, now: int) -> bool:
    """Say whether a browser that comes back should go on with a logout: someone is still to be asked or to answer.

    After `_RESUME_UNTIL` it is history, and a call of /v2/logout means a new one.
    """
    open_states = (State.WAITING, State.SENT, State.UNREACHABLE)
    deadlines = [t.deadline for t in transaction.targets if t.request is not None and t.state in open_states]
    return any(now < deadline + _RESUME_UNTIL for deadline in deadlines)


def _brings_back(target: Target) -> bool:
    """Say whether a target is a provider whose sign-out sends the browser back to us without a message."""
    request = target.request
    if request is None or target.kind is not Kind.IDP or request.channel is not Channel.WINDOW:
        return False
    return request.method is not Method.SAML and request.returns


def _answers(target: Target) -> bool:
    return target.request is not None and target.request.answers


def _awaited(transaction: Transaction, verified: Verified[LogoutResponse], kind: Kind) -> None:
    """Refuse an answer that no target of this peer waits for: never asked, answered before, or another's."""
    target = transaction.target(verified.message.in_response_to or "")
    if (
        target is None
        or (target.kind, target.peer) != (kind, verified.peer.name)
        or target.state not in (State.SENT, State.TIMED_OUT)
    ):
        raise _unsolicited(verified)


def _unsolicited(verified: Verified[LogoutResponse]) -> MessageRefused:
    return MessageRefused(
        Reason.UNSOLICITED,
        "no logout waits for this answer",
        expected="the ID of a LogoutRequest that this peer was sent and has not answered",
        got=repr(verified.message.in_response_to)[:80],
    )
