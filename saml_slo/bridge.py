"""The road of a logout on one page.

`logout`: our own session ends first, in the commit that also stores the logout; only then is an IdP asked (product L5).
`receive`: what an IdP answers at our SLO endpoint: verify → match → decide and commit → on to the next.
Nothing here fails because a peer is dead, odd or silent: that is a state on the receipt.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from saml_slo.ending import Endings
from saml_slo.errors import MessageRefused, Reason, RequestRefused, StoreUnavailable
from saml_slo.logout.commands import AskPeer, Command, ReturnUser
from saml_slo.logout.engine import advance
from saml_slo.logout.events import BrowserReturned, ClockTicked, Event, PersonRetries
from saml_slo.logout.messages import logout_request, meaning_of
from saml_slo.logout.plan import plan_logout
from saml_slo.logout.transaction import State, Target, Transaction
from saml_slo.peers.lookup import peer_of
from saml_slo.peers.registry import Registry
from saml_slo.peers.return_urls import ReturnUrls
from saml_slo.protocol.envelope import HttpOut, Redirect, Verified
from saml_slo.protocol.messages import LogoutResponse
from saml_slo.protocol.names import Binding
from saml_slo.protocol.session import Session, milliseconds
from saml_slo.store import keys, tokens
from saml_slo.store.store import Ended, Ending, Store
from saml_slo.wire import bindings, checks, writer
from saml_slo.wire.bindings.received import Received
from saml_slo.wire.keys import OurKeys

_MAX_CONFLICTS = 10
_RESUME_UNTIL = 600_000  # milliseconds after its deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutCall:
    """One call of /v2/logout. `session` is the id that the browser's cookie opens, `running` its logout's handle."""

    federated: bool
    return_to: str | None
    client_id: str | None
    session: str | None
    running: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the browser gets: a redirect or form, or the receipt of `transaction`; neither: it had no session here."""

    out: HttpOut | None
    transaction: Transaction | None

    @property
    def handle(self) -> str | None:
        """Return the handle of the receipt."""
        return None if self.transaction is None else receipt_handle(self.transaction)


