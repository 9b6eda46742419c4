"""What is known of vendors: each pattern fits a real text of its vendor and nothing of another one."""

import time

import pytest

from saml_slo.diagnosis.knowledge import knowledge
from saml_slo.peers.connection_file import KEYS
from saml_slo.peers.preset import preset_names, read_preset

VENDORS = {vendor.name: vendor for vendor in knowledge().vendors}
ERRORS = [error for vendor in VENDORS.values() for error in vendor.errors]


def _name(error):
    return f"{error.vendor}: {error.code}"


def test_there_are_enough_of_them():
    """Sixty at least, of every vendor that the design names; one code stands once at a vendor."""
    assert len(ERRORS) >= 60
    assert {"adfs", "entra", "okta", "google", "auth0", "keycloak", "shibboleth", "simplesamlphp"} <= VENDORS.keys()
    assert {"onelogin", "pingone", "salesforce", "login-gov", "mellon", "lasso"} <= VENDORS.keys()
    assert len({(error.vendor, error.code) for error in ERRORS}) == len(ERRORS)


@pytest.mark.parametrize("error", ERRORS, ids=_name)
def test_a_real_text_leads_to_its_meaning(error):
    """Its example is explained by it first, and by no other vendor's error."""
    found = knowledge().explain(f"10:42 ERROR something failed\n{error.example}\n\tat some.stack.Trace(Trace.java:1)\n")
    assert found[0] is error
    assert {other.vendor for other in found} == {error.vendor}


@pytest.mark.parametrize("error", ERRORS, ids=_name)
def test_every_entry_says_what_to_do_and_where_it_is_from(error):
    """The meaning is a sentence, there is something to do there or here, and the fact has a source."""
    assert error.meaning.endswith(".")
    assert error.theirs or error.ours
    for text in (error.theirs, error.ours):
        assert not text or text.endswith((".", "?", ")")), text
    assert error.source


def test_a_whole_log_is_explained_in_its_order():
    """Several errors in one text are told in the order in which they stand."""
    log = (
        "MSIS7054: The SAML logout did not complete properly.\n"
        "The verification of the SAML message signature failed.\n"
        "MSIS0038: SAML Message has wrong signature.\n"
    )
    assert [error.code for error in knowledge().explain(log)] == ["MSIS7054", "event 320", "MSIS0038"]


@pytest.mark.parametrize("text", ["", "hello", "AADSTS1234567890", "logout request", "malformed_request.invalid"])
def test_what_is_not_known_is_not_guessed(text):
    """A code that merely looks like a known one explains nothing."""
    assert knowledge().explain(text) == ()


@pytest.mark.parametrize("text", ["A" * 100_000, "type=LOGOUT_ERROR " * 5_000, " " * 100_000, "SAML2 " * 20_000])
def test_no_text_keeps_it_busy(text):
    """Whatever is pasted is searched in a moment."""
    started = time.process_time()
    knowledge().explain(text)
    assert time.process_time() - started < 6


def test_the_presets_exist():
    """Every preset that a vendor's file names is one, and is for SAML."""
    for vendor in VENDORS.values():
        for name in vendor.presets:
            assert name in preset_names()
            assert read_preset(name, KEYS).get("kind", "saml") == "saml"


@pytest.mark.parametrize(
    ("entity_id", "url", "name"),
    [
        ("http://adfs.corp.example/adfs/services/trust", "", "adfs"),
        ("https://sts.windows.net/82869000-6ad1-48f0-8171-272ed18796e9/", "", "entra"),
        ("http://www.okta.com/exk1abc", "", "okta"),
        ("urn:anything", "https://corp.okta.com/app/x/exk1/sso/saml", "okta"),
        ("https://accounts.google.com/o/saml2?idpid=C01", "", "google"),
        ("urn:corp.eu.auth0.com", "", "auth0"),
        ("urn:corp.auth0.com", "", "auth0"),
        ("https://sso.corp.example/realms/main", "", "keycloak"),
        ("https://idp.uni.example/idp/shibboleth", "", "shibboleth"),
        ("https://idp.example/simplesaml/saml2/idp/metadata.php", "", "simplesamlphp"),
        ("https://app.onelogin.com/saml/metadata/123", "", "onelogin"),
        ("https://corp.my.salesforce.com", "", "salesforce"),
        ("https://idp.example/saml", "https://idp.example/sso", None),
    ],
)
def test_metadata_is_recognised(entity_id, url, name):
    """By its entity id, else by an endpoint; what nobody is known by stays unknown."""
    found = knowledge().recognise(entity_id, [url] if url else [])
    assert (None if found is None else found.name) == name
