"""The whole examination, part by part; a part that cannot be examined says so and does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from saml_slo.config import Settings
from saml_slo.delivery.back_channel import BackChannel
from saml_slo.delivery.egress import Egress, Resolver, look_up
from saml_slo.diagnosis import installation
from saml_slo.diagnosis.finding import Finding, Severity, of_error
from saml_slo.diagnosis.knowledge import knowledge
from saml_slo.diagnosis.online import knock_application, knock_connection
from saml_slo.diagnosis.own_clock import OwnClock, kept_right
from saml_slo.diagnosis.peers import PeerDoctor
from saml_slo.diagnosis.published import published
from saml_slo.errors import ConfigurationError, SloError
from saml_slo.peers.registry import Registry
from saml_slo.protocol.peer import Application, Connection

_AT_ONCE = 16  # peers


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """Examines one installation. `clock` returns aware UTC; `resolve` looks names up for the egress guard.

    `kept_right` says whether the machine keeps that time right, None where nobody knows.
    """

    settings: Settings
    clock: Callable[[], datetime]
    resolve: Resolver = look_up
    kept_right: Callable[[], bool | None] = kept_right

    def examine(self, names: Iterable[str] = (), *, online: bool = False) -> tuple[Finding, ...]:
        """Return every finding, in a fixed order: the installation, connections, applications.

        With `names` only these connections and applications, without the installation. `online`: ask their servers too.
        """
        settings = self.settings
        registry = Registry(settings.metadata_dir, settings.public_url, copies=settings.copies_dir, now=self.clock)
        wanted = tuple(dict.fromkeys(names))
        findings: list[Finding] = []
        if not wanted:
            findings += self._installation(registry)
        findings += self._peers(registry, wanted, online=online)
        return tuple(findings)

    def _installation(self, registry: Registry) -> Iterator[Finding]:
        settings = self.settings
        parts: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
            ("versions", installation.versions),
            ("settings", lambda: installation.public_url(settings)),
            ("keys", lambda: installation.our_keys(settings, self.clock())),
            ("redis", lambda: installation.redis(settings, self.clock)),
            ("return URLs", lambda: installation.return_urls(settings)),
            ("back channel", lambda: installation.back_channel(settings)),
            ("metadata", lambda: installation.metadata(registry, settings.metadata_dir)),
        )
        for part, look in parts:
            try:
                yield from look()
            except (SloError, OSError) as error:
                yield _unexaminable(part, error)

    def _peers(self, registry: Registry, wanted: tuple[str, ...], *, online: bool) -> Iterator[Finding]:
        peers = self._doctor(registry)
        channel = self._channel() if online else None
        known: set[str] = set()
        looks: list[Callable[[], Iterator[Finding]]] = []

        def look_at(name: str, look: Callable[[], Iterator[Finding]]) -> None:
            known.add(name)
            if not wanted or name in wanted:
                looks.append(look)

        for connection in registry.connections():
            look_at(connection.name, partial(self._connection, peers, channel, connection))
        for upstream in registry.upstreams():
            look_at(upstream.name, partial(peers.upstream, upstream))
        for application in registry.applications():
            look_at(application.client_id, partial(_application, peers, channel, application))
        # Beside each other, because a name server or a peer that hangs takes seconds; told in their order all the same.
        with ThreadPoolExecutor(_AT_ONCE, "doctor") as executor:
            for findings in executor.map(lambda look: tuple(look()), looks):
                yield from findings
        for name in wanted:
            if name not in known:
                yield from _unknown(registry, name, known)

    def _connection(self, peers: PeerDoctor, channel: BackChannel | None, connection: Connection) -> Iterator[Finding]:
        yield from peers.connection(connection)
        if channel is not None:
            yield from knock_connection(channel, connection, OwnClock(self.clock, self.kept_right))
            yield from published(channel, peers.registry.connection_file(connection.name), self.clock())

    def _doctor(self, registry: Registry) -> PeerDoctor:
        try:
            egress = Egress(self.settings.back_channel_allow, resolve=self.resolve)
        except ConfigurationError:
            egress = Egress((), resolve=self.resolve)  # the finding egress.setting says why
        return PeerDoctor(registry=registry, egress=egress, knowledge=knowledge(), now=self.clock())

    def _channel(self) -> BackChannel | None:
        try:
            return BackChannel(allowed_private=self.settings.back_channel_allow, resolve=self.resolve)
        except ConfigurationError:
            return None


def _application(peers: PeerDoctor, channel: BackChannel | None, application: Application) -> Iterator[Finding]:
    yield from peers.application(application)
    if channel is not None:
        yield from knock_application(channel, application)


def _unknown(registry: Registry, name: str, known: set[str]) -> Iterator[Finding]:
    """Say of a name that is none what its file is not in force for, or which names there are."""
    problems = [problem for problem in registry.problems() if problem.file.stem == name]
    for problem in problems:
        yield Finding(
            code="metadata.problem",
            severity=Severity.ERROR,
            subject=name,
            text=problem.text,
            file=str(problem.file),
            line=problem.line,
            next_step="Correct the file; it is read again without a restart.",
        )
    if not problems:
        yield Finding(
            code="peer.unknown",
            severity=Severity.ERROR,
            subject=name[:100],
            text="There is no connection and no application of this name.",
            expected=", ".join(sorted(known))[:500],
            found=name[:100],
            setting="SLO_METADATA_DIR",
            next_step="Look under metadata/connections and metadata/applications.",
        )


def _unexaminable(part: str, error: SloError | OSError) -> Finding:
    if isinstance(error, SloError):
        return of_error("part.unexaminable", part, error, Severity.UNCHECKED)
    return Finding(
        code="part.unexaminable",
        severity=Severity.UNCHECKED,
        subject="installation",
        text=f"The {part} could not be examined.",
        found=error.strerror or type(error).__name__,
        next_step="Run the command as the user that the server runs as.",
    )
