"""GET|POST /v2/logout: end the session of this browser (product L1), after a question where there is one to ask."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from saml_slo.bridge import Bridge, LogoutCall
from saml_slo.errors import Reason, RequestRefused
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import Redirect
from saml_slo.question import Question
from saml_slo.web.confirm import FEDERATED, Confirmation
from saml_slo.web.cookies import Cookies
from saml_slo.web.guard import Guard
from saml_slo.web.outcomes import show
from saml_slo.web.parameters import single
from saml_slo.web.respond import respond

_PARAMETERS = ("returnTo", "client_id", "federated", "scope", "session", "access_token")
_SCOPES = ("browser", "everywhere")


def blueprint(
    bridge: Bridge, registry: Registry, *, cookies: Cookies, confirmation: Confirmation, guard: Guard
) -> Blueprint:
    """Return the endpoints."""
    pages = Blueprint("logout", __name__)

    def answer(call: LogoutCall, parameters: dict[str, str]) -> Response:
        outcome = bridge.logout(call)
        if isinstance(outcome, Question):
            return confirmation.page(outcome, call.session, parameters)
        response = show(outcome, registry, framed=False)
        cookies.end_session(request, response, outcome.handle)
        guard.after_logout(request, response, outcome.transaction)
        return response

    @pages.get("/v2/logout")
    def logout() -> Response:
        parameters = _given(request.args)
        # Present, whatever its value: as its first implementers had it (product L2).
        return answer(_call(cookies, parameters, federated="federated" in parameters, confirmed=False), parameters)

    @pages.post("/v2/logout")
    def bounce() -> Response:
        # A cross-site POST comes without our Lax cookie; the GET that follows it has it.
        query = urlencode(_given(request.form))
        return respond(Redirect("/v2/logout" + (f"?{query}" if query else "")))

    @pages.post("/v2/logout/confirm")
    def confirm() -> Response:
        parameters = _given(request.form)
        session = cookies.session(request)
        choice = confirmation.choice(request.form, session, parameters)
        federated = FEDERATED.get(choice, "federated" in parameters)
        return answer(_call(cookies, parameters, federated=federated, confirmed=True), parameters)

    return pages


def _given(values: MultiDict[str, str]) -> dict[str, str]:
    """Return the parameters of a logout that are there."""
    found = ((name, single(values, name)) for name in _PARAMETERS)
    return {name: value for name, value in found if value is not None}


def _call(cookies: Cookies, parameters: dict[str, str], *, federated: bool, confirmed: bool) -> LogoutCall:
    return LogoutCall(
        federated=federated,
        return_to=parameters.get("returnTo"),
        client_id=parameters.get("client_id"),
        session=cookies.session(request),
        running=cookies.logout(request),
        handle=parameters.get("session"),
        everywhere=_scope(parameters.get("scope")) == "everywhere",
        access_token=parameters.get("access_token") or None,
        confirmed=confirmed,
    )


def _scope(given: str | None) -> str:
    scope = given or _SCOPES[0]
    if scope not in _SCOPES:
        raise RequestRefused(
            "The link names an unknown scope",
            reason=Reason.BAD_REQUEST,
            expected=" or ".join(_SCOPES),
            got=repr(scope[:40]),
            setting="scope",
            next_step="Correct the link.",
        )
    return scope
