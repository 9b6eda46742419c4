"""Connections, applications, organisations and federations as one JSON document, without secrets; and back, whole.

::

    {
        "format": "saml_slo/1",
        "made_at": "…",
        "version": "0.1.0",
        "left_out": ["…"],
        "files": {"connections/acme.toml": {"text": "…"}, "connections/acme.xml": {"base64": "…"}},
    }

Secrets have no place in it: digests of API secrets are taken out of the applications' files, whatever holds a private
key is left out, and `left_out` says so. What is fetched from elsewhere stays where it is; only its address is in.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from saml_slo import __version__
from saml_slo.config import Settings
from saml_slo.errors import ConfigurationError
from saml_slo.operations.draft import Draft
from saml_slo.peers.toml_file import shown
from saml_slo.wire.metadata_role import MAX_METADATA_BYTES

FORMAT = "saml_slo/1"
FOLDERS = ("connections", "applications", "organisations", "federations")
MAX_BUNDLE_BYTES = 256 * 1024 * 1024
_SUFFIXES = (".toml", ".xml", ".crt", ".pem")
_NAME = re.compile(
    rf"(?:{'|'.join(FOLDERS)})/[A-Za-z0-9][A-Za-z0-9._-]{{0,150}}(?:{'|'.join(map(re.escape, _SUFFIXES))})"
)
_SECRET_KEYS = ("api_secrets",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A bundle. `left_out`: what is not in it, and why, one sentence each."""

    files: Mapping[str, bytes]
    left_out: tuple[str, ...]

    def encoded(self, now: datetime) -> bytes:
        """Return the document, with a line for each file so that two can be compared."""
        files = {name: _entry(content) for name, content in sorted(self.files.items())}
        document = {
            "format": FORMAT,
            "made_at": now.isoformat(timespec="seconds"),
            "version": __version__,
            "left_out": list(self.left_out),
            "files": files,
        }
        return json.dumps(document, indent=1, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What a bundle would do: new files, replaced ones, and those that are here in the same words."""

    draft: Draft
    new: tuple[str, ...]
    replaced: tuple[str, ...]
    same: tuple[str, ...]
    left_out: tuple[str, ...]


def export(settings: Settings) -> Exported:
    """Return everything that operators wrote under metadata/, without secrets."""
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    for folder in FOLDERS:
        for path in sorted((settings.metadata_dir / folder).glob("*")):
            name = f"{folder}/{path.name}"
            if not path.is_file() or path.name.startswith(".") or path.suffix not in _SUFFIXES:
                continue
            why, content = _without_secrets(name, path)
            if why:
                left_out.append(f"{name}: {why}")
            if content is not None:
                files[name] = content
    return Exported(files=files, left_out=tuple(left_out))


def _without_secrets(name: str, path: Path) -> tuple[str, bytes | None]:
    """Return why something of a file is left out, and what remains of it."""
    if not _NAME.fullmatch(name):
        return "its name cannot be taken elsewhere", None
    if path.stat().st_size > MAX_METADATA_BYTES:
        return "it is too large for metadata of one peer; save the aggregate there by itself", None
    content = path.read_bytes()
    if b"PRIVATE KEY" in content:
        return "it holds a private key", None
    return _without_keys(content) if path.suffix == ".toml" else ("", content)


def _without_keys(content: bytes) -> tuple[str, bytes | None]:
    """Return the same of a TOML file, whose comments stay."""
    try:
        document = tomlkit.parse(content.decode("utf-8-sig"))
    except (TOMLKitError, UnicodeDecodeError):
        return "it is not TOML, so secrets in it could not be told", None
    secret = [key for key in _SECRET_KEYS if key in document]
    if not secret:
        return "", content
    for key in secret:
        del document[key]
    return f"{', '.join(secret)} stay here; `saml-slo secret api` makes new ones", tomlkit.dumps(document).encode()


def read(settings: Settings, data: bytes, *, replace: bool = False) -> Import:
    """Return what a bundle would do here, or raise ConfigurationError for one that is none.

    A file that is here and says something else is refused unless `replace`; then the API secrets of an application
    that is here stay as they are.
    """
    files = _files(data)
    new, replaced, same, refused = [], [], [], []
    written: dict[str, bytes | None] = {}
    for name, content in files.items():
        here = settings.metadata_dir / name
        if not here.exists():
            new.append(name)
            written[name] = content
            continue
        merged = _keeping_secrets(here, content)
        if merged == here.read_bytes():
            same.append(name)
        elif replace:
            replaced.append(name)
            written[name] = merged
        else:
            refused.append(name)
    if refused:
        raise ConfigurationError(
            f"{len(refused)} files are here already with another content, so nothing was imported",
            got=", ".join(refused[:20]),
            next_step="Add --replace to take those of the bundle.",
        )
    told = json.loads(data).get("left_out", [])
    return Import(
        draft=Draft(written),
        new=tuple(new),
        replaced=tuple(replaced),
        same=tuple(same),
        left_out=tuple(text for text in told if isinstance(text, str)) if isinstance(told, list) else (),
    )


def _files(data: bytes) -> dict[str, bytes]:
    try:
        document = json.loads(data)
        entries = document["files"] if document["format"] == FORMAT else None
    except (ValueError, TypeError, KeyError, RecursionError):
        entries = None
    if not isinstance(entries, dict):
        raise ConfigurationError(
            "this is no bundle", expected=f"what `saml-slo export` writes, of the format {FORMAT}", got=shown(data[:60])
        )
    return {_checked(name): _content(name, entry) for name, entry in entries.items()}


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            "the bundle names a file that has no place here",
            expected=f"a name in {', '.join(FOLDERS)} that ends in {', '.join(_SUFFIXES)}",
            got=shown(name),
        )
    return name


def _content(name: str, entry: Any) -> bytes:  # noqa: ANN401 - whatever the JSON has there
    content: bytes | None = None
    if isinstance(entry, dict) and isinstance(entry.get("text"), str):
        content = _encoded(entry["text"])
    elif isinstance(entry, dict) and isinstance(entry.get("base64"), str):
        try:
            content = base64.b64decode(entry["base64"], validate=True)
        except ValueError:  # no base64, or no ASCII
            content = None
    if content is None or len(content) > MAX_METADATA_BYTES or b"PRIVATE KEY" in content:
        raise ConfigurationError(
            "a file of the bundle cannot be used",
            expected=f"text or base64, at most {MAX_METADATA_BYTES} bytes, and no private key",
            got=shown(name),
        )
    return content


def _encoded(text: str) -> bytes | None:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a pair, which JSON can say and UTF-8 cannot
        return None


def _entry(content: bytes) -> dict[str, str]:
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _keeping_secrets(here: Path, content: bytes) -> bytes:
    """Return a file of the bundle with the secrets that the file here has, where the bundle's has none."""
    if here.suffix != ".toml":
        return content
    try:
        ours, theirs = (tomlkit.parse(text.decode("utf-8-sig")) for text in (here.read_bytes(), content))
    except (TOMLKitError, UnicodeDecodeError):
        return content  # the registry says what is wrong with it
    kept = [key for key in _SECRET_KEYS if key in ours and key not in theirs]
    if not kept:
        return content
    stripped = tomlkit.parse(here.read_text(encoding="utf-8-sig"))
    for key in kept:
        del stripped[key]
    if tomlkit.dumps(stripped).encode() == content:
        return here.read_bytes()  # nothing else differs: the file stays as it is written
    for key in kept:
        # Before the first table, or it would be a key of that.
        theirs = tomlkit.parse(tomlkit.dumps({key: ours[key].unwrap()}) + tomlkit.dumps(theirs))
    return tomlkit.dumps(theirs).encode()
