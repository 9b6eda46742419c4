"""The registry: whom we talk to now, from the files under metadata/ (product O1).

Files are the truth. They are read when the registry is made and again when they change; a broken file leaves the last
good record in force and is a problem, a removed file removes its record. Readers take one immutable snapshot, so that a
request never sees half of a change.

Metadata that expires while it is in force (validUntil) disables its connection or application: nothing of that peer is
taken any more (lookup.py), and the record stays, so that sessions from there can still be ended. After a restart
expired metadata is not loaded at all. snapshot.py decides what is in force.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.peers.application_file import ApplicationFile, idp_entity_id, read_application
from saml_slo.peers.connection_file import ConnectionFile, read_connection
from saml_slo.peers.federation_file import FederationFile, read_federation
from saml_slo.peers.folder import Folder
from saml_slo.peers.organisation_file import read_organisation
from saml_slo.peers.problem import Problem
from saml_slo.peers.return_urls import ReturnUrls
from saml_slo.peers.snapshot import Snapshot, take
from saml_slo.peers.upstream_file import UpstreamFile
from saml_slo.protocol.peer import Application, Connection, ServiceProvider
from saml_slo.protocol.policy import Organisation
from saml_slo.protocol.upstream import Upstream
from saml_slo.wire.url import UrlRefusedError, parse

_CHECK_EVERY_SECONDS = 1.0


def _folders(copies: Path | None, kind: str) -> tuple[Path, ...]:
    """Return where the copies of one kind of file lie, and the caches of federations, from which both kinds come."""
    return () if copies is None else (copies / kind, copies / "federations")


def _now() -> datetime:
    return datetime.now(UTC)


class Registry:
    """Looks up connections and applications; every look-up is a dictionary's and safe in any thread.

    `public_url` is ours, without a slash at the end. `copies` is the folder of metadata that was fetched, without which
    nothing is in force that has its metadata from elsewhere. `report` is called once for each problem and warning when
    it appears, in the thread that found it. `now` (aware) judges validity, `monotonic` (seconds) paces `refresh`.

    Raises ConfigurationError for a public_url that is no URL, and never for the state of the files: see `problems`.
    """

    def __init__(
        self,
        metadata_dir: Path,
        public_url: str,
        *,
        copies: Path | None = None,
        report: Callable[[Problem], None] | None = None,
        now: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            parse(public_url)
        except UrlRefusedError as error:
            raise ConfigurationError(f"the public URL cannot be used: {error}", got=ascii(public_url)) from None
        self._metadata_dir = metadata_dir
        self._idp_entity_id = idp_entity_id(public_url)
        self._report = report
        self._now = now
        self._monotonic = monotonic
        self._connections = Folder(
            metadata_dir / "connections",
            read=lambda path: read_connection(path, public_url=public_url, now=now(), copies=copies),
            sources=lambda record: record.sources,
            copies=_folders(copies, "connections"),
        )
        self._applications = Folder(
            metadata_dir / "applications",
            read=lambda path: read_application(path, public_url=public_url, now=now(), copies=copies),
            sources=lambda record: record.sources,
            copies=_folders(copies, "applications"),
        )
        self._organisations = Folder(
            metadata_dir / "organisations", read=read_organisation, sources=lambda record: (record.path,)
        )
        self._federations = Folder(
            metadata_dir / "federations",
            read=lambda path: read_federation(path, now=now(), copies=copies),
            sources=lambda record: record.sources,
            copies=_folders(copies, "federations")[:1],
        )
        self._snapshot = Snapshot()
        self._generation = 0
        self._lock = threading.Lock()
        self._next_check = 0.0
        self.reload()

    def connection(self, name: str) -> Connection | None:
        """Return the connection of this name, enabled or not."""
        return self._snapshot.connections.get(name)

    def connections(self) -> tuple[Connection, ...]:
        """Return all connections in the order of their names, disabled ones too."""
        return tuple(self._snapshot.connections.values())

    def connection_of(self, entity_id: str) -> Connection | None:
        """Return the connection of the identity provider with this entity id, enabled or not."""
        return self._snapshot.connection_of.get(entity_id)

    def members(self, federation: str) -> tuple[Connection, ...]:
        """Return the connections of a federation, enabled or not, which share our endpoints of that name."""
        return self._snapshot.members.get(federation, ())

    def upstream(self, name: str) -> Upstream | None:
        """Return the provider of this name that does not speak SAML, enabled or not."""
        return self._snapshot.upstreams.get(name)

    def upstreams(self) -> tuple[Upstream, ...]:
        """Return all providers that do not speak SAML in the order of their names, disabled ones too."""
        return tuple(self._snapshot.upstreams.values())

    def organisation(self, name: str) -> Organisation | None:
        """Return the organisation of this name."""
        return self._snapshot.organisations.get(name)

    def organisations(self) -> tuple[Organisation, ...]:
        """Return all organisations in the order of their names."""
        return tuple(self._snapshot.organisations.values())

    def federations(self) -> tuple[FederationFile, ...]:
        """Return all federations in the order of their names, those whose aggregate has not been read too."""
        return tuple(self._federations.good().values())

    def connection_file(self, name: str) -> ConnectionFile | None:
        """Return where a connection comes from and until when its metadata is valid."""
        return self._snapshot.connection_files.get(name)

    def application(self, client_id: str) -> Application | None:
        """Return the application with this client_id."""
        file = self._snapshot.applications.get(client_id)
        return file.application if file else None

    def applications(self) -> tuple[Application, ...]:
        """Return all applications in the order of their client_ids."""
        return tuple(file.application for file in self._snapshot.applications.values())

    def service_provider(self, client_id: str) -> ServiceProvider | None:
        """Return the SAML side of an application, enabled or not; None where it has none."""
        file = self._snapshot.applications.get(client_id)
        return file.application.provider if file else None

    def service_providers(self) -> tuple[ServiceProvider, ...]:
        """Return all applications that speak SAML in the order of their client_ids, disabled ones too."""
        providers = (file.application.provider for file in self._snapshot.applications.values())
        return tuple(provider for provider in providers if provider is not None)

    def service_provider_of(self, entity_id: str) -> ServiceProvider | None:
        """Return the application with this entity id, enabled or not."""
        return self._snapshot.provider_of.get(entity_id)

    def application_file(self, client_id: str) -> ApplicationFile | None:
        """Return where an application comes from and until when its metadata is valid."""
        return self._snapshot.applications.get(client_id)

    def return_urls(self, client_id: str) -> ReturnUrls | None:
        """Return the allowed return URLs of an application, None when there is no such application."""
        file = self._snapshot.applications.get(client_id)
        return file.return_urls if file else None

    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong now: files that are not in force, or not in their latest version."""
        return self._snapshot.problems

    def warnings(self) -> tuple[Problem, ...]:
        """Return what is in force and deserves a look, such as a certificate whose date has passed."""
        return (*self._snapshot.warnings, *(told for file in self.federations() for told in file.warnings))

    @property
    def generation(self) -> int:
        """Return a number that grows whenever anything was read: for whoever keeps something of its own by files."""
        return self._generation

    def reload(self) -> None:
        """Read every file again, changed or not."""
        with self._lock:
            self._update(everything=True)

    def take_copies(self) -> None:
        """Read again what changed, our copies of what others publish too: for whoever renews them."""
        with self._lock:
            self._update(everything=False, copies=True)

    def take_new_copies(self) -> bool:
        """Do so if any of them changed since; say whether one had. Cheap enough for once a second."""
        with self._lock:
            is_new = any(folder.has_new_copies() for folder in self._folders())
            if is_new:
                self._update(everything=False, copies=True)
        return is_new

    def refresh(self) -> None:
        """Read again what changed under metadata/.

        Looks at the files at most once a second, so every request may call this.
        """
        moment = self._monotonic()
        if moment < self._next_check or not self._lock.acquire(blocking=False):
            return  # checked a moment ago, or another thread is at it: its result serves the next request
        try:
            self._next_check = moment + _CHECK_EVERY_SECONDS
            self._update(everything=False)
        finally:
            self._lock.release()

    def _folders(self) -> tuple[Folder[Any], ...]:
        return self._federations, self._connections, self._applications, self._organisations

    def _update(self, *, everything: bool, copies: bool = False) -> None:
        now = self._now()
        wall_clock = now.timestamp()
        changed = [
            folder.update(wall_clock=wall_clock, everything=everything, copies=copies) for folder in self._folders()
        ]
        before = self._snapshot
        if not any(changed) and (before.next_expiry is None or now < before.next_expiry):
            return
        self._snapshot = after = self._take(now)
        self._generation += 1
        if self._report:
            known = {*before.problems, *before.warnings}
            for problem in (*after.problems, *after.warnings):
                if problem not in known:
                    self._report(problem)

    def _take(self, now: datetime) -> Snapshot:
        problems = (
            *self._missing_folder(),
            *self._connections.problems(),
            *self._applications.problems(),
            *self._organisations.problems(),
            *self._federations.problems(),
            *(problem for file in self.federations() for problem in file.problems),
        )
        files = self._connections.good()
        return take(
            {name: file for name, file in files.items() if isinstance(file, ConnectionFile)},
            self._applications.good(),
            self._organisations.good(),
            upstream_files={name: file for name, file in files.items() if isinstance(file, UpstreamFile)},
            idp_entity_id=self._idp_entity_id,
            problems=problems,
            now=now,
        )

    def _missing_folder(self) -> list[Problem]:
        if self._metadata_dir.is_dir():
            return []
        text = "there is no such folder, so there are no connections; make it, or name another one in the settings"
        return [Problem(file=self._metadata_dir, line=None, reason=Reason.CONFIGURATION_INVALID, text=text)]
