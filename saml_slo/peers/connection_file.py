"""One connection: `connections/<name>.toml` and the identity provider's metadata beside it become a `Connection`."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.peers import values
from saml_slo.peers.problem import Problem
from saml_slo.peers.toml_file import Check, TomlFile, read_limited, read_toml, shown
from saml_slo.protocol.names import Binding, SignatureAlgorithm
from saml_slo.protocol.peer import Connection, SignedPart
from saml_slo.wire.metadata import IdpMetadata, read_idp_metadata
from saml_slo.wire.metadata_role import MAX_METADATA_BYTES
from saml_slo.wire.url import HttpUrl, UrlRefusedError, parse, parse_endpoint

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOUR = 3600
_DAY = 24 * _HOUR

_ALGORITHMS: dict[str, object] = {
    **{member.name.lower().replace("_", "-"): member for member in SignatureAlgorithm},
    **{str(member): member for member in SignatureAlgorithm},
}

# Keys that are no field of Connection: they say how to read the metadata.
_READING: dict[str, Check] = {
    "entity_id": values.entity_id,
    "metadata": values.file_name,
    "insecure_http": values.flag,
}
# Keys that are a field of Connection under the same name.
_FIELDS: dict[str, Check] = {
    "display_name": values.text(100),
    "enabled": values.flag,
    "sp_entity_id": values.entity_id,
    "logout_url": values.text(2048),
    "logout_binding": values.one_of({"redirect": Binding.REDIRECT, "post": Binding.POST}),
    "login_url_fallback": values.flag,
    "name_id_format": values.name_id_format,
    "signature_algorithm": values.one_of(_ALGORITHMS),
    "first_session_index_only": values.flag,
    "logout_request_lifetime": values.seconds(30, _HOUR),
    "skew": values.seconds(0, 600),
    "max_age": values.seconds(30, _HOUR),
    "signed_part": values.one_of({str(part): part for part in SignedPart}),
    "idp_initiated_sign_in": values.flag,
    "unsigned_logout_response": values.flag,
    "insecure_sha1": values.flag,
    "insecure_aes_cbc": values.flag,
    "insecure_inclusive_c14n": values.flag,
    "session_lifetime": values.seconds(60, 31 * _DAY),
    "idle_lifetime": values.seconds(60, 31 * _DAY),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFile:
    """A connection and where it came from. `valid_until` is the end of the metadata, None when it names none."""

    path: Path
    metadata_path: Path
    entity_id_line: int | None
    connection: Connection
    valid_until: datetime | None
    cache_duration: int | None
    warnings: tuple[Problem, ...]


def read_connection(path: Path, *, public_url: str, now: datetime) -> ConnectionFile:
    """Return what `<name>.toml` and its metadata say, or raise ConfigurationError with the file and the line.

    `public_url` is ours, without a slash at the end; our endpoints and, unless it is set, our entity id derive from it.
    """
    if not _NAME.fullmatch(path.stem):
        raise ConfigurationError(
            "the name of this file cannot be the name of a connection",
            file=path,
            expected="lower-case letters, digits and hyphens, 63 at most, the first no hyphen",
            got=shown(path.stem),
            next_step="Rename the file: the name is part of the URLs that the identity provider is told.",
        )
    file = read_toml(path, _READING | _FIELDS)
    metadata_path = path.with_name(file.values.get("metadata", f"{path.stem}.xml"))
    metadata = _read_metadata(file, metadata_path, now)
    connection = _connection(file, metadata, public_url)
    _check_connection(file, connection, parse(public_url))
    warnings = tuple(
        Problem(file=metadata_path, line=None, reason=Reason.METADATA_INVALID, text=text) for text in metadata.warnings
    )
    return ConnectionFile(
        path=path,
        metadata_path=metadata_path,
        entity_id_line=file.lines.get("entity_id"),
        connection=connection,
        valid_until=metadata.valid_until,
        cache_duration=metadata.cache_duration,
        warnings=warnings,
    )


def _read_metadata(file: TomlFile, path: Path, now: datetime) -> IdpMetadata:
    if not path.exists():
        raise file.error(
            "metadata",
            f"the identity provider's metadata is missing: there is no {path.name} beside this file",
            next_step=f"Save it as {path.name}, or name the file that it is in with the key metadata.",
        )
    # A link may lead to another file of the folder (as a mounted ConfigMap's does), but not out of it.
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise file.error(
            "metadata", f"{path.name} is a link that leads out of the folder", next_step="Copy the file here."
        )
    try:
        return read_idp_metadata(
            read_limited(path, MAX_METADATA_BYTES),
            file.values.get("entity_id"),
            now=now,
            insecure_http=file.values.get("insecure_http", False),
        )
    except ConfigurationError as error:
        error.file = path
        raise


def _connection(file: TomlFile, metadata: IdpMetadata, public_url: str) -> Connection:
    name = file.path.stem
    fields: dict[str, Any] = {key: value for key, value in file.values.items() if key in _FIELDS}
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


def _check_connection(file: TomlFile, connection: Connection, ours: HttpUrl) -> None:
    """Refuse what only shows when the keys are seen together."""
    if connection.signature_algorithm is SignatureAlgorithm.RSA_SHA1 and not connection.insecure_sha1:
        raise file.error(
            "signature_algorithm",
            "SHA-1 is broken and not signed with",
            expected="rsa-sha256",
            next_step="A peer that knows nothing else needs insecure_sha1 = true as well.",
        )
    if connection.logout_url is not None:
        try:
            parse_endpoint(connection.logout_url, insecure_http=file.values.get("insecure_http", False))
        except UrlRefusedError as error:
            raise file.error(
                "logout_url",
                f"the logout_url cannot be used: {error}",
                expected="an absolute https URL without user name and fragment",
                got=shown(connection.logout_url),
            ) from None
    endpoints = (*connection.single_sign_on, *connection.single_logout)
    urls = [url for endpoint in endpoints for url in (endpoint.location, endpoint.answer_location)]
    for url in (*urls, *filter(None, [connection.logout_url])):
        if _is_ours(parse(url), ours):
            raise file.error(
                "logout_url" if url == connection.logout_url else "metadata",
                "an endpoint of the identity provider is one of this service's own URLs",
                got=shown(url),
                next_step="Check that this is the identity provider's metadata and not our own.",
            )


def _is_ours(url: HttpUrl, ours: HttpUrl) -> bool:
    same_origin = (url.scheme, url.host, url.port) == (ours.scheme, ours.host, ours.port)
    return same_origin and f"{url.path}/".startswith(f"{ours.path.removesuffix('/')}/")
