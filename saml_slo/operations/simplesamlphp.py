"""SimpleSAMLphp's remote metadata as connections and applications: its identity providers and service providers.

Source of the keys' meaning: SimpleSAMLphp's references "IdP remote" and "SP remote". What says nothing about trust,
endpoints, names or logout is left behind in silence; a setting that would change what is accepted or sent, and has no
counterpart here, is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from saml_slo.config import Settings
from saml_slo.errors import ConfigurationError
from saml_slo.operations.adding import Given, PeerKind, new_peer
from saml_slo.operations.draft import Draft
from saml_slo.operations.entity_xml import Facts, Key, Place, write_entity
from saml_slo.operations.php import Entry, Literal, read_entries
from saml_slo.peers.toml_file import read_limited, shown
from saml_slo.protocol.names import Binding, NameIdFormat
from saml_slo.wire.metadata_entity import Role

FILES = {"saml20-idp-remote.php": PeerKind.CONNECTION, "saml20-sp-remote.php": PeerKind.APPLICATION}
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_MAX_PEM_BYTES = 64 * 1024
_MAX_NAME = 63
_INDEX = re.compile(r"[0-9]{1,5}")
_OF_FORMAT = {
    NameIdFormat.TRANSIENT: "transient",
    NameIdFormat.PERSISTENT: "persistent",
    NameIdFormat.EMAIL: "email",
}
# They change what is accepted, sent or released, and have no counterpart here.
_TOLD = (
    "authproc",
    "validate.logout",
    "redirect.validate",
    "sign.logout",
    "redirect.sign",
    "nameid.encryption",
    "assertion.encryption.keys",
    "sharedkey",
    "sharedkey_algorithm",
    "simplesaml.nameidattribute",
    "attributeencodings",
    "hint.cidr",
    "scope",
    "IDPList",
    "saml20.hok.assertion",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the operator adds: names by entity id, keys for every file, and a waiver for applications without logout.

    `certificates` is the folder of `certificate` files, None for `cert` beside the folder.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    waiver: Mapping[str, Any] = field(default_factory=dict)
    certificates: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The draft of all files; `names` are (kind, name, entity id) in their order, `notes` what was not taken over."""

    draft: Draft
    names: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


def read_folder(settings: Settings, folder: Path, options: Options, now: datetime) -> Taken:
    """Return what a metadata folder of SimpleSAMLphp becomes here, or raise ConfigurationError with file and line."""
    entries = [
        (kind, entry)
        for name, kind in FILES.items()
        if (folder / name).exists()
        for entry in read_entries(folder / name)
    ]
    if not entries:
        raise ConfigurationError(
            "there is no metadata of SimpleSAMLphp here", file=folder, expected=" or ".join(FILES) + ", with an entity"
        )
    files: dict[str, bytes | None] = {}
    names: list[tuple[str, str, str]] = []
    notes: list[str] = []
    for kind, entry in entries:
        name = _name(kind, entry, options.names, {taken for used, taken, _ in names if used == kind})
        given = _given(kind, entry, name, options, options.certificates or folder.parent / "cert")
        new = new_peer(settings, kind, given, now)
        files.update(new.draft.files)
        names.append((str(kind), name, entry.entity_id))
        notes += _notes(kind, name, entry)
    unknown = options.names.keys() - {entry.entity_id for _, entry in entries}
    if unknown:
        raise ConfigurationError("a name is given for an entity that is not there", got=", ".join(sorted(unknown)))
    return Taken(draft=Draft(files), names=tuple(names), notes=tuple(notes))


