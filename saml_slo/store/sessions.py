"""Sign-ins and the sessions that they open."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from saml_slo.errors import MessageRefused, Reason, RequestRefused, StoreUnavailable
from saml_slo.protocol.session import Session
from saml_slo.store import codec, keys
from saml_slo.store.checks import TOUCH_GAIN
from saml_slo.store.happened import ApplicationJoined, SessionExpired, SignInRecorded
from saml_slo.store.hints import Hints
from saml_slo.store.steps import Record, decoded, living

MAX_SESSIONS_OF_PRINCIPAL = 20
WAS_HERE_LIFETIME = 24 * 3600 * 1000  # for how long an expired session's principal is no stranger
_TTL_MARGIN = 300_000  # how far the Redis TTL lies behind the moment at which a session ends (product S3)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInMarks:
    """What makes a sign-in happen once: the assertion, our request (None when unsolicited), and when each was made.

    `asked_at`, `issued_at` (milliseconds) and `session_indexes` are held against the principal's tombstone; `lifetime`
    (milliseconds) is how long the marks must be kept, at least as long as the message would be accepted. `attempt`
    tells one delivery of a message from a replay of it where both would join the same session. `hints`: under which the
    session is listed by SessionIndex besides, of connections that want it (hints.py); they cost two round trips.
    `connection` is the one that the sign-in came by, `response_id` its Response, empty where there was none.
    """

    principal: keys.Principal
    assertion_id: str
    request_id: str | None
    asked_at: int
    issued_at: int
    session_indexes: tuple[str, ...]
    lifetime: int
    hints: tuple[keys.Principal, ...] = ()
    connection: str = ""
    response_id: str = ""
    attempt: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def messages(self) -> tuple[str, ...]:
        """Return the IDs by which an operator finds the sign-in."""
        given = (self.request_id, self.response_id, self.assertion_id)
        return tuple(dict.fromkeys(one for one in given if one))


@dataclass(frozen=True, slots=True)
class Joined:
    """That an application takes part in a session from now on, for the audit trail.

    `principals` are the session's, `request_id` is the AuthnRequest with which the application asked, where it did.
    """

    application: str
    principals: tuple[keys.Principal, ...] = ()
    request_id: str | None = None

    def record(self, session: Session) -> Record:
        """Return what is recorded of it; found by the application, and by those of the principals in this shard."""
        shard = session.id[:2]
        people = (keys.trail_of_user(shard, who.digest) for who in self.principals if who.shard == shard)
        lists = (keys.trail_of_application(shard, self.application), *people)
        messages = () if self.request_id is None else (self.request_id,)
        return Record(ApplicationJoined(session.id, self.application), shard, lists, messages=messages)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a session that was to be ended: this logout ended it, or the one with `logout_id` had before."""

    logout_id: str
    by_this_logout: bool


