"""Is a session alive? One look, with its rate limit inside; and the codes that may be used once."""

from __future__ import annotations

from dataclasses import dataclass

from redis.exceptions import NoScriptError, RedisError

from saml_slo.protocol.session import Session
from saml_slo.store import keys
from saml_slo.store.connect import guard
from saml_slo.store.steps import Steps, living

TOUCH_GAIN = 60_000  # least gain in ms for which moving the idle limit is worth a write
_SECOND = 1000
_COUNTER_TTL = 5 * _SECOND


@dataclass(frozen=True, slots=True)
class Look:
    """A session, None when it is over; `too_many`: whoever asked has used up this second, and learns nothing."""

    session: Session | None
    too_many: bool = False


class Checks(Steps):
    """Look at sessions, and take codes."""

    def check_session(self, identifier: str, asker: str, most: int, now: int) -> Look:
        """Look at a session, move its idle limit on, and count the check; `most` of an asker in a second.

        One round trip: two scripts in one pipeline, because what is counted for an application lies in another slot
        than the session. Where Redis has forgotten the scripts, two more.
        """
        touch, count = self._script["touch_session"], self._script["count_check"]
        pipeline = self._redis.pipeline(transaction=False)
        # Not by the script objects: a pipeline would ask first whether Redis knows them.
        session, due = keys.session(identifier), keys.due(identifier[:2])
        pipeline.evalsha(touch.sha, 2, session, due, now, identifier, TOUCH_GAIN)
        pipeline.evalsha(count.sha, 1, keys.checks(asker, now // _SECOND), _COUNTER_TTL)
        with guard():
            value, number = pipeline.execute(raise_on_error=False)
            if isinstance(value, NoScriptError) or isinstance(number, NoScriptError):
                names = (session, due)
                value = touch(keys=names, args=(now, identifier, TOUCH_GAIN))
                number = count(keys=(keys.checks(asker, now // _SECOND),), args=(_COUNTER_TTL,))
            for answer in (value, number):
                if isinstance(answer, RedisError):
                    raise answer
        if number > most:
            return Look(None, too_many=True)
        return Look(None if value is None else living(identifier, value, now))

    def take_code(self, session: str, nonce: str, lifetime: int) -> bool:
        """Use a code about a session up; False when it was used before. `lifetime` in milliseconds. One round trip."""
        with guard():
            return bool(self._redis.set(keys.code(session, nonce), b"1", nx=True, px=lifetime))