def _given(kind: PeerKind, entry: Entry, name: str, options: Options, certificates: Path) -> Given:
    is_idp = kind is PeerKind.CONNECTION
    keys: dict[str, Any] = dict(_settings_of_idp(entry) if is_idp else _settings_of_sp(entry))
    logout = _services(entry, "SingleLogoutService", Binding.REDIRECT)
    if not is_idp and not any(place.binding in tuple(Binding) for place in logout):
        if not options.waiver:
            raise entry.error(
                "this service provider has no SingleLogoutService, so it could not be told of a logout",
                next_step="Add --waived-until DATE --waiver TEXT for those, or remove it from the file.",
            )
        keys |= {"logout": "none", **options.waiver}
    first = "SingleSignOnService" if is_idp else "AssertionConsumerService"
    places = _services(entry, first, Binding.REDIRECT if is_idp else Binding.POST)
    facts = Facts(
        entity_id=entry.entity_id,
        role=Role.IDP if is_idp else Role.SP,
        keys=tuple(_keys(entry, certificates)),
        services=[*(("SingleLogoutService", place) for place in logout), *((first, place) for place in places)],
        name_id_formats=() if is_idp else tuple(_formats(entry)),
        valid_until=_expiry(entry),
    )
    return Given(
        name=name,
        document=write_entity(facts),
        keys=keys | dict(options.keys),
        comment=f"Imported from {entry.file.name}, line {entry.line}.",
    )


def _settings_of_idp(entry: Entry) -> Iterator[tuple[str, Any]]:
    yield from _title(entry)
    formats = list(_formats(entry))
    if "NameIDFormat" in entry.values and formats:
        yield "name_id_format", formats[0]
    yield from _algorithm(entry)


def _settings_of_sp(entry: Entry) -> Iterator[tuple[str, Any]]:
    yield from _title(entry)
    known = [_OF_FORMAT[NameIdFormat(text)] for text in _formats(entry) if text in set(_OF_FORMAT)]
    if known:
        yield "name_id", known[0]
    for theirs, ours in (
        ("validate.authnrequest", "requests_signed"),
        ("saml20.sign.response", "sign_response"),
        ("assertion.encryption", "encrypt_assertion"),
    ):
        if entry.values.get(theirs) is True:
            yield ours, True
    attributes = entry.values.get("attributes")
    if entry.values.get("simplesaml.attributes") is False:
        yield "attributes", []
    elif isinstance(attributes, Mapping) and attributes:
        yield "attributes", [name for key, value in attributes.items() if (name := _attribute(entry, key, value))]
    yield from _algorithm(entry)


def _attribute(entry: Entry, key: str | int, value: Literal) -> str:
    """Return the name of an attribute: a list names them, an array of requested values has them as keys."""
    name = value if isinstance(key, int) else key
    if not isinstance(name, str):
        raise entry.error("an attribute's name is not a text", got=shown(name))
    return name


def _title(entry: Entry) -> Iterator[tuple[str, Any]]:
    name = entry.values.get("name") or entry.values.get("OrganizationDisplayName")
    if isinstance(name, Mapping):
        name = name.get("en") or next(iter(name.values()), None)
    if isinstance(name, str) and name.strip():
        yield "display_name", name.strip()[:100]


def _algorithm(entry: Entry) -> Iterator[tuple[str, Any]]:
    algorithm = entry.values.get("signature.algorithm")
    if algorithm is not None:
        yield "signature_algorithm", algorithm


def _services(entry: Entry, name: str, usual: Binding) -> list[Place]:
    """Return the endpoints of a service: a text is one with the usual binding, an array has several."""
    value = entry.values.get(name)
    if value is None:
        return []
    if isinstance(value, str):
        answers = entry.values.get(f"{name}Response", "")
        return [_place(entry, name, {"Binding": usual, "Location": value, "ResponseLocation": answers}, 0)]
    if not isinstance(value, Mapping):
        raise entry.error(f"{name} is neither a text nor an array", got=shown(value))
    items = [value] if "Location" in value else list(value.values())
    return [_place(entry, name, item, number) for number, item in enumerate(items)]


