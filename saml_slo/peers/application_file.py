"""One application: `applications/<client_id>.toml` becomes an `Application` and its list of return URLs.

Where the application's SAML metadata lies beside it, the application is a `ServiceProvider` as well.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from saml_slo.errors import ConfigurationError
from saml_slo.peers import values
from saml_slo.peers.peer_file import (
    PEER_FIELDS,
    READING,
    PeerFile,
    check_peer,
    metadata_path,
    read_metadata,
    warnings_of,
)
from saml_slo.peers.return_urls import ReturnUrls
from saml_slo.peers.toml_file import Check, TomlFile, read_toml, shown
from saml_slo.protocol.names import Binding, NameIdFormat
from saml_slo.protocol.peer import Application, NameIdKind, ServiceProvider
from saml_slo.wire.metadata_sp import SpMetadata, read_sp_metadata
from saml_slo.wire.url import parse

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_WHOSE = "application"

# Keys of every application, whether it speaks SAML or not.
KEYS: dict[str, Check] = {"display_name": values.text(100), "allowed_logout_urls": values.url_list}
# Keys that are a field of ServiceProvider under the same name.
FIELDS: dict[str, Check] = PEER_FIELDS | {
    "logout_binding": values.one_of({binding.short: binding for binding in Binding}),
    "name_id": values.one_of({str(kind): kind for kind in NameIdKind}),
    "requests_signed": values.flag,
    "sign_response": values.flag,
    "encrypt_assertion": values.flag,
    "connection": values.connection_name,
    "attributes": values.name_list,
    "top_level": values.flag,
}
_KIND_OF: dict[str, NameIdKind] = {
    NameIdFormat.PERSISTENT: NameIdKind.PERSISTENT,
    NameIdFormat.TRANSIENT: NameIdKind.TRANSIENT,
    NameIdFormat.EMAIL: NameIdKind.EMAIL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationFile(PeerFile):
    """An application, where it came from, and its allowed return URLs ready to be asked.

    `metadata_path` is where its metadata is, or would be.
    """

    application: Application
    return_urls: ReturnUrls
    connection_line: int | None = None


def idp_entity_id(public_url: str) -> str:
    """Return our name as the identity provider of every application."""
    return f"{public_url}/saml/idp/metadata"


def read_application(path: Path, *, public_url: str, now: datetime) -> ApplicationFile:
    """Return what `<client_id>.toml` and its metadata say, or raise ConfigurationError with the file and the line.

    `public_url` is ours, without a slash at the end.
    """
    if not _CLIENT_ID.fullmatch(path.stem):
        raise ConfigurationError(
            "the name of this file cannot be a client_id",
            file=path,
            expected="letters, digits, dots, underscores and hyphens, 128 at most, the first a letter or digit",
            got=shown(path.stem),
            next_step="Rename the file.",
        )
    file = read_toml(path, READING | FIELDS | KEYS)
    return_urls = _return_urls(file)
    of_all: dict[str, Any] = {key: value for key, value in file.values.items() if key in KEYS}
    if not _speaks_saml(file):
        application = Application(client_id=path.stem, **of_all)
        return ApplicationFile(
            path=path, metadata_path=metadata_path(file), application=application, return_urls=return_urls
        )
    metadata = read_metadata(file, read=read_sp_metadata, whose=_WHOSE, now=now)
    provider = _provider(file, metadata, public_url)
    locations = [consumer.location for consumer in provider.assertion_consumers]
    check_peer(file, provider, locations=locations, ours=parse(public_url), whose=_WHOSE)
    _check_provider(file, provider)
    return ApplicationFile(
        path=path,
        metadata_path=metadata_path(file),
        entity_id_line=file.lines.get("entity_id"),
        connection_line=file.lines.get("connection"),
        application=Application(client_id=path.stem, provider=provider, **of_all),
        return_urls=return_urls,
        valid_until=metadata.valid_until,
        cache_duration=metadata.cache_duration,
        warnings=warnings_of(file, metadata),
    )


def _return_urls(file: TomlFile) -> ReturnUrls:
    setting = f"allowed_logout_urls in {'/'.join(file.path.parts[-3:])}"  # metadata/applications/<client_id>.toml
    try:
        return ReturnUrls(file.values.get("allowed_logout_urls", ()), setting=setting)
    except ConfigurationError as error:
        error.file, error.line = file.path, file.lines.get("allowed_logout_urls")
        raise


def _speaks_saml(file: TomlFile) -> bool:
    path = metadata_path(file)
    # A link to nothing is a mistake to be told, and not the absence of metadata.
    if "metadata" in file.values or path.exists() or path.is_symlink():
        return True
    for key in file.values:
        if key not in KEYS:
            raise file.error(
                key,
                f"{key} is for applications that speak SAML, and this one has no metadata",
                expected=f"{path.name} beside this file",
                next_step=f"Save the application's SAML metadata as {path.name}, or name its file with the key "
                "metadata.",
            )
    return False


def _provider(file: TomlFile, metadata: SpMetadata, public_url: str) -> ServiceProvider:
    fields: dict[str, Any] = {key: value for key, value in file.values.items() if key in FIELDS}
    fields.setdefault("requests_signed", metadata.authn_requests_signed)
    fields.setdefault("name_id", _name_id(metadata))
    return ServiceProvider(
        name=file.path.stem,
        entity_id=metadata.entity_id,
        slo_url=f"{public_url}/saml/idp/slo",
        idp_entity_id=idp_entity_id(public_url),
        assertion_consumers=metadata.assertion_consumers,
        single_logout=metadata.single_logout,
        signing_certificates=metadata.signing_certificates,
        encryption_certificates=metadata.encryption_certificates,
        **fields,
    )


def _name_id(metadata: SpMetadata) -> NameIdKind:
    """Return the first kind that the application's metadata names: it would not know what to do with another."""
    kinds = (_KIND_OF.get(name_id_format) for name_id_format in metadata.name_id_formats)
    return next(filter(None, kinds), NameIdKind.PERSISTENT)


def _check_provider(file: TomlFile, provider: ServiceProvider) -> None:
    if provider.requests_signed and not provider.signing_certificates:
        raise file.error(
            "requests_signed",
            "the application's requests cannot be checked: its metadata has no signing key",
            next_step="Ask for metadata with the application's certificate.",
        )
    if provider.encrypt_assertion and not provider.encryption_certificates:
        raise file.error(
            "encrypt_assertion",
            "nothing can be encrypted for this application: its metadata has no encryption key",
            expected="an RSA certificate in a KeyDescriptor with the use encryption or none",
            next_step="Ask for metadata with such a key, or remove encrypt_assertion.",
        )
