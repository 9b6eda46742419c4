"""A browser without a screen: cookies, redirects, forms that submit themselves, and frames. It knows no SameSite.

Our cookies are Secure, and browsers take *.localhost for a secure place; the cookie jar is told the same.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import Request

from lxml import html

from saml_slo.demo.places import LOOPBACK

_MAX_HOPS = 20
_TIMEOUT = 15  # seconds
_PATIENCE_SECONDS = 30  # for a page that looks for news by itself
_LOOK_SECONDS = 0.2
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Page:
    """Where the browser ended up; `status` is 0 where nobody answered."""

    url: str
    status: int
    text: str

    @property
    def heading(self) -> str:
        """Return the words of its first heading."""
        if not self.text.strip():
            return ""
        found = html.document_fromstring(self.text).find(".//h1")
        return "" if found is None else " ".join(found.text_content().split())

    def json(self) -> dict[str, Any]:
        """Return its body as an object."""
        return dict(json.loads(self.text))

    def hidden(self, name: str) -> str | None:
        """Return the value of a hidden field."""
        found = html.document_fromstring(self.text).xpath(f"//input[@name='{name}']/@value")
        return str(found[0]) if found else None


def _jar() -> http.cookiejar.CookieJar:
    policy = http.cookiejar.DefaultCookiePolicy(secure_protocols=("https", "wss", "http"))
    return http.cookiejar.CookieJar(policy)


@dataclass(slots=True)
class Browser:
    """One person's browser. Each request has a connection of its own to this machine; Host keeps the name."""

    jar: http.cookiejar.CookieJar = field(default_factory=_jar)

    def cookie(self, name: str) -> str | None:
        """Return the value of a cookie."""
        return next((cookie.value for cookie in self.jar if cookie.name == name), None)

    def open(self, url: str, form: dict[str, str] | None = None) -> Page:
        """Go to a URL, or post a form there, and go on until a page waits for a person."""
        for _ in range(_MAX_HOPS):
            try:
                answer, page = self._send(url, form)
            except (OSError, http.client.HTTPException):
                return Page(url, 0, "")
            form = None
            if page.status in _REDIRECTS:
                url = urljoin(url, answer.headers["Location"])
                continue
            if answer.headers.get_content_type() != "text/html":
                return page
            progress = _progress(page)
            onward = _self_submitting(page) if progress is None else (self._see_through(page, progress), None)
            if onward is None:
                return page
            url, form = onward
        raise RuntimeError(f"more than {_MAX_HOPS} hops, the last to {url}")

    def _see_through(self, page: Page, progress: str) -> str:
        """Do what progress.js does: open the frames, tell that they came to rest, wait; return where to go then."""
        for frame in html.document_fromstring(page.text).iter("iframe"):
            self.open(urljoin(page.url, str(frame.get("src"))))
            if told := frame.get("data-told"):
                self._send(f"{progress}/loaded", {"target": str(told)})
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline and _progress(self._send(progress, None)[1]) is not None:
            time.sleep(_LOOK_SECONDS)
        return f"{progress}/next"

    def _send(self, url: str, form: dict[str, str] | None) -> tuple[http.client.HTTPResponse, Page]:
        """Send one request and take the cookies of its answer."""
        place = urlsplit(url)
        request = Request(url)  # noqa: S310 - the kind that the cookie jar knows; nothing opens it
        self.jar.add_cookie_header(request)
        headers = dict(request.header_items()) | {"Host": place.netloc}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        path = (place.path or "/") + (f"?{place.query}" if place.query else "")
        connection = http.client.HTTPConnection(LOOPBACK, place.port or 80, timeout=_TIMEOUT)
        try:
            connection.request("GET" if form is None else "POST", path, urlencode(form) if form else None, headers)
            answer = connection.getresponse()
            self.jar.extract_cookies(answer, request)
            return answer, Page(url, answer.status, answer.read().decode())
        finally:
            connection.close()


def _progress(page: Page) -> str | None:
    """Return the URL at which a page of ours looks for news of a logout; None where it does not."""
    found = html.document_fromstring(page.text).xpath("//@data-live") if page.text.strip() else []
    return urljoin(page.url, str(found[0])) if found else None


def _self_submitting(page: Page) -> tuple[str, dict[str, str]] | None:
    for form in html.document_fromstring(page.text).forms if page.text.strip() else ():
        if "data-submit" in form.attrib:
            fields = {str(name): str(value) for name, value in form.fields.items()}
            return urljoin(page.url, str(form.action)), fields
    return None
