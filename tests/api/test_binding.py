"""An application's session that belongs to one of ours: it ends with it, and brings its limits (product A2, S3, S4)."""

import pytest

from saml_slo.store import keys, tokens
from tests.api.calling import BY_URL, Caller, application, at, handle_of_browser, refused, stored
from tests.running import running_bridge

HOUR = 3600


def test_an_application_binds_its_session_to_ours(bridge, shop):
    """Whoever ends the browser's session ends the application's: it is a row of the receipt, and 410 from then on."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    answer = shop.register("cart-1", session=handle_of_browser(bridge))
    assert (answer.status_code, answer.get_json()["user"]) == (201, None)
    assert shop.register("cart-1", session=handle_of_browser(bridge)).status_code == 200
    response = bridge.logout(browser)
    receipt = bridge.receipt(browser, response)
    assert [row["name"] for row in receipt["sessions"]] == ["This browser", "shop", "idp"]
    assert refused(shop.read("cart-1"), 410, "session_ended")["reference"] == receipt["reference"]
    refused(shop.register("cart-2", session=answer.get_json()["handle"]), 409, "session_ended")


def test_several_sessions_of_one_application_hang_on_one_of_ours(bridge, shop):
    """A handle from one registration binds the next; each is one participant under its own id, of the same user."""
    handle = shop.register("web", user="alice").get_json()["handle"]
    body = shop.register("phone", session=handle).get_json()
    assert (body["user"], body["handle"]) == ("alice", handle)
    (session,) = stored(bridge)
    assert [part.subject.session for part in session.participants] == ["web", "phone"]
    shop.leave("web")
    assert shop.is_alive("phone")
    shop.leave("phone")
    assert stored(bridge) == []


def test_leaving_our_session_ends_it_for_nobody_else(bridge, shop):
    """DELETE of a bound session: the browser stays signed in, and its logout does not tell the application."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    shop.register("cart-1", session=handle_of_browser(bridge))
    shop.leave("cart-1")
    assert bridge.is_signed_in(browser)
    refused(shop.read("cart-1"), 410, "session_ended")
    refused(shop.register("cart-1", session=handle_of_browser(bridge)), 409, "session_ended")
    receipt = bridge.receipt(browser, bridge.logout(browser))
    assert [row["name"] for row in receipt["sessions"]] == ["This browser", "idp"]


def test_the_stricter_limits_hold_for_the_whole_session(tmp_path, redis_url):
    """S3: one session is one thing; binding never makes it longer."""
    files = {
        "shop": application("shop", "session_lifetime = 3600\nidle_lifetime = 600\n" + BY_URL),
        "blog": application("blog", "session_lifetime = 999_999\n" + BY_URL),
    }
    with running_bridge(tmp_path, redis_url, applications=files) as bridge:
        shop, blog = Caller(bridge, "shop"), Caller(bridge, "blog")
        browser = bridge.browser()
        bridge.sign_in(browser)
        body = blog.register("b", session=handle_of_browser(bridge, "blog")).get_json()
        assert body["ends_at"] == "2026-11-21T06:26:00.000Z"
        expires = {"expires_at": at(bridge, 1800)}
        body = shop.register("s", session=handle_of_browser(bridge), **expires).get_json()
        assert (body["ends_at"], body["idle_ends_at"]) == ("2026-11-20T06:56:00.000Z", "2026-11-20T06:36:00.000Z")
        assert blog.read("b").get_json()["ends_at"] == body["ends_at"]
        bridge.clock.move(600)
        assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize("kind", ["other-application", "forged", "garbage", "receipt"])
def test_a_handle_that_is_not_the_applications_own_names_nothing(bridge, shop, kind):
    """A handle is good for the application that got it, and for nobody who read it in its logs."""
    bridge.sign_in(bridge.browser())
    handle = handle_of_browser(bridge, "blog" if kind == "other-application" else "shop")
    wrong = {
        "other-application": handle,
        "forged": handle[:-1] + ("A" if handle[-1] != "A" else "B"),
        "garbage": "x",
        "receipt": tokens.receipt_handle("3f" + "0" * 24, "a" * 22),
    }
    before = bridge.keyspace()
    refused(shop.register("cart-1", session=wrong[kind]), 404, "session_unknown")
    assert bridge.keyspace() == before


def test_a_session_takes_fifty_parts(bridge, shop):
    """A limit is a clear error; those that are there stay."""
    handle = shop.register("s-0", user="alice").get_json()["handle"]
    for number in range(1, 50):
        assert shop.register(f"s-{number}", session=handle).status_code == 201
    refused(shop.register("s-50", session=handle), 409, "limit_reached")
    assert shop.is_alive("s-49")
    assert shop.register("s-49", session=handle).status_code == 200


def test_a_hint_that_leads_elsewhere_counts_for_nothing(bridge, shop, blog):
    """S4: the session says who takes part in it; what an index says is held against that."""
    shop.register("cart-1", user="alice")
    blog.register("post-1", user="bob")
    (alices,) = [one for one in stored(bridge) if one.participants[0].application == "shop"]
    secret = bridge.app.extensions["saml_slo"].secret.derive("principal")
    stray = keys.application_session(secret, "blog", "post-2")
    bridge.redis.zadd(stray.sessions, {alices.id: alices.hard_ends_at, "3f" + "0" * 32: alices.hard_ends_at})
    refused(blog.read("post-2"), 410, "session_ended")
    before = bridge.redis.get(keys.session(alices.id))
    bridge.clock.move(HOUR)
    refused(blog.touch("post-2"), 410, "session_ended")
    assert blog.logout(session="post-2").get_json()["sessions"] == []
    assert bridge.redis.get(keys.session(alices.id)) == before
    assert blog.register("post-2", user="carol").status_code == 201
    assert blog.read("post-2").get_json()["user"] == "carol"
