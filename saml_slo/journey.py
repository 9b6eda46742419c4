"""What happens between a decision and the browser: deliveries, the next hop, the requester's answer.

Every road of a logout ends here. A step was committed before this part does anything about it, so a crash loses
nothing: the sweeper delivers what was not delivered, and a browser that comes back goes on.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from saml_slo.asking import Asking
from saml_slo.ending import Endings
from saml_slo.errors import MessageRefused, Reason, StoreUnavailable
from saml_slo.lines import about_logout, carrying
from saml_slo.logout.commands import AnswerRequester, AskPeer, CloseFrame, ReturnUser
from saml_slo.logout.engine import Step, advance
from saml_slo.logout.events import BrowserReturned, ClockTicked, Event, Happening, PeerAnswered
from saml_slo.logout.plan import Plan, Planner
from saml_slo.logout.transaction import Channel, Initiator, Kind, Requester, Target, Transaction
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import HttpOut, Redirect
from saml_slo.protocol.messages import LogoutResponse
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.names import REASON_USER, Binding
from saml_slo.protocol.peer import Peer
from saml_slo.protocol.session import Session
from saml_slo.protocol.status import Status
from saml_slo.store import tokens
from saml_slo.store.store import Store
from saml_slo.wire import bindings, writer
from saml_slo.wire.keys import OurKeys

_log = structlog.get_logger("saml_slo.logout")
_NOT_SENT = "Nothing could be sent to it: it was removed, or what was kept for its sign-out can no longer be used."
_LOOK_AGAIN = 0.1  # seconds
_LAST_PATIENCE = 10.0  # seconds for which a process that ends waits at the most for its deliveries


@dataclass(frozen=True, slots=True)
class Patience:
    """How long peers are waited for, in seconds: a back-channel answer, a frame, a peer that takes the window.

    `grace` is how long a browser waits for the back channel before it is shown the progress page.
    """

    back: float = 5.0
    frame: float = 5.0
    window: float = 60.0
    grace: float = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the browser gets: a redirect or form, or the page of `transaction`, or the end of its frame.

    None of them: nothing was signed in here.
    """

    out: HttpOut | None = None
    transaction: Transaction | None = None
    frame_is_done: bool = False

    @property
    def handle(self) -> str | None:
        """Return the handle of the receipt."""
        return None if self.transaction is None else receipt_handle(self.transaction)


