"""What can happen to a running logout."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from saml_slo.logout.transaction import Target


class Happening(StrEnum):
    """What happens to one target; the columns of the transition table."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    ANSWERED = "answered"
    PARTIAL = "partial"
    REFUSED = "refused"
    DEADLINE = "deadline"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class PeerAnswered:
    """A peer answered the message `request_id`: CONFIRMED, ANSWERED, PARTIAL or REFUSED, with one sentence why.

    DEADLINE: it was asked by the back channel and gave no answer that can be used, the sentence says what came.
    `wait`: for how many milliseconds the peer does not want to be asked again.
    """

    request_id: str
    happening: Happening
    reason: str = ""
    wait: int = 0


@dataclass(frozen=True, slots=True)
class BrowserReturned:
    """The person's browser is here: at the start, after an answer, or because they came back by themselves.

    `by_itself`: it had gone away, and what needs a browser has another chance.
    """

    by_itself: bool = False


@dataclass(frozen=True, slots=True)
class FrameOpened:
    """The progress page opened the frame of the target `request_id`; the browser in it is to be sent to the peer."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """The browser was at the peer of the target `request_id`, which cannot answer; that proves nothing more.

    `whole_window`: it was not a frame, so the browser is here and goes on.
    """

    request_id: str
    whole_window: bool = False


@dataclass(frozen=True, slots=True)
class PersonRetries:
    """The person, whose browser is here, wants the target `request_id` to be asked again, under a fresh message ID."""

    request_id: str
    new_id: str


@dataclass(frozen=True, slots=True)
class OperatorDecided:
    """An operator chose what becomes of the target `request_id`, whose failed delivery waits for its next attempt.

    `again`: its next attempt is due now; otherwise there is none any more, and the receipt says who gave up.
    """

    request_id: str
    again: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """These applications came to a session between the plan of its logout and its end; nobody asked them yet."""

    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class ClockTicked:
    """Time went by. `fresh_ids` are message IDs for as many retries as there may be."""

    fresh_ids: tuple[str, ...] = ()


Event = PeerAnswered | BrowserReturned | FrameOpened | Arrived | PersonRetries | OperatorDecided | Joined | ClockTicked
