"""How the Redis is doing, for the doctor: what `check_server` asks of it and more, in three round trips."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from redis import exceptions as failures

from saml_slo.store import keys
from saml_slo.store.connect import ServerFacts, check_server, guard


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is to be known of the server. None: the server does not tell this user.

    `time` is its own clock when half of `round_trip` (seconds) had passed. `saves` says whether it writes snapshots.
    `memory` and `memory_limit` are octets, the limit 0 where there is none.
    """

    facts: ServerFacts
    time: datetime
    round_trip: float
    replicas: int | None
    saves: bool | None
    memory: int | None
    memory_limit: int | None


def look_at(client: redis.Redis) -> Health:
    """Return how the server is doing, after one write; raises StoreUnavailable when it does not do its part."""
    facts = check_server(client)
    with guard():
        client.set(keys.READY, b"1", px=60_000)
        started = time.monotonic()
        seconds, microseconds = client.time()
        took = time.monotonic() - started
        try:
            info = client.info()
        except failures.NoPermissionError:
            info = {}
    saves = info.get("rdb_last_save_time")
    return Health(
        facts=facts,
        time=datetime.fromtimestamp(seconds + microseconds / 1_000_000, UTC),
        round_trip=took,
        replicas=_number(info.get("connected_slaves")),
        # A server that never was told to save says so by the moment of its start.
        saves=None if saves is None else bool(info.get("rdb_bgsave_in_progress")) or _saved(info),
        memory=_number(info.get("used_memory")),
        memory_limit=_number(info.get("maxmemory")),
    )


def _saved(info: dict[str, Any]) -> bool:
    started = time.time() - float(info.get("uptime_in_seconds", 0))
    return float(info.get("rdb_last_save_time", 0)) > started + 1


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
