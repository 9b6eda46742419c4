"""How much has to happen by itself, counted and not listed."""

from __future__ import annotations

from dataclasses import dataclass

from saml_slo.store import keys
from saml_slo.store.connect import guard
from saml_slo.store.steps import Steps


@dataclass(frozen=True, slots=True)
class Backlog:
    """Entries of the due times: all, those whose moment has come, and how many milliseconds the oldest is late."""

    entries: int
    overdue: int
    late: int


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
