"""Our endpoints as identity provider of the applications: metadata, single sign-on, single logout."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from itsdangerous import BadData, URLSafeSerializer

from saml_slo.bridge import Bridge
from saml_slo.errors import Reason, RequestRefused
from saml_slo.peer_logout import PeerLogout
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import Redirect
from saml_slo.protocol.names import NameIdFormat
from saml_slo.protocol.peer import NameIdKind
from saml_slo.signin import Wish
from saml_slo.sso import AskedSignOn, SingleSignOn
from saml_slo.web.cookies import Cookies
from saml_slo.web.guard import Guard
from saml_slo.web.outcomes import show
from saml_slo.web.parameters import single
from saml_slo.web.published import CACHE_SECONDS, Published
from saml_slo.web.respond import http_in, respond
from saml_slo.wire import bindings, checks
from saml_slo.wire.metadata_writer import write_idp_metadata

_OFFERED_FORMATS = (NameIdFormat.PERSISTENT, NameIdFormat.TRANSIENT, NameIdFormat.EMAIL)


class SealedRequests:
    """An application's request in a signed link: it survives the way through the IdP and costs the store nothing."""

    def __init__(self, key: bytes) -> None:
        """Take the sealing key (32 bytes)."""
        self._seal = URLSafeSerializer(
            key, salt="sso", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )

    def return_link(self, path: str) -> str:
        """Return what a link to /login carries so that the sign-in goes on at a path of ours."""
        return str(self._seal.dumps({"path": path}))

    def wish(self, sealed: str | None) -> Wish:
        """Return where a sign-in goes on, and what is asked of it; refuse what we did not seal."""
        fields = self._fields(sealed)
        if set(fields) == {"path"}:
            return Wish(str(fields["path"]))
        asked = self.open(sealed)
        return Wish(
            self.link(asked),
            force_authn=asked.force_authn,
            context_refs=asked.context_refs,
            comparison=asked.comparison,
        )

    def link(self, asked: AskedSignOn) -> str:
        """Return the path that goes on with a request."""
        return f"/saml/idp/continue?{urlencode({'request': str(self._seal.dumps(asdict(asked)))})}"

    def open(self, sealed: str | None) -> AskedSignOn:
        """Return the request of a link, or refuse one that we did not make."""
        fields = self._fields(sealed)
        try:
            fields["name_id"] = NameIdKind(fields["name_id"])
            fields["context_refs"] = tuple(fields["context_refs"])
            return AskedSignOn(**fields)
        except (KeyError, ValueError, TypeError):  # a link from before an upgrade may have other fields
            raise _not_ours() from None

    def _fields(self, sealed: str | None) -> dict[str, Any]:
        try:
            return dict(self._seal.loads(sealed or ""))
        except (BadData, ValueError, TypeError):
            raise _not_ours() from None


def _not_ours() -> RequestRefused:
    return RequestRefused(
        "This sign-in link is not one of ours, or it was cut off",
        reason=Reason.BAD_REQUEST,
        expected="a link that this server made",
        next_step="Go back to the application and sign in again.",
    )


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
