"""A WSGI application on a port of the loopback interface, and a bridge made of canned answers."""

import contextlib
import json
import threading
from dataclasses import dataclass, field

from werkzeug.serving import WSGIRequestHandler, make_server

CREDENTIAL = f"shop.{'s' * 43}"
SESSION = {
    "id": "s1",
    "handle": "h1",
    "user": "alice",
    "active": True,
    "ends_at": "2026-11-20T18:00:00Z",
    "idle_ends_at": "2026-11-20T10:30:00Z",
    "check_after": 300,
    "logout_url": "https://slo.example/v2/logout?session=h1&client_id=shop",
}


class _Quiet(WSGIRequestHandler):
    def log(self, *_args):
        """Say nothing."""


@contextlib.contextmanager
def serving(app):
    """Serve an application; yield its origin."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Canned:
    """A WSGI application that gives the answers of a list, the last one for ever, and keeps what was asked.

    An answer is (status, document or octets, headers).
    """

    answers: list
    asked: list = field(default_factory=list)

    def __call__(self, environ, start_response):
        """Give the next answer."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], body, environ))
        status, said, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        octets = said if isinstance(said, bytes) else json.dumps(said).encode()
        kind = {"Content-Type": "application/octet-stream" if isinstance(said, bytes) else "application/json"}
        start_response(f"{status} -", list({**kind, **headers}.items()))
        return [octets]


def refusal(reason, **more):
    """Return a refusal as the API words it."""
    return {
        "error": "No",
        "description": "It is so",
        "reason": reason,
        "next_step": "Do so.",
        "reference": "AB",
        **more,
    }


class Clock:
    """Seconds that a test moves."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        """Return them."""
        return self.now
