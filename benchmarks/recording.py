"""`python -m benchmarks.recording`: what the audit trail, the log and the metrics add to a logout.

One process answers LogoutRequests of an identity provider by Redirect (verify, find, end, sign the answer), as WSGI
calls on a real Redis over a socket: the cheapest logout that is recorded in full, so the share is the largest. Three
ways in interleaved rounds: recording nothing; with audit trail and log lines; and with metrics as well. CPU of this
process and of Redis are told apart. Afterwards the memory of Redis for each logout, its receipt aside.
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any
from urllib.parse import quote

import structlog

from benchmarks.identity_provider import NAMESPACES, KeyPair, rsa_pair
from saml_slo.app import configure_logging, create_app
from saml_slo.certs import ensure_keys
from saml_slo.config import Settings
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.session import Login, Session
from saml_slo.store import tokens
from saml_slo.store.connect import connect
from saml_slo.store.embedded import EmbeddedRedis
from saml_slo.store.store import SignInMarks, Store

HOST, ENTITY_ID = "slo.example", "https://idp.example/saml"
PLAIN, AUDITED, COUNTED = "nothing", "audit trail and log", "and metrics"
GOAL = 1.15
_METADATA = """<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{0}"><md:IDPSSODescriptor
protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing">
<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>{1}</ds:X509Certificate>
</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/slo"/>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/sso"/>
</md:IDPSSODescriptor></md:EntityDescriptor>"""
_TICKS = os.sysconf("SC_CLK_TCK")
_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Stage:
    """The application, its Redis, and the identity provider's key."""

    app: Any
    redis: EmbeddedRedis
    key: KeyPair

    @property
    def store(self) -> Store:
        """Return the application's store."""
        store: Store = self.app.extensions["saml_slo"].store
        return store

    def redis_seconds(self) -> float:
        """Return the CPU time that Redis has used."""
        fields = Path(f"/proc/{self.redis.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def stage() -> Iterator[Stage]:
    """Build an application with one connection; its log goes nowhere, but is written."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        key = rsa_pair("idp.example")
        connections = folder / "metadata" / "connections"
        connections.mkdir(parents=True)
        (connections / "idp.toml").write_text("")
        certificate = base64.b64encode(key.certificate).decode()
        (connections / "idp.xml").write_text(_METADATA.format(ENTITY_ID, certificate))
        ensure_keys(folder / "certs", HOST)
        redis = stack.enter_context(EmbeddedRedis(folder / "redis"))
        configure_logging("info")
        structlog.configure(
            logger_factory=structlog.PrintLoggerFactory(stack.enter_context(Path(os.devnull).open("w")))
        )
        app = create_app(
            Settings(
                public_url=f"https://{HOST}",
                metadata_dir=folder / "metadata",
                certs_dir=folder / "certs",
                data_dir=folder / "var",
                redis_url=redis.url,
            )
        )
        stack.callback(app.extensions["saml_slo"].stop)
        yield Stage(app, redis, key)


def requests(stage: Stage, number: int) -> list[dict[str, Any]]:
    """Sign people in and return their LogoutRequests as WSGI environments."""
    house = stage.app.extensions["saml_slo"]
    connection, now = house.registry.connection("idp"), house.journey.now()
    made = []
    for _ in range(number):
        name_id = NameId(value=f"{tokens.new_message_id()}@idp.example")
        who = house.journey.endings.principal(connection, name_id)
        session = Session(
            id=tokens.session_id_of(tokens.new_session_token(who.shard)) or "",
            logins=(_login(name_id, now),),
            created_at=now,
            absolute_ends_at=now + 24 * _HOUR,
            idle_ends_at=now + 8 * _HOUR,
            idle_lifetime=8 * _HOUR,
        )
        marks = SignInMarks(
            principal=who,
            assertion_id=tokens.new_message_id(),
            request_id=None,
            asked_at=now,
            issued_at=now,
            session_indexes=("_s1",),
            lifetime=600_000,
        )
        stage.store.open_session(session, marks, now)
        made.append(_environment(_query(stage.key, name_id.value, connection.slo_url)))
    return made


def _login(name_id: NameId, now: int) -> Login:
    return Login(
        connection="idp",
        name_id=name_id,
        session_indexes=("_s1",),
        authn_instant=now,
        assertion_id=tokens.new_message_id(),
        assertion_not_on_or_after=now + 300_000,
        recorded_at=now,
    )


def _query(key: KeyPair, name_id: str, destination: str) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = (
        f'<samlp:LogoutRequest {NAMESPACES} ID="{tokens.new_message_id()}" Version="2.0" IssueInstant="{now}"'
        f' Destination="{destination}"><saml:Issuer>{ENTITY_ID}</saml:Issuer><saml:NameID>{name_id}</saml:NameID>'
        "<samlp:SessionIndex>_s1</samlp:SessionIndex></samlp:LogoutRequest>"
    ).encode()
    deflater = zlib.compressobj(wbits=-15)
    deflated = base64.b64encode(deflater.compress(message) + deflater.flush())
    query = f"SAMLRequest={quote(deflated, safe='')}&RelayState=r&SigAlg={quote(key.algorithm, safe='')}"
    return f"{query}&Signature={quote(base64.b64encode(key.sign(query.encode())), safe='')}"


def _environment(query: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/saml/sp/idp/slo",
        "QUERY_STRING": query,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "443",
        "HTTP_HOST": HOST,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "https",
        "wsgi.input": sys.stdin.buffer,
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def block(stage: Stage, environments: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Answer requests; return the CPU microseconds of each, of this process and of Redis."""

    def started(status: str, *_: object) -> None:
        assert status.startswith("303"), status

    before, redis_before = process_time(), stage.redis_seconds()
    for environment in environments:
        for _ in stage.app(environment, started):
            pass
    spent, redis_spent = process_time() - before, stage.redis_seconds() - redis_before
    return spent / len(environments) * 1e6, redis_spent / len(environments) * 1e6


def ways(stage: Stage) -> dict[str, Callable[[], None]]:
    """Return what switches to each way of recording."""
    house = stage.app.extensions["saml_slo"]
    parts = vars(stage.store)  # the instance's own names: what stands here hides the methods of the class
    commit, report = getattr(stage.store, "_commit"), house.reporter.committed  # noqa: B009 - it is no public name
    metrics, _ = house.measure()

    def plain() -> None:
        parts["_commit"] = lambda name, key_names, arguments, _: commit(name, key_names, arguments, None)
        parts["_report"] = lambda _: None

    def audited() -> None:
        parts["_commit"], parts["_report"] = commit, report
        house.reporter.metrics = None

    def counted() -> None:
        audited()
        house.reporter.metrics = metrics

    return {PLAIN: plain, AUDITED: audited, COUNTED: counted}


def memory(stage: Stage, number: int) -> float:
    """Return the octets that recording takes for each logout, its sign-in included."""
    switch, took, client = ways(stage), {}, connect(stage.redis.url)
    for name in (PLAIN, AUDITED):
        switch[name]()
        client.flushall()
        before = int(client.info("memory")["used_memory"])
        block(stage, requests(stage, number))
        took[name] = int(client.info("memory")["used_memory"]) - before
    return (took[AUDITED] - took[PLAIN]) / number


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 0 whether or not the goal was reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--logouts", type=int, default=150, help="of one way in a round")
    options = parser.parse_args(arguments)
    with stage() as running:
        switch = ways(running)
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in switch}
        for number in range(options.rounds + 1):
            for name, begin in switch.items():
                begin()
                cost = block(running, requests(running, options.logouts))
                if number:  # the first round warms up
                    costs[name].append(cost)
        octets = memory(running, 5_000)
    print("| recorded            | µs CPU | and Redis, µs | x nothing, both | goal |")
    print("| ------------------- | -----: | ------------: | --------------: | ---: |")
    for name, found in costs.items():
        ratio = median(sum(one) / sum(plain) for one, plain in zip(found, costs[PLAIN], strict=True))
        ours, theirs = (median(values) for values in zip(*found, strict=True))
        print(f"| {name:<19} | {ours:6.0f} | {theirs:13.0f} | {ratio:15.3f} | {GOAL if name != PLAIN else '':>4} |")
    print(f"\n{octets:.0f} octets of Redis for a sign-in and its logout")
    return 0


if __name__ == "__main__":
    sys.exit(main())
