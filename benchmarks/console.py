"""What every page of the console takes with 1,000 connections and 1,000,000 sessions, and whether one of them scans.

A whole bridge in one process on an embedded Redis: connections with a certificate each, applications of which some are
blind and one cannot be reached, so that deliveries wait; sessions as a sign-in leaves them, each with its due time, its
index and its entry in the audit trail, made inside Redis. An operator's browser then asks for each page; a figure is
the median of the rounds, through WSGI and without a network, and beside it the slowest of them. Redis says which
commands ran and how many for a page.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import redis
import structlog
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from benchmarks import identity_provider as idp
from benchmarks.user_logout import SCANS
from saml_slo.app import create_app
from saml_slo.certs import ensure_keys
from saml_slo.config import Settings
from saml_slo.operations import forced
from saml_slo.operations.whom import Whom
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import NameIdFormat
from saml_slo.protocol.session import Login, Session
from saml_slo.registration import Registration
from saml_slo.store import codec, happened, keys
from saml_slo.store.embedded import EmbeddedRedis

ORIGIN = "https://slo.example"
GOAL = 200  # milliseconds
CONNECTIONS, APPLICATIONS, SESSIONS, WAITING = 1_000, 200, 1_000_000, 60
_HOUR = 3_600_000
_AT_ONCE = 1_000
_METADATA = """<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"
 xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{origin}/saml">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing">
<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>
</md:KeyDescriptor><md:SingleLogoutService Binding="{binding}" Location="{origin}/slo"/>
<md:SingleSignOnService Binding="{binding}" Location="{origin}/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>"""
# Sessions of one shard: KEYS nothing, ARGV shard, first number, how many, session bytes, now, the record, a connection.
_FILL = """
local shard, first, count, bytes, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local slot = 'slo:{' .. shard .. '}:'
for number = first, first + count - 1 do
  local id = shard .. string.sub(redis.sha1hex('s' .. number), 1, 32)
  local who = shard .. string.sub(redis.sha1hex('p' .. number), 1, 30)
  local ends = now + 600000 + (number * 7919) % 28200000
  redis.call('SET', slot .. 'session:' .. id, bytes, 'PX', 86400000)
  redis.call('ZADD', slot .. 'due', ends, 's:' .. id)
  redis.call('ZADD', slot .. 'principal:' .. who, now + 86400000, id)
  redis.call('PEXPIRE', slot .. 'principal:' .. who, 86400000)
  local entry = string.gsub(string.gsub(ARGV[6], 'SESSION', id), 'PRINCIPAL', who)
  local at = redis.call('XADD', slot .. 'audit', '*', 'e', ARGV[7], 'f', entry)
  redis.call('APPEND', slot .. 'trail:user:' .. who, at .. ',')
  if number % 4 == 0 then redis.call('APPEND', slot .. 'trail:idp:' .. ARGV[8], at .. ',') end
end
return count
"""


@dataclass(slots=True)
class Figure:
    """What one page took: milliseconds of each round, commands of Redis for one, and those that scan."""

    milliseconds: list[float] = field(default_factory=list)
    commands: int = 0
    scans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """The bridge, its Redis, and a browser in which an operator is signed in."""

    app: Flask
    redis: redis.Redis
    browser: FlaskClient

    def get(self, path: str) -> TestResponse:
        """Ask for a page."""
        return self._good(self.browser.get(path, base_url=ORIGIN))

    def post(self, path: str, **form: str) -> TestResponse:
        """Send a form, with the token of a page."""
        return self._good(self.browser.post(path, data={"form_token": self.token(), **form}, base_url=ORIGIN))

    def token(self) -> str:
        """Return the token that forms of this browser bring."""
        return _token(self.browser.get("/console/inspector", base_url=ORIGIN))

    @staticmethod
    def _good(answer: TestResponse) -> TestResponse:
        assert answer.status_code == 200, answer.get_data(as_text=True)[:2000]
        return answer


def _token(page: TestResponse) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page.get_data(as_text=True))
    assert found, page.get_data(as_text=True)[:2000]
    return found[1]


