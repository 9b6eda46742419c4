"""oidc-backchannel: the POST with the logout token, as OpenID Connect Back-Channel Logout 1.0 has it."""

import base64
import json

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from saml_slo.logout.requests import Unasked, application_request
from saml_slo.logout.transaction import Channel, Kind, State, Target
from saml_slo.peers.methods import oidc
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.method import LogoutMethod, Method
from saml_slo.protocol.peer import Application
from saml_slo.protocol.session import Participant, Subject
from saml_slo.wire.jws import key_set
from tests import idp
from tests.keys import pair
from tests.methods.receiver import application, logout_token, rows, sweep
from tests.running import ORIGIN

URI = "https://rp.example/logout"
PATIENCE = dict.fromkeys(Channel, 1000)


def test_the_message_that_leaves(signed_in, receiver):
    """One POST with one form field, a token that any reader takes, and the names that our assertion gave."""
    rp = application("rp", "oidc-backchannel", receiver.url("/bc?tenant=7"))
    bridge, browser = signed_in(rp)
    location = bridge.logout(browser).headers["Location"]
    assert rows(bridge, browser, location)["rp"]["state"] == "confirmed"
    (got,) = receiver.got
    assert (got.method, got.path, got.query) == ("POST", "/bc", "tenant=7")
    assert got.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert got.headers["Host"] == receiver.host
    assert not {"Cookie", "Authorization", "Referer"} & got.headers.keys()
    header, claims = logout_token(bridge, got.token, audience="rp")
    assert header.keys() == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == ("RS256", "logout+jwt")
    assert (claims["sub"], claims["sid"]) == (rp.told.name_id, rp.told.session_index)
    assert claims.keys() == {"iss", "aud", "iat", "exp", "jti", "events", "sub", "sid"}
    assert claims["exp"] - claims["iat"] == 120


def test_the_row_of_the_receipt(signed_in, receiver):
    """It names the method, where it went and that HTTP confirmed it; there is no rung of a SAML ladder."""
    bridge, browser = signed_in(application("rp", "oidc-backchannel", receiver.url()))
    row = rows(bridge, browser, bridge.logout(browser).headers["Location"])["rp"]
    assert (row["method"], row["channel"], row["endpoint"]) == ("oidc-backchannel", "oidc-backchannel", receiver.url())
    assert (row["endpoint_source"], row["rung"], row["ended"]) == ("configuration", None, True)
    assert row["reason"] == "It confirmed our signed call (HTTP status 204)."


def test_the_operators_audience(signed_in, receiver):
    """`audience` stands in for the client_id; and session_required changes nothing where there is a sid."""
    more = 'audience = "https://rp.example/aud"\nsession_required = true\n'
    bridge, browser = signed_in(application("rp", "oidc-backchannel", receiver.url(), more))
    bridge.logout(browser)
    _, claims = logout_token(bridge, receiver.wait_for(1).token, audience="https://rp.example/aud")
    assert claims["sid"]


def test_each_attempt_is_a_token_of_its_own(signed_in, receiver):
    """A receiver that remembers every jti refuses a repeated token (2.6): jti and times are fresh, the names stay."""
    receiver.answer = (503, "", b"", {})
    bridge, browser = signed_in(application("rp", "oidc-backchannel", receiver.url()))
    rows(bridge, browser, bridge.logout(browser).headers["Location"])  # the attempt has come to its end
    _, first = logout_token(bridge, receiver.wait_for(1).token, audience="rp")
    sweep(bridge, 6)
    _, second = logout_token(bridge, receiver.wait_for(2).token, audience="rp")
    assert first["jti"] != second["jti"]
    assert (second["iat"], second["exp"]) == (first["iat"] + 6, first["exp"] + 6)
    assert (first["sub"], first["sid"]) == (second["sub"], second["sid"])


# What the application registered by the API (product A2) -------------------------------------------------------------


