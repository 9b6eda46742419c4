"""A person's browser: cookies, redirects, forms that submit themselves, one login form; it notes each SAML message.

Like a browser, it shares cookies between the ports of one host, keeps `SameSite=Lax` cookies out of a POST that another
host's page makes, and drops a `__Host-` cookie that breaks the rules of its prefix. Like Chromium it takes Secure
cookies over http from this machine. A cookie without SameSite goes everywhere: in Firefox, Safari, and Chromium while
it is young.
"""

import http.client
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.cookies import Morsel, SimpleCookie
from typing import NamedTuple
from urllib.parse import unquote_plus, urlencode, urljoin, urlsplit

from lxml import etree, html

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
    method: str
    url: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    initiator: str = ""  # the host of the page that a form is on


class Browser:
    """One person's browser, alice's. `user` None: stop at the login form.

    `messages` are those that were sent to it. On their way out `rewrite` may change the XML of a POSTed Response, and
    `divert` any URL that is opened, so that rows can see what a peer makes of a changed message.
    """

    def __init__(
        self, *, rewrite: Callable[[bytes], bytes] | None = None, divert: Callable[[str], str] | None = None
    ) -> None:
        self.user: tuple[str, str] | None = ("alice", "alicepass")
        self.messages: list[Message] = []
        self.passwords_typed = 0
        self._rewrite = rewrite
        self.divert = divert
        self._cookies: dict[str, dict[str, Morsel[str]]] = {}

    def open(self, url: str) -> Page:
        """Go to a URL and wherever it leads."""
        step = _Step("GET", url)
        for _ in range(_MAX_HOPS):
            if not (urlsplit(step.url).hostname or "").startswith("127."):
                return Page(step.url, 0, "")
            self._note(step)
            if self.divert is not None:
                step.url = self.divert(step.url)
            try:
                page, location = self._send(step)
            except ConnectionError:
                return Page(step.url, 0, "")
            following = _Step("GET", urljoin(step.url, location)) if location else self._form(page)
            if following is None:
                return page
            step = following
        raise RuntimeError(f"the walk from {url} has no end; it is at {step.url}")

    def cookie(self, url: str, name: str) -> str | None:
        """The value of a cookie that would go to a URL."""
        morsel = self._cookies.get(urlsplit(url).hostname or "", {}).get(name)
        return None if morsel is None else morsel.value

    def _send(self, step: _Step) -> tuple[Page, str | None]:
        parts = urlsplit(step.url)
        host = parts.hostname or ""
        headers = {"Accept": "text/html", "User-Agent": "saml-slo-interop", "Connection": "close"}
        if cookies := self._cookies_for(host, step):
            headers["Cookie"] = "; ".join(f"{cookie.key}={cookie.coded_value}" for cookie in cookies)
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
            self._keep(host, SimpleCookie(header))
        return Page(step.url, response.status, text), response.headers.get("Location")

    def _cookies_for(self, host: str, step: _Step) -> list[Morsel[str]]:
        foreign_post = step.method == "POST" and step.initiator != host
        known = self._cookies.get(host, {}).values()
        return [cookie for cookie in known if not foreign_post or cookie["samesite"].lower() in ("", "none")]

    def _keep(self, host: str, cookies: SimpleCookie) -> None:
        jar = self._cookies.setdefault(host, {})
        for name, cookie in cookies.items():
            if name.startswith("__Host-") and not (cookie["secure"] and cookie["path"] == "/" and not cookie["domain"]):
                continue
            if _is_over(cookie):
                jar.pop(name, None)
            else:
                jar[name] = cookie

    def _form(self, page: Page) -> _Step | None:
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
            return _Step("POST", action, fields, urlsplit(page.url).hostname or "")
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


def _is_over(cookie: Morsel[str]) -> bool:
    if cookie["max-age"]:
        return int(cookie["max-age"]) <= 0
    return bool(cookie["expires"]) and parsedate_to_datetime(cookie["expires"]).timestamp() <= time.time()
