"""What was received already: a notice is acted on once, however often it comes."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Protocol

MAX_MARKS = 100_000


class ReplayCache(Protocol):
    """A set of marks that fall away by themselves. Share one between all processes of an application."""

    def add(self, mark: str, seconds: float) -> bool:
        """Set a mark for so long; say whether it was not there, in one atomic step."""

    def contains(self, mark: str) -> bool:
        """Say whether a mark is there."""

    def discard(self, mark: str) -> None:
        """Remove a mark if it is there."""


class MemoryReplayCache:
    """Marks in the memory of this process, at most `max_marks`: beyond that the oldest falls away.

    Only verified notices leave marks, so nobody else can push one out.
    """

    def __init__(self, max_marks: int = MAX_MARKS, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._max = max_marks
        self._clock = clock
        self._ends: OrderedDict[str, float] = OrderedDict()
        self._lock = Lock()

    def add(self, mark: str, seconds: float) -> bool:
        """Set a mark unless it is there and not over."""
        now = self._clock()
        with self._lock:
            if self._ends.get(mark, now) > now:
                return False
            self._ends[mark] = now + seconds
            self._ends.move_to_end(mark)
            while len(self._ends) > self._max:
                self._ends.popitem(last=False)
            return True

    def contains(self, mark: str) -> bool:
        """Say whether a mark is there and not over."""
        now = self._clock()
        with self._lock:
            return self._ends.get(mark, now) > now

    def discard(self, mark: str) -> None:
        """Remove a mark."""
        with self._lock:
            self._ends.pop(mark, None)
