"""Every metric that is counted as things happen; gauges.py has those that are looked up when Prometheus asks.

Labels hold words of ours and names of configured peers, never anything that came in a message, so that nobody outside
can make them grow. docs/observability.md lists all of them.

Several worker processes count into files of one folder (`share`), which whoever is asked adds up. The library decides
when it is imported whether it does so; that is why it is imported late.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from saml_slo.errors import ConfigurationError
from saml_slo.store.connect import CAUSES

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"  # the library's own variable
_FILES: Final = ("counter", "histogram", "summary")
_FILE_BYTES: Final = 1 << 20  # as large as the library makes them at first: about 7,000 series each
_PEERS: Final = 2000  # names of peers that get series of their own; the others share one
_OTHERS: Final = "(others)"
_SECONDS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0)


def share(folder: Path) -> None:
    """Let this process and those that it starts count into `folder`, which is emptied: counters begin anew."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob("*.db"):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder for metrics cannot be used: {error.strerror}",
            setting="SLO_DATA_DIR",
            got=str(folder),
            next_step="Let this user write there, or switch metrics off with an empty SLO_METRICS_LISTEN.",
        ) from None
    os.environ[_FOLDER] = str(folder)


def _take_room() -> None:
    """Give this process's files their blocks now: to touch a page that a full disk cannot give kills a process."""
    folder = os.environ.get(_FOLDER)
    for kind in _FILES if folder else ():
        path = f"{folder}/{kind}_{os.getpid()}.db"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _FILE_BYTES)
        finally:
            os.close(descriptor)


class Metrics:
    """The counters of one process. Raises OSError where there is no room for its files."""

    def __init__(self) -> None:
        _take_room()
        import prometheus_client  # noqa: PLC0415 - see above
        from prometheus_client import CollectorRegistry, Counter, Histogram, Summary  # noqa: PLC0415 - see above

        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # as many series again, for nobody
        self._registry = registry = CollectorRegistry()
        self._peers: set[str] = set()
        self._lock = threading.Lock()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self.logouts_begun = counter("slo_logouts_begun", "Logouts that began, by who began them.", "initiator")
        self.logouts_settled = counter(
            "slo_logouts_settled",
            "Logouts that came to rest: ended (every session counts as ended) or partial. One that somebody takes up "
            "again counts again.",
            "initiator",
            "outcome",
        )
        self.targets = counter(
            "slo_targets",
            "Results of sessions that a logout was to end, by kind (session, idp, application), peer, method, state.",
            "kind",
            "peer",
            "method",
            "state",
        )
        self.sessions_opened = counter("slo_sessions_opened", "Sessions that were opened: sign_in or api.", "how")
        self.sessions_ended = counter(
            "slo_sessions_ended", "Sessions that ended: logout, expired, or application (it let go of it).", "how"
        )
        self.sign_ins = counter("slo_sign_ins", "Sign-ins that were recorded, by connection.", "connection")
        self.joined = counter("slo_applications_joined", "Times that an application joined a session.", "application")
        self.operator_actions = counter("slo_operator_actions", "What operators did besides logouts.", "action")
        self.refused = counter(
            "slo_refused", "Refused messages and requests, by reason (docs/errors.md) and family.", "reason", "family"
        )
        self.store_failures = counter("slo_store_failures", "Requests that failed because of Redis, by cause.", "cause")
        for cause in CAUSES:  # from 0: Prometheus sees no increase in a series that begins with a short failure
            self.store_failures.labels(cause)
        self.status_checks = counter(
            "slo_status_checks", "Answers of /session/status: alive, over or limited.", "answer"
        )
        self.deliveries = Histogram(
            "slo_delivery_seconds",
            "How long calls to peers took, by method and outcome (answered, or why not).",
            ("method", "outcome"),
            registry=registry,
            buckets=_SECONDS,
        )
        self.peer_deliveries = Summary(
            "slo_peer_delivery_seconds", "The same by peer.", ("kind", "peer"), registry=registry
        )

    def peer(self, name: str) -> str:
        """Return the label of a peer; from some number on all share one."""
        if name in self._peers:
            return name
        with self._lock:
            if len(self._peers) >= _PEERS:
                return _OTHERS
            self._peers.add(name)
        return name

    def registry(self) -> CollectorRegistry:
        """Return a new registry with everything that was counted, of all processes where they share a folder."""
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - see above
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - see above

        if _FOLDER not in os.environ:
            return self._registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has not annotated it
        return registry
