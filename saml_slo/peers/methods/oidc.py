"""OpenID Connect: logout tokens (Back-Channel Logout 1.0) and frames (Front-Channel Logout 1.0) of applications."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from saml_slo.logout.events import PeerAnswered
from saml_slo.logout.transaction import Request, Target
from saml_slo.peers.methods.call import Call, Reply, meaning_of
from saml_slo.peers.methods.query import with_query
from saml_slo.protocol.envelope import Redirect
from saml_slo.protocol.peer import Application
from saml_slo.wire.jws import sign_claims
from saml_slo.wire.keys import SigningKey

_TYPE = "logout+jwt"  # Back-Channel Logout 1.0 2.4
_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LIFETIME = timedelta(minutes=2)  # the most that section 4 recommends
# 2.8: "invalid or failed". The drafts before the final text said 501 for failed, and receivers of their time still do.
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_IMPLEMENTED)


def call(  # noqa: PLR0917 - what a message is made of
    target: Target, request: Request, application: Application, issuer: str, now: datetime, key: SigningKey
) -> Call:
    """Return the POST with the logout token of one attempt (Back-Channel Logout 1.0 2.5).

    `iss`, `sub` and `sid` are those that the application registered; `issuer` is ours, where it registered none. Each
    attempt is a token of its own, with a fresh `jti`: a receiver that remembers those refuses a repeated one (2.6).
    """
    subject, method = request.subject, application.logout
    claims: dict[str, Any] = {
        "iss": issuer if subject is None else subject.issuer or issuer,
        "aud": application.client_id if method is None or method.audience is None else method.audience,
        "iat": int(now.timestamp()),
        "exp": int((now + _LIFETIME).timestamp()),
        "jti": target.id,
        "events": {_EVENT: {}},
    }
    if subject is not None:
        claims |= {name: value for name, value in (("sub", subject.sub), ("sid", subject.sid)) if value}
    body = urlencode({"logout_token": sign_claims(claims, key, _TYPE)}).encode()
    return Call(url=request.location, body=body, content_type="application/x-www-form-urlencoded")


def meaning(target: Target, reply: Reply) -> PeerAnswered:
    """Return what the answer to a logout token means: 2xx is done, 400 is no (Back-Channel Logout 1.0 2.8).

    2.5 advises against sending a token again that was refused. We send another one (product T5): a receiver whose
    clock or copy of our keys was wrong gets its chance, and the session does not stay alive for want of it.
    """
    return meaning_of(target.id, reply, _REFUSALS)


def frame(request: Request, application: Application, issuer: str) -> Redirect:
    """Return where the frame of an application goes (Front-Channel Logout 1.0 2): `iss` and `sid`, or neither of them.

    What the application's URI says already in its query stays.
    """
    subject, method = request.subject, application.logout
    if method is None or not method.session_required or subject is None or not subject.sid:
        return Redirect(request.location)
    return Redirect(with_query(request.location, (("iss", subject.issuer or issuer), ("sid", subject.sid))))
