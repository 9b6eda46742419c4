"""What was found out about a logout that has not been made: its conditions, and the plan, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """What became of one condition."""

    HOLDS = "holds"
    WEAK = "weak"  # the logout is tried all the same, with less certainty
    FAILS = "fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One precondition about `about` (`session`, `connection okta`, `application shop`)."""

    about: str
    name: str
    value: str
    should_be: str
    state: State
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One step of the plan, in its order; `state` is that in which it would begin, `kept` that it is left alone.

    `how` is the binding or method, `rung` what the request would name. Empty texts where there is nothing to ask.
    """

    kind: str
    name: str
    peer: str
    state: str
    how: str = ""
    channel: str = ""
    location: str = ""
    source: str = ""
    rung: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What was found out about one session, or about a peer without one."""

    subject: str
    conditions: tuple[Condition, ...]
    plan: tuple[Asked, ...] = ()

    @property
    def fails(self) -> bool:
        """Return whether a condition does not hold."""
        return any(condition.state is State.FAILS for condition in self.conditions)

    def as_json(self) -> dict[str, Any]:
        """Return the explanation for programs."""
        return asdict(self)
