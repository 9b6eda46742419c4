"""What a commit did, as it is written into the audit trail, logged and counted: one record for all three.

Each is made by the step that commits it and goes into the trail in the same script (record.lua), so that a crash loses
none and invents none; afterwards the store hands it to whoever reports (reporting/). It names people by the digests of
their principals, never by a NameID, and sessions by ids that open nothing.

In the trail a record is a code and a JSON list of its fields in their order; fields may be added at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_args

from saml_slo.logout.changes import Rest
from saml_slo.logout.transaction import Initiator, Kind, State, Target
from saml_slo.protocol.method import Method
from saml_slo.protocol.names import REASON_ADMIN, REASON_GLOBAL_TIMEOUT, REASON_USER


@dataclass(frozen=True, slots=True)
class Told:
    """The state of one target of a logout. `peer` is a connection's name, a client_id, or empty for our session."""

    kind: Kind
    peer: str
    method: Method | None
    state: State


def told(target: Target) -> Told:
    """Return what is recorded of a target."""
    method = None if target.request is None else target.request.method
    return Told(target.kind, "" if target.kind is Kind.SESSION else target.peer, method, target.state)


@dataclass(frozen=True, slots=True)
class SignInRecorded:
    """An assertion was accepted; `opened`: for a new session, else it joined one."""

    CODE: ClassVar = "s"
    WORD: ClassVar = "sign_in"

    session: str
    connection: str
    principal: str
    opened: bool


@dataclass(frozen=True, slots=True)
class ApplicationJoined:
    """An application takes part in a session: by SAML, behind its proxy, or by the API."""

    CODE: ClassVar = "j"
    WORD: ClassVar = "application_joined"

    session: str
    application: str


@dataclass(frozen=True, slots=True)
class SessionRegistered:
    """An application opened a session of one of its users by the API."""

    CODE: ClassVar = "r"
    WORD: ClassVar = "session_registered"

    session: str
    application: str
    principal: str


@dataclass(frozen=True, slots=True)
class ApplicationLeft:
    """An application ended its own session by the API; `ended`: nobody else was in ours, so that it is over too."""

    CODE: ClassVar = "v"
    WORD: ClassVar = "application_left"

    session: str
    application: str
    ended: bool


@dataclass(frozen=True, slots=True)
class LogoutBegun:
    """Sessions were ended and a logout begun.

    `by` is who asked, where it is not the person: a connection, a client_id, an operator. `sessions` is how many of
    ours it ends. `targets` are all of it in their first state; `rest` as `changes.rest` says.
    """

    CODE: ClassVar = "l"
    WORD: ClassVar = "logout_begun"

    logout: str
    reference: str
    initiator: Initiator
    reason: str
    by: str
    sessions: int
    targets: tuple[Told, ...]
    rest: Rest | None


@dataclass(frozen=True, slots=True)
class TargetsChanged:
    """Something came of targets of a logout (`changes.results`), or it came to rest."""

    CODE: ClassVar = "t"
    WORD: ClassVar = "logout_went_on"

    logout: str
    reference: str
    initiator: Initiator
    targets: tuple[Told, ...]
    rest: Rest | None


@dataclass(frozen=True, slots=True)
class EndedElsewhere:
    """A session was ended for a logout that lives in another shard."""

    CODE: ClassVar = "e"
    WORD: ClassVar = "session_ended"

    session: str
    logout: str


@dataclass(frozen=True, slots=True)
class SessionExpired:
    """A session's time was over, and nobody had to be told."""

    CODE: ClassVar = "x"
    WORD: ClassVar = "session_expired"

    session: str


@dataclass(frozen=True, slots=True)
class OperatorActed:
    """An operator did something else than log somebody out (that is a `LogoutBegun`): what, and to whom or what."""

    CODE: ClassVar = "o"
    WORD: ClassVar = "operator_acted"

    operator: str
    action: str
    subject: str


Happened = (
    SignInRecorded
    | ApplicationJoined
    | SessionRegistered
    | ApplicationLeft
    | LogoutBegun
    | TargetsChanged
    | EndedElsewhere
    | SessionExpired
    | OperatorActed
)
_KINDS: Mapping[str, type[Happened]] = {kind.CODE: kind for kind in get_args(Happened)}
_REASONS = {REASON_USER: "user", REASON_ADMIN: "admin", REASON_GLOBAL_TIMEOUT: "timeout"}
# One character each; a word that is not here is written whole.
_CODES: Mapping[str, str] = {
    Kind.SESSION: "s",
    Kind.IDP: "i",
    Kind.APPLICATION: "a",
    State.WAITING: "w",
    State.SENT: "s",
    State.CONFIRMED: "c",
    State.ANSWERED: "a",
    State.REFUSED: "r",
    State.PARTIAL: "p",
    State.TIMED_OUT: "t",
    State.UNREACHABLE: "u",
    State.UNSUPPORTED: "n",
    State.WAIVED: "v",
}


class UnknownRecordError(ValueError):
    """An entry of the trail that this release cannot read."""


def short_reason(uri: str) -> str:
    """Return the word for the Reason of a LogoutRequest (Core 3.7.3), the URI itself where there is none."""
    return _REASONS.get(uri, uri)


def encode(happened: Happened) -> tuple[str, str]:
    """Return the code and the fields of a record."""
    values = [_plain(getattr(happened, field.name)) for field in fields(happened)]
    return happened.CODE, json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def decode(code: str, text: str) -> Happened:
    """Return a record; raises UnknownRecordError."""
    try:
        kind = _KINDS[code]
        names = [field.name for field in fields(kind)]
        facts = dict(zip(names, json.loads(text), strict=False))
        for name, read in _READ.items():
            if name in facts:
                facts[name] = read(facts[name])
        return kind(**facts)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise UnknownRecordError(str(error)[:100]) from None


def facts_of(happened: Happened) -> dict[str, Any]:
    """Return a record's fields by name for JSON and logs, its targets as objects."""
    facts = {field.name: getattr(happened, field.name) for field in fields(happened)}
    if "targets" in facts:
        facts["targets"] = [{field.name: getattr(one, field.name) for field in fields(one)} for one in facts["targets"]]
    return facts


def _plain(value: Any) -> Any:  # noqa: ANN401 - a field is whatever its record says
    if isinstance(value, tuple):
        return [_told_plain(one) for one in value]
    return int(value) if isinstance(value, bool) else value


def _told_plain(one: Told) -> list[str | None]:
    return [_CODES[one.kind], one.peer, one.method, _CODES[one.state]]


def _read_targets(values: Iterable[Any]) -> tuple[Told, ...]:
    return tuple(
        Told(_BY_CODE[Kind][kind], peer, None if method is None else Method(method), _BY_CODE[State][state])
        for kind, peer, method, state in values
    )


_BY_CODE: dict[Any, dict[str, Any]] = {words: {_CODES[word]: word for word in words} for words in (Kind, State)}
_READ: dict[str, Callable[[Any], Any]] = {
    "targets": _read_targets,
    "initiator": Initiator,
    "rest": lambda value: None if value is None else Rest(value),
    "opened": bool,
    "ended": bool,
}
