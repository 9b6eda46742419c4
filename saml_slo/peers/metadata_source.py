"""Where the metadata of a connection or application comes from, and who must have signed it.

Beside the TOML as a file (the key `metadata`), from a URL (`metadata_url`), from a metadata query service (`mdq_url`,
draft-young-md-query), or from a federation's aggregate (`federation`). What comes from elsewhere is fetched, verified
and kept by renewal/; here only our own copy of it is read, so that nothing waits for a network.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.peers import values
from saml_slo.peers.copies import CopyFiles, CopyState, version_of
from saml_slo.peers.toml_file import Check, TomlFile, read_limited, shown
from saml_slo.wire.metadata_role import MAX_METADATA_BYTES
from saml_slo.wire.metadata_signature import Signers, read_signers
from saml_slo.wire.url import MAX_URL_CHARS, UrlRefusedError, parse_endpoint

_MAX_SIGNER_BYTES = 64 * 1024
_SIGNER_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,123}\.(?:crt|pem)")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_MAX_FINGERPRINTS = 4


class Origin(StrEnum):
    """Where metadata comes from, by the key that says so."""

    FILE = "metadata"
    URL = "metadata_url"
    MDQ = "mdq_url"
    FEDERATION = "federation"


class Changes(StrEnum):
    """What happens when fetched metadata has another key or endpoint than the copy in force."""

    AUTO = "auto"
    ASK = "ask"


def _signer_file(value: object) -> str:
    if isinstance(value, str) and _SIGNER_FILE.fullmatch(value):
        return value
    raise ValueError("the name of a .crt or .pem file beside this one")


def _fingerprints(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    found = [text.replace(":", "").lower() for text in texts if isinstance(text, str)]
    if len(found) == len(texts) in range(1, _MAX_FINGERPRINTS + 1) and all(map(_FINGERPRINT.fullmatch, found)):
        return tuple(dict.fromkeys(found))
    raise ValueError("the SHA-256 fingerprint of a certificate: 64 hex digits, colons between them or not; or an array")


KEYS: dict[str, Check] = {
    Origin.FILE: values.file_name,
    Origin.URL: values.text(MAX_URL_CHARS),
    Origin.MDQ: values.text(MAX_URL_CHARS),
    Origin.FEDERATION: values.federation_name,
    "metadata_signer": _signer_file,
    "metadata_fingerprint": _fingerprints,
    "metadata_changes": values.one_of({str(policy): policy for policy in Changes}),
}
_PINS = ("metadata_signer", "metadata_fingerprint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where one file's metadata comes from. `path` is the document that is read, `also` what else decides about it.

    `url` and `copies` are there for what is fetched; `signers` is None where nobody is pinned.
    """

    origin: Origin
    path: Path
    also: tuple[Path, ...] = ()
    url: str = ""
    copies: CopyFiles | None = None
    signers: Signers | None = None
    changes: Changes = Changes.AUTO

    def state(self) -> CopyState | None:
        """Return what is known about our copy of this very URL."""
        state = None if self.copies is None else self.copies.read_state()
        return state if state is not None and state.url == self.url else None


def source_of(file: TomlFile, copies: Path | None = None) -> Source:
    """Return where a file's metadata comes from, or raise ConfigurationError with the line of the mistake.

    `copies` is the folder of our copies; without it nothing from elsewhere can be read.
    """
    origin = _origin(file)
    signer_path = file.path.with_name(file.values["metadata_signer"]) if "metadata_signer" in file.values else None
    source = Source(
        origin=origin,
        path=file.path.with_name(file.values.get("metadata", f"{file.path.stem}.xml")),
        also=() if signer_path is None else (signer_path,),
        signers=_signers(file, signer_path),
    )
    if origin is Origin.FILE:
        return source
    if origin is Origin.FEDERATION:
        name: str = file.values[Origin.FEDERATION]
        path = (copies or file.path.parent) / "federations" / f"{name}.cache"
        return replace(source, path=path, also=(file.path.parent.parent / "federations" / f"{name}.toml",))
    url = _url(file, origin, pinned=source.signers is not None)
    careful = source.signers is None and url.lower().startswith("http:")
    kept = None if copies is None else CopyFiles(copies, file.path.parent.name, file.path.stem)
    return replace(
        source,
        path=source.path if kept is None else kept.document,
        also=source.also if kept is None else (*source.also, kept.state),
        url=url,
        copies=kept,
        changes=file.values.get("metadata_changes", Changes.ASK if careful else Changes.AUTO),
    )


