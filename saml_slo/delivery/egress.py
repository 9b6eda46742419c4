"""To which addresses we open connections: the guard against requests that a peer's metadata sends into our network.

A host is looked up once; every address that it has is judged, and the connection goes to an address that was judged, so
that a name whose answer changes in between (DNS rebinding, security F50) gains nothing. What is not the public internet
is refused (security K228) unless the operator listed it in `SLO_BACK_CHANNEL_ALLOW`:

- an address or network (`10.20.0.0/16`, `fd00:1::/64`) opens itself, whatever it is;
- a host name (`idp.corp.example`) opens whatever internal address that name has, but never link-local, multicast or
  reserved ones: whoever rules that name's DNS must not get the cloud's credentials from 169.254.169.254.

http, without TLS, is for what is listed only.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread

from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.errors import ConfigurationError
from saml_slo.wire.url import HttpUrl, UrlRefusedError, parse

SETTING = "SLO_BACK_CHANNEL_ALLOW"
MAX_LOOKUPS = 128  # at a time, in this process: a resolver that hangs holds no more threads than these

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network
SocketAddress = tuple[str, int] | tuple[str, int, int, int]
Resolver = Callable[[str, int], Sequence[SocketAddress]]


def _networks(texts: str) -> tuple[IpNetwork, ...]:
    return tuple(ip_network(text) for text in texts.split())


# The special-purpose registries of IANA, in our own table: that of the `ipaddress` module differs between releases of
# Python. What is nobody's address, or answers with credentials, comes first and is never opened by a host name.
_NEVER_BY_NAME: tuple[tuple[str, tuple[IpNetwork, ...]], ...] = (
    ("unspecified", _networks("0.0.0.0/8 ::/128")),
    ("link-local", _networks("169.254.0.0/16 fe80::/10")),
    (
        "a cloud's platform service",
        _networks("168.63.129.16/32 100.100.100.200/32 192.0.0.192/32 fd00:ec2::/32 fd20:ce::/64"),
    ),
    ("multicast", _networks("224.0.0.0/4 ff00::/8")),
    ("reserved", _networks("192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4")),
)
_INTERNAL: tuple[tuple[str, tuple[IpNetwork, ...]], ...] = (
    ("loopback", _networks("127.0.0.0/8 ::1/128")),
    ("private", _networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15 fc00::/7")),
    ("shared between a provider's customers", _networks("100.64.0.0/10")),
)
# Of IPv6 only this is given out, less tunnels (Teredo, 6to4), which lead to an IPv4 address, and documentation.
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = _networks("2001::/23 2001:db8::/32 2002::/16 3fff::/20")
_V4_INSIDE_V6 = _networks("::ffff:0:0/96 64:ff9b::/96")  # mapped, and NAT64 (RFC 6052): the IPv4 address is what counts

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be spoken to, and the addresses, all judged, at which its host is."""

    url: HttpUrl
    addresses: tuple[SocketAddress, ...]


