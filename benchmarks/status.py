"""What a status check costs the server beside its trivial page, and whether that depends on the number of sessions.

`saml-slo serve` with one worker and its embedded Redis answers HTTP on loopback; sixteen connections ask in turn, one
kind of request after the other for about half a second each, again for every round. A figure is the CPU time of the
worker for one request (from /proc); beside it, how many of them a second of CPU can answer as a share of the trivial
page's (/healthz) in the same round. Redis is a process of its own and stands apart; `both` is the share with it.
Sessions are asked for at random out of 20,000 of them.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import redis

from saml_slo.certs import load_secret
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import NameIdFormat
from saml_slo.protocol.session import Login, Participant, Session, Subject
from saml_slo.store import codec, keys, tokens

SIZES = (10_000, 1_000_000)
GOAL = 0.45
CONNECTIONS = 16
SAMPLE = 20_000
HOST = "slo.example"
API_SECRET = "b" * 43
TRIVIAL = "trivial page"
_TICKS = os.sysconf("SC_CLK_TCK")
_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds for one request, of the worker and of Redis."""

    worker: float
    redis: float


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its port, the worker's process, its Redis, and the keys with which it was started."""

    port: int
    worker: int
    redis_pid: int
    redis: redis.Redis
    handle_secret: bytes
    cookie_secret: bytes


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server with one worker and one application behind a proxy."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        applications = folder / "metadata" / "applications"
        applications.mkdir(parents=True)
        digest = hashlib.sha256(API_SECRET.encode()).hexdigest()
        (applications / "wiki.toml").write_text(
            f'logout = "proxy"\nproxy_origins = ["https://wiki.example"]\napi_secrets = ["{digest}"]\n'
        )
        log = stack.enter_context((folder / "log").open("wb"))
        settings = {"PUBLIC_URL": f"https://{HOST}", "LISTEN": "127.0.0.1:0", "WORKERS": "1", "STATUS_RATE": "1000000"}
        settings["METRICS_LISTEN"] = "127.0.0.1:0"
        process = subprocess.Popen(
            [sys.executable, "-m", "saml_slo", "serve"],
            cwd=folder,
            env=os.environ | {f"SLO_{setting}": value for setting, value in settings.items()},
            stderr=log,
        )
        stack.callback(process.wait, 60)
        stack.callback(process.terminate)
        port = _port(process, folder / "log")
        pids = _children(process.pid)
        (redis_pid,) = [pid for pid in pids if "redis" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")]
        secret = load_secret(folder / "certs")
        client = stack.enter_context(redis.Redis.from_url(f"unix://{folder}/var/redis/redis.sock"))
        yield Server(
            port=port,
            worker=next(pid for pid in pids if pid != redis_pid),
            redis_pid=redis_pid,
            redis=client,
            handle_secret=secret.derive("handle"),
            cookie_secret=secret.derive("application-cookie"),
        )


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    for _ in range(600):
        time.sleep(0.05)
        assert process.poll() is None, log.read_text()
        for line in log.read_text().splitlines():
            port = int(json.loads(line).get("listen", ":0").rpartition(":")[2])
            if port and _answers(port):
                return port
    raise AssertionError("the server did not start")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def fill(server: Server, already: int, size: int, known: list[str]) -> None:
    """Add sessions until there are `size`, each with its due entry; put the tokens of some of them into `known`."""
    now = int(time.time() * 1000)
    value, ends = codec.encode_session(_session(now)), now + _HOUR
    for begin in range(already, size, 5000):
        pipeline = server.redis.pipeline(transaction=False)
        for number in range(begin, min(begin + 5000, size)):
            token = tokens.new_session_token(f"{random.randrange(256):02x}")
            identifier = tokens.session_id_of(token) or ""
            pipeline.set(keys.session(identifier), value, px=24 * _HOUR)
            pipeline.zadd(keys.due(identifier[:2]), {f"s:{identifier}": ends})
            if len(known) < SAMPLE:
                known.append(token)
            elif random.random() < SAMPLE / (number + 1):
                known[random.randrange(SAMPLE)] = token
        pipeline.execute()


def _session(now: int) -> Session:
    """Return a session as a sign-in leaves it, in which one application takes part."""
    name = NameId(
        value="0123456789abcdef0123456789abcdef",
        format=NameIdFormat.PERSISTENT,
        name_qualifier="https://idp.example.com/saml",
        sp_name_qualifier=f"https://{HOST}/saml/sp/idp/metadata",
    )
    login = Login(
        connection="idp",
        name_id=name,
        session_indexes=("_" + "5" * 32,),
        authn_instant=now,
        assertion_id="_" + "a" * 32,
        assertion_not_on_or_after=now + 300_000,
        recorded_at=now,
        authn_context_class_refs=("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",),
    )
    user = "f" * 40
    part = Participant(
        application="wiki",
        name_id=NameId(value=user, format=NameIdFormat.PERSISTENT),
        session_index="_" + "6" * 34,
        since=now,
        subject=Subject(session="3f" * 28, user=user),
    )
    ends = now + _HOUR
    return Session(
        id="",
        logins=(login,),
        created_at=now,
        absolute_ends_at=now + 24 * _HOUR,
        idle_ends_at=ends,
        idle_lifetime=_HOUR,
        participants=(part,),
    )


def requests(server: Server, known: Sequence[str]) -> dict[str, Iterator[bytes]]:
    """Return every kind of request, as octets for random sessions."""
    identifiers = [tokens.session_id_of(token) or "" for token in known]
    cookies = [tokens.session_handle(server.cookie_secret, one, "wiki") for one in identifiers]
    handles = [tokens.session_handle(server.handle_secret, one, "wiki") for one in identifiers]
    bearer = f"Authorization: Bearer wiki.{API_SECRET}"
    return {
        TRIVIAL: cycle([_request("/healthz")]),
        "by our cookie": cycle([_request("/session/status", f"Cookie: __Host-slo={token}") for token in known]),
        "by a proxy": cycle(
            [_request("/session/status?client_id=wiki", f"Cookie: __Host-slo-app={cookie}") for cookie in cookies]
        ),
        "by a server": cycle([_request(f"/session/status?session={handle}", bearer) for handle in handles]),
    }


def _request(target: str, header: str = "Accept: */*") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{header}\r\n\r\n".encode()


def measure(server: Server, asked: dict[str, Iterator[bytes]], rounds: int, seconds: float) -> dict[str, list[Cost]]:
    """Ask in interleaved rounds; return the cost of each kind in each round."""
    costs: dict[str, list[Cost]] = {name: [] for name in asked}
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10)) for _ in range(CONNECTIONS)
        ]
        for number in range(rounds + 1):  # the first one warms up
            for name, following in asked.items():
                cost = _block(server, connections, following, seconds)
                if number:
                    costs[name].append(cost)
    return costs


