"""The allow-list, and signatures over octets with every kind of key."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from saml_slo.protocol.names import DigestAlgorithm, SignatureAlgorithm
from saml_slo.wire.algorithms import allowed_for, fits, public_key, sign_octets, verify_octets
from tests.idp import CONNECTION, replace
from tests.keys import pair

RSA = [a for a in SignatureAlgorithm if a.name.startswith("RSA")]
EC = [a for a in SignatureAlgorithm if a.name.startswith("ECDSA")]
PAIRS = [("bridge", a) for a in RSA] + [(curve, a) for curve in ("p256", "p384", "p521") for a in EC]
SIZES = {"p256": 32, "p384": 48, "p521": 66}


def test_the_allow_list_is_sha2():
    """RSA and ECDSA with SHA-2, exclusive C14N; SHA-1 and inclusive C14N only where a connection says so."""
    usual = allowed_for(CONNECTION)
    assert usual.signature == {a for a in SignatureAlgorithm if not a.endswith("sha1")}
    assert usual.digest == {a for a in DigestAlgorithm if not a.endswith("sha1")}
    assert not usual.inclusive_c14n
    assert "http://www.w3.org/2000/09/xmldsig#rsa-sha1" not in usual.signature
    weak = allowed_for(replace(CONNECTION, insecure_sha1=True))
    assert weak.signature == set(SignatureAlgorithm)
    assert not weak.inclusive_c14n
    assert allowed_for(replace(CONNECTION, insecure_inclusive_c14n=True)).signature == usual.signature
    assert not any("hmac" in a or "md5" in a or "dsa-sha1" in a.replace("ecdsa", "") for a in weak.signature)


@pytest.mark.parametrize(("name", "algorithm"), PAIRS)
@pytest.mark.parametrize("plain_pair", [False, True])
def test_what_is_signed_verifies(name, algorithm, plain_pair):
    """A signature verifies over its octets, with its key and its algorithm, and with nothing else."""
    key, octets = public_key(pair(name).certificate), b"SAMLRequest=x&SigAlg=y"
    signature = sign_octets(pair(name).key, algorithm, octets, plain_pair=plain_pair)
    assert verify_octets(key, algorithm, signature, octets)
    assert not verify_octets(key, algorithm, signature, octets + b" ")
    assert not verify_octets(key, algorithm, signature[:-1] + bytes([signature[-1] ^ 1]), octets)
    for other in SignatureAlgorithm:
        assert verify_octets(key, other, signature, octets) == (other is algorithm)
    for stranger in ("attacker", "p256", "p384", "p521"):
        if stranger != name:
            assert not verify_octets(public_key(pair(stranger).certificate), algorithm, signature, octets)


@pytest.mark.parametrize("name", SIZES)
def test_a_plain_pair_has_one_length(name):
    """The pair of XMLDSig is two numbers of the curve's size, padded with zeros; DER is what everybody else writes."""
    for _ in range(20):
        plain = sign_octets(pair(name).key, SignatureAlgorithm.ECDSA_SHA256, b"x", plain_pair=True)
        assert len(plain) == 2 * SIZES[name]
        der = sign_octets(pair(name).key, SignatureAlgorithm.ECDSA_SHA256, b"x", plain_pair=False)
        assert encode_dss_signature(*decode_dss_signature(der)) == der


@pytest.mark.parametrize("name", ["bridge", "p256", "p521"])
@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 132, 255, 256, 257, 10_000])
def test_garbage_is_no_signature(name, length):
    """Octets of any length, zeros too, are a bad signature and no accident."""
    key = public_key(pair(name).certificate)
    for algorithm in SignatureAlgorithm:
        for octets in (os.urandom(length), bytes(length), b"\xff" * length):
            assert not verify_octets(key, algorithm, octets, b"x")


@pytest.mark.parametrize(("name", "algorithm"), [(n, a) for n in ("bridge", *SIZES) for a in SignatureAlgorithm])
def test_an_algorithm_fits_its_family(name, algorithm):
    """RSA keys fit RSA algorithms, EC keys ECDSA ones; our signing key picks the counterpart with the same hash."""
    expected = (name == "bridge") == (algorithm in RSA)
    assert fits(pair(name).key, algorithm) == fits(pair(name).key.public_key(), algorithm) == expected
    used = pair(name).signing.algorithm(algorithm)
    assert fits(pair(name).key, used)
    if expected:
        assert used is algorithm
    elif algorithm is not SignatureAlgorithm.RSA_SHA1:
        assert used.rpartition("sha")[2] == algorithm.rpartition("sha")[2]
    else:
        assert used is SignatureAlgorithm.ECDSA_SHA256
