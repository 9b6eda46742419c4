"""Our own clock, and whether the system of this machine keeps it right, as the kernel says (ntp_gettime(3)).

Where two clocks differ and there is no third to ask, that says whose is likely wrong.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

_TIME_ERROR = 5  # <sys/timex.h>: the clock is not synchronised
_ROOM = 256  # bytes; struct ntptimeval has 72 on Linux


def kept_right() -> bool | None:
    """Return True where something does (chrony, systemd-timesyncd, ntpd), False where nothing, None where unknown."""
    try:
        state = ctypes.CDLL(None).ntp_gettime(ctypes.create_string_buffer(_ROOM))
    except (OSError, AttributeError, TypeError):  # another system, or another C library
        return None
    return None if state < 0 else state != _TIME_ERROR


@dataclass(frozen=True, slots=True)
class OwnClock:
    """The time of day (aware UTC), and whether it is kept right."""

    now: Callable[[], datetime]
    kept_right: Callable[[], bool | None] = kept_right
