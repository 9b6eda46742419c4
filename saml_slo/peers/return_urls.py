r"""Where a logout may send people: the list of allowed return URLs (product L13).

An open redirect on a sign-out page is a phishing tool, so both sides are read by one strict grammar (wire/url.py) that
repairs nothing, and only parts are compared: scheme, host and port equal, the path equal, or below it where the entry
ends in `/*`. `*` as the left-most label of a host stands for exactly one label. Query and fragment do not count.

Under `/*` a path must mean the same to everybody: `/app/../evil`, `/app/%2e%2e/evil`, `/app/..%5cevil` and
`/app/..;/evil` leave `/app` in a browser, a proxy or an application server, so they are not below it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from unicodedata import normalize
from urllib.parse import quote

from saml_slo.errors import ConfigurationError, Reason, RequestRefused
from saml_slo.wire.url import HttpUrl, UrlRefusedError, parse

TENANT_SETTING = "SLO_ALLOWED_LOGOUT_URLS"
_GOT_CHARS = 200
_BELOW = "/*"

_ENTRY = re.compile(r"(?P<scheme>[A-Za-z]+://)(?P<wildcard>\*\.)?(?P<host>[^/?#:]*)(?P<rest>.*)")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
# An encoded dot, slash, backslash, semicolon or percent sign, also in the overlong forms that UTF-8 forbids (%C0%AE):
# decoded once more, the path is another one.
_DISPUTED = re.compile(r"%(?:2E|2F|5C|3B|25|C0|C1|E0%[89]|F0%8)")
_DOTS = re.compile(r"/\.{1,2}(?:[/;%]|$)")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One allowed URL; `url.host` is without the wildcard label, `url.path` without `/*`."""

    written: str
    url: HttpUrl
    any_label: bool
    below: bool

    def matches(self, candidate: HttpUrl) -> bool:
        host = candidate.host.partition(".")[2] if self.any_label else candidate.host
        if (candidate.scheme, host, candidate.port) != (self.url.scheme, self.url.host, self.url.port):
            return False
        if not self.below:
            return candidate.path == self.url.path
        if _DISPUTED.search(candidate.path) or _DOTS.search(candidate.path):
            return False
        return f"{candidate.path}/".startswith(f"{self.url.path}/")


class ReturnUrls:
    """One list of allowed return URLs, read once; asking it costs microseconds and changes nothing.

    `entries` is what the setting says: a comma-separated string, or one URL per element. `setting` names it to people.
    Raises ConfigurationError for an entry that could not be matched safely. A list of nothing allows nothing.
    """

    def __init__(self, entries: str | Iterable[str], *, setting: str = TENANT_SETTING) -> None:
        written = entries.split(",") if isinstance(entries, str) else entries
        self._setting = setting
        self._entries = tuple(_entry(text.strip(), setting) for text in written if text.strip())

    def match(self, url: str) -> bool:
        """Say whether `url` may be the target of a redirect."""
        try:
            candidate = parse(url)
        except UrlRefusedError:
            return False
        return any(entry.matches(candidate) for entry in self._entries)

    def allowed(self, url: str) -> None:
        """Raise RequestRefused, with the setting to change, when `url` may not be the target of a redirect."""
        if self.match(url):
            return
        try:
            parse(url)
            why, expected = "no entry of the list allows it", "scheme, host, port and path of an entry"
        except UrlRefusedError as error:
            why, expected = str(error), "an absolute https or http URL"
        raise RequestRefused(
            f"the return URL is not allowed: {why}",
            reason=Reason.RETURN_URL_NOT_ALLOWED,
            expected=expected,
            got=ascii(url if len(url) <= _GOT_CHARS else url[:_GOT_CHARS] + "…"),
            setting=self._setting,
            next_step="Add the URL to the list, or correct the link that leads here.",
        )

    def default(self) -> str | None:
        """Return the first entry without a wildcard in its ASCII form, None when there is none."""
        return next((entry.written for entry in self._entries if not (entry.any_label or entry.below)), None)


def _entry(text: str, setting: str) -> _Entry:
    try:
        return _parse_entry(text)
    except UrlRefusedError as error:
        raise ConfigurationError(
            f"an allowed return URL cannot be used: {error}",
            expected="such as https://app.example.com/signed-out, https://app.example.com/* or https://*.example.com",
            got=ascii(text[:_GOT_CHARS]),
            setting=setting,
            next_step="" if "://" in text else f"Write the scheme too: https://{text[:_GOT_CHARS]}",
        ) from None


def _parse_entry(text: str) -> _Entry:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise UrlRefusedError("it does not begin with http:// or https://")
    rest = _NOT_ASCII.sub(lambda other: quote(other[0]), match["rest"])
    below = rest.endswith(_BELOW)
    host = _ascii_host(match["host"])
    plain = f"{match['scheme']}{host}{rest.removesuffix(_BELOW)}"
    url = parse(plain)
    any_label = match["wildcard"] is not None
    if "*" in plain or (below and (url.query is not None or url.fragment is not None)):
        raise UrlRefusedError("a * stands only for the first label of the host, or for what is below a path: /*")
    if any_label and (url.address or not ("." in host or url.is_loopback)):
        raise UrlRefusedError("a * needs a domain after it: two labels or more, or localhost")
    if below:
        url = HttpUrl(url.scheme, url.host, url.port, url.path.removesuffix("/"), None, None)
        if _DISPUTED.search(url.path) or _DOTS.search(url.path):
            raise UrlRefusedError("a path with dots or encoded separators has nothing below it")
    return _Entry(plain, url, any_label, below)


def _ascii_host(host: str) -> str:
    """Return a host in its xn-- form, refusing one that browsers would turn into another.

    IDNA 2003, which Python has, reads some letters otherwise than browsers do (ß, final sigma, joiners, letters newer
    than 2002): only a host that comes back unchanged is taken.
    """
    if host.isascii():
        return host
    try:
        encoded = host.encode("idna").decode("ascii")
        if encoded.encode("ascii").decode("idna") == normalize("NFC", host.lower()):
            return encoded
    except UnicodeError:
        pass
    raise UrlRefusedError("its host has letters that are read differently: write it in the xn-- form")