def asked(subject, *, kind=Method.OIDC_BACKCHANNEL, session_required=False):
    """What an application is asked whose session was registered with this subject."""
    name = NameId(value=subject.user or subject.session or "x")
    participant = Participant(application="rp", name_id=name, session_index="_ours", since=1, subject=subject)
    method = LogoutMethod(kind=kind, uri=URI, session_required=session_required)
    return application_request(method, participant, idp.NOW.date(), PATIENCE, 9)


def claims_of(request, key="bridge"):
    """The header and claims of the token for a request."""
    target = Target(
        id="_t1", kind=Kind.APPLICATION, name="rp", peer="rp", since=1, state=State.SENT, changed_at=1, request=request
    )
    rp = Application(client_id="rp", logout=LogoutMethod(kind=Method.OIDC_BACKCHANNEL, uri=URI))
    call = oidc.call(target, request, rp, ORIGIN, idp.NOW, pair(key).signing)
    token = call.body.decode().removeprefix("logout_token=")
    keys = key_set((pair(key).certificate,))["keys"]
    found = jwt.decode(token, jwt_key(keys[0]), algorithms=[keys[0]["alg"]])
    return found.header, found.claims


def jwt_key(found):
    """A JWK as joserfc wants it."""
    return (RSAKey if found["kty"] == "RSA" else ECKey).import_key(found)


@pytest.mark.parametrize(
    ("subject", "claims"),
    [
        (Subject(session="s1", user="u1", issuer="https://op", sub="a", sid="b"), ("https://op", "a", "b")),
        (Subject(session="s1", user="u1", sub="a"), (ORIGIN, "a", None)),
        (Subject(session="s1", user="u1", issuer="https://op", sid="b"), ("https://op", None, "b")),
        (Subject(session="s1", user="u1"), (ORIGIN, "u1", "s1")),
        (Subject(session="s1"), (ORIGIN, None, "s1")),
        (Subject(user="u1", sub="", sid=""), (ORIGIN, "u1", None)),
    ],
)
def test_the_names_that_the_application_registered(subject, claims):
    """`iss`, `sub` and `sid` as registered, and none that was not; its own ids only where it registered neither."""
    _, found = claims_of(asked(subject))
    assert (found["iss"], found.get("sub"), found.get("sid")) == claims
    assert found.keys() & {"sub", "sid"}  # 2.4: one of them at least


@pytest.mark.parametrize("kind", [Method.OIDC_BACKCHANNEL, Method.OIDC_FRONTCHANNEL])
def test_a_session_that_is_required_and_not_known(kind):
    """An application that wants a sid and registered none is not asked in a way that it would ignore."""
    unasked = asked(Subject(session="s1", user="u1", sub="a"), kind=kind, session_required=True)
    assert isinstance(unasked, Unasked)
    assert unasked.state is State.UNSUPPORTED
    assert unasked.reason == "It wants to be told by the id of your session (sid), and registered none."
    assert asked(Subject(session="s1", sub="a"), kind=kind).subject.sid is None


def test_nothing_to_name_anybody_by():
    """There is no logout token without sub and sid, so none is sent."""
    assert asked(Subject()).state is State.UNSUPPORTED


@pytest.mark.parametrize(("key", "algorithm"), [("bridge", "RS256"), ("p256", "ES256")])
def test_the_algorithm_is_that_of_our_key(key, algorithm):
    """RS256 by an RSA key, ES256 by one on P-256; never none, never one that the message chose."""
    header, _ = claims_of(asked(Subject(session="s1")), key)
    assert header["alg"] == algorithm


def test_a_receipt_is_something_else(signed_in, receiver):
    """`typ` tells our JWTs apart (RFC 8725 3.11): no receipt passes for a logout token, nor the other way about."""
    bridge, browser = signed_in(application("rp", "oidc-backchannel", receiver.url()))
    location = bridge.logout(browser).headers["Location"]
    receipt = bridge.get(browser, f"{location}.jws").get_data(as_text=True)
    types = [header_of(token)["typ"] for token in (receipt, receiver.wait_for(1).token)]
    assert types == ["logout-receipt+jwt", "logout+jwt"]


def header_of(token):
    """The header of a JWT."""
    part = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
