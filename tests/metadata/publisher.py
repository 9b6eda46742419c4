"""A server on the loopback interface that publishes metadata as real ones do: with validators, or badly on purpose."""

import contextlib
import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Publisher:
    """What is published by path, as text; how often each was asked for; what the server does instead."""

    port: int
    documents: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    status: int = 200
    headers: dict = field(default_factory=dict)
    etags: bool = True
    scheme: str = "http"
    host: str = "127.0.0.1"

    def url(self, path="/idp.xml"):
        """The address of a document."""
        return f"{self.scheme}://{self.host}:{self.port}{path}"

    def answer(self, path, headers):
        """Status, headers and body for one request."""
        if self.status != 200:
            return self.status, self.headers, b""
        if path not in self.documents:
            return 404, {}, b"none"
        body = self.documents[path]
        body = body if isinstance(body, bytes) else body.encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        given = {"ETag": etag, **self.headers} if self.etags else dict(self.headers)
        return (304, given, b"") if self.etags and headers.get("If-None-Match") == etag else (200, given, body)


def handler(publisher):
    """The request handler of one publisher."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            publisher.asked.append((self.path, dict(self.headers)))
            status, headers, body = publisher.answer(self.path, self.headers)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


@contextlib.contextmanager
def publishing(tls=None):
    """Run a publisher; `tls` is the context of a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    publisher = Publisher(server.server_port)
    server.RequestHandlerClass = handler(publisher)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        publisher.scheme, publisher.host = "https", "localhost"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        server.shutdown()
        server.server_close()
        thread.join(120)
