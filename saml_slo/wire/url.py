r"""One strict grammar of absolute http and https URLs, for the endpoints of peers and for return URLs.

Parsers disagree on what a URL means: urlsplit and browsers see different hosts in `https://a\@b/`; browsers drop tabs
and line ends, read `https:b` and `https:///b` as `https://b`, and take `0x7f.1` for an address. So nothing is repaired
here: the grammar (RFC 3986, less what readers dispute) lets through only what every reader understands alike. No user
name, no IPv6 literal, no trailing dot, no percent-encoding in the host, no control character, encoded or not.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

MAX_URL_CHARS = 2048
_MAX_HOST_CHARS = 253
_MAX_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# Any octet but %00 to %1F and %7F: what an application decodes must not become a header line (security I208).
_ENCODED = r"%(?:[2-6][0-9A-Fa-f]|7[0-9A-Ea-e]|[89A-Fa-f][0-9A-Fa-f])"
_PATH_CHAR = rf"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|{_ENCODED})"
# Square brackets are reserved, but every browser and framework writes them into queries as they are.
_QUERY_CHAR = rf"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]]|{_ENCODED})"
_URL = re.compile(
    rf"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://(?P<host>{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>[1-9][0-9]{{0,4}}))?"
    rf"(?P<path>(?:/{_PATH_CHAR}*)*)(?:\?(?P<query>{_QUERY_CHAR}*))?(?:#(?P<fragment>{_QUERY_CHAR}*))?"
)
# A host whose last label is one of these is an IPv4 address to a browser (WHATWG URL, "ends in a number checker").
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")

# What is wrong with a text that the grammar refuses, in the order in which a person should hear of it.
_FAULTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r""), "it is empty"),
    (re.compile(r".*[\x00-\x20\x7f].*", re.DOTALL), "it has a space, line end or control character in it"),
    (re.compile(r".*[^\x21-\x7e].*", re.DOTALL), "it has a character outside ASCII: write xn-- labels and %-encoding"),
    (re.compile(r"(?![Hh][Tt][Tt][Pp][Ss]?:).*"), "it does not begin with http:// or https://"),
    (re.compile(r"[^:]*:(?!//[^/\\?#]).*"), "no host follows the scheme and //"),
    (re.compile(r".*\\.*"), "it has a backslash in it"),
    (re.compile(r"[^:]*://[^/?#]*@.*"), "it has a user name in it"),
    (re.compile(r"[^:]*://[^/?#]*\[.*"), "its host is an IPv6 address"),
    (re.compile(r"[^:]*://[^/?#]*%.*"), "its host is percent-encoded"),
    (re.compile(r"[^:]*://[^/?#:]*\.[/?#:].*|[^:]*://[^/?#:]*\."), "its host ends in a dot"),
    (re.compile(r"(?i).*%(?:[01][0-9a-f]|7f).*"), "it has an encoded control character in it"),
)


class UrlRefusedError(ValueError):
    """A text is no URL of the strict grammar; the message is the rest of a sentence: "it has a user name in it"."""


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """The parts of one URL: scheme and host in lower case, the port always a number, no path written as `/`.

    `query` and `fragment` None: absent. The hex digits of percent-encodings are in upper case (RFC 3986 6.2.2.1).
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str | None
    fragment: str | None

    @property
    def origin(self) -> str:
        """Return scheme, host and port as browsers write them: the usual port is left out (RFC 6454 6.2)."""
        usual = self.port == _DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{self.host}" + ("" if usual else f":{self.port}")

    @property
    def address(self) -> IPv4Address | None:
        """Return the host as an address, None when it is a name."""
        return _address(self.host)

    @property
    def is_loopback(self) -> bool:
        """Say whether the host is this machine: 127.0.0.0/8, localhost or *.localhost (RFC 6761)."""
        address = self.address
        return address.is_loopback if address else f".{self.host}".endswith(".localhost")


def parse(text: str) -> HttpUrl:
    """Return the parts of an absolute URL of at most 2,048 characters, or raise UrlRefusedError with what is wrong."""
    if len(text) > MAX_URL_CHARS:
        raise UrlRefusedError(f"it is longer than {MAX_URL_CHARS} characters")
    match = _URL.fullmatch(text)
    if match is None:
        raise UrlRefusedError(_fault(text))
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if len(host) > _MAX_HOST_CHARS:
        raise UrlRefusedError(f"its host is longer than {_MAX_HOST_CHARS} characters")
    if _NUMBER.fullmatch(host.rpartition(".")[2]) and _address(host) is None:
        raise UrlRefusedError("its host is a number that readers take for different addresses")
    if port > _MAX_PORT:
        raise UrlRefusedError(f"its port is above {_MAX_PORT}")
    path = _ESCAPE.sub(lambda escape: escape[0].upper(), match["path"] or "/")
    return HttpUrl(scheme, host, port, path, match["query"], match["fragment"])


def parse_endpoint(text: str, *, insecure_http: bool = False) -> HttpUrl:
    """Return the parts of a peer's endpoint, or raise UrlRefusedError (security K227, K228).

    An endpoint has no fragment, is https except on this machine (or where `insecure_http` says so), and is no address
    at which no peer can be: 0.0.0.0, 169.254.0.0/16 (clouds answer with credentials there), multicast,
    reserved. Private addresses pass: a browser may reach them, and delivery/back_channel.py guards our own calls.
    """
    url = parse(text)
    if url.fragment is not None:
        raise UrlRefusedError("it has a fragment (#)")
    if url.scheme == "http" and not (url.is_loopback or insecure_http):
        raise UrlRefusedError("it is http, which anybody on the way can read and change")
    address = url.address
    if address and (address.is_unspecified or address.is_link_local or address.is_multicast or address.is_reserved):
        raise UrlRefusedError("its host is an address at which nobody can be")
    return url


def _address(host: str) -> IPv4Address | None:
    try:
        return IPv4Address(host)  # four decimal parts without leading zeros, nothing else
    except ValueError:
        return None


def _fault(text: str) -> str:
    for pattern, fault in _FAULTS:
        if pattern.fullmatch(text):
            return fault
    return "it has a character that is not allowed there, or a % without two hexadecimal digits"
