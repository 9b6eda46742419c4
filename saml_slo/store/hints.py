"""Sessions found by the IdP's SessionIndex alone, for connections whose LogoutRequests name people otherwise (L7).

A hint is an index beside the principal's: it lists the sessions with a login of that SessionIndex, may name some that
are gone, and never decides. Both sides look after they wrote: a sign-in lists its session, opens it and then looks
whether the SessionIndex was ended meanwhile; a LogoutRequest says that it is ended and then looks for sessions. So
whichever comes first, one of the two sees the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from saml_slo.protocol.session import Session
from saml_slo.store import codec, keys
from saml_slo.store.connect import guard
from saml_slo.store.steps import Steps, living


class Hints(Steps):
    """List, find and void sessions by SessionIndex. Times in milliseconds; one round trip each unless it says more."""

    def list_by_index(
        self, hints: Sequence[keys.Principal], session: Session, issued_at: int, *, now: int, ttl: int
    ) -> bool:
        """List a session that is about to be opened (one that never is does no harm); say what `is_index_over` says.

        One round trip for each SessionIndex; an assertion seldom has more than one.
        """
        arguments = (now, session.id, session.absolute_ends_at, ttl)
        over = [self._run("list_session", (hint.sessions, hint.over), arguments) for hint in hints]
        return _is_over(over, issued_at)

    def is_index_over(self, hints: Sequence[keys.Principal], issued_at: int) -> bool:
        """Say whether the IdP ended one of these SessionIndex values after it issued an assertion at `issued_at`."""
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for hint in hints:
                pipeline.get(hint.over)
            return _is_over(pipeline.execute(), issued_at)

    def end_indexes(self, hints: Sequence[keys.Principal], instant: int, ttl: int) -> None:
        """Void the assertions of these SessionIndex values that were issued up to `instant`; for `ttl`."""
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for hint in hints:
                pipeline.set(hint.over, instant, px=ttl)
            pipeline.execute()

    def find_by_index(self, hints: Sequence[keys.Principal], now: int) -> tuple[tuple[Session, ...], tuple[str, ...]]:
        """Return the living sessions that are listed, and the logouts that ended others of them. Two round trips."""
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for hint in hints:
                pipeline.zrangebyscore(hint.sessions, f"({now}", "+inf")
            listed = dict.fromkeys(found.decode() for ids in pipeline.execute() for found in ids)
            pipeline = self._redis.pipeline(transaction=False)
            for identifier in listed:
                pipeline.get(keys.session(identifier))
            values = dict(zip(listed, pipeline.execute() if listed else (), strict=True))
        ended_by = [
            value[1:].decode(errors="replace")
            for value in values.values()
            if value and value[:1] == codec.ENDED and len(value) > 1
        ]
        sessions = (
            living(identifier, value, now)
            for identifier, value in values.items()
            if value and not value.startswith(codec.ENDED)
        )
        return tuple(one for one in sessions if one is not None), tuple(reversed(ended_by))


def _is_over(instants: Sequence[bytes | None], issued_at: int) -> bool:
    return any(instant is not None and issued_at <= int(instant) for instant in instants)
