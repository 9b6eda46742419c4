"""What we sign as JSON verifies for whoever reads the RFCs: `cryptography` alone, not the library that signed."""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from saml_slo.wire.jws import key_set, sign_claims
from tests.keys import pair

KINDS = {"bridge": "RS256", "p256": "ES256", "p384": "ES384", "p521": "ES512"}
CLAIMS = {"iss": "https://slo.example", "name": "Zoë", "list": [1, None, True]}
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def octets(text):
    """The octets of base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text):
    """The number of base64url octets."""
    return int.from_bytes(octets(text), "big")


def verified(token, jwks):
    """The header and the claims of a compact JWS, verified with the key that its `kid` names (RFC 7515 5.2)."""
    signing_input, _, signature = token.rpartition(".")
    header, claims = (json.loads(octets(part)) for part in signing_input.split("."))
    (jwk,) = [key for key in jwks["keys"] if key["kid"] == header["kid"]]
    digest, made = HASHES[header["alg"][2:]], octets(signature)
    if jwk["kty"] == "RSA":
        key = rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key()
        key.verify(made, signing_input.encode(), padding.PKCS1v15(), digest)
    else:
        numbers = ec.EllipticCurvePublicNumbers(number(jwk["x"]), number(jwk["y"]), CURVES[jwk["crv"]])
        half = len(made) // 2
        der = encode_dss_signature(int.from_bytes(made[:half], "big"), int.from_bytes(made[half:], "big"))
        numbers.public_key().verify(der, signing_input.encode(), ec.ECDSA(digest))
    return header, claims


@pytest.mark.parametrize("name", KINDS)
def test_what_we_sign_verifies(name):
    """RSA and each EC curve: the claims come back, the header says what it is, and the algorithm fits the key."""
    key = pair(name).signing
    header, claims = verified(sign_claims(CLAIMS, key, "some+jwt"), key_set([key.certificate]))
    assert claims == CLAIMS
    assert (header["alg"], header["typ"]) == (KINDS[name], "some+jwt")


def test_a_changed_claim_does_not_verify():
    """The check of this test would notice."""
    key = pair("bridge").signing
    header, _, signature = sign_claims(CLAIMS, key, "some+jwt").split(".")
    other = urlsafe_b64encode(b'{"iss":"https://evil.example"}').decode().rstrip("=")
    with pytest.raises(InvalidSignature):
        verified(f"{header}.{other}.{signature}", key_set([key.certificate]))


@pytest.mark.parametrize("name", KINDS)
def test_the_kid_is_the_thumbprint_and_nothing_private_is_published(name):
    """RFC 7638: the SHA-256 of the required members in order; a published key holds no private member."""
    (jwk,) = key_set([pair(name).certificate])["keys"]
    members = ("e", "kty", "n") if jwk["kty"] == "RSA" else ("crv", "kty", "x", "y")
    canonical = json.dumps({member: jwk[member] for member in members}, separators=(",", ":")).encode()
    assert jwk["kid"] == urlsafe_b64encode(hashlib.sha256(canonical).digest()).decode().rstrip("=")
    assert set(jwk) == {*members, "use", "alg", "kid"}
    assert (jwk["use"], jwk["alg"]) == ("sig", KINDS[name])


def test_every_published_key_is_listed_in_order():
    """During a rollover both keys verify."""
    keys = key_set([pair("bridge").certificate, pair("p256").certificate])["keys"]
    assert [key["kty"] for key in keys] == ["RSA", "EC"]
