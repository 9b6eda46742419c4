"""/.well-known/: what a program needs to verify what we sign as JSON, the receipts and the logout tokens.

`jwks.json` has the keys (RFC 7517). `openid-configuration` (OpenID Connect Discovery 1.0, section 3) says where they
are and what we do, for libraries that are configured by an issuer. We are no OpenID provider, so it names neither
endpoints nor response types. There is no `end_session_endpoint` either: `/v2/logout` takes other parameters than
RP-Initiated Logout 1.0, and a library would lose its `post_logout_redirect_uri` there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from flask import Blueprint, Response, json

from saml_slo.wire.jws import key_set
from saml_slo.wire.keys import OurKeys

_CACHE_SECONDS = 3600


def blueprint(keys: Callable[[], OurKeys], origin: str) -> Blueprint:
    """Return the endpoints. `origin` is our public URL, the `iss` of all that we sign as JSON."""
    pages = Blueprint("jwks", __name__)

    @pages.get("/.well-known/jwks.json")
    def jwks() -> Response:
        key_document, _ = _documents(keys().published_signing, origin)
        return _cacheable(key_document, "application/jwk-set+json")

    @pages.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        _, about_us = _documents(keys().published_signing, origin)
        return _cacheable(about_us, "application/json")

    return pages


@lru_cache(maxsize=2)
def _documents(certificates: tuple[bytes, ...], origin: str) -> tuple[str, str]:
    published = key_set(certificates)
    algorithms = [key["alg"] for key in published["keys"]]
    return json.dumps(published), json.dumps(_discovery(origin, algorithms))


def _discovery(origin: str, algorithms: list[str]) -> dict[str, Any]:
    """Return what is true of us; the algorithms of ID tokens are those of logout tokens (Back-Channel Logout 1.0 2.4).

    The four flags: sections 2.1 of Back-Channel Logout 1.0 and 3 of Front-Channel Logout 1.0.
    """
    return {
        "issuer": origin,
        "jwks_uri": f"{origin}/.well-known/jwks.json",
        "id_token_signing_alg_values_supported": list(dict.fromkeys(algorithms)),
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
    }


def _cacheable(document: str, media_type: str) -> Response:
    response = Response(document, mimetype=media_type)
    response.headers["Cache-Control"] = f"public, max-age={_CACHE_SECONDS}"
    return response
