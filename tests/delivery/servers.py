"""Servers on the loopback interface that answer as a test says: well, slowly, endlessly, wrongly or not at all."""

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: 5\r\n\r\n<ok/>"


@dataclass
class Server:
    """A listening server: its port, what came in, and an event that ends whatever its handlers wait for."""

    port: int
    requests: list = field(default_factory=list)
    connections: int = 0
    octets_sent: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def url(self, path="/slo", host="127.0.0.1", scheme="http"):
        """An URL of this server."""
        return f"{scheme}://{host}:{self.port}{path}"

    def request(self, connection):
        """Read one whole request and keep it."""
        octets = b""
        while b"\r\n\r\n" not in octets:
            octets += self.receive(connection)
        head, _, body = octets.partition(b"\r\n\r\n")
        (length,) = (
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += self.receive(connection)
        self.requests.append((head.decode(), body))

    @staticmethod
    def receive(connection):
        """Receive something, or end this handler when the client has gone."""
        octets = connection.recv(65536)
        if not octets:
            raise ConnectionError
        return octets

    def wait(self, seconds):
        """Let time pass; end this handler when the test is over."""
        if self.stopped.wait(seconds):
            raise ConnectionError

    def send(self, connection, octets):
        """Send and count."""
        connection.sendall(octets)
        self.octets_sent += len(octets)

    def drip(self, connection, octets, every=0.1):
        """Send one octet at a time, for as long as the client listens."""
        for octet in octets:
            self.send(connection, bytes([octet]))
            self.wait(every)

    def hang(self, connection):
        """Say nothing until the client goes away."""
        while True:
            self.receive(connection)


def answering(octets):
    """Return a handler that reads a request and answers with these octets."""

    def talk(server, connection):
        server.request(connection)
        server.send(connection, octets)

    return talk


@contextlib.contextmanager
def serving(talk, *, tls=None, family=socket.AF_INET):
    """Run a server that lets `talk(server, connection)` handle each connection, in a thread of its own."""
    listener = socket.create_server(
        ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family, backlog=128
    )
    listener.settimeout(0.05)
    server = Server(listener.getsockname()[1])
    threads = []

    def handle(connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(60)
            if tls:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                talk(server, connection)

    def accept():
        while not server.stopped.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            server.connections += 1
            threads.append(threading.Thread(target=handle, args=(connection,)))
            threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield server
    finally:
        server.stopped.set()
        for thread in threads:
            thread.join(70)
        listener.close()


def server_context(certificate, folder, **versions):
    """Return TLS for a server with this certificate (key and certificate in PEM)."""
    path = folder / "server.pem"
    path.write_bytes(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    for name, version in versions.items():
        setattr(context, name, version)
    return context
