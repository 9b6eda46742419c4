"""When metadata is fetched again: before it expires, not too often, and not by every node in the same second."""

from __future__ import annotations

from datetime import datetime

SHORTEST = 300
LONGEST = 86400
_BEFORE_THE_END = 30
_FIRST_RETRY = 60
_LONGEST_RETRY = 3600


def next_look(now: int, *, valid_until: datetime | None, cache_duration: int | None, luck: float) -> int:
    """Return the second since 1970 at which to look again, after a look that went well.

    After cacheDuration (Metadata 2.2.1; a day where there is none, five minutes to a day in any case: security K232),
    and in any case when half of what is left until validUntil is over, half a minute at least. `luck`, from 0 to 1,
    takes up to a tenth off, so that copies which came together do not stay together.
    """
    wait = LONGEST if cache_duration is None else min(max(cache_duration, SHORTEST), LONGEST)
    if valid_until is not None:
        wait = min(wait, max(int(valid_until.timestamp() - now) // 2, _BEFORE_THE_END))
    return now + int(wait * (1 - luck / 10))


def next_try(now: int, failures: int, luck: float) -> int:
    """Return when to look again after `failures` in a row (from 1): a minute, doubled each time, up to an hour."""
    wait = min(_FIRST_RETRY * 2 ** min(failures - 1, 10), _LONGEST_RETRY)
    return now + int(wait * (1 - luck / 10))
