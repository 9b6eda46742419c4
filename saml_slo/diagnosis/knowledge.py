"""What is known of vendors: how to recognise them, and what their error texts mean. Data in vendors/, one file each.

A file has a title, the presets that are for it, `recognise` (regular expressions for the entity id or an endpoint) and
`[[error]]` tables: `code`, `pattern` (a regular expression, searched without case), `meaning`, `theirs` (what to change
there), `ours` (our setting or command), `source` (where the fact is from) and `example` (a real text).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "vendors"
MAX_TEXT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownError:
    """One error text of a vendor, and what to do about it."""

    vendor: str
    title: str
    code: str
    pattern: re.Pattern[str]
    meaning: str
    theirs: str
    ours: str
    source: str
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One product. `presets`: the best one first; empty where it sends people here only as an application."""

    name: str
    title: str
    presets: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]
    errors: tuple[KnownError, ...]


class Knowledge:
    """Everything in vendors/; made once, in a few milliseconds."""

    def __init__(self, vendors: Iterable[Vendor]) -> None:
        self.vendors = tuple(vendors)

    def recognise(self, entity_id: str, urls: Iterable[str] = ()) -> Vendor | None:
        """Return whose metadata this is, None for nobody known: by its entity id, else by an endpoint."""
        for text in (entity_id, *urls):
            for vendor in self.vendors:
                if any(pattern.search(text) for pattern in vendor.patterns):
                    return vendor
        return None

    def explain(self, text: str) -> tuple[KnownError, ...]:
        """Return every known error in a text, in the order in which they stand there; of equal codes the first."""
        text = text[:MAX_TEXT]
        found = [
            (match.start(), -len(match[0]), error)
            for vendor in self.vendors
            for error in vendor.errors
            if (match := error.pattern.search(text))
        ]
        return tuple(error for _, _, error in sorted(found, key=lambda one: one[:2]))


@cache
def knowledge() -> Knowledge:
    """Return what is known; a mistake in a file is ours, and raises."""
    return Knowledge(_vendor(path) for path in sorted(_FOLDER.glob("*.toml")))


def _vendor(path: Path) -> Vendor:
    data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    title = str(data["title"])
    return Vendor(
        name=path.stem,
        title=title,
        presets=tuple(data.get("presets", ())),
        patterns=tuple(re.compile(pattern, re.IGNORECASE) for pattern in data.get("recognise", ())),
        errors=tuple(
            KnownError(
                vendor=path.stem,
                title=title,
                code=error["code"],
                pattern=re.compile(error["pattern"], re.IGNORECASE),
                meaning=error["meaning"],
                theirs=error.get("theirs", ""),
                ours=error.get("ours", ""),
                source=error["source"],
                example=error["example"],
            )
            for error in data.get("error", ())
        ),
    )
