"""The installation itself: Python and libraries, our keys, Redis and its clock, return URLs, the back channel."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from saml_slo.certs import load_keys, load_secret
from saml_slo.config import Settings
from saml_slo.delivery.egress import Egress
from saml_slo.diagnosis.finding import Finding, Severity, of_error
from saml_slo.errors import ConfigurationError, StoreUnavailable
from saml_slo.peers.registry import Registry
from saml_slo.peers.return_urls import ReturnUrls
from saml_slo.store.connect import connect, redacted
from saml_slo.store.embedded import find_program
from saml_slo.store.health import Health, look_at
from saml_slo.wire.certificate_facts import certificate_facts
from saml_slo.wire.versions import XmlVersions, xml_versions

SUBJECT = "installation"
EXPIRES_SOON = timedelta(days=30)
_OLDEST_PYTHON = (3, 11)
_OLDEST_REDIS = (6, 2)
_DRIFT_NOTICED, _DRIFT_HARMFUL = 2.0, 60.0  # seconds
_FULL = 0.8
_LOCAL = ("localhost", "127.0.0.1")


def _finding(code: str, severity: Severity, text: str, **more: str) -> Finding:
    return Finding(code=code, severity=severity, subject=SUBJECT, text=text, **more)  # type: ignore[arg-type]


def versions(found: XmlVersions | None = None, python: tuple[int, ...] = sys.version_info[:3]) -> Iterator[Finding]:
    """Look at Python and the pair of XML libraries."""
    words = ".".join(map(str, python))
    if python[:2] < _OLDEST_PYTHON:
        yield _finding(
            "python.version",
            Severity.ERROR,
            "This Python is too old.",
            expected="3.11 or newer",
            found=words,
            next_step="Make the environment anew with a newer Python.",
        )
    else:
        yield _finding("python.version", Severity.OK, f"Python {words}")
    xml = found or xml_versions()
    told = (
        f"lxml {_dotted(xml.lxml)} with libxml2 {_dotted(xml.libxml2_of_lxml)}, "
        f"xmlsec {xml.xmlsec} with libxmlsec {_dotted(xml.libxmlsec)} and libxml2 {_dotted(xml.libxml2_of_xmlsec)}"
    )
    if xml.is_a_pair:
        yield _finding("xml.versions", Severity.OK, told)
    else:
        yield _finding(
            "xml.versions",
            Severity.ERROR,
            "lxml and xmlsec were built with different releases of libxml2.",
            expected="one libxml2 in both",
            found=told,
            next_step="Install the versions of our lock file: requirements/ names the pair that fits.",
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def public_url(settings: Settings) -> Iterator[Finding]:
    """Look at the origin that people and peers see."""
    scheme, _, host = settings.public_url.partition("://")
    name = host.partition(":")[0]
    if scheme == "http" and name not in _LOCAL and not name.endswith(".localhost"):
        yield _finding(
            "settings.plain_http",
            Severity.WARNING,
            "The public URL has no TLS: browsers do not send our Secure cookies there.",
            expected="https://…",
            found=settings.public_url,
            setting="SLO_PUBLIC_URL",
            next_step="Put a proxy with TLS in front, and name the https origin.",
        )
    else:
        yield _finding("settings.public_url", Severity.OK, settings.public_url)


def our_keys(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Look at our key files: readable, matching, until when their certificates say that they are good."""
    folder = settings.certs_dir
    try:
        keys = load_keys(folder)
        load_secret(folder)
    except ConfigurationError as error:
        missing = not (folder / "secret.key").exists()
        code = "keys.missing" if missing else "keys.wrong"
        found = of_error(code, SUBJECT, error)
        if missing:
            found = _finding(
                code,
                Severity.ERROR,
                "Our key files are not complete.",
                expected="signing, encryption and secret keys",
                found=str(error),
                setting="SLO_CERTS_DIR",
                next_step="`saml-slo keys` makes what is missing.",
            )
        yield found
        if not missing:
            yield _finding(
                "keys.last_good",
                Severity.NOTE,
                "A server that runs keeps the keys that were good last; one that starts now refuses to.",
                next_step="Mend the folder: servers take it over within seconds, without a restart.",
            )
        return
    yield _finding("keys.ok", Severity.OK, f"{folder}: complete, keys and certificates match")
    certificates = [*zip(("signing.crt", "signing-next.crt"), keys.published_signing, strict=False)]
    certificates += [("encryption.crt", der) for der in keys.published_encryption]
    for name, der in certificates:
        yield from _certificate(folder / name, der, now)
    if len(keys.published_signing) > 1 or len(keys.decryption.keys) > 1:
        yield _finding(
            "keys.rollover",
            Severity.NOTE,
            "A rollover of our keys is under way: two are published or live.",
            file=str(folder),
            next_step="`saml-slo keys` says the next step, and from when on it is safe.",
        )
    yield from _readable_by_others(folder)


