"""The store: every step that reads or changes sessions and logouts, each atomic, each counted in round trips.

Round trips: a first sign-in 1, one that joins a session 3; a logout 2 (read, commit), an answer to it 2. Every method
raises StoreUnavailable when Redis does not do its part; a step that changes something may then have happened or not, so
each of them may be repeated and answers the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, TypeVar, cast

import redis
import structlog

from saml_slo.errors import MessageRefused, Reason, RequestRefused, StoreUnavailable
from saml_slo.logout.engine import Step, advance
from saml_slo.logout.events import Event
from saml_slo.logout.transaction import Transaction
from saml_slo.protocol.session import Session
from saml_slo.store import codec, keys
from saml_slo.store.connect import ServerFacts, check_server, guard

RECEIPT_LIFETIME = 24 * 3600 * 1000
MAX_SESSIONS_OF_PRINCIPAL = 20
_TTL_MARGIN = 300_000  # how far the Redis TTL lies behind the moment at which a session ends (product S3)
_TOUCH_GAIN = 60_000
_MAX_CONFLICTS = 50

R = TypeVar("R")

_log = structlog.get_logger("saml_slo.store")

_SCRIPTS = (
    "open_session",
    "replace_session",
    "touch_session",
    "begin_logout",
    "bury",
    "advance_logout",
    "expire_session",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInMarks:
    """What makes a sign-in happen once: the assertion, our request (None when unsolicited) and when it was asked.

    `asked_at` (milliseconds) is compared with the principal's tombstone; `lifetime` (milliseconds) is how long the
    marks must be kept, at least as long as the message would be accepted.
    """

    principal: keys.Principal
    assertion_id: str
    request_id: str | None
    asked_at: int
    lifetime: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a session that was to be ended: this logout ended it, or the one with `logout_id` had before."""

    logout_id: str
    by_this_logout: bool


