"""xs:dateTime as SAML uses it (Core 1.3.3): UTC, written with `Z`; read strictly.

`datetime.fromisoformat` accepts week dates, naive times, midnight as 24:00 and more from release to release; so it sees
only what this grammar lets through.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from saml_slo.errors import MessageRefused, Reason

_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,18})?(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))", re.ASCII
)


def parse(text: str) -> datetime:
    """Return the instant in UTC; fractions beyond microseconds are cut. A time without a zone is refused."""
    if not _INSTANT.fullmatch(text):
        raise _refused(text)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _refused(text) from None


def render(instant: datetime) -> str:
    """Return an instant as `2026-11-20T06:26:00.123Z`, the form that every peer in the lab reads."""
    return f"{instant.astimezone(UTC).isoformat(timespec='milliseconds')[: -len('+00:00')]}Z"


def _refused(text: str) -> MessageRefused:
    return MessageRefused(
        Reason.SCHEMA_VIOLATION, "not a time in UTC", expected="2026-11-20T06:26:00Z", got=repr(text[:40])
    )
