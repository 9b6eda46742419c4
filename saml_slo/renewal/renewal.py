"""Renew what is published elsewhere, in a thread of its own: look who is due, fetch, decide, tell all nodes.

Any number of processes and nodes may run this. Whoever takes the lease on a source fetches it; everybody else takes the
outcome from Redis within one interval. Nothing here is waited for by a request: the registry reads the files that are
written here, and it is this thread that makes it read them.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue

import structlog

from saml_slo.delivery.back_channel import BackChannel
from saml_slo.errors import ConfigurationError, SloError, StoreUnavailable
from saml_slo.peers.copies import CopyState
from saml_slo.peers.registry import Registry
from saml_slo.peers.remote_source import Remote, RemoteSources
from saml_slo.renewal import verdict
from saml_slo.renewal.federations import Federations
from saml_slo.renewal.fetch import FetchFailed, fetch
from saml_slo.renewal.orphans import Orphans
from saml_slo.renewal.shared import SharedCopies, documents_here
from saml_slo.renewal.verdict import Kept, Verdict

_AT_A_TIME = 8
_GLANCE = 1.0  # seconds
_log = structlog.get_logger("saml_slo.renewal")


@dataclass(slots=True)
class _Seen:
    """What a glance needs of the one before: the registry's generation, and what another process was fetching."""

    generation: int = -1
    elsewhere: tuple[Remote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Looks every `interval` seconds, from `start` to `stop`. `clock` gives the time of day, `luck` 0 to 1.

    In between it glances every second at what is on this node, so that a new file is fetched at once, and all workers
    have a copy a second after the first has it.
    """

    registry: Registry
    sources: RemoteSources
    shared: SharedCopies
    channel: BackChannel
    clock: Callable[[], datetime]
    federations: Federations
    orphans: Orphans
    luck: Callable[[], float] = random.random
    interval: float = 10.0
    _known: dict[tuple[str, str], Remote] = field(default_factory=dict)
    _seen: _Seen = field(default_factory=_Seen)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Take what the other nodes have, and begin; the threads end with the process.

        An aggregate may take minutes, so it has a thread of its own.
        """
        with suppress(StoreUnavailable, ConfigurationError):  # the first look says it
            self.catch_up()
        for name, look, rest in (
            ("renewal", self.look, self._rest),
            ("federations", self.look_at_federations, partial(self._stopping.wait, self.interval)),
        ):
            threading.Thread(target=self._run, args=(look, rest), name=name, daemon=True).start()

    def stop(self) -> None:
        """End after what is under way."""
        self._stopping.set()

    def _run(self, look: Callable[[], int], rest: Callable[[], object]) -> None:
        while not self._stopping.is_set():
            try:
                look()
                rest()
                continue
            except StoreUnavailable as error:
                _log.warning("renewal_postponed", reason=error.reason, cause=error.cause)
            except ConfigurationError as error:
                _log.error("renewal_failed", reason=error.reason, message=str(error))
            except Exception:  # noqa: BLE001 - what nobody foresaw must not end all renewing
                _log.exception("renewal_failed")
            self._stopping.wait(self.interval)

    def _rest(self) -> None:
        """Wait for the next look, which comes early when there is something new to look at."""
        ends = time.monotonic() + self.interval
        while time.monotonic() < ends and not self._stopping.wait(min(_GLANCE, self.interval)):
            if self.glance():
                return

    def glance(self) -> bool:
        """Take what changed on this node, be it by another process; say whether a look is worth it now.

        That is when a file names a new source, or another node has come to an end with one that this node waits for.
        """
        self.registry.refresh()  # where nobody asks anything a wrong file is told as well
        self.registry.take_new_copies()
        generation = self.registry.generation
        if generation != self._seen.generation:  # looking at every file once more is for when one has changed
            self._seen.generation = generation
            remotes = self.sources.update(self.clock())
            if any(self._known.get(key) != remote for key, remote in remotes.items()):
                return True
        waiting = [remote for remote in self._seen.elsewhere if remote.source.state() is None]
        return any(state is not None for state in self.shared.states(waiting)) if waiting else False

    def catch_up(self) -> None:
        """Take from the other nodes what this one has not got, without asking anybody else: quick enough for a start.

        A node that starts with empty files serves every connection from its first request on.
        """
        remotes = list(self.sources.update(self.clock()).values())
        for remote, there in zip(remotes, self.shared.states(remotes), strict=True):
            self._settled(remote, there)
        self.registry.take_copies()

    def look_at_federations(self) -> int:
        """Read the aggregates that are due; return how many caches this process wrote."""
        written = self.federations.look()
        self.registry.take_copies()  # in any case: another process of this node may have written
        return written

    def look(self) -> int:
        """Do what is due; return how many copies this process wrote here."""
        remotes = list(self.sources.update(self.clock()).values())
        mirrored = 0
        due: list[tuple[Remote, CopyState | None]] = []
        for remote, there in zip(remotes, self.shared.states(remotes), strict=True):
            state, written = self._settled(remote, there)
            mirrored += written
            # A file that is new or was changed may have a copy that no longer counts: another URL, another signer.
            is_new, self._known[remote.key] = self._known.get(remote.key) != remote, remote
            if state is None or state.next_at <= self.now() or (is_new and self._in_force(remote, state) is None):
                due.append((remote, state))
        renewed = _in_parallel([partial(self.renew, remote, state) for remote, state in due], self._stopping)
        # Whoever fetches leaves a state, whatever came of it; so another process is at these.
        self.orphans.sweep(self.now())
        self._seen.elsewhere = tuple(remote for remote, _ in due if remote.source.state() is None)
        self.registry.take_copies()  # the same
        return mirrored + renewed

    def _settled(self, remote: Remote, there: CopyState | None) -> tuple[CopyState | None, bool]:
        """Agree with the other nodes about one source: return what is true, and whether it was written here."""
        here = remote.source.state()
        if there == here:
            return here, False
        if there is not None and (here is None or there.checked_at >= here.checked_at):
            written = self.shared.mirror(remote.copies, there)
            return (there, True) if written else (here, False)
        token = self.shared.lease(remote.copies)
        if token is not None and here is not None:  # Redis was emptied, or put back
            self.shared.write(remote.copies, token, here, documents_here(remote.copies, here))
        return here, False

    def renew(self, remote: Remote, seen: CopyState | None) -> bool:
        """Fetch one source now, unless another process is at it or was since `seen`; say whether anything is written.

        Raises StoreUnavailable.
        """
        token = self.shared.lease(remote.copies)
        if token is None:
            return False
        (there,) = self.shared.states([remote])
        is_newer = there is not None and (seen is None or there.checked_at > seen.checked_at)
        if there is not None and is_newer and self.shared.mirror(remote.copies, there):
            self.shared.release(remote.copies, token)
            return True
        before = seen or there or CopyState(url=remote.source.url)
        after = self._fetched(remote, before)
        if not self.write(remote, token, after):
            return False
        _tell(remote, before, after.state)
        return True

    def write(self, remote: Remote, token: str, after: Verdict) -> bool:
        """Write what is true now for all nodes, at the end of a lease; False when the lease was lost meanwhile.

        Documents that did not change are written too: Redis may have been emptied.
        """
        documents = {**documents_here(remote.copies, after.state), **after.documents}
        return self.shared.write(remote.copies, token, after.state, documents)

    def _fetched(self, remote: Remote, state: CopyState) -> Verdict:
        now, luck = self.now(), self.luck()
        good = self._in_force(remote, state)
        try:
            fetched = fetch(
                self.channel,
                remote.source.url,
                etag=state.etag if good else "",
                last_modified=state.last_modified if good else "",
            )
        except FetchFailed as failure:
            return verdict.failed(state, str(failure), now, luck=luck, refused=False)
        if fetched.document is None:
            if good is None:
                return verdict.failed(state, "the server said that nothing is new", now, luck=luck, refused=True)
            return verdict.unchanged(state, good, now, luck=luck)
        try:
            new = Kept(fetched.document, remote.read(fetched.document, self.clock()))
            self.sources.check(remote, fetched.document, self.clock())
        except ConfigurationError as error:
            # Without the place, which is a line of something that is not kept.
            return verdict.failed(state, SloError.__str__(error), now, luck=luck, refused=True)
        old = good or compared(remote, state, verdict.DOCUMENT)
        return verdict.came(state, old, new, fetched, now, policy=remote.source.changes, luck=luck)

    def _in_force(self, remote: Remote, state: CopyState | None) -> Kept | None:
        """Return our copy if it is good: here, valid now, signed by who is pinned now."""
        document = None if state is None else documents_here(remote.copies, state).get(verdict.DOCUMENT)
        try:
            return None if document is None else Kept(document, remote.read(document, self.clock()))
        except ConfigurationError:
            return None

    def now(self) -> int:
        """Return the time in seconds since 1970."""
        return int(self.clock().timestamp())


def compared(remote: Remote, state: CopyState, part: str) -> Kept | None:
    """Return a document as it was when it was taken, to compare a new one with; it may have expired since."""
    document = documents_here(remote.copies, state).get(part)
    then = datetime.fromtimestamp(state.fetched_at, UTC)
    try:
        return None if document is None else Kept(document, remote.read(document, then, verify=False))
    except ConfigurationError:
        return None


def _survived(job: Callable[[], bool]) -> bool:
    """Do a job; what goes wrong with one source must not keep the others from being renewed."""
    try:
        return job()
    except StoreUnavailable:
        raise
    except ConfigurationError as error:
        _log.error("renewal_failed", reason=error.reason, message=str(error))
    except Exception:  # noqa: BLE001 - a mistake of ours costs one source
        _log.exception("renewal_failed")
    return False


def _in_parallel(jobs: Sequence[Callable[[], bool]], stopping: threading.Event) -> int:
    """Do all of them, a few at a time, and return how many said True.

    The first start of a large installation fetches a thousand documents, of which some servers hang.
    """
    queue: SimpleQueue[Callable[[], bool]] = SimpleQueue()
    for job in jobs:
        queue.put(job)
    done: list[bool] = []
    problems: list[StoreUnavailable] = []

    def work() -> None:
        while not stopping.is_set():
            try:
                done.append(_survived(queue.get_nowait()))
            except Empty:
                return
            except StoreUnavailable as error:
                problems.append(error)
                return

    count = min(_AT_A_TIME, len(jobs))
    threads = [threading.Thread(target=work, name=f"renewal-{number}", daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return sum(done)


def _tell(remote: Remote, before: CopyState, after: CopyState) -> None:
    kind, name = remote.key
    if after.failure:
        log = _log.warning if after.failure != before.failure else _log.debug
        log("metadata_not_renewed", kind=kind, name=name, message=after.failure, refused=after.refused)
    elif after.pending and after.changes != before.changes:
        _log.warning("metadata_waits", kind=kind, name=name, changes=after.changes)
    elif after.version != before.version:
        _log.info("metadata_renewed", kind=kind, name=name, version=after.version)
