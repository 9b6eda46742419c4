"""Signed JSON: a compact JWS by our signing key (RFC 7515, RFC 7519), and the keys that verify it (RFC 7517)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from saml_slo.wire.algorithms import PrivateKey, PublicKey, public_key
from saml_slo.wire.keys import SigningKey

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


def _jwk(key: PrivateKey | PublicKey) -> RSAKey | ECKey:
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return RSAKey.import_key(key)
    return ECKey.import_key(key)


def _algorithm(jwk: RSAKey | ECKey) -> str:
    return "RS256" if isinstance(jwk, RSAKey) else _BY_CURVE[jwk.curve_name]
