"""The SAML endpoints of each connection: ACS, SLO and our metadata for its IdP."""

from __future__ import annotations

from flask import Blueprint, Response, request

from saml_slo.bridge import Bridge
from saml_slo.peer_logout import PeerLogout
from saml_slo.peers.lookup import connection_at, connection_named
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import Redirect
from saml_slo.signin import SignIn
from saml_slo.web.cookies import Cookies
from saml_slo.web.guard import Guard
from saml_slo.web.outcomes import show
from saml_slo.web.published import CACHE_SECONDS, Published
from saml_slo.web.respond import http_in, respond
from saml_slo.wire import bindings, checks
from saml_slo.wire.metadata_writer import write_sp_metadata


def blueprint(
    *,
    sign_in: SignIn,
    bridge: Bridge,
    peer_logout: PeerLogout,
    registry: Registry,
    cookies: Cookies,
    guard: Guard,
    published: Published,
) -> Blueprint:
    """Return the endpoints under /saml/sp/<connection>/."""
    pages = Blueprint("saml", __name__, url_prefix="/saml/sp/<name>")

    @pages.post("/acs")
    def acs(name: str) -> Response:
        connection = connection_at(registry, name)
        endpoint = "" if connection is None else connection.acs_url
        pending = cookies.pending(request)
        done = sign_in.finish(name, http_in(endpoint), pending)
        response = respond(Redirect(done.return_to or "/"))
        if done.token is not None:
            cookies.open_session(response, done.token)
        if done.request_id is not None:
            cookies.forget_pending(response, done.request_id)
        guard.after_sign_in(request, response, done, pending.get(done.request_id or ""))
        return response

    @pages.route("/slo", methods=["GET", "POST"])
    def slo(name: str) -> Response:
        connection = connection_at(registry, name)
        received = bindings.decode(http_in("" if connection is None else connection.slo_url))
        asks = checks.is_logout_request(received)
        outcome = peer_logout.receive_from_idp(name, received) if asks else bridge.receive_from_idp(name, received)
        asker = registry.connection_of(checks.claimed_issuer(received) or "")
        response = show(outcome, registry, asker=asker)
        return guard.after_message(request, response, outcome, received.binding, begins=asks)

    @pages.get("/metadata")
    def metadata(name: str) -> Response:
        connection = next(iter(registry.members(name)), None) or connection_named(registry, name)
        keys = published.keys()
        document = write_sp_metadata(
            connection,
            signing_certificates=keys.published_signing,
            encryption_certificates=keys.published_encryption,
            valid_until=published.valid_until(),
            cache_duration_seconds=CACHE_SECONDS,
        )
        return published.answer(document, keys.signing)

    return pages
