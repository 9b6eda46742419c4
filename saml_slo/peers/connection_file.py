"""One connection: `connections/<name>.toml` and the identity provider's metadata beside it become a `Connection`.

One of another kind than `saml` has no metadata and becomes an `Upstream` (upstream_file.py). A preset's values stand
under the file's own (preset.py).
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from saml_slo.errors import ConfigurationError
from saml_slo.peers import upstream_file, values
from saml_slo.peers.metadata_source import source_of
from saml_slo.peers.peer_file import (
    PEER_FIELDS,
    READING,
    PeerFile,
    check_peer,
    checked_endpoint,
    problems_of,
    read_metadata,
    warnings_of,
)
from saml_slo.peers.preset import preset_name, read_with_preset
from saml_slo.peers.toml_file import Check, TomlFile, shown
from saml_slo.peers.upstream_file import UpstreamFile, read_upstream
from saml_slo.protocol.method import PROVIDER_KINDS, Method
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection, SignedPart
from saml_slo.wire.metadata import IdpMetadata, read_idp_metadata
from saml_slo.wire.url import MAX_URL_CHARS, parse

_WHOSE = "identity provider"

# Keys that are a field of Connection under the same name.
FIELDS: dict[str, Check] = PEER_FIELDS | {
    "sp_entity_id": values.entity_id,
    "logout_binding": values.one_of({"redirect": Binding.REDIRECT, "post": Binding.POST}),
    "login_url_fallback": values.flag,
    "name_id_format": values.name_id_format,
    "signed_part": values.one_of({str(part): part for part in SignedPart}),
    "idp_initiated_sign_in": values.flag,
    "session_index_required": values.flag,
    "logout_page": values.text(MAX_URL_CHARS),
    "logout_hint": values.text(300),
    "match_session_index": values.flag,
    "organisation": values.organisation_name,
    "session_lifetime": values.lifetime,
    "idle_lifetime": values.lifetime,
}
_OF_ALL: dict[str, Check] = {
    "preset": preset_name,
    "kind": values.one_of({str(kind): kind for kind in PROVIDER_KINDS}),
}
# Every key that a connection may have, whatever its kind.
KEYS: dict[str, Check] = upstream_file.KEYS | READING | FIELDS | _OF_ALL
_SAML_KEYS = {*READING, *FIELDS, *_OF_ALL}
_OTHER_KEYS = {*upstream_file.KEYS, *_OF_ALL}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFile(PeerFile):
    """A connection and where it came from. `federation`: it shares our endpoints with the others of that federation."""

    connection: Connection
    federation: str | None = None


def read_connection(
    path: Path, *, public_url: str, now: datetime, copies: Path | None = None, candidate: bytes | None = None
) -> ConnectionFile | UpstreamFile:
    """Return what `<name>.toml` and its metadata say, or raise ConfigurationError with the file and the line.

    `public_url` is ours, without a slash at the end; our endpoints and, unless it is set, our entity id derive from it.
    `copies` is the folder of metadata that was fetched (copies.py), `candidate` a document that
    would be (peer_file.py).
    """
    if not values.CONNECTION_NAME.fullmatch(path.stem):
        raise ConfigurationError(
            "the name of this file cannot be the name of a connection",
            file=path,
            expected="lower-case letters, digits and hyphens, 63 at most, the first no hyphen",
            got=shown(path.stem),
            next_step="Rename the file: the name is part of the URLs that the identity provider is told.",
        )
    file = read_with_preset(path, KEYS)
    kind: Method = file.values.get("kind", Method.SAML)
    _check_keys(file, kind)
    ours = parse(public_url)
    if kind is not Method.SAML:
        return read_upstream(file, kind, ours=ours)
    source = source_of(file, copies)
    metadata = read_metadata(file, source, read=read_idp_metadata, whose=_WHOSE, now=now, candidate=candidate)
    connection = _connection(file, metadata, public_url)
    locations = [url for endpoint in connection.single_sign_on for url in (endpoint.location, endpoint.answer_location)]
    check_peer(file, connection, locations=locations, ours=ours, whose=_WHOSE)
    if connection.logout_page is not None:
        checked_endpoint(file, "logout_page", connection.logout_page, ours=ours)
    return ConnectionFile(
        path=path,
        metadata_path=source.path,
        also=source.also,
        lines=file.lines,
        connection=connection,
        federation=file.values.get("federation"),
        valid_until=metadata.valid_until,
        cache_duration=metadata.cache_duration,
        problems=problems_of(source),
        warnings=warnings_of(source, metadata),
    )


def _check_keys(file: TomlFile, kind: Method) -> None:
    """Refuse a key that says nothing about connections of this kind: it would be believed to have an effect."""
    for key in file.values:
        if key not in (_SAML_KEYS if kind is Method.SAML else _OTHER_KEYS):
            raise file.error(
                key,
                f"{key} is not for connections of kind {kind}",
                expected=", ".join(sorted(_SAML_KEYS if kind is Method.SAML else _OTHER_KEYS)),
                next_step="Remove it, or name the kind (or the preset) that it is for.",
            )


def _connection(file: TomlFile, metadata: IdpMetadata, public_url: str) -> Connection:
    name = file.path.stem
    fields: dict[str, Any] = {key: value for key, value in file.values.items() if key in FIELDS}
    # A federation knows us under one name and sends to one place, whichever member it is.
    ours = f"{public_url}/saml/sp/{file.values.get('federation', name)}"
    fields.setdefault("sp_entity_id", f"{ours}/metadata")
    return Connection(
        name=name,
        entity_id=metadata.entity_id,
        acs_url=f"{ours}/acs",
        slo_url=f"{ours}/slo",
        metadata_url=f"{ours}/metadata",
        single_sign_on=metadata.single_sign_on,
        single_logout=metadata.single_logout,
        signing_certificates=metadata.signing_certificates,
        **fields,
    )
