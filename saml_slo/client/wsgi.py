"""WSGI: a middleware that checks sessions, and an application that takes logout notices (PEP 3333)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from saml_slo.client.receiver import MAX_BYTES, LogoutReceiver, Reply, session_over
from saml_slo.client.session_check import SessionCheck


class SessionGuard:
    """Lets a request through to `app` unless its session has ended; then `on_ended` answers, with 401 unless given.

    `session_id` returns the id under which the application registered the session, None where nobody is signed in.
    `quiet` says of a request that a page makes it by itself, such as by polling: it is refused as any other once the
    session is over, and does not keep it from ending idle.
    """

    def __init__(
        self,
        app: WSGIApplication,
        check: SessionCheck,
        *,
        session_id: Callable[[WSGIEnvironment], str | None],
        on_ended: WSGIApplication | None = None,
        quiet: Callable[[WSGIEnvironment], bool] = lambda _: False,
    ) -> None:
        self._app = app
        self._check = check
        self._session_id = session_id
        self._on_ended = _over if on_ended is None else on_ended
        self._quiet = quiet

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        chosen = self._session_id(environ)
        alive = chosen is None or self._check.is_alive(chosen, quiet=self._quiet(environ))
        return (self._app if alive else self._on_ended)(environ, start_response)


class LogoutApp:
    """An application that takes notices; mount it at the path that the bridge knows."""

    def __init__(self, receiver: LogoutReceiver) -> None:
        self._receiver = receiver

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        headers = {
            name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        reply = self._receiver.receive(environ["REQUEST_METHOD"], headers, _body(environ))
        return _answer(reply, start_response)


def _body(environ: WSGIEnvironment) -> bytes:
    """Return the body, or one octet more than a receiver takes."""
    length = environ.get("CONTENT_LENGTH") or "0"
    left = min(int(length) if length.isdecimal() else 0, MAX_BYTES + 1)
    parts = []
    while left and (part := environ["wsgi.input"].read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _over(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return _answer(session_over(), start_response)


def _answer(reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", list(reply.headers))
    return [reply.body]
