"""One flat TOML file with known keys: every refusal names the file, the line, what was expected and what to do."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from saml_slo.errors import ConfigurationError

MAX_TOML_BYTES = 64 * 1024
_SHOWN_CHARS = 120
_LINE = re.compile(r"at line ([0-9]+)")

# Takes what TOML has for a key and returns what the record holds, or raises ValueError with what was expected.
Check = Callable[[object], Any]


@dataclass(frozen=True, slots=True)
class TomlFile:
    """The checked values of a file, by key, and the lines they stand on."""

    path: Path
    values: dict[str, Any]
    lines: dict[str, int]

    def error(
        self, key: str, message: str, *, expected: str = "", got: str = "", next_step: str = ""
    ) -> ConfigurationError:
        """Return the error that refuses the file because of one key."""
        return ConfigurationError(
            message,
            file=self.path,
            line=self.lines.get(key),
            expected=expected,
            got=got,
            setting=key,
            next_step=next_step,
        )


def read_toml(path: Path, checks: Mapping[str, Check]) -> TomlFile:
    """Return the values of a file of at most 64 KiB whose keys are those of `checks`, or raise ConfigurationError."""
    text, table = _load(path)
    lines = {key: line for key in table if (line := _line_of(key, text))}
    file = TomlFile(path, {}, lines)
    for key, value in table.items():
        if key not in checks:
            near = get_close_matches(key, checks, n=1)
            raise file.error(
                key,
                f"the key {shown(key)} is not known here",
                expected=", ".join(sorted(checks)),
                next_step=f"Did you mean {near[0]}?" if near else "Remove it, or move it to the file it belongs to.",
            )
        try:
            file.values[key] = checks[key](value)
        except ValueError as error:
            raise file.error(key, f"{key} cannot be used", expected=str(error), got=shown(value)) from None
    return file


def read_limited(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes, or raise ConfigurationError."""
    try:
        # A pipe or device would block or never end, so they are told before they are opened.
        if not path.is_file():
            raise ConfigurationError(
                "there is no such file" if not path.exists() else "this is not a regular file", file=path
            )
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError("the file cannot be read", file=path, got=error.strerror or str(error)) from None
    if len(data) > limit:
        raise ConfigurationError("the file is too large", file=path, expected=f"at most {limit} bytes")
    return data


def shown(value: object) -> str:
    """Return a value from a file as one short line of ASCII."""
    text = ascii(value)
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."


def _load(path: Path) -> tuple[str, dict[str, Any]]:
    data = read_limited(path, MAX_TOML_BYTES)
    try:
        text = data.decode("utf-8-sig")  # editors on Windows put a mark in front
        return text, tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = _LINE.search(str(error))
        at_the_end = data.rstrip().count(b"\n") + 1 if "at end of document" in str(error) else None
        raise ConfigurationError(
            "the file is not TOML",
            file=path,
            line=int(line[1]) if line else at_the_end,
            got=str(error)[:200],
            next_step="Every line is key = value; text stands in quotation marks.",
        ) from None


def _line_of(key: str, text: str) -> int | None:
    """Return the line on which a top-level key or table begins, None where it is written in an unusual way."""
    match = re.search(rf"^[ \t]*\[{{0,2}}[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else None
