"""/.well-known/jwks.json: the keys that verify what we sign as JSON, the receipts (RFC 7517)."""

from __future__ import annotations

from flask import Blueprint, Response, json

from saml_slo.wire.jws import key_set
from saml_slo.wire.keys import OurKeys

_CACHE_SECONDS = 3600


def blueprint(keys: OurKeys) -> Blueprint:
    """Return the endpoint."""
    pages = Blueprint("jwks", __name__)
    document = json.dumps(key_set(keys.published_signing))

    @pages.get("/.well-known/jwks.json")
    def jwks() -> Response:
        response = Response(document, mimetype="application/jwk-set+json")
        response.headers["Cache-Control"] = f"public, max-age={_CACHE_SECONDS}"
        return response

    return pages
