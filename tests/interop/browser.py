"""A person's browser: cookies, redirects, forms that submit themselves, frames, one login form.

It notes each SAML message that passes through it, whether in the window or in a frame, and shows in a frame only what
wants to be shown there (`frame-ancestors`, X-Frame-Options) and what the page around it lets in (`frame-src`).
"""

import http.client
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message as Headers
from typing import NamedTuple
from urllib.parse import unquote_plus, urlencode, urljoin, urlsplit

from lxml import etree, html

from tests.interop import frames
from tests.interop.jar import Jar

_MAX_HOPS = 40
_PARAMETERS = ("SAMLRequest", "SAMLResponse")
_STATUS_CODES = "./{*}Status//{*}StatusCode"


class Message(NamedTuple):
    """A SAML message on its way through the browser. `to` is its target without the query, `query` the raw one."""

    kind: str
    binding: str
    to: str
    root: etree._Element
    query: str = ""

    @property
    def status(self) -> str:
        """The status codes of an answer, by their last words: `Success/PartialLogout`."""
        return "/".join(code.get("Value", "").rpartition(":")[2] for code in self.root.iterfind(_STATUS_CODES))

    @property
    def told(self) -> str:
        """The message in a few words."""
        return f"{self.kind} by {self.binding}" + (f": {self.status}" if self.status else "")


class Page(NamedTuple):
    """Where a walk ended. `status` 0: nobody answered, or the host is not on this machine and was left alone."""

    url: str
    status: int
    text: str

    @property
    def asks_for_password(self) -> bool:
        """Whether this is a login form."""
        return bool(self.text) and bool(html.fromstring(self.text).xpath("//input[@type='password']"))

    @property
    def words(self) -> str:
        """The text that a person reads, on one line."""
        if not self.text:
            return ""
        tree = html.fromstring(self.text)
        for silent in tree.xpath("//script | //style | //head/title"):
            silent.drop_tree()
        return " ".join(tree.text_content().split())


@dataclass
class _Step:
    """One request. `initiator`: host of the page that a form or frame is on; `above`: origins of the windows around.

    `sources`: the origins that may stand in this frame, as the page around it says; None: all.
    """

    method: str
    url: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    initiator: str = ""
    above: tuple[str, ...] = ()
    sources: tuple[str, ...] | None = None


