"""The states of all targets → what we tell: in one line, line by line, and what the person should do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from saml_slo.logout.answer import something_to_tell
from saml_slo.logout.engine import can_be_asked
from saml_slo.logout.transaction import Channel, Kind, Rung, State, Target, Transaction
from saml_slo.protocol.peer import EndpointSource

KEPT = "kept"

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
}
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
}
_YOURSELF = "Sign out there yourself; on a shared computer, close all windows of this browser as well."
_ADVICE = {
    State.WAITING: "Its turn comes when the one before it has answered. You need not wait for that: ask it now.",
    State.SENT: "Wait a moment, or ask again.",
    State.REFUSED: f"You may still be signed in there. {_YOURSELF}",
    State.PARTIAL: "Applications that you opened through it may still be signed in. Sign out of them yourself; on a "
    "shared computer, close all windows of this browser as well.",
    State.TIMED_OUT: f"You may still be signed in there. Ask again. If that does not help: {_YOURSELF[0].lower()}"
    f"{_YOURSELF[1:]}",
    State.UNREACHABLE: "You may still be signed in there. Press the button to ask it now.",
    State.UNSUPPORTED: f"You are still signed in there. {_YOURSELF}",
    KEPT: "Until you sign out there, the next sign-in here may need no password.",
}
_NAME_ID_ALONE = (
    "At sign-in it gave no SessionIndex, so the request can only name you, not this one session: your sessions there "
    "on other devices may end too."
)
_LOGIN_URL = "It has no logout URL, so the request goes to its login URL, which may not know what to do with it."
# Where these sentences have something to say: a request that went out and was not turned down; one that was no success.
_MAY_HAVE_ENDED_MORE = (State.SENT, State.CONFIRMED, State.ANSWERED, State.PARTIAL, State.TIMED_OUT)
_MAY_NOT_UNDERSTAND = (State.WAITING, State.SENT, State.REFUSED, State.TIMED_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One session on the receipt. `state` is a `State` or the word `kept`; times in milliseconds.

    `label` says the state to people, `ended` what it counts as (product T1). `channel`, `endpoint`, `endpoint_source`,
    `rung` and `session_indexes` (how many the request names) say how the peer is asked; None where there is no way.
    """

    id: str
    kind: Kind
    name: str
    since: int
    state: str
    label: str
    ended: bool
    reason: str
    advice: str
    changed_at: int
    channel: str | None = None
    endpoint: str | None = None
    endpoint_source: str | None = None
    rung: str | None = None
    session_indexes: int | None = None
    can_be_asked: bool = False
    is_frame: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Everything that a page or the JSON shows of one logout. `settled`: nothing more happens by itself.

    `busy`: the back channel or frames are at it. `moves_on`: after that the browser has somewhere to go by itself.
    """

    reference: str
    started_at: int
    rows: tuple[Row, ...]
    summary: str
    settled: bool
    busy: bool
    moves_on: bool
    return_to: str | None


def receipt(transaction: Transaction) -> Receipt:
    """Return the receipt of a transaction as it stands."""
    rows = tuple(_row(target) for target in transaction.targets) + tuple(
        Row(
            id="",
            kind=Kind.IDP,
            name=kept.name,
            since=kept.since,
            state=KEPT,
            label=LABELS[KEPT],
            ended=False,
            reason=kept.reason,
            advice=_ADVICE[KEPT],
            changed_at=transaction.started_at,
        )
        for kept in transaction.kept
    )
    return Receipt(
        reference=transaction.reference,
        started_at=transaction.started_at,
        rows=rows,
        summary=summary(transaction),
        settled=not any(target.state.is_open for target in transaction.targets),
        busy=any(t.state.is_open and t.channel in (Channel.BACK, Channel.FRAME) for t in transaction.targets),
        moves_on=_moves_on(transaction),
        return_to=transaction.return_to,
    )


def _moves_on(transaction: Transaction) -> bool:
    """Say whether the browser has somewhere to go by itself once nothing is busy: a peer, the requester, or home."""
    waiting = (State.WAITING, State.UNREACHABLE)
    if any(t.channel is Channel.WINDOW and t.state in waiting for t in transaction.targets):
        return True
    if transaction.requester is not None and not transaction.requester.answered:
        return True
    return transaction.return_to is not None and not something_to_tell(transaction)


def _row(target: Target) -> Row:
    request = target.request
    return Row(
        id=target.id,
        kind=target.kind,
        name=target.name,
        since=target.since,
        state=target.state,
        label=LABELS[target.state],
        ended=target.state.counts_as_ended,
        reason=_reason(target),
        advice=_ADVICE.get(target.state, ""),
        changed_at=target.changed_at,
        channel=None if request is None else request.binding.short,
        endpoint=None if request is None else request.location,
        endpoint_source=None if request is None else request.source,
        rung=None if request is None else request.rung,
        session_indexes=None if request is None else len(request.session_indexes),
        can_be_asked=can_be_asked(target),
        is_frame=target.channel is Channel.FRAME,
    )


def _reason(target: Target) -> str:
    sentences = [target.reason or _REASONS[target.state]]
    request = target.request
    if request is not None and request.source is EndpointSource.LOGIN_URL and target.state in _MAY_NOT_UNDERSTAND:
        sentences.append(_LOGIN_URL)
    if request is not None and request.rung is Rung.NAME_ID and target.state in _MAY_HAVE_ENDED_MORE:
        sentences.append(_NAME_ID_ALONE)
    return " ".join(sentences)


# The heading --------------------------------------------------------------------------------------------------------


def summary(transaction: Transaction) -> str:
    """Return the heading. It never says more than the states do.

    "Signed out … at" means what counts as ended, less what the configuration waives: nobody was asked there.
    """
    ours = [target.state for target in transaction.targets if target.kind is Kind.SESSION]
    if not ours or not all(state.counts_as_ended for state in ours):
        return "You are not signed out yet."
    states: Counter[str] = Counter(t.state for t in transaction.targets if t.kind is Kind.IDP)
    states[KEPT] = len(transaction.kept)
    total, ended = states.total(), states[State.CONFIRMED] + states[State.ANSWERED] + states[State.PARTIAL]
    where = "" if not ended else f" and at {_providers(ended, total, 0)}"
    return f"You are signed out here{where}. {_what_remains(states, ended, total)}".rstrip()


def _what_remains(states: Counter[str], ended: int, total: int) -> str:
    """Return the one sentence that matters most about what is not over; every row tells its own story below."""
    unsure = states[State.REFUSED] + states[State.TIMED_OUT] + states[State.UNREACHABLE]
    for count, what in ((states[State.SENT], "answered"), (states[State.WAITING], "been asked")):
        if count:
            subject = _providers(count, total, ended)
            return f"{subject[0].upper()}{subject[1:]} {'has' if count == 1 else 'have'} not {what} yet."
    alive = unsure + states[State.UNSUPPORTED] + states[KEPT]
    if alive:
        return f"You {'may still be' if unsure else 'are still'} signed in at {_providers(alive, total, ended)}."
    return "Not every session there could be ended." if states[State.PARTIAL] else ""


def _providers(count: int, total: int, mentioned: int) -> str:
    """Return `count` of `total` providers as words; `mentioned`: how many of the others the sentence before counted."""
    if count == total:
        return "your identity provider" if total == 1 else f"your {total} identity providers"
    if mentioned:
        return "the other one" if mentioned == total - 1 else f"{count} of them"
    return f"{count} of {total} identity providers"
