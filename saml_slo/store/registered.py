"""Sessions that applications register by the API, and the hints by which their own session ids are found.

The truth is the session (who takes part in it). What an application calls it is a hint in a slot of its own, written
before the session and held against it whenever it is used, so a stale one is harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from saml_slo.errors import Reason, RequestRefused
from saml_slo.protocol.session import Session
from saml_slo.store import codec, keys
from saml_slo.store.checks import TOUCH_GAIN
from saml_slo.store.connect import guard
from saml_slo.store.happened import ApplicationLeft, SessionRegistered
from saml_slo.store.sessions import MAX_SESSIONS_OF_PRINCIPAL, Ended, Joined, Sessions, index_ttl, session_ttl
from saml_slo.store.steps import Record, living

LEFT_LIFETIME = 300_000  # for how many milliseconds at least a session id that its application let go stays ended
_HINT_MARGIN = 3_600_000  # for how many milliseconds after its end a session is still known to be over, not unknown


class Registered(Sessions):
    """Register, join, touch and leave sessions for applications. `own` is the principal of an own session id."""

    def claim_own_session(self, own: keys.Principal, session: Session, now: int) -> tuple[str, ...] | None:
        """Write the hint that leads from an application's session id to a session, before it takes part in it.

        Returns the ids of other sessions that the hint leads to: then nothing was written. None: the application ended
        the session of this id itself. One round trip.
        """
        verdict, *others = self._run(
            "claim_own_session",
            (own.sessions, own.tombstone),
            (now, session.id, session.absolute_ends_at + _HINT_MARGIN, index_ttl(session, now) + _HINT_MARGIN),
        )
        return None if verdict == b"ended" else tuple(other.decode() for other in others)

    def register_session(
        self, session: Session, who: keys.Principal, signed_in_at: int, now: int
    ) -> Session | Ended | None:
        """Open the session of a user, or return the living one of this id, or which logout ended it. One round trip.

        Returns `session` itself when it was opened by this call, or by the same one before; None: its time is over, or
        the user was logged out after `signed_in_at` (product L12). Raises RequestRefused (limit_reached).
        """
        application = session.participants[0].application
        record = Record(
            SessionRegistered(session.id, application, who.digest),
            who.shard,
            (keys.trail_of_application(who.shard, application), keys.trail_of_user(who.shard, who.digest)),
        )
        answer: bytes = self._commit(
            "register_session",
            (keys.session(session.id), who.sessions, who.tombstone, keys.due(who.shard)),
            (
                now,
                codec.encode_session(session),
                session.id,
                session.ends_at,
                session_ttl(session, now),
                signed_in_at,
                MAX_SESSIONS_OF_PRINCIPAL,
                session.hard_ends_at,
            ),
            record,
        )
        if answer == b"ok":
            self._tell(record)
            return session
        if answer == b"full":
            raise RequestRefused(
                "This user has too many sessions",
                reason=Reason.LIMIT_REACHED,
                expected=f"at most {MAX_SESSIONS_OF_PRINCIPAL} sessions of one user",
                next_step="End one of them, or log the user out.",
            )
        if answer.startswith(codec.ENDED):
            return _ended(answer)
        return None if answer in (b"buried", b"over") else living(session.id, answer, now)

    def replace_session(
        self, session: Session, now: int, *, joined: Joined | None = None, left: str | None = None
    ) -> bool | None:
        """Commit the next version of a session; False: it moved on, read it again; None: it is over. One round trip.

        `joined` or `left` (a client_id): what it is about, for the audit trail.
        """
        record = None if joined is None else joined.record(session)
        if left is not None:
            record = _left(session, left, ended=False)
        answer = self._replace(session, now, record)
        return None if answer == b"gone" else answer == b"ok"

    def find_own_session(self, own: keys.Principal, now: int) -> tuple[str, ...]:
        """Return the ids of the sessions that an application's session id may belong to. One round trip."""
        with guard():
            found = self._redis.zrange(own.sessions, f"({now}", "+inf", byscore=True)
        return tuple(identifier.decode() for identifier in cast("list[bytes]", found))

    def list_by_name(self, who: keys.Principal, session: Session, now: int) -> None:
        """Write the hint that leads from an application's name for a person to a session. One round trip."""
        self._run("list_session", (who.sessions,), (now, session.id, session.absolute_ends_at, index_ttl(session, now)))

    def forget_own_session(self, own: keys.Principal, identifiers: Sequence[str]) -> None:
        """Take hints away that lead nowhere. One round trip."""
        with guard():
            self._redis.zrem(own.sessions, *identifiers)

    def touch_own_session(self, identifier: str, client_id: str, own_id: str, now: int) -> Session | Ended | None:
        """Move the idle limit of a living session on in which an application takes part under its own session id.

        Or return which logout ended it; None: it is over, or the application has no part in it. One round trip.
        """
        names = (keys.session(identifier), keys.due(identifier[:2]))
        value = self._run("touch_own_session", names, (now, identifier, TOUCH_GAIN, client_id, own_id))
        if value is None:
            return None
        return _ended(value) if value.startswith(codec.ENDED) else living(identifier, value, now)

    def leave_own_session(self, own: keys.Principal, now: int) -> tuple[str, ...]:
        """Note that an application ended its session of this id; return the sessions that it may belong to.

        From here on nothing is registered under this id, for as long as its session could have lived.
        """
        found = self._run("leave_own_session", (own.sessions, own.tombstone), (now, LEFT_LIFETIME))
        return tuple(identifier.decode() for identifier in found)

    def void_session(self, identifier: str, now: int) -> bool:
        """Mark a session that is reserved and not opened yet as ended; False: it was opened meanwhile, read it."""
        answer = self._run("void_session", (keys.session(identifier),), (now, LEFT_LIFETIME))
        return bool(answer == b"ok")

    def withdraw_session(self, session: Session, now: int, client_id: str) -> bool:
        """End a session that nobody but this application has part in, telling nobody; False: it moved on."""
        shard = session.id[:2]
        indexes = [who.sessions for who in map(keys.Principal, session.users) if who.shard == shard]
        names = (keys.session(session.id), keys.due(shard), *indexes)
        arguments = (f"{session.version:06d}", session.id, session_ttl(session, now))
        record = _left(session, client_id, ended=True)
        answer = self._commit("withdraw_session", names, arguments, record)
        if answer == b"ok":
            self._tell(record)
        return bool(answer != b"conflict")

    def bury(self, stone: keys.Tombstone, lifetime: int) -> None:
        """Write a tombstone by itself: a logout that found no session still refuses a sign-in before it (L12)."""
        self._run("bury", (stone.principal.tombstone,), (stone.field, stone.instant, lifetime, ""))


def _left(session: Session, client_id: str, *, ended: bool) -> Record:
    """Return what is recorded of an application that ended its own session; `ended`: ours is over with it."""
    shard = session.id[:2]
    people = (keys.trail_of_user(shard, digest) for digest in session.users if digest.startswith(shard))
    lists = (keys.trail_of_application(shard, client_id), *people)
    return Record(ApplicationLeft(session.id, client_id, ended), shard, lists)


def _ended(value: bytes) -> Ended:
    return Ended(value[1:].decode(errors="replace"), by_this_logout=False)
