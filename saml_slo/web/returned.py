"""GET /logout/return: a browser comes back from a provider that does not speak SAML (product P).

The state is the ID of the message that asked; OpenID Connect brings it back as a parameter, others as the end of the
path. It counts in the browser alone whose cookie names the same logout, so nobody can answer for somebody else.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from saml_slo.bridge import Bridge
from saml_slo.peers.registry import Registry
from saml_slo.web.cookies import Cookies
from saml_slo.web.outcomes import show
from saml_slo.web.parameters import single


def blueprint(bridge: Bridge, registry: Registry, cookies: Cookies) -> Blueprint:
    """Return the endpoint."""
    pages = Blueprint("returned", __name__)

    @pages.get("/logout/return")
    def returned() -> Response:
        return _shown(single(request.args, "state"))

    @pages.get("/logout/return/<state>")
    def returned_by_path(state: str) -> Response:
        return _shown(state)

    def _shown(state: str | None) -> Response:
        return show(bridge.returned(cookies.logout(request), state), registry, framed=False)

    return pages
