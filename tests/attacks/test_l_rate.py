"""L241: an application has its calls in a span of time, whoever makes them; nobody else is slowed down by it."""

import time

import pytest

from saml_slo.app import create_app
from tests.api.calling import SHOP_AND_BLOG, Caller, refused
from tests.running import ORIGIN, Bridge, running_bridge


@pytest.fixture
def slow(tmp_path, redis_url):
    """A bridge on which each application may make two calls in a second."""
    with running_bridge(tmp_path, redis_url, applications=SHOP_AND_BLOG, api_rate=2) as bridge:
        bridge.clock.now = bridge.clock.now.replace(second=0)
        yield bridge, Caller(bridge, "shop"), Caller(bridge, "blog")


def test_l241_one_application_is_stopped_and_the_others_are_not(slow):
    """L241: twenty calls in ten seconds, then 429 with the moment to come back; nothing was done, nobody else waits."""
    bridge, shop, blog = slow
    for number in range(20):
        assert shop.register(f"s-{number}", user=f"u-{number}").status_code == 201
    before = bridge.keyspace()
    for _ in range(100):
        answer = shop.logout(user="u-1")
        refused(answer, 429, "rate_limited")
    assert answer.headers["Retry-After"] == "10"
    after = bridge.keyspace()
    assert after == before, "a call that was refused wrote something"
    assert blog.register("b-1", user="bob").status_code == 201
    bridge.clock.move(7.5)
    assert shop.read("s-1").headers["Retry-After"] == "3"
    bridge.clock.move(2.5)
    assert shop.is_alive("s-1")


def test_l241_the_limit_is_one_for_all_processes(slow, redis_url):
    """L241: a second process of ours lends from the same count."""
    bridge, shop, _ = slow
    second = create_app(bridge.settings, clock=bridge.clock)
    other = Caller(Bridge(second, bridge.settings, bridge.redis, bridge.clock, bridge.log), "shop")
    answers = [caller.read("x").status_code for _ in range(15) for caller in (shop, other)]
    second.extensions["saml_slo"].stop()
    assert (answers.count(404), answers.count(429)) == (20, 10)


def test_l241_a_flood_costs_redis_nothing(slow, monkeypatch):
    """L241: once the span is used up, a call is refused without asking."""
    bridge, shop, _ = slow
    for _ in range(21):
        shop.read("x")
    store = bridge.app.extensions["saml_slo"].store
    monkeypatch.setattr(type(store), "_run", None)
    monkeypatch.setattr(type(store), "find_own_session", None)
    begin = time.perf_counter()
    for _ in range(300):
        assert shop.read("x").status_code == 429
    assert time.perf_counter() - begin < 30


def test_l241_a_wrong_key_uses_nobodys_calls_up(slow):
    """L241: whoever does not know the secret cannot shut an application out."""
    bridge, shop, _ = slow
    for _ in range(100):
        answer = bridge.browser().get(
            "/api/v1/sessions/x", headers={"Authorization": f"Bearer shop.{'x' * 43}"}, base_url=ORIGIN
        )
        assert answer.status_code == 401
    assert shop.read("x").status_code == 404