def receipt_handle(transaction: Transaction) -> str:
    """Return the unguessable handle of a logout's receipt."""
    return tokens.receipt_handle(transaction.id, transaction.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """Carries out what the engine wants. `clock` returns aware UTC."""

    registry: Registry
    store: Store
    endings: Endings
    asking: Asking
    our_keys: Callable[[], OurKeys]
    clock: Callable[[], datetime]
    patience: Patience
    _executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(32, "deliveries"))
    _running: set[Future[Transaction]] = field(default_factory=set)

    def stop(self) -> None:
        """Let deliveries that are under way end within their patience, and begin no others.

        What is cut off or was not begun stays `sent`: at its deadline whoever sweeps next asks again (product T5).
        """
        self._executor.shutdown(wait=False, cancel_futures=True)
        wait(tuple(self._running), timeout=min(self.patience.back, _LAST_PATIENCE) + _LOOK_AGAIN)

    def now(self) -> int:
        """Return the time in milliseconds."""
        return milliseconds(self.clock())

    def planner(
        self,
        logout_id: str,
        now: int,
        *,
        has_browser: bool,
        requester_waits: bool = False,
        present: frozenset[str] | None = None,
        retry_at_least: int = 0,
    ) -> Planner:
        """Return the planner of one logout; see `Planner`."""
        return Planner(
            connections={connection.name: connection for connection in self.registry.connections()},
            upstreams={upstream.name: upstream for upstream in self.registry.upstreams()},
            applications={application.client_id: application for application in self.registry.applications()},
            ids=tokens.new_logout_message_ids(logout_id),
            now=now,
            back_patience=int(self.patience.back * 1000),
            frame_patience=int(self.patience.frame * 1000),
            window_patience=int(self.patience.window * 1000),
            has_browser=has_browser,
            requester_waits=requester_waits,
            present=present,
            retry_at_least=retry_at_least,
        )

    @staticmethod
    def transaction(
        logout_id: str,
        plan: Plan,
        now: int,
        *,
        return_to: str | None = None,
        client_id: str | None = None,
        requester: Requester | None = None,
        unknown_principal: bool = False,
        others_remain: bool = False,
        initiator: Initiator = Initiator.PERSON,
        reason: str = REASON_USER,
    ) -> Transaction:
        """Return a new logout."""
        return Transaction(
            id=logout_id,
            secret=tokens.new_receipt_secret(),
            reference=tokens.reference_of(logout_id),
            started_at=now,
            targets=plan.targets,
            kept=plan.kept,
            return_to=return_to,
            client_id=client_id,
            requester=requester,
            unknown_principal=unknown_principal,
            others_remain=others_remain,
            initiator=initiator,
            reason=reason,
        )

    def first_step(self, begun: Transaction, events: Sequence[Event], now: int) -> Step:
        """Decide the first step of a logout, which its commit stores: one commit holds everything.

        While sessions of ours live in other slots the browser is handed nothing: `elsewhere` goes on after them.
        """
        foreign = any(target.session is not None for target in begun.targets)
        return advance(begun, (ClockTicked(),) if foreign else events, now)

    def elsewhere(self, step: Step, events: Sequence[Event]) -> Step:
        """Return the committed first step after the sessions in other slots were ended, which it had to wait for."""
        finished = self.finish(step.transaction)
        if finished.transaction == step.transaction:
            return step
        after = self.store.advance_logout(finished.transaction, events, self.now())
        return replace(after, deliver=(*step.deliver, *finished.deliver, *after.deliver))

    def finish(self, transaction: Transaction) -> Step:
        """End the sessions of a logout that live in other slots; see `Endings.finish`."""
        return self.endings.finish(transaction, self._late)

    def _late(self, transaction: Transaction, session: Session) -> tuple[Target, ...]:
        """Return the targets of applications that came to a session between its logout's plan and its end (H182).

        Nobody's browser is there for them. An application that asked for the logout has ended its session itself, and
        is none of the targets: so of such a logout only those count that came after it began.
        """
        known = {(one.peer, one.since) for one in transaction.targets if one.kind is Kind.APPLICATION}
        known |= {(one.peer, one.since) for one in transaction.kept if one.kind is Kind.APPLICATION}
        by_application = transaction.initiator is Initiator.APPLICATION
        planner = self.planner(transaction.id, self.now(), has_browser=False)
        return tuple(
            planner.application(session, part)
            for part in session.participants
            if (part.application, part.since) not in known
            and (part.since >= transaction.started_at or not by_application)
        )

    # Steps ---------------------------------------------------------------------------------------------------------

    def advance(
        self,
        transaction: Transaction,
        events: Sequence[Event],
        admissible: Callable[[Transaction], None] = lambda _: None,
    ) -> Outcome:
        """Commit events to a logout that was just read, and do what follows."""
        about_logout(transaction.id, transaction.reference)
        return self.carry_out(self.store.advance_logout(transaction, events, self.now(), admissible))

    def carry_out(self, step: Step) -> Outcome:  # noqa: PLR0911 - one return for each command
        """Do what a committed step wants, and return what the browser gets."""
        transaction = step.transaction
        if step.deliver:
            running = self.start_deliveries(transaction, step.deliver)
            wait([running], timeout=self.patience.grace)
            current = self.store.read_logout(transaction.id) or transaction
            if step.command is None:
                return Outcome(None, current)
            return self.carry_out(self.store.advance_logout(current, [BrowserReturned()], self.now()))
        match step.command:
            case AskPeer(target):
                out = self.asking.by_browser(target, transaction.reason)
                if out is None:
                    return self.advance(transaction, [PeerAnswered(target.id, Happening.DEADLINE, _NOT_SENT)])
                return Outcome(out, transaction)
            case AnswerRequester(requester, status):
                return Outcome(self.answer(requester, status), transaction)
            case ReturnUser(url):
                return Outcome(Redirect(url), transaction)
            case CloseFrame():
                return Outcome(None, transaction, frame_is_done=True)
            case _:
                return Outcome(None, transaction)

    def start_deliveries(self, transaction: Transaction, targets: Sequence[Target]) -> Future[Transaction]:
        """Ask back-channel targets in the background; answers are committed as they come."""
        future = self._executor.submit(carrying(self.deliver), transaction, targets)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def deliver(self, transaction: Transaction, targets: Sequence[Target]) -> Transaction:
        """Ask back-channel targets, all at once, and commit what each answers; return the logout after the last one.

        Answers that came while the last commit was under way are committed together.
        """
        about_logout(transaction.id, transaction.reference)
        try:
            for events in self.asking.by_back_channel(transaction, targets):
                transaction = self.store.advance_logout(transaction, events, self.now()).transaction
        except StoreUnavailable as error:
            # What was not recorded stays `sent` until its deadline, then the sweeper asks again.
            _log.warning("deliveries_cut_off", logout=transaction.id, reason=error.reason, cause=error.cause)
        except Exception:
            _log.exception("deliveries_failed", logout=transaction.id)
            raise
        return transaction

    def joined(self, transaction: Transaction) -> Transaction:
        """Wait for the back channel of a logout that somebody else is carrying out, for its patience at most."""
        ends = time.monotonic() + self.patience.back
        while any(t.is_open and t.channel is Channel.BACK for t in transaction.targets) and time.monotonic() < ends:
            time.sleep(_LOOK_AGAIN)
            transaction = self.store.read_logout(transaction.id) or transaction
        return transaction

    def tick(self, transaction: Transaction) -> Step:
        """Apply deadlines and claim due retries; the caller delivers what the step says."""
        ids = tokens.new_logout_message_ids(transaction.id)
        fresh = tuple(next(ids) for _ in transaction.targets)
        finished = self.finish(transaction)
        after = self.store.advance_logout(finished.transaction, [ClockTicked(fresh)], self.now())
        return replace(after, deliver=(*finished.deliver, *after.deliver))

    def open(self, handle: str | None) -> Transaction | None:
        """Return the logout that a receipt's handle opens, with deadlines applied; None when there is none."""
        parts = tokens.split_receipt_handle(handle)
        transaction = None if parts is None else self.store.read_logout(parts[0])
        if parts is None or transaction is None or not hmac.compare_digest(parts[1], transaction.secret):
            return None
        about_logout(transaction.id, transaction.reference)
        return self.store.advance_logout(transaction, [ClockTicked()], self.now()).transaction

    # Answers --------------------------------------------------------------------------------------------------------

    def answer(self, requester: Requester, status: Status) -> HttpOut:
        """Return the signed LogoutResponse to whoever asked (Core 3.7.2)."""
        peer = self.asking.peer(requester)
        if peer is None:
            raise MessageRefused(
                Reason.ISSUER_UNKNOWN, "who asked was removed from the configuration", got=requester.peer
            )
        binding, location = answer_way(peer, requester.binding)
        response = LogoutResponse(
            id=tokens.new_message_id(),
            issue_instant=self.clock(),
            destination=location or None,
            issuer=peer.our_entity_id,
            in_response_to=requester.request_id,
            status=status,
        )
        return bindings.encode(
            binding, writer.write(response), location, requester.relay_state, self.our_keys().signing, peer
        )


def answer_way(peer: Peer, binding: Binding) -> tuple[Binding, str]:
    """Return the binding and location of an answer: SOAP answers in place, the others at an endpoint of the peer's.

    By the binding of the request where the metadata offers it, else by one that it offers (vendors: node-saml answers
    by Redirect what came by POST, and wants the same).
    """
    if binding is Binding.SOAP:
        return binding, ""
    for endpoint in sorted(peer.single_logout, key=lambda endpoint: endpoint.binding is not binding):
        if endpoint.binding in (Binding.REDIRECT, Binding.POST):
            return endpoint.binding, endpoint.answer_location
    raise MessageRefused(
        Reason.BINDING_MISMATCH,
        "the peer asks by a binding for which its metadata has no endpoint that takes the answer",
        expected="a SingleLogoutService with HTTP-Redirect or HTTP-POST in its metadata",
        got=binding.short,
    )
