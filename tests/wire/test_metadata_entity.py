"""Which entity of a metadata document is meant must be beyond doubt (security K233)."""

import pytest

from tests.wire.idp_metadata import SAMLP, entities, entity, read, refused, role


@pytest.mark.parametrize(
    "entity_id",
    ["", "a" * 1025, "https://idp.test/ x", "https://idp.test/&#10;", " x", "a\u200bb", "a\u00a0b", "a\u2028b"],
)
def test_an_ambiguous_entity_id_loads_nothing(entity_id):
    """K233: no id, 1,025 characters, white space and invisible characters are refused; 1,024 characters pass."""
    refused(entity(entity_id=entity_id))
    assert read(entity(entity_id="a" * 1024)).entity_id == "a" * 1024


def test_the_entity_is_selected_by_its_id():
    """K233: in an aggregate the id selects; without one there must be one identity provider; twins are refused."""
    sp = entity(role().replace("IDPSSO", "SPSSO"), entity_id="https://sp.test")
    a, b = entity(entity_id="https://a.test"), entity(entity_id="https://b.test")
    assert read(entities(sp, entities(a))).entity_id == "https://a.test"
    assert read(entities(sp, entities(a), b), "https://b.test").entity_id == "https://b.test"
    assert refused(entities(a, b)).got == "2 among 2 entities"
    assert "entity_id" in refused(entities(a, b)).next_step
    refused(entities(a, a), "https://a.test")
    refused(entities(a, b), "https://c.test")
    refused(entities(sp))
    refused(entities())
    assert refused(a, "https://b.test").got == "'https://a.test'"


def test_deep_groups_are_refused():
    """K233: EntitiesDescriptor nested fifty deep is refused, two deep is read."""
    text = entity()
    for _ in range(50):
        text = entities(text)
    refused(text)


@pytest.mark.parametrize(
    "inside",
    [
        "",
        role() + role(),
        role(protocols="urn:oasis:names:tc:SAML:1.1:protocol"),
        role(protocols=SAMLP + "x"),
        role(protocols=""),
        role().replace("IDPSSO", "PDP"),
    ],
)
def test_there_is_exactly_one_saml2_idp_role(inside):
    """K233: no IDPSSODescriptor, two, or one that does not speak SAML 2.0 loads nothing."""
    refused(entity(inside))
    assert read(entity(role(protocols=f"urn:oasis:names:tc:SAML:1.1:protocol {SAMLP}")))
