"""Each vendor's emulator without its preset: what goes wrong there is named by doctor, inspect or explain."""

import pytest

from saml_slo.diagnosis.explain import Explainer
from saml_slo.diagnosis.knowledge import knowledge
from saml_slo.inspection import Inspector, captured_in
from saml_slo.protocol.messages import NameId
from tests import idp
from tests.running import running_bridge
from tests.simulators import microsoft, servers, services
from tests.simulators.message import Breach, Message

# What the vendor's real metadata is recognised by; the emulators live at names of their own.
REAL = {
    microsoft.EntraId: "https://sts.windows.net/82869000-6ad1-48f0-8171-272ed18796e9/",
    microsoft.AdFs: "http://adfs.corp.example/adfs/services/trust",
    services.Okta: "http://www.okta.com/exk1abc",
    services.GoogleWorkspace: "https://accounts.google.com/o/saml2?idpid=C01",
    services.Salesforce: "https://corp.my.salesforce.com",
    services.OneLogin: "https://app.onelogin.com/saml/metadata/123",
    services.PingOne: "https://auth.pingone.eu/6b1c",
    services.LoginGov: "https://idp.int.identitysandbox.gov/api/saml",
    services.Auth0: "urn:corp.auth0.com",
}
BY_THEIR_ENDPOINTS = (
    services.PingFederate,
    servers.Keycloak,
    servers.Shibboleth,
    servers.SimpleSamlPhp,
    servers.Wso2,
    servers.OpenAm,
)
UNSIGNED = (microsoft.EntraId, microsoft.AdFs, services.Okta, services.OneLogin, services.LoginGov)
DEMAND_AN_INDEX = (microsoft.AdFs, services.Salesforce, services.Auth0, servers.LemonLdap, servers.Wso2, servers.OpenAm)
TAKE_NO_LOGOUT_AT_LOGIN = (
    services.Okta,
    services.GoogleWorkspace,
    services.Salesforce,
    services.OneLogin,
    services.PingOne,
    services.PingFederate,
    servers.Shibboleth,
    servers.SimpleSamlPhp,
)


def _name(vendor):
    return vendor.__name__


@pytest.fixture
def meet(tmp_path, redis_url):
    """Run a bridge with a vendor whose file is empty or names its preset."""
    stack = []

    def meeting(vendor, *, preset, **how):
        them = vendor(**how)
        them.write(tmp_path, f'preset = "{vendor.preset}"' if preset else "")
        running = running_bridge(tmp_path, redis_url)
        bridge = running.__enter__()
        stack.append(running)
        them.meet(bridge)
        return them

    yield meeting
    for running in stack:
        running.__exit__(None, None, None)


def _explained(them):
    house = them.bridge.app.extensions["saml_slo"]
    alice = NameId(value="alice@corp.test", format=idp.PERSISTENT)
    who = house.journey.endings.principal(house.registry.connection(them.name), alice)
    (explanation,) = Explainer(house=house).sessions(house.store.sessions_of(who, house.journey.now()), ())
    return {one.name: one for one in explanation.conditions if one.about == f"connection {them.name}"}


@pytest.mark.parametrize("vendor", [*REAL, *BY_THEIR_ENDPOINTS], ids=_name)
def test_the_doctor_names_the_preset_that_is_missing(clinic, vendor):
    """From the vendor's metadata alone; with the preset there is nothing to say."""
    them = vendor()
    text = them.metadata().replace(f'"{them.entity_id}"', f'"{REAL.get(vendor, them.entity_id)}"')
    clinic.connection("", text)
    finding = clinic.one("preset.missing", "idp")
    assert finding.expected == f'preset = "{vendor.preset}"'
    clinic.connection(f'preset = "{vendor.preset}"', text)
    assert not [one for one in clinic.examine("idp") if one.code.startswith("preset.")]


