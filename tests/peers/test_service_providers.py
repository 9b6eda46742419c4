"""Applications that speak SAML are in force, broken, replaced and expired exactly as connections are (product O1)."""

import pytest

from saml_slo.errors import Reason
from tests.peers.conftest import PUBLIC_URL
from tests.wire.idp_metadata import certificate, key_descriptor, usual_certificate
from tests.wire.sp_metadata import sp_entity, sp_role


def refreshed(place, registry):
    """The registry a second later."""
    place.later()
    registry.refresh()
    return registry


def names(registry):
    """The client_ids of what is in force and speaks SAML."""
    return [provider.name for provider in registry.service_providers()]


def test_providers_are_found_by_client_id_and_by_entity_id(place):
    """Both look-ups give the same record; an application without SAML, and what does not exist, is None."""
    place.application("b", entity_id="https://b.test")
    place.application("a.x", "enabled = false", entity_id="https://a.test")
    place.application("bare")
    registry = place.registry()
    assert names(registry) == ["a.x", "b"]
    assert registry.service_provider_of("https://b.test") is registry.service_provider("b")
    assert registry.application("b").provider is registry.service_provider("b")
    assert registry.service_provider_of("https://a.test").enabled is False
    assert registry.application("bare").provider is None
    assert [registry.service_provider(name) for name in ("bare", "none")] == [None, None]
    assert registry.service_provider_of("b") is None
    assert registry.application_file("b").metadata_path == place.folder / "applications" / "b.xml"


def test_metadata_may_come_and_go(place):
    """An XML that appears beside the TOML makes it a service provider at the next refresh; its removal ends that."""
    place.application("shop", 'display_name = "Shop"')
    registry = place.registry()
    assert names(refreshed(place, registry)) == []
    place.application("shop", 'display_name = "Shop"', entity_id="https://shop.test")
    assert names(refreshed(place, registry)) == ["shop"]
    (place.folder / "applications" / "shop.xml").unlink()
    assert names(refreshed(place, registry)) == []
    assert registry.application("shop").title == "Shop"
    assert registry.service_provider_of("https://shop.test") is None
    assert registry.problems() == ()


def test_metadata_that_appears_later_is_seen_after_the_files_have_rested(place):
    """The absence of metadata is remembered as such: a new XML alone, long after the TOML, is a change."""
    place.application("shop")
    place.now = place.now.fromtimestamp(
        (place.folder / "applications" / "shop.toml").stat().st_ctime + 60, place.now.tzinfo
    )
    registry = place.registry()
    assert names(refreshed(place, registry)) == []
    place.write("applications/shop.xml", sp_entity(entity_id="https://shop.test"))
    assert names(refreshed(place, registry)) == ["shop"]


@pytest.mark.parametrize("breakage", ["toml", "xml", "no xml", "weaker key", "no key to encrypt to"])
def test_a_broken_change_leaves_the_last_good_version_in_force(place, breakage):
    """O1: whatever of its files breaks, the record stays, the problem says so, and a repair takes force."""
    place.application("shop", "skew = 10", entity_id="https://shop.test")
    registry = place.registry()
    before = registry.service_provider("shop")
    if breakage in ("toml", "no key to encrypt to"):
        place.application("shop", "skew = 20\nskew =" if breakage == "toml" else "encrypt_assertion = true")
    elif breakage == "no xml":
        (place.folder / "applications" / "shop.xml").unlink()
    else:
        place.application("shop", "skew = 10", xml="<broken" if breakage == "xml" else sp_entity(sp_role(endpoints="")))
    refreshed(place, registry)
    assert registry.service_provider("shop") is before
    assert registry.service_provider_of("https://shop.test") is before
    (problem,) = registry.problems()
    assert problem.in_force
    registry.reload()
    assert registry.service_provider("shop") is before
    place.application("shop", "skew = 30", entity_id="https://shop.test")
    assert refreshed(place, registry).service_provider("shop").skew == 30
    assert registry.problems() == ()
    assert place.reported == [problem]


def test_a_broken_application_harms_only_itself(place):
    """One bad file among three is a problem; the other two, and connections, are in force."""
    for name in "abc":
        place.application(name, "skew = x" if name == "b" else "", entity_id=f"https://{name}.test")
    place.connection("idp")
    registry = place.registry()
    assert names(registry) == ["a", "c"]
    assert registry.connection("idp")
    assert len(registry.problems()) == 1


