"""HttpOut → Flask response, and the headers that every response carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from flask import Response, render_template, request

from saml_slo.protocol.envelope import HttpIn, HttpOut, Redirect, SoapBody

# No form-action: Chromium holds a redirect after an auto-submitted form against it and breaks the chain of a logout.
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'"
_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cache-Control": "no-store",
}


def http_in(endpoint: str) -> HttpIn:
    """Return the current request with its raw octets; `endpoint` is its public URL."""
    return HttpIn(
        method=request.method,
        endpoint=endpoint,
        query=request.query_string,
        body=request.get_data(cache=False, parse_form_data=False),
        content_type=request.headers.get("Content-Type", ""),
    )


def respond(out: HttpOut) -> Response:
    """Return a redirect (303: a POST becomes a GET), a page with an auto-submitting form, or a SOAP envelope."""
    if isinstance(out, Redirect):
        # A ready header: werkzeug's redirect() costs seven times as much and re-encodes the URL that was signed.
        return Response(status=303, headers={"Location": out.location})
    if isinstance(out, SoapBody):
        return Response(out.xml, mimetype="text/xml")
    return Response(render_template("post_form.html", action=out.action, fields=out.fields))


def framing(response: Response, *, ancestors: Iterable[str] | None, frames: Iterable[str] = ()) -> Response:
    """Let a page of a logout be framed by ourselves and `ancestors` (origins; None: by nobody), and hold frames.

    X-Frame-Options knows no lists, so it is left out where somebody may frame.
    """
    above = "'none'" if ancestors is None else " ".join(("'self'", *ancestors))
    inside = " ".join(("'self'", *frames))
    response.headers["Content-Security-Policy"] = f"{_POLICY}; frame-ancestors {above}; frame-src {inside}"
    if ancestors is None:
        response.headers["X-Frame-Options"] = "DENY"
    return response


def origin_of(url: str) -> str:
    """Return the origin of an endpoint's URL, as a policy names it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def every_header(*, https: bool) -> dict[str, str]:
    """Return the headers that every response carries, as they are where it has none of its own."""
    framing = {"Content-Security-Policy": f"{_POLICY}; frame-ancestors 'none'", "X-Frame-Options": "DENY"}
    return {**_HEADERS, **framing} | ({"Strict-Transport-Security": "max-age=31536000"} if https else {})


def harden(response: Response, *, https: bool) -> Response:
    """Add the headers that every response carries; nothing but metadata and static files may be kept in a cache."""
    headers = response.headers
    # One look at the names: setdefault() goes through all of them each time, by an exception where it finds none.
    present = {name.lower() for name in headers.keys()}  # noqa: SIM118 - no dictionary: iterating gives pairs
    if "content-security-policy" in present:
        present.add("x-frame-options")  # a page that may be framed has said by whom
    for name, value in every_header(https=https).items():
        if name.lower() not in present:
            headers.add(name, value)
    return response
