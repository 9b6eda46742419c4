"""Whether the logout of one user takes longer where many other sessions are stored.

Two bridges in one process, each with an embedded Redis of its own: one holds few sessions that applications registered,
the other a hundred thousand, of users with twenty each. A round registers twenty sessions of a fresh user at each by
the API and logs that user out by `POST /api/v1/logouts`, at one bridge after the other and with the order turned round
every time. Latency is that of the call through WSGI, without a network; Redis is asked besides how long its commands of
the logout took (`INFO commandstats`), and which commands they were. The application's method is `proxy`: it asks us, so
that no delivery hides what the store costs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, NoReturn

import redis
import structlog
from flask import Flask

from saml_slo.app import create_app
from saml_slo.certs import ensure_keys
from saml_slo.config import Settings
from saml_slo.registration import Registration
from saml_slo.store.embedded import EmbeddedRedis

SIZES = (1_000, 100_000)
OF_ONE_USER = 20
GOAL = 1.5
ORIGIN = "https://slo.example"
API_SECRET = "b" * 43
# What has to look at more keys than it names.
SCANS = ("scan", "keys", "sscan", "hscan", "zscan", "randomkey", "sort")


class Used(NamedTuple):
    """How often a command ran, and for how many microseconds in all."""

    calls: int
    microseconds: int


_NEVER = Used(0, 0)


@dataclass(slots=True)
class Bridge:
    """One bridge and its Redis, with what its logouts took: seconds each, Redis' microseconds and commands each."""

    size: int
    app: Flask
    redis: redis.Redis
    seconds: list[float] = field(default_factory=list)
    redis_microseconds: list[float] = field(default_factory=list)
    commands: set[str] = field(default_factory=set)
    calls: list[int] = field(default_factory=list)

    def call(self, method: str, path: str, body: dict[str, str]) -> dict[str, Any]:
        """Call the API; anything but success ends the benchmark."""
        answer = self.app.test_client().open(
            f"/api/v1/{path}",
            method=method,
            json=body,
            base_url=ORIGIN,
            headers={"Authorization": f"Bearer wiki.{API_SECRET}"},
        )
        assert answer.status_code == 201, answer.get_data(as_text=True)
        found: dict[str, Any] = answer.get_json()
        return found

    def fill(self) -> None:
        """Register sessions of many users, by the road that the API takes."""
        house = self.app.extensions["saml_slo"]
        application = house.registry.application("wiki")

        def register(number: int) -> None:
            said = Registration(own_id=f"old-{number}", user=f"user-{number // OF_ONE_USER}")
            house.application_sessions.register(application, said)

        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(register, range(self.size), chunksize=500):
                pass
        held = sum(int(self.redis.zcard(name)) for name in self.redis.scan_iter("slo:*:due", count=1000))
        assert held == self.size, f"{held} sessions are stored, not {self.size}"

    def round(self) -> None:
        """Log a user with twenty sessions out and note what it took."""
        user = f"fresh-{secrets.token_hex(8)}"
        for number in range(OF_ONE_USER):
            self.call("PUT", f"sessions/{user}-{number}", {"user": user})
        before = self._statistics()
        begin = time.perf_counter()
        receipt = self.call("POST", "logouts", {"user": user})
        self.seconds.append(time.perf_counter() - begin)
        after = self._statistics()
        ended = [row for row in receipt["sessions"] if row["state"] == "confirmed"]
        assert len(ended) == 2 * OF_ONE_USER, receipt["summary"]
        used = {name: now for name, now in after.items() if now != before.get(name)}
        self.commands |= set(used)
        self.calls.append(sum(now.calls - before.get(name, _NEVER).calls for name, now in used.items()))
        spent = sum(now.microseconds - before.get(name, _NEVER).microseconds for name, now in used.items())
        self.redis_microseconds.append(spent)

    def _statistics(self) -> dict[str, Used]:
        """Return how often each command ran so far, and for how many microseconds."""
        statistics: dict[str, dict[str, int]] = self.redis.info("commandstats")
        # What a script runs is counted by itself and as a part of the script: the script's time is the whole.
        return {
            name.removeprefix("cmdstat_"): Used(found["calls"], found["usec"] if "eval" in name else 0)
            for name, found in statistics.items()
            if name != "cmdstat_info"
        }