@contextmanager
def stage(connections: int, applications: int) -> Iterator[Stage]:
    """Run a bridge with so many peers, and sign an operator in."""
    with TemporaryDirectory() as name, EmbeddedRedis(Path(name) / "redis") as server:
        folder = Path(name)
        structlog.configure(processors=[_unsaid], cache_logger_on_first_use=False)
        _write_peers(folder / "metadata", connections, applications)
        ensure_keys(folder / "certs", "slo.example")
        app = create_app(
            Settings(
                public_url=ORIGIN,
                metadata_dir=folder / "metadata",
                certs_dir=folder / "certs",
                data_dir=folder / "var",
                redis_url=server.url,
                back_channel_allow=("127.0.0.1",),
            )
        )
        browser = app.test_client()
        link = app.extensions["saml_slo"].operators.new_link()
        page = browser.get(f"/console/first?link={link}", base_url=ORIGIN)
        form = {"form_token": _token(page), "link": link, "name": "bench", "password": "a long bench password"}
        browser.post("/console/first", data=form, base_url=ORIGIN)
        with redis.Redis.from_url(server.url) as client:
            yield Stage(app, client, browser)
        app.extensions["saml_slo"].stop()
        structlog.reset_defaults()


def _unsaid(*_: object) -> NoReturn:
    raise structlog.DropEvent


def _write_peers(folder: Path, connections: int, applications: int) -> None:
    for kind in ("connections", "applications"):
        (folder / kind).mkdir(parents=True)
    for number in range(connections):
        origin = f"https://idp{number}.example"
        certificate = b64encode(idp.ec_pair(f"idp{number}.example").certificate).decode()
        binding = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
        text = _METADATA.format(origin=origin, certificate=certificate, binding=binding)
        (folder / "connections" / f"idp{number:04}.xml").write_text(text)
        (folder / "connections" / f"idp{number:04}.toml").write_text(f'display_name = "Company {number}"\n')
    for number in range(applications):
        told = 'logout = "webhook"\nlogout_uri = "https://127.0.0.1:9/hook"\n' if number % 10 else ""
        secret = f'api_secrets = ["{number:064x}"]\n'
        (folder / "applications" / f"app{number:04}.toml").write_text(told + secret)


