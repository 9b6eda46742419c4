"""xs:dateTime as SAML uses it (Core 1.3.3): UTC, written with `Z`; read strictly.

`datetime.fromisoformat` accepts week dates, naive times and offsets that overflow; this grammar does not.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from saml_slo.errors import MessageRefused, Reason

_INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,18}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_LATEST_ZONE_HOUR = 14


def parse(text: str) -> datetime:
    """Return the instant in UTC; fractions beyond microseconds are cut. A time without a zone is refused."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise _refused(text)
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction = int((match[7] or "0")[:6].ljust(6, "0"))
    try:
        instant = datetime(year, month, day, hour, minute, second, fraction, UTC)
        if match[8]:
            hours, minutes = int(match[9]), int(match[10])
            if hours > _LATEST_ZONE_HOUR or minutes > 59:  # noqa: PLR2004 - minutes of an hour
                raise _refused(text)
            offset = timedelta(hours=hours, minutes=minutes)
            instant = instant - offset if match[8] == "+" else instant + offset
    except (ValueError, OverflowError):
        raise _refused(text) from None
    return instant


def render(instant: datetime) -> str:
    """Return an instant as `2026-11-20T06:26:00.123Z`, the form that every peer in the lab reads."""
    return f"{instant.astimezone(UTC).isoformat(timespec='milliseconds')[: -len('+00:00')]}Z"


def _refused(text: str) -> MessageRefused:
    return MessageRefused(
        Reason.SCHEMA_VIOLATION, "not a time in UTC", expected="2026-11-20T06:26:00Z", got=repr(text[:40])
    )