def test_a_rollover_is_two_edits(place):
    """C084: the new certificate beside the old one, then the new one alone; each step counts by itself."""
    old, new = usual_certificate(), certificate()
    place.application("a", entity_id="https://a.test")
    registry = place.registry()
    for keys in ((old, new), (new,)):
        place.application("a", xml=sp_entity(sp_role(keys=key_descriptor(*keys)), entity_id="https://a.test"))
        assert refreshed(place, registry).service_provider("a").signing_certificates == keys


def test_one_entity_is_one_application(place):
    """K233: of two applications with one entity id the first by name stays; nothing of the other is in force."""
    place.application("b", entity_id="https://shop.test")
    registry = place.registry()
    place.application("c", '\n\nentity_id = "https://shop.test"', entity_id="https://shop.test")
    refreshed(place, registry)
    assert names(registry) == ["b"]
    assert registry.service_provider_of("https://shop.test").name == "b"
    assert (registry.application("c"), registry.return_urls("c")) == (None, None)
    (problem,) = registry.problems()
    assert (problem.file.name, problem.line, problem.reason) == ("c.toml", 3, Reason.METADATA_INVALID)
    assert "application b has the entity id 'https://shop.test' already" in problem.text
    (place.folder / "applications" / "b.toml").unlink()
    assert names(refreshed(place, registry)) == ["c"]
    assert registry.problems() == ()


@pytest.mark.parametrize(
    "ours", [f"{PUBLIC_URL}/saml/idp/metadata", f"{PUBLIC_URL}/saml/sp/idp/metadata", "urn:our:old:name"]
)
def test_nobody_is_ourselves(place, ours):
    """K233: none of the names that we have ourselves can be an application's, nor an identity provider's."""
    place.connection("idp", 'sp_entity_id = "urn:our:old:name"')
    place.application("shop", entity_id=ours)
    place.connection("evil", entity_id=ours)
    registry = place.registry()
    assert names(registry) == []
    assert [connection.name for connection in registry.connections()] == ["idp"]
    assert ["one of our own entity ids" in problem.text for problem in registry.problems()] == [True, True]


def test_one_entity_may_have_both_roles(place):
    """A peer that is upstream and downstream under one entity id is both: endpoints and keys are apart."""
    place.connection("idp", entity_id="https://both.test")
    place.application("shop", entity_id="https://both.test")
    registry = place.registry()
    assert registry.problems() == ()
    assert registry.connection_of("https://both.test").name == "idp"
    assert registry.service_provider_of("https://both.test").name == "shop"


def test_a_connection_that_is_not_there_is_told(place):
    """An application whose upstream is missing stays in force, so that it can log out, and the warning has its line."""
    place.application("shop", '\nconnection = "okta"', entity_id="https://shop.test")
    registry = place.registry()
    assert names(registry) == ["shop"]
    (warning,) = registry.warnings()
    assert (warning.file.name, warning.line) == ("shop.toml", 2)
    assert "connection okta is not in force" in warning.text
    assert place.reported == [warning]
    place.connection("okta")
    assert refreshed(place, registry).warnings() == ()


def test_metadata_that_expires_disables_its_application(place):
    """K232: when validUntil passes, the record stays disabled for logouts, and fresh metadata brings it back."""
    until = 'validUntil="2026-11-20T07:00:00Z"'
    place.application("shop", xml=sp_entity(entity_id="https://shop.test", attributes=until))
    place.connection("idp")
    registry = place.registry()
    assert registry.service_provider("shop").enabled
    place.later(3600)
    registry.refresh()
    for provider in (
        registry.service_provider("shop"),
        registry.service_provider_of("https://shop.test"),
        registry.application("shop").provider,
        *registry.service_providers(),
    ):
        assert not provider.enabled
    assert registry.return_urls("shop")
    assert registry.connection("idp").enabled
    (problem,) = registry.problems()
    assert "expired at 2026-11-20 07:00:00 UTC: the application is disabled" in problem.text
    assert place.registry().application("shop") is None  # after a restart it is not loaded at all
    place.application("shop", entity_id="https://shop.test")
    assert refreshed(place, registry).service_provider("shop").enabled
    assert registry.problems() == ()
