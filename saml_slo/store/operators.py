"""Who may use the console: operators, their sessions, failed attempts, and the link with which the first one begins.

There are few of them and they matter to nobody else, so all of it lies in one slot. Tokens and links are kept as
hashes: who reads Redis opens nothing with it.
"""

from __future__ import annotations

from typing import cast

from saml_slo.errors import StoreUnavailable
from saml_slo.store import keys
from saml_slo.store.connect import guard
from saml_slo.store.steps import Steps

IDLE = 30 * 60 * 1000  # milliseconds until an unused console session ends
ABSOLUTE = 12 * 3600 * 1000
LINK_LIFETIME = 3600 * 1000
FAILURE_WINDOW = 15 * 60 * 1000
_MARK = 16  # characters of a password's hash that a session holds (look_console.lua)


class Operators(Steps):
    """Operators and their console sessions. Times in milliseconds."""

    def has_operators(self) -> bool:
        """Say whether anybody may sign in to the console. One round trip."""
        with guard():
            return bool(self._redis.exists(keys.OPERATORS))

    def operators(self) -> tuple[str, ...]:
        """Return the names of all operators, sorted."""
        with guard():
            found = cast("list[bytes]", self._redis.hkeys(keys.OPERATORS))
        return tuple(sorted(name.decode() for name in found))

    def password_of(self, name: str) -> str | None:
        """Return the password hash of an operator."""
        with guard():
            found = cast("bytes | None", self._redis.hget(keys.OPERATORS, name))
        return None if found is None else found.decode()

    def put_operator(self, name: str, password_hash: str) -> None:
        """Record an operator, or give one a new password."""
        with guard():
            self._redis.hset(keys.OPERATORS, name, password_hash)

    def remove_operator(self, name: str) -> bool:
        """Remove an operator; their sessions end with the next page, because each page asks for them."""
        with guard():
            return bool(self._redis.hdel(keys.OPERATORS, name))

    # The link of the first run ----------------------------------------------------------------------------------------

    def offer_link(self, secret_hash: str) -> None:
        """Keep the hash of a link's secret for an hour; the link before it is void."""
        with guard():
            self._redis.set(keys.CONSOLE_LINK, secret_hash, px=LINK_LIFETIME)

    def is_link(self, secret_hash: str) -> bool:
        """Say whether a link is the one that was offered and not taken."""
        with guard():
            return cast("bytes | None", self._redis.get(keys.CONSOLE_LINK)) == secret_hash.encode()

    def take_link(self, secret_hash: str) -> bool:
        """Use the link up; False when it was used, replaced or is over. Of two at once one wins."""
        return bool(self._run("take_console_link", (keys.CONSOLE_LINK,), (secret_hash,)) == 1)

    # Sessions ---------------------------------------------------------------------------------------------------------

    def open_console(self, token_hash: str, name: str, password_hash: str, now: int) -> None:
        """Begin a session of the console, which ends when the operator gets another password."""
        with guard():
            self._redis.set(keys.console_session(token_hash), f"{now:013d}{password_hash[-_MARK:]}{name}", px=IDLE)

    def console_operator(self, token_hash: str, now: int) -> str | None:
        """Return whose session this is and keep it alive; None when it is over, or they are no operator any more.

        Nor does it outlive its password. One round trip.
        """
        names = (keys.console_session(token_hash), keys.OPERATORS)
        found = self._run("look_console", names, (now, ABSOLUTE, IDLE))
        return None if found is None else cast("bytes", found).decode()

    def close_console(self, token_hash: str) -> None:
        """End a session of the console."""
        with guard():
            self._redis.delete(keys.console_session(token_hash))

    # Failed attempts --------------------------------------------------------------------------------------------------

    def count_attempt(self, whose: str) -> int:
        """Count an attempt to sign in of a name or from an address, and return how many there were in 15 minutes.

        Raises StoreUnavailable where it cannot be counted: nobody may guess for as long as Redis is full.
        """
        count = int(self._run("count_check", (keys.console_failures(whose),), (FAILURE_WINDOW,)))
        if count == 0:
            raise StoreUnavailable("an attempt to sign in to the console could not be counted", cause="refused")
        return count

    def forgive_attempt(self, whose: str) -> None:
        """Take an attempt back that was no failure."""
        self._run("forgive", (keys.console_failures(whose),), ())
