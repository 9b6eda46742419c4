"""One connection: `connections/<name>.toml` and the identity provider's metadata beside it become a `Connection`."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from saml_slo.errors import ConfigurationError
from saml_slo.peers import values
from saml_slo.peers.peer_file import (
    HOUR,
    PEER_FIELDS,
    READING,
    PeerFile,
    check_peer,
    metadata_path,
    read_metadata,
    warnings_of,
)
from saml_slo.peers.toml_file import Check, TomlFile, read_toml, shown
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection, SignedPart
from saml_slo.wire.metadata import IdpMetadata, read_idp_metadata
from saml_slo.wire.url import parse

_WHOSE = "identity provider"
_DAY = 24 * HOUR

# Keys that are a field of Connection under the same name.
FIELDS: dict[str, Check] = PEER_FIELDS | {
    "sp_entity_id": values.entity_id,
    "logout_binding": values.one_of({"redirect": Binding.REDIRECT, "post": Binding.POST}),
    "login_url_fallback": values.flag,
    "name_id_format": values.name_id_format,
    "signed_part": values.one_of({str(part): part for part in SignedPart}),
    "idp_initiated_sign_in": values.flag,
    "session_lifetime": values.seconds(60, 31 * _DAY),
    "idle_lifetime": values.seconds(60, 31 * _DAY),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFile(PeerFile):
    """A connection and where it came from."""

    connection: Connection


def read_connection(path: Path, *, public_url: str, now: datetime) -> ConnectionFile:
    """Return what `<name>.toml` and its metadata say, or raise ConfigurationError with the file and the line.

    `public_url` is ours, without a slash at the end; our endpoints and, unless it is set, our entity id derive from it.
    """
    if not values.CONNECTION_NAME.fullmatch(path.stem):
        raise ConfigurationError(
            "the name of this file cannot be the name of a connection",
            file=path,
            expected="lower-case letters, digits and hyphens, 63 at most, the first no hyphen",
            got=shown(path.stem),
            next_step="Rename the file: the name is part of the URLs that the identity provider is told.",
        )
    file = read_toml(path, READING | FIELDS)
    metadata = read_metadata(file, read=read_idp_metadata, whose=_WHOSE, now=now)
    connection = _connection(file, metadata, public_url)
    locations = [url for endpoint in connection.single_sign_on for url in (endpoint.location, endpoint.answer_location)]
    check_peer(file, connection, locations=locations, ours=parse(public_url), whose=_WHOSE)
    return ConnectionFile(
        path=path,
        metadata_path=metadata_path(file),
        lines=file.lines,
        connection=connection,
        valid_until=metadata.valid_until,
        cache_duration=metadata.cache_duration,
        warnings=warnings_of(file, metadata),
    )


def _connection(file: TomlFile, metadata: IdpMetadata, public_url: str) -> Connection:
    name = file.path.stem
    fields: dict[str, Any] = {key: value for key, value in file.values.items() if key in FIELDS}
    ours = f"{public_url}/saml/sp/{name}"
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
