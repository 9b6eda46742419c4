"""What is in force at one moment: the good files, less those that contradict each other or have expired.

Messages are told apart by the entity id of their issuer, so among connections, and among applications, one entity id
may be there once, and none of our own (security K233). One entity may be a connection and an application, though: the
two roles have endpoints and keys of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import TypeVar

from saml_slo.errors import Reason
from saml_slo.peers import coverage
from saml_slo.peers.application_file import ApplicationFile
from saml_slo.peers.connection_file import ConnectionFile
from saml_slo.peers.organisation_file import OrganisationFile
from saml_slo.peers.peer_file import PeerFile
from saml_slo.peers.problem import Problem
from saml_slo.peers.upstream_file import UpstreamFile
from saml_slo.protocol.peer import Application, Connection, Peer, ServiceProvider
from saml_slo.protocol.policy import Organisation
from saml_slo.protocol.upstream import Upstream

P = TypeVar("P", bound=Peer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Records by name (client_id) and by entity id, and what is to be told about them."""

    connections: Mapping[str, Connection] = field(default_factory=dict)
    connection_files: Mapping[str, ConnectionFile] = field(default_factory=dict)
    connection_of: Mapping[str, Connection] = field(default_factory=dict)
    members: Mapping[str, tuple[Connection, ...]] = field(default_factory=dict)
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    organisations: Mapping[str, Organisation] = field(default_factory=dict)
    applications: Mapping[str, ApplicationFile] = field(default_factory=dict)
    provider_of: Mapping[str, ServiceProvider] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    next_expiry: datetime | None = None


def take(
    connection_files: Mapping[str, ConnectionFile],
    application_files: Mapping[str, ApplicationFile],
    organisation_files: Mapping[str, OrganisationFile],
    *,
    upstream_files: Mapping[str, UpstreamFile],
    idp_entity_id: str,
    problems: tuple[Problem, ...],
    now: datetime,
) -> Snapshot:
    """Return what is in force at `now`; `problems` are those of the files by themselves, which go on before ours."""
    ours = {idp_entity_id}
    for file in connection_files.values():
        ours |= {file.connection.sp_entity_id, file.connection.metadata_url}
    organisations = {name: file.organisation for name, file in organisation_files.items()}
    judge = _Judge(ours, organisations, now)

    connections: dict[str, Connection] = {}
    connection_of: dict[str, Connection] = {}
    members: dict[str, tuple[Connection, ...]] = {}
    for name, file in connection_files.items():
        if file.federation is not None and file.federation in connection_files:
            judge.same_name(file, file.federation)
            continue
        if connection := judge.in_force(file, file.connection, connection_of, "connection", "identity provider"):
            organisation = judge.organisation(file, connection.organisation)
            if organisation != connection.organisation:
                connection = replace(connection, organisation=organisation)
            connections[name] = connection_of[connection.entity_id] = connection
            if file.federation is not None:
                members[file.federation] = (*members.get(file.federation, ()), connection)

    upstreams = {
        name: replace(file.upstream, organisation=judge.organisation(file, file.upstream.organisation))
        for name, file in upstream_files.items()
    }

    applications, provider_of = _applications(application_files, judge, connections)
    return Snapshot(
        connections=connections,
        connection_files={name: connection_files[name] for name in connections},
        connection_of=connection_of,
        members=members,
        upstreams=upstreams,
        organisations=organisations,
        applications=applications,
        provider_of=provider_of,
        problems=(
            *problems,
            *(problem for name in connections for problem in connection_files[name].problems),
            *(problem for app in applications.values() for problem in app.problems),
            *judge.problems,
        ),
        warnings=(
            *(warning for name in connections for warning in connection_files[name].warnings),
            *(warning for app in applications.values() for warning in app.warnings),
            *judge.warnings,
        ),
        next_expiry=min(judge.expiries, default=None),
    )


def _applications(
    files: Mapping[str, ApplicationFile], judge: _Judge, connections: Mapping[str, Connection]
) -> tuple[dict[str, ApplicationFile], dict[str, ServiceProvider]]:
    """Return the applications in force, and those that speak SAML by entity id."""
    applications: dict[str, ApplicationFile] = {}
    provider_of: dict[str, ServiceProvider] = {}
    for name, app in files.items():
        provider = app.application.provider
        if provider is not None:
            provider = judge.in_force(app, provider, provider_of, "application", "application")
            if provider is None:
                continue
            provider_of[provider.entity_id] = provider
        application = judge.application(app, replace(app.application, provider=provider))
        judge.connection(app, application, connections)
        applications[name] = replace(app, application=application)
    return applications, provider_of