def receipt_handle(transaction: Transaction) -> str:
    """Return the unguessable handle of a logout's receipt."""
    return tokens.receipt_handle(transaction.id, transaction.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """Ends sessions. `clock` returns aware UTC, `logout_timeout` is seconds until a silent peer counts as timed out."""

    registry: Registry
    store: Store
    endings: Endings
    our_keys: OurKeys
    clock: Callable[[], datetime]
    logout_timeout: int
    tenant_return_urls: ReturnUrls

    def return_url(self, return_to: str | None, client_id: str | None) -> str | None:
        """Return the checked return URL, the application's default, or None for our own page (product L13)."""
        allowed = self.tenant_return_urls
        if client_id is not None:
            found = self.registry.return_urls(client_id)
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

    def logout(self, call: LogoutCall) -> Outcome:
        """End this browser's session, or go on with the logout of it that is still running (product L1 to L6)."""
        return_to = self.return_url(call.return_to, call.client_id)
        for _ in range(_MAX_CONFLICTS):
            now = milliseconds(self.clock())
            session = None if call.session is None else self.store.read_session(call.session, now)
            if isinstance(session, Ended):
                return self._resume(session.logout_id, None, return_to)
            if session is None:
                return self._resume_by_handle(call.running, return_to)
            ended = self._end(session, call, return_to, now)
            if ended is not None:
                return ended
        raise StoreUnavailable("the session changed under every attempt to end it", cause="conflict")

    def _end(self, session: Session, call: LogoutCall, return_to: str | None, now: int) -> Outcome | None:
        """End a session that was just read; None when it moved on and must be read again."""
        transaction = self._plan(session, call, return_to, now)
        # The first step is decided before the commit and stored by it: one commit holds everything.
        step = advance(transaction, [BrowserReturned()], now)
        ending = Ending(
            transaction=step.transaction,
            sessions=(session,),
            tombstones=tuple(keys.asked_before(who, now) for who in self.endings.principals(session)),
            due_at=step.transaction.deadline,
            ended_ttl=self.endings.window(session, now),
        )
        ended = self.store.end_sessions(ending, now)
        if ended is None:
            return None
        if not ended.by_this_logout:
            return self._resume(ended.logout_id, None, return_to)
        return self._carry_out(step.transaction, step.command)

    def _plan(self, session: Session, call: LogoutCall, return_to: str | None, now: int) -> Transaction:
        logout_id = tokens.new_logout_id(session.id[:2])
        connections = {connection.name: connection for connection in self.registry.connections()}
        plan = plan_logout(
            session, connections, tokens.new_logout_message_ids(logout_id), now, federated=call.federated
        )
        return Transaction(
            id=logout_id,
            secret=tokens.new_receipt_secret(),
            reference=tokens.new_reference(),
            started_at=now,
            deadline=now + self.logout_timeout * 1000,
            patience=self.logout_timeout * 1000,
            targets=plan.targets,
            kept=plan.kept,
            return_to=return_to,
            client_id=call.client_id,
        )

    # The person comes back ------------------------------------------------------------------------------------------

    def _resume_by_handle(self, handle: str | None, return_to: str | None) -> Outcome:
        parts = tokens.split_receipt_handle(handle)
        return self._nothing(return_to) if parts is None else self._resume(*parts, return_to)

    def _resume(self, logout_id: str, secret: str | None, return_to: str | None) -> Outcome:
        """Go on with a logout that is still running; one that is settled is history, and so is the session."""
        transaction = self.store.read_logout(logout_id)
        if transaction is None or (secret is not None and not hmac.compare_digest(secret, transaction.secret)):
            return self._nothing(return_to)
        if not _is_running(transaction, milliseconds(self.clock())):
            return self._nothing(return_to)
        return self._advance(transaction, [BrowserReturned()])

    @staticmethod
    def _nothing(return_to: str | None) -> Outcome:
        return Outcome(None if return_to is None else Redirect(return_to), None)

    # A peer answers -------------------------------------------------------------------------------------------------

    def receive(self, name: str, received: Received) -> Outcome:
        """Take the LogoutResponse that an IdP sends to the endpoint of its connection."""
        if received.binding is Binding.SOAP:
            raise MessageRefused(Reason.BINDING_MISMATCH, "an answer by SOAP comes in the response to our request")
        connection = peer_of(self.registry, name, checks.claimed_issuer(received))
        verified = checks.verify_logout_response(received, connection, self.clock())
        logout_id = tokens.logout_id_of_message(verified.message.in_response_to)
        transaction = None if logout_id is None else self.store.read_logout(logout_id)
        if transaction is None:
            raise _unsolicited(verified)
        event = meaning_of(verified.message, signed=verified.signed)
        return self._advance(transaction, [event], lambda current: _awaited(current, verified))

    # What happens next ----------------------------------------------------------------------------------------------

    def read_receipt(self, handle: str) -> Transaction | None:
        """Return the logout whose receipt this handle opens, with deadlines applied; None when there is none."""
        parts = tokens.split_receipt_handle(handle)
        transaction = None if parts is None else self.store.read_logout(parts[0])
        if parts is None or transaction is None or not hmac.compare_digest(parts[1], transaction.secret):
            return None
        return self.store.advance_logout(transaction, [ClockTicked()], milliseconds(self.clock())).transaction

    def ask_again(self, handle: str, request_id: str) -> Outcome | None:
        """Ask one peer once more because the person says so; None when the handle opens nothing."""
        transaction = self.read_receipt(handle)
        if transaction is None:
            return None
        fresh = next(tokens.new_logout_message_ids(transaction.id))
        return self._advance(transaction, [PersonRetries(request_id, fresh)])

    def _advance(
        self,
        transaction: Transaction,
        events: Sequence[Event],
        admissible: Callable[[Transaction], None] = lambda _: None,
    ) -> Outcome:
        step = self.store.advance_logout(transaction, events, milliseconds(self.clock()), admissible)
        return self._carry_out(step.transaction, step.command)

    def _carry_out(self, transaction: Transaction, command: Command | None) -> Outcome:
        """Turn what the engine wants into what the browser gets; it was committed before."""
        match command:
            case AskPeer(target):
                return Outcome(self._ask(target), transaction)
            case ReturnUser(url):
                return Outcome(Redirect(url), transaction)
            case _:
                return Outcome(None, transaction)

    def _ask(self, target: Target) -> HttpOut | None:
        """Return the signed LogoutRequest of a target; None when its connection is gone (the deadline will tell)."""
        connection = self.registry.connection(target.connection)
        if connection is None or target.request is None:
            return None
        request = logout_request(target.id, target.request, connection, self.clock())
        # The RelayState is our opaque handle: the message's own ID. It is never followed when it comes back.
        return bindings.encode(
            target.request.binding,
            writer.write(request),
            target.request.location,
            target.id,
            self.our_keys.signing,
            connection,
        )


def _is_running(transaction: Transaction, now: int) -> bool:
    """Say whether a browser that comes back should go on with a logout: someone is still to be asked or to answer.

    After `_RESUME_UNTIL` it is history, and a call of /v2/logout means a new one.
    """
    return now < transaction.deadline + _RESUME_UNTIL and any(
        target.request is not None and target.state in (State.WAITING, State.SENT, State.UNREACHABLE)
        for target in transaction.targets
    )


def _awaited(transaction: Transaction, verified: Verified[LogoutResponse]) -> None:
    """Refuse an answer that no target of this connection waits for: never asked, answered before, or another's."""
    target = transaction.target(verified.message.in_response_to or "")
    if (
        target is None
        or target.connection != verified.peer.name
        or target.state not in (State.SENT, State.TIMED_OUT)
    ):
        raise _unsolicited(verified)


def _unsolicited(verified: Verified[LogoutResponse]) -> MessageRefused:
    return MessageRefused(
        Reason.UNSOLICITED,
        "no logout waits for this answer",
        expected="the ID of a LogoutRequest that this IdP was sent and has not answered",
        got=repr(verified.message.in_response_to)[:80],
    )
