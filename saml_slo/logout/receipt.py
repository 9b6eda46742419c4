"""The states of all targets → what we tell: in one line, line by line, and what the person should do."""

from __future__ import annotations

from dataclasses import dataclass

from saml_slo.logout.transaction import Kind, Rung, State, Target, Transaction

KEPT = "kept"

_ADVICE = {
    State.WAITING: "It has not been asked yet. Reload this page to go on.",
    State.SENT: "It was asked and has not answered yet. Reload this page to see its answer.",
    State.REFUSED: "Sign out there yourself, or close all windows of this browser on a shared computer.",
    State.PARTIAL: "It ended its own session and says that other applications there are still signed in.",
    State.TIMED_OUT: "You may still be signed in there. Sign out there yourself, or close all windows of this browser.",
    State.UNREACHABLE: "Reload this page: it can only be asked while your browser is here.",
    State.UNSUPPORTED: "You are still signed in there. Sign out there yourself if you share this computer.",
}
_NAME_ID_ALONE = (
    "The provider gave no SessionIndex at sign-in, so the request names you alone and may end your sessions there on "
    "other devices too."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One session on the receipt. `state` is a `State` or the word `kept`; times in milliseconds.

    `endpoint_source`, `endpoint` and `rung` say how the peer was asked; None where it was not.
    """

    id: str
    kind: Kind
    name: str
    since: int
    state: str
    ended: bool
    reason: str
    advice: str
    changed_at: int
    channel: str | None = None
    endpoint: str | None = None
    endpoint_source: str | None = None
    rung: str | None = None
    can_be_asked_again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Everything that a page or the JSON shows of one logout."""

    reference: str
    started_at: int
    rows: tuple[Row, ...]
    summary: str
    settled: bool
    return_to: str | None


def can_be_asked_again(target: Target) -> bool:
    """Say whether the person may have a target asked once more: it was, or should have been, and nothing came of it."""
    return target.request is not None and target.state in (State.SENT, State.TIMED_OUT, State.UNREACHABLE)


def something_to_tell(transaction: Transaction) -> bool:
    """Say whether the person must see the page before they go on: some target did not end as asked."""
    return any(not t.state.counts_as_ended or t.state is State.PARTIAL for t in transaction.targets)


def receipt(transaction: Transaction) -> Receipt:
    """Return the receipt of a transaction as it stands."""
    rows = tuple(_row(target) for target in transaction.targets) + tuple(
        Row(
            id="",
            kind=Kind.IDP,
            name=kept.name,
            since=kept.since,
            state=KEPT,
            ended=False,
            reason=kept.reason,
            advice="Until you sign out there, the next sign-in here may need no password.",
            changed_at=transaction.started_at,
        )
        for kept in transaction.kept
    )
    return Receipt(
        reference=transaction.reference,
        started_at=transaction.started_at,
        rows=rows,
        summary=_summary(transaction),
        settled=not any(target.state.is_open for target in transaction.targets),
        return_to=transaction.return_to,
    )


def _row(target: Target) -> Row:
    request = target.request
    reason = target.reason
    if request is not None and request.rung is Rung.NAME_ID:
        reason = f"{reason} {_NAME_ID_ALONE}".strip()
    return Row(
        id=target.id,
        kind=target.kind,
        name=target.name,
        since=target.since,
        state=target.state,
        ended=target.state.counts_as_ended,
        reason=reason,
        advice=_ADVICE.get(target.state, ""),
        changed_at=target.changed_at,
        channel=None if request is None else request.binding.short,
        endpoint=None if request is None else request.location,
        endpoint_source=None if request is None else request.source,
        rung=None if request is None else request.rung,
        can_be_asked_again=can_be_asked_again(target),
    )


def _summary(transaction: Transaction) -> str:
    """Return the heading. It never says more than the states do."""
    idps = [target for target in transaction.targets if target.kind is Kind.IDP]
    if not idps:
        return "You are signed out here."
    ended = sum(target.state.counts_as_ended for target in idps)
    if ended == len(idps):
        return "You are signed out here and at your identity provider."
    if any(target.state.is_open for target in idps):
        return "You are signed out here. Your identity provider has not answered yet."
    if ended:
        return f"You are signed out here and at {ended} of {len(idps)} identity providers."
    return "You are signed out here. You may still be signed in at your identity provider."
