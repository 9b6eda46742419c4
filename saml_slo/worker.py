"""What has to happen without anybody asking: sessions whose time is over, logouts whose answers never came.

Every step is one that may be repeated, so any number of processes may sweep at the same time. A pass costs one round
trip when nothing is due.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from saml_slo.ending import Endings
from saml_slo.errors import StoreUnavailable
from saml_slo.logout.events import ClockTicked
from saml_slo.protocol.session import milliseconds
from saml_slo.store.store import Store

_BATCH = 100
_log = structlog.get_logger("saml_slo.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Sweeps every `interval` seconds in a thread of its own, from `start` to `stop`."""

    store: Store
    endings: Endings
    clock: Callable[[], datetime]
    interval: float = 5.0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        threading.Thread(target=self._run, name="sweeper", daemon=True).start()

    def stop(self) -> None:
        """End after the step that is under way."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(self.interval):
            try:
                self.sweep()
            except StoreUnavailable as error:
                _log.warning("sweep_postponed", reason=error.reason, cause=error.cause)
            except Exception:  # noqa: BLE001 - a record that nobody foresaw must not end all sweeping
                _log.exception("sweep_failed")

    def sweep(self) -> int:
        """Do what is due and return how many sessions ended and logouts moved on."""
        now = milliseconds(self.clock())
        done = 0
        for kind, identifier in self.store.due(now, _BATCH):
            done += self._expire(identifier, now) if kind == "s" else self._tick(identifier, now)
        return done

    def _expire(self, identifier: str, now: int) -> bool:
        session = self.store.read_any_session(identifier)
        principals = () if session is None else self.endings.principals(session)
        ended = self.store.expire_session(identifier, principals, now)
        if ended:
            _log.info("session_expired", session=identifier)
        return ended

    def _tick(self, identifier: str, now: int) -> bool:
        transaction = self.store.read_logout(identifier)
        if transaction is None:
            self.store.forget_due("l", identifier)
            return False
        # Sessions of other slots first: what a crash cut off is ended now, whatever the clock says.
        after = self.store.advance_logout(self.endings.finish(transaction), [ClockTicked()], now).transaction
        if after == transaction:
            self.store.forget_due("l", identifier)
            return False
        _log.info("logout_deadline_passed", logout=identifier, reference=after.reference)
        return True