class Sessions(Hints):
    """Open, join, read, touch and expire sessions."""

    def open_session(self, session: Session, marks: SignInMarks, now: int) -> None:
        """Record a first sign-in: tombstone and replay checked, session and principal's index written. One round trip.

        Raises MessageRefused (replayed, in_response_to_mismatch, session_ended) or RequestRefused (limit_reached).
        """
        self._list(session, marks, now)
        self._reserve(session, marks, now, only_reserve=False)
        self._refuse_if_over(session, marks, now)

    def join_session(self, session: Session, marks: SignInMarks, now: int) -> None:
        """Record a sign-in that adds a login to a session that is open; `session` is its next version. Two round trips.

        The principal's slot first (marks and index), then the session: whoever logs the principal out in between finds
        the session by the index and ends it, and then the second step is refused.
        """
        self._list(session, marks, now)
        self._reserve(session, marks, now, only_reserve=True)
        answer = self._replace(session, now)
        if answer == b"conflict":
            raise StoreUnavailable("another sign-in of this browser was recorded at the same moment", cause="conflict")
        if answer != b"ok":
            raise _ended()
        self._refuse_if_over(session, marks, now)

    def _list(self, session: Session, marks: SignInMarks, now: int) -> None:
        ttl = index_ttl(session, now)
        if marks.hints and self.list_by_index(marks.hints, session, marks.issued_at, now=now, ttl=ttl):
            raise _ended()

    def _refuse_if_over(self, session: Session, marks: SignInMarks, now: int) -> None:
        """End a session again whose SessionIndex the IdP ended; the LogoutRequest may have come too early to see it."""
        if not marks.hints or not self.is_index_over(marks.hints, marks.issued_at):
            return
        who, shard = marks.principal, session.id[:2]
        names = (keys.session(session.id), keys.due(shard), *((who.sessions,) if who.shard == shard else ()))
        self._commit("end_foreign_session", names, (session.id, "", session_ttl(session, now)), None)
        raise _ended()

    def join_participant(self, session: Session, who: keys.Principal, now: int, joined: Joined | None = None) -> bool:
        """Record that an application takes part; `session` is its next version, `who` the application's name for it.

        False: the session ended or moved on since it was read. The hint by which the application's LogoutRequest will
        find the session is written first; a hint that leads nowhere is harmless. Two round trips. `joined`: for the
        audit trail, None where the application took part before.
        """
        self._run("list_session", (who.sessions,), (now, session.id, session.absolute_ends_at, index_ttl(session, now)))
        return bool(self._replace(session, now, None if joined is None else joined.record(session)) == b"ok")

    def _replace(self, session: Session, now: int, record: Record | None = None) -> bytes | None:
        shard = session.id[:2]
        users = (who.sessions for who in map(keys.Principal, session.users) if who.shard == shard)
        answer = cast(
            "bytes | None",
            self._commit(
                "replace_session",
                (keys.session(session.id), keys.due(shard), *users),
                (
                    f"{session.version - 1:06d}",
                    codec.encode_session(session),
                    session.id,
                    session.ends_at,
                    session_ttl(session, now),
                    session.absolute_ends_at,
                ),
                record,
            ),
        )
        if answer == b"ok":
            self._tell(record)
        return answer

    def _reserve(self, session: Session, marks: SignInMarks, now: int, *, only_reserve: bool) -> None:
        who = marks.principal
        assertion = who.assertion(marks.assertion_id)
        record = Record(
            SignInRecorded(session.id, marks.connection, who.digest, opened=not only_reserve),
            who.shard,
            (keys.trail_of_user(who.shard, who.digest), keys.trail_of_idp(who.shard, marks.connection)),
            messages=marks.messages,
        )
        answer = self._commit(
            "open_session",
            (
                # A reservation touches no key of the session's own slot.
                who.sessions if only_reserve else keys.session(session.id),
                who.sessions,
                assertion,
                who.tombstone,
                assertion if marks.request_id is None else who.answered(marks.request_id),
                keys.due(who.shard),
            ),
            (
                now,
                codec.encode_session(session),
                session.id,
                session.ends_at,
                session_ttl(session, now),
                marks.lifetime,
                marks.asked_at,
                MAX_SESSIONS_OF_PRINCIPAL,
                "1" if only_reserve else "0",
                marks.issued_at,
                marks.attempt if only_reserve else session.id,
                session.absolute_ends_at,
                index_ttl(session, now),
                *keys.index_fields(marks.session_indexes),
            ),
            record,
        )
        if answer != b"ok":
            refusal = _REFUSALS[answer]
            raise refusal()
        self._tell(record)

    def read_session(self, identifier: str, now: int) -> Session | Ended | None:
        """Return a living session, or which logout ended it, or None. One round trip, a plain GET."""
        value = self._get(keys.session(identifier))
        if value is None:
            return None
        if value.startswith(codec.ENDED):
            return Ended(value[1:].decode(errors="replace"), by_this_logout=False)
        return living(identifier, value, now)

    def touch_session(self, identifier: str, now: int) -> Session | None:
        """Return a living session and move its idle limit on. One round trip."""
        names = (keys.session(identifier), keys.due(identifier[:2]))
        value = self._run("touch_session", names, (now, identifier, TOUCH_GAIN))
        return None if value is None else living(identifier, value, now)

    def expire_session(self, identifier: str, principals: Sequence[keys.Principal], now: int) -> bool:
        """End a session whose time has come; False when it is gone already or was seen meanwhile."""
        shard = identifier[:2]
        here = [who for who in principals if who.shard == shard]
        names = (keys.session(identifier), keys.due(shard), *(k for who in here for k in (who.sessions, who.tombstone)))
        lists = tuple(keys.trail_of_user(shard, who.digest) for who in here)
        record = Record(SessionExpired(identifier), shard, lists)
        answer = self._commit("expire_session", names, (now, identifier, WAS_HERE_LIFETIME), record)
        if answer == b"ended":
            self._tell(record)
        return bool(answer == b"ended")

    def read_any_session(self, identifier: str) -> Session | None:
        """Return a stored session even when its time is over, for the sweeper."""
        value = self._get(keys.session(identifier))
        if value is None or value.startswith(codec.ENDED):
            return None
        return decoded(codec.decode_session, identifier, value)


def session_ttl(session: Session, now: int) -> int:
    """Return for how many milliseconds Redis keeps a session: a little longer than it lives."""
    return max(session.hard_ends_at - now, 0) + _TTL_MARGIN


def index_ttl(session: Session, now: int) -> int:
    """Return for how many milliseconds an index lists a session: as long as it may come to live.

    That is its absolute lifetime: another sign-in may move the end that an identity provider set (SessionNotOnOrAfter).
    """
    return max(session.absolute_ends_at - now, 0) + _TTL_MARGIN


def _ended() -> MessageRefused:
    return MessageRefused(
        Reason.SESSION_ENDED, "the person signed out after this sign-in was started", expected="a newer sign-in"
    )


_REFUSALS: dict[bytes, Callable[[], MessageRefused | RequestRefused]] = {
    b"replayed": lambda: MessageRefused(Reason.REPLAYED, "this assertion was used before"),
    b"answered": lambda: MessageRefused(
        Reason.IN_RESPONSE_TO_MISMATCH, "our request was answered before", expected="the first answer"
    ),
    b"ended": _ended,
    b"full": lambda: RequestRefused(
        "This person has too many sessions",
        reason=Reason.LIMIT_REACHED,
        expected=f"at most {MAX_SESSIONS_OF_PRINCIPAL} sessions of one person",
        next_step="Sign out in a browser that is no longer used, then sign in again.",
    ),
}
