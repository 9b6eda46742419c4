"""Moments: milliseconds since the epoch in UTC, as our records keep them, and how programs and people are told them."""

from __future__ import annotations

from datetime import UTC, datetime


def milliseconds(instant: datetime) -> int:
    """Return an aware instant as whole milliseconds since the epoch."""
    return int(instant.timestamp() * 1000)


def instant_of(moment: int) -> datetime:
    """Return milliseconds since the epoch as an instant in UTC."""
    return datetime.fromtimestamp(moment / 1000, UTC)


def iso(moment: int) -> str:
    """Return a moment for programs: `2026-11-20T06:26:00.000Z` (RFC 3339)."""
    return instant_of(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_words(instant: datetime) -> str:
    """Return an aware instant for people: `2026-11-20 06:26:00 UTC`."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