def _place(entry: Entry, name: str, item: Literal, number: int) -> Place:
    if isinstance(item, str):
        item = {"Binding": Binding.POST if name == "AssertionConsumerService" else Binding.REDIRECT, "Location": item}
    if not isinstance(item, Mapping):
        raise entry.error(f"an endpoint of {name} is not an array", got=shown(item))
    binding, location = item.get("Binding"), item.get("Location")
    answers, is_default = item.get("ResponseLocation") or "", item.get("isDefault")
    index = item.get("index", number)
    texts = isinstance(binding, str) and isinstance(location, str) and isinstance(answers, str)
    if not texts or isinstance(index, bool) or not _INDEX.fullmatch(str(index)):
        raise entry.error(
            f"an endpoint of {name} cannot be used", expected="Binding, Location, a whole index", got=shown(item)
        )
    of_sp = name == "AssertionConsumerService"
    return Place(
        binding=str(binding),
        location=str(location),
        response_location=str(answers),
        index=int(str(index)) if of_sp else None,
        is_default=is_default if of_sp and isinstance(is_default, bool) else None,
    )


def _keys(entry: Entry, folder: Path) -> Iterator[Key]:
    """Yield the certificates of `keys`, else `certData`, else the file of `certificate`, as SimpleSAMLphp does."""
    listed, data, file = (entry.values.get(name) for name in ("keys", "certData", "certificate"))
    if isinstance(listed, Mapping):
        for item in listed.values():
            yield from _listed(entry, item)
    elif isinstance(data, str):
        yield Key(certificate="".join(data.split()))
    elif isinstance(file, str):
        yield Key(certificate=_of_file(entry, folder, file))
    elif any(name.startswith("certFingerprint") for name in entry.values if isinstance(name, str)):
        raise entry.error(
            "of its certificate only a fingerprint is known, and signatures are verified with the certificate itself",
            expected="certData, keys or certificate",
            next_step="Ask for its metadata.",
        )


def _listed(entry: Entry, item: Literal) -> Iterator[Key]:
    if not isinstance(item, Mapping):
        raise entry.error("a key is not an array", got=shown(item))
    text = item.get("X509Certificate")
    if item.get("type") != "X509Certificate" or not isinstance(text, str):
        raise entry.error(
            "a key is of a kind that is not known", expected="X509Certificate", got=shown(item.get("type"))
        )
    signing, encryption = item.get("signing", True), item.get("encryption", True)
    if signing or encryption:
        use = "" if signing and encryption else "signing" if signing else "encryption"
        yield Key(certificate="".join(text.split()), use=use)


def _of_file(entry: Entry, folder: Path, name: str) -> str:
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
        raise entry.error("the file of its certificate lies elsewhere", expected=f"a file in {folder}", got=shown(name))
    text = read_limited(path, _MAX_PEM_BYTES).decode(errors="replace")
    found = _PEM.search(text)
    if found is None:
        raise entry.error(f"there is no certificate in {path}", expected="a PEM certificate")
    return "".join(found[1].split())


def _formats(entry: Entry) -> Iterator[str]:
    for name in ("NameIDFormat", "NameIDFormats"):
        value = entry.values.get(name)
        items: Sequence[Literal] = list(value.values()) if isinstance(value, Mapping) else [value]
        for item in items:
            if item is not None and not isinstance(item, str):
                raise entry.error(f"{name} is not a text", got=shown(item))
            if item:
                yield item


def _expiry(entry: Entry) -> datetime | None:
    value = entry.values.get("expire")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise entry.error("expire is no time", expected="seconds since 1970", got=shown(value))
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        raise entry.error("expire is no time of a calendar", got=shown(value)) from None


def _name(kind: PeerKind, entry: Entry, given: Mapping[str, str], taken: set[str]) -> str:
    """Return the name: the one that is given, else what the host of the entity id makes."""
    if entry.entity_id in given:
        return given[entry.entity_id]
    try:
        parts = urlsplit(entry.entity_id)
        text = parts.netloc or parts.path
    except ValueError:  # brackets that are none of an address; whether it is an entity id is the registry's to say
        text = entry.entity_id
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_MAX_NAME].strip("-") or str(kind)
    name, number = base, 2
    while name in taken:
        suffix = f"-{number}"
        name, number = f"{base[: _MAX_NAME - len(suffix)]}{suffix}", number + 1
    return name


def _notes(kind: PeerKind, name: str, entry: Entry) -> Iterator[str]:
    for key in _TOLD:
        if key in entry.values and entry.values[key] not in (None, True):
            yield f"{kind} {name}: {key} was not taken over ({entry.file.name}:{entry.line})"
