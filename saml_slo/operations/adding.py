"""A new connection or application: from a document, a URL or settings alone to a draft of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from saml_slo.config import Settings
from saml_slo.delivery.back_channel import BackChannel
from saml_slo.delivery.failure import Why
from saml_slo.diagnosis.knowledge import knowledge
from saml_slo.errors import ConfigurationError
from saml_slo.operations.draft import Draft, Fetch
from saml_slo.peers import coverage, values
from saml_slo.peers.application_file import CLIENT_ID
from saml_slo.peers.metadata_source import Origin
from saml_slo.peers.registry import Registry
from saml_slo.peers.toml_file import read_limited, shown
from saml_slo.peers.values import CONNECTION_NAME
from saml_slo.protocol.method import APPLICATION_METHODS
from saml_slo.renewal.fetch import FetchFailed, fetch
from saml_slo.wire.metadata import read_idp_metadata
from saml_slo.wire.metadata_role import MAX_METADATA_BYTES

_FETCH_ADVICE: Mapping[Why | None, str] = {
    Why.EGRESS: "If the address is right, list its host or network in the setting.",
    Why.TLS: "If the address is right, let this machine trust the CA of its certificate (update-ca-certificates).",
    Why.DNS: "Correct the name, or look it up on this machine.",
    Why.REFUSED: "Correct the address, or look whether that server runs and a firewall is in between.",
    Why.TIMEOUT: "Look whether that server runs and a firewall is in between.",
}


class PeerKind(StrEnum):
    """The two kinds of peers, by the word of the command; their folders are the plural."""

    CONNECTION = "connection"
    APPLICATION = "application"

    @property
    def folder(self) -> str:
        """Return the folder under metadata/."""
        return f"{self}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What an operator gave: a document, the URL that it was read from (it stays the source), and keys of the file.

    `preset` None: the one that fits, where the metadata is of a known vendor; `none` for none. `comment` is the first
    line of the file.
    """

    name: str
    document: bytes | None = None
    url: str = ""
    preset: str | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """The draft of a new peer. `recognised` is the vendor's name and `guessed` the preset that was taken for it."""

    kind: PeerKind
    name: str
    draft: Draft
    recognised: str = ""
    guessed: str = ""


