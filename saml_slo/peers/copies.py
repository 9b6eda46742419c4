"""Our copies of metadata that others publish: verified documents as files, and what is known about each.

Under the folder that the registry is given (`<data_dir>/fetched`), for each kind of file that may name a source
(`connections`, `applications`, `federations`)::

    <kind>/<name>.xml            the document in force
    <kind>/<name>.json           what is known about it (`CopyState`)
    <kind>/pending/<name>.xml    one that waits until an operator accepts what changed
    <kind>/previous/<name>.xml   the one before, to which an operator may go back

Every file is replaced whole. The state names the SHA-256 of the document that it is about, so that a crash between the
two leaves a document that is not believed and is fetched again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from saml_slo.errors import ConfigurationError

_MAX_STATE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyState:
    """What is known about the metadata at one URL. Times are seconds since 1970, 0 for never.

    `version`, `pending` and `previous` are the SHA-256 of documents in hex, empty where there is none. `changes` are
    the sentences that an operator is asked about. `failures` counts those in a row, `failure` is the last one's
    sentence; `refused`: something came, and it was not taken. `hold`: an operator went back to the previous document,
    so whatever differs from it waits.
    """

    url: str
    version: str = ""
    etag: str = ""
    last_modified: str = ""
    fetched_at: int = 0
    checked_at: int = 0
    next_at: int = 0
    failures: int = 0
    failure: str = ""
    refused: bool = False
    pending: str = ""
    changes: tuple[str, ...] = ()
    previous: str = ""
    hold: bool = False

    def encoded(self) -> bytes:
        """Return the state as JSON."""
        return json.dumps(asdict(self)).encode()


def decode_state(data: bytes | None) -> CopyState | None:
    """Return a state that `encoded` made; None for anything else."""
    try:
        fields = json.loads(data or b"")
        return CopyState(**{**fields, "changes": tuple(fields["changes"])})
    except (ValueError, TypeError, KeyError):
        return None


def version_of(document: bytes) -> str:
    """Return what a state calls a document."""
    return hashlib.sha256(document).hexdigest()


@dataclass(frozen=True, slots=True)
class CopyFiles:
    """Where the copies of one source lie."""

    folder: Path
    kind: str
    name: str

    @property
    def document(self) -> Path:
        """Return the path of the document in force."""
        return self.folder / self.kind / f"{self.name}.xml"

    @property
    def state(self) -> Path:
        """Return the path of the state."""
        return self.folder / self.kind / f"{self.name}.json"

    @property
    def pending(self) -> Path:
        """Return the path of the document that waits."""
        return self.folder / self.kind / "pending" / f"{self.name}.xml"

    @property
    def previous(self) -> Path:
        """Return the path of the document before."""
        return self.folder / self.kind / "previous" / f"{self.name}.xml"

    def all(self) -> tuple[Path, ...]:
        """Return every path that may be there."""
        return self.document, self.state, self.pending, self.previous

    def read_state(self) -> CopyState | None:
        """Return what is known, None where nothing can be read."""
        return decode_state(read_bounded(self.state, _MAX_STATE_BYTES))


def read_bounded(path: Path, limit: int) -> bytes | None:
    """Return the content of a file of ours; None where there is none, or it is larger than any that we wrote."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError:
        return None
    return data if len(data) <= limit else None


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; several processes may do so at once. Raises ConfigurationError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.draft")
    try:
        _make(path.parent)
        try:
            draft.unlink(missing_ok=True)  # of a process before this one that had its number
            with draft.open("xb") as file:  # a link that somebody put there is not followed
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                _give_away(file.fileno(), path.parent)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None


def _make(folder: Path) -> None:
    """Make a folder and those above it."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    made = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _give_away(made, folder.parent)
    finally:
        os.close(made)


def _give_away(opened: int, folder: Path) -> None:
    """Give what root made, by its descriptor, to whoever owns its folder: the server must be able to replace it."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(opened, owner.st_uid, owner.st_gid)


def cannot_write(path: Path, error: OSError) -> ConfigurationError:
    """Return the error that says in words that nothing can be written there."""
    return ConfigurationError(
        "our copy of this metadata cannot be written",
        file=path,
        got=error.strerror or str(error),
        setting="SLO_DATA_DIR",
        next_step="Let the server write there, and make room on the disk.",
    )
