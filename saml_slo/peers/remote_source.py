"""Which files under metadata/ have their metadata from elsewhere: what renewal/ has to fetch, and how it is read.

Read apart from the registry, because a file whose metadata has never come gives no record there.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from saml_slo.peers import application_file, connection_file
from saml_slo.peers.application_file import read_application
from saml_slo.peers.connection_file import read_connection
from saml_slo.peers.copies import CopyFiles
from saml_slo.peers.folder import Folder
from saml_slo.peers.metadata_source import Source, source_of
from saml_slo.peers.preset import read_with_preset
from saml_slo.peers.toml_file import TomlFile, read_toml
from saml_slo.wire.metadata import read_idp_metadata
from saml_slo.wire.metadata_role import RoleMetadata
from saml_slo.wire.metadata_sp import read_sp_metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One file whose metadata is at a URL. `copies` says what kind of file it is, and its name."""

    path: Path
    source: Source
    copies: CopyFiles
    entity_id: str | None
    insecure_http: bool

    @property
    def key(self) -> tuple[str, str]:
        """Return kind and name, which no two have in common."""
        return self.copies.kind, self.copies.name

    def read(self, document: bytes, now: datetime, *, verify: bool = True) -> RoleMetadata:
        """Return what a document says of this peer, or raise ConfigurationError.

        `verify` False is for one that was verified when it was taken, to compare with.
        """
        read = read_idp_metadata if self.copies.kind == "connections" else read_sp_metadata
        return read(
            document,
            self.entity_id,
            now=now,
            insecure_http=self.insecure_http,
            signers=self.source.signers if verify else None,
        )


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    also: tuple[Path, ...]
    remote: Remote | None


class RemoteSources:
    """The files that name a URL, by kind and name."""

    def __init__(self, metadata_dir: Path, copies: Path, *, public_url: str) -> None:
        self._copies = copies
        self._public_url = public_url
        self._lock = threading.Lock()
        self._folders = [
            Folder(metadata_dir / kind, read=self._read, sources=lambda found: (found.path, *found.also))
            for kind in ("connections", "applications")
        ]

    def update(self, now: datetime) -> dict[tuple[str, str], Remote]:
        """Return them as the files are now. A broken one stays as it was; the registry tells what is wrong with it."""
        with self._lock:
            for folder in self._folders:
                folder.update(wall_clock=now.astimezone(UTC).timestamp())
            found = [found.remote for folder in self._folders for found in folder.good().values()]
        return {remote.key: remote for remote in found if remote is not None}

    def check(self, remote: Remote, document: bytes, now: datetime) -> None:
        """Refuse, by a ConfigurationError, a document with which the file would not load.

        Whatever the registry holds against it must be known before it takes the place of one that loads.
        """
        read = read_connection if remote.copies.kind == "connections" else read_application
        read(remote.path, public_url=self._public_url, now=now, copies=self._copies, candidate=document)

    def _read(self, path: Path) -> _Found:
        file = self._toml(path)
        source = source_of(file, self._copies)
        here = tuple(other for other in source.also if other.parent == path.parent)
        if source.copies is None:
            return _Found(path, here, None)
        return _Found(
            path,
            here,
            Remote(
                path=path,
                source=source,
                copies=source.copies,
                entity_id=file.values.get("entity_id"),
                insecure_http=file.values.get("insecure_http", False),
            ),
        )

    @staticmethod
    def _toml(path: Path) -> TomlFile:
        if path.parent.name == "connections":
            return read_with_preset(path, connection_file.KEYS)
        return read_toml(path, application_file.ALL_KEYS)