class Browser:
    """One person's browser, alice's. `user` None: stop at the login form.

    `messages` are those that were sent to it, `blocked` the pages that no frame showed. On their way out `rewrite` may
    change the XML of a POSTed Response, and `divert` any URL that is opened, so that rows can see what a peer makes of
    a changed message.
    """

    def __init__(
        self, *, rewrite: Callable[[bytes], bytes] | None = None, divert: Callable[[str], str] | None = None
    ) -> None:
        self.user: tuple[str, str] | None = ("alice", "alicepass")
        self.messages: list[Message] = []
        self.blocked: list[str] = []
        self.passwords_typed = 0
        self._rewrite = rewrite
        self.divert = divert
        self._jar = Jar()

    def open(self, url: str) -> Page:
        """Go to a URL and wherever it leads."""
        return self._walk(_Step("GET", url))

    def peek(self, url: str) -> Page:
        """Return what a URL answers, and go nowhere from there."""
        return self._send(_Step("GET", url))[0]

    def cookie(self, url: str, name: str) -> str | None:
        """The value of a cookie that would go to a URL."""
        return self._jar.value(urlsplit(url).hostname or "", name)

    def forget(self, url: str, name: str) -> None:
        """Drop a cookie of the host of a URL."""
        self._jar.forget(urlsplit(url).hostname or "", name)

    def _walk(self, step: _Step) -> Page:
        begun = step.url
        for _ in range(_MAX_HOPS):
            if not _host(step.url).startswith("127."):
                return Page(step.url, 0, "")
            if step.sources is not None and _origin(step.url) not in step.sources:
                self.blocked.append(step.url)
                return Page(step.url, 0, "")
            self._note(step)
            if self.divert is not None:
                step.url = self.divert(step.url)
            try:
                page, headers = self._send(step)
            except ConnectionError:
                return Page(step.url, 0, "")
            if not headers.get("Location") and not all(_may_frame(headers, page.url, origin) for origin in step.above):
                self.blocked.append(page.url)
                return Page(page.url, page.status, "")
            following = self._following(step, page, headers)
            if following is None:
                return page
            step = following
        raise RuntimeError(f"the walk from {begun} has no end; it is at {step.url}")

    def _following(self, step: _Step, page: Page, headers: Headers) -> _Step | None:
        location = headers.get("Location")
        if location:
            initiator = step.initiator if step.above else ""
            return _Step("GET", urljoin(step.url, location), [], initiator, step.above, step.sources)
        following = self._form(page, step)
        if following is None and frames.is_one(page.text):
            inside, sources = (*step.above, _origin(page.url)), _frame_sources(headers, page.url)
            going = frames.open_frames(
                page.url,
                page.text,
                lambda url: self._walk(_Step("GET", url, [], _host(page.url), inside, sources)).text,
                lambda url: self.peek(url).text,
            )
            if going is not None:
                above, sources = ((), None) if going.top else (step.above, step.sources)
                return _Step(going.method, going.url, list(going.fields), _host(page.url), above, sources)
        return following

    def _send(self, step: _Step) -> tuple[Page, Headers]:
        parts, host = urlsplit(step.url), _host(step.url)
        headers = {"Accept": "text/html", "User-Agent": "saml-slo-interop", "Connection": "close"}
        cross_site = step.initiator != host and (step.method == "POST" or bool(step.above))
        above = [_host(window) for window in step.above]
        headers["Sec-Fetch-Dest"] = "iframe" if above else "document"
        if cookies := self._jar.header(host, cross_site=cross_site, above=above):
            headers["Cookie"] = cookies
        body = None
        if step.method == "POST":
            body = urlencode(step.fields)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(host, parts.port or 80, timeout=30)
        try:
            connection.request(step.method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        for header in response.headers.get_all("Set-Cookie") or ():
            self._jar.keep(host, header, above=above)
        return Page(step.url, response.status, text), response.headers

    def _form(self, page: Page, step: _Step) -> _Step | None:
        """Return the form that submits itself, or the login form filled in."""
        if not page.text.lstrip().startswith("<"):
            return None
        for form in html.fromstring(page.text).forms:
            fields = form.form_values()
            password = form.xpath(".//input[@type='password']/@name")
            if password:
                if self.user is None:
                    continue
                (name,) = form.xpath(".//input[@type='text']/@name")
                fields = [pair for pair in fields if pair[0] not in (name, password[0])]
                fields += [(name, self.user[0]), (password[0], self.user[1])]
                self.passwords_typed += 1
            elif not {parameter for parameter, _ in fields} & {*_PARAMETERS}:
                continue
            action = urljoin(page.url, form.get("action") or page.url)
            return _Step("POST", action, fields, _host(page.url), step.above, step.sources)
        return None

    def _note(self, step: _Step) -> None:
        location, _, query = step.url.partition("?")
        if step.method == "GET":
            for part in query.split("&"):
                name, _, value = part.partition("=")
                if name in _PARAMETERS:
                    xml = zlib.decompress(b64decode(unquote_plus(value)), -zlib.MAX_WBITS)
                    self._remember("redirect", location, xml, query)
            return
        for position, (name, value) in enumerate(step.fields):
            if name in _PARAMETERS:
                xml = b64decode(value)
                self._remember("post", location, xml, "")
                if self._rewrite is not None and self.messages[-1].kind == "Response":
                    step.fields[position] = (name, b64encode(self._rewrite(xml)).decode())

    def _remember(self, binding: str, to: str, xml: bytes, query: str) -> None:
        root = etree.fromstring(xml)
        self.messages.append(Message(etree.QName(root).localname, binding, to, root, query))


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _frame_sources(headers: Headers, url: str) -> tuple[str, ...] | None:
    """Return the origins that a page's policy lets into its frames; None where it says nothing of them."""
    found = re.search(r"frame-src ([^;]*)", headers.get("Content-Security-Policy", ""))
    return None if not found else tuple(found[1].replace("'self'", _origin(url)).split())


def _may_frame(headers: Headers, url: str, window: str) -> bool:
    """Say whether a page wants to be shown in a frame below this origin; `frame-ancestors` outweighs the old header."""
    found = re.search(r"frame-ancestors ([^;]*)", headers.get("Content-Security-Policy", ""))
    if found:
        return window in found[1].split() or ("'self'" in found[1] and window == _origin(url))
    old = headers.get("X-Frame-Options", "").upper()
    return old != "DENY" and (old != "SAMEORIGIN" or window == _origin(url))
