"""GET /login?connection=…&returnTo=…&client_id=…: begin a sign-in, by a link or for an application's AuthnRequest."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from saml_slo.bridge import Bridge
from saml_slo.errors import Reason, RequestRefused
from saml_slo.peers.registry import Registry
from saml_slo.protocol.peer import Connection
from saml_slo.signin import SignIn, Wish
from saml_slo.web.cookies import Cookies
from saml_slo.web.guard import Guard
from saml_slo.web.parameters import single
from saml_slo.web.respond import respond
from saml_slo.web.sealed_requests import SealedRequests


def blueprint(
    *, sign_in: SignIn, bridge: Bridge, registry: Registry, cookies: Cookies, sealed: SealedRequests, guard: Guard
) -> Blueprint:
    """Return the endpoint; return URLs are checked against the same lists as those of a logout."""
    pages = Blueprint("login", __name__)

    @pages.get("/login")
    def login() -> Response:
        wish = _wish(bridge, sealed)
        name = single(request.args, "connection")
        if not name:
            connections = [connection for connection in registry.connections() if connection.enabled]
            if len(connections) > 1 and "request" in request.args:
                return _choice(connections)
            name = _only(connections)
        session, ended = sign_in.of_browser(cookies.session(request))
        started = sign_in.start(name, guard.wish(request, name, wish, ended), session)
        response = respond(started.out)
        cookies.add_pending(request, response, started.pending)
        return response

    return pages


def _wish(bridge: Bridge, sealed: SealedRequests) -> Wish:
    """Return where the person goes afterwards, and what an application asked of the sign-in."""
    if "request" not in request.args:
        client_id = single(request.args, "client_id")
        return Wish(bridge.return_url(single(request.args, "returnTo"), client_id), client_id=client_id)
    return sealed.wish(single(request.args, "request"))


def _choice(connections: list[Connection]) -> Response:
    return Response(
        render_template(
            "home.html", session=None, logins=[], connections=connections, request_link=request.args["request"]
        )
    )


def _only(connections: list[Connection]) -> str:
    if len(connections) == 1:
        return connections[0].name
    raise RequestRefused(
        "The link does not say through which connection to sign in",
        reason=Reason.CONNECTION_UNKNOWN,
        expected="?connection= with a name under metadata/connections/",
        got="no name",
        setting="connection",
        next_step="Choose a connection on the start page, or correct the link.",
    )
