"""The audit trail, read: all of it in the order of time, or what is about a person, a peer, a message or a logout.

Nothing here scans. What happened lies in one stream for each shard; the commit that wrote an entry also noted its id
under whom it is about (record.lua). So a look-up reads the notes, of one shard or of all 256 in one pipeline, and then
those entries alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import structlog

from saml_slo.store import keys, tokens
from saml_slo.store.connect import guard
from saml_slo.store.happened import Happened, LogoutBegun, OperatorActed, UnknownRecordError, decode
from saml_slo.store.steps import Record, Steps

MOST = 200
_PAGE = 200
_log = structlog.get_logger("saml_slo.store")

_LONGEST_NOTE = 24  # characters: thirteen digits, a hyphen, as many digits as a stream ever has, a comma
_Raw = tuple[bytes, dict[bytes, bytes]]
_Id = tuple[int, int]  # of an entry: milliseconds of Redis' clock, and a number within them


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the trail. `at` is when it was written, in milliseconds by the clock of Redis."""

    at: int
    number: int
    shard: str
    happened: Happened

    @property
    def order(self) -> tuple[int, str, int]:
        """Return what entries are sorted by: the time, and within one shard the order in which they were written."""
        return self.at, self.shard, self.number


@dataclass(frozen=True, slots=True)
class Trail:
    """What a reference code leads to: the logout's id, and what is recorded of it."""

    logout_id: str
    entries: tuple[Entry, ...]


