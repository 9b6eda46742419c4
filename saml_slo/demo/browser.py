"""A browser without a screen: cookies, redirects, and forms that submit themselves. It knows no SameSite.

Our cookies are Secure, and browsers take *.localhost for a secure place; the cookie jar is told the same.
"""

from __future__ import annotations

import http.cookiejar
import json
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urljoin

import httpx2
from lxml import html

from saml_slo.demo.places import LOOPBACK

_MAX_HOPS = 20


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


class _ToLoopback(httpx2.BaseTransport):
    """Sends everything to this machine; the Host header keeps the name."""

    def __init__(self) -> None:
        self._real = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        there = httpx2.Request(
            request.method,
            request.url.copy_with(host=LOOPBACK),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return self._real.handle_request(there)

    def close(self) -> None:
        self._real.close()


def _jar() -> http.cookiejar.CookieJar:
    policy = http.cookiejar.DefaultCookiePolicy(secure_protocols=("https", "wss", "http"))
    return http.cookiejar.CookieJar(policy)


@dataclass(slots=True)
class Browser:
    """One person's browser. A context manager."""

    jar: http.cookiejar.CookieJar = field(default_factory=_jar)
    client: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx2.Client(transport=_ToLoopback(), cookies=self.jar, trust_env=False, timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def cookie(self, name: str) -> str | None:
        """Return the value of a cookie."""
        return next((cookie.value for cookie in self.jar if cookie.name == name), None)

    def open(self, url: str, form: dict[str, str] | None = None) -> Page:
        """Go to a URL, or post a form there, and go on until a page waits for a person."""
        for _ in range(_MAX_HOPS):
            try:
                answer = self.client.get(url) if form is None else self.client.post(url, data=form)
            except httpx2.TransportError:
                return Page(url, 0, "")
            form = None
            if answer.is_redirect:
                url = urljoin(url, answer.headers["Location"])
                continue
            page = Page(url, answer.status_code, answer.text)
            onward = _self_submitting(page) if "html" in answer.headers.get("Content-Type", "") else None
            if onward is None:
                return page
            url, form = onward
        raise RuntimeError(f"more than {_MAX_HOPS} hops, the last to {url}")


def _self_submitting(page: Page) -> tuple[str, dict[str, str]] | None:
    for form in html.document_fromstring(page.text).forms if page.text.strip() else ():
        if "data-submit" in form.attrib:
            fields = {str(name): str(value) for name, value in form.fields.items()}
            return urljoin(page.url, str(form.action)), fields
    return None