def _block(server: Server, connections: Sequence[socket.socket], following: Iterator[bytes], seconds: float) -> Cost:
    before, done, end = _cpu(server), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for connection in connections:
            connection.sendall(next(following))
        for connection in connections:
            answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
            done += 1
    after = _cpu(server)
    return Cost(*((later - earlier) / done * 1e6 for earlier, later in zip(before, after, strict=True)))


def _cpu(server: Server) -> tuple[float, float]:
    worker, store = (_cpu_seconds(pid) for pid in (server.worker, server.redis_pid))
    return worker, store


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def as_text(results: dict[int, dict[str, list[Cost]]]) -> str:
    """Return the figures as a Markdown table: medians over the rounds."""
    lines = [
        "| sessions  | request       | µs CPU | x trivial page's rate | goal | reached | Redis, µs CPU | both |",
        "| --------: | ------------- | -----: | --------------------: | ---: | ------- | ------------: | ---: |",
    ]
    for size, costs in results.items():
        for name, rounds in costs.items():
            trivial = costs[TRIVIAL]
            share = median(page.worker / cost.worker for page, cost in zip(trivial, rounds, strict=True))
            both = median(page.worker / (cost.worker + cost.redis) for page, cost in zip(trivial, rounds, strict=True))
            goal = ("", "") if name == TRIVIAL else (f"{GOAL:.0%}", "yes" if share >= GOAL else "no")
            worker, store = median(cost.worker for cost in rounds), median(cost.redis for cost in rounds)
            lines.append(
                f"| {size:9,} | {name:<13} | {worker:6.0f} | {share:21.0%} | {goal[0]:>4} | {goal[1]:<7} "
                f"| {store:13.1f} | {both:4.0%} |"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 0 whether or not the goal was reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.status", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds at each size (default: 15)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of one kind of request in a round (default: 0.5)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of sessions, rising")
    options = parser.parse_args(arguments)
    results, known, already = {}, [], 0
    with serving() as server:
        for size in options.sizes:
            fill(server, already, size, known)
            already = size
            random.shuffle(known)
            results[size] = measure(server, requests(server, known), options.rounds, options.seconds)
    print(as_text(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
