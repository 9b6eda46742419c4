"""advance(transaction, events, now) → Step: the only place where a target's state changes.

Pure, and may run twice: the store calls it again when somebody else committed in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from saml_slo.logout.commands import AskPeer, Command, ReturnUser, ShowReceipt
from saml_slo.logout.events import BrowserReturned, ClockTicked, Event, Happening, PeerAnswered, PersonRetries
from saml_slo.logout.receipt import can_be_asked, something_to_tell
from saml_slo.logout.transaction import State, Target, Transaction

_ANSWERS = {
    Happening.CONFIRMED: State.CONFIRMED,
    Happening.ANSWERED: State.ANSWERED,
    Happening.PARTIAL: State.PARTIAL,
    Happening.REFUSED: State.REFUSED,
}


def _stays(state: State) -> dict[Happening, State]:
    return dict.fromkeys(Happening, state)


# Every (state, happening) pair is decided here; product T1 is the source. A final state never changes.
TRANSITIONS: Mapping[State, Mapping[Happening, State]] = {
    # Not asked yet: no answer can belong to it. At the deadline the browser that was needed never came.
    State.WAITING: {
        **_stays(State.WAITING),
        Happening.ASKED: State.SENT,
        Happening.DEADLINE: State.UNREACHABLE,
    },
    # Asked again when the browser comes back before an answer did.
    State.SENT: {Happening.ASKED: State.SENT, **_ANSWERS, Happening.DEADLINE: State.TIMED_OUT},
    # A late answer still counts.
    State.TIMED_OUT: {Happening.ASKED: State.SENT, **_ANSWERS, Happening.DEADLINE: State.TIMED_OUT},
    # The browser came back after all.
    State.UNREACHABLE: {**_stays(State.UNREACHABLE), Happening.ASKED: State.SENT},
    State.CONFIRMED: _stays(State.CONFIRMED),
    State.ANSWERED: _stays(State.ANSWERED),
    State.PARTIAL: _stays(State.PARTIAL),
    State.REFUSED: _stays(State.REFUSED),
    State.UNSUPPORTED: _stays(State.UNSUPPORTED),
    State.WAIVED: _stays(State.WAIVED),
}

_DEADLINE_REASONS = {
    State.TIMED_OUT: "It was asked and did not answer in time.",
    State.UNREACHABLE: "It can only be asked through the browser, and the browser went away.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """The transaction after the events, and the one thing to do for the browser; None when no browser is waiting."""

    transaction: Transaction
    command: Command | None


def advance(transaction: Transaction, events: Sequence[Event], now: int) -> Step:
    """Return the state after `events` at `now` (milliseconds) and what the browser should do next.

    Front-channel peers are asked one after the other, in the order of the targets, each only once while the browser
    goes round: an IdP takes the browser away and may never return it, so whoever comes back goes on to the next.
    """
    browser_is_here = False
    for event in events:
        match event:
            case PeerAnswered():
                transaction = _answered(transaction, event, now)
                browser_is_here = True
            case BrowserReturned():
                browser_is_here = True
            case PersonRetries():
                return _retried(transaction, event, now)
            case ClockTicked():
                pass
    transaction = _deadlines(transaction, now, browser_is_here=browser_is_here)
    if not browser_is_here:
        return Step(transaction, None)
    return _next_for_browser(transaction, now)


def _answered(transaction: Transaction, event: PeerAnswered, now: int) -> Transaction:
    target = transaction.target(event.request_id)
    if target is None:
        return transaction
    return transaction.with_target(target, _changed(target, event.happening, event.reason, now))


def _retried(transaction: Transaction, event: PersonRetries, now: int) -> Step:
    target = transaction.target(event.request_id)
    if target is None or not can_be_asked(target):
        return Step(transaction, ShowReceipt())
    return _ask(transaction, target, replace(target, id=event.new_id, earlier=(*target.earlier, target.id)), now)


def _ask(transaction: Transaction, known: Target, target: Target, now: int) -> Step:
    """Send the browser to a peer. It gets the whole patience, however long the ones before it took."""
    asked = _changed(target, Happening.ASKED, "", now)
    waiting = replace(transaction.with_target(known, asked), deadline=now + transaction.patience)
    return Step(waiting, AskPeer(asked))


def _deadlines(transaction: Transaction, now: int, *, browser_is_here: bool) -> Transaction:
    if now < transaction.deadline:
        return transaction
    for target in transaction.targets:
        # While the browser is here, what waits for it can still be asked.
        if target.state is State.SENT or (target.state is State.WAITING and not browser_is_here):
            after = TRANSITIONS[target.state][Happening.DEADLINE]
            changed = _changed(target, Happening.DEADLINE, _DEADLINE_REASONS[after], now)
            transaction = transaction.with_target(target, changed)
    return transaction


def _next_for_browser(transaction: Transaction, now: int) -> Step:
    for target in transaction.targets:
        if target.request is not None and target.state in (State.WAITING, State.UNREACHABLE):
            return _ask(transaction, target, target, now)
    if transaction.return_to is not None and not something_to_tell(transaction):
        return Step(transaction, ReturnUser(transaction.return_to))
    return Step(transaction, ShowReceipt())


def _changed(target: Target, happening: Happening, reason: str, now: int) -> Target:
    state = TRANSITIONS[target.state][happening]
    if state is target.state and happening is not Happening.ASKED:
        return target
    return replace(target, state=state, reason=reason, changed_at=now)