def fill(stage: Stage, sessions: int, waiting: int) -> None:
    """Store the sessions, and end some of others whose application cannot be reached."""
    house, now = stage.app.extensions["saml_slo"], int(time.time() * 1000)
    value = codec.encode_session(_session(now))
    code, record = happened.encode(happened.SignInRecorded("SESSION", "idp0001", "PRINCIPAL", opened=True))
    script = stage.redis.register_script(_FILL)
    each = -(-sessions // len(keys.SHARDS))
    for shard in keys.SHARDS:
        for first in range(0, each, _AT_ONCE):
            script(args=(shard, first, min(_AT_ONCE, each - first), value, now, record, code, "idp0001"))
    application = house.registry.application("app0001")
    for number in range(waiting):
        house.application_sessions.register(application, Registration(own_id=f"late-{number}", user=f"late-{number}"))
        forced.end(house, Whom(user=f"late-{number}"))
    for number in range(20):
        house.application_sessions.register(application, Registration(own_id=f"own-{number}", user="olga"))


def _session(now: int) -> Session:
    name = NameId(value="0123456789abcdef0123456789abcdef", format=NameIdFormat.PERSISTENT)
    login = Login(
        connection="idp0001",
        name_id=name,
        session_indexes=("_" + "5" * 32,),
        authn_instant=now,
        assertion_id="_" + "a" * 32,
        assertion_not_on_or_after=now + 300_000,
        recorded_at=now,
        authn_context_class_refs=("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",),
    )
    return Session(
        id="",
        logins=(login,),
        created_at=now,
        absolute_ends_at=now + 24 * _HOUR,
        idle_ends_at=now + 8 * _HOUR,
        idle_lifetime=8 * _HOUR,
    )


def pages(stage: Stage) -> Mapping[str, Callable[[], object]]:
    """Return every page by what is asked for."""
    newest = stage.get("/console/audit").get_data(as_text=True)
    older = re.search(r'href="(\?before=[^"]+)"', newest)
    reference = re.search(r"/console/logouts/([\w-]+)", newest)
    found = stage.post("/console/sessions", by="user", value="olga", peer="").get_data(as_text=True)
    session = re.search(r"/console/sessions/([0-9a-f]{34})", found)
    assert older
    assert reference
    assert session
    addresses = (
        "/console",
        "/console/connections",
        "/console/connections?page=2",
        "/console/connections?q=company+77",
        "/console/connections?show=attention",
        "/console/connections/idp0050",
        "/console/applications",
        "/console/applications?show=attention",
        "/console/applications/app0001",
        "/console/sessions",
        f"/console/sessions/{session[1]}",
        "/console/logouts",
        "/console/logouts?connection=idp0001",
        "/console/logouts?application=app0001",
        f"/console/logouts/{reference[1]}",
        "/console/deliveries",
        "/console/expiry",
        "/console/inspector",
        "/console/audit",
        f"/console/audit{older[1]}",
        "/console/audit?connection=idp0001",
        "/console/audit?application=app0001",
    )
    asked: dict[str, Callable[[], object]] = {}
    for address in addresses:
        asked[re.sub(r"[0-9a-f]{34}|[\w]{5}-[\w]{5}", "…", address)] = lambda address=address: stage.get(address)  # type: ignore[misc]
    token = stage.token()

    def send(path: str, **form: str) -> Callable[[], object]:
        data = {"form_token": token, **form}
        return lambda: stage.browser.post(path, data=data, base_url=ORIGIN).get_data()

    olga = {"by": "user", "value": "olga", "peer": ""}
    alice = {"by": "name_id", "value": "alice@corp.example", "peer": "idp0050"}
    return asked | {
        "sessions of a user": send("/console/sessions", **olga),
        "sessions of a NameID": send("/console/sessions", **alice),
        "preview of a logout of 20 sessions": send("/console/sessions/end", **olga),
        "logouts of a user": send("/console/logouts", **{**olga, "value": "late-1"}),
        "audit of a user": send("/console/audit", **olga),
        "a message inspected": send("/console/inspector", message="<samlp:LogoutRequest/>"),
    }


def measure(stage: Stage, rounds: int) -> dict[str, Figure]:
    """Return the figures of every page, their rounds interleaved; the first round warms up and does not count."""
    asked = pages(stage)
    figures = {name: Figure() for name in asked}
    for number in range(rounds + 1):
        for name, ask in asked.items():
            before = _calls(stage.redis)
            begin = time.perf_counter()
            ask()
            spent = (time.perf_counter() - begin) * 1000
            if number == 0:
                continue
            after = _calls(stage.redis)
            used = {command: count - before.get(command, 0) for command, count in after.items()}
            figures[name].milliseconds.append(spent)
            figures[name].commands = sum(used.values())
            figures[name].scans = tuple(command for command, count in used.items() if count and command in SCANS)
    return figures


def _calls(client: redis.Redis) -> dict[str, int]:
    found: dict[str, Any] = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): one["calls"] for name, one in found.items() if "info" not in name}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 1 where the goal was missed or something was scanned."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds (default: 15)")
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    with stage(options.connections, APPLICATIONS) as made:
        fill(made, options.sessions, WAITING)
        figures = measure(made, options.rounds)
    rows = [
        {
            "page": name,
            "milliseconds": round(median(figure.milliseconds), 1),
            "slowest": round(max(figure.milliseconds), 1),
            "commands": figure.commands,
            "scans": list(figure.scans),
        }
        for name, figure in figures.items()
    ]
    if options.json:
        print(json.dumps({"goal": GOAL, "sessions": options.sessions, "rows": rows}, indent=2))
    else:
        print("| page | ms | slowest | commands in Redis | scans |\n| --- | -: | -: | -: | --- |")
        for row in rows:
            print("|", " | ".join(str(cell) for cell in (*list(row.values())[:4], row["scans"] or "none")), "|")
    return int(any(row["scans"] or float(str(row["milliseconds"])) > GOAL for row in rows))


if __name__ == "__main__":
    sys.exit(main())