def look_up(host: str, port: int) -> list[SocketAddress]:
    """Return every address of a host in the system's order; raise OSError when it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [_socket_address(address) for _, _, _, _, address in found]


class Egress:
    """The guard, with what the operator allows: host names, addresses and networks."""

    def __init__(self, allowed: Sequence[str] = (), *, resolve: Resolver = look_up) -> None:
        self._names: set[str] = set()
        self._networks: list[IpNetwork] = []
        for entry in allowed:
            self._allow(entry.strip())
        self._resolve = resolve
        self._lookups = BoundedSemaphore(MAX_LOOKUPS)

    def _allow(self, entry: str) -> None:
        try:
            self._networks.append(ip_network(entry))
        except ValueError as error:
            if not _HOST_NAME.fullmatch(entry.lower()):
                raise ConfigurationError(
                    "an entry of the back channel's allow-list is neither a host name nor an address nor a network",
                    got=f"{entry[:100]!r}: {error}",
                    setting=SETTING,
                    next_step="Write host names and networks with commas between them: idp.corp.example,10.20.0.0/16",
                ) from None
            self._names.add(entry.lower())

    def target(self, url: str, *, deadline: float) -> Target:
        """Return the addresses of a URL's host, or raise DeliveryFailed before any connection is opened.

        `deadline` is a reading of time.monotonic(). One address that is refused refuses the host: which of them is
        taken is chance.
        """
        try:
            parts = parse(url)
        except UrlRefusedError as error:
            raise DeliveryFailed(Why.EGRESS, f"its URL is wrong: {error}", detail=url[:200]) from None
        addresses = tuple(self._addresses(parts, deadline))
        for address in addresses:
            self._judge(parts, ip_address(address[0]))
        return Target(parts, addresses)

    def _addresses(self, url: HttpUrl, deadline: float) -> Sequence[SocketAddress]:
        if url.address:
            return [(str(url.address), url.port)]
        if url.is_loopback:  # RFC 6761: nobody else is asked where localhost is, and the C library may not know
            return [("127.0.0.1", url.port)]
        answer = self._look_up_in_time(url, deadline)
        if isinstance(answer, OSError):
            raise DeliveryFailed(Why.DNS, f"{url.host} is not known to the name servers", detail=str(answer))
        if not answer:
            raise DeliveryFailed(Why.DNS, f"{url.host} has no address")
        return answer

    def _look_up_in_time(self, url: HttpUrl, deadline: float) -> Sequence[SocketAddress] | OSError:
        """Look up in a thread, for the C library takes no deadline: a hanging one is left to end by its own."""
        if not self._lookups.acquire(blocking=False):
            raise DeliveryFailed(Why.LOCAL, "too many name look-ups hang on this machine")
        answers: SimpleQueue[Sequence[SocketAddress] | OSError] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolve(url.host, url.port))
            except (OSError, UnicodeError) as error:
                answers.put(error if isinstance(error, OSError) else OSError(str(error)))
            finally:
                self._lookups.release()

        try:
            Thread(target=ask, name="look-up", daemon=True).start()
        except RuntimeError:
            self._lookups.release()
            raise DeliveryFailed(Why.LOCAL, "this machine cannot start another thread") from None
        try:
            return answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            raise DeliveryFailed(Why.DNS, f"the name servers did not say in time where {url.host} is") from None

    def _judge(self, url: HttpUrl, address: IpAddress) -> None:
        """Raise DeliveryFailed unless we may speak to this address on behalf of this URL."""
        meant = _v4_inside(address)
        if any(meant in network or address in network for network in self._networks):
            return
        kind, named_enough = _kind(meant)
        named = url.host in self._names
        if kind and not (named and named_enough):
            raise DeliveryFailed(
                Why.EGRESS,
                f"the address of {url.host} is {kind}, and not listed in {SETTING}",
                detail=f"{url.host} is {address}",
            )
        if url.scheme == "http" and not named:
            raise DeliveryFailed(Why.EGRESS, f"http without TLS is only for hosts that are listed in {SETTING}")


def _kind(address: IpAddress) -> tuple[str, bool]:
    """Return what an address is unless public (then empty), and whether listing the host's name is enough for it."""
    for table, named_enough in ((_NEVER_BY_NAME, False), (_INTERNAL, True)):
        for kind, networks in table:
            if any(address in network for network in networks):
                return kind, named_enough
    if isinstance(address, IPv6Address) and (
        address not in _PUBLIC_V6 or any(address in network for network in _NOT_PUBLIC_V6)
    ):
        return "reserved", False
    return "", True


def _v4_inside(address: IpAddress) -> IpAddress:
    if any(address in network for network in _V4_INSIDE_V6):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _socket_address(address: tuple[object, ...]) -> SocketAddress:
    match address:
        case (str(host), int(port)):
            return host, port
        case (str(host), int(port), int(flow), int(scope)):
            return host, port, flow, scope
        case _:
            raise OSError(f"an address of an unknown form: {address!r}")
