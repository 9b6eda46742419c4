"""What is in force of one connection or application, value by value, each with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from saml_slo.errors import ConfigurationError
from saml_slo.peers import coverage
from saml_slo.peers.connection_file import KEYS
from saml_slo.peers.copies import CopyState
from saml_slo.peers.metadata_source import Origin
from saml_slo.peers.peer_file import PeerFile
from saml_slo.peers.preset import read_preset, read_with_preset
from saml_slo.peers.registry import Registry
from saml_slo.peers.toml_file import read_toml
from saml_slo.protocol.peer import Application, ConsumerEndpoint, Endpoint, Peer
from saml_slo.protocol.upstream import Upstream
from saml_slo.wire.certificate_facts import certificate_facts

# What the metadata says of a peer, whatever its file says.
_OF_METADATA = ("entity_id", "single_sign_on", "single_logout", "assertion_consumers")
_CERTIFICATES = ("signing_certificates", "encryption_certificates")
_NESTED = ("provider", "logout")
_SECRETS = ("api_secrets",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value in force. `source`: `file:line` of its key, `preset okta`, `metadata`, `derived` or `default`."""

    name: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate of a peer. `fingerprint` is its SHA-256 in hex."""

    use: str
    fingerprint: str
    key: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """One peer. `logout` says what a logout would use, `give` the URLs that its operator is told.

    `copy` is what is known about metadata that is fetched; `problems` and `warnings` are sentences.
    """

    kind: str
    name: str
    title: str
    enabled: bool
    speaks: str
    entity_id: str
    logout: coverage.Row
    values: tuple[Value, ...]
    certificates: tuple[Certificate, ...] = ()
    give: Mapping[str, str]
    valid_until: datetime | None = None
    cache_duration: int | None = None
    copy: CopyState | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def connection(registry: Registry, metadata_dir: Path, name: str, copy: CopyState | None = None) -> Portrait | None:
    """Return a connection of any kind as it is in force; None where there is none of this name in force."""
    found = registry.connection(name)
    file = registry.connection_file(name)
    if found is None or file is None:
        upstream = registry.upstream(name)
        return None if upstream is None else _upstream(registry, metadata_dir, upstream)
    origin = dict.fromkeys((*_OF_METADATA, *_CERTIFICATES), _metadata_of(file))
    lines = {key: line for key, line in file.lines.items() if key != Origin.URL}  # it says where theirs is, not ours
    origin |= dict.fromkeys(("acs_url", "slo_url", "metadata_url", "name"), "derived")
    if "sp_entity_id" not in file.lines:
        origin["sp_entity_id"] = "derived"
    return Portrait(
        kind="connection",
        name=name,
        title=found.title,
        enabled=found.enabled,
        speaks="saml",
        entity_id=found.entity_id,
        logout=coverage.of_connection(found),
        values=(*_preset_of(file.path, lines), *_values(found, file.path, lines, origin, _preset(file.path))),
        certificates=tuple(_certificates(found)),
        give={"metadata": found.metadata_url, "assertions": found.acs_url, "logout": found.slo_url},
        valid_until=file.valid_until,
        cache_duration=file.cache_duration,
        copy=copy,
        problems=_about(registry.problems(), file.path, file.metadata_path),
        warnings=_about(registry.warnings(), file.path, file.metadata_path),
    )


def _upstream(registry: Registry, metadata_dir: Path, upstream: Upstream) -> Portrait:
    path = metadata_dir / "connections" / f"{upstream.name}.toml"
    try:
        lines: Mapping[str, int] = read_with_preset(path, KEYS).lines
    except ConfigurationError:  # broken since; what it said before is in force
        lines = {}
    return Portrait(
        kind="connection",
        name=upstream.name,
        title=upstream.title,
        enabled=upstream.enabled,
        speaks=str(upstream.kind),
        entity_id="",
        logout=coverage.of_upstream(upstream),
        values=(*_preset_of(path, lines), *_values(upstream, path, lines, {"name": "derived"}, _preset(path))),
        give={},
        problems=_about(registry.problems(), path),
        warnings=_about(registry.warnings(), path),
    )


def application(registry: Registry, client_id: str, today: date, copy: CopyState | None = None) -> Portrait | None:
    """Return an application as it is in force; None where there is none of this client_id in force."""
    found, file = registry.application(client_id), registry.application_file(client_id)
    if found is None or file is None:
        return None
    provider = found.provider
    origin: dict[str, str] = dict.fromkeys(("client_id", "name", "slo_url", "idp_entity_id"), "derived")
    origin |= dict.fromkeys((*_OF_METADATA, *_CERTIFICATES), _metadata_of(file))
    parts: list[Any] = [found, *filter(None, [found.logout, provider])]
    listed: dict[str, Value] = {}
    for part in parts:
        for value in _values(part, file.path, _renamed(file, part), origin, None):
            listed.setdefault(value.name, value)
    give = {} if provider is None else {"metadata": provider.idp_entity_id, "logout": provider.slo_url}
    return Portrait(
        kind="application",
        name=client_id,
        title=found.title,
        enabled=provider is None or provider.enabled,
        speaks="saml" if provider is not None else "",
        entity_id="" if provider is None else provider.entity_id,
        logout=coverage.of_application(found, today),
        values=tuple(listed.values()),
        certificates=() if provider is None else tuple(_certificates(provider)),
        give=give,
        valid_until=file.valid_until,
        cache_duration=file.cache_duration,
        copy=copy,
        problems=_about(registry.problems(), file.path, file.metadata_path),
        warnings=_about(registry.warnings(), file.path, file.metadata_path),
    )


def _metadata_of(file: PeerFile) -> str:
    """Return where a peer's metadata is from: the key that says where to fetch it, else the file itself."""
    for key in (Origin.URL, Origin.MDQ, Origin.FEDERATION):
        if key in file.lines:
            return f"{key} of {file.path}:{file.lines[key]}"
    return str(file.metadata_path)


