"""advance(transaction, events, now) → Step: the only place where a target's state changes.

Pure, and may run twice: the store calls it again when somebody else committed in between.

The order of a logout (product L6): our own session is ended by the commit; then the back channel, all at once; frames
on the progress page, all at once; hops of the whole window, one after the other; identity providers last, because they
take the browser away and may never return it; then the requester's answer or the return URL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from saml_slo.logout.answer import answer_to, something_to_tell
from saml_slo.logout.commands import (
    AnswerRequester,
    AskPeer,
    CloseFrame,
    Command,
    ReturnUser,
    ShowProgress,
    ShowReceipt,
)
from saml_slo.logout.events import (
    Arrived,
    BrowserReturned,
    ClockTicked,
    Event,
    FrameOpened,
    Happening,
    Joined,
    OperatorDecided,
    PeerAnswered,
    PersonRetries,
)
from saml_slo.logout.transaction import Channel, State, Target, Transaction

# For how many times its patience a frame may wait for a page to open it.
FRAME_ROUNDS = 3
# Milliseconds until a failed back-channel delivery is tried again, by the number of failures (product T5).
BACK_OFF = (5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000)

# What a receipt says of a delivery that will not be tried again although there was time (`OperatorDecided`).
GIVEN_UP = "An operator decided that it is not asked again."

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
    # Asked again when the person says so, or a frame is loaded again.
    State.SENT: {**_stays(State.SENT), **_ANSWERS, Happening.DEADLINE: State.TIMED_OUT},
    # A late answer still counts.
    State.TIMED_OUT: {**_stays(State.TIMED_OUT), **_ANSWERS, Happening.ASKED: State.SENT},
    # The browser came back after all.
    State.UNREACHABLE: {
        **_stays(State.UNREACHABLE),
        Happening.ASKED: State.SENT,
        Happening.RETURNED: State.WAITING,
    },
    State.CONFIRMED: _stays(State.CONFIRMED),
    State.ANSWERED: _stays(State.ANSWERED),
    State.PARTIAL: _stays(State.PARTIAL),
    # Only a back-channel delivery is tried again.
    State.REFUSED: {**_stays(State.REFUSED), Happening.ASKED: State.SENT},
    State.UNSUPPORTED: _stays(State.UNSUPPORTED),
    State.WAIVED: _stays(State.WAIVED),
}

_DEADLINE_REASONS = {
    State.TIMED_OUT: "It was asked and did not answer in time.",
    State.UNREACHABLE: "It can only be asked through the browser, and the browser went away.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """The transaction after the events, and the one thing to do for the browser; None when none is waiting.

    `deliver`: the back-channel targets to ask now. The commit of this step holds their lease until their deadline.
    """

    transaction: Transaction
    command: Command | None
    deliver: tuple[Target, ...] = ()


def advance(transaction: Transaction, events: Sequence[Event], now: int) -> Step:  # noqa: C901 - one case for each event
    """Return the state after `events` at `now` (milliseconds), what the browser should do, and what to deliver."""
    browser = False
    command: Command | None = None
    fresh: Iterator[str] = iter(())
    for event in events:
        match event:
            case PeerAnswered():
                answered = transaction.target(event.request_id)
                transaction = _answered(transaction, answered, event, now)
                if answered is not None and answered.channel is Channel.FRAME:
                    command = CloseFrame()
                elif answered is not None and answered.channel is Channel.WINDOW:
                    browser = True
            case BrowserReturned():
                browser = True
                transaction = _returned(transaction, now) if event.by_itself else transaction
            case FrameOpened():
                transaction, command = _frame(transaction, event, now)
            case Arrived():
                transaction = _arrived(transaction, event)
                browser = browser or event.whole_window
            case PersonRetries():
                transaction, command = _retried(transaction, event, now)
            case OperatorDecided():
                transaction = _decided(transaction, event, now)
            case Joined():
                transaction = _joined(transaction, event)
            case ClockTicked():
                fresh = iter(event.fresh_ids)
    transaction = _deadlines(transaction, now, browser=browser)
    transaction, deliver = _deliveries(transaction, fresh, now)
    if command is None and browser:
        transaction, command = _next_for_browser(transaction, now)
    return Step(transaction, command, deliver)


def _joined(transaction: Transaction, event: Joined) -> Transaction:
    known = {target.id for target in transaction.targets}
    late = (target for target in event.targets if target.id not in known)
    return replace(transaction, targets=(*transaction.targets, *late))


def _answered(transaction: Transaction, target: Target | None, event: PeerAnswered, now: int) -> Transaction:
    if target is None:
        return transaction
    changed = _changed(target, event.happening, event.reason, now)
    return transaction.with_target(target, _with_retry(changed, now, event.wait) if changed is not target else target)


def _with_retry(target: Target, now: int, wait: int = 0) -> Target:
    """Return a target with the moment of its next attempt, where the back channel failed and time is left.

    Not before `wait` (milliseconds) is over, which the peer asked for.
    """
    request, failed = target.request, target.state in (State.REFUSED, State.TIMED_OUT)
    if request is None or request.channel is not Channel.BACK or not failed:
        return replace(target, retry_at=None)
    retry_at = now + max(BACK_OFF[min(len(target.earlier), len(BACK_OFF) - 1)], wait)
    return replace(target, retry_at=retry_at if retry_at < request.retry_until else None)


def _returned(transaction: Transaction, now: int) -> Transaction:
    """Give frames that nobody opened another chance; only for a browser that was away, or it would go on for ever."""
    for target in transaction.targets:
        if target.channel is Channel.FRAME and target.state is State.UNREACHABLE and target.request is not None:
            changed = _changed(target, Happening.RETURNED, "", now)
            deadline = now + FRAME_ROUNDS * target.request.patience
            transaction = transaction.with_target(target, replace(changed, deadline=deadline))
    return transaction


def _frame(transaction: Transaction, event: FrameOpened, now: int) -> tuple[Transaction, Command]:
    target = transaction.target(event.request_id)
    if target is None or target.channel is not Channel.FRAME or target.state not in _CAN_BE_OPENED:
        return transaction, CloseFrame()
    return _ask(transaction, target, target, now)


def _answers(target: Target) -> bool:
    return target.request is None or target.request.answers


def _arrived(transaction: Transaction, event: Arrived) -> Transaction:
    """Wait no longer for a peer that cannot answer; that it was sent something proves nothing, so it stays `sent`."""
    target = transaction.target(event.request_id)
    if target is None or target.state is not State.SENT or _answers(target):
        return transaction
    return transaction.with_target(target, replace(target, awaited=False))


def _retried(transaction: Transaction, event: PersonRetries, now: int) -> tuple[Transaction, Command]:
    target = transaction.target(event.request_id)
    if target is None or not can_be_asked(target):
        return transaction, ShowReceipt()
    fresh = replace(target, id=event.new_id, earlier=(*target.earlier, target.id), retry_at=None)
    if fresh.channel is Channel.BACK:
        due = replace(fresh, id=target.id, earlier=target.earlier, retry_at=now)
        return transaction.with_target(target, due), ShowReceipt()
    return _ask(transaction, target, fresh, now)


def _decided(transaction: Transaction, event: OperatorDecided, now: int) -> Transaction:
    """Make a delivery that waits for its next attempt due, or give it up. Its state stays: nothing more is known."""
    target = transaction.target(event.request_id)
    if target is None or target.retry_at is None:
        return transaction
    if event.again:
        return transaction.with_target(target, replace(target, retry_at=min(target.retry_at, now)))
    reason = f"{target.reason} {GIVEN_UP}".strip()
    return transaction.with_target(target, replace(target, retry_at=None, reason=reason, changed_at=now))


_CAN_BE_OPENED = (State.WAITING, State.SENT, State.TIMED_OUT, State.UNREACHABLE)


def can_be_asked(target: Target) -> bool:
    """Say whether the person may have a target asked now: its turn is still to come, or nothing came of it."""
    return target.request is not None and target.state in _CAN_BE_OPENED


def _ask(transaction: Transaction, known: Target, target: Target, now: int) -> tuple[Transaction, Command]:
    """Send the browser to a peer. It gets its whole patience, however long the ones before it took."""
    asked = _asked(target, now)
    return transaction.with_target(known, asked), AskPeer(asked)


def _asked(target: Target, now: int) -> Target:
    patience = 0 if target.request is None else target.request.patience
    asked = _changed(target, Happening.ASKED, "", now)
    # A page that keeps the browser is never heard of again.
    awaited = target.request is None or target.request.answers or target.request.returns
    return replace(asked, deadline=now + patience, retry_at=None, awaited=awaited)


def _deadlines(transaction: Transaction, now: int, *, browser: bool) -> Transaction:
    for target in transaction.targets:
        if not target.is_open or now < target.deadline:
            continue
        if target.state is State.SENT and not _answers(target):
            transaction = transaction.with_target(target, replace(target, awaited=False))
            continue  # it was sent, and that is all that will ever be known
        if target.state is State.WAITING and target.channel is Channel.BACK:
            continue  # it is delivered in this very step
        if target.state is State.WAITING and browser and target.channel is Channel.WINDOW:
            continue  # the browser that it was waiting for is here
        after = TRANSITIONS[target.state][Happening.DEADLINE]
        changed = _with_retry(_changed(target, Happening.DEADLINE, _DEADLINE_REASONS[after], now), now)
        transaction = transaction.with_target(target, changed)
    return transaction


def _deliveries(transaction: Transaction, fresh: Iterator[str], now: int) -> tuple[Transaction, tuple[Target, ...]]:
    """Ask every back-channel target that is due: at the start all of them, later those whose retry has come."""
    deliver = []
    for target in transaction.targets:
        if target.channel is not Channel.BACK:
            continue
        if target.state is State.WAITING:
            asked = _asked(target, now)
        elif target.retry_at is not None and target.retry_at <= now and (new_id := next(fresh, None)):
            asked = _asked(replace(target, id=new_id, earlier=(*target.earlier, target.id)), now)
        else:
            continue
        transaction = transaction.with_target(target, asked)
        deliver.append(asked)
    return transaction, tuple(deliver)


def _next_for_browser(transaction: Transaction, now: int) -> tuple[Transaction, Command]:
    targets = transaction.targets
    if any(t.is_open and t.channel in (Channel.BACK, Channel.FRAME) for t in targets):
        return transaction, ShowProgress()
    for target in targets:
        if target.channel is Channel.WINDOW and target.state in (State.WAITING, State.UNREACHABLE):
            if would_strand(transaction, target):
                continue
            return _ask(transaction, target, target, now)
    requester = transaction.requester
    if requester is not None and not requester.answered:
        if any(target.is_open for target in targets):
            return transaction, ShowProgress()  # the browser came back before a peer answered: not too early
        done = replace(transaction, requester=replace(requester, answered=True))
        return done, AnswerRequester(requester, answer_to(transaction))
    if transaction.return_to is not None and not something_to_tell(transaction):
        return transaction, ReturnUser(transaction.return_to)
    return transaction, ShowReceipt()


def would_strand(transaction: Transaction, target: Target) -> bool:
    """Say whether a hop would keep a browser that has somewhere to go: then the person decides when to make it."""
    stays = target.request is not None and not target.request.returns
    return stays and transaction.return_to is not None


def _changed(target: Target, happening: Happening, reason: str, now: int) -> Target:
    state = TRANSITIONS[target.state][happening]
    if state is target.state and happening is not Happening.ASKED:
        return target
    return replace(target, state=state, reason=reason, changed_at=now)
