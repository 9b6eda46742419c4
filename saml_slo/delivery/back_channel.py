"""The only HTTP client of this program: one request, one answer, one deadline.

No client library has a total deadline: with "timeout 1" each takes as long as the peer cares to drip. So here h11 reads
and writes HTTP, and the socket under it is armed anew, before every single wait, with what is left of the time.

- TLS 1.2 or newer is always verified, against the system's certificate store: what the operator's distribution trusts
  and what `update-ca-certificates` added to it. `SSL_CERT_FILE` and `SSL_CERT_DIR` name another, as for all of OpenSSL.
- No redirect is followed, no proxy and no .netrc is looked for, no connection is used twice.
- Nothing is ever decompressed; whatever comes is counted while it comes.
"""

from __future__ import annotations

import errno
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

import h11

from saml_slo import __version__
from saml_slo.delivery.egress import Egress, Resolver, SocketAddress, Target, look_up
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.wire.url import HttpUrl

MAX_HEAD_BYTES = 64 * 1024
CONNECT_SECONDS = 2.0
# Each interim answer and each piece of a body costs the same time however small it is: a peer may not make it seconds.
_MAX_INTERIM = 100
_MAX_PIECES = 1024  # and one more for each of this many octets that are read at most
_OCTETS_OF_A_PIECE = 64
_MAX_ADDRESSES = 4
_CHUNK = 64 * 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # this machine ran out of it
_REDIRECTS = range(300, 400)
_NOT_MODIFIED = 304
_CONDITIONS = frozenset({"if-none-match", "if-modified-since"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a peer answered, whatever its status; redirects are failures. The content type as it came, or empty.

    `headers` are all that came, their names in lower case; of equal ones the first.
    """

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


class BackChannel:
    """Sends a message to a peer without a browser. May be used by many threads at once."""

    def __init__(
        self,
        *,
        allowed_private: Sequence[str] = (),
        max_bytes: int = 512 * 1024,
        connect_seconds: float = CONNECT_SECONDS,
        resolve: Resolver = look_up,
    ) -> None:
        self._egress = Egress(allowed_private, resolve=resolve)
        self._max_bytes = max_bytes
        self._connect_seconds = connect_seconds
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._tls.load_default_certs()
        self._tls.set_alpn_protocols(["http/1.1"])

    def post(
        self,
        url: str,
        body: bytes,
        *,
        content_type: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        deadline: float,
    ) -> Answer:
        """Send a POST as `send` does."""
        return self.send("POST", url, body, content_type=content_type, headers=headers, deadline=deadline)

    def send(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        *,
        content_type: str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
        deadline: float,
    ) -> Answer:
        """Send a request, with `body` unless None, and return the answer or raise DeliveryFailed before `deadline`.

        `deadline` is a reading of time.monotonic(): look-up, connect, TLS, sending and receiving end by then.
        """
        target = self._egress.target(url, deadline=deadline)
        described = {} if body is None else {"Content-Type": content_type, "Content-Length": str(len(body))}
        request = _request(method, target.url, {**described, **headers})
        conditional = not _CONDITIONS.isdisjoint(map(str.lower, headers))
        attempt = _Attempt(target.url, deadline, self._max_bytes, conditional=conditional)
        with attempt.told():
            attempt.use(_connect(target, min(deadline, time.monotonic() + self._connect_seconds)))
            try:
                if target.url.scheme == "https":
                    attempt.secure(self._tls)
                return attempt.exchange(request, body or b"")
            finally:
                attempt.close()


class _Attempt:
    """One connection to one peer, and the deadline at which every wait on it ends.

    `conditional`: the request has a condition, so that 304 answers it and is no redirect.
    """

    def __init__(self, url: HttpUrl, deadline: float, max_bytes: int, *, conditional: bool) -> None:
        self._conditional = conditional
        self._host = url.host
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._socket: socket.socket
        self._sent = False

    def use(self, connected: socket.socket) -> None:
        """Go on with this socket."""
        self._socket = connected

    def close(self) -> None:
        """Close the connection without waiting for anything."""
        self._socket.close()

    def secure(self, tls: ssl.SSLContext) -> None:
        """Speak TLS from here on, to the host by its name."""
        self._arm()
        self._socket = tls.wrap_socket(self._socket, server_hostname=self._host)

    def exchange(self, request: h11.Request, body: bytes) -> Answer:
        """Send the request, read the answer to its end."""
        http = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        octets = b"".join(http.send(event) or b"" for event in (request, h11.Data(data=body), h11.EndOfMessage()))
        self._sent = True
        self._send(octets)
        head: h11.Response | None = None
        parts = bytearray()
        for event in self._events(http):
            match event:
                case h11.Response():
                    head = event
                    self._refuse_by_head(event)
                case h11.Data():
                    parts += event.data
                    if len(parts) > self._max_bytes:
                        raise self._too_large()
                case h11.EndOfMessage() if head is not None:
                    return _answer(head, bytes(parts))
        raise self._failed(Why.PROTOCOL, "closed the connection without an answer")

    def _events(self, http: h11.Connection) -> Iterator[h11.Event]:
        """Yield what comes, as h11 reads it; whatever it is, its octets are counted."""
        # In chunks of one octet an answer is six times as long as its body; that is not refused, if it is short.
        left = 6 * self._max_bytes + MAX_HEAD_BYTES
        pieces = {
            h11.InformationalResponse: _MAX_INTERIM,
            h11.Data: _MAX_PIECES + self._max_bytes // _OCTETS_OF_A_PIECE,
        }
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                octets = self._receive()
                left -= len(octets)
                if left < 0:
                    raise self._too_large()
                http.receive_data(octets)
            elif isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
                pieces[type(event)] = pieces.get(type(event), 1) - 1
                if pieces[type(event)] < 0:
                    raise self._too_large()
                yield event
            else:
                return

    def _refuse_by_head(self, head: h11.Response) -> None:
        if head.status_code in _REDIRECTS and not (self._conditional and head.status_code == _NOT_MODIFIED):
            where = _header(head, b"location")[:200]
            raise self._failed(Why.REDIRECT, "answered with a redirect, which is not followed", detail=where)
        if _header(head, b"content-encoding").lower() not in ("", "identity"):
            raise self._failed(Why.PROTOCOL, "answered in a compressed form that it was not offered")
        length = _header(head, b"content-length")
        if length and int(length) > self._max_bytes:  # h11 has seen that it is a number
            raise self._too_large()

    def _send(self, octets: bytes) -> None:
        rest = memoryview(octets)
        while rest:
            self._arm()
            rest = rest[self._socket.send(rest) :]

    def _receive(self) -> bytes:
        self._arm()
        return self._socket.recv(_CHUNK)

    def _arm(self) -> None:
        """Let the next wait end at the deadline; each socket operation, handshakes too, holds to it as a whole."""
        self._socket.settimeout(_left(self._deadline))

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell whatever goes wrong as DeliveryFailed."""
        try:
            yield
        except TimeoutError as error:
            raise self._failed(Why.TIMEOUT, "did not answer in time", detail=str(error)) from None
        except ssl.SSLCertVerificationError as error:
            said = f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
            raise self._failed(Why.TLS, f"could not prove who it is, {said}", detail=str(error)) from None
        except ssl.SSLError as error:
            raise self._failed(Why.TLS, "did not agree on a secure connection", detail=str(error)) from None
        except OSError as error:
            if error.errno in _OURS:
                sentence = "this machine has no sockets left"
                raise DeliveryFailed(Why.LOCAL, sentence, detail=str(error), sent=self._sent) from None
            said = "broke the connection" if self._sent else "could not be reached"
            raise self._failed(Why.REFUSED, said, detail=str(error)) from None
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:  # noqa: PLR2004 - h11's way to say that a head does not end
                raise self._too_large() from None
            raise self._failed(Why.PROTOCOL, "did not answer as a web server does", detail=str(error)) from None

    def _too_large(self) -> DeliveryFailed:
        return self._failed(Why.TOO_LARGE, "answered with more than is read")

    def _failed(self, why: Why, what: str, *, detail: str = "") -> DeliveryFailed:
        return DeliveryFailed(why, f"{self._host} {what}", detail=detail, sent=self._sent)


def _connect(target: Target, deadline: float) -> socket.socket:
    """Return a connection to the first address that takes one; none gets more than its share of the time."""
    addresses = target.addresses[:_MAX_ADDRESSES]
    failure: OSError = ConnectionRefusedError("no address")
    for number, address in enumerate(addresses):
        try:
            return _connect_to(address, _left(deadline) / (len(addresses) - number))
        except OSError as error:
            failure = error
    raise failure


def _connect_to(address: SocketAddress, seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


def _request(method: str, url: HttpUrl, headers: Mapping[str, str]) -> h11.Request:
    """Return the head of the request; h11 refuses line ends in names and values."""
    host = url.host if url.port == _DEFAULT_PORTS[url.scheme] else f"{url.host}:{url.port}"
    return h11.Request(
        method=method,
        target=url.path if url.query is None else f"{url.path}?{url.query}",
        headers=[
            ("Host", host),
            ("User-Agent", f"saml_slo/{__version__}"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            *headers.items(),
        ],
    )


def _header(head: h11.Response, name: bytes) -> str:
    """Return a header's first value, or nothing."""
    return next((value.decode("latin-1") for key, value in head.headers if key == name), "")


def _answer(head: h11.Response, body: bytes) -> Answer:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(list(head.headers))}
    return Answer(status=head.status_code, content_type=headers.get("content-type", ""), body=body, headers=headers)
