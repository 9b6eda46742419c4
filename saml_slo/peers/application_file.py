"""One application: `applications/<client_id>.toml` becomes an `Application` and its list of return URLs.

Where the application's SAML metadata lies beside it, the application is a `ServiceProvider` as well.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from saml_slo.errors import ConfigurationError
from saml_slo.logout.endpoint import application_endpoint
from saml_slo.peers import logout_method, values
from saml_slo.peers.metadata_source import Origin, Source, source_of
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
from saml_slo.peers.return_urls import ReturnUrls
from saml_slo.peers.toml_file import Check, TomlFile, read_toml, shown
from saml_slo.protocol.method import APPLICATION_METHODS, Method
from saml_slo.protocol.names import Binding, NameIdFormat
from saml_slo.protocol.peer import Application, NameIdKind, ServiceProvider
from saml_slo.protocol.policy import Federated, Propagation
from saml_slo.wire.metadata_sp import SpMetadata, read_sp_metadata
from saml_slo.wire.url import MAX_URL_CHARS, HttpUrl, parse

CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_WHOSE = "application"
_SLASHES_OF_AN_ORIGIN = 2

# Keys that are a field of every Application under the same name.
KEYS: dict[str, Check] = {
    "display_name": values.text(100),
    "allowed_logout_urls": values.url_list,
    "api_secrets": values.digest_list,
    "users": values.user_space,
    "proxy_origins": values.origin_list,
    "connection": values.connection_name,
    "preflight_url": values.text(MAX_URL_CHARS),
    "organisation": values.organisation_name,
    "federated": values.one_of({str(policy): policy for policy in Federated}),
    "propagation": values.one_of({str(policy): policy for policy in Propagation}),
    "session_lifetime": values.lifetime,
    "idle_lifetime": values.lifetime,
}
# Keys that are a field of ServiceProvider under the same name; an application without metadata has only `connection`.
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
# Every key that an application may have.
ALL_KEYS: dict[str, Check] = READING | FIELDS | KEYS | logout_method.KEYS
_WITHOUT_SAML = {*KEYS, *logout_method.KEYS, "insecure_http"}
# What makes an application's own endpoints, to which `insecure_http` may apply.
_ADDRESSES = ("logout_uri", "proxy_origins", "preflight_url")
# What lets an application hang sessions of its own on ours.
_TAKES_PART = ("api_secrets", "proxy_origins")
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


def idp_entity_id(public_url: str) -> str:
    """Return our name as the identity provider of every application."""
    return f"{public_url}/saml/idp/metadata"


def read_application(
    path: Path, *, public_url: str, now: datetime, copies: Path | None = None, candidate: bytes | None = None
) -> ApplicationFile:
    """Return what `<client_id>.toml` and its metadata say, or raise ConfigurationError with the file and the line.

    `public_url` is ours, without a slash at the end; `copies` is the folder of metadata that was fetched (copies.py),
    `candidate` a document that would be (peer_file.py).
    """
    if not CLIENT_ID.fullmatch(path.stem):
        raise ConfigurationError(
            "the name of this file cannot be a client_id",
            file=path,
            expected="letters, digits, dots, underscores and hyphens, 128 at most, the first a letter or digit",
            got=shown(path.stem),
            next_step="Rename the file.",
        )
    file = read_toml(path, ALL_KEYS)
    ours = parse(public_url)
    of_all: dict[str, Any] = {key: value for key, value in file.values.items() if key in KEYS}
    if origins := _origins(file, ours):
        of_all["proxy_origins"] = origins
    if preflight := of_all.get("preflight_url"):
        checked_endpoint(file, "preflight_url", preflight, ours=ours)
    application = Application(
        client_id=path.stem, logout=logout_method.read_logout_method(file, ours=ours, today=now.date()), **of_all
    )
    source = source_of(file, copies)
    read = ApplicationFile(
        path=path,
        metadata_path=source.path,
        also=source.also,
        lines=file.lines,
        application=application,
        return_urls=_return_urls(file),
    )
    if _speaks_saml(file, source):
        metadata = read_metadata(file, source, read=read_sp_metadata, whose=_WHOSE, now=now, candidate=candidate)
        provider = _provider(file, metadata, public_url)
        locations = [consumer.location for consumer in provider.assertion_consumers]
        check_peer(file, provider, locations=locations, ours=ours, whose=_WHOSE)
        _check_provider(file, provider)
        read = replace(
            read,
            application=replace(application, provider=provider),
            valid_until=metadata.valid_until,
            cache_duration=metadata.cache_duration,
            problems=problems_of(source),
            warnings=warnings_of(source, metadata),
        )
    _check_part(file, read.application)
    return read


def _return_urls(file: TomlFile) -> ReturnUrls:
    setting = f"allowed_logout_urls in {'/'.join(file.path.parts[-3:])}"  # metadata/applications/<client_id>.toml
    try:
        return ReturnUrls(file.values.get("allowed_logout_urls", ()), setting=setting)
    except ConfigurationError as error:
        error.file, error.line = file.path, file.lines.get("allowed_logout_urls")
        raise


def _speaks_saml(file: TomlFile, source: Source) -> bool:
    path = source.path
    # A link to nothing is a mistake to be told, and not the absence of metadata.
    if any(origin in file.values for origin in Origin) or path.exists() or path.is_symlink():
        return True
    for key in file.values:
        # A key that could have no effect is a mistake too.
        needless = (key == "connection" and "proxy_origins" not in file.values) or (
            key == "insecure_http" and not any(address in file.values for address in _ADDRESSES)
        )
        if needless or key not in _WITHOUT_SAML:
            raise file.error(
                key,
                f"{key} is for applications that speak SAML, and this one has no metadata",
                expected=f"{path.name} beside this file",
                next_step=f"Save the application's SAML metadata as {path.name}, or name its file with the key "
                "metadata.",
            )
    return False


def _origins(file: TomlFile, ours: HttpUrl) -> tuple[str, ...]:
    """Return the origins of `proxy_origins` as browsers write them (RFC 6454 6.2)."""
    origins = []
    for text in file.values.get("proxy_origins", ()):
        url = checked_endpoint(file, "proxy_origins", text, ours=ours)
        if url.query is not None or text.count("/") != _SLASHES_OF_AN_ORIGIN:
            raise file.error(
                "proxy_origins",
                "a proxy origin has a path or query",
                expected="scheme, host and port alone, such as https://wiki.example.com",
                got=shown(text),
                next_step="Write the origin alone: the whole of it is guarded.",
            )
        origins.append(url.origin)
    return tuple(dict.fromkeys(origins))


def _check_part(file: TomlFile, application: Application) -> None:
    """Refuse an application that can take part in sessions and could not be told of their end (product A4)."""
    kind = None if application.logout is None else application.logout.kind
    if kind is Method.PROXY and not application.proxy_origins:
        raise file.error(
            "logout",
            "logout = proxy is for an application behind a reverse proxy that asks us about each request",
            expected="proxy_origins, the origins at which it does",
            next_step="Add proxy_origins, or name another logout method.",
        )
    if kind is Method.SAML:
        _check_saml(file, application)
    taking = next((key for key in _TAKES_PART if file.values.get(key)), None)
    if taking is not None and kind is None:
        raise file.error(
            taking,
            "this application could have sessions and nobody could tell it of a logout",
            expected="logout, one of " + ", ".join(APPLICATION_METHODS),
            next_step='Add logout; where it cannot be told yet, logout = "none" with waived_until and waiver.',
        )


def _check_saml(file: TomlFile, application: Application) -> None:
    way, reason = (None, "") if application.provider is None else application_endpoint(application.provider)
    if way is None:
        raise file.error(
            "logout",
            reason.rstrip(".") or "an application without metadata cannot be told by SAML",
            expected="metadata with a SingleLogoutService" if reason else f"{file.path.stem}.xml beside this file",
            next_step="Save such metadata, or name another logout method.",
        )


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
