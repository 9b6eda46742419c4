"""One running logout: its targets and their states (product T1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import EndpointSource


class State(StrEnum):
    """What we know of one target; the words mean the same on the page, in JSON, in logs and in metrics."""

    WAITING = "waiting"
    SENT = "sent"
    CONFIRMED = "confirmed"
    ANSWERED = "answered"
    REFUSED = "refused"
    PARTIAL = "partial"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    UNSUPPORTED = "unsupported"
    WAIVED = "waived"

    @property
    def counts_as_ended(self) -> bool:
        """Say whether a session in this state may be called ended (product T1, third column)."""
        return self in (State.CONFIRMED, State.ANSWERED, State.PARTIAL, State.WAIVED)

    @property
    def is_open(self) -> bool:
        """Say whether something may still happen by itself: the target is not asked yet, or may still answer."""
        return self in (State.WAITING, State.SENT)


class Kind(StrEnum):
    """Whose session a target is."""

    SESSION = "session"
    IDP = "idp"


class Rung(StrEnum):
    """Which rung of the SessionIndex ladder a request stands on (product L4)."""

    SESSION_INDEX = "session_index"
    NAME_ID = "name_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the LogoutRequest to a peer says, and where it goes."""

    binding: Binding
    location: str
    source: EndpointSource
    name_id: NameId
    session_indexes: tuple[str, ...]

    @property
    def rung(self) -> Rung:
        """Return the rung of the ladder: with SessionIndex values, or with the NameID alone."""
        return Rung.SESSION_INDEX if self.session_indexes else Rung.NAME_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One session that this logout is to end. `id` is the ID of the message that asks, hence its InResponseTo.

    `since` and `changed_at` in milliseconds; `request` None where there is nothing to send. `reason` is one sentence.
    `earlier` holds the IDs of attempts before this one: an answer to any of them counts (product T5). `session` is the
    id of a session of ours that lives in another slot and has to be ended there.
    """

    id: str
    kind: Kind
    name: str
    connection: str
    since: int
    state: State
    changed_at: int
    reason: str = ""
    request: Request | None = None
    earlier: tuple[str, ...] = ()
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A session that this logout leaves alive on purpose; it is no target, but the receipt names it (product T4)."""

    name: str
    connection: str
    since: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One logout from the first request to the last answer, and afterwards its receipt.

    `secret` makes the receipt's URL unguessable. `deadline` (milliseconds) ends the wait for answers; a question puts
    it off to `patience` (milliseconds) from then. `version` counts commits. `unknown_principal`: a peer asked to log
    out somebody who never was here.
    """

    id: str
    secret: str
    reference: str
    started_at: int
    deadline: int
    patience: int
    targets: tuple[Target, ...]
    kept: tuple[Kept, ...] = ()
    return_to: str | None = None
    client_id: str | None = None
    unknown_principal: bool = False
    version: int = 1

    def target(self, request_id: str) -> Target | None:
        """Return the target that was asked by this message ID, now or in an earlier attempt."""
        return next((target for target in self.targets if request_id in (target.id, *target.earlier)), None)

    def with_target(self, known: Target, changed: Target) -> Transaction:
        """Return this transaction with the target `known` replaced by `changed`."""
        return replace(self, targets=tuple(changed if target is known else target for target in self.targets))
