"""The states of all targets → what we tell: in one line, line by line, and what the person should do."""

from __future__ import annotations

from dataclasses import dataclass

from saml_slo.logout.answer import something_to_tell
from saml_slo.logout.engine import can_be_asked, would_strand
from saml_slo.logout.heading import KEPT, TELLING, TOLD, summary, word
from saml_slo.logout.transaction import Channel, Kept, Kind, Rung, State, Target, Transaction
from saml_slo.protocol.peer import EndpointSource

# The word that stands beside a session on the page.
LABELS = {
    State.WAITING: "Not asked yet",
    State.SENT: "No answer yet",
    State.CONFIRMED: "Signed out",
    State.ANSWERED: "Reported signed out",
    State.REFUSED: "Refused",
    State.PARTIAL: "Partly signed out",
    State.TIMED_OUT: "No answer",
    State.UNREACHABLE: "Could not be asked",
    State.UNSUPPORTED: "No way to ask",
    State.WAIVED: "Not asked on purpose",
    KEPT: "Still signed in",
    TELLING: "Being told",
    TOLD: "Asked, cannot answer",
}
_TRUSTED = "Taken for signed out"
# What is true of every target in a state; a target's own reason, where it has one, says more.
_REASONS = {
    State.WAITING: "It has not been asked yet.",
    State.SENT: "It was asked and has not answered yet.",
    State.CONFIRMED: "It confirmed that the session was ended.",
    State.ANSWERED: "It answered that the session is over.",
    State.REFUSED: "It refused.",
    State.PARTIAL: "It answered that not every session could be ended.",
    State.TIMED_OUT: "It was asked and did not answer in time.",
    State.UNREACHABLE: "It can only be asked through the browser, and the browser went away.",
    State.UNSUPPORTED: "There is no way to ask it.",
    State.WAIVED: "The configuration says that it is not to be asked.",
    TELLING: "It is being told, and has no way to answer.",
    TOLD: "It was told and has no way to answer.",
}
_TRUSTED_REASON = "It was told and has no way to answer. It is taken for signed out, as your operator decided."
_NOT_SENT_THERE = "Its sign-out page does not bring you back, so you were not sent there."
_YOURSELF = "Sign out there yourself; on a shared computer, close all windows of this browser as well."
_MAY_BE_IN = "You may still be signed in there."
_OTHERWISE = f"If that does not help: {_YOURSELF[0].lower()}{_YOURSELF[1:]}"
_ADVICE = {
    State.WAITING: "Its turn comes when the one before it has answered. You need not wait for that: ask it now.",
    State.SENT: "Wait a moment, or ask again.",
    State.REFUSED: f"{_MAY_BE_IN} {_YOURSELF}",
    State.PARTIAL: "Applications that you opened through it may still be signed in. Sign out of them yourself; on a "
    "shared computer, close all windows of this browser as well.",
    State.TIMED_OUT: f"{_MAY_BE_IN} Ask again. {_OTHERWISE}",
    State.UNREACHABLE: f"{_MAY_BE_IN} Press the button to ask it now.",
    State.UNSUPPORTED: f"You are still signed in there. {_YOURSELF}",
    TELLING: "Wait a moment, or ask again.",
    TOLD: f"To be sure, ask again, and look whether it says that you are signed out. {_OTHERWISE}",
}
_ADVICE_KEPT = {
    Kind.IDP: "Until you sign out there, a sign-in through it may need no password.",
    Kind.APPLICATION: "If you want to be signed out there as well, sign out there yourself.",
}
_DOES_NOT_RETURN = "Its page does not bring you back."
_TOLD_KEEPS = f"To be sure, open its page in a new window. {_OTHERWISE}"
_STRANDS = "You may still be signed in there: sign out at its page, in a window of its own."
_ITS_TURN_COMES = "Its turn comes by itself, when those before it have been told."
_FRAME_TIMED_OUT = (
    f"{_MAY_BE_IN} Ask again: your browser then goes there itself, which works even where it blocks cookies inside "
    f"other pages. {_OTHERWISE}"
)
_PARTIAL_APPLICATION = f"Other sessions that hang on it may still be alive. {_YOURSELF}"
_GOING_ON_TRYING = f"{_MAY_BE_IN} We go on trying by ourselves, also when you close this window."
_NAME_ID_ALONE = (
    "At sign-in it gave no SessionIndex, so the request can only name you, not this one session: your sessions there "
    "on other devices may end too."
)
_LOGIN_URL = "It has no logout URL, so the request goes to its login URL, which may not know what to do with it."
# Where these sentences have something to say: a request that went out and was not turned down; one that was no success.
_MAY_HAVE_ENDED_MORE = (State.SENT, State.CONFIRMED, State.ANSWERED, State.PARTIAL, State.TIMED_OUT)
_NOT_THERE_YET = (State.WAITING, State.UNREACHABLE)
_MAY_NOT_UNDERSTAND = (State.WAITING, State.SENT, State.REFUSED, State.TIMED_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One session on the receipt. `state` is a `State` or the word `kept`; times in milliseconds.

    `label` says the state to people, `ended` what it counts as (product T1), `open` whether it may still change without
    anybody doing anything: what was sent to a peer that cannot answer does not, and what waits for a press does not.
    `method`, `channel`, `endpoint`, `endpoint_source`, `rung` and `session_indexes` (how many the request names)
    say how the peer is asked; None where there is no way. `retry_at` and `retry_until`: when we try again by
    ourselves, and for how long (product T5); None where we do not. `own_window`: a button that asks opens a window of
    its own, because the peer would keep this one. `answers`: False for a peer that can only be told.
    """

    id: str
    kind: Kind
    name: str
    since: int
    state: str
    label: str
    ended: bool
    open: bool
    reason: str
    advice: str
    changed_at: int
    method: str | None = None
    channel: str | None = None
    endpoint: str | None = None
    endpoint_source: str | None = None
    rung: str | None = None
    session_indexes: int | None = None
    retry_at: int | None = None
    retry_until: int | None = None
    can_be_asked: bool = False
    is_frame: bool = False
    is_back: bool = False
    own_window: bool = False
    answers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Everything that a page or the JSON shows of one logout. `settled`: nothing more happens by itself.

    `busy`: the back channel or frames are at it. `moves_on`: after that the browser has somewhere to go by itself.
    `goes_on`: it is to go there now. The page came when the last answer was there already, and no script is at work.
    `open`: some session is not asked yet or may still answer; a logout that only tries again later is not open.
    `initiator` is who began it (a word of `Initiator`), `reason` the URI that its LogoutRequests give (Core 3.7.3).
    `troubled`: some session did not end as asked.
    """

    reference: str
    started_at: int
    initiator: str
    reason: str
    rows: tuple[Row, ...]
    summary: str
    settled: bool
    open: bool
    busy: bool
    moves_on: bool
    goes_on: bool
    troubled: bool
    return_to: str | None


def receipt(transaction: Transaction) -> Receipt:
    """Return the receipt of a transaction as it stands."""
    at_it = any(_is_at_it(target) for target in transaction.targets)
    rows = (
        *(_row(target, at_it=at_it, strands=would_strand(transaction, target)) for target in transaction.targets),
        *(_kept(kept, transaction.started_at) for kept in transaction.kept),
    )
    busy = at_it or _requester_waits(transaction)
    return Receipt(
        reference=transaction.reference,
        started_at=transaction.started_at,
        initiator=transaction.initiator,
        reason=transaction.reason,
        rows=rows,
        summary=summary(transaction),
        settled=not any(row.open or row.retry_at is not None for row in rows),
        open=any(row.open for row in rows),
        busy=busy,
        moves_on=_moves_on(transaction),
        goes_on=not busy and _is_waited_for(transaction),
        troubled=something_to_tell(transaction),
        return_to=transaction.return_to,
    )


def _requester_waits(transaction: Transaction) -> bool:
    """Say whether a requester's answer has to wait for a peer that was asked through the window."""
    owed = transaction.requester is not None and not transaction.requester.answered
    return owed and any(t.channel is Channel.WINDOW and t.state is State.SENT for t in transaction.targets)


def _moves_on(transaction: Transaction) -> bool:
    """Say whether the browser has somewhere to go by itself once nothing is busy: a peer, the requester, or home."""
    if any(t.channel is Channel.WINDOW and t.state in _NOT_THERE_YET for t in _on_the_way(transaction)):
        return True
    if transaction.requester is not None and not transaction.requester.answered:
        return True
    return transaction.return_to is not None and not something_to_tell(transaction)


def _on_the_way(transaction: Transaction) -> list[Target]:
    """Return the targets to which a browser may be sent by itself; the others have a button."""
    return [target for target in transaction.targets if not would_strand(transaction, target)]


def _is_waited_for(transaction: Transaction) -> bool:
    """Say whether a requester or a peer whose turn it is waits for this browser; after a hop the person decides."""
    states = [target.state for target in _on_the_way(transaction) if target.channel is Channel.WINDOW]
    owed = transaction.requester is not None and not transaction.requester.answered
    return State.SENT not in states and (owed or State.WAITING in states)


def _kept(kept: Kept, started_at: int) -> Row:
    """Return the line of a session that was left alive on purpose."""
    return Row(
        id="",
        kind=kept.kind,
        name=kept.name,
        since=kept.since,
        state=KEPT,
        label=LABELS[KEPT],
        ended=False,
        open=False,
        reason=kept.reason,
        advice=_ADVICE_KEPT[kept.kind],
        changed_at=started_at,
    )


def _row(target: Target, *, at_it: bool, strands: bool) -> Row:
    """Return the line of a target; `at_it`: the page or the server is telling somebody right now.

    `strands`: its page would keep a browser that has somewhere to go, so that the person decides when to go there.
    """
    request = target.request
    # Who is being told, or is next without a press, gets no button: it would take the window from the frames.
    waits = _is_at_it(target) or (at_it and target.state is State.WAITING and not strands)
    return Row(
        id=target.id,
        kind=target.kind,
        name=target.name,
        since=target.since,
        state=target.state,
        label=_TRUSTED if _is_trusted(target) else LABELS[word(target)],
        ended=target.counts_as_ended,
        open=target.is_open and not (strands and target.state is State.WAITING),
        reason=_NOT_SENT_THERE if strands and target.state in _NOT_THERE_YET else _reason(target),
        advice="" if _is_at_it(target) else _ITS_TURN_COMES if waits else _advice(target, strands=strands),
        changed_at=target.changed_at,
        method=None if request is None else request.method,
        channel=None if request is None else request.how,
        endpoint=None if request is None else request.location,
        endpoint_source=None if request is None else request.source,
        rung=None if request is None else request.rung,
        session_indexes=None if request is None or request.rung is None else len(request.session_indexes),
        retry_at=target.retry_at,
        retry_until=None if target.retry_at is None or request is None else request.retry_until,
        can_be_asked=can_be_asked(target) and not waits and not _is_trusted(target),
        is_frame=target.channel is Channel.FRAME,
        is_back=target.channel is Channel.BACK,
        own_window=_keeps_the_window(target),
        answers=request is None or request.answers,
    )


def _is_trusted(target: Target) -> bool:
    """Say whether it counts as ended although it could not answer, because the operator decided so."""
    return target.state is State.SENT and target.counts_as_ended


def _keeps_the_window(target: Target) -> bool:
    """Say whether a browser that is sent there stays there: it knows no way back, or nobody awaits an answer."""
    request = target.request
    if request is None:
        return False
    return not request.returns or (request.channel is Channel.FRAME and not request.answers)


def _is_at_it(target: Target) -> bool:
    """Say whether the back channel or a frame is at it: the answer comes in seconds, or the deadline does."""
    return target.is_open and target.channel in (Channel.BACK, Channel.FRAME)


def _advice(target: Target, *, strands: bool) -> str:
    state = target.state
    if target.retry_at is not None:
        return f"{_GOING_ON_TRYING} Or ask again now." if can_be_asked(target) else _GOING_ON_TRYING
    if strands and state in _NOT_THERE_YET:
        return _STRANDS
    if word(target) == TOLD and _keeps_the_window(target):
        return _TOLD_KEEPS
    return "" if _is_trusted(target) else _usual_advice(target)


def _usual_advice(target: Target) -> str:
    state = target.state
    if state is State.TIMED_OUT and target.channel is Channel.FRAME:
        return _FRAME_TIMED_OUT
    if state is State.PARTIAL and target.kind is Kind.APPLICATION:
        return _PARTIAL_APPLICATION
    if target.request is not None and not target.request.returns and state in _NOT_THERE_YET:
        return f"{_ADVICE[state]} {_DOES_NOT_RETURN}"
    return _ADVICE.get(word(target), "")


def _reason(target: Target) -> str:
    sentences = [target.reason or (_TRUSTED_REASON if _is_trusted(target) else _REASONS[word(target)])]
    request = target.request
    if request is not None and request.source is EndpointSource.LOGIN_URL and target.state in _MAY_NOT_UNDERSTAND:
        sentences.append(_LOGIN_URL)
    named_alone = request is not None and request.rung is Rung.NAME_ID and target.kind is Kind.IDP
    if named_alone and target.state in _MAY_HAVE_ENDED_MORE:
        sentences.append(_NAME_ID_ALONE)
    if request is not None and request.hint:
        sentences.append(request.hint)
    return " ".join(sentences)
