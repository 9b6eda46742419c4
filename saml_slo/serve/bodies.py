"""Bodies of requests: whole, within the limits of size and time, or not at all.

A client that sends half a body would hold its thread for ever, and giving up on a read that is under way stops the
whole worker of granian. So a body is read before the application is asked, and `Gate` closes the connection under one
that does not arrive.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from saml_slo.wire.bindings.post import MAX_BODY_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_BODIES: Final = 24  # how many requests of one worker may be waiting for a body: the others go on answering meanwhile
_BODY_SECONDS: Final = 30  # longer than an answer takes that waits for applications (product L6: 20 s)
_TOO_LONG: Final = MAX_BODY_BYTES + 2  # the application takes one more than the limit, and says so

_log = structlog.get_logger("saml_slo.serve")


class Gate:
    """The application behind a reader of bodies: whole, within the limits of size and time, or not at all."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._places = threading.BoundedSemaphore(_BODIES)
        self._reading: dict[int, float] = {}  # thread → when it began to wait for a body

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Answer one request."""
        declared = environ.get("CONTENT_LENGTH")
        length = int(declared) if declared and declared.isdecimal() else 0
        # A body that is declared too long is refused by the application, unread.
        if 0 < length <= _TOO_LONG or "HTTP_TRANSFER_ENCODING" in environ:
            if not self._places.acquire(blocking=False):
                return _refuse(start_response, "503 Service Unavailable", "Too many slow requests. Please try again.")
            try:
                body = self._read(environ)
            finally:
                self._places.release()
            if len(body) < length:
                return _refuse(start_response, "400 Bad Request", "The request did not arrive whole.")
            # It is whole now and has a length. As a chunked one werkzeug would cut it off at the limit without a word.
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        answer = self._app(environ, start_response)
        try:
            # As one piece: granian then never waits, in our thread, for a client that is slow to read.
            return [b"".join(answer)]
        finally:
            if close := getattr(answer, "close", None):
                close()

    def _read(self, environ: WSGIEnvironment) -> bytes:
        me = threading.get_ident()
        self._reading[me] = time.monotonic()
        try:
            return bytes(environ["wsgi.input"].read(_TOO_LONG))
        finally:
            del self._reading[me]

    def close_slow_connections(self, port: int) -> None:
        """Close the connections of bodies that take too long. Linux only: elsewhere put a proxy in front.

        Which connection a request came by is not known. But one to which nothing was sent for _BODY_SECONDS is idle
        (granian closes those earlier), or waits for an answer longer than one of ours takes, or is the one.
        """
        if not any(time.monotonic() - began > _BODY_SECONDS for began in list(self._reading.values())):
            return
        closed = 0
        for connection in _connections(port):
            with contextlib.suppress(OSError):
                if _seconds_since_sent(connection) >= _BODY_SECONDS:
                    connection.shutdown(socket.SHUT_RDWR)
                    closed += 1
        _log.warning("slow_bodies", closed_connections=closed)


def _connections(port: int) -> Iterator[socket.socket]:
    """Give the TCP connections to `port` of this process, one after the other; any may be gone a moment later."""
    descriptors: list[str] = []
    with contextlib.suppress(OSError):
        descriptors = [link.name for link in Path("/proc/self/fd").iterdir()]
    for descriptor in map(int, descriptors):
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            with socket.socket(fileno=os.dup(descriptor)) as found:
                if found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM:
                    found.getpeername()  # raises OSError for the one that listens
                    if found.getsockname()[1] == port:
                        yield found


def _seconds_since_sent(connection: socket.socket) -> float:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
    return int.from_bytes(info[44:48], sys.byteorder) / 1000  # struct tcp_info: tcpi_last_data_sent, milliseconds


def _refuse(start_response: StartResponse, status: str, text: str) -> list[bytes]:
    body = text.encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    headers += [("Cache-Control", "no-store"), ("Connection", "close"), ("Retry-After", "5")]
    start_response(status, headers)
    return [body]
