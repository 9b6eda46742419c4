"""/forward/<client_id>/…: sign-in to an application behind a reverse proxy (product A3); see docs/forward-auth.md.

The proxy leads `/_slo/…` of the application's host to `start`, `callback` and `logout`, with our own Host; `sign-in` is
where the browser comes to us.
"""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Request, Response, request

from saml_slo.forward import Forward, State
from saml_slo.protocol.envelope import Redirect
from saml_slo.web.cookies import Cookies
from saml_slo.web.parameters import single
from saml_slo.web.respond import respond
from saml_slo.web.sealed_requests import SealedRequests

_PASSED_ON = ("returnTo", "federated")


def blueprint(forward: Forward, cookies: Cookies, sealed: SealedRequests) -> Blueprint:
    """Return the endpoints."""
    pages = Blueprint("forward", __name__, url_prefix="/forward/<client_id>")

    @pages.get("/start")
    def start(client_id: str) -> Response:
        forward.application(client_id)
        if not navigates(request):
            return Response('{"active": false}', 401, mimetype="application/json")
        wanted = (single(request.args, "to"), request.headers.get("X-Original-URI"))
        location, state = forward.start(client_id, proxied_host(request), wanted)
        response = respond(Redirect(location))
        cookies.add_state(request, response, state)
        return response

    @pages.get("/sign-in")
    def sign_in(client_id: str) -> Response:
        state, origin = single(request.args, "state"), single(request.args, "origin")
        step = forward.sign_in(client_id, cookies.session(request), state, origin)
        if step.location is not None:
            return respond(Redirect(step.location))
        here = urlencode({"state": state or "", "origin": origin or ""})
        query = {"request": sealed.return_link(f"/forward/{client_id}/sign-in?{here}")}
        if step.connection is not None:
            query["connection"] = step.connection
        return respond(Redirect(f"{forward.origin}/login?{urlencode(query)}"))

    @pages.get("/callback")
    def callback(client_id: str) -> Response:
        code, states = single(request.args, "code"), cookies.states(request)
        arrived = forward.callback(client_id, proxied_host(request), code, states, cookies.application(request))
        state = arrived if isinstance(arrived, State) else arrived.state
        response = respond(Redirect(state.link))
        cookies.forget_state(response, state)
        if not isinstance(arrived, State):
            cookies.open_application(response, arrived.cookie)
        return response

    @pages.get("/logout")
    def logout(client_id: str) -> Response:
        application = forward.application(client_id)
        session = forward.session_of(application, cookies.application(request))
        values = {name: single(request.args, name) for name in _PASSED_ON}
        passed = {name: value for name, value in values.items() if value is not None}
        return respond(Redirect(forward.logout_url(application, session, passed)))

    return pages


def proxied_host(asked: Request) -> str | None:
    """Return the host at which the proxy was asked, as it says; only ever compared with listed ones."""
    return asked.headers.get("X-Forwarded-Host")


def navigates(asked: Request) -> bool:
    """Say whether the browser goes somewhere with this request: a script or an image is not to be sent to sign in."""
    return asked.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