def _certificate(path: Path, der: bytes, now: datetime) -> Iterator[Finding]:
    facts = certificate_facts(der)
    if facts is None:
        return
    until = f"{facts.not_after:%Y-%m-%d}"
    if facts.not_after <= now:
        yield _finding(
            "keys.expired",
            Severity.WARNING,
            "Our certificate has expired: peers that look at the date refuse what we sign, or stop encrypting to us.",
            expected=f"valid after {now:%Y-%m-%d}",
            found=f"until {until}",
            file=str(path),
            next_step="Roll the key over, and give the peers our new metadata.",
        )
    elif facts.not_after <= now + EXPIRES_SOON:
        yield _finding(
            "keys.expires",
            Severity.WARNING,
            "Our certificate expires soon.",
            expected=f"valid for more than {EXPIRES_SOON.days} days",
            found=f"until {until}",
            file=str(path),
            next_step="Publish the next one beside it now, so that every peer has read it in time.",
        )
    else:
        yield _finding("keys.validity", Severity.OK, f"{path.name}: {facts.key}, valid until {until}")


def _readable_by_others(folder: Path) -> Iterator[Finding]:
    for path in sorted(folder.glob("*.key")):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IRGRP:
            yield _finding(
                "keys.readable",
                Severity.WARNING,
                "Others on this machine can read or change a private key.",
                expected="mode 600 or 640",
                found=f"mode {mode:o}",
                file=str(path),
                next_step=f"chmod 600 {path}",
            )


