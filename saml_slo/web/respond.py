"""HttpOut → Flask response, and the headers that every response carries."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, render_template, request

from saml_slo.protocol.envelope import HttpIn, HttpOut, Redirect, SoapBody

# No form-action: Chromium holds a redirect after an auto-submitted form against it and breaks the chain of a logout.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
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


def harden(response: Response, *, https: bool) -> Response:
    """Add the headers that every response carries; nothing but metadata and static files may be kept in a cache."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    if https:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response
