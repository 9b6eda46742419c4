"""Connections of one federation: one name of ours, one ACS and one SLO endpoint; the issuer says which member it is."""

import pytest
from lxml import etree

from tests import idp
from tests.metadata.signing import signed, signer_file
from tests.running import OTHER_ENTITY_ID, descriptor, running_bridge
from tests.wire.idp_metadata import entities

# The federation is called `idp`, so that its endpoints are those at which tests.idp delivers.
MEMBERS = {"a": idp.ENTITY_ID, "b": OTHER_ENTITY_ID}


@pytest.fixture
def federated(tmp_path, redis_url):
    """A bridge with two connections, both members of the federation `idp`."""
    with running_bridge(tmp_path, redis_url) as bridge:
        metadata = bridge.settings.metadata_dir
        for path in (metadata / "connections").iterdir():
            path.unlink()
        (metadata / "federations").mkdir()
        (metadata / "federations" / "signer.crt").write_text(signer_file("p256"))
        (metadata / "federations" / "idp.toml").write_text('metadata_signer = "signer.crt"')
        both = descriptor(idp.ENTITY_ID), descriptor(OTHER_ENTITY_ID, ("other-idp",))
        method = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
        (metadata / "federations" / "idp.xml").write_text(signed(entities(*both), "p256", method=method))
        for name, entity_id in MEMBERS.items():
            (metadata / "connections" / f"{name}.toml").write_text(f'federation = "idp"\nentity_id = "{entity_id}"')
        house = bridge.app.extensions["saml_slo"]
        house.renewal.look_at_federations()
        house.registry.reload()
        assert house.registry.problems() == ()
        yield bridge


def answer(bridge, request, issuer=idp.ENTITY_ID, signer="idp"):
    """A member's Response to an AuthnRequest, signed with the key of whoever signs."""
    text = etree.tostring(bridge.answer(request)).decode()
    root = etree.fromstring(text.replace(f">{idp.ENTITY_ID}<", f">{issuer}<"))
    found = root.find("{*}Assertion")
    found.remove(found.find("{*}Signature"))
    idp.sign(found, signer)
    return idp.post(root, endpoint=idp.ACS)


def test_both_sign_in_at_one_place(federated):
    """Every member is asked under one name of ours, answers at one ACS, and is logged out at its own URL."""
    for name, entity_id, signer in (("a", idp.ENTITY_ID, "idp"), ("b", OTHER_ENTITY_ID, "other-idp")):
        browser = federated.browser()
        request = federated.start_sign_in(browser, name)
        assert request.root.get("AssertionConsumerServiceURL") == idp.ACS
        assert request.root.findtext("{*}Issuer") == idp.SP
        assert federated.deliver(browser, answer(federated, request, entity_id, signer)).status_code == 303
        assert federated.is_signed_in(browser)
        response = federated.logout(browser, federated="")
        assert response.headers["Location"].startswith(entity_id.removesuffix("/saml") + "/slo")
        assert not federated.is_signed_in(browser)


def test_a_member_that_logs_a_person_out(federated):
    """Its LogoutRequest comes to the shared endpoint and ends its sessions."""
    browser = federated.browser()
    request = federated.start_sign_in(browser, "a")
    federated.deliver(browser, answer(federated, request))
    issued = federated.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    message = idp.logout_request(signed=False, issued=issued)
    assert federated.deliver(federated.browser(), idp.redirect(message)).status_code in (302, 303)
    assert not federated.is_signed_in(browser)


@pytest.mark.parametrize(
    ("issuer", "signer", "reason"),
    [
        (OTHER_ENTITY_ID, "other-idp", "issuer_mismatch"),
        (OTHER_ENTITY_ID, "idp", "signature_invalid"),
        (idp.ENTITY_ID, "other-idp", "signature_invalid"),
        ("https://nobody.test", "idp", "issuer_unknown"),
    ],
)
def test_no_member_answers_for_another(federated, issuer, signer, reason):
    """CVE-2026-49284 at a shared endpoint: only the member that was asked answers, and only with its own key."""
    browser = federated.browser()
    request = federated.start_sign_in(browser, "a")
    assert federated.deliver(browser, answer(federated, request, issuer, signer)).status_code == 400
    assert federated.reasons() == [reason]
    assert not federated.is_signed_in(browser)


def test_a_member_cannot_log_out_the_people_of_another(federated):
    """A LogoutRequest with another member's name has another member's key to fit."""
    browser = federated.browser()
    request = federated.start_sign_in(browser, "a")
    federated.deliver(browser, answer(federated, request))
    issued = federated.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    forged = idp.redirect(idp.logout_request(signed=False, issued=issued), signer="other-idp")
    assert federated.deliver(federated.browser(), forged).status_code == 400
    own = idp.logout_request(signed=False, issued=issued, issuer=OTHER_ENTITY_ID, identifier="_lr2")
    federated.deliver(federated.browser(), idp.redirect(own, signer="other-idp"))
    assert federated.is_signed_in(browser)


def test_our_metadata_for_the_federation(federated):
    """One document for all of its members, at the name of the federation."""
    document = federated.get(federated.browser(), "/saml/sp/idp/metadata").get_data(as_text=True)
    assert f'entityID="{idp.SP}"' in document
    assert f'Location="{idp.ACS}"' in document
    assert federated.get(federated.browser(), "/saml/sp/a/metadata").get_data(as_text=True) == document


def test_a_connection_with_the_name_of_the_federation_is_a_conflict(federated):
    """Both would have the same URLs, so the members are not loaded, and the problem says so."""
    folder = federated.settings.metadata_dir / "connections"
    (folder / "idp.toml").write_text("")
    (folder / "idp.xml").write_text(descriptor("https://third.test/saml"))
    registry = federated.app.extensions["saml_slo"].registry
    registry.reload()
    assert [connection.name for connection in registry.connections()] == ["idp"]
    assert "has the name of this one's federation" in str(registry.problems()[0])
