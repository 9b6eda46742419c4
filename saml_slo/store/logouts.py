"""Logouts: the commit that begins one, and every step until the last answer."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from saml_slo.errors import StoreUnavailable
from saml_slo.logout.changes import rest, results
from saml_slo.logout.engine import Step, advance
from saml_slo.logout.events import Event
from saml_slo.logout.transaction import Kind, Transaction
from saml_slo.protocol.session import Session
from saml_slo.store import codec, keys
from saml_slo.store.connect import guard
from saml_slo.store.happened import EndedElsewhere, LogoutBegun, TargetsChanged, short_reason, told
from saml_slo.store.sessions import Ended
from saml_slo.store.steps import Record, Steps, decoded, living

RECEIPT_LIFETIME = 24 * 3600 * 1000
_MAX_CONFLICTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One commit that ends sessions of the logout's own shard (all times in milliseconds).

    `mark` is the key of the peer's LogoutRequest, None when a person asked; `known` are then all sessions that the
    principal's index held when it was read, so that one which was opened meanwhile is noticed. `ended_ttl`: how
    long it is remembered that the sessions ended, and that their principals were here. `expired`: the sessions end by
    themselves, so one that was seen since it was read does not end. `by`: who asked, for the audit trail, where
    it is neither the requester nor the application that the transaction names.
    """

    transaction: Transaction
    sessions: tuple[Session, ...]
    tombstones: tuple[keys.Tombstone, ...]
    ended_ttl: int
    mark: str | None = None
    known: tuple[str, ...] | None = None
    expired: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a principal: the logout that the same request began before, or the living sessions.

    `was_here`: there is or was a session of theirs not long ago. `ended_by`: the logouts that ended sessions which the
    index still lists, the latest sign-in's first; then the one that the tombstone names. `known` is all that the index
    listed, but for sessions whose time is over and that were taken off it: what comes besides was opened meanwhile.
    """

    logout_id: str | None
    sessions: tuple[Session, ...]
    was_here: bool
    ended_by: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


class Logouts(Steps):
    """Begin, read and advance logouts."""

    def end_sessions(self, ending: Ending, now: int) -> Ended | None:
        """End sessions and store their logout in one commit; None: one moved on since it was read, read again.

        Principals of other shards are buried first: a tombstone without a logout refuses an old sign-in, the reverse
        would let one in.
        """
        transaction, shard = ending.transaction, ending.transaction.id[:2]
        for stone in ending.tombstones:
            if stone.principal.shard != shard:
                self._run(
                    "bury",
                    (stone.principal.tombstone, keys.trail_of_user(stone.principal.shard, stone.principal.digest)),
                    (
                        stone.field,
                        stone.instant,
                        ending.ended_ttl,
                        transaction.id,
                        f"={transaction.reference}",
                        self._audit_lifetime,
                    ),
                )
        here = [stone for stone in ending.tombstones if stone.principal.shard == shard]
        indexes = list(dict.fromkeys(stone.principal.sessions for stone in here))
        logout, record = keys.logout(transaction.id), _begun(ending, here)
        answer: bytes = self._commit(
            "end_sessions",
            (
                logout,
                keys.due(shard),
                ending.mark or logout,
                *(keys.session(session.id) for session in ending.sessions),
                *indexes,
                *(stone.principal.tombstone for stone in here),
                keys.waiting(shard),
            ),
            (
                transaction.id,
                codec.encode_logout(transaction),
                RECEIPT_LIFETIME,
                ending.transaction.due_at or now,
                len(ending.sessions),
                len(indexes),
                len(here),
                ending.ended_ttl,
                now,
                "expired" if ending.expired else "any" if ending.known is None else "known",
                *(part for session in ending.sessions for part in (f"{session.version:06d}", session.id)),
                *(part for stone in here for part in (stone.field, stone.instant)),
                *(ending.known or ()),
            ),
            record,
        )
        if answer == b"ok":
            self._tell(record)
            return Ended(transaction.id, by_this_logout=True)
        if answer[:1] in (codec.ENDED, b"="):
            return Ended(answer[1:].decode(errors="replace"), by_this_logout=False)
        return None

    def find_principal(self, who: keys.Principal, request_id: str, now: int) -> Found:
        """Return the principal's living sessions, or the logout that this very LogoutRequest began before.

        One round trip; one more when sessions live in other slots, and when the index lists one whose time is over.
        """
        names = (who.sessions, who.tombstone, who.asked(request_id))
        mark, known, by, *pairs = self._run("find_principal", names, (now, who.session_prefix, who.shard))
        if mark:
            return Found(mark.decode(errors="replace"), (), was_here=True)
        stored = {key.decode(): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)}
        foreign = [identifier for identifier, value in stored.items() if value == b"" and identifier[:2] != who.shard]
        if foreign:
            with guard():
                pipeline = self._redis.pipeline(transaction=False)
                for identifier in foreign:
                    pipeline.get(keys.session(identifier))
                stored.update(zip(foreign, pipeline.execute(), strict=True))
        sessions = (
            living(identifier, value, now)
            for identifier, value in stored.items()
            if value and not value.startswith(codec.ENDED)
        )
        ended_by = tuple(
            value[1:].decode(errors="replace")
            for value in reversed(stored.values())
            if value and value[:1] == codec.ENDED
        )
        if by:
            ended_by = (*ended_by, by.decode(errors="replace"))
        living_ones = tuple(session for session in sessions if session is not None)
        over = self._forget_over(who, stored, living_ones)
        listed = tuple(name for name in stored if name not in over)
        return Found(None, living_ones, was_here=known == b"1", ended_by=ended_by, known=listed)

    def _forget_over(
        self, who: keys.Principal, stored: Mapping[str, bytes | None], alive: tuple[Session, ...]
    ) -> list[str]:
        """Take sessions whose idle time is over off the index, and return them: they would never end."""
        known = {session.id for session in alive}
        over = [name for name, value in stored.items() if value and value[:1] != codec.ENDED and name not in known]
        if over:
            with guard():
                self._redis.zrem(who.sessions, *over)
        return over

    def sessions_of(self, who: keys.Principal, now: int) -> tuple[Session, ...]:
        """Return the principal's living sessions, wherever they live. One round trip, or two."""
        return self.find_principal(who, "", now).sessions

    def stale_entries(self, who: keys.Principal, now: int) -> tuple[str, ...]:
        """Return what the principal's index lists and cannot live any more: a crash left it. One round trip, or two."""
        found = self.find_principal(who, "", now)
        alive = {session.id for session in found.sessions}
        return tuple(name for name in found.known if name not in alive)

    def end_foreign_session(
        self, session: Session, principals: Sequence[keys.Principal], logout_id: str, ttl: int
    ) -> Session | None:
        """End a session for a logout that lives in another slot; repeating it changes nothing. One round trip.

        Returns the session as it was in that very moment; None when it was ended before or is gone.
        """
        shard = session.id[:2]
        here = [who for who in principals if who.shard == shard]
        record = Record(
            EndedElsewhere(session.id, logout_id), shard, tuple(keys.trail_of_user(shard, who.digest) for who in here)
        )
        value = self._commit(
            "end_foreign_session",
            (keys.session(session.id), keys.due(shard), *(who.sessions for who in here)),
            (session.id, logout_id, ttl),
            record,
        )
        if value is None:
            return None
        self._tell(record)
        return decoded(codec.decode_session, session.id, value)

    def unlist(self, session_id: str, principals: Sequence[keys.Principal]) -> None:
        """Take an ended session off the indexes of principals in other slots; a stale entry is harmless but counts."""
        if principals:
            with guard():
                pipeline = self._redis.pipeline(transaction=False)
                for who in principals:
                    pipeline.zrem(who.sessions, session_id)
                pipeline.execute()

    def read_logout(self, identifier: str) -> Transaction | None:
        """Return a logout that is running or whose receipt is kept. One round trip."""
        value = self._get(keys.logout(identifier))
        return None if value is None else decoded(codec.decode_logout, identifier, value)

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
            due_at, record = new.due_at, _went_on(transaction, new)
            answer = self._commit(
                "advance_logout",
                (keys.logout(new.id), keys.due(new.id[:2]), keys.waiting(new.id[:2])),
                (
                    f"{transaction.version:06d}",
                    codec.encode_logout(new, secrets.token_hex(4)),
                    new.id,
                    "" if due_at is None else due_at,
                ),
                record,
            )
            if answer == b"ok":
                self._tell(record)
                return Step(new, step.command, step.deliver)
            current = self.read_logout(transaction.id)
            if current is None:
                break
            transaction = current
        raise StoreUnavailable("the logout's record could not be committed", cause="conflict")