@pytest.mark.parametrize("vendor", UNSIGNED, ids=_name)
def test_inspect_names_the_setting_for_unsigned_answers(meet, vendor):
    """The vendor's answer as it came: refused for its missing signature with the key to set, taken with the preset."""
    for preset in (False, True):
        them = meet(vendor, preset=preset)
        browser = them.bridge.browser()
        them.sign_in(browser)
        answer = them.receive(Message.of(them.bridge.logout(browser, federated="")))
        capture = f"{answer.endpoint}?{answer.query.decode()}".encode() if answer.method == "GET" else answer.body
        house = them.bridge.app.extensions["saml_slo"]
        inspector = Inspector(
            registry=house.registry,
            public_url=house.settings.public_url,
            keys=house.keys.current(),
            clock=them.bridge.clock,
        )
        (captured,) = captured_in(capture)
        report = inspector.inspect(captured)
        if preset:
            assert report.verdict == "accepted", report.summary
        else:
            assert report.failed.name == "root_signed_unless_expected"
            assert "unsigned_logout_response" in report.failed.setting
        (them.bridge.settings.metadata_dir / "applications").rmdir()


@pytest.mark.parametrize("vendor", DEMAND_AN_INDEX, ids=_name)
def test_explain_names_a_missing_session_index(meet, vendor):
    """The sign-in brought none: weak without the preset, and failing with it, before anything is asked."""
    for preset, state in ((False, "weak"), (True, "fails")):
        them = meet(vendor, preset=preset)
        them.sign_in(them.bridge.browser(), indexes=())
        condition = _explained(them)["SessionIndex of the sign-in"]
        assert (condition.value, condition.state) == ("none", state)
        (them.bridge.settings.metadata_dir / "applications").rmdir()


@pytest.mark.parametrize("vendor", TAKE_NO_LOGOUT_AT_LOGIN, ids=_name)
def test_explain_names_the_login_url(meet, vendor):
    """Without a logout URL the request would go to the login URL, which these vendors do not take: it says so."""
    them = meet(vendor, preset=False, has_logout=False)
    browser = them.bridge.browser()
    them.sign_in(browser)
    condition = _explained(them)["endpoint"]
    assert condition.state == "weak"
    assert condition.value.startswith("login_url: ")
    assert "preset" in condition.next_step
    with pytest.raises(Breach):
        them.log_out(browser)


def test_explain_names_indexes_that_a_vendor_does_not_know(meet):
    """Salesforce keeps the first alone: more of them in the request are a weak line with the key to set."""
    them = meet(services.Salesforce, preset=False)
    browser = them.bridge.browser()
    them.sign_in(browser, indexes=("_s1", "_s2"))
    condition = _explained(them)["SessionIndex values in the request"]
    assert (condition.value, condition.state) == ("2", "weak")
    assert "first_session_index_only" in condition.next_step
    with pytest.raises(Breach, match="first_session_index_only"):
        them.log_out(browser)


# What a vendor's log says of a broken rule, and the word by which the doctor explains it.
TEXTS = {
    "signed": "MSIS7084: SAML logout request and logout response messages must be signed when using SAML HTTP Redirect",
    "same_name_id": "The SAML Single Logout request does not correspond to the logged-in session participant.",
    "relay_state": "MSIS7000: The sign in request is not compliant to the WS-Federation language",
    "redirect_only": "AADSTS75005: The request is not a valid Saml2 protocol message.",
    "plain_name_id": "AADSTS7500530: SAML NameId cannot be null.",
    "issuer": "app.auth.slo.saml.invalid_issuer",
    "known_name_id": "app.auth.slo.saml.invalid_nameid",
    "logout_endpoint": "app.auth.slo.saml.malformed_request.invalid_type",
    "malformed_request": "Error: malformed_request",
    "known_session_index": "No active session(s) found matching LogoutRequest",
    "with_session_index": "We are unable to log you out.",
    "destination": "type=LOGOUT_ERROR, realmId=corp, error=invalid_logout_request, reason=invalid_destination",
    "time_window": "Message was rejected due to issue instant expiration",
}


@pytest.mark.parametrize("rule", TEXTS)
def test_the_vendors_word_for_a_broken_rule_is_explained(rule):
    """What the real product writes when the emulator's rule is broken has an entry, with something to change here."""
    (first, *_) = knowledge().explain(TEXTS[rule])
    assert first.ours
