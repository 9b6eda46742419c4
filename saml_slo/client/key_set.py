"""The bridge's public keys, fetched when they are needed and kept in between (RFC 7517)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from threading import Lock
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from saml_slo.client.errors import Unavailable
from saml_slo.client.exchange import Exchange, json_object
from saml_slo.delivery.back_channel import Answer

PATH = "/.well-known/jwks.json"
FRESH_SECONDS = 3600.0  # as the bridge's Cache-Control says
STALE_SECONDS = 24 * 3600.0  # a known key goes on verifying so long when the bridge cannot be asked
PAUSE_SECONDS = 10.0  # between two fetches, so that tokens with made-up keys do not make us ask all the time
_MIN_RSA_BITS = 2048
_MAX_KEYS = 32

PublicKey = RSAKey | ECKey


class KeySet:
    """The keys of one bridge by `kid`. May be used by many threads at once; `clock` returns monotonic seconds."""

    def __init__(self, exchange: Exchange, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._exchange = exchange
        self._clock = clock
        self._keys: Mapping[str, PublicKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = Lock()

    def key(self, kid: str) -> PublicKey | None:
        """Return the key of this id, None when the bridge has no such key, or raise Unavailable: nobody can say.

        A key that is not known is asked for, for the bridge may have a new one.
        """
        keys = self._keys
        if kid in keys and self._clock() < self._fetched_at + FRESH_SECONDS:
            return keys[kid]
        with self._lock:
            if self._clock() >= self._tried_at + PAUSE_SECONDS:
                return self._fetch(kid)
            return self._without_asking(kid, Unavailable("The keys of the bridge were asked for a moment ago"))

    def _fetch(self, kid: str) -> PublicKey | None:
        if kid in self._keys and self._clock() < self._fetched_at + FRESH_SECONDS:
            return self._keys[kid]  # somebody else fetched it while we waited
        self._tried_at = self._clock()
        try:
            self._keys = _keys(self._exchange.send("GET", PATH))
        except Unavailable as error:
            return self._without_asking(kid, error)
        self._fetched_at = self._clock()
        return self._keys.get(kid)

    def _without_asking(self, kid: str, why_not: Unavailable) -> PublicKey:
        if kid in self._keys and self._clock() < self._fetched_at + STALE_SECONDS:
            return self._keys[kid]
        raise why_not


def _keys(answer: Answer) -> dict[str, PublicKey]:
    """Return the signing keys of a JWK Set; what is of another kind, weak or broken in it is passed over."""
    listed = (json_object(answer.body) or {}).get("keys")
    if answer.status != HTTPStatus.OK or not isinstance(listed, list):
        raise Unavailable(f"Asked for its keys, the bridge answered with HTTP status {answer.status} and no JWK Set")
    found: dict[str, PublicKey] = {}
    for data in listed[:_MAX_KEYS]:
        if not isinstance(data, dict) or data.get("use", "sig") != "sig" or not isinstance(data.get("kid"), str):
            continue
        key = _key(data)
        if key is not None:
            found[data["kid"]] = key
    return found


def _key(data: dict[str, Any]) -> PublicKey | None:
    try:
        if data.get("kty") == "EC":
            return ECKey.import_key(data)
        key = RSAKey.import_key(data) if data.get("kty") == "RSA" else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None if key is None or key.public_key.key_size < _MIN_RSA_BITS else key
