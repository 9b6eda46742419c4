"""A federation's verified entities in one file of our own, made to be looked at and not to be loaded.

::

    one line:  saml_slo federation 1
    one line of JSON: settings, entities, total, valid_until, cache_duration, size
    index:     for each entity, sorted: SHA-256 of the entity id (32 octets), offset (8), length (4)
    documents: one EntityDescriptor after the other

The file is mapped into memory, so that a process keeps the pages that it has looked at and the kernel may take them
back. It is replaced whole; whoever has the old one mapped goes on reading the old one.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_MAGIC = b"saml_slo federation 1\n"
_ENTRY = struct.Struct(">32sQI")
_MAX_HEADER = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about a cache: `settings` says under which signers and filter it was made (FederationFile)."""

    settings: str
    total: int
    valid_until: datetime | None
    cache_duration: int | None
    ambiguous: tuple[str, ...] = ()


class FederationCache:
    """One cache, mapped. Look-ups are safe in any thread."""

    __slots__ = ("_documents", "_index", "_map", "count", "facts")

    def __init__(self, path: Path) -> None:
        """Map a file; raises OSError when there is none and ValueError when it is not a whole one of ours."""
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        end = self._map.find(b"\n", len(_MAGIC), len(_MAGIC) + _MAX_HEADER)
        if self._map[: len(_MAGIC)] != _MAGIC or end < 0:
            msg = "not a cache of a federation"
            raise ValueError(msg)
        try:
            header = json.loads(self._map[len(_MAGIC) : end])
            self.facts = _facts(header)
            self.count = int(header["entities"])
            size = int(header["size"])
        except (KeyError, TypeError) as error:
            raise ValueError(str(error)) from None
        self._index = end + 1
        self._documents = self._index + self.count * _ENTRY.size
        if len(self._map) != self._documents + size:
            msg = "the cache is cut off"
            raise ValueError(msg)

    def find(self, entity_id: str) -> bytes | None:
        """Return the document of an entity, None where it has none. A binary search: microseconds."""
        wanted = hashlib.sha256(entity_id.encode()).digest()
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            digest, offset, length = self._entry(middle)
            if digest == wanted:
                start = self._documents + offset
                return self._map[start : start + length]
            if digest < wanted:
                low = middle + 1
            else:
                high = middle
        return None

    def documents(self) -> Iterator[bytes]:
        """Yield every document, in no order that means anything."""
        for number in range(self.count):
            _, offset, length = self._entry(number)
            yield self._map[self._documents + offset : self._documents + offset + length]

    def _entry(self, number: int) -> tuple[bytes, int, int]:
        digest, offset, length = _ENTRY.unpack_from(self._map, self._index + number * _ENTRY.size)
        return digest, offset, length


def encode(facts: Facts, entities: Mapping[str, bytes]) -> bytes:
    """Return the content of a cache file."""
    index, documents, offset = [], [], 0
    for entity_id, document in entities.items():
        index.append(_ENTRY.pack(hashlib.sha256(entity_id.encode()).digest(), offset, len(document)))
        documents.append(document)
        offset += len(document)
    header: dict[str, Any] = {
        "settings": facts.settings,
        "entities": len(entities),
        "total": facts.total,
        "valid_until": None if facts.valid_until is None else facts.valid_until.isoformat(),
        "cache_duration": facts.cache_duration,
        "ambiguous": facts.ambiguous[:10],
        "size": offset,
    }
    return b"".join([_MAGIC, json.dumps(header).encode(), b"\n", *sorted(index), *documents])


def _facts(header: dict[str, Any]) -> Facts:
    until = header["valid_until"]
    return Facts(
        settings=str(header["settings"]),
        total=int(header["total"]),
        valid_until=None if until is None else datetime.fromisoformat(until).astimezone(UTC),
        cache_duration=header["cache_duration"],
        ambiguous=tuple(map(str, header["ambiguous"])),
    )


_open: dict[Path, tuple[tuple[int, int, int], FederationCache]] = {}


def open_cache(path: Path) -> FederationCache | None:
    """Return the cache at a path, mapped once for as long as the file is the same; None where there is no good one.

    One that was replaced is let go, with the pages that it held.
    """
    try:
        stat = path.stat()
        stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        held = _open.get(path)
        if held is None or held[0] != stamp:
            held = _open[path] = stamp, FederationCache(path)
    except (OSError, ValueError):
        _open.pop(path, None)
        return None
    return held[1]
