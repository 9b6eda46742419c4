"""What the API says and does when Redis does not do its part: nothing is claimed that did not happen (F01 to F16)."""

import pytest

from saml_slo.app import create_app
from tests.api.calling import Caller, refused
from tests.running import Bridge


@pytest.fixture
def full(bridge):
    """A function that fills Redis up: from then on commands that need memory are refused."""
    yield lambda: bridge.redis.config_set("maxmemory", 1)
    bridge.redis.config_set("maxmemory", 0)


def test_a_full_redis_logs_out_and_takes_nothing_new(bridge, shop, full):
    """F04: registering is refused with 503; a logout goes through, with an idempotency key too, and is told once."""
    shop.register("cart-1", user="alice")
    shop.register("cart-2", user="bob")
    full()
    refused(shop.register("cart-3", user="carol"), 503, "store_unavailable")
    assert shop.touch("cart-1").status_code == 200
    assert shop.logout(user="alice").status_code == 201
    first = shop.logout("key-1", user="bob")
    assert first.status_code == 201
    assert shop.logout("key-1", user="bob").get_json()["id"] == first.get_json()["id"]
    assert not shop.is_alive("cart-1")
    assert not shop.is_alive("cart-2")
    assert shop.leave("cart-4").status_code == 204


def test_a_redis_that_is_gone_is_503_with_retry_after(tmp_path, bridge):
    """F01: nobody is told that they are signed in or out; a wrong key is a wrong key all the same."""
    nowhere = create_app(bridge.settings.model_copy(update={"redis_url": f"unix://{tmp_path}/nowhere"}))
    shop = Caller(Bridge(nowhere, bridge.settings, bridge.redis, bridge.clock), "shop")
    for answer in (
        shop.register("cart-2", user="alice"),
        shop.read("cart-1"),
        shop.touch("cart-1"),
        shop.leave("cart-1"),
        shop.logout(user="alice"),
        shop.logout("key-1", session="cart-1"),
        shop.call("GET", "logouts/" + "0" * 26),
    ):
        refused(answer, 503, "store_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    refused(shop.call("GET", "sessions/x", headers={"Authorization": "Bearer x"}), 401, "unauthorised")
    nowhere.extensions["saml_slo"].stop()


def test_scripts_that_redis_forgot_are_loaded_again(bridge, shop):
    """F16: a failover or SCRIPT FLUSH between two calls is not noticed."""
    shop.register("cart-1", user="alice")
    for call in (
        lambda: shop.register("cart-2", user="alice"),
        lambda: shop.touch("cart-1"),
        lambda: shop.leave("cart-2"),
        lambda: shop.logout("key-1", user="alice"),
    ):
        bridge.redis.script_flush()
        assert call().status_code in (200, 201, 204)


def test_a_flushed_redis_knows_nobody(bridge, shop):
    """F09: sessions that are gone are unknown; nothing of them is made up."""
    shop.register("cart-1", user="alice")
    bridge.redis.flushall()
    refused(shop.read("cart-1"), 404, "session_unknown")
    assert shop.logout(user="alice").get_json()["sessions"] == []
    assert [name for name in bridge.keyspace() if b":session:" in name] == []
