"""What the API answers, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationSession:
    """A session of the application that the bridge keeps an eye on; it is alive.

    `handle` names the bridge's own session, opaquely. The session ends at `ends_at`, or at `idle_ends_at` unless it is
    touched before. `check_after`: seconds for which this answer may be relied on. `logout_url`: where to send the
    browser to sign out of everything.
    """

    id: str
    handle: str
    user: str | None
    ends_at: datetime
    idle_ends_at: datetime
    check_after: float
    logout_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutRow:
    """One session on a receipt: whose (`kind`, `name`), what became of it, and what to do about it.

    `state` is a word of the table in docs/reference.md (`confirmed`, `timed_out` …), `ended` what it counts as. `facts`
    is the whole row as the bridge sent it.
    """

    kind: str
    name: str
    state: str
    ended: bool
    reason: str
    advice: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logout:
    """A logout and what is known of it so far.

    `id` reads the receipt again; None, like `reference` and `receipt_url`, where there was nothing to end. `settled`:
    nothing more happens by itself.
    """

    id: str | None
    reference: str | None
    settled: bool
    summary: str
    receipt_url: str | None
    sessions: tuple[LogoutRow, ...]

    @property
    def all_ended(self) -> bool:
        """Say whether every session counts as ended."""
        return all(row.ended for row in self.sessions)


class UnreadableError(ValueError):
    """An answer has not the form that the API promises."""


def application_session(document: dict[str, Any]) -> ApplicationSession:
    """Return a session answer as a record, or raise UnreadableError."""
    return ApplicationSession(
        id=_text(document, "id"),
        handle=_text(document, "handle"),
        user=_optional_text(document, "user"),
        ends_at=_moment(document, "ends_at"),
        idle_ends_at=_moment(document, "idle_ends_at"),
        check_after=_number(document, "check_after"),
        logout_url=_text(document, "logout_url"),
    )


def logout(document: dict[str, Any]) -> Logout:
    """Return a receipt as a record, or raise UnreadableError."""
    rows = document.get("sessions")
    if not isinstance(rows, list):
        raise UnreadableError("sessions")
    return Logout(
        id=_optional_text(document, "id"),
        reference=_optional_text(document, "reference"),
        settled=_flag(document, "settled"),
        summary=_text(document, "summary"),
        receipt_url=_optional_text(document, "receipt_url"),
        sessions=tuple(_row(row) for row in rows),
    )


def _row(facts: object) -> LogoutRow:
    if not isinstance(facts, dict):
        raise UnreadableError("sessions")
    return LogoutRow(
        kind=_text(facts, "kind"),
        name=_text(facts, "name"),
        state=_text(facts, "state"),
        ended=_flag(facts, "ended"),
        reason=_text(facts, "reason"),
        advice=_text(facts, "advice"),
        facts=facts,
    )


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise UnreadableError(name)
    return value


def _optional_text(document: dict[str, Any], name: str) -> str | None:
    return None if document.get(name) is None else _text(document, name)


def _flag(document: dict[str, Any], name: str) -> bool:
    value = document.get(name)
    if not isinstance(value, bool):
        raise UnreadableError(name)
    return value


def _number(document: dict[str, Any], name: str) -> float:
    value = document.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
        raise UnreadableError(name)
    return value


def _moment(document: dict[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(document, name))
    except ValueError:
        raise UnreadableError(name) from None
    if moment.tzinfo is None:
        raise UnreadableError(name)
    return moment