def _origin(file: TomlFile) -> Origin:
    named = [origin for origin in Origin if origin in file.values]
    if len(named) > 1:
        raise file.error(
            named[1],
            f"{named[0]} and {named[1]} both say where the metadata comes from",
            expected="one of " + ", ".join(Origin),
            next_step="Remove one of the two.",
        )
    origin = named[0] if named else Origin.FILE
    fetched = origin in (Origin.URL, Origin.MDQ)
    if "metadata_changes" in file.values and not fetched:
        raise file.error(
            "metadata_changes",
            "metadata_changes is for metadata that is fetched",
            expected=f"{Origin.URL} or {Origin.MDQ} beside it",
            next_step="Remove it: what you put here yourself counts at once.",
        )
    if origin is Origin.FEDERATION:
        for key in _PINS:
            if key in file.values:
                raise file.error(key, f"{key} stands in the federation's own file", next_step="Remove it here.")
    if origin in (Origin.MDQ, Origin.FEDERATION) and not file.values.get("entity_id"):
        raise file.error(origin, f"{origin} says where to look, and not for whom", expected="entity_id beside it")
    return origin


def _signers(file: TomlFile, path: Path | None) -> Signers | None:
    fingerprints: tuple[str, ...] = file.values.get("metadata_fingerprint", ())
    if path is None:
        return Signers(fingerprints=fingerprints) if fingerprints else None
    try:
        return Signers(read_signers(read_limited(path, _MAX_SIGNER_BYTES)), fingerprints)
    except ConfigurationError as error:
        error.file = path
        raise


def _url(file: TomlFile, origin: Origin, *, pinned: bool) -> str:
    text: str = file.values[origin]
    if origin is Origin.MDQ:
        text = mdq_url(text, file.values["entity_id"])
    try:
        # What a pinned signer signed may come by any road; everything else is believed because of TLS.
        parse_endpoint(text, insecure_http=pinned or file.values.get("insecure_http", False))
    except UrlRefusedError as error:
        raise file.error(
            origin,
            f"the {origin} cannot be used: {error}",
            expected="an absolute https URL; http only with metadata_signer or metadata_fingerprint",
            got=shown(text),
        ) from None
    return text


def mdq_url(base: str, entity_id: str) -> str:
    """Return where a metadata query service has an entity (draft-young-md-query 3, draft-young-md-query-saml 2.2).

    `{entity_id}` in `base` stands for the id, percent-encoded, `{sha1}` for its transformed form; without either the
    service's own `/entities/{entity_id}` is meant.
    """
    if "{sha1}" in base:
        digest = hashlib.sha1(entity_id.encode(), usedforsecurity=False).hexdigest()
        return base.replace("{sha1}", f"%7Bsha1%7D{digest}")
    if "{entity_id}" not in base:
        base = f"{base.removesuffix('/')}/entities/{{entity_id}}"
    return base.replace("{entity_id}", quote(entity_id, safe=""))


def document_of(file: TomlFile, source: Source, whose: str) -> bytes:
    """Return the octets of the document that a file's metadata is read from, or raise ConfigurationError."""
    if source.origin is Origin.FILE:
        return _beside(file, source.path, whose)
    state = source.state()
    document = None
    if state is not None and state.version:
        document = read_limited(source.path, MAX_METADATA_BYTES)
    if state is None or document is None or version_of(document) != state.version:
        raise _not_fetched(file, source, state, whose)
    return document


def _beside(file: TomlFile, path: Path, whose: str) -> bytes:
    if not path.exists():
        raise file.error(
            "metadata",
            f"the {whose}'s metadata is missing: there is no {path.name} beside this file",
            next_step=f"Save it as {path.name}, or name the file that it is in with the key metadata, or the address "
            "at which it is published with metadata_url.",
        )
    # A link may lead to another file of the folder (as a mounted ConfigMap's does), but not out of it.
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise file.error(
            "metadata", f"{path.name} is a link that leads out of the folder", next_step="Copy the file here."
        )
    return read_limited(path, MAX_METADATA_BYTES)


def _not_fetched(file: TomlFile, source: Source, state: CopyState | None, whose: str) -> ConfigurationError:
    failure = state.failure if state is not None else ""
    error = file.error(
        source.origin,
        f"the {whose}'s metadata could not be fetched yet" if failure else f"the {whose}'s metadata is not here yet",
        expected=f"a document at {shown(source.url)}",
        got=failure or "nothing: the server fetches it a moment after it has started",
        next_step="It is tried again; correct the address or the pinned signer if they are wrong." if failure else "",
    )
    error.reason = Reason.METADATA_INVALID
    return error