def _renamed(file: PeerFile, part: object) -> Mapping[str, int]:
    """Return the lines of a file's keys by the names of the fields that they fill."""
    if isinstance(part, Application | Peer):
        return file.lines
    names = {"kind": "logout", "uri": "logout_uri", "waiver": "waiver"}
    return {**file.lines, **{ours: file.lines[key] for ours, key in names.items() if key in file.lines}}


def _values(
    record: Any,  # noqa: ANN401 - any of the records that a file becomes
    path: Path,
    lines: Mapping[str, int],
    origin: Mapping[str, str],
    preset: tuple[str, Mapping[str, Any]] | None,
) -> Iterator[Value]:
    """Yield every field of a record that is not told elsewhere."""
    for each in fields(record):
        if each.name in (*_NESTED, *_CERTIFICATES):
            continue
        value = getattr(record, each.name)
        if each.name in lines:
            source = f"{path}:{lines[each.name]}"
        elif each.name in origin:
            source = origin[each.name]
        elif preset is not None and each.name in preset[1]:
            source = f"preset {preset[0]}"
        else:
            source = "default"
        shown = f"{len(value)} digests, not shown" if each.name in _SECRETS and value else value
        yield Value(name=each.name, value=plain(shown), source=source)


def plain(value: Any) -> Any:  # noqa: ANN401 - values of files and metadata
    """Return a value as JSON has it."""
    if isinstance(value, Endpoint | ConsumerEndpoint):
        return {key: plain(part) for key, part in asdict(value).items() if part is not None}
    if isinstance(value, StrEnum):
        return str(getattr(value, "short", value))
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return {each.name: plain(getattr(value, each.name)) for each in fields(value)}


def words(value: Any) -> str:  # noqa: ANN401 - as above
    """Return a plain value as people read it, a line for each of several."""
    if isinstance(value, list):
        pair = len(value) == len(("name", "template")) and all(isinstance(part, str) for part in value)
        return ("=" if pair else "\n").join(map(words, value)) or "none"
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value in (None, "") else str(value)


def _certificates(peer: Peer) -> Iterator[Certificate]:
    for use in ("signing", "encryption"):
        for der in getattr(peer, f"{use}_certificates", ()):
            facts = certificate_facts(der)
            if facts is not None:
                yield Certificate(
                    use=use,
                    fingerprint=facts.fingerprint,
                    key=facts.key,
                    not_before=facts.not_before,
                    not_after=facts.not_after,
                )


def _preset(path: Path) -> tuple[str, Mapping[str, Any]] | None:
    """Return the preset that a connection's file names, and what it says."""
    try:
        name = read_toml(path, KEYS).values.get("preset")
    except ConfigurationError:
        return None
    return None if name is None else (name, read_preset(name, KEYS))


def _preset_of(path: Path, lines: Mapping[str, int]) -> Iterator[Value]:
    found = _preset(path) if "preset" in lines else None
    if found is not None:
        yield Value(name="preset", value=found[0], source=f"{path}:{lines['preset']}")


def _about(problems: tuple[Any, ...], *places: Path) -> tuple[str, ...]:
    return tuple(str(problem) for problem in problems if problem.file in places)
