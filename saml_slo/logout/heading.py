"""The heading of a receipt: the states of all targets in one or two sentences, which never say more than they do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from saml_slo.logout.transaction import Kind, State, Target, Transaction

KEPT = "kept"  # stands beside the words of State where a session was left alive on purpose
# What `sent` means of a peer that cannot answer: it is being told, or it was and nobody will ever know more.
TELLING = "telling"
TOLD = "told"

# How people speak of them: what one is called, and how one is signed out of it and in to it.
_WORDS = {Kind.APPLICATION: ("application", "in", "to"), Kind.IDP: ("identity provider", "at", "at")}
_UNSURE = (State.REFUSED, State.TIMED_OUT, State.UNREACHABLE)
_GONE = (State.CONFIRMED, State.ANSWERED, State.PARTIAL)
# Somebody with several sessions at one peer is as signed in there as the most open of them.
_MOST_OPEN = (
    State.SENT,
    TELLING,
    State.WAITING,
    *_UNSURE,
    State.UNSUPPORTED,
    KEPT,
    TOLD,
    State.WAIVED,
    State.PARTIAL,
)
# What is still going on, and how that is said of one and of several.
_GOING_ON = (
    (State.SENT, "has not answered yet", "have not answered yet"),
    (TELLING, "is still being told", "are still being told"),
    (State.WAITING, "has not been asked yet", "have not been asked yet"),
)


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

    "Signed out … at" means what counts as ended, less what the configuration waives: nobody was asked there. Who was
    told and cannot answer counts only by the operator's decision (`trust_sent`).
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
            peers.setdefault((target.kind, target.peer), set()).add(word(target))
    for kept in transaction.kept:
        peers.setdefault((kept.kind, kept.peer), set()).add(KEPT)
    by_kind: dict[Kind, Counter[str]] = {kind: Counter() for kind in _WORDS}
    for (kind, _), states in peers.items():
        by_kind[kind][next((state for state in _MOST_OPEN if state in states), State.CONFIRMED)] += 1
    present = {kind: states for kind, states in by_kind.items() if states}
    return [_Tally(kind, states, alone=len(present) == 1) for kind, states in present.items()]


def word(target: Target) -> str:
    """Return a target's state, told apart where it was sent to a peer that cannot answer (product T1)."""
    if target.state is not State.SENT or target.request is None or target.request.answers:
        return target.state
    if target.is_open:
        return TELLING
    return State.CONFIRMED if target.counts_as_ended else TOLD


def _what_remains(tallies: list[_Tally]) -> str:
    """Return the one sentence that matters most about what is not over; every row tells its own story below."""
    for state, one, several in _GOING_ON:
        if any(tally.count(state) for tally in tallies):
            return f"{_some(tallies, state, one, several)}."
    told = ""
    if any(tally.count(TOLD) for tally in tallies):
        told = _some(tallies, TOLD, "was told but cannot answer", "were told but cannot answer")
    alive = (*_UNSURE, State.UNSUPPORTED, KEPT)
    concerned = [tally for tally in tallies if tally.count(*alive)]
    if concerned:
        may = "may still be" if any(tally.count(*_UNSURE) for tally in concerned) else "are still"
        where = [
            f"{_WORDS[tally.kind][2]} {tally.words(tally.count(*alive), tally.count(*_GONE, TOLD))}"
            for tally in concerned
        ]
        subject = f"{told}, and you" if told else "You"
        return f"{subject} {may} signed in {_listed(where)}."
    if told:
        return f"{told}."
    partial = any(tally.count(State.PARTIAL) for tally in tallies)
    return "Not every session there could be ended." if partial else ""


def _some(tallies: list[_Tally], state: str, one: str, several: str) -> str:
    """Return who is in a state, and what that means: `one` or `several` of them."""
    concerned = [tally for tally in tallies if tally.count(state)]
    subject = _listed([tally.words(tally.count(state), tally.count(*_GONE)) for tally in concerned])
    verb = one if sum(tally.count(state) for tally in concerned) == 1 else several
    return f"{subject[0].upper()}{subject[1:]} {verb}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
