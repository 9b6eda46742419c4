"""One running logout: its targets and their states (product T1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from saml_slo.protocol.messages import NameId
from saml_slo.protocol.method import Method
from saml_slo.protocol.names import REASON_USER, Binding
from saml_slo.protocol.peer import EndpointSource
from saml_slo.protocol.session import Subject


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


class Kind(StrEnum):
    """Whose session a target is."""

    SESSION = "session"
    IDP = "idp"
    APPLICATION = "application"


class Initiator(StrEnum):
    """Who began a logout; the words of logs, receipts and metrics."""

    PERSON = "person"
    APPLICATION = "application"
    IDP = "idp"
    API = "api"
    OPERATOR = "operator"
    TIMEOUT = "timeout"


class Channel(StrEnum):
    """How a target is reached (product L6): back channel, a frame on the progress page, or the whole window."""

    BACK = "back"
    FRAME = "frame"
    WINDOW = "window"


class Rung(StrEnum):
    """Which rung of the SessionIndex ladder a request stands on (product L4)."""

    SESSION_INDEX = "session_index"
    NAME_ID = "name_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a peer is asked, and where and how that goes.

    `patience` (milliseconds) is how long its answer is waited for. `retry_until` (milliseconds since the epoch) is when
    the peer's session would have ended by itself: a failed back-channel delivery is tried again until then (T5).
    `answers`: False for a peer that can only be sent something (product T1); `trust_sent`: then that counts as ended.
    `returns`: False for a page of a provider that keeps the browser which was sent to it.
    `binding`, `name_id` and `session_indexes` are what a LogoutRequest says; the other methods name the `subject`, and
    a provider's sign-out may need the sealed `tokens` of the login. `hint` is what a person should know about it.
    """

    channel: Channel
    location: str
    source: EndpointSource
    patience: int
    retry_until: int = 0
    method: Method = Method.SAML
    answers: bool = True
    returns: bool = True
    trust_sent: bool = False
    binding: Binding | None = None
    name_id: NameId | None = None
    session_indexes: tuple[str, ...] = ()
    subject: Subject | None = None
    tokens: str | None = None
    hint: str = ""

    @property
    def rung(self) -> Rung | None:
        """Return the rung of the ladder: with SessionIndex values, or with the NameID alone; None without SAML."""
        if self.method is not Method.SAML:
            return None
        return Rung.SESSION_INDEX if self.session_indexes else Rung.NAME_ID

    @property
    def how(self) -> str:
        """Return the word for how it travels: the binding of a SAML message, else the method."""
        return self.method if self.binding is None else self.binding.short


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One session that this logout is to end. `id` is the ID of the message that asks, hence its InResponseTo.

    `peer` is the connection's name or the application's client_id. `since`, `changed_at`, `deadline` (waiting ends)
    and `retry_at` in milliseconds; `request` None where there is nothing to send. `reason` is one sentence. `earlier`
    holds the IDs of attempts before this one: an answer to any of them counts (product T5). `session` is the id of a
    session of ours that lives in another slot and has to be ended there. `awaited`: False where it was sent to a peer
    that cannot answer, and its time to load is over; `sent` is its last state then.
    """

    id: str
    kind: Kind
    name: str
    peer: str
    since: int
    state: State
    changed_at: int
    deadline: int = 0
    reason: str = ""
    request: Request | None = None
    earlier: tuple[str, ...] = ()
    retry_at: int | None = None
    session: str | None = None
    awaited: bool = True

    @property
    def is_open(self) -> bool:
        """Say whether something may still happen by itself: it is not asked yet, or may still answer."""
        return self.state is State.WAITING or (self.state is State.SENT and self.awaited)

    @property
    def counts_as_ended(self) -> bool:
        """Say whether this session may be called ended: by its state, or because the operator trusts what was sent."""
        trusted = self.state is State.SENT and self.request is not None and self.request.trust_sent
        return self.state.counts_as_ended or (trusted and not self.is_open)

    @property
    def channel(self) -> Channel | None:
        """Return how the target is reached, None where it is not."""
        return None if self.request is None else self.request.channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A session that this logout leaves alive on purpose; it is no target, but the receipt names it (product T4)."""

    name: str
    peer: str
    since: int
    reason: str
    kind: Kind = Kind.IDP


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """The peer that asked for this logout and is owed an answer in this browser (product L7, L8, L10).

    `answered`: the answer was handed out; whoever repeats the request gets it again.
    """

    kind: Kind
    peer: str
    request_id: str
    binding: Binding
    relay_state: str | None
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One logout from the first request to the last answer, and afterwards its receipt.

    `secret` makes the receipt's URL unguessable. `version` counts commits. `requester` is None when a person asked.
    `unknown_principal`: a peer asked to log out somebody who never was here. `others_remain`: nothing was left for this
    logout to end, but the one that did it does not know that every application's session ended. `strangers` are
    ids of ended sessions whose browsers are none of this logout's business. `reason` is the URI that LogoutRequests
    give (Core 3.7.3).
    """

    id: str
    secret: str
    reference: str
    started_at: int
    targets: tuple[Target, ...]
    kept: tuple[Kept, ...] = ()
    return_to: str | None = None
    client_id: str | None = None
    requester: Requester | None = None
    unknown_principal: bool = False
    others_remain: bool = False
    strangers: tuple[str, ...] = ()
    initiator: Initiator = Initiator.PERSON
    reason: str = REASON_USER
    version: int = 1

    def target(self, request_id: str) -> Target | None:
        """Return the target that was asked by this message ID, now or in an earlier attempt."""
        return next((target for target in self.targets if request_id in (target.id, *target.earlier)), None)

    def with_target(self, known: Target, changed: Target) -> Transaction:
        """Return this transaction with the target `known` replaced by `changed`."""
        return replace(self, targets=tuple(changed if target is known else target for target in self.targets))

    @property
    def settled(self) -> bool:
        """Say whether nothing more happens by itself: no target waits, may answer, or will be tried again."""
        return self.due_at is None

    @property
    def due_at(self) -> int | None:
        """Return when the sweeper must look at this logout (milliseconds), None when never again."""
        moments = [target.deadline for target in self.targets if target.is_open]
        moments += [target.retry_at for target in self.targets if target.retry_at is not None]
        return min(moments, default=None)
