"""Aggregates of federations: who is due, a child process for it, and what came of it.

Each node reads for itself, for an aggregate is too large to be passed through Redis; among the processes of one node a
lock on a file says who does. A child's outcome is a cache in place or a sentence; nothing in between.
"""

from __future__ import annotations

import fcntl
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog

from saml_slo.errors import ConfigurationError, SloError
from saml_slo.peers.copies import CopyState, cannot_write, replace_file
from saml_slo.peers.federation_file import FederationFile, read_federation
from saml_slo.peers.folder import Folder
from saml_slo.renewal.schedule import next_look, next_try
from saml_slo.renewal.task import Outcome, Task, decode_outcome

_FETCH_SECONDS = 300.0
_CHILD_SECONDS = 900.0
_LOOK_AT_FILES = 3650 * 86400  # a file is read again when it changes; its own end is in the cache
_HOUSE = Path(__file__).parents[2]
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF")
_log = structlog.get_logger("saml_slo.renewal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Federations:
    """Renews every federation of a folder. `allowed` is for the child's back channel; `luck` gives 0 to 1."""

    folder: Folder[FederationFile]
    clock: Callable[[], datetime]
    luck: Callable[[], float] = random.random
    allowed: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        metadata_dir: Path,
        copies: Path,
        *,
        clock: Callable[[], datetime],
        allowed: tuple[str, ...] = (),
        luck: Callable[[], float] = random.random,
    ) -> Federations:
        """Return what renews the federations under `metadata_dir`, with their caches under `copies`."""
        folder = Folder(
            metadata_dir / "federations",
            read=lambda path: read_federation(path, now=clock(), copies=copies),
            sources=lambda record: record.sources,
            copies=(copies / "federations",),
        )
        return cls(folder=folder, clock=clock, allowed=allowed, luck=luck)

    def look(self) -> int:
        """Read what is due, and return how many caches were written here. May take minutes."""
        self.folder.update(wall_clock=self.clock().timestamp(), copies=True)
        return sum(self._renew(federation) for federation in self.folder.good().values())

    def _renew(self, federation: FederationFile) -> bool:
        try:
            identity = federation.identity()
        except ConfigurationError as error:
            return self._missing(federation, SloError.__str__(error))
        if not self._is_due(federation, identity):
            return False
        with _locked(federation.copies.state.with_suffix(".lock")) as mine:
            if not mine or not self._is_due(federation, identity):
                return False
            before = federation.state()
            if before is None or before.url != identity:
                before = CopyState(url=identity)
            outcome = self._run(federation, before)
            after = self._after(federation, before, outcome)
            replace_file(federation.copies.state, after.encoded())
        _tell(federation, before, after)
        return bool(outcome.version)

    def _is_due(self, federation: FederationFile, identity: str) -> bool:
        state = federation.state()
        if state is None or state.url != identity:
            return True
        return state.next_at <= self._now() or (federation.cache() is None and not state.failure)

    def _missing(self, federation: FederationFile, sentence: str) -> bool:
        """Keep why there is no aggregate, where that is news."""
        before = federation.state() or CopyState(url="")
        if before.failure != sentence:
            after = replace(before, url="", failure=sentence, failures=1, checked_at=self._now())
            replace_file(federation.copies.state, after.encoded())
        return False

    def _run(self, federation: FederationFile, before: CopyState) -> Outcome:
        cache = federation.cache()
        until = None if cache is None else cache.facts.valid_until
        task = Task(
            source=federation.source.url or str(federation.source.path),
            is_url=bool(federation.source.url),
            cache=str(federation.cache_path),
            settings=federation.settings,
            signers=federation.signers,
            wanted=federation.wanted,
            allowed=self.allowed,
            # Nothing new is good enough only where what we have was made under the same settings.
            etag="" if cache is None else before.etag,
            last_modified="" if cache is None else before.last_modified,
            # A file is the operator's word; what comes by the network might be somebody's replay.
            not_before="" if until is None or not federation.source.url else until.isoformat(),
            seconds=_FETCH_SECONDS,
        )
        return run_child(task)

    def _after(self, federation: FederationFile, before: CopyState, outcome: Outcome) -> CopyState:
        now = self._now()
        if outcome.failure:
            failures = before.failures + 1
            return replace(
                before,
                checked_at=now,
                next_at=next_try(now, failures, self.luck()),
                failures=failures,
                failure=outcome.failure,
                refused=outcome.refused,
            )
        cache = federation.cache()
        facts = None if cache is None else cache.facts
        look = next_look(
            now,
            valid_until=None if facts is None else facts.valid_until,
            cache_duration=None if facts is None else facts.cache_duration,
            luck=self.luck(),
        )
        return CopyState(
            url=before.url,
            version=outcome.version or before.version,
            etag=outcome.etag,
            last_modified=outcome.last_modified,
            fetched_at=now if outcome.version else before.fetched_at,
            checked_at=now,
            next_at=look if federation.source.url else now + _LOOK_AT_FILES,
        )

    def _now(self) -> int:
        return int(self.clock().timestamp())


def run_child(task: Task) -> Outcome:
    """Let a process of its own do a task; whatever happens to it is a sentence."""
    # The child gets no setting and no secret of ours: what it needs stands in the task.
    kept = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "saml_slo.renewal.child"],
            input=task.encoded(),
            capture_output=True,
            timeout=_CHILD_SECONDS,
            check=False,
            env={**kept, "PYTHONPATH": os.pathsep.join([str(_HOUSE), *filter(None, sys.path)])},
        )
    except subprocess.TimeoutExpired:
        return Outcome(failure="reading it took too long", refused=True)
    except OSError as error:
        return Outcome(failure=f"no process could be started: {error.strerror}")
    outcome = decode_outcome(done.stdout)
    if outcome is None:
        _log.error(
            "federation_child_died", code=done.returncode, message=done.stderr.decode("ascii", "replace")[-2000:]
        )
        return Outcome(failure=f"the process that reads it ended with code {done.returncode}", refused=True)
    return outcome


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Say whether this process is the one of its node that may go on; the lock ends with the block, or the process."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise cannot_write(path, error) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _tell(federation: FederationFile, before: CopyState, after: CopyState) -> None:
    if after.failure:
        log = _log.warning if after.failure != before.failure else _log.debug
        log("federation_not_renewed", name=federation.name, message=after.failure, refused=after.refused)
    elif after.version != before.version:
        cache = federation.cache()
        _log.info("federation_renewed", name=federation.name, entities=0 if cache is None else cache.count)
