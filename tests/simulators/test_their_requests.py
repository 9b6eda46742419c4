"""The vendors' own LogoutRequests: what they send ends the session here, and our answer passes their rules."""

import pytest

from saml_slo.protocol.envelope import HttpIn
from tests import idp
from tests.running import running_bridge
from tests.simulators import microsoft, servers, services

ALL = [
    microsoft.EntraId,
    microsoft.AdFs,
    services.Okta,
    services.Salesforce,
    services.OneLogin,
    services.PingFederate,
    services.Auth0,
    servers.Keycloak,
    servers.Shibboleth,
    servers.SimpleSamlPhp,
    servers.LemonLdap,
    servers.Authentic2,
]


@pytest.fixture
def meet(tmp_path, redis_url):
    """Run a bridge with a vendor by its preset, or by another TOML; a person is signed in through it."""
    stack = []

    def meeting(vendor, toml=None):
        vendor.write(tmp_path, f'preset = "{vendor.preset}"' if toml is None else toml)
        running = running_bridge(tmp_path, redis_url)
        vendor.meet(running.__enter__())
        stack.append(running)
        browser = vendor.bridge.browser()
        vendor.sign_in(browser)
        return vendor, browser

    yield meeting
    for running in stack:
        running.__exit__(None, None, None)


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.__name__)
@pytest.mark.parametrize("relay_state", [None, "ss:mem:0123 /+é"])
def test_a_vendors_logout_ends_the_session_here(meet, vendor, relay_state):
    """L7: ended without our cookie; answered where its metadata says (ResponseLocation), RelayState exactly echoed."""
    them, browser = meet(vendor())
    answer = them.ask(them.bridge.browser(), relay_state=relay_state)
    assert answer.statuses == ["Success"]
    assert not them.bridge.is_signed_in(browser)


@pytest.mark.parametrize("vendor", [microsoft.EntraId, microsoft.AdFs], ids=lambda vendor: vendor.__name__)
def test_lower_case_percent_encoding_is_what_was_signed(meet, vendor):
    """Entra ID, AD FS (pysaml2#957): the signature is over the octets as they came, hex digits in lower case."""
    them, browser = meet(vendor())
    location = them.sp.logout["redirect"]
    request = idp.logout_request(
        name_id=idp.NAME_ID.replace(idp.ENTITY_ID, them.entity_id).replace(idp.SP, them.sp.entity_id),
        issuer=them.entity_id,
        destination=location,
        signed=False,
    )
    made = idp.redirect(request, endpoint=location, relay_state="a/b+c", quoted=them.quoting)
    assert any(escape in made.query for escape in (b"%2b", b"%2f", b"%3d"))
    upper = HttpIn(method="GET", endpoint=location, query=made.query.replace(b"%2f", b"%2F").replace(b"%3a", b"%3A"))
    assert upper.query != made.query
    assert them.bridge.deliver(them.bridge.browser(), upper).status_code == 400
    assert them.bridge.is_signed_in(browser)
    assert them.bridge.deliver(them.bridge.browser(), made).status_code == 303
    assert not them.bridge.is_signed_in(browser)


def test_entra_may_name_the_person_otherwise(meet):
    """azure-docs#29978: its LogoutRequest has another NameID than its assertion; with the preset the session ends."""
    them, browser = meet(microsoft.EntraId())
    stranger = "<saml:NameID>d3b07384-d9a0-4c1b-8f0e-1a2b3c4d5e6f</saml:NameID>"
    assert them.ask(them.bridge.browser(), name_id=stranger).statuses == ["Success"]
    assert not them.bridge.is_signed_in(browser)


def test_without_the_preset_that_session_lives(meet):
    """The generic connection does not know whom that NameID names, and says so."""
    them, browser = meet(microsoft.EntraId(), "")
    stranger = "<saml:NameID>d3b07384-d9a0-4c1b-8f0e-1a2b3c4d5e6f</saml:NameID>"
    assert them.ask(them.bridge.browser(), name_id=stranger).statuses[-1] == "UnknownPrincipal"
    assert them.bridge.is_signed_in(browser)
