"""The door of the API: who asks, and whether they asked too often.

Calls are counted in Redis for spans of ten seconds; a process leases some of them at a time, so that a call seldom
costs a round trip of its own, and once they are used up it refuses without asking. A Redis that is full cannot count,
and refuses nobody for that: a logout has to work there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from flask import Request

from saml_slo.errors import Reason, StoreUnavailable, TryLater
from saml_slo.peers.registry import Registry
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.peer import Application
from saml_slo.store.store import Store
from saml_slo.web.api.auth import authenticated

SPAN = 10_000  # milliseconds
_WRITES_ARE_REFUSED = ("out_of_memory", "misconf", "no_replicas", "read_only")
_LEASES = 50  # into how many a span's calls are cut


@dataclass(slots=True)
class _Lease:
    span: int
    left: int


class Door:
    """Lets applications in; `rate` is how many calls each may make in a second, on the average of ten."""

    def __init__(self, *, registry: Registry, store: Store, clock: Callable[[], datetime], rate: int) -> None:
        self._registry = registry
        self._store = store
        self._clock = clock
        self._most = rate * SPAN // 1000
        self._leases: dict[str, _Lease] = {}
        self._lock = Lock()

    def enter(self, request: Request) -> Application:
        """Return the application that asks, or raise RequestRefused (unauthorised, rate_limited)."""
        application = authenticated(request, self._registry)
        self._count(application.client_id, milliseconds(self._clock()))
        return application

    def _count(self, client_id: str, now: int) -> None:
        span, over = divmod(now, SPAN)
        with self._lock:
            lease = self._leases.get(client_id)
            if lease is None or lease.span != span:
                lease = self._leases[client_id] = _Lease(span, 0)
            elif lease.left > 0:
                lease.left -= 1
                return
            elif lease.left < 0:
                raise self._too_often(over)
        # Outside the lock, or a slow Redis would hold everybody up.
        given = self._leased(client_id, span)
        with self._lock:
            if given == 0 and lease.left <= 0:
                lease.left = -1  # until the span is over, nobody asks Redis again
            elif given > 0:
                lease.left = max(lease.left, 0) + given - 1
                return
        if given == 0:
            raise self._too_often(over)

    def _leased(self, client_id: str, span: int) -> int:
        wanted = max(1, self._most // _LEASES)
        try:
            return self._store.lease_calls(client_id, span, most=self._most, wanted=wanted, lifetime=2 * SPAN)
        except StoreUnavailable as error:
            if error.cause not in _WRITES_ARE_REFUSED:
                raise  # nothing else would be answered either, and who asks shall not wait for it twice
            return 1

    def _too_often(self, over: int) -> TryLater:
        return TryLater(
            "This application makes too many calls",
            reason=Reason.RATE_LIMITED,
            expected=f"at most {self._most} calls in {SPAN // 1000} s",
            retry_after=max(1, -((over - SPAN) // 1000)),
        )
