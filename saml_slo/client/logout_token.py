"""Verify a logout token of the bridge (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6)."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Collection
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from saml_slo.client.errors import NoticeRefused
from saml_slo.client.exchange import Exchange, json_object
from saml_slo.client.key_set import KeySet, PublicKey
from saml_slo.client.notice import LogoutNotice

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOLERANCE_SECONDS = 300
MAX_CHARS = 16 * 1024
_TYPES = ("logout+jwt", "application/logout+jwt")  # RFC 7515 4.1.9: the prefix may be left out
_BY_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_MAX_ID_CHARS = 256
_MAX_SECONDS = 2**40


class LogoutTokenVerifier:
    """Makes a `LogoutNotice` of a logout token that the bridge signed for this application.

    `base_url` is the bridge's public address, where its keys are; `audience` the application's client_id, or what its
    file says under `audience`. `issuers` are those that the application registered its sessions with; the bridge
    itself unless given. `timeout`: seconds for fetching the keys, less than the bridge waits for us. `clock` returns
    Unix time.
    """

    def __init__(
        self,
        base_url: str,
        audience: str,
        *,
        issuers: Collection[str] = (),
        timeout: float = 3.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(issuers, str):
            raise TypeError("issuers is a collection of texts, not one text")
        exchange = Exchange(base_url, timeout=timeout)
        self._key_set = KeySet(exchange)
        self._audience = audience
        self._issuers = frozenset(issuers or (exchange.origin,))
        self._clock = clock

    def verify(self, token: str) -> LogoutNotice:
        """Return what a token says, or raise NoticeRefused; Unavailable when the bridge's keys cannot be had."""
        if len(token) > MAX_CHARS:
            raise NoticeRefused("the token is too long")
        header = _header(token)
        if str(header.get("typ", "")).lower() not in _TYPES:  # RFC 8725 3.11: no ID token and no receipt of ours
            raise NoticeRefused("the token is of another type than logout+jwt")
        if "crit" in header:
            raise NoticeRefused("the token wants something understood that is not (crit)")
        kid = header.get("kid")
        key = self._key_set.key(kid) if isinstance(kid, str) else None
        if key is None:
            raise NoticeRefused("the token names no key of the bridge")
        try:
            claims = jwt.decode(token, key, algorithms=[_algorithm(key)]).claims
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise NoticeRefused(f"the token is not signed by the bridge: {type(error).__name__}") from None
        return self._notice(claims)

    def _notice(self, claims: dict[str, Any]) -> LogoutNotice:
        now = self._clock()
        issuer, jti = claims.get("iss"), claims.get("jti")
        if not isinstance(issuer, str) or issuer not in self._issuers:
            raise NoticeRefused("iss is not an issuer of ours")
        if claims.get("aud") not in (self._audience, [self._audience]):
            raise NoticeRefused("aud is somebody else")
        if abs(now - _seconds(claims, "iat")) > TOLERANCE_SECONDS:
            raise NoticeRefused(f"iat is not within {TOLERANCE_SECONDS} seconds of our clock")
        if now >= _seconds(claims, "exp") + TOLERANCE_SECONDS:
            raise NoticeRefused("exp has passed")
        if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_ID_CHARS:
            raise NoticeRefused("jti is missing")
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
            raise NoticeRefused("events has no back-channel logout")
        if "nonce" in claims:  # 2.4: so that no ID token passes for a logout token
            raise NoticeRefused("there is a nonce")
        sub, sid = claims.get("sub"), claims.get("sid")
        if not all(value is None or isinstance(value, str) for value in (sub, sid)) or not (sub or sid):
            raise NoticeRefused("neither sub nor sid says whose session it is")
        return LogoutNotice(id=jti, issuer=issuer, sub=sub, sid=sid)


def _header(token: str) -> dict[str, Any]:
    """Return the header of a compact JWS of three parts, not verified."""
    first, *rest = token.split(".")
    if len(rest) == 2 and token.isascii():  # noqa: PLR2004 - header.payload.signature
        try:
            octets = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4))
        except (binascii.Error, ValueError):
            octets = b""
        if (header := json_object(octets)) is not None:
            return header
    raise NoticeRefused("it is no signed token")


def _algorithm(key: PublicKey) -> str:
    """Return the one algorithm that is accepted for a key, whatever the token says (RFC 8725 3.1)."""
    return "RS256" if isinstance(key, RSAKey) else _BY_CURVE.get(key.curve_name, "")


def _seconds(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise NoticeRefused(f"{name} is missing")
    if not 0 <= value < _MAX_SECONDS:
        raise NoticeRefused(f"{name} is no time")
    return value
