"""One folder of TOML files and what was made of each: reads again what changed, keeps the last good record of the rest.

A file is known by its times (that of its mode and owner too: a file that could not be read may be readable now), size
and inode. A file that was written within the last moments may change once more without any of them changing, because
the clock of a file system is coarse; so it is read again until it has rested.

Our own copies of what others publish lie in folders of their own (copies.py). They are replaced whole, so they rest at
once, and are looked at only when whoever replaced them says so: reading a new one is not a request's work.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from saml_slo.errors import ConfigurationError
from saml_slo.peers.problem import Problem, problem_of

Record = TypeVar("Record")

_REST_SECONDS = 2.0
_SUFFIXES = (".toml", ".xml", ".crt", ".pem")
_COPY_SUFFIXES = (".xml", ".json", ".cache")


class _Stamp(NamedTuple):
    modified: int
    changed: int
    size: int
    inode: int
    rested: bool


@dataclass(frozen=True, slots=True)
class _Held(Generic[Record]):
    """What one TOML file gave: the stamps of all files it was read from, the last good record, the problem if any."""

    stamps: tuple[_Stamp | None, ...]
    good: Record | None
    problem: Problem | None


class Folder(Generic[Record]):
    """The records of one folder by file stem. Not thread-safe: the registry calls it under its lock.

    `read` makes a record of a TOML file or raises ConfigurationError. `sources` names all files a record came from;
    `copies` are the folders in which those that are our own copies lie.
    """

    def __init__(
        self,
        path: Path,
        *,
        read: Callable[[Path], Record],
        sources: Callable[[Record], tuple[Path, ...]],
        copies: tuple[Path, ...] = (),
    ) -> None:
        self._path = path
        self._copies = copies
        self._read = read
        self._sources = sources
        self._listing: dict[Path, _Stamp] = {}
        self._copied: dict[Path, _Stamp] = {}
        self._copies_changed: tuple[int, ...] = ()
        self._held: dict[str, _Held[Record]] = {}
        self._unreadable: Problem | None = None

    def update(self, *, wall_clock: float, everything: bool = False, copies: bool = False) -> bool:
        """Read what changed since the last time; say whether anything was read. `wall_clock`: seconds since 1970.

        `copies`: look at our copies as well.
        """
        try:
            if copies or everything:
                self._copies_changed = _changed(self._copies)  # before, so that what comes meanwhile is noticed
                self._copied = _list_copies(self._copies)
            listing = _list(self._path, wall_clock) | self._copied
        except OSError as error:
            unreadable = ConfigurationError("the folder cannot be read", got=error.strerror or str(error))
            problem = problem_of(unreadable, self._path, in_force=bool(self._held))
            changed, self._unreadable = problem != self._unreadable, problem
            return changed
        known = listing == self._listing and self._unreadable is None
        if known and not everything and all(stamp.rested for stamp in listing.values()):
            return False
        self._listing, self._unreadable = listing, None
        names = sorted(path.stem for path in listing if path.suffix == ".toml")
        self._held = {name: self._hold(name, keep=not everything) for name in names}
        return True

    def has_new_copies(self) -> bool:
        """Say whether a copy came, changed or went since they were looked at; cheap, however many there are."""
        return _changed(self._copies) != self._copies_changed

    def good(self) -> Mapping[str, Record]:
        """Return the record in force of each file that ever gave one, sorted by name."""
        return {name: held.good for name, held in self._held.items() if held.good is not None}

    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong with files of this folder as they are now."""
        found = [held.problem for held in self._held.values() if held.problem]
        return (self._unreadable, *found) if self._unreadable else tuple(found)

    def _hold(self, name: str, *, keep: bool) -> _Held[Record]:
        held = self._held.get(name)
        if keep and held and self._is_current(held):
            return held
        path = self._path / f"{name}.toml"
        try:
            record = self._read(path)
        except ConfigurationError as error:
            good = held.good if held else None
            return _Held((), good, problem_of(error, path, in_force=good is not None))
        return _Held(self._stamps(record), record, None)

    def _is_current(self, held: _Held[Record]) -> bool:
        if held.good is None or held.problem or held.stamps != self._stamps(held.good):
            return False
        return all(stamp is not None and stamp.rested for stamp in held.stamps)

    def _stamps(self, record: Record) -> tuple[_Stamp | None, ...]:
        return tuple(self._listing.get(path) for path in self._sources(record))


def _list(path: Path, wall_clock: float, suffixes: tuple[str, ...] = _SUFFIXES) -> dict[Path, _Stamp]:
    """Return the stamps of all files that count; an absent folder is an empty one. Hidden files are editors' own."""
    found: dict[Path, _Stamp] = {}
    try:
        entries = os.scandir(path)
    except FileNotFoundError:
        return found
    with entries:
        for entry in entries:
            if entry.name.endswith(suffixes) and not entry.name.startswith("."):
                found[path / entry.name] = _stamp(entry, wall_clock)
    return found


def _changed(folders: tuple[Path, ...]) -> tuple[int, ...]:
    """Return when each folder last changed: a copy is replaced whole, by another file of its name."""
    moments = []
    for folder in folders:
        try:
            moments.append(folder.stat().st_mtime_ns)
        except OSError:
            moments.append(0)
    return tuple(moments)


def _list_copies(folders: tuple[Path, ...]) -> dict[Path, _Stamp]:
    found: dict[Path, _Stamp] = {}
    for folder in folders:
        with suppress(OSError):  # as if there were none: whoever needs one says so
            found |= _list(folder, 0.0, _COPY_SUFFIXES)
    return {path: stamp._replace(rested=True) for path, stamp in found.items()}


def _stamp(entry: "os.DirEntry[str]", wall_clock: float) -> _Stamp:
    try:
        stat = entry.stat()  # of what a link leads to
    except OSError:
        return _Stamp(0, 0, 0, 0, rested=True)  # a link to nothing: reading it says so
    rested = abs(wall_clock - stat.st_ctime) > _REST_SECONDS
    return _Stamp(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, rested)
