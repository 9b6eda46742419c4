"""What an operator does with metadata that is fetched: look now, accept what waits, go back to the copy before."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.peers.copies import CopyState
from saml_slo.peers.remote_source import Remote
from saml_slo.renewal import verdict
from saml_slo.renewal.renewal import Renewal, compared
from saml_slo.renewal.shared import documents_here
from saml_slo.renewal.verdict import Kept, Verdict

_PATIENCE = 30.0  # seconds that a refresh which is under way has for its end
_log = structlog.get_logger("saml_slo.renewal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """For the command line and the console. `kind` is connections or applications.

    Every method returns what is known about the copy afterwards, on this node; the others follow within their interval.
    Raises ConfigurationError where there is nothing to choose, and StoreUnavailable.
    """

    renewal: Renewal

    def all(self) -> dict[tuple[str, str], CopyState | None]:
        """Return what this node knows about each source, by kind and name; None for one that was never asked."""
        remotes = self.renewal.sources.update(self.renewal.clock())
        return {key: remote.source.state() for key, remote in remotes.items()}

    def refresh(self, kind: str, name: str) -> CopyState:
        """Fetch now, due or not."""
        remote = self._remote(kind, name)
        before = remote.source.state()
        ends = time.monotonic() + _PATIENCE
        while not self.renewal.renew(remote, before) and remote.source.state() == before:
            if time.monotonic() > ends:
                raise _nothing(remote, "somebody else is refreshing this metadata and does not come to an end")
            time.sleep(0.1)
        self.renewal.registry.take_copies()
        return self._state(remote)

    def accept(self, kind: str, name: str) -> CopyState:
        """Let what waits count; one can go back to what was in force."""

        def choose(remote: Remote, state: CopyState) -> Verdict:
            if not state.pending:
                raise _nothing(remote, "no metadata waits to be accepted")
            pending = self._good(remote, state, verdict.PENDING)
            return verdict.accepted(state, compared(remote, state, verdict.DOCUMENT), pending, self.renewal.now())

        return self._choose(kind, name, choose)

    def go_back(self, kind: str, name: str) -> CopyState:
        """Let the copy before count again; what was in force waits, and nothing else counts until it is accepted."""

        def choose(remote: Remote, state: CopyState) -> Verdict:
            if not state.previous:
                raise _nothing(remote, "there is no earlier copy to go back to")
            previous = self._good(remote, state, verdict.PREVIOUS)
            old = compared(remote, state, verdict.DOCUMENT)
            if old is None:
                raise _nothing(remote, "the copy in force cannot be read, so it could not be kept")
            return verdict.went_back(state, old, previous, self.renewal.now())

        return self._choose(kind, name, choose)

    def _choose(self, kind: str, name: str, choose: Callable[[Remote, CopyState], Verdict]) -> CopyState:
        remote = self._remote(kind, name)
        token = self.renewal.shared.lease(remote.copies)
        if token is None:
            raise _nothing(remote, "this metadata is being refreshed just now", "Try again in a moment.")
        try:
            (there,) = self.renewal.shared.states([remote])
            if there is not None and there != remote.source.state():
                self.renewal.shared.mirror(remote.copies, there)
            after = choose(remote, self._state(remote))
        except BaseException:
            self.renewal.shared.release(remote.copies, token)
            raise
        if not self.renewal.write(remote, token, after):
            raise _nothing(remote, "somebody else changed this metadata meanwhile", "Look at it again.")
        _log.info("metadata_chosen", kind=kind, name=name, version=after.state.version)
        self.renewal.registry.take_copies()
        return self._state(remote)

    def _remote(self, kind: str, name: str) -> Remote:
        remote = self.renewal.sources.update(self.renewal.clock()).get((kind, name))
        if remote is None:
            raise ConfigurationError(
                f"the metadata of {name} is not fetched from anywhere",
                expected=f"metadata_url or mdq_url in metadata/{kind}/{name}.toml",
                next_step="Where its metadata is a file, replace that file: it is read again by itself.",
            )
        return remote

    @staticmethod
    def _state(remote: Remote) -> CopyState:
        return remote.source.state() or CopyState(url=remote.source.url)

    def _good(self, remote: Remote, state: CopyState, part: str) -> Kept:
        """Return a document that still counts: it may have expired, or another signer been pinned, while it waited."""
        document = documents_here(remote.copies, state).get(part)
        if document is None:
            raise _nothing(remote, "the document is not there any more")
        now = self.renewal.clock()
        self.renewal.sources.check(remote, document, now)
        return Kept(document, remote.read(document, now))


def _nothing(remote: Remote, message: str, next_step: str = "") -> ConfigurationError:
    return ConfigurationError(message, file=remote.path, reason=Reason.METADATA_INVALID, next_step=next_step)
