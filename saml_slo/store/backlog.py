"""How much has to happen by itself: counted, and a bounded part of it listed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from saml_slo.logout.transaction import Transaction
from saml_slo.store import codec, keys
from saml_slo.store.connect import guard
from saml_slo.store.steps import Steps, decoded


@dataclass(frozen=True, slots=True)
class Backlog:
    """Entries of the due times: all, those whose moment has come, and how many milliseconds the oldest is late."""

    entries: int
    overdue: int
    late: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many sessions live in a shard, and how many logouts there wait for something."""

    sessions: int
    logouts: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Logouts of a shard that wait for something, the soonest first. `cut`: there are more of them."""

    shard: str
    logouts: tuple[Transaction, ...]
    cut: bool


class Backlogs(Steps):
    """Count what is due."""

    def backlog(self, now: int) -> Backlog:
        """Return how much is due at `now` (milliseconds). One round trip; its cost does not grow with the entries."""
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for shard in keys.SHARDS:
                name = keys.due(shard)
                pipeline.zcard(name)
                pipeline.zcount(name, "-inf", now)
                pipeline.zrange(name, 0, 0, withscores=True)
            found = pipeline.execute()
        oldest = [int(score) for first in found[2::3] for _, score in first]
        return Backlog(
            entries=sum(found[0::3]),
            overdue=sum(found[1::3]),
            late=max(0, now - min(oldest, default=now)),
        )

    def counts(self) -> tuple[Count, ...]:
        """Return how much lives in each shard, in the order of the shards. One round trip, whatever there is."""
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for shard in keys.SHARDS:
                pipeline.zcard(keys.due(shard))
                pipeline.zcard(keys.waiting(shard))
            found: list[int] = pipeline.execute()
        return tuple(
            Count(sessions=max(0, due - waiting), logouts=waiting)
            for due, waiting in zip(found[0::2], found[1::2], strict=True)
        )

    def waiting_logouts(self, shards: Sequence[str], *, most: int) -> tuple[Waiting, ...]:
        """Return the logouts that wait for something, the first `most` of each of these shards. Two round trips."""
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for shard in shards:
                pipeline.zrange(keys.waiting(shard), 0, most)  # one more than is wanted tells whether there are more
            listed = [[one.decode() for one in found] for found in pipeline.execute()]
            pipeline = self._redis.pipeline(transaction=False)
            for identifiers in listed:
                for identifier in identifiers[:most]:
                    pipeline.get(keys.logout(identifier))
            values = iter(pipeline.execute() if any(listed) else ())
        return tuple(
            Waiting(shard, tuple(_read(identifiers[:most], values)), cut=len(identifiers) > most)
            for shard, identifiers in zip(shards, listed, strict=True)
        )


def _read(identifiers: Sequence[str], values: Iterator[bytes | None]) -> Iterator[Transaction]:
    """Yield the logouts that are there; the index is a hint, so one may be gone."""
    for identifier in identifiers:
        value = next(values)
        logout = None if value is None else decoded(codec.decode_logout, identifier, value)
        if logout is not None:
            yield logout
