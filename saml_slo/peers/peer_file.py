"""What the files of connections and of applications have in common: a TOML, the peer's metadata beside it, one Peer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.peers import metadata_source, values
from saml_slo.peers.copies import CopyState
from saml_slo.peers.federation_file import entity_of
from saml_slo.peers.metadata_source import Origin, Source, document_of
from saml_slo.peers.problem import Problem
from saml_slo.peers.toml_file import Check, TomlFile, shown
from saml_slo.protocol.names import SignatureAlgorithm
from saml_slo.protocol.peer import Peer
from saml_slo.wire.metadata_role import RoleMetadata
from saml_slo.wire.metadata_signature import Signers
from saml_slo.wire.url import HttpUrl, UrlRefusedError, parse, parse_endpoint

HOUR = 3600

_ALGORITHMS: dict[str, object] = {
    **{member.name.lower().replace("_", "-"): member for member in SignatureAlgorithm},
    **{str(member): member for member in SignatureAlgorithm},
}

# Keys that are no field of a Peer: they say how to read the metadata.
READING: dict[str, Check] = {
    "entity_id": values.entity_id,
    **metadata_source.KEYS,
    "insecure_http": values.flag,
}
# Keys that are a field of every Peer under the same name; logout_binding is too, with a choice for each kind of peer.
PEER_FIELDS: dict[str, Check] = {
    "display_name": values.text(100),
    "enabled": values.flag,
    "logout_url": values.text(2048),
    "signature_algorithm": values.one_of(_ALGORITHMS),
    "first_session_index_only": values.flag,
    "logout_request_lifetime": values.seconds(30, HOUR),
    "skew": values.seconds(0, 600),
    "max_age": values.seconds(30, HOUR),
    "unsigned_logout_response": values.flag,
    "insecure_sha1": values.flag,
    "insecure_aes_cbc": values.flag,
    "insecure_inclusive_c14n": values.flag,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFile:
    """Where a peer came from: its TOML, its metadata, and `also` other files. `lines` are those of the TOML's keys.

    `valid_until` is the end of the metadata, None when it names none. `problems` are about what would be in force if
    something were done; `warnings` about what is.
    """

    path: Path
    metadata_path: Path
    also: tuple[Path, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
    valid_until: datetime | None = None
    cache_duration: int | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def sources(self) -> tuple[Path, ...]:
        """Return every file that this was read from."""
        return (self.path, self.metadata_path, *self.also)


M_co = TypeVar("M_co", bound=RoleMetadata, covariant=True)


class ReadMetadata(Protocol[M_co]):
    """`read_idp_metadata` or `read_sp_metadata`."""

    def __call__(
        self,
        data: bytes,
        entity_id: str | None = None,
        *,
        now: datetime | None = None,
        insecure_http: bool = False,
        signers: Signers | None = None,
    ) -> M_co:
        """Return the facts of one role of one entity."""


def read_metadata(
    file: TomlFile,
    source: Source,
    *,
    read: ReadMetadata[M_co],
    whose: str,
    now: datetime,
    candidate: bytes | None = None,
) -> M_co:
    """Return what the metadata of a file says, or raise ConfigurationError with the file and line of the mistake.

    A `candidate` stands in for the document: one that was fetched, and counts only if the file would load with it.
    """
    if candidate is not None:
        document = candidate
    elif source.origin is Origin.FEDERATION:
        document = entity_of(file, source, whose, now)
    else:
        document = document_of(file, source, whose)
    try:
        return read(
            document,
            file.values.get("entity_id"),
            now=now,
            insecure_http=file.values.get("insecure_http", False),
            signers=source.signers,
        )
    except ConfigurationError as error:
        error.file = source.path
        state = source.state()
        if state is not None and state.pending:
            error.next_step = _waits(source, state)
        raise


def _waits(source: Source, state: CopyState) -> str:
    changes = "; ".join(state.changes)
    return f"The metadata at {source.url} has changed and waits until you accept it: {changes}"


def warnings_of(source: Source, metadata: RoleMetadata) -> tuple[Problem, ...]:
    """Return what is odd about the metadata of a file, and why our copy of it could not be renewed."""
    texts = list(metadata.warnings)
    state = source.state()
    if state is not None and state.failure and not state.refused:
        texts.append(f"the copy could not be renewed, {state.failures} times in a row: {state.failure}")
    return tuple(Problem(file=source.path, line=None, reason=Reason.METADATA_INVALID, text=text) for text in texts)


def problems_of(source: Source) -> tuple[Problem, ...]:
    """Return why newer metadata than our copy is not in force: it was refused, or waits for the operator."""
    texts = []
    state = source.state()
    if state is not None and state.refused:
        texts.append(f"what was fetched from {source.url} is not taken: {state.failure}")
    if state is not None and state.pending:
        texts.append(_waits(source, state))
    return tuple(
        Problem(file=source.path, line=None, reason=Reason.METADATA_INVALID, text=text, in_force=True) for text in texts
    )


def check_peer(file: TomlFile, peer: Peer, *, locations: Iterable[str], ours: HttpUrl, whose: str) -> None:
    """Refuse what only shows when the keys are seen together; `locations`: all URLs that the metadata names."""
    if peer.signature_algorithm is SignatureAlgorithm.RSA_SHA1 and not peer.insecure_sha1:
        raise file.error(
            "signature_algorithm",
            "SHA-1 is broken, so nothing is signed with it",
            expected="rsa-sha256",
            next_step="A peer that knows nothing else needs insecure_sha1 = true as well.",
        )
    if peer.logout_url is not None:
        _endpoint(file, "logout_url", peer.logout_url)
    logout = [url for endpoint in peer.single_logout for url in (endpoint.location, endpoint.answer_location)]
    for url in (*locations, *logout, *filter(None, [peer.logout_url])):
        if is_ours(parse(url), ours):
            raise file.error(
                "logout_url" if url == peer.logout_url else "metadata",
                f"an endpoint of the {whose} is one of this service's own URLs",
                got=shown(url),
                next_step=f"Check that this is the {whose}'s metadata and not our own.",
            )


def checked_endpoint(file: TomlFile, key: str, text: str, *, ours: HttpUrl) -> HttpUrl:
    """Return the parts of a URL that a key names, or raise ConfigurationError (security K227, K228).

    It is https unless `insecure_http` says otherwise, and none of this service's own.
    """
    url = _endpoint(file, key, text)
    if is_ours(url, ours):
        raise file.error(
            key,
            f"{key} is one of this service's own URLs",
            got=shown(text),
            next_step="Name the application's own address.",
        )
    return url


def is_ours(url: HttpUrl, ours: HttpUrl) -> bool:
    """Say whether a URL leads to this service, whose public URL is `ours`."""
    same_origin = (url.scheme, url.host, url.port) == (ours.scheme, ours.host, ours.port)
    return same_origin and f"{url.path}/".startswith(f"{ours.path.removesuffix('/')}/")


def _endpoint(file: TomlFile, key: str, text: str) -> HttpUrl:
    try:
        return parse_endpoint(text, insecure_http=file.values.get("insecure_http", False))
    except UrlRefusedError as error:
        raise file.error(
            key,
            f"the {key} cannot be used: {error}",
            expected="an absolute https URL without user name and fragment",
            got=shown(text),
        ) from None
