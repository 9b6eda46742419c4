"""What has to happen without anybody asking: sessions whose time is over, logouts whose answers never came.

Every step is one that may be repeated, so any number of processes may sweep at the same time. A pass costs one round
trip when nothing is due.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import structlog

from saml_slo.errors import StoreUnavailable
from saml_slo.journey import Journey
from saml_slo.lines import about_logout, apart
from saml_slo.remote_logout import RemoteLogout

_BATCH = 100
_LAST_STEP = 2.0  # seconds
_log = structlog.get_logger("saml_slo.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Sweeps every `interval` seconds in a thread of its own, from `start` to `stop`.

    `tells`: applications hear of a session that ended by itself (product S3).
    """

    journey: Journey
    remote: RemoteLogout
    tells: bool = True
    interval: float = 5.0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """End after the step that is under way, which is waited for."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_LAST_STEP)

    def _run(self) -> None:
        while not self._stopping.wait(self.interval):
            try:
                self.sweep()
            except StoreUnavailable as error:
                _log.warning("sweep_postponed", reason=error.reason, cause=error.cause)
            except Exception:  # noqa: BLE001 - a record that nobody foresaw must not end all sweeping
                _log.exception("sweep_failed")

    def sweep(self) -> int:
        """Do what is due and return how many sessions ended and logouts moved on.

        Logouts first: people and peers wait for those, and a session whose time is over is refused anyway. Sessions
        that end all at once (security M244) are left to the next pass after `interval` seconds of them.
        """
        now, until = self.journey.now(), time.monotonic() + self.interval
        done = 0
        for kind, identifier in sorted(self.journey.store.due(now, _BATCH), key=lambda entry: entry[0] != "l"):
            if self._stopping.is_set() or (kind == "s" and time.monotonic() > until):
                break
            done += apart(self._expire, identifier, now) if kind == "s" else apart(self._tick, identifier)
        return done

    def _expire(self, identifier: str, now: int) -> bool:
        session = self.journey.store.read_any_session(identifier)
        if session is not None and session.participants and self.tells and now >= session.ends_at:
            logout = self.remote.expire(session)
            if logout is not None:
                _log.info("session_expired", session=identifier)
            return logout is not None
        principals = () if session is None else self.journey.endings.principals(session)
        ended = self.journey.store.expire_session(identifier, principals, now)
        if ended and session is not None:
            self.journey.endings.unlist(session)
        return ended

    def _tick(self, identifier: str) -> bool:
        transaction = self.journey.store.read_logout(identifier)
        if transaction is None:
            self.journey.store.forget_due("l", identifier)
            return False
        about_logout(identifier, transaction.reference)
        # Sessions of other slots first: what a crash cut off is ended now, whatever the clock says. Then deadlines and
        # retries; whoever commits a retry holds its lease, so that no two processes send it.
        step = self.journey.tick(transaction)
        after = step.transaction
        if step.deliver:
            self.journey.start_deliveries(after, step.deliver)
        if after == transaction:
            # Nothing was due after all: somebody else was quicker, and its moment may have moved.
            self.journey.store.settle_due(after)
            return False
        _log.info("logout_deadline_passed")
        return True