class _Judge:
    """Says of one peer after the other whether it is in force, and keeps what there is to tell."""

    def __init__(self, ours: set[str], organisations: Mapping[str, Organisation], now: datetime) -> None:
        self._ours = ours
        self._organisations = organisations
        self._now = now
        self._client_of: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.expiries: list[datetime] = []

    def in_force(self, file: PeerFile, peer: P, taken: Mapping[str, P], kind: str, whose: str) -> P | None:
        """Return the peer, disabled where its metadata has expired; None where its entity id cannot be its own."""
        if conflict := self._conflict(peer, taken, kind, whose):
            self._tell(file, conflict, line=file.lines.get("entity_id"))
            return None
        if file.valid_until is None:
            return peer
        if file.valid_until > self._now:
            self.expiries.append(file.valid_until)
            return peer
        end = f"{file.valid_until:%Y-%m-%d %H:%M:%S} UTC"
        self._tell(file, f"the metadata expired at {end}: the {kind} is disabled")
        return replace(peer, enabled=False)

    def same_name(self, file: PeerFile, federation: str) -> None:
        """Tell that a member of a federation cannot be in force, because a connection has the federation's name."""
        text = f"connection {federation} has the name of this one's federation, and with it the URLs: it is not loaded"
        self._tell(file, f"{text}; rename one of the two", line=file.lines.get("federation"))

    def organisation(self, file: PeerFile, name: str | None) -> str | None:
        """Return the organisation that a peer names; None, and a warning, where there is no such one."""
        if name is None or name in self._organisations:
            return name
        self._warn(file, "organisation", f"organisation {name} is not there: this file is treated as if it named none")
        return None

    def connection(
        self, file: ApplicationFile, application: Application, connections: Mapping[str, Connection]
    ) -> None:
        """Warn of an application whose people sign in through a connection that is not there."""
        name = application.connection
        if name is not None and name not in connections:
            text = f"connection {name} is not in force, so nobody can sign in to this application"
            self._warn(file, "connection", text)

    def application(self, file: ApplicationFile, application: Application) -> Application:
        """Return an application as it is in force, less what is another one's, and warn if nobody can tell it."""
        row = coverage.of_application(application, self._now.astimezone(UTC).date())
        if row.state is coverage.State.WAIVED and row.until is not None:
            # The next look at it is due on the day after its last.
            self.expiries.append(datetime.combine(row.until + timedelta(days=1), time(), UTC))
        if row.state is coverage.State.WAIVER_OVER:
            text = (
                f"the waiver ended with {row.until}: people stay signed in there after a logout; name a logout method"
            )
            self._warn(file, "waived_until", text)
        if row.state is coverage.State.BLIND:
            text = "it cannot be told of a logout, because its metadata has no SingleLogoutService that we speak"
            self._warn(file, "", f"{text}; name another method with logout, or a dated waiver")
        return replace(
            application,
            organisation=self.organisation(file, application.organisation),
            proxy_origins=tuple(origin for origin in application.proxy_origins if self._is_free(file, origin)),
        )

    def _is_free(self, file: ApplicationFile, origin: str) -> bool:
        """Say whether no other application has an origin: the cookie there can be that of one only."""
        client_id = file.application.client_id
        owner = self._client_of.setdefault(origin, client_id)
        if owner != client_id:
            text = f"application {owner} has the proxy origin {origin} already: it does not count here"
            place = file.lines.get("proxy_origins")
            self.problems.append(Problem(file=file.path, line=place, reason=Reason.CONFIGURATION_INVALID, text=text))
        return owner == client_id

    def _conflict(self, peer: P, taken: Mapping[str, P], kind: str, whose: str) -> str | None:
        if peer.entity_id in self._ours:
            return f"the {whose} has one of our own entity ids, {peer.entity_id!a}: it is not loaded"
        if other := taken.get(peer.entity_id):
            return (
                f"{kind} {other.name} has the entity id {peer.entity_id!a} already: this one is not loaded; "
                f"remove one of the two, or give this one the metadata of another {whose}"
            )
        return None

    def _tell(self, file: PeerFile, text: str, *, line: int | None = None) -> None:
        self.problems.append(Problem(file=file.path, line=line, reason=Reason.METADATA_INVALID, text=text))

    def _warn(self, file: PeerFile, key: str, text: str) -> None:
        place = file.lines.get(key)
        self.warnings.append(Problem(file=file.path, line=place, reason=Reason.CONFIGURATION_INVALID, text=text))
