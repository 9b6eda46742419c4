"""How a step is run: one script or command, its failures named, its result decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeVar, cast

import redis
import structlog

from saml_slo.errors import StoreUnavailable
from saml_slo.protocol.session import Session
from saml_slo.store import codec, keys
from saml_slo.store.connect import guard
from saml_slo.store.happened import Happened, encode

R = TypeVar("R")

AUDIT_LIFETIME = 30 * 24 * 3600 * 1000  # milliseconds

_RECORDS = "record()"  # what a script says that writes into the audit trail
_log = structlog.get_logger("saml_slo.store")


@dataclass(frozen=True, slots=True)
class Record:
    """What a commit writes into the audit trail of `shard`, and the keys of the lists under which it is found.

    `head`: what the first of them begins with if this is its first entry. `messages`: the IDs of the messages that it
    is about, each of which finds it too.
    """

    happened: Happened
    shard: str
    lists: tuple[str, ...] = ()
    head: str = ""
    messages: tuple[str, ...] = ()


def unheard(_: Happened) -> None:
    """Report to nobody."""


class Steps:
    """The scripts of lua/ on one client. A subclass gives them the names of the domain."""

    def __init__(
        self, client: redis.Redis, *, report: Callable[[Happened], None] = unheard, audit_lifetime: int = AUDIT_LIFETIME
    ) -> None:
        """Take a client from `connect()`; nothing is sent yet.

        `report` hears of every commit that was made, in the thread that made it. The audit trail is kept for
        `audit_lifetime` milliseconds.
        """
        self._redis = client
        self._report = report
        self._audit_lifetime = audit_lifetime
        folder = files("saml_slo.store") / "lua"
        texts = {path.name.removesuffix(".lua"): path.read_text(encoding="utf-8") for path in folder.iterdir()}
        recorder = texts.pop("record")
        self._script = {
            name: client.register_script(f"{recorder}\n{text}" if _RECORDS in text else text)
            for name, text in texts.items()
        }

    def _run(self, name: str, key_names: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:  # noqa: ANN401 - each script returns its own kind, named in its header
        with guard():
            return self._script[name](keys=list(key_names), args=list(arguments))

    def _commit(
        self,
        name: str,
        key_names: Sequence[str],
        arguments: Sequence[str | bytes | int],
        record: Record | None,
    ) -> Any:  # noqa: ANN401 - as `_run`
        """Run a script that records what it did in the same step; None: this time there is nothing to record."""
        if record is None:
            return self._run(name, key_names, (*arguments, ""))
        code, text = encode(record.happened)
        noted = [(name, "") for name in record.lists]
        noted += [keys.trail_of_message(record.shard, identifier) for identifier in record.messages]
        return self._run(
            name,
            (*key_names, keys.audit(record.shard), *(name for name, _ in noted)),
            (
                *arguments,
                *(code, text, self._audit_lifetime, record.head),
                *(behind for _, behind in noted),
                len(noted),
            ),
        )

    def _tell(self, record: Record | None) -> None:
        """Report a commit that was made. Whatever the report breaks on, the commit was made."""
        if record is None:
            return
        try:
            self._report(record.happened)
        except Exception:  # noqa: BLE001 - a full disk under the metrics must not look like a failed logout
            _log.exception("report_failed", what=record.happened.WORD)

    def _get(self, key: str) -> bytes | None:
        try:
            with guard():
                return cast("bytes | None", self._redis.get(key))
        except StoreUnavailable as error:
            if error.cause != "wrong_type":
                raise
            _log.error("corrupt_record", key=key, message="not a string")
            return None


def living(identifier: str, value: bytes, now: int) -> Session | None:
    """Return a stored session unless its time is over or it cannot be read."""
    session = decoded(codec.decode_session, identifier, value)
    return session if session is not None and now < session.ends_at else None


def decoded(decode: Callable[[str, bytes], R], identifier: str, value: bytes) -> R | None:
    """Return a record, None when it cannot be read: nobody is signed in by what we cannot read (security F27)."""
    try:
        return decode(identifier, value)
    except codec.CorruptRecord as error:
        _log.error("corrupt_record", id=identifier, message=str(error))
        return None
