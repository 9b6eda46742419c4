"""All connections or applications at a glance: what stands where, what needs somebody, and what expires soonest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from saml_slo.house import House
from saml_slo.operations.adding import PeerKind
from saml_slo.peers import coverage
from saml_slo.peers.copies import CopyFiles, CopyState
from saml_slo.peers.peer_file import PeerFile
from saml_slo.protocol.peer import Application, Connection
from saml_slo.protocol.upstream import Upstream
from saml_slo.wire.certificate_facts import CertificateFacts, certificate_facts

# From then on something that expires needs somebody.
SOON = timedelta(days=30)
WAIVER = "waiver"  # what ends, of an application that is not to be told until then


class Standing(StrEnum):
    """Where a peer stands."""

    IN_FORCE = "in force"
    EXPIRED = "expired"  # its metadata is over (validUntil)
    SWITCHED_OFF = "switched off"
    REFUSED = "not in force"  # there is a file, and nothing of it counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One peer. `speaks` is its kind (`saml`, `oidc` …), empty for an application that no metadata describes.

    `certificate_until` is the last signing certificate's end, `problems` how many sentences there are about its files.
    """

    kind: PeerKind
    name: str
    title: str
    entity_id: str = ""
    speaks: str = ""
    standing: Standing
    logout: coverage.Row | None = None
    valid_until: datetime | None = None
    certificate_until: datetime | None = None
    problems: int = 0

    def needs_somebody(self, now: datetime) -> bool:
        """Say whether an operator should look at it."""
        ends = [end for end in (self.valid_until, self.certificate_until) if end is not None]
        blind = self.logout is not None and self.logout.state in coverage.UNCOVERED
        lost = self.standing in (Standing.EXPIRED, Standing.REFUSED)
        return bool(self.problems) or blind or lost or any(end <= now + SOON for end in ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationLine:
    """One federation: how many entities of its aggregate are kept, None where it has not been read yet."""

    name: str
    kept: int | None
    total: int | None
    copy: CopyState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Something that expires. `peer` is a name, empty for what is ours; `what` says which part it is."""

    kind: PeerKind | None
    peer: str
    title: str
    what: str
    at: datetime


def lines(house: House, kind: PeerKind, text: str = "") -> tuple[Line, ...]:
    """Return every peer whose name, title or entity id has `text` in it, in the order of their names.

    Reads nothing but memory. A file of which nothing is in force is a line as well.
    """
    look = _connections if kind is PeerKind.CONNECTION else _applications
    found = {line.name: line for line in look(house)}
    folder = house.settings.metadata_dir / kind.folder
    for problem in house.registry.problems():
        name = problem.file.stem
        if problem.file.parent == folder and problem.file.suffix == ".toml" and name not in found:
            found[name] = Line(kind=kind, name=name, title=name, standing=Standing.REFUSED, problems=1)
    wanted = text.casefold()
    return tuple(
        found[name]
        for name in sorted(found)
        if wanted in f"{name}\n{found[name].title}\n{found[name].entity_id}".casefold()
    )


def _connections(house: House) -> Iterator[Line]:
    counted, now = _problems(house), house.clock()
    for connection in house.registry.connections():
        file = house.registry.connection_file(connection.name)
        yield _line(PeerKind.CONNECTION, connection, coverage.of_connection(connection), file, counted, now)
    folder = house.settings.metadata_dir / PeerKind.CONNECTION.folder
    for upstream in house.registry.upstreams():
        yield _of_upstream(upstream, counted[str(folder / f"{upstream.name}.toml")])


def _applications(house: House) -> Iterator[Line]:
    counted, now = _problems(house), house.clock()
    for application in house.registry.applications():
        file = house.registry.application_file(application.client_id)
        row = coverage.of_application(application, now.date())
        yield _line(PeerKind.APPLICATION, application, row, file, counted, now)


def _line(  # noqa: PLR0917 - what a line is made of
    kind: PeerKind,
    peer: Connection | Application,
    logout: coverage.Row,
    file: PeerFile | None,
    counted: Counter[str],
    now: datetime,
) -> Line:
    saml = peer if isinstance(peer, Connection) else peer.provider
    valid_until = None if file is None else file.valid_until
    over = valid_until is not None and valid_until <= now
    enabled = saml is None or saml.enabled
    signing = () if saml is None else saml.signing_certificates
    ends = [facts.not_after for facts in map(certificate, signing) if facts is not None]
    return Line(
        kind=kind,
        name=logout.name,
        title=peer.title,
        entity_id="" if saml is None else saml.entity_id,
        speaks="" if saml is None else "saml",
        standing=Standing.EXPIRED if over else Standing.IN_FORCE if enabled else Standing.SWITCHED_OFF,
        logout=logout,
        valid_until=valid_until,
        certificate_until=max(ends, default=None),
        problems=0 if file is None else sum(counted[str(path)] for path in {file.path, file.metadata_path}),
    )


def _of_upstream(upstream: Upstream, problems: int) -> Line:
    return Line(
        kind=PeerKind.CONNECTION,
        name=upstream.name,
        title=upstream.title,
        speaks=str(upstream.kind),
        standing=Standing.IN_FORCE if upstream.enabled else Standing.SWITCHED_OFF,
        logout=coverage.of_upstream(upstream),
        problems=problems,
    )


def _problems(house: House) -> Counter[str]:
    return Counter(str(one.file) for one in (*house.registry.problems(), *house.registry.warnings()))


@lru_cache(16_384)
def certificate(der: bytes) -> CertificateFacts | None:
    """Return the facts of a certificate; kept, because pages ask for those of every peer."""
    return certificate_facts(der)


# What expires, and what waits ---------------------------------------------------------------------------------------


def endings(house: House) -> tuple[Ending, ...]:
    """Return every certificate and every metadata document with its end, the soonest first. Reads memory alone."""
    return tuple(sorted(_endings(house), key=lambda one: (one.at, one.peer, one.what)))


def _endings(house: House) -> Iterator[Ending]:
    registry = house.registry
    for connection in registry.connections():
        yield from _of_peer(
            PeerKind.CONNECTION, connection.name, connection.title, registry.connection_file(connection.name)
        )
        yield from _of_certificates(
            PeerKind.CONNECTION, connection.name, connection.title, "signing", connection.signing_certificates
        )
    for application in registry.applications():
        client_id, title = application.client_id, application.title
        yield from _of_peer(PeerKind.APPLICATION, client_id, title, registry.application_file(client_id))
        if application.provider is not None:
            for use in ("signing", "encryption"):
                ders = getattr(application.provider, f"{use}_certificates", ())
                yield from _of_certificates(PeerKind.APPLICATION, client_id, title, use, ders)
        waiver = None if application.logout is None else application.logout.waiver
        if waiver is not None:
            over = datetime.combine(waiver.until + timedelta(days=1), datetime.min.time(), house.clock().tzinfo)
            yield Ending(kind=PeerKind.APPLICATION, peer=client_id, title=title, what=WAIVER, at=over)
    ours = house.keys.current()
    yield from _of_certificates(None, "", "Our own keys", "signing", ours.published_signing)
    yield from _of_certificates(None, "", "Our own keys", "encryption", ours.published_encryption)


def _of_peer(kind: PeerKind, name: str, title: str, file: PeerFile | None) -> Iterator[Ending]:
    if file is not None and file.valid_until is not None:
        yield Ending(kind=kind, peer=name, title=title, what="metadata", at=file.valid_until)


def _of_certificates(
    kind: PeerKind | None, name: str, title: str, use: str, ders: tuple[bytes, ...]
) -> Iterator[Ending]:
    for facts in map(certificate, ders):
        if facts is not None:
            what = f"{use} certificate {facts.short}"
            yield Ending(kind=kind, peer=name, title=title, what=what, at=facts.not_after)


def waiting_metadata(house: House) -> tuple[tuple[PeerKind, str, CopyState], ...]:
    """Return the peers with metadata that waits until an operator accepts it. Looks into one folder for each kind."""
    found = []
    for kind in PeerKind:
        folder = house.settings.copies_dir / kind.folder / "pending"
        for path in sorted(folder.glob("*.xml")):
            state = copy_of(house, kind, path.stem)
            if state is not None and state.pending:
                found.append((kind, path.stem, state))
    return tuple(found)


def federations(house: House) -> tuple[FederationLine, ...]:
    """Return every federation with what is kept of it here."""
    found = []
    for file in house.registry.federations():
        cache = file.cache()
        kept, total = (None, None) if cache is None else (cache.count, cache.facts.total)
        found.append(FederationLine(name=file.name, kept=kept, total=total, copy=file.copies.read_state()))
    return tuple(found)


def copy_of(house: House, kind: PeerKind, name: str) -> CopyState | None:
    """Return what is known of metadata that is fetched; None where it is not."""
    return CopyFiles(house.settings.copies_dir, kind.folder, name).read_state()


def blind(house: House, today: date) -> tuple[coverage.Row, ...]:
    """Return the applications whose people stay signed in after a logout although nobody wants that."""
    rows = (coverage.of_application(application, today) for application in house.registry.applications())
    return tuple(row for row in rows if row.state in coverage.UNCOVERED)
