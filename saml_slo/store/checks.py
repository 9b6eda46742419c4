"""Is a session alive? One look, with its rate limit inside; and the codes that may be used once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError, NoScriptError, ResponseError  # noqa: A004 - Redis' own

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

    @cached_property
    def _of_thread(self) -> threading.local:
        return threading.local()

    def check_session(self, identifier: str, asker: str, now: int, *, quiet: bool = False) -> Look:
        """Look at a session, move its idle limit on, and count the check as one of `asker` in this second.

        `quiet`: the limit stays where it is. One round trip: two scripts in one pipeline, because what is counted for
        an application lies in another slot than the session. Where Redis has forgotten the scripts, two more.
        """
        touch, count = self._script["touch_session"], self._script["count_check"]
        touched, counted = (keys.session(identifier), keys.due(identifier[:2])), (keys.checks(asker),)
        look, window = (now, identifier, "" if quiet else TOUCH_GAIN), (_WINDOW,)
        with guard():
            value, number = self._both(
                ("EVALSHA", touch.sha, len(touched), *touched, *look), ("EVALSHA", count.sha, 1, *counted, *window)
            )
            if isinstance(value, NoScriptError) or isinstance(number, NoScriptError):
                value, number = touch(keys=touched, args=look), count(keys=counted, args=window)
            for answer in (value, number):
                if isinstance(answer, ResponseError):
                    raise answer
        return Look(None if value is None else living(identifier, value, now), number)

    def _both(self, first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, Any]:
        """Send two commands at once and return both answers, errors of Redis too.

        What a pipeline does, at a third of its cost: this step runs at each request of an application behind a proxy,
        so each thread keeps a connection of its own for it.
        """
        mine = self._of_thread
        if not hasattr(mine, "connection"):
            mine.connection = self._redis.connection_pool.make_connection()
        try:
            return _exchange(mine.connection, first, second)
        except ConnectionError:  # Redis may have closed it meanwhile: once more, by a new one; two counted are no harm
            return _exchange(mine.connection, first, second)

    def take_code(self, session: str, nonce: str, lifetime: int) -> bool:
        """Use a code about a session up; False when it was used before. `lifetime` in milliseconds. One round trip."""
        with guard():
            return bool(self._redis.set(keys.code(session, nonce), b"1", nx=True, px=lifetime))


def _exchange(connection: AbstractConnection, *commands: tuple[Any, ...]) -> tuple[Any, Any]:
    try:
        connection.send_packed_command(connection.pack_commands(commands))  # type: ignore[no-untyped-call]  # redis-py has not annotated it
        return _answer(connection), _answer(connection)
    except BaseException:
        # An answer that nobody read would be taken for the next command's.
        connection.disconnect()  # type: ignore[no-untyped-call]  # the same
        raise


def _answer(connection: AbstractConnection) -> Any:  # noqa: ANN401 - each script returns its own kind
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
