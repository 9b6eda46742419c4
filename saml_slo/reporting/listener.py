"""GET /metrics on an address of its own: what it says is for the operator's network, not for the public origin.

Every worker listens on the same address (SO_REUSEPORT), the kernel chooses one, and any of them knows what all counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Any

import structlog

from saml_slo.reporting.gauges import Gauges
from saml_slo.reporting.metrics import Metrics

_SECONDS = 5  # for which somebody may be slow to ask or to read
_log = structlog.get_logger("saml_slo.reporting")


def exposition(metrics: Metrics, gauges: Gauges) -> tuple[str, bytes]:
    """Return the content type and the text that Prometheus reads."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # noqa: PLC0415 - metrics.py

    looked_up = CollectorRegistry()
    looked_up.register(gauges)
    return CONTENT_TYPE_LATEST, generate_latest(metrics.registry()) + generate_latest(looked_up)


def listen(host: str, port: int, metrics: Metrics, gauges: Gauges) -> ThreadingHTTPServer:
    """Answer in threads of this process until it ends or `shutdown` is called. Raises OSError."""
    server = _server(host, port, lambda: exposition(metrics, gauges))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def _server(host: str, port: int, expose: Callable[[], tuple[str, bytes]]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS

        def do_GET(self) -> None:
            """Answer /metrics; there is nothing else here."""
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            try:
                content_type, body = expose()
            except Exception:  # noqa: BLE001 - a scrape that fails must not look like numbers
                _log.exception("metrics_failed")
                self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def version_string(self) -> str:
            return "saml_slo"

        def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
            """Say nothing: it asks every few seconds."""

    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in host else AF_INET
        allow_reuse_port = True
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
            """Say nothing of a client that went away."""

    return Server((host, port), Handler)
