"""Who uses the console: the first-run link, sign-in with a password, a limit on guessing, sessions.

Nobody is an operator at first. Whoever can read the server's terminal or run `saml-slo console link` on it gets a link
that is good once and for an hour; with it one operator is made, or gets a new password. Passwords rest as argon2id.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from saml_slo.errors import Reason, RequestRefused, TryLater
from saml_slo.protocol.moments import milliseconds
from saml_slo.store.store import Store

MIN_PASSWORD, MAX_PASSWORD = 12, 256
MAX_FAILURES = 5  # of one name within 15 minutes
MAX_FAILURES_OF_ADDRESS = 50  # more: everybody may come through one proxy
_MOST_AT_ONCE = 2  # passwords that one process compares at a time, in 64 MiB each
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


@cache
def _nobodys_hash() -> str:
    """Return what is compared with where there is no such operator: the answer takes as long as for a wrong password.

    Made when it is first needed: a hash that is slow on purpose is none that every command should wait for.
    """
    return PasswordHasher().hash(secrets.token_hex())


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAccounts:
    """Makes, checks and remembers operators. `clock` returns aware UTC."""

    store: Store
    clock: Callable[[], datetime]
    _hasher: PasswordHasher = field(default_factory=PasswordHasher)
    _places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(_MOST_AT_ONCE))

    def new_link(self) -> str:
        """Return the secret of a fresh first-run link; the one before it is void."""
        secret = secrets.token_urlsafe(32)
        self.store.offer_link(_hashed(secret))
        return secret

    def is_link(self, secret: str) -> bool:
        """Say whether a link may still be used."""
        return self.store.is_link(_hashed(secret))

    def enrol(self, secret: str, name: str, password: str) -> str:
        """Make an operator with a link, and return the token of a session. Raises RequestRefused.

        A wrong name or password leaves the link usable.
        """
        if not _NAME.fullmatch(name):
            raise _wrong("name", "1 to 64 lower-case letters, digits and . _ @ -", "Choose another name.")
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise _wrong("password", f"{MIN_PASSWORD} to {MAX_PASSWORD} characters", "Choose another password.")
        if not self.store.take_link(_hashed(secret)):
            raise RequestRefused(
                "This link was used before, replaced, or is older than an hour",
                reason=Reason.NOT_FOUND,
                expected="the newest link of `saml-slo console link`",
                next_step="Make a new one on the server.",
            )
        password_hash = self._hasher.hash(password)
        self.store.put_operator(name, password_hash)
        self.store.note(name, "operator-enrolled", name)
        return self._open(name, password_hash)

    def sign_in(self, name: str, password: str, address: str) -> str | None:
        """Return the token of a new session, None when the name or the password is wrong.

        Raises RequestRefused (rate_limited) after too many failures of this name, or from this address, in 15 minutes:
        then the right password is refused as well, or guessing could go on. An attempt is counted before it is looked
        at, and a good one taken back: of many at once no more are looked at than one after the other.
        """
        counted: list[str] = []
        try:
            for whose, most in ((f"name:{name}", MAX_FAILURES), (f"address:{address}", MAX_FAILURES_OF_ADDRESS)):
                counted.append(whose)
                if self.store.count_attempt(whose) > most:
                    raise RequestRefused(
                        "Too many attempts",
                        reason=Reason.RATE_LIMITED,
                        expected=f"at most {MAX_FAILURES} failures in 15 minutes",
                        next_step="Wait a quarter of an hour, or make a link by `saml-slo console link` on the server.",
                    )
            known = self.store.password_of(name) if _NAME.fullmatch(name) else None
            if not self._is_right(known or _nobodys_hash(), password[:MAX_PASSWORD]) or known is None:
                counted.clear()  # they stay counted
                if known is not None:  # what strangers make up is not kept: they must not fill the store
                    self.store.note(name, "operator-refused", "console")
                return None
            if self._hasher.check_needs_rehash(known):
                known = self._hasher.hash(password)
                self.store.put_operator(name, known)
            return self._open(name, known)
        finally:
            for whose in counted:
                self.store.forgive_attempt(whose)

    def _is_right(self, known: str, password: str) -> bool:
        """Compare, unless others are being compared already: each takes 64 MiB."""
        if not self._places.acquire(blocking=False):
            raise TryLater("Many people sign in at this moment", reason=Reason.RATE_LIMITED, retry_after=1)
        try:
            return self._hasher.verify(known, password)
        except (Argon2Error, InvalidHashError):
            return False
        finally:
            self._places.release()

    def _open(self, name: str, password_hash: str) -> str:
        token = secrets.token_urlsafe(32)
        self.store.open_console(_hashed(token), name, password_hash, milliseconds(self.clock()))
        self.store.note(name, "operator-signed-in", "console")
        return token

    def operator(self, token: str | None) -> str | None:
        """Return whose session a token opens, and keep it alive; None when it is over."""
        return None if not token else self.store.console_operator(_hashed(token), milliseconds(self.clock()))

    def sign_out(self, token: str | None) -> None:
        """End a session."""
        if token:
            self.store.close_console(_hashed(token))


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _wrong(setting: str, expected: str, next_step: str) -> RequestRefused:
    return RequestRefused(
        f"This {setting} cannot be used",
        reason=Reason.BAD_REQUEST,
        expected=expected,
        setting=setting,
        next_step=next_step,
    )
