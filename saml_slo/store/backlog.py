"""How much has to happen by itself: counted, and a bounded part of it listed."""

from __future__ import annotations

from collections.abc import Sequence
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
class Waiting:
    """Logouts of a shard that wait for something, the soonest first. `cut`: there are more due times than were read."""

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

    def due_counts(self) -> tuple[int, ...]:
        """Return how many entries the due times of each shard have, in the order of the shards. One round trip.

        Every living session has one, and every logout that still waits for something.
        """
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for shard in keys.SHARDS:
                pipeline.zcard(keys.due(shard))
            return tuple(pipeline.execute())

    def waiting_logouts(self, shards: Sequence[str], *, look_at: int) -> tuple[Waiting, ...]:
        """Return the logouts that wait for something, of the first `look_at` due times of each of these shards.

        What is due soonest comes first, so a delivery that waits for its next attempt is not far behind. Two round
        trips for each shard, because no script reads two slots.
        """
        found = []
        for shard in shards:
            cut, *identifiers = self._run("waiting_logouts", (keys.due(shard),), (look_at,))
            with guard():
                pipeline = self._redis.pipeline(transaction=False)
                for identifier in identifiers:
                    pipeline.get(keys.logout(identifier.decode()))
                values = pipeline.execute() if identifiers else []
            logouts = (
                decoded(codec.decode_logout, identifier.decode(), value)
                for identifier, value in zip(identifiers, values, strict=True)
                if value is not None
            )
            found.append(Waiting(shard, tuple(logout for logout in logouts if logout is not None), bool(cut)))
        return tuple(found)