def _begun(ending: Ending, here: Sequence[keys.Tombstone]) -> Record:
    """Return what is recorded of a new logout, for the people buried in its shard, its peers and its request."""
    transaction, shard = ending.transaction, ending.transaction.id[:2]
    requester = transaction.requester
    happened = LogoutBegun(
        logout=transaction.id,
        reference=transaction.reference,
        initiator=transaction.initiator,
        reason=short_reason(transaction.reason),
        by=ending.by or (transaction.client_id or "" if requester is None else requester.peer),
        sessions=len(ending.sessions)
        + sum(one.session is not None and one.kind is Kind.SESSION for one in transaction.targets),
        targets=tuple(told(target) for target in transaction.targets),
        rest=rest(None, transaction),
    )
    lists = [keys.trail_of_user(shard, stone.principal.digest) for stone in here]
    peers = [(target.kind, target.peer) for target in transaction.targets]
    peers += [(kept.kind, kept.peer) for kept in transaction.kept]
    if requester is not None:
        peers.append((requester.kind, requester.peer))
    if transaction.client_id is not None:
        peers.append((Kind.APPLICATION, transaction.client_id))
    trails = {Kind.IDP: keys.trail_of_idp, Kind.APPLICATION: keys.trail_of_application}
    lists += [trails[kind](shard, peer) for kind, peer in peers if kind in trails]
    reference = keys.reference(shard, transaction.reference)
    messages = () if requester is None else (requester.request_id,)
    return Record(happened, shard, (reference, *dict.fromkeys(lists)), head=transaction.id, messages=messages)


def _went_on(before: Transaction, after: Transaction) -> Record | None:
    """Return what is recorded of a logout's next step, None when nothing came of it that is worth it."""
    changed, ended = tuple(told(target) for target in results(before, after)), rest(before, after)
    if not changed and ended is None:
        return None
    happened = TargetsChanged(after.id, after.reference, after.initiator, changed, ended)
    return Record(happened, after.id[:2], (keys.reference(after.id[:2], after.reference),), head=after.id)