def parse_key(text: str) -> tuple[str, Any]:
    """Return `key=value` with the value as TOML has it; what is no TOML value is a text."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise ConfigurationError("this is no setting", expected="key=value", got=shown(text))
    try:
        return key.strip(), tomlkit.parse(f"value = {value}").unwrap()["value"]
    except TOMLKitError:
        return key.strip(), value


def fetcher(settings: Settings, known: Mapping[str, bytes] | None = None) -> Fetch:
    """Return what fetches metadata as the server does, behind the same guard; `known` holds what was fetched before."""
    have = dict(known or {})
    channel = BackChannel(allowed_private=settings.back_channel_allow, max_bytes=MAX_METADATA_BYTES)

    def get(url: str) -> bytes:
        if url not in have:
            try:
                fetched = fetch(channel, url)
            except FetchFailed as failure:
                raise ConfigurationError(
                    f"the metadata could not be fetched: {failure}",
                    got=shown(url),
                    setting="SLO_BACK_CHANNEL_ALLOW" if failure.why is Why.EGRESS else "",
                    next_step=_FETCH_ADVICE.get(failure.why) or "Open the address in a browser, and correct it.",
                ) from None
            have[url] = fetched.document or b""
        return have[url]

    return get


def read_document(path: Path) -> bytes:
    """Return a metadata file, or raise ConfigurationError."""
    return read_limited(path, MAX_METADATA_BYTES)


def new_peer(settings: Settings, kind: PeerKind, given: Given, now: datetime) -> New:
    """Return the draft of a new peer, or raise ConfigurationError for a name that cannot be or is taken."""
    _check_name(settings, kind, given.name)
    recognised, guessed = _guess(kind, given, now)
    keys: dict[str, Any] = {}
    preset = given.preset if given.preset is not None else guessed
    if preset and preset != "none":
        keys["preset"] = preset
    if given.url:
        keys[Origin.URL.value] = given.url
    keys.update(given.keys)
    files: dict[str, bytes | None] = {
        f"{kind.folder}/{given.name}.toml": _toml(
            keys, given.comment or f"Added on {now:%Y-%m-%d} by saml-slo {kind} add."
        )
    }
    if given.document is not None and not given.url:
        files[f"{kind.folder}/{_document_name(settings, kind, given.name, keys)}"] = given.document
    return New(
        kind=kind,
        name=given.name,
        draft=Draft(files),
        recognised=recognised,
        guessed=guessed if given.preset is None else "",
    )


def _check_name(settings: Settings, kind: PeerKind, name: str) -> None:
    pattern = CONNECTION_NAME if kind is PeerKind.CONNECTION else CLIENT_ID
    if not pattern.fullmatch(name):
        connection = kind is PeerKind.CONNECTION
        raise ConfigurationError(
            f"this cannot be the name of a{' connection' if connection else 'n application'}",
            expected="lower-case letters, digits and hyphens, 63 at most, the first no hyphen"
            if connection
            else "letters, digits, dots, underscores and hyphens, 128 at most, the first a letter or digit",
            got=shown(name),
        )
    for suffix in (".toml", ".xml"):
        path = settings.metadata_dir / kind.folder / f"{name}{suffix}"
        if path.exists() or path.is_symlink():
            raise ConfigurationError(
                f"{kind} {name} is here already",
                file=path,
                next_step=f"Edit its file, or remove it first: saml-slo {kind} remove {name}",
            )


def _document_name(settings: Settings, kind: PeerKind, name: str, keys: Mapping[str, Any]) -> str:
    """Return the file that the document goes to; a name that cannot be is left to the registry to refuse."""
    try:
        chosen: str = values.file_name(keys[Origin.FILE]) if Origin.FILE in keys else f"{name}.xml"
    except ValueError:
        return f"{name}.xml"
    path = settings.metadata_dir / kind.folder / chosen
    if path.exists() or path.is_symlink():
        raise ConfigurationError("this file is here already", file=path, next_step="Name another one.")
    return chosen


def _guess(kind: PeerKind, given: Given, now: datetime) -> tuple[str, str]:
    """Return whose metadata it is, and the preset for it; empty where nobody is known or a kind is chosen already."""
    if kind is not PeerKind.CONNECTION or given.document is None:
        return "", ""
    try:
        facts = read_idp_metadata(given.document, given.keys.get("entity_id"), now=now, insecure_http=True)
    except ConfigurationError:
        return "", ""  # the registry says what is wrong with it
    urls = [endpoint.location for endpoint in (*facts.single_sign_on, *facts.single_logout)]
    vendor = knowledge().recognise(facts.entity_id, urls)
    if vendor is None:
        return "", ""
    speaks = {"kind", "preset"} & given.keys.keys()
    return vendor.title, vendor.presets[0] if vendor.presets and not speaks else ""


def _toml(keys: Mapping[str, Any], comment: str) -> bytes:
    document = tomlkit.document()
    document.add(tomlkit.comment(comment))
    tables = {key: value for key, value in keys.items() if isinstance(value, dict)}
    for key, value in keys.items():
        if key not in tables:
            document.add(key, tomlkit.item(value))
    for key, value in tables.items():  # a table ends the keys of the file itself
        document.add(tomlkit.nl())
        document.add(key, tomlkit.item(value))
    return tomlkit.dumps(document).encode()


def without_a_way(new: New, registry: Registry, today: date) -> None:
    """Refuse an application that nobody could tell of a logout (A4): it names a method, or a dated waiver."""
    application = registry.application(new.name) if new.kind is PeerKind.APPLICATION else None
    if application is None:
        return
    row = coverage.of_application(application, today)
    if row.state in coverage.UNCOVERED or (row.state is coverage.State.TAKES_NO_PART and application.logout is None):
        raise ConfigurationError(
            "this application could not be told of a logout",
            expected="a logout method: SAML metadata with a SingleLogoutService, or logout = one of "
            + ", ".join(APPLICATION_METHODS),
            got=row.sentence.rstrip("."),
            setting="logout",
            next_step="Add --set logout=…; where it cannot be told yet, --set logout=none with "
            "--set waived_until=<date> and --set waiver=<why>.",
        )


def keys_of(settings: Sequence[str]) -> dict[str, Any]:
    """Return all `key=value` texts as keys of a file; the last of equal ones counts."""
    return dict(map(parse_key, settings))
