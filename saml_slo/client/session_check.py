"""Whether a session of the application is alive: asked now and then, remembered in between."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Literal

from saml_slo.client.client import Client
from saml_slo.client.errors import ClientError, NotFound, RateLimited, SessionEnded
from saml_slo.client.replay import ReplayCache

_log = logging.getLogger("saml_slo.client")
PAUSE_SECONDS = 5.0
GRACE_SECONDS = 300.0
MAX_SESSIONS = 100_000
ENDED_SECONDS = 24 * 3600.0  # long after the last process has asked the bridge itself


@dataclass(frozen=True, slots=True)
class _Known:
    """`good_until`: until when the last good answer may be relied on. All three moments are by our clock.

    `ask_at`: when to ask next; `touch_at`: when to ask next because the person did something.
    """

    alive: bool
    good_until: float
    ask_at: float
    touch_at: float


class SessionCheck:
    """Answers from memory where it can, and asks when the bridge's `check_after` is over.

    To ask is to touch the session, which keeps it from ending idle; a quiet question only reads it.

    `when_unavailable` says what holds while the bridge cannot be asked (it is down, or does not take our credential):

    - "closed": a session lives on for `grace` seconds after its last good answer ran out, then it counts as ended. One
      of which this process knows nothing yet has `grace` seconds from the first question.
    - "open": it lives on until somebody says otherwise; a logout meanwhile is noticed when the bridge is back.

    After a failure nothing is asked for 5 seconds (or as long as the bridge says), so that a bridge that hangs does not
    hang every request of the application. May be used by many threads; each process remembers for itself, at most
    `max_sessions`. `ended` is where processes tell each other of notices, and is looked at for every question; without
    it a notice counts in the process that took it, and in the others when they ask next. `clock` returns seconds that
    never go back.
    """

    def __init__(
        self,
        client: Client,
        *,
        when_unavailable: Literal["closed", "open"] = "closed",
        grace: float = GRACE_SECONDS,
        max_sessions: int = MAX_SESSIONS,
        ended: ReplayCache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if when_unavailable not in ("closed", "open"):
            raise ValueError("when_unavailable is either closed or open")
        self._client = client
        self._open = when_unavailable == "open"
        self._grace = grace
        self._max = max_sessions
        self._ended = ended
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._silent_until = float("-inf")
        self._failing = False
        self._lock = Lock()

    def is_alive(self, session_id: str, *, quiet: bool = False) -> bool:
        """Say whether the application's session of this id is alive. Takes as long as the client's timeout, at most.

        `quiet`: a page asks by itself, such as by polling, so that the idle limit stays where it is.
        A session that the bridge does not know is not alive: register it at sign-in, before the first question.
        """
        if self._ended is not None and self._ended.contains(_mark(session_id)):
            return False
        now = self._clock()
        with self._lock:
            known = self._known.get(session_id)
            if known is not None:
                self._known.move_to_end(session_id)
                if not known.alive:
                    return False
                if now < (known.ask_at if quiet else known.touch_at):
                    return self._still(known, now)
            if now < self._silent_until:
                return self._unanswered(session_id, now)
            if known is not None:  # one thread asks; the others go by what is known
                later = now + PAUSE_SECONDS
                touch_at = known.touch_at if quiet else later
                self._keep(session_id, replace(known, ask_at=later, touch_at=touch_at))
        return self._ask(session_id, quiet=quiet)

    def mark_ended(self, session_id: str) -> None:
        """Remember that a session was ended, as a logout notice said, without asking; tell other processes of it."""
        self._over(session_id)
        if self._ended is not None:
            self._ended.add(_mark(session_id), ENDED_SECONDS)

    def _over(self, session_id: str) -> None:
        with self._lock:
            self._keep(session_id, _Known(alive=False, good_until=0.0, ask_at=0.0, touch_at=0.0))

    def _ask(self, session_id: str, *, quiet: bool) -> bool:
        ask = self._client.read_session if quiet else self._client.touch_session
        try:
            session = ask(session_id)
        except SessionEnded:
            self._over(session_id)
            self._answered()
            return False
        except ValueError:  # what cannot have been registered is not alive
            return False
        except NotFound:
            with self._lock:
                self._known.pop(session_id, None)
            self._answered()
            return False
        except ClientError as error:
            return self._failed(session_id, error)
        self._answered()
        now = self._clock()
        with self._lock:
            known = self._known.get(session_id)
            if known is not None and not known.alive:
                return False  # a notice came while we asked
            good_until = touch_at = now + session.check_after
            if quiet:  # what the person does next is to count, however fresh this answer is
                touch_at = now if known is None else known.touch_at
            self._keep(session_id, _Known(True, good_until, ask_at=good_until, touch_at=touch_at))  # noqa: FBT003 - alive
        return True

    def _answered(self) -> None:
        if self._failing:
            self._failing = False
            _log.info("The bridge answers again.")

    def _failed(self, session_id: str, error: ClientError) -> bool:
        if not self._failing:
            self._failing = True
            _log.warning("The bridge cannot be asked about sessions (said once until it answers again): %s", error)
        now = self._clock()
        pause = max(PAUSE_SECONDS, error.retry_after) if isinstance(error, RateLimited) else PAUSE_SECONDS
        with self._lock:
            self._silent_until = max(self._silent_until, now + pause)
            return self._unanswered(session_id, now)

    def _unanswered(self, session_id: str, now: float) -> bool:
        """Say what holds without an answer; the lock is held."""
        known = self._known.get(session_id)
        if known is None:
            known = _Known(alive=True, good_until=now, ask_at=now, touch_at=now)
            self._keep(session_id, known)
        return self._still(known, now)

    def _still(self, known: _Known, now: float) -> bool:
        return known.alive and (self._open or now < known.good_until + self._grace)

    def _keep(self, session_id: str, known: _Known) -> None:
        self._known[session_id] = known
        self._known.move_to_end(session_id)
        while len(self._known) > self._max:
            self._known.popitem(last=False)


def _mark(session_id: str) -> str:
    return f"ended:{session_id}"