class Store:
    """Sessions and logouts in one Redis. Threads may share it; processes each make their own."""

    def __init__(self, client: redis.Redis) -> None:
        """Take a client from `connect()`; nothing is sent yet."""
        self._redis = client
        folder = files("saml_slo.store") / "lua"
        self._script = {
            name: client.register_script((folder / f"{name}.lua").read_text(encoding="utf-8")) for name in _SCRIPTS
        }

    def _run(self, name: str, key_names: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:  # noqa: ANN401 - each script returns its own kind, named in its header
        with guard():
            return self._script[name](keys=list(key_names), args=list(arguments))

    def _get(self, key: str) -> bytes | None:
        try:
            with guard():
                return cast("bytes | None", self._redis.get(key))
        except StoreUnavailable as error:
            if error.cause != "wrong_type":
                raise
            _log.error("corrupt_record", key=key, message="not a string")
            return None

    # Sign-in -------------------------------------------------------------------------------------------------------

    def open_session(self, session: Session, marks: SignInMarks, now: int) -> None:
        """Record a first sign-in: tombstone and replay checked, session and principal's index written. One round trip.

        Raises MessageRefused (replayed, in_response_to_mismatch, session_ended) or RequestRefused (limit_reached).
        """
        self._reserve(session, marks, now, only_reserve=False)

    def join_session(self, session: Session, marks: SignInMarks, now: int) -> None:
        """Record a sign-in that adds a login to a session that is open; `session` is its next version. Two round trips.

        The principal's slot first (marks and index), then the session: whoever logs the principal out in between finds
        the session by the index and ends it, and then the second step is refused.
        """
        self._reserve(session, marks, now, only_reserve=True)
        answer = self._run(
            "replace_session",
            (keys.session(session.id), keys.due(session.id[:2])),
            (
                f"{session.version - 1:06d}",
                codec.encode_session(session),
                session.id,
                session.ends_at,
                _session_ttl(session, now),
            ),
        )
        if answer == b"conflict":
            raise StoreUnavailable("another sign-in of this browser was recorded at the same moment", cause="conflict")
        if answer != b"ok":
            raise _ended()

    def _reserve(self, session: Session, marks: SignInMarks, now: int, *, only_reserve: bool) -> None:
        who = marks.principal
        assertion = who.assertion(marks.assertion_id)
        answer = self._run(
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
                _session_ttl(session, now),
                marks.lifetime,
                marks.asked_at,
                MAX_SESSIONS_OF_PRINCIPAL,
                "1" if only_reserve else "0",
            ),
        )
        if answer != b"ok":
            refusal = _REFUSALS[answer]
            raise refusal()

    # Sessions ------------------------------------------------------------------------------------------------------

    def read_session(self, identifier: str, now: int) -> Session | Ended | None:
        """Return a living session, or which logout ended it, or None. One round trip, a plain GET."""
        value = self._get(keys.session(identifier))
        if value is None:
            return None
        if value.startswith(codec.ENDED):
            return Ended(value[1:].decode(errors="replace"), by_this_logout=False)
        return _living(identifier, value, now)

    def touch_session(self, identifier: str, now: int) -> Session | None:
        """Return a living session and move its idle limit on. One round trip."""
        names = (keys.session(identifier), keys.due(identifier[:2]))
        value = self._run("touch_session", names, (now, identifier, _TOUCH_GAIN))
        return None if value is None else _living(identifier, value, now)

    # Logout --------------------------------------------------------------------------------------------------------

    def begin_logout(
        self, session: Session, principals: Sequence[keys.Principal], transaction: Transaction, now: int, ended_ttl: int
    ) -> Ended | None:
        """End a session and store its logout in one commit; None: it moved on since it was read, read it again.

        `ended_ttl` (milliseconds) is how long tombstones last (product L12). Principals of other shards are buried
        first: a tombstone without a logout refuses an old sign-in, the reverse would let one in.
        """
        shard = session.id[:2]
        elsewhere = {who for who in principals if who.shard != shard}
        for who in elsewhere:
            self._run("bury", (who.tombstone, who.sessions), (now, ended_ttl, session.id))
        here = [who for who in dict.fromkeys(principals) if who not in elsewhere]
        answer = self._run(
            "begin_logout",
            (
                keys.session(session.id),
                keys.due(shard),
                keys.logout(transaction.id),
                *(key for who in here for key in (who.sessions, who.tombstone)),
            ),
            (
                f"{session.version:06d}",
                session.id,
                transaction.id,
                codec.encode_logout(transaction),
                RECEIPT_LIFETIME,
                transaction.deadline,
                now,
                ended_ttl,
            ),
        )
        if answer == b"ok":
            return Ended(transaction.id, by_this_logout=True)
        if answer is not None and answer.startswith(codec.ENDED):
            return Ended(answer[1:].decode(errors="replace"), by_this_logout=False)
        return None

    def read_logout(self, identifier: str) -> Transaction | None:
        """Return a logout that is running or whose receipt is kept. One round trip."""
        value = self._get(keys.logout(identifier))
        return None if value is None else _decoded(codec.decode_logout, identifier, value)

    def advance_logout(
        self,
        transaction: Transaction,
        events: Sequence[Event],
        now: int,
        admissible: Callable[[Transaction], None] = lambda _: None,
    ) -> Step:
        """Apply events to a logout that was just read and commit the result; on a conflict read and decide again.

        `admissible` is asked about every state that the events would be applied to, and may raise. One round trip when
        nobody else commits, none when nothing changes.
        """
        for _ in range(_MAX_CONFLICTS):
            admissible(transaction)
            step = advance(transaction, events, now)
            if step.transaction == transaction:
                return step
            new = replace(step.transaction, version=transaction.version + 1)
            settled = not any(target.state.is_open for target in new.targets)
            answer = self._run(
                "advance_logout",
                (keys.logout(new.id), keys.due(new.id[:2])),
                (f"{transaction.version:06d}", codec.encode_logout(new), new.id, "1" if settled else "0"),
            )
            if answer == b"ok":
                return Step(new, step.command)
            current = self.read_logout(transaction.id)
            if current is None:
                break
            transaction = current
        raise StoreUnavailable("the logout's record could not be committed", cause="conflict")

    # Sweeper -------------------------------------------------------------------------------------------------------

    def due(self, now: int, limit: int) -> tuple[tuple[str, str], ...]:
        """Return what is due in all shards as (kind, id): `s` sessions, `l` logouts; at most `limit` of a shard."""
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for shard in keys.SHARDS:
                pipeline.zrangebyscore(keys.due(shard), "-inf", now, start=0, num=limit)
            found = pipeline.execute()
        entries = (member.decode().partition(":") for shard in found for member in shard)
        return tuple((kind, identifier) for kind, _, identifier in entries)

    def expire_session(self, identifier: str, principals: Sequence[keys.Principal], now: int) -> bool:
        """End a session whose time has come; False when it is gone already or was seen meanwhile."""
        shard = identifier[:2]
        answer = self._run(
            "expire_session",
            (keys.session(identifier), keys.due(shard), *(p.sessions for p in principals if p.shard == shard)),
            (now, identifier),
        )
        return bool(answer == b"ended")

    def read_any_session(self, identifier: str) -> Session | None:
        """Return a stored session even when its time is over, for the sweeper."""
        value = self._get(keys.session(identifier))
        if value is None or value.startswith(codec.ENDED):
            return None
        return _decoded(codec.decode_session, identifier, value)

    def forget_due(self, kind: str, identifier: str) -> None:
        """Take an entry off the due times: what it points to is gone."""
        with guard():
            self._redis.zrem(keys.due(identifier[:2]), f"{kind}:{identifier}")

    def close(self) -> None:
        """Let go of every connection to Redis."""
        self._redis.close()

    def check(self) -> ServerFacts:
        """Return what is to be known of the server; raise StoreUnavailable unless it answers and can be written."""
        facts = check_server(self._redis)
        with guard():
            self._redis.set(keys.READY, b"1", px=60_000)
        return facts


def _session_ttl(session: Session, now: int) -> int:
    return max(session.hard_ends_at - now, 0) + _TTL_MARGIN


def _living(identifier: str, value: bytes, now: int) -> Session | None:
    session = _decoded(codec.decode_session, identifier, value)
    return session if session is not None and now < session.ends_at else None


def _decoded(decode: Callable[[str, bytes], R], identifier: str, value: bytes) -> R | None:
    """Return a record, None when it cannot be read: nobody is signed in by what we cannot read (security F27)."""
    try:
        return decode(identifier, value)
    except codec.CorruptRecord as error:
        _log.error("corrupt_record", id=identifier, message=str(error))
        return None


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
