"""Which application asks: `Authorization: Bearer <client_id>.<secret>` (RFC 6750), against the digests in its file."""

from __future__ import annotations

import hashlib
import hmac
import re

from flask import Request

from saml_slo.errors import Reason, RequestRefused
from saml_slo.peers.registry import Registry
from saml_slo.protocol.peer import Application

# The scheme is case-insensitive (RFC 7235 2.1); a client_id may hold dots, a secret never does. Two headers come from
# the server as one with a comma, which stands in neither.
_CREDENTIALS = re.compile(r"(?i:bearer) +([A-Za-z0-9][A-Za-z0-9._-]{0,127})\.([A-Za-z0-9_-]{43})")
_MAX_SECRETS = 2
# What is compared where there is nothing to compare with: the digest of no secret that anybody has.
_NOBODYS = "0" * hashlib.sha256().digest_size * 2


def authenticated(request: Request, registry: Registry) -> Application:
    """Return the application whose API secret a request bears, or raise RequestRefused (unauthorised: 401).

    One answer for every failure, after the same work: who asks learns nothing about which applications exist.
    """
    headers = request.headers.getlist("Authorization")
    match = _CREDENTIALS.fullmatch(headers[0]) if len(headers) == 1 else None
    client_id, secret = (match[1], match[2]) if match else ("", "")
    application = registry.application(client_id)
    known = () if application is None else application.api_secrets
    digest = hashlib.sha256(secret.encode()).hexdigest()
    found = False
    for expected in (*known, *(_NOBODYS,) * _MAX_SECRETS)[:_MAX_SECRETS]:
        found |= hmac.compare_digest(digest, expected)
    if not found or application is None:
        raise RequestRefused(
            "This needs the API secret of an application",
            reason=Reason.UNAUTHORISED,
            expected="one header Authorization: Bearer <client_id>.<secret>",
            setting="api_secrets in metadata/applications/<client_id>.toml",
            next_step="Send the secret whose SHA-256 digest stands in the application's file.",
        )
    return application