class Trails(Steps):
    """Read the audit trail, and add what operators did."""

    def note(self, operator: str, action: str, subject: str) -> None:
        """Record that an operator did something which no other step records. One round trip."""
        shard = keys.shard_of(subject)
        record = Record(OperatorActed(operator, action, subject), shard)
        self._commit("note", (), (), record)
        self._tell(record)

    def audit(self, since: int, until: int | None = None) -> Iterator[Entry]:
        """Yield every entry from `since` to `until` (milliseconds, inclusive; None: now), the oldest first.

        One pipeline for the first page of all shards, then a round trip for each page of one shard; as much memory as
        the pages.
        """
        first, last = str(max(since, 0)), "+" if until is None else str(until)
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for shard in keys.SHARDS:
                pipeline.xrange(keys.audit(shard), first, last, count=_PAGE)
            if until is None:
                pipeline.time()
            pages = pipeline.execute()
        if until is None:
            seconds, microseconds = pages.pop()
            last = str(seconds * 1000 + microseconds // 1000)
        streams = (self._stream(shard, page, last) for shard, page in zip(keys.SHARDS, pages, strict=True) if page)
        yield from heapq.merge(*streams, key=lambda entry: entry.order)

    def _stream(self, shard: str, page: list[tuple[bytes, dict[bytes, bytes]]], last: str) -> Iterator[Entry]:
        while page:
            yield from _entries(shard, page)
            if len(page) < _PAGE:
                return
            with guard():
                after = f"({page[-1][0].decode()}"
                page = cast(
                    "list[tuple[bytes, dict[bytes, bytes]]]",
                    self._redis.xrange(keys.audit(shard), after, last, count=_PAGE),
                )

    def latest(self, most: int, before: tuple[int, str, int] | None = None) -> tuple[Entry, ...]:
        """Return the latest entries, the newest first; `before`: only what is older than an entry of this order.

        The first look is at the ends of all streams; then those are read further, a few times more each time, whose
        end could still be among the latest. A handful of round trips, and few more entries than are returned.
        """
        raw: dict[str, list[_Raw]] = {shard: [] for shard in keys.SHARDS}
        last = {shard: _before(shard, before) for shard in keys.SHARDS}
        open_, count, since = list(keys.SHARDS), 2, 0
        while open_:
            pages = self._reversed([(shard, last[shard], str(since), count) for shard in open_])
            for shard, page in zip(open_, pages, strict=True):
                raw[shard] += page
                last[shard] = f"({page[-1][0].decode()}" if page else ""
            newest = heapq.nlargest(most, (_moment(one) for page in raw.values() for one in page))
            since = newest[-1] if len(newest) == most else 0
            open_ = [
                shard
                for shard, page in zip(open_, pages, strict=True)
                if len(page) == count and len(raw[shard]) < most and _moment(page[-1]) >= since
            ]
            count *= 4
        seen = [(shard, one) for shard, page in raw.items() for one in page if _moment(one) >= since]
        seen.sort(key=lambda pair: (_moment(pair[1]), pair[0], _number(pair[1])), reverse=True)
        return tuple(entry for shard, one in seen[:most] for entry in _entries(shard, [one]))

    def _reversed(self, wanted: Sequence[tuple[str, str, str, int]]) -> list[list[_Raw]]:
        """Return entries of streams from the newest on: shard, the last id, the first one, how many. One round trip."""
        if not wanted:
            return []
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for shard, last, first, count in wanted:
                pipeline.xrevrange(keys.audit(shard), last, first, count=count)
            return cast("list[list[_Raw]]", pipeline.execute())

    def trail_of_reference(self, text: str) -> Trail | None:
        """Return what a logout's reference code leads to, None for one that no logout has. Two round trips."""
        read = tokens.read_reference(text)
        if read is None:
            return None
        value = self._get(keys.reference(*read))
        if not value:
            return None
        logout_id, *ids = _noted(value)
        return Trail(logout_id, self._read([(read[0], number) for number in map(_id, ids) if number is not None]))

    def trail_of_message(self, message_id: str) -> tuple[Entry, ...]:
        """Return what is recorded of a message by its ID: the logout that it belongs to, or the sign-in.

        That is any message of a logout of ours, a peer's LogoutRequest, and of a sign-in the AuthnRequest, the Response
        and the assertion. Two or three round trips.
        """
        ours = tokens.logout_id_of_message(message_id)
        if ours is not None:
            trail = self.trail_of_reference(tokens.reference_of(ours))
            return () if trail is None else trail.entries
        places = [(shard, *keys.trail_of_message(shard, message_id)) for shard in keys.SHARDS]
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for _, name, _ in places:
                pipeline.get(name)
            found = pipeline.execute()
        return self._complete(
            [
                (text.removesuffix(mark), shard)
                for (shard, _, mark), value in zip(places, found, strict=True)
                for text in _noted(value or b"")
                if text.endswith(mark)
            ],
            MOST,
        )

    def trail_of_idp(self, name: str, most: int = MOST) -> tuple[Entry, ...]:
        """Return the latest that is recorded of a connection: sign-ins, and logouts with all that came of them."""
        return self._whole([keys.trail_of_idp(shard, name) for shard in keys.SHARDS], most)

    def trail_of_application(self, client_id: str, most: int = MOST) -> tuple[Entry, ...]:
        """Return the latest that is recorded of an application."""
        return self._whole([keys.trail_of_application(shard, client_id) for shard in keys.SHARDS], most)

    def trail_of_users(self, principals: Iterable[keys.Principal], most: int = MOST) -> tuple[Entry, ...]:
        """Return the latest that is recorded of people."""
        return self._whole([keys.trail_of_user(who.shard, who.digest) for who in principals], most)

    def _whole(self, names: Sequence[str], most: int) -> tuple[Entry, ...]:
        """Return the latest entries noted under keys, and what belongs to them; the oldest first."""
        if not names:
            return ()
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for name in names:
                pipeline.getrange(name, -most * _LONGEST_NOTE, -1)
            found = pipeline.execute()
        noted = [
            (text, name[5:7])
            for name, value in zip(names, found, strict=True)
            for text in _noted(_tail(value, most * _LONGEST_NOTE))
        ]
        return self._complete(noted, most)

    def _complete(self, noted: Sequence[tuple[str, str]], most: int) -> tuple[Entry, ...]:
        """Return the latest entries of notes (with their shards), and of each logout among them everything."""
        latest = heapq.nlargest(most, (one for one in noted if one[0][:1] != "="), key=_recency)
        entries = {entry.order: entry for entry in self._read(list(_ids(latest)))}
        codes = [text[1:] for text, _ in noted if text.startswith("=")][-most:]
        codes += [one.happened.reference for one in entries.values() if isinstance(one.happened, LogoutBegun)]
        entries |= {entry.order: entry for entry in self._logouts(dict.fromkeys(codes))}
        return tuple(entries[order] for order in sorted(entries))

    def _logouts(self, codes: Iterable[str]) -> tuple[Entry, ...]:
        places = [place for place in map(tokens.read_reference, codes) if place is not None]
        if not places:
            return ()
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for shard, code in places:
                pipeline.get(keys.reference(shard, code))
            found = pipeline.execute()
        ids = [
            (shard, number)
            for (shard, _), value in zip(places, found, strict=True)
            for text in _noted(value or b"")[1:]
            if (number := _id(text)) is not None
        ]
        return self._read(ids)

    def _read(self, ids: Sequence[tuple[str, _Id]]) -> tuple[Entry, ...]:
        """Return the entries of these ids that are still kept. One round trip."""
        if not ids:
            return ()
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for shard, (at, number) in ids:
                pipeline.xrange(keys.audit(shard), f"{at}-{number}", f"{at}-{number}")
            pages = pipeline.execute()
        found = (entry for (shard, _), page in zip(ids, pages, strict=True) for entry in _entries(shard, page))
        return tuple(sorted(found, key=lambda entry: entry.order))


def _entries(shard: str, page: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> Iterator[Entry]:
    for identifier, fields in page:
        number = _id(identifier.decode())
        try:
            happened = decode(fields[b"e"].decode(), fields[b"f"].decode())
        except (UnknownRecordError, KeyError, UnicodeDecodeError) as error:
            _log.error("corrupt_record", key=keys.audit(shard), id=identifier.decode(), message=str(error)[:100])
            continue
        if number is not None:
            yield Entry(*number, shard, happened)


def _before(shard: str, order: tuple[int, str, int] | None) -> str:
    """Return the last id of a shard's stream that lies before an order (`Entry.order`)."""
    if order is None:
        return "+"
    at, its, number = order
    return f"({at}-{number}" if shard == its else str(at) if shard < its else str(max(at - 1, 0))


def _moment(entry: _Raw) -> int:
    return int(entry[0].partition(b"-")[0])


def _number(entry: _Raw) -> int:
    return int(entry[0].partition(b"-")[2])


def _tail(value: bytes, limit: int) -> bytes:
    """Return the last notes of a list without one that was cut off at the limit."""
    return value.partition(b",")[2] if len(value) == limit else value


def _recency(note: tuple[str, str]) -> tuple[str, int, str]:
    """Return what noted ids are sorted by without reading them: thirteen digits, a hyphen, and a number of any length.

    While a clock that was set back catches up, Redis counts on within one millisecond: 10 comes after 9.
    """
    text = note[0]
    return text[:14], len(text), text


def _ids(notes: Iterable[tuple[str, str]]) -> Iterator[tuple[str, _Id]]:
    for text, shard in notes:
        number = _id(text)
        if number is not None:
            yield shard, number


def _noted(value: bytes) -> list[str]:
    return [part for part in value.decode("ascii", "replace").split(",") if part]


def _id(text: str) -> _Id | None:
    at, _, number = text.partition("-")
    return (int(at), int(number)) if at.isdecimal() and number.isdecimal() else None
