"""Signed JSON: a compact JWS by our signing key (RFC 7515, RFC 7519), and the keys that verify it (RFC 7517)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from saml_slo.wire.algorithms import PrivateKey, PublicKey, public_key
from saml_slo.wire.keys import SigningKey

MAX_TOKEN_CHARS = 256 * 1024
_BY_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


def sign_claims(claims: Mapping[str, Any], key: SigningKey, typ: str) -> str:
    """Return `claims` as a compact JWS. `typ` says what it is (RFC 8725 3.11), `kid` is the thumbprint of RFC 7638."""
    jwk = _jwk(key.key)
    algorithm = _algorithm(jwk)
    header = {"alg": algorithm, "kid": jwk.thumbprint(), "typ": typ}
    return jwt.encode(header, dict(claims), jwk, algorithms=[algorithm])


def key_set(certificates: Sequence[bytes]) -> dict[str, Any]:
    """Return the JWK Set with the public keys of DER certificates, in their order."""
    keys = []
    for certificate in certificates:
        jwk = _jwk(public_key(certificate))
        facts = {"use": "sig", "alg": _algorithm(jwk), "kid": jwk.thumbprint()}
        keys.append({**jwk.as_dict(private=False), **facts})
    return {"keys": keys}


@dataclass(frozen=True, slots=True)
class ReadToken:
    """A compact JWS as it reads, verified or not. `signer`: the place, from 0, of the certificate whose key made it."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signer: int | None


def read_token(token: str, certificates: Sequence[bytes]) -> ReadToken | None:
    """Return what a compact JWS says and which of these keys (DER certificates) made it; None: it is no such thing."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN_CHARS or len(parts) != 3:  # noqa: PLR2004 - header.payload.signature
        return None
    header, claims = _json_object(parts[0]), _json_object(parts[1])
    if header is None or claims is None:
        return None
    for place, certificate in enumerate(certificates):
        jwk = _jwk(public_key(certificate))
        try:
            jwt.decode(token, jwk, algorithms=[_algorithm(jwk)])
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
        return ReadToken(header, claims, place)
    return ReadToken(header, claims, None)


def _json_object(part: str) -> dict[str, Any] | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _jwk(key: PrivateKey | PublicKey) -> RSAKey | ECKey:
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return RSAKey.import_key(key)
    return ECKey.import_key(key)


def _algorithm(jwk: RSAKey | ECKey) -> str:
    return "RS256" if isinstance(jwk, RSAKey) else _BY_CURVE[jwk.curve_name]
