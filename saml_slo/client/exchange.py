"""One request to the bridge and its answer in JSON, under one deadline."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from saml_slo.client.errors import Unavailable
from saml_slo.delivery.back_channel import Answer, BackChannel
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.wire.url import UrlRefusedError, parse_endpoint

MAX_BYTES = 1024 * 1024
# The guard of the back channel is for URLs that come from peers. This one is the application's own setting, and its
# bridge may well be on a private address.
_ANYWHERE = ("0.0.0.0/0", "::/0")
_MAX_TIMEOUT = 600  # more is no deadline
_BROKEN = (Why.REFUSED, Why.PROTOCOL)


class Exchange:
    """Speaks to one bridge. May be used by many threads at once, and after a fork.

    Certificates are verified against the system's store; no redirect is followed, no proxy and no .netrc is looked
    for, nothing is read beyond 1 MiB. Every request here may be sent twice without doing more (each is idempotent), so
    one that a broken connection cut short is sent once more, within the same time.
    """

    def __init__(self, base_url: str, *, timeout: float) -> None:
        try:
            url = parse_endpoint(base_url)
        except UrlRefusedError as error:
            raise ValueError(f"base_url is wrong: {error}") from None
        if url.path != "/" or url.query is not None:
            raise ValueError("base_url is wrong: it is the origin of the bridge alone, as https://slo.example")
        self.origin = base_url.rstrip("/")
        self._timeout = _checked(timeout)
        self._channel = BackChannel(allowed_private=_ANYWHERE, max_bytes=MAX_BYTES, connect_seconds=timeout)

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Return the answer, whatever its status, or raise Unavailable; either within the timeout."""
        deadline = time.monotonic() + (self._timeout if timeout is None else _checked(timeout))
        octets = None if body is None else json.dumps(body, separators=(",", ":")).encode()

        def once() -> Answer:
            return self._channel.send(
                method,
                f"{self.origin}{path}",
                octets,
                content_type="application/json",
                headers={"Accept": "application/json", **headers},
                deadline=deadline,
            )

        try:
            try:
                return once()
            except DeliveryFailed as failure:
                if failure.why not in _BROKEN:
                    raise
                return once()
        except DeliveryFailed as failure:
            raise Unavailable(f"The bridge gave no answer: {failure.sentence}", reason=failure.why) from failure


def _checked(timeout: float) -> float:
    if not 0 < timeout <= _MAX_TIMEOUT:
        raise ValueError(f"timeout is wrong: it is a number of seconds, above 0 and at most {_MAX_TIMEOUT}")
    return timeout


def document(answer: Answer) -> dict[str, Any] | None:
    """Return the JSON object of an answer; None when it has none."""
    if answer.content_type.partition(";")[0].strip().lower() != "application/json":
        return None
    return json_object(answer.body)


def json_object(octets: bytes) -> dict[str, Any] | None:
    """Return the JSON object that these octets are; None when they are none. Of UTF-8 alone, however deep."""
    try:
        value = json.loads(octets.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
