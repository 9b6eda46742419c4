"""The demo's identity provider ends sessions for the bridge, and for nobody who only says that they are the bridge."""

import gc
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from lxml import etree

from saml_slo.demo.idp import IdentityProvider
from saml_slo.demo.idp_pages import COOKIE, create_idp
from saml_slo.demo.places import Places
from saml_slo.demo.switches import Switches, read_switches
from saml_slo.protocol.names import SAML, SAMLP
from tests import idp
from tests.keys import pair

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",  # pysaml2 leaves certificates in open temporary files
)

ORIGIN = "http://idp.localhost:8001"
BRIDGE = "http://bridge.localhost:8000/saml/sp/demo"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
METADATA = f"""<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{BRIDGE}/metadata">
<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>
<ds:X509Certificate>{b64encode(pair("bridge").certificate).decode()}</ds:X509Certificate>
</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
<md:SingleLogoutService Binding="{REDIRECT}" Location="{BRIDGE}/slo"/>
<md:SingleLogoutService Binding="{POST}" Location="{BRIDGE}/slo"/>
<md:AssertionConsumerService Binding="{POST}" Location="{BRIDGE}/acs" index="0"/>
</md:SPSSODescriptor></md:EntityDescriptor>"""


@pytest.fixture
def places(tmp_path):
    """The usual ports, a folder of its own."""
    return Places(8000, 8001, 8002, 8003, 8004, tmp_path)


@pytest.fixture
def browser(places, monkeypatch):
    """A browser at the identity provider, which has read the bridge's metadata."""

    def trust(provider):
        assert provider._server.reload_metadata({"inline": [METADATA]})

    monkeypatch.setattr(idp, "NOW", datetime.now(UTC))
    monkeypatch.setattr(IdentityProvider, "_trust_the_bridge", trust)
    yield create_idp(places, Switches()).test_client(use_cookies=False)
    gc.collect()  # what pysaml2 left open is complained of here, where it is expected


def open_session(browser, user="alice"):
    """Sign in at the identity provider itself."""
    answer = browser.post("/sign-in", data={"user": user}, base_url=ORIGIN)
    assert answer.status_code == 303
    (cookie,) = [part for part in answer.headers["Set-Cookie"].split("; ") if part.startswith(COOKIE)]
    assert {"Secure", "HttpOnly", "SameSite=None"} <= set(answer.headers["Set-Cookie"].split("; "))
    return {"Cookie": cookie}


def sessions(browser):
    """How many sessions there are, in all browsers."""
    return browser.get("/session.json", base_url=ORIGIN).json["sessions"]


def logout_request(*, signer="bridge", indexes=(), user="alice", signed=True):
    """The bridge's LogoutRequest."""
    name_id = f'<saml:NameID Format="{idp.PERSISTENT}">{user}@idp.localhost</saml:NameID>'
    made = idp.logout_request(
        name_id=name_id, indexes=indexes, signed=False, issuer=f"{BRIDGE}/metadata", destination=f"{ORIGIN}/slo"
    )
    return idp.sign(made, signer) if signed else made


def post(browser, path, message):
    """Send a message by POST."""
    request = idp.post(message)
    return browser.post(path, data=request.body, content_type=request.content_type, base_url=ORIGIN)


def authn_request(*, signer="bridge", signed=True):
    """The bridge's AuthnRequest."""
    made = etree.fromstring(
        f'<samlp:AuthnRequest xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="_ar1" Version="2.0" '
        f'IssueInstant="{idp.instant()}" Destination="{ORIGIN}/sso" AssertionConsumerServiceURL="{BRIDGE}/acs">'
        f"<saml:Issuer>{BRIDGE}/metadata</saml:Issuer></samlp:AuthnRequest>"
    )
    return idp.sign(made, signer) if signed else made


