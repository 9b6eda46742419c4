"""Is a session alive? One look, with its rate limit inside; and the codes that may be used once."""

from __future__ import annotations

from dataclasses import dataclass

from redis.exceptions import NoScriptError, RedisError

from saml_slo.protocol.session import Session
from saml_slo.store import keys
from saml_slo.store.connect import guard
from saml_slo.store.steps import Steps, living

TOUCH_GAIN = 60_000  # least gain in ms for which moving the idle limit is worth a write
_WINDOW = 1000  # milliseconds


@dataclass(frozen=True, slots=True)
class Look:
    """A session, None when it is over, and how often its asker has asked in this second; 0: nobody could count."""

    session: Session | None
    count: int


class Checks(Steps):
    """Look at sessions, and take codes."""

    def check_session(self, identifier: str, asker: str, now: int) -> Look:
        """Look at a session, move its idle limit on, and count the check as one of `asker` in this second.

        One round trip: two scripts in one pipeline, because what is counted for an application lies in another slot
        than the session. Where Redis has forgotten the scripts, two more.
        """
        touch, count = self._script["touch_session"], self._script["count_check"]
        pipeline = self._redis.pipeline(transaction=False)
        # Not by the script objects: a pipeline would ask first whether Redis knows them.
        session, due = keys.session(identifier), keys.due(identifier[:2])
        pipeline.evalsha(touch.sha, 2, session, due, now, identifier, TOUCH_GAIN)
        pipeline.evalsha(count.sha, 1, keys.checks(asker), _WINDOW)
        with guard():
            value, number = pipeline.execute(raise_on_error=False)
            if isinstance(value, NoScriptError) or isinstance(number, NoScriptError):
                value = touch(keys=(session, due), args=(now, identifier, TOUCH_GAIN))
                number = count(keys=(keys.checks(asker),), args=(_WINDOW,))
            for answer in (value, number):
                if isinstance(answer, RedisError):
                    raise answer
        return Look(None if value is None else living(identifier, value, now), number)

    def take_code(self, session: str, nonce: str, lifetime: int) -> bool:
        """Use a code about a session up; False when it was used before. `lifetime` in milliseconds. One round trip."""
        with guard():
            return bool(self._redis.set(keys.code(session, nonce), b"1", nx=True, px=lifetime))
