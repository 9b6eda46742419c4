"""The copies of all nodes in Redis, and this node's in files: whichever was looked at later is the truth.

What rests in Redis is sealed under a key of the installation, so that only a node of ours can make another node trust
a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from saml_slo.peers.copies import CopyFiles, CopyState, decode_state, read_bounded, replace_file, version_of
from saml_slo.peers.remote_source import Remote
from saml_slo.renewal.verdict import DOCUMENT, PENDING, PREVIOUS
from saml_slo.store.store import Store
from saml_slo.wire.metadata_role import MAX_METADATA_BYTES
from saml_slo.wire.sealed import Sealer

LEASE_MILLISECONDS = 60_000  # longer than a fetch and its verification take


class SharedCopies:
    """Copies by source; `key` (32 bytes) seals what is in Redis."""

    def __init__(self, store: Store, key: bytes) -> None:
        self._store = store
        self._sealer = Sealer(key)

    def states(self, remotes: Sequence[Remote]) -> list[CopyState | None]:
        """Return what the nodes know about each source, None where nobody knows anything about this URL."""
        sealed = self._store.copy_states([remote.key for remote in remotes])
        return [
            self._state(remote, decode_state(self._open(remote.copies, "state", value)))
            for remote, value in zip(remotes, sealed, strict=True)
        ]

    @staticmethod
    def _state(remote: Remote, state: CopyState | None) -> CopyState | None:
        return state if state is not None and state.url == remote.source.url else None

    def lease(self, copies: CopyFiles) -> str | None:
        """Take the lease on a source; None where another node, or process, is at it."""
        return self._store.lease_copy(copies.kind, copies.name, LEASE_MILLISECONDS)

    def release(self, copies: CopyFiles, token: str) -> None:
        """Give a lease back; nothing was changed."""
        self._store.write_copy(copies.kind, copies.name, token, {})

    def write(self, copies: CopyFiles, token: str, state: CopyState, documents: Mapping[str, bytes]) -> bool:
        """Tell all nodes, and keep it here, at the end of a lease; False when the lease was lost, and nothing done."""
        parts = {"state": state.encoded(), **documents}
        sealed = {part: self._seal(copies, part, value) if value else b"" for part, value in parts.items()}
        if not self._store.write_copy(copies.kind, copies.name, token, sealed):
            return False
        keep_here(copies, state, documents)
        return True

    def mirror(self, copies: CopyFiles, state: CopyState) -> bool:
        """Take from the other nodes what this one has not got; False when it cannot be had, and nothing was done."""
        documents = {}
        for part, path, version in _parts(copies, state):
            here = read_bounded(path, MAX_METADATA_BYTES) or b""
            if not version or version_of(here) == version:
                continue
            there = self._open(copies, part, self._store.copy_part(copies.kind, copies.name, part))
            if there is None or version_of(there) != version:
                return False
            documents[part] = there
        keep_here(copies, state, documents)
        return True

    def _seal(self, copies: CopyFiles, part: str, value: bytes) -> bytes:
        return self._sealer.seal(value.decode("latin-1"), _context(copies, part)).encode()

    def _open(self, copies: CopyFiles, part: str, sealed: bytes | None) -> bytes | None:
        opened = None if sealed is None else self._sealer.open(sealed.decode("latin-1"), _context(copies, part))
        return None if opened is None else opened.encode("latin-1")


def documents_here(copies: CopyFiles, state: CopyState) -> dict[str, bytes]:
    """Return the documents of a state that this node has, by part."""
    found = ((part, version, read_bounded(path, MAX_METADATA_BYTES)) for part, path, version in _parts(copies, state))
    return {part: data for part, version, data in found if data is not None and version_of(data) == version}


def _parts(copies: CopyFiles, state: CopyState) -> tuple[tuple[str, Path, str], ...]:
    return (
        (DOCUMENT, copies.document, state.version),
        (PENDING, copies.pending, state.pending),
        (PREVIOUS, copies.previous, state.previous),
    )


def keep_here(copies: CopyFiles, state: CopyState, documents: Mapping[str, bytes]) -> None:
    """Write the files of this node; the state last, because it says which documents are meant."""
    for part, path, _ in _parts(copies, state):
        value = documents.get(part)
        if value:
            replace_file(path, value)
        elif value is not None:
            path.unlink(missing_ok=True)
    replace_file(copies.state, state.encoded())


def _context(copies: CopyFiles, part: str) -> str:
    return f"{copies.kind}/{copies.name}/{part}"