@contextmanager
def bridges(sizes: Sequence[int]) -> Iterator[list[Bridge]]:
    """Run a bridge of each size."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        structlog.configure(processors=[_unsaid], cache_logger_on_first_use=False)
        stack.callback(structlog.reset_defaults)
        folder = Path(name)
        applications = folder / "metadata" / "applications"
        applications.mkdir(parents=True)
        digest = hashlib.sha256(API_SECRET.encode()).hexdigest()
        (applications / "wiki.toml").write_text(
            f'logout = "proxy"\nproxy_origins = ["https://wiki.example"]\napi_secrets = ["{digest}"]\n'
        )
        ensure_keys(folder / "certs", "slo.example")
        made = []
        for size in sizes:
            server = stack.enter_context(EmbeddedRedis(folder / f"redis-{size}"))
            app = create_app(
                Settings(
                    public_url=ORIGIN,
                    metadata_dir=folder / "metadata",
                    certs_dir=folder / "certs",
                    redis_url=server.url,
                    api_rate=1_000_000,
                )
            )
            stack.callback(app.extensions["saml_slo"].stop)
            made.append(Bridge(size, app, stack.enter_context(redis.Redis.from_url(server.url))))
        yield made


def _unsaid(*_: object) -> NoReturn:
    raise structlog.DropEvent


def measure(sizes: Sequence[int], rounds: int) -> list[Bridge]:
    """Return the bridges after their rounds."""
    with bridges(sizes) as made:
        for bridge in made:
            bridge.fill()
            bridge.round()  # scripts are loaded, connections are made
            for taken in (bridge.seconds, bridge.redis_microseconds, bridge.calls):
                taken.clear()
            bridge.commands.clear()
        for number in range(rounds):
            for bridge in made[:: 1 if number % 2 else -1]:
                bridge.round()
        return made


def as_facts(made: Sequence[Bridge]) -> list[dict[str, Any]]:
    """Return one row for each size; ratios are to the first one's medians."""
    first = made[0]
    return [
        {
            "sessions": bridge.size,
            "milliseconds": round(median(bridge.seconds) * 1000, 2),
            "ratio": round(median(bridge.seconds) / median(first.seconds), 2),
            "redis_microseconds": round(median(bridge.redis_microseconds)),
            "redis_ratio": round(median(bridge.redis_microseconds) / median(first.redis_microseconds), 2),
            "commands": round(median(bridge.calls)),
            "scans": sorted(command for command in bridge.commands if command.split("|")[0] in SCANS),
        }
        for bridge in made
    ]


def as_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| sessions stored | ms | ratio | µs in Redis | ratio | commands in Redis | scans |",
        "| --------------: | -: | ----: | ----------: | ----: | ----------------: | ----- |",
    ]
    for row in rows:
        cells = [
            f"{row['sessions']:,}",
            *(str(row[name]) for name in list(row)[1:6]),
            ", ".join(row["scans"]) or "none",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 1 where the goal was missed or something was scanned."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.user_logout", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="interleaved rounds (default: 100)")
    parser.add_argument("--sizes", type=int, nargs=2, default=SIZES, help="how many sessions are stored at each")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    rows = as_facts(measure(options.sizes, options.rounds))
    print(
        json.dumps({"rounds": options.rounds, "goal": GOAL, "rows": rows}, indent=2) if options.json else as_text(rows)
    )
    return int(any(row["scans"] or row["ratio"] > GOAL for row in rows))


if __name__ == "__main__":
    sys.exit(main())