def redis(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Look at Redis: does it answer, does it suit us, does its clock agree with ours."""
    if settings.redis_url is None:
        try:
            label = find_program().label
        except ConfigurationError as error:
            yield of_error("redis.embedded", SUBJECT, error)
            return
        yield _finding(
            "redis.embedded",
            Severity.NOTE,
            f"No Redis is named: `serve` brings {label}, for one machine.",
            setting="SLO_REDIS_URL",
            next_step="For production name a server of yours.",
        )
        return
    place = redacted(settings.redis_url)
    try:
        health = look_at(connect(settings.redis_url, timeout=settings.redis_timeout))
    except (StoreUnavailable, ConfigurationError) as error:
        found = of_error("redis.unavailable", SUBJECT, error)
        yield Finding(**{**found.as_json(), "found": found.found or place, "setting": "SLO_REDIS_URL"})
        return
    yield _finding("redis.writable", Severity.OK, f"{health.facts.product} {health.facts.version} at {place}")
    yield from health_of(health)
    yield from clock_of_redis(health, clock())


def health_of(health: Health) -> Iterator[Finding]:
    """Judge what a server says about itself."""
    facts = health.facts
    for alarm in facts.alarms:
        yield _finding(
            "redis.unsuitable", Severity.ERROR, f"{alarm}.", setting="SLO_REDIS_URL", next_step="Change its settings."
        )
    if facts.product == "Redis" and _version(facts.version) < _OLDEST_REDIS:
        yield _finding(
            "redis.version",
            Severity.ERROR,
            "This Redis is too old.",
            expected="Redis 6.2 or newer, or Valkey",
            found=facts.version,
            next_step="Upgrade it.",
        )
    if facts.aof is False and health.saves is False:
        yield _finding(
            "redis.persistence",
            Severity.WARNING,
            "Redis writes nothing to its disk: a restart forgets every session, and no application is told.",
            expected="appendonly yes",
            found="no append-only file, no snapshot",
            next_step="Switch the append-only file on (appendfsync everysec).",
        )
    if health.replicas == 0:
        yield _finding("redis.replicas", Severity.NOTE, "No replica follows this Redis: its disk is all there is.")
    elif health.replicas:
        yield _finding("redis.replicas", Severity.OK, f"{health.replicas} replica(s) follow it")
    if health.memory and health.memory_limit and health.memory > _FULL * health.memory_limit:
        yield _finding(
            "redis.memory",
            Severity.WARNING,
            "Redis is nearly full; when it is, nobody can sign in.",
            expected=f"less than {_FULL:.0%} of maxmemory",
            found=f"{health.memory / health.memory_limit:.0%}",
            next_step="Raise maxmemory.",
        )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())


def clock_of_redis(health: Health, now: datetime) -> Iterator[Finding]:
    """Hold our clock against the server's."""
    off = (health.time - now).total_seconds() + health.round_trip / 2
    size, words = abs(off), f"{abs(off):.1f} s {'behind' if off > 0 else 'ahead of'} the clock of Redis"
    if size <= _DRIFT_NOTICED:
        yield _finding("clock.redis", Severity.OK, "Our clock and that of Redis agree.")
        return
    yield _finding(
        "clock.redis",
        Severity.ERROR if size > _DRIFT_HARMFUL else Severity.WARNING,
        "Our clock and that of Redis differ: one of them is wrong, and messages are refused as too old or too new.",
        expected=f"at most {_DRIFT_NOTICED:.0f} s",
        found=f"ours is {words}",
        next_step="Look at time synchronisation (chronyc tracking, timedatectl) on both machines.",
    )


def return_urls(settings: Settings) -> Iterator[Finding]:
    """Look at the tenant's list of return URLs."""
    try:
        ReturnUrls(settings.allowed_logout_urls)
    except ConfigurationError as error:
        yield of_error("return_urls.wrong", SUBJECT, error)
        return
    if not settings.allowed_logout_urls:
        yield _finding(
            "return_urls.none",
            Severity.NOTE,
            "No return URL is allowed: a logout without client_id ends on our own page.",
            setting="SLO_ALLOWED_LOGOUT_URLS",
        )
    else:
        yield _finding("return_urls.ok", Severity.OK, ", ".join(settings.allowed_logout_urls))
    yield from plain_http(settings.allowed_logout_urls, SUBJECT, "SLO_ALLOWED_LOGOUT_URLS")


def plain_http(entries: tuple[str, ...], subject: str, setting: str) -> Iterator[Finding]:
    """Warn of return URLs without TLS, other than those of this machine."""
    for entry in entries:
        host = entry.partition("://")[2].partition("/")[0].partition(":")[0].lower()
        if entry.lower().startswith("http://") and host not in _LOCAL and not host.endswith(".localhost"):
            yield Finding(
                code="return_urls.plain_http",
                severity=Severity.WARNING,
                subject=subject,
                text="A return URL has no TLS: whoever is on the way can send people elsewhere after a logout.",
                expected="https://…",
                found=entry,
                setting=setting,
                next_step="Name the https address.",
            )


def back_channel(settings: Settings) -> Iterator[Finding]:
    """Look at where the back channel may go beyond public addresses."""
    try:
        Egress(settings.back_channel_allow)
    except ConfigurationError as error:
        yield of_error("egress.setting", SUBJECT, error)
        return
    also = f"; also {', '.join(settings.back_channel_allow)}" if settings.back_channel_allow else ""
    yield _finding("egress.allowed", Severity.OK, f"calls go to public addresses{also}")


def metadata(registry: Registry, folder: Path) -> Iterator[Finding]:
    """Tell what the registry itself says of the files, and whether anybody can sign in."""
    rows = [(problem, Severity.ERROR, "metadata.problem") for problem in registry.problems()]
    rows += [(warning, Severity.WARNING, "metadata.warning") for warning in registry.warnings()]
    for problem, severity, code in rows:
        kept = "; the last good version stays in force" if problem.in_force else ""
        yield Finding(
            code=code,
            severity=severity,
            subject=SUBJECT,
            text=f"{problem.text}{kept}",
            file=str(problem.file),
            line=problem.line,
            next_step="Correct the file; it is read again without a restart."
            if problem.file != folder
            else "`saml-slo connection add` makes it.",
        )
    usable = [connection.name for connection in registry.connections() if connection.enabled]
    usable += [upstream.name for upstream in registry.upstreams() if upstream.enabled]
    if usable:
        yield _finding("metadata.connections", Severity.OK, f"connections in force: {', '.join(sorted(usable))}")
    else:
        yield _finding(
            "metadata.none",
            Severity.WARNING,
            "No connection is in force, so nobody can sign in.",
            file=str(folder / "connections"),
            next_step="`saml-slo connection add NAME --from URL` makes one from an identity provider's metadata.",
        )
