"""What an inspection found, as values that the command line and the console can show."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What would become of a message."""

    ACCEPTED = "accepted"  # by everything that can be known without the browser and the store
    REFUSED = "refused"
    SENT_BY_US = "sent_by_us"  # it is ours: the peer decides
    NOT_A_MESSAGE = "not_a_message"


class StepState(StrEnum):
    """What became of one check."""

    OK = "ok"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    NOT_CHECKED = "not checked"  # only the running server can


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One check, in the order in which the server makes them. `setting` and `next_step`: what an operator can do."""

    name: str
    says: str
    state: StepState
    reason: str = ""
    message: str = ""
    expected: str = ""
    got: str = ""
    setting: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that the message says; a private one is shown as a digest unless it was to be revealed."""

    name: str
    value: str
    private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """One time in the message, and how it lies to the clock of the inspection."""

    name: str
    value: str
    against_our_clock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature. `signer` names the pinned key that made it, empty where none did; then `problem` says why."""

    where: str
    algorithm: str
    digest: str = ""
    signer: str = ""
    problem: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One message: where it was found, what it is, and what would become of it.

    `endpoint` is ours, `peer` its sender by the name in our files, both empty where they are not known. `notes` are
    sentences about the capture itself.
    """

    found_in: str
    kind: str
    verdict: Verdict
    summary: str
    binding: str = ""
    issuer: str = ""
    destination: str = ""
    endpoint: str = ""
    peer: str = ""
    relay_state: str | None = None
    clock: str = ""
    facts: tuple[Fact, ...] = ()
    times: tuple[Time, ...] = ()
    signatures: tuple[Signature, ...] = ()
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> Step | None:
        """Return the check that refuses the message."""
        return next((step for step in self.steps if step.state is StepState.FAILED), None)

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs."""
        return asdict(self)


def digest_of(text: str) -> str:
    """Return what stands for a private text: equal texts look equal. No secret is in it, so it is no pseudonym."""
    return f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}"


def printable(text: str) -> str:
    """Return a text of a stranger without what a terminal would obey (control and direction characters)."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def distance(instant: datetime, now: datetime) -> str:
    """Return how far an instant lies from the clock: `12 s ago`, `in 5 min`."""
    seconds = int((instant - now).total_seconds())
    size = abs(seconds)
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if size >= 2 * unit:
            words = f"{size // unit} {name}"
            break
    else:
        words = f"{size} s"
    return f"in {words}" if seconds > 0 else f"{words} ago" if seconds < 0 else "now"
