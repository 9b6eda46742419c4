"""How a step is run: one script or command, its failures named, its result decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, TypeVar, cast

import redis
import structlog

from saml_slo.errors import StoreUnavailable
from saml_slo.protocol.session import Session
from saml_slo.store import codec
from saml_slo.store.connect import guard

R = TypeVar("R")

_log = structlog.get_logger("saml_slo.store")


class Steps:
    """The scripts of lua/ on one client. A subclass gives them the names of the domain."""

    def __init__(self, client: redis.Redis) -> None:
        """Take a client from `connect()`; nothing is sent yet."""
        self._redis = client
        folder = files("saml_slo.store") / "lua"
        self._script = {
            path.name.removesuffix(".lua"): client.register_script(path.read_text(encoding="utf-8"))
            for path in folder.iterdir()
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
