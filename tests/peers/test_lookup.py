"""Whose keys a message is verified with: never those of somebody else, of nobody, or of a peer that is switched off."""

import pytest

from saml_slo.errors import MessageRefused, Reason
from saml_slo.peers.lookup import provider_of
from tests.wire.sp_metadata import sp_entity

UNTIL = 'validUntil="2026-11-20T07:00:00Z"'


@pytest.mark.parametrize(
    "issuer",
    [
        None,
        "",
        "https://nobody.test",
        "https://SHOP.test",
        "https://shop.test/",
        " https://shop.test",
        "shop",
        "https://off.test",
        "https://idp.test",
        "https://bridge.test/saml/idp/metadata",
    ],
)
def test_only_an_application_in_force_is_heard(place, issuer):
    """G issuer: no Issuer, one that is not an application's to the letter, or a disabled one is refused."""
    place.application("shop", entity_id="https://shop.test")
    place.application("off", "enabled = false", entity_id="https://off.test")
    place.application("bare")
    place.connection("idp")
    registry = place.registry()
    assert registry.problems() == ()
    assert provider_of(registry, "https://shop.test") is registry.service_provider("shop")
    with pytest.raises(MessageRefused) as raised:
        provider_of(registry, issuer)
    assert raised.value.reason is Reason.ISSUER_UNKNOWN


def test_an_application_that_expires_is_not_heard_any_more(place):
    """K232: from the moment of validUntil the application's messages are refused, though its record is kept."""
    place.application("shop", xml=sp_entity(entity_id="https://shop.test", attributes=UNTIL))
    registry = place.registry()
    assert provider_of(registry, "https://shop.test")
    place.later(3600)
    registry.refresh()
    assert registry.service_provider("shop")
    with pytest.raises(MessageRefused, match="not in force"):
        provider_of(registry, "https://shop.test")


def test_a_foreign_issuer_is_shown_in_the_log_harmlessly(place):
    """What a stranger wrote is cut and escaped before anybody reads it."""
    with pytest.raises(MessageRefused) as raised:
        provider_of(place.registry(), "x\n" * 5000)
    assert "\n" not in raised.value.got
    assert len(raised.value.got) < 700
