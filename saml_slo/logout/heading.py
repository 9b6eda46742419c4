"""The heading of a receipt: the states of all targets in one or two sentences, which never say more than they do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from saml_slo.logout.transaction import Kind, State, Transaction

KEPT = "kept"  # stands beside the words of State where a session was left alive on purpose

# How people speak of them: what one is called, and how one is signed out of it and in to it.
_WORDS = {Kind.APPLICATION: ("application", "in", "to"), Kind.IDP: ("identity provider", "at", "at")}
_UNSURE = (State.REFUSED, State.TIMED_OUT, State.UNREACHABLE)
_GONE = (State.CONFIRMED, State.ANSWERED, State.PARTIAL)
# Somebody with several sessions at one peer is as signed in there as the most open of them.
_MOST_OPEN = (State.SENT, State.WAITING, *_UNSURE, State.UNSUPPORTED, KEPT, State.WAIVED, State.PARTIAL)


@dataclass(frozen=True, slots=True)
class _Tally:
    """How many peers of a kind are in each state. `alone`: there are peers of no other kind to be told apart from."""

    kind: Kind
    states: Counter[str]
    alone: bool

    @property
    def total(self) -> int:
        """Return how many there are."""
        return self.states.total()

    def count(self, *states: str) -> int:
        """Return how many are in one of these states."""
        return sum(self.states[state] for state in states)

    def words(self, count: int, mentioned: int = 0) -> str:
        """Return `count` of them as words; `mentioned`: how many of the others the sentence before counted."""
        noun, _, _ = _WORDS[self.kind]
        if count == self.total:
            return f"your {noun}" if count == 1 else f"your {count} {noun}s"
        if mentioned and mentioned == self.total - 1:
            return "the other one" if self.alone else f"the other {noun}"
        if mentioned and self.alone:
            return f"{count} of them"
        return f"{count} of {self.total} {noun}s"


def summary(transaction: Transaction) -> str:
    """Return the heading. It never says more than the states do.

    "Signed out … at" means what counts as ended, less what the configuration waives: nobody was asked there.
    """
    ours = [target for target in transaction.targets if target.kind is Kind.SESSION]
    if not ours or not all(target.counts_as_ended for target in ours):
        return "You are not signed out yet."
    tallies = _tallies(transaction)
    out = [f"{_WORDS[tally.kind][1]} {tally.words(tally.count(*_GONE))}" for tally in tallies if tally.count(*_GONE)]
    return f"You are signed out {_listed(['here', *out])}. {_what_remains(tallies)}".rstrip()


def _tallies(transaction: Transaction) -> list[_Tally]:
    peers: dict[tuple[Kind, str], set[str]] = {}
    for target in transaction.targets:
        if target.kind in _WORDS:
            peers.setdefault((target.kind, target.peer), set()).add(target.state)
    for kept in transaction.kept:
        peers.setdefault((kept.kind, kept.peer), set()).add(KEPT)
    by_kind: dict[Kind, Counter[str]] = {kind: Counter() for kind in _WORDS}
    for (kind, _), states in peers.items():
        by_kind[kind][next((state for state in _MOST_OPEN if state in states), State.CONFIRMED)] += 1
    present = {kind: states for kind, states in by_kind.items() if states}
    return [_Tally(kind, states, alone=len(present) == 1) for kind, states in present.items()]


def _what_remains(tallies: list[_Tally]) -> str:
    """Return the one sentence that matters most about what is not over; every row tells its own story below."""
    for state, what in ((State.SENT, "answered"), (State.WAITING, "been asked")):
        concerned = [tally for tally in tallies if tally.count(state)]
        if concerned:
            subject = _listed([tally.words(tally.count(state), tally.count(*_GONE)) for tally in concerned])
            verb = "has" if sum(tally.count(state) for tally in concerned) == 1 else "have"
            return f"{subject[0].upper()}{subject[1:]} {verb} not {what} yet."
    alive = (*_UNSURE, State.UNSUPPORTED, KEPT)
    concerned = [tally for tally in tallies if tally.count(*alive)]
    if concerned:
        may = "may still be" if any(tally.count(*_UNSURE) for tally in concerned) else "are still"
        where = [
            f"{_WORDS[tally.kind][2]} {tally.words(tally.count(*alive), tally.count(*_GONE))}" for tally in concerned
        ]
        return f"You {may} signed in {_listed(where)}."
    partial = any(tally.count(State.PARTIAL) for tally in tallies)
    return "Not every session there could be ended." if partial else ""


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
