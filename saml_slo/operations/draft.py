"""A change of the files under metadata/ that is tried before it is made: what would the registry say?

The folder is copied aside, changed there, and read by the same registry that the server uses; so whatever it would
refuse is refused here in the same words, and nothing is left behind. `apply` then makes the change in the real folder:
every file is replaced whole, a peer's own file last, and what was begun is taken back when something fails.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from saml_slo.config import Settings
from saml_slo.errors import ConfigurationError
from saml_slo.peers import application_file, connection_file
from saml_slo.peers.copies import CopyFiles, CopyState, replace_file, version_of
from saml_slo.peers.metadata_source import Origin, Source, source_of
from saml_slo.peers.preset import read_with_preset
from saml_slo.peers.problem import Problem
from saml_slo.peers.registry import Registry
from saml_slo.peers.toml_file import read_toml

# Fetches a URL that a file names, or raises ConfigurationError.
Fetch = Callable[[str], bytes]
_DRAFTS = shutil.ignore_patterns(".*.draft")


@dataclass(frozen=True, slots=True)
class Draft:
    """Files by their path under metadata/ (`connections/acme.toml`); None removes one."""

    files: Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the registry would say after a draft. `folder` is where it was tried; it is gone after the trial.

    `refusals` and `warnings` are those that were not there before. `later` are files that will be in force when the
    server has their metadata, which was not asked for here. `sources` says where metadata comes from, for each drafted
    file that says it.
    """

    registry: Registry
    folder: Path
    refusals: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    later: tuple[Problem, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)


@contextmanager
def trial(settings: Settings, draft: Draft, *, now: datetime, fetch: Fetch | None = None) -> Iterator[Trial]:
    """Try a draft. `fetch` gets what its files have at a URL, None: nothing is; raises ConfigurationError."""
    before = Registry(settings.metadata_dir, settings.public_url, copies=settings.copies_dir, now=lambda: now)
    with tempfile.TemporaryDirectory(prefix="saml-slo-draft-") as aside:
        folder, copies = Path(aside) / "metadata", Path(aside) / "copies"
        _copy(settings.metadata_dir, folder)
        _copy(settings.copies_dir, copies)
        for name, content in draft.files.items():
            _put(folder / name, content)
        sources = dict(_fetched(folder, copies, draft, fetch, now))
        after = Registry(folder, settings.public_url, copies=copies, now=lambda: now)
        places = ((folder, settings.metadata_dir), (copies, settings.copies_dir))
        known = {(problem.file, problem.text) for problem in (*before.problems(), *before.warnings())}

        def new(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
            found = (_at_home(problem, places) for problem in problems)
            return tuple(problem for problem in found if (problem.file, problem.text) not in known)

        refusals = new(after.problems())
        later = {settings.metadata_dir / name for name, source in sources.items() if _is_not_here_yet(source)}
        yield Trial(
            registry=after,
            folder=folder,
            refusals=tuple(problem for problem in refusals if problem.file not in later),
            warnings=new(after.warnings()),
            later=tuple(problem for problem in refusals if problem.file in later),
            sources=sources,
        )


def apply(settings: Settings, draft: Draft) -> tuple[Path, ...]:
    """Make the change and return the files that it touched; on OSError everything is as it was before.

    The TOML makes a peer, so it is written last and removed first.
    """
    real = settings.metadata_dir
    written = [(name, content) for name, content in draft.files.items() if content is not None]
    gone = [(name, content) for name, content in draft.files.items() if content is None]
    steps = [
        *sorted(gone, key=lambda step: not step[0].endswith(".toml")),
        *sorted(written, key=lambda step: step[0].endswith(".toml")),
    ]
    was = {name: _read(real / name) for name, _ in steps}
    done: list[str] = []
    try:
        for name, content in steps:
            done.append(name)
            _put(real / name, content)
    except OSError as error:
        for name in reversed(done):
            with suppress(OSError):  # what cannot be written cannot be put back; the rest can
                _put(real / name, was[name])
        raise ConfigurationError(
            "the files cannot be written, so nothing was changed",
            file=real / done[-1],
            got=error.strerror or str(error),
            next_step="Run this as the owner of the folder.",
        ) from None
    return tuple(real / name for name, _ in steps)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder by links: every file that is changed here is replaced whole, so the originals stay.

    A folder in it that is a link becomes a folder: by a link, what is only tried would be written into the real one.
    """
    if not source.is_dir():
        target.mkdir(parents=True)
        return
    try:
        # Hidden folders too: a mounted ConfigMap's files are links into one.
        shutil.copytree(source, target, copy_function=_link, ignore=_DRAFTS, symlinks=True)
        for linked in [entry for entry in source.iterdir() if entry.is_symlink() and entry.is_dir()]:
            if not linked.name.startswith("."):
                (target / linked.name).unlink()
                shutil.copytree(linked, target / linked.name, copy_function=_link, ignore=_DRAFTS, symlinks=True)
    except OSError as error:
        raise ConfigurationError(
            "the folder cannot be read, so nothing can be tried", file=source, got=str(error)[:200]
        ) from None


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or a link that the system does not allow
        shutil.copy2(source, target)


def _put(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode if path.exists() else None
    replace_file(path, content)
    if mode is None:
        return
    # Of the file itself: whoever owns the folder could have put a link in its place, for root to follow.
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(file, stat.S_IMODE(mode))
    finally:
        os.close(file)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _fetched(
    folder: Path, copies: Path, draft: Draft, fetch: Fetch | None, now: datetime
) -> Iterator[tuple[str, Source]]:
    """Put what drafted files have at a URL where the registry of the trial looks for our copies."""
    for name, content in draft.files.items():
        if content is None or not name.endswith(".toml") or name.startswith("organisations/"):
            continue
        source = _source(folder / name, copies)
        if source is None:
            continue
        yield name, source
        if source.copies is not None and fetch is not None:
            _keep_copy(source.copies, source.url, fetch(source.url), now)


def _is_not_here_yet(source: Source) -> bool:
    """Say whether a source is fetched by the server and nothing of it is here; a federation's path is its cache."""
    if source.origin is Origin.FEDERATION:
        return not source.path.exists()
    return source.copies is not None and source.state() is None


def _source(path: Path, copies: Path) -> Source | None:
    """Return where a drafted file's metadata comes from; None where the file is broken, which the registry tells."""
    try:
        if path.parent.name == "connections":
            return source_of(read_with_preset(path, connection_file.KEYS), copies)
        if path.parent.name == "applications":
            return source_of(read_toml(path, application_file.ALL_KEYS), copies)
    except ConfigurationError:
        return None
    return None


def _keep_copy(files: CopyFiles, url: str, document: bytes, now: datetime) -> None:
    moment = int(now.astimezone(UTC).timestamp())
    state = CopyState(url=url, version=version_of(document), fetched_at=moment, checked_at=moment)
    replace_file(files.document, document)
    replace_file(files.state, state.encoded())


def _at_home(problem: Problem, places: tuple[tuple[Path, Path], ...]) -> Problem:
    """Return a problem with the place that the file has, or would have, in the real folder."""
    for aside, real in places:
        with suppress(ValueError):
            return replace(problem, file=real / problem.file.relative_to(aside))
    return problem
