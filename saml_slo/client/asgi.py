"""ASGI: a middleware that checks sessions, and an application that takes logout notices (ASGI 3.0).

The check and the receiver wait for the network, so they run in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from saml_slo.client.receiver import MAX_BYTES, LogoutReceiver, Reply, session_over
from saml_slo.client.session_check import SessionCheck

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008  # RFC 6455 7.4.1


class SessionGuard:
    """Lets a request or WebSocket through to `app` unless its session has ended.

    Then `on_ended` answers a request, with 401 unless given, and a WebSocket is closed before it opens. `session_id`
    returns the id under which the application registered the session, None where nobody is signed in; it must not wait
    for anything. `quiet` says of a request that a page makes it by itself, such as by polling: it is refused as any
    other once the session is over, and does not keep it from ending idle.
    """

    def __init__(
        self,
        app: AsgiApp,
        check: SessionCheck,
        *,
        session_id: Callable[[Scope], str | None],
        on_ended: AsgiApp | None = None,
        quiet: Callable[[Scope], bool] = lambda _: False,
    ) -> None:
        self._app = app
        self._check = check
        self._session_id = session_id
        self._on_ended = _over if on_ended is None else on_ended
        self._quiet = quiet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        chosen = self._session_id(scope) if scope["type"] in ("http", "websocket") else None
        if chosen is None or await asyncio.to_thread(self._check.is_alive, chosen, quiet=self._quiet(scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._on_ended(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})


class LogoutApp:
    """An application that takes notices; mount it at the path that the bridge knows."""

    def __init__(self, receiver: LogoutReceiver) -> None:
        self._receiver = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            raise ValueError(f"logout notices come by http, not by {scope['type']}")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _body(receive)
        if body is None:
            return
        reply = await asyncio.to_thread(self._receiver.receive, scope["method"], headers, body)
        await _answer(reply, send)


async def _body(receive: Receive) -> bytes | None:
    """Return the body, or some octets more than a receiver takes; None when the sender went away."""
    parts = bytearray()
    while len(parts) <= MAX_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(parts)


async def _over(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _answer(session_over(), send)


async def _answer(reply: Reply, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
