"""GET|POST /v2/logout: end the session of this browser (product L1)."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from saml_slo.bridge import Bridge, LogoutCall
from saml_slo.errors import Reason, RequestRefused
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import Redirect
from saml_slo.web.cookies import Cookies
from saml_slo.web.outcomes import show
from saml_slo.web.parameters import single
from saml_slo.web.respond import respond

_PARAMETERS = ("returnTo", "client_id", "federated", "scope", "session", "access_token")
_SCOPES = ("browser", "everywhere")


def blueprint(bridge: Bridge, registry: Registry, cookies: Cookies) -> Blueprint:
    """Return the endpoint."""
    pages = Blueprint("logout", __name__)

    @pages.get("/v2/logout")
    def logout() -> Response:
        outcome = bridge.logout(
            LogoutCall(
                # Present, whatever its value: as its first implementers had it (product L2).
                federated="federated" in request.args,
                return_to=single(request.args, "returnTo"),
                client_id=single(request.args, "client_id"),
                session=cookies.session(request),
                running=cookies.logout(request),
                handle=single(request.args, "session"),
                everywhere=_scope(single(request.args, "scope")) == "everywhere",
                access_token=single(request.args, "access_token") or None,
            )
        )
        response = show(outcome, registry, framed=False)
        cookies.end_session(request, response, outcome.handle)
        return response

    @pages.post("/v2/logout")
    def bounce() -> Response:
        # A cross-site POST comes without our Lax cookie; the GET that follows it has it.
        values = [(name, single(request.form, name)) for name in _PARAMETERS]
        query = urlencode([(name, value) for name, value in values if value is not None])
        return respond(Redirect("/v2/logout" + (f"?{query}" if query else "")))

    return pages


def _scope(given: str | None) -> str:
    scope = given or _SCOPES[0]
    if scope not in _SCOPES:
        raise RequestRefused(
            "The link names a scope that there is not",
            reason=Reason.BAD_REQUEST,
            expected=" or ".join(_SCOPES),
            got=repr(scope[:40]),
            setting="scope",
            next_step="Correct the link.",
        )
    return scope
