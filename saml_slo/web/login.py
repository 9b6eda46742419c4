"""GET /login?connection=…&returnTo=…&client_id=…: begin a sign-in."""

from __future__ import annotations

from flask import Blueprint, Response, request

from saml_slo.bridge import Bridge
from saml_slo.errors import Reason, RequestRefused
from saml_slo.peers.registry import Registry
from saml_slo.signin import SignIn
from saml_slo.web.cookies import Cookies
from saml_slo.web.parameters import single
from saml_slo.web.respond import respond


def blueprint(sign_in: SignIn, bridge: Bridge, registry: Registry, cookies: Cookies) -> Blueprint:
    """Return the endpoint; return URLs are checked against the same lists as those of a logout."""
    pages = Blueprint("login", __name__)

    @pages.get("/login")
    def login() -> Response:
        name = single(request.args, "connection") or _only_connection(registry)
        return_to = bridge.return_url(single(request.args, "returnTo"), single(request.args, "client_id"))
        started = sign_in.start(name, return_to, cookies.session(request))
        response = respond(started.out)
        cookies.add_pending(request, response, started.pending)
        return response

    return pages


def _only_connection(registry: Registry) -> str:
    names = [connection.name for connection in registry.connections() if connection.enabled]
    if len(names) == 1:
        return names[0]
    raise RequestRefused(
        "The link does not say through which connection to sign in",
        reason=Reason.CONNECTION_UNKNOWN,
        expected="?connection= with a name under metadata/connections/",
        got="no name",
        setting="connection",
        next_step="Choose a connection on the start page, or correct the link.",
    )