def test_a_genuine_logout_request_ends_the_session(browser):
    """By POST with the bridge's signature: the session is gone, and the answer goes to the bridge."""
    open_session(browser)
    answer = post(browser, "/slo", logout_request())
    assert answer.status_code == 200
    assert f'action="{BRIDGE}/slo"' in answer.text
    assert sessions(browser) == 0


@pytest.mark.parametrize("how", [{"signed": False}, {"signer": "attacker"}, {"signer": "idp"}])
def test_a_forged_logout_request_ends_nothing(browser, how):
    """Without the bridge's signature nothing ends, by POST and by Redirect, at both endpoints."""
    open_session(browser)
    for path in ("/slo", "/sso"):
        assert post(browser, path, logout_request(**how)).status_code == 400
        query = idp.query(logout_request(signed=False), signer=how.get("signer", "attacker"))
        assert browser.get(f"{path}?{query}", base_url=ORIGIN).status_code == 400
        unsigned = query.partition("&SigAlg")[0]
        assert browser.get(f"{path}?{unsigned}", base_url=ORIGIN).status_code == 400
    assert sessions(browser) == 1


def test_a_session_index_ends_its_session_only(browser):
    """Of two sessions of one person the named one ends; the NameID alone ends the other one as well; Bob stays."""
    for _ in range(2):
        cookie = open_session(browser)
        assert "SAMLResponse" in post_with(browser, "/sso", authn_request(), cookie).text
    open_session(browser, "bob")
    (index,) = browser.get("/session.json", headers=cookie, base_url=ORIGIN).json["indexes"]
    post(browser, "/slo", logout_request(indexes=(index,)))
    assert sessions(browser) == 2
    post(browser, "/slo", logout_request())
    assert sessions(browser) == 1


def post_with(browser, path, message, headers):
    """Send a message by POST in the browser of a session."""
    request = idp.post(message)
    return browser.post(path, data=request.body, content_type=request.content_type, headers=headers, base_url=ORIGIN)


def test_it_signs_nobody_in_for_others(browser):
    """An AuthnRequest that the bridge did not sign gets an error page, also in a browser that is signed in."""
    cookie = open_session(browser)
    for how in ({"signed": False}, {"signer": "attacker"}):
        answer = post_with(browser, "/sso", authn_request(**how), cookie)
        assert answer.status_code == 400
        assert "SAMLResponse" not in answer.text


def test_switches_are_turned_whole_or_not_at_all(browser, places, monkeypatch):
    """A form sets every switch and what it leaves out is as usual; a word that is no position changes nothing."""
    monkeypatch.setattr("saml_slo.demo.idp_pages._RELOAD_SECONDS", 0)
    connection = places.metadata_dir / "connections" / "demo.xml"
    assert "SingleLogoutService" in connection.read_text()
    answer = browser.post("/switches", data={"logout_endpoint": "none", "bridge_accepts": "unsigned"}, base_url=ORIGIN)
    assert answer.headers["Location"] == "http://bridge.localhost:8000/demo#switches"
    assert "SingleLogoutService" not in connection.read_text()
    assert "unsigned_logout_response = true" in connection.with_suffix(".toml").read_text()

    turned = read_switches(places.switches_file)
    assert turned == Switches(logout_endpoint="none", bridge_accepts="unsigned")
    assert browser.post("/switches", data={"answer": "perhaps"}, base_url=ORIGIN).status_code == 400
    assert read_switches(places.switches_file) == turned

    browser.post("/switches", base_url=ORIGIN)
    assert read_switches(places.switches_file) == Switches()
    assert "SingleLogoutService" in connection.read_text()


def test_nonsense_gets_a_sentence(browser):
    """What is no message, or no user, is refused with a page."""
    assert browser.get("/slo", base_url=ORIGIN).status_code == 400
    assert browser.get("/sso?SAMLRequest=nonsense", base_url=ORIGIN).status_code == 400
    assert browser.post("/sign-in", data={"user": "mallory"}, base_url=ORIGIN).status_code == 400
