"""/.well-known/: what a developer's library finds to verify our tokens, and that no word of it is untrue."""

from joserfc import jwt
from joserfc.jwk import KeySet

from tests.methods.receiver import application
from tests.running import ORIGIN

DISCOVERY = "/.well-known/openid-configuration"


def test_the_document(bridge):
    """Issuer, keys, algorithms and the four flags: whatever an OpenID provider has and we have not is absent."""
    response = bridge.get(bridge.browser(), DISCOVERY)
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert response.get_json() == {
        "issuer": ORIGIN,
        "jwks_uri": f"{ORIGIN}/.well-known/jwks.json",
        "id_token_signing_alg_values_supported": ["RS256"],
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
    }


def test_it_may_be_kept(bridge):
    """Both documents are the same for everybody, so caches may keep them for an hour."""
    for path in (DISCOVERY, "/.well-known/jwks.json"):
        response = bridge.get(bridge.browser(), path)
        assert response.headers["Cache-Control"] == "public, max-age=3600"
        assert "Set-Cookie" not in response.headers


def test_a_library_that_knows_the_issuer_alone_verifies_a_token(signed_in, receiver):
    """From the issuer to the document, from there to the keys, with the algorithms that it names, to the claims."""
    bridge, browser = signed_in(application("rp", "oidc-backchannel", receiver.url()))
    bridge.logout(browser)
    token = receiver.wait_for(1).token
    found = bridge.get(browser, DISCOVERY).get_json()
    keys = bridge.get(browser, found["jwks_uri"].removeprefix(found["issuer"])).get_json()
    assert all("d" not in key and key["use"] == "sig" for key in keys["keys"])
    algorithms = found["id_token_signing_alg_values_supported"]
    verified = jwt.decode(token, KeySet.import_key_set(keys), algorithms=algorithms)
    assert verified.claims["iss"] == found["issuer"]
