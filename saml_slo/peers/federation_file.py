"""One federation: `federations/<name>.toml` says where its aggregate is, who signs it, and which entities are kept.

The aggregate itself is never read here. A child process (renewal/) verifies it and leaves a cache of the entities that
are kept; a connection or application names the federation and its entity id, and is read from there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.peers import metadata_source, values
from saml_slo.peers.copies import CopyFiles, CopyState
from saml_slo.peers.federation_cache import FederationCache, open_cache
from saml_slo.peers.metadata_source import Origin, Source, source_of
from saml_slo.peers.problem import Problem
from saml_slo.peers.toml_file import Check, TomlFile, read_toml, shown
from saml_slo.wire.aggregate import Wanted
from saml_slo.wire.metadata_signature import Signers

_FILTERS = ("entity_ids", "registration_authorities", "entity_categories")
KEYS: dict[str, Check] = {
    Origin.FILE: values.file_name,
    Origin.URL: metadata_source.KEYS[Origin.URL],
    "metadata_signer": metadata_source.KEYS["metadata_signer"],
    "metadata_fingerprint": metadata_source.KEYS["metadata_fingerprint"],
    **dict.fromkeys(_FILTERS, values.name_list),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationFile:
    """A federation and where it comes from. `settings` is a digest of everything that decides what its cache holds."""

    path: Path
    source: Source
    signers: Signers
    wanted: Wanted
    settings: str
    copies: CopyFiles
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """Return the name by which connections and applications know it."""
        return self.path.stem

    @property
    def cache_path(self) -> Path:
        """Return where its cache lies."""
        return self.copies.state.with_suffix(".cache")

    @property
    def sources(self) -> tuple[Path, ...]:
        """Return every file that this was read from."""
        return (self.path, *self.source.also, self.copies.state, self.cache_path)

    def identity(self) -> str:
        """Return what the state calls the aggregate: its address, or which file it is by time and size.

        With the settings, so that another pin or filter has it read again at once. Raises ConfigurationError when there
        is no such file.
        """
        if self.source.url:
            return f"{self.source.url} {self.settings}"
        try:
            stat = self.source.path.stat()
        except OSError as error:
            raise ConfigurationError(
                "the aggregate cannot be read",
                file=self.source.path,
                got=error.strerror or str(error),
                next_step="Save it there, or name its address with metadata_url.",
            ) from None
        return f"{self.source.path.name} {stat.st_mtime_ns} {stat.st_size} {self.settings}"

    def state(self) -> CopyState | None:
        """Return what is known about the cache."""
        return self.copies.read_state()

    def cache(self) -> FederationCache | None:
        """Return the cache, None where there is none that was made under these very settings."""
        cache = open_cache(self.cache_path)
        return cache if cache is not None and cache.facts.settings == self.settings else None


def read_federation(path: Path, *, now: datetime, copies: Path | None = None) -> FederationFile:
    """Return what `<name>.toml` says and what is known about its cache, or raise ConfigurationError."""
    if not values.CONNECTION_NAME.fullmatch(path.stem):
        raise ConfigurationError(
            "the name of this file cannot be the name of a federation",
            file=path,
            expected="lower-case letters, digits and hyphens, 63 at most, the first no hyphen",
            got=shown(path.stem),
            next_step="Rename the file.",
        )
    file = read_toml(path, KEYS)
    source = source_of(file, copies)
    if source.signers is None:
        raise ConfigurationError(
            "the file does not say who must have signed the aggregate",
            file=path,
            expected="metadata_signer, a .crt file beside this one, or metadata_fingerprint",
            next_step="Take it from the federation's own pages: thousands of keys are trusted because of it.",
        )
    wanted = Wanted(**{key: frozenset(file.values.get(key, ())) for key in _FILTERS})
    federation = FederationFile(
        path=path,
        source=source,
        signers=source.signers,
        wanted=wanted,
        settings=_settings(file, source, wanted),
        copies=CopyFiles(copies or path.parent, "federations", path.stem),
    )
    return _with_words(federation, now)


def _settings(file: TomlFile, source: Source, wanted: Wanted) -> str:
    signers = source.signers or Signers()
    parts = [
        source.url or str(file.values.get("metadata", "")),
        [der.hex() for der in signers.certificates],
        list(signers.fingerprints),
        *(sorted(getattr(wanted, name)) for name in _FILTERS),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _with_words(federation: FederationFile, now: datetime) -> FederationFile:
    cache, state = federation.cache(), federation.state()
    failure = "" if state is None else state.failure
    problems, warnings = [], []
    if cache is None:
        text = "the aggregate has not been read yet"
        problems.append(f"{text}: {failure}" if failure else f"{text}: the server does so after it has started")
    else:
        if cache.facts.valid_until is not None and cache.facts.valid_until <= now:
            problems.append(f"the aggregate expired at {cache.facts.valid_until:%Y-%m-%d %H:%M:%S} UTC")
        if failure and state is not None and state.refused:
            problems.append(f"a newer aggregate is not taken: {failure}")
        elif failure:
            warnings.append(f"the aggregate could not be renewed: {failure}")
        if cache.facts.ambiguous:
            names = ", ".join(map(shown, cache.facts.ambiguous))
            warnings.append(f"entities that are there twice, or cannot be used, are left out: {names}")
        if not cache.count:
            warnings.append(f"none of {cache.facts.total} entities is kept: look at its filter")

    def told(texts: list[str], *, in_force: bool = False) -> tuple[Problem, ...]:
        reason = Reason.METADATA_INVALID
        return tuple(
            Problem(file=federation.path, line=None, reason=reason, text=text, in_force=in_force) for text in texts
        )

    return replace(federation, problems=told(problems, in_force=cache is not None), warnings=told(warnings))


def entity_of(file: TomlFile, source: Source, whose: str, now: datetime) -> bytes:
    """Return the document of the entity that a file names, or raise ConfigurationError.

    It was verified, as a part of the aggregate, by the child that wrote the cache.
    """
    name, entity_id = file.values[Origin.FEDERATION], file.values["entity_id"]
    (path,) = source.also
    if not path.exists():
        raise file.error(
            Origin.FEDERATION,
            "there is no such federation",
            expected=f"the name of a file in metadata/{path.parent.name}/",
            got=shown(name),
        )
    federation = read_federation(path, now=now, copies=source.path.parent.parent)
    cache = federation.cache()
    document = None if cache is None else cache.find(entity_id)
    if document is not None:
        return document
    if cache is None:
        error = file.error(
            Origin.FEDERATION,
            f"the {whose}'s metadata is not here yet",
            expected=f"the aggregate of federation {name}",
            got="; ".join(problem.text for problem in federation.problems),
        )
    else:
        error = file.error(
            "entity_id",
            f"the federation {name} has no such {whose}, or its filter leaves it out",
            expected=f"one of the {cache.count} entities that are kept of {cache.facts.total}",
            got=shown(entity_id),
            next_step="Correct the entity id, or the filter in the federation's file.",
        )
    error.reason = Reason.METADATA_INVALID
    raise error
