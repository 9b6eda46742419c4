"""Logout tokens at the receiver (OpenID Connect Back-Channel Logout 1.0, 2.6; RFC 8725)."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from cryptography.hazmat.primitives import serialization

from saml_slo.client import LogoutNotice, LogoutTokenVerifier, Unavailable
from saml_slo.client.exchange import Exchange
from saml_slo.client.key_set import KeySet
from tests.client.notices import EVENTS, FORM, NOW, Receiving, form, jwks, token
from tests.client.serving import Canned, Clock, serving
from tests.keys import pair

KNOWN = ("bridge", "p256", "p384", "p521")


@pytest.fixture(scope="module")
def origin():
    """A bridge that has nothing but its keys."""
    with serving(Canned([(200, jwks(*KNOWN), {})])) as url:
        yield url


@pytest.fixture
def receiving(origin):
    """A receiver that asks this bridge for keys."""
    return Receiving(origin)


@pytest.mark.parametrize("key", KNOWN)
def test_a_token_is_handed_on(receiving, key):
    """A genuine token, by a key of whatever kind the bridge has, is one notice, and 200."""
    assert receiving.take_token(token(key=key)) == 200
    assert receiving.notices == [LogoutNotice(id="_t1", issuer="https://slo.example", sub="alice", sid="s1")]


@pytest.mark.parametrize(
    "said",
    [
        {"without": ("sid",)},
        {"without": ("sub",)},
        {"aud": ["shop"]},
        {"iat": NOW - 300},
        {"iat": NOW + 300},
        {"exp": NOW - 299},
        {"typ": "LOGOUT+jwt"},
        {"typ": "application/logout+jwt"},
    ],
)
def test_what_the_specification_allows_passes(receiving, said):
    """One of sub and sid is enough, and clocks may differ by five minutes."""
    assert receiving.take_token(token(**said)) == 200


def part(value):
    """Return one part of a token."""
    octets = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def header_of(text):
    """Return the header of a token."""
    first = text.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))


GOOD = token()
HEADER, (_, CLAIMS, SIGNATURE) = header_of(GOOD), GOOD.split(".")
KID = HEADER["kid"]


def with_header(header, signature=SIGNATURE):
    """Return the good claims under another header."""
    return f"{part(header)}.{CLAIMS}.{signature}"


def mac(alg, secret):
    """Return the good claims, signed by HMAC with something public."""
    head = part({"alg": alg, "kid": KID, "typ": "logout+jwt"})
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[alg]
    return f"{head}.{CLAIMS}.{part(hmac.new(secret, f'{head}.{CLAIMS}'.encode(), digest).digest())}"


PUBLIC = pair("bridge").key.public_key()
PEM = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = PUBLIC.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
FOREIGN = token(key="attacker")
BAD = {
    "alg none": with_header({"alg": "none", "kid": KID, "typ": "logout+jwt"}, ""),
    "alg None with a signature": with_header({"alg": "None", "kid": KID, "typ": "logout+jwt"}),
    "HS256 with the public key as PEM": mac("HS256", PEM),
    "HS256 with the public key as DER": mac("HS256", DER),
    "HS512 with the modulus": mac("HS512", jwks("bridge")["keys"][0]["n"].encode()),
    "another's key": FOREIGN,
    "another's key under our kid": with_header(HEADER, FOREIGN.split(".")[2]),
    "another algorithm of the same key": with_header({**HEADER, "alg": "RS512"}),
    "an algorithm of another key": with_header({**HEADER, "alg": "ES256"}),
    "no kid": with_header({"alg": "RS256", "typ": "logout+jwt"}),
    "kid no text": with_header({**HEADER, "kid": [KID]}),
    "a key of its own": with_header({**header_of(FOREIGN), "jwk": jwks("attacker")["keys"][0]}, FOREIGN.split(".")[2]),
    "crit": with_header({**HEADER, "crit": ["exp"], "exp": 1}),
    "no typ": with_header({"alg": "RS256", "kid": KID}),
    "an ID token": token(typ="JWT"),
    "a receipt of the bridge": token(typ="logout-receipt+jwt"),
    "a changed claim": f"{part(HEADER)}.{part({'sid': 's2'})}.{SIGNATURE}",
    "no signature": f"{part(HEADER)}.{CLAIMS}.",
    "two parts": f"{part(HEADER)}.{CLAIMS}",
    "five parts": f"{part(HEADER)}.{CLAIMS}.{SIGNATURE}.{SIGNATURE}.{SIGNATURE}",
    "no token": "hello",
    "header no object": f"{part([1])}.{CLAIMS}.{SIGNATURE}",
    "header deep": f"{part(b'[' * 5000)}.{CLAIMS}.{SIGNATURE}",
    "not ASCII": GOOD + "ä",
    "too long": token(sub="x" * 20_000),
    "another issuer": token(iss="https://evil.example"),
    "issuer no text": token(iss=["https://slo.example"]),
    "another audience": token(aud="other"),
    "audience by its beginning": token(aud="shopping"),
    "two audiences": token(aud=["shop", "other"]),
    "audience a number": token(aud=5),
    "no audience": token(without=("aud",)),
    "old": token(iat=NOW - 301),
    "of the future": token(iat=NOW + 301),
    "expired": token(exp=NOW - 300),
    "iat no number": token(iat=str(NOW)),
    "iat true": token(iat=True),
    "iat not a number": token(iat=float("nan")),
    "exp without an end": token(exp=float("inf")),
    "exp beyond all numbers": token(exp=10**400),
    "no iat": token(without=("iat",)),
    "no exp": token(without=("exp",)),
    "no jti": token(without=("jti",)),
    "empty jti": token(jti=""),
    "no events": token(without=("events",)),
    "another event": token(events={"http://schemas.openid.net/event/other": {}}),
    "an event that is no object": token(events=dict.fromkeys(EVENTS, "x")),
    "events a list": token(events=list(EVENTS)),
    "a nonce": token(nonce="n"),
    "an empty nonce": token(nonce=None),
    "nobody": token(without=("sub", "sid")),
    "empty names": token(sub="", sid=""),
    "sub a number": token(sub=5),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_nothing_else_is(receiving, bad):
    """Whatever the specification refuses is 400, and nobody is told."""
    assert receiving.take_token(GOOD) == 200, "the control"
    receiving.clock.now = NOW
    receiving.receiver._seen.discard("logout-token:_t1")
    # A key that is not known would be asked for again, a moment later: that is 503, and has a test of its own.
    receiving.tokens._key_set._tried_at = float("-inf")
    assert receiving.take_token(bad) == 400
    assert len(receiving.notices) == 1


def test_a_token_is_used_once(receiving):
    """Each attempt of the bridge has a jti of its own, so the same one again is a replay."""
    assert receiving.take_token(GOOD) == 200
    assert receiving.take_token(GOOD) == 400
    assert receiving.take_token(token(jti="_t2")) == 200
    assert [notice.id for notice in receiving.notices] == ["_t1", "_t2"]


@pytest.mark.parametrize(
    "body",
    [b"", b"token=x", form(GOOD) + b"&" + form(GOOD), form(GOOD) + b"&a=b" * 20, b"logout_token=\xff", b"\x00" * 100],
)
def test_a_form_has_one_token(receiving, body):
    """None, two, or a form that nobody writes, is 400."""
    assert receiving.take(FORM, body) == 400
    assert receiving.take(FORM, b"other=1&" + form(GOOD)) == 200, "2.5 allows other fields"


def test_the_bridge_is_the_issuer_unless_another_is_named(origin):
    """Without issuers, tokens say the address of the bridge."""
    verifier = LogoutTokenVerifier(origin, "shop", clock=Clock(NOW))
    assert verifier.verify(token(iss=origin)).issuer == origin
    with pytest.raises(TypeError):
        LogoutTokenVerifier(origin, "shop", issuers="https://slo.example")


class Keys:
    """A key set at a bridge with these answers, and what it finds at a time."""

    def __init__(self, origin, clock):
        self.clock = clock
        self.set = KeySet(Exchange(origin, timeout=20), clock=clock)

    def has(self, name, at):
        """Say whether a key is known at a time; None when nobody can say."""
        self.clock.now = at
        (wanted,) = jwks(name)["keys"]
        try:
            return self.set.key(wanted["kid"]) is not None
        except Unavailable:
            return None


def test_keys_are_kept_and_rolled():
    """Keys are asked for once an hour; a new one is asked for when it comes, at most every ten seconds."""
    bridge = Canned([(200, jwks("bridge"), {}), (200, jwks("bridge", "p256"), {}), (200, jwks("p256"), {})])
    with serving(bridge) as origin:
        keys = Keys(origin, Clock(0.0))
        assert [keys.has("bridge", at) for at in (0, 1, 9)] == [True] * 3
        assert keys.has("p256", 9) is None, "not known, and asked a moment ago"
        assert len(bridge.asked) == 1
        assert keys.has("p256", 10) is True
        assert keys.has("bridge", 3609) is True
        assert len(bridge.asked) == 2
        assert keys.has("bridge", 3610) is False, "taken back by the bridge"
        assert len(bridge.asked) == 3
        for _ in range(5):
            assert keys.has("attacker", 3611) is None
        assert len(bridge.asked) == 3


@pytest.mark.parametrize(
    "broken", [(503, b"", {}), (200, b"<html>", {}), (200, {"keys": "x"}, {}), (302, b"", {"Location": "/x"})]
)
def test_a_bridge_that_is_down_changes_nothing_for_a_day(broken):
    """While the bridge cannot be asked, known keys are good for a day, and of others nobody can say."""
    with serving(Canned([(200, jwks("bridge"), {}), broken])) as origin:
        keys = Keys(origin, Clock(0.0))
        assert keys.has("bridge", 0) is True
        assert keys.has("p256", 4000) is None
        assert keys.has("bridge", 4000) is True
        assert keys.has("bridge", 24 * 3600) is None


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_key_that_is_weak_or_strange_is_passed_over():
    """Of a key set only signing keys of RSA with 2048 bits or more, and of EC, are taken."""
    good = jwks("bridge")["keys"][0]
    strange = [
        None,
        {"kty": "RSA"},
        {"kty": "oct", "kid": "o", "k": "AAAA"},
        {"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "AA"},
        {**good, "kid": 5},
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": "broken", "n": "!"},
        {**good, "kid": "weak", "n": part(b"\xff" * 128)},
        {"kty": "EC", "kid": "off", "crv": "P-256", "x": part(b"\1" * 32), "y": part(b"\1" * 32)},
    ]
    with serving(Canned([(200, {"keys": [*strange, good]}, {})])) as origin:
        found = KeySet(Exchange(origin, timeout=20))
        assert found.key(good["kid"]) is not None
        assert set(found._keys) == {good["kid"]}


def test_keys_that_cannot_be_had_are_no_refusal():
    """A bridge that cannot be asked for its keys is told to come again, not that its token is wrong."""
    with serving(Canned([(503, b"", {})])) as origin:
        receiving = Receiving(origin)
        begun = time.monotonic()
        assert receiving.take_token(GOOD) == 503
        assert time.monotonic() - begun < 30
    assert dict(receiving.reply.headers)["Retry-After"] == "10"
    assert receiving.notices == []
