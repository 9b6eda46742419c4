"""Copies that nobody reads any more: their connection, application or federation was removed from this node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from saml_slo.peers.copies import CopyFiles

_KINDS = ("connections", "applications", "federations")
_SUFFIXES = (".json", ".xml", ".cache", ".lock")
_DAY = 86_400  # seconds that a file may be away: folders are exchanged, and the last good copy is worth something


@dataclass(frozen=True, slots=True)
class Orphans:
    """Removes the copies under `copies` of which no file under `metadata` has been there for a day."""

    metadata: Path
    copies: Path
    _since: dict[tuple[str, str], int] = field(default_factory=dict)

    def sweep(self, now: int) -> int:
        """Look once, at `now` (seconds since 1970); return how many peers' copies went. What cannot go stays."""
        alone = set(self._alone())
        for gone in self._since.keys() - alone:
            del self._since[gone]
        over = [one for one in alone if now - self._since.setdefault(one, now) >= _DAY]
        for kind, name in over:
            folder = self.copies / kind
            others = (folder / f"{name}{suffix}" for suffix in _SUFFIXES)
            for path in (*CopyFiles(self.copies, kind, name).all(), *others):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        return len(over)

    def _alone(self) -> Iterator[tuple[str, str]]:
        for kind in _KINDS:
            here = self.metadata / kind
            if here.is_dir():  # a folder that is not mounted says nothing about its files
                with suppress(OSError):
                    names = {path.stem for path in here.iterdir() if path.suffix == ".toml"}
                    for path in (self.copies / kind).iterdir():
                        if path.suffix in _SUFFIXES and not path.name.startswith(".") and path.stem not in names:
                            yield kind, path.stem
