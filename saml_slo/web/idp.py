"""Our endpoints as identity provider of the applications: metadata, single sign-on, single logout."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from saml_slo.bridge import Bridge
from saml_slo.peer_logout import PeerLogout
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import Redirect
from saml_slo.protocol.names import NameIdFormat
from saml_slo.sso import SingleSignOn
from saml_slo.web.cookies import Cookies
from saml_slo.web.guard import Guard
from saml_slo.web.outcomes import show
from saml_slo.web.parameters import single
from saml_slo.web.published import CACHE_SECONDS, Published
from saml_slo.web.respond import http_in, respond
from saml_slo.web.sealed_requests import SealedRequests
from saml_slo.wire import bindings, checks
from saml_slo.wire.metadata_writer import write_idp_metadata

_OFFERED_FORMATS = (NameIdFormat.PERSISTENT, NameIdFormat.TRANSIENT, NameIdFormat.EMAIL)


def blueprint(
    *,
    sign_on: SingleSignOn,
    bridge: Bridge,
    peer_logout: PeerLogout,
    registry: Registry,
    cookies: Cookies,
    guard: Guard,
    sealed: SealedRequests,
    published: Published,
    origin: str,
) -> Blueprint:
    """Return the endpoints under /saml/idp/."""
    pages = Blueprint("idp", __name__, url_prefix="/saml/idp")

    @pages.route("/sso", methods=["GET", "POST"])
    def sso() -> Response:
        asked = sign_on.receive(bindings.decode(http_in(f"{origin}/saml/idp/sso")))
        # A cross-site POST comes without our Lax cookie; the GET that follows has it.
        return respond(Redirect(sealed.link(asked)))

    @pages.get("/continue")
    def go_on() -> Response:
        asked = sealed.open(single(request.args, "request"))
        step = sign_on.go_on(asked, cookies.session(request))
        if step.out is not None:
            return respond(step.out)
        query = {"request": request.args["request"]}
        if step.connection is not None:
            query["connection"] = step.connection
        return respond(Redirect(f"/login?{urlencode(query)}"))

    @pages.route("/slo", methods=["GET", "POST"])
    def slo() -> Response:
        received = bindings.decode(http_in(f"{origin}/saml/idp/slo"))
        asks = checks.is_logout_request(received)
        outcome = (peer_logout if asks else bridge).receive_from_application(received)
        return guard.after_message(request, show(outcome, registry), outcome, received.binding, begins=asks)

    @pages.get("/metadata")
    def metadata() -> Response:
        keys = published.keys()
        document = write_idp_metadata(
            entity_id=f"{origin}/saml/idp/metadata",
            sso_url=f"{origin}/saml/idp/sso",
            slo_url=f"{origin}/saml/idp/slo",
            signing_certificates=keys.published_signing,
            name_id_formats=_OFFERED_FORMATS,
            valid_until=published.valid_until(),
            cache_duration_seconds=CACHE_SECONDS,
        )
        return published.answer(document, keys.signing)

    return pages
