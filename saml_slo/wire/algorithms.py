"""Which algorithms may verify, and how each is called by the two crypto libraries.

The allow-list is the default of every connection; `insecure_sha1` adds RSA-SHA1 with SHA-1 digests to it. HMAC, MD5,
RIPEMD-160 and DSA are on no list (security C051 to C055).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from saml_slo.protocol.names import DigestAlgorithm, SignatureAlgorithm
from saml_slo.protocol.peer import Peer

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_HASHES: dict[SignatureAlgorithm, hashes.HashAlgorithm] = {
    SignatureAlgorithm.RSA_SHA1: hashes.SHA1(),  # noqa: S303 - reachable only through insecure_sha1
    SignatureAlgorithm.RSA_SHA256: hashes.SHA256(),
    SignatureAlgorithm.RSA_SHA384: hashes.SHA384(),
    SignatureAlgorithm.RSA_SHA512: hashes.SHA512(),
    SignatureAlgorithm.ECDSA_SHA256: hashes.SHA256(),
    SignatureAlgorithm.ECDSA_SHA384: hashes.SHA384(),
    SignatureAlgorithm.ECDSA_SHA512: hashes.SHA512(),
}
_RSA = {a for a in SignatureAlgorithm if a.name.startswith("RSA")}


@dataclass(frozen=True, slots=True)
class AllowedAlgorithms:
    """What a peer's signatures may use: URIs of signature and digest methods, and whether inclusive C14N may appear.

    libxml2 looks up every prefix of a PrefixList at every element: 50,000 prefixes cost 28 s before the key was known
    to be right. `prefix_lookups` bounds prefixes times elements.
    """

    signature: frozenset[str]
    digest: frozenset[str]
    inclusive_c14n: bool = False
    prefix_lookups: int = 8_192


_DEFAULT_SIGNATURE = frozenset(SignatureAlgorithm) - {SignatureAlgorithm.RSA_SHA1}
_DEFAULT_DIGEST = frozenset(DigestAlgorithm) - {DigestAlgorithm.SHA1}


@lru_cache(maxsize=8)
def _allowed(*, sha1: bool, inclusive_c14n: bool) -> AllowedAlgorithms:
    signature, digest = frozenset(SignatureAlgorithm), frozenset(DigestAlgorithm)
    return AllowedAlgorithms(
        signature=frozenset(signature if sha1 else _DEFAULT_SIGNATURE),
        digest=frozenset(digest if sha1 else _DEFAULT_DIGEST),
        inclusive_c14n=inclusive_c14n,
    )


# What may sign metadata: the same, in documents that are far larger than messages.
METADATA_ALGORITHMS = AllowedAlgorithms(_DEFAULT_SIGNATURE, _DEFAULT_DIGEST, prefix_lookups=16_000_000)


def allowed_for(peer: Peer) -> AllowedAlgorithms:
    """Return the algorithms that this peer's messages may use."""
    return _allowed(sha1=peer.insecure_sha1, inclusive_c14n=peer.insecure_inclusive_c14n)


@lru_cache(maxsize=4096)
def public_key(certificate: bytes) -> PublicKey:
    """Return the public key of a DER certificate; parsed once. Metadata loading has refused every other key type."""
    return cast("PublicKey", x509.load_der_x509_certificate(certificate).public_key())


@lru_cache(maxsize=4096)
def public_key_pem(certificate: bytes) -> bytes:
    """Return the public key of a DER certificate as SubjectPublicKeyInfo in PEM."""
    return public_key(certificate).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def verify_octets(
    key: PublicKey, algorithm: SignatureAlgorithm, signature: bytes, octets: bytes, *, der: bool = True
) -> bool:
    """Say whether `signature` over `octets` is good. A key of the other family than the algorithm's: False.

    An ECDSA signature is the plain r‖s pair of XMLDSig 6.4.3. With `der` it may also be DER, which Java's and OpenSSL's
    signers put into a Redirect URL; the specification of that binding names neither.
    """
    digest = _HASHES[algorithm]
    try:
        if isinstance(key, rsa.RSAPublicKey):
            if algorithm not in _RSA:
                return False
            key.verify(signature, octets, padding.PKCS1v15(), digest)
            return True
        if algorithm in _RSA:
            return False
        size = (key.key_size + 7) // 8
        if len(signature) == 2 * size:
            r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
            signature = encode_dss_signature(r, s)
        elif not der:
            return False
        key.verify(signature, octets, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True


def sign_octets(key: PrivateKey, algorithm: SignatureAlgorithm, octets: bytes, *, plain_pair: bool) -> bytes:
    """Return the signature over `octets`. ECDSA: the r‖s pair of XMLDSig when `plain_pair`, DER otherwise."""
    digest = _HASHES[algorithm]
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), digest)
    der = key.sign(octets, ec.ECDSA(digest))
    if not plain_pair:
        return der
    r, s = decode_dss_signature(der)
    size = (key.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def fits(key: PrivateKey | PublicKey, algorithm: SignatureAlgorithm) -> bool:
    """Say whether a key can make or check signatures of this algorithm."""
    return isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)) == (algorithm in _RSA)
