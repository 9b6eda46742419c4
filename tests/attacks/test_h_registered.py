"""Groups H and S on sessions that applications register: whatever lives is found and ends, and nothing comes back."""

from datetime import timedelta

import pytest

from saml_slo.store.store import Store
from tests.api.calling import SHOP_AND_BLOG, Caller, application, handle_of_browser, refused, stored
from tests.proxied import Visit, toml
from tests.running import running_bridge
from tests.sp import Sp


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A whole bridge with two applications."""
    with running_bridge(tmp_path, redis_url, applications=SHOP_AND_BLOG) as running:
        yield running


@pytest.fixture
def shop(bridge):
    """The application `shop`, calling."""
    return Caller(bridge, "shop")


def iso(moment):
    """A time as the API takes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# Whatever lives is found ----------------------------------------------------------------------------------------------


def test_a_session_that_was_made_longer_is_found_by_its_user(bridge, shop):
    """S1: an application that renews a session before its end has not taken it out of its user's logout."""
    start = bridge.clock.now
    shop.register("cart-1", user="alice", expires_at=iso(start + timedelta(hours=1)))
    bridge.clock.move(1800)
    shop.register("cart-1", user="alice", expires_at=iso(start + timedelta(hours=8)))
    bridge.clock.move(3 * 3600)
    shop.touch("cart-1")
    assert shop.is_alive("cart-1")
    assert len(shop.logout(user="alice").get_json()["sessions"]) == 2
    assert not shop.is_alive("cart-1")


def test_a_session_that_was_made_longer_still_counts(bridge, shop):
    """M244: nobody gets past the cap of a user by making sessions longer."""
    start = bridge.clock.now
    for number in range(20):
        shop.register(f"cart-{number}", user="alice", expires_at=iso(start + timedelta(hours=1)))
        shop.register(f"cart-{number}", user="alice", expires_at=iso(start + timedelta(hours=8)))
    bridge.clock.move(2 * 3600)
    refused(shop.register("cart-20", user="alice"), 409, "limit_reached")


# One id, one session --------------------------------------------------------------------------------------------------


def between(monkeypatch, owner, name, act):
    """Let `act` happen once, just before the next call of a method; `act` may call the same method."""
    method, waiting = getattr(owner, name), [act]

    def interrupted(*arguments, **named):
        if waiting:
            waiting.pop()()
        return method(*arguments, **named)

    monkeypatch.setattr(owner, name, interrupted)


def test_an_end_that_comes_between_the_two_steps_of_a_registration_counts(bridge, shop, monkeypatch):
    """S2: the application ended the session while it was being registered; it is over, whoever was quicker."""
    between(monkeypatch, Store, "register_session", lambda: shop.leave("cart-1"))
    refused(shop.register("cart-1", user="alice"), 409, "session_ended")
    assert not shop.is_alive("cart-1")
    assert stored(bridge) == []


def test_an_end_that_comes_between_the_two_steps_of_joining_counts(bridge, shop, monkeypatch):
    """S2: the same of a session that is bound to ours; the browser stays signed in."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    handle = handle_of_browser(bridge)
    between(monkeypatch, Store, "replace_session", lambda: shop.leave("cart-1"))
    refused(shop.register("cart-1", session=handle), 409, "session_ended")
    assert bridge.is_signed_in(browser)
    assert [one.participants for one in stored(bridge)] == [()]


@pytest.mark.parametrize("step", ["claim_own_session", "register_session", "forget_own_session"])
def test_two_users_under_one_id_are_never_both_signed_in(bridge, shop, monkeypatch, step):
    """One id is one session, also where two registrations of it cross: at most one of them is told that it lives."""
    answers = []
    between(monkeypatch, Store, step, lambda: answers.append(shop.register("cart-1", user="bob")))
    answers.append(shop.register("cart-1", user="alice"))
    lives = [answer for answer in answers if answer.status_code == 201]
    assert len(lives) == len(stored(bridge)) <= 1
    assert all(answer.status_code == 409 for answer in answers if answer not in lives)
    if lives:
        assert shop.read("cart-1").get_json()["user"] == lives[0].get_json()["user"]


def test_an_id_whose_session_is_over_may_be_taken_by_one_alone(bridge, shop, monkeypatch):
    """The same where the id was used before: whoever looks for a session behind it looks again after taking it."""
    shop.register("cart-1", user="carol")
    shop.logout(session="cart-1")
    answers = []
    between(monkeypatch, Store, "forget_own_session", lambda: answers.append(shop.register("cart-1", user="bob")))
    answers.append(shop.register("cart-1", user="alice"))
    lives = [answer for answer in answers if answer.status_code == 201]
    assert len(lives) == len(stored(bridge)) <= 1


# Who takes part in a session stays in it ------------------------------------------------------------------------------


def test_a_sign_in_through_the_proxy_takes_no_other_part_away(tmp_path, redis_url):
    """T1: an application with sessions of its own on ours is told of each, also after somebody opens another tab."""
    with running_bridge(tmp_path, redis_url, applications={"wiki": toml()}) as bridge:
        wiki, visit = Caller(bridge, "wiki"), Visit(bridge)
        visit.enter()
        handle = visit.check().headers["X-Slo-Session"]
        wiki_call = {"Authorization": f"Bearer wiki.{'s' * 43}"}
        for own_id in ("tab-1", "tab-2"):
            assert wiki.call("PUT", f"sessions/{own_id}", {"session": handle}, headers=wiki_call).status_code == 201
        visit.enter()
        for own_id in ("tab-1", "tab-2", handle):
            assert wiki.call("GET", f"sessions/{own_id}", headers=wiki_call).status_code == 200, own_id


def test_a_sign_in_by_saml_takes_no_other_part_away(tmp_path, redis_url):
    """T1: the same of an application that speaks SAML and has sessions of its own on ours."""
    sp = Sp("docs", "idp-next", more='connection = "idp"\n' + application("docs"))
    with running_bridge(tmp_path, redis_url, sps=(sp,)) as bridge:
        docs, browser = Caller(bridge, "docs"), bridge.browser()
        sp.sign_in(bridge, browser)
        handle = handle_of_browser(bridge, "docs")
        assert docs.register("own-1", session=handle).status_code == 201
        sp.sign_in(bridge, browser)
        assert docs.is_alive("own-1")


# What was before a logout stays before it --------------------------------------------------------------------------


@pytest.fixture
def lasting(tmp_path, redis_url):
    """A bridge where a session may live for a week."""
    week = {"session_lifetime": 7 * 86400, "idle_lifetime": 7 * 86400}
    with running_bridge(tmp_path, redis_url, applications=SHOP_AND_BLOG, **week) as running:
        yield running


def by_link(bridge, shop):
    """The person signs out by the link of a session that was to end in ten minutes anyway."""
    soon = bridge.clock.now + timedelta(minutes=10)
    url = shop.register("cart-1", user="alice", expires_at=iso(soon)).get_json()["logout_url"]
    bridge.get(bridge.browser(), url.removeprefix("https://bridge.example"))


def by_call(bridge, shop):
    """The application logs the user out, of that session."""
    shop.register("cart-1", user="alice", expires_at=iso(bridge.clock.now + timedelta(minutes=10)))
    assert shop.logout(user="alice").status_code == 201


def by_call_without_a_session(_, shop):
    """The application logs a user out who has none."""
    assert shop.logout(user="alice").status_code == 200


@pytest.mark.parametrize("end", [by_link, by_call, by_call_without_a_session])
def test_a_logout_is_remembered_for_as_long_as_a_session_from_before_it_could_live(lasting, end):
    """S2, L12: a registration that was stuck in a queue names a sign-in from before the logout, and is refused."""
    shop, before = Caller(lasting, "shop"), lasting.clock.now
    lasting.clock.move(60)
    end(lasting, shop)
    (tombstone,) = lasting.redis.scan_iter("slo:*:ended:*")
    assert lasting.redis.pttl(tombstone) > (7 * 86400 - 60) * 1000
    lasting.clock.move(3 * 86400)
    refused(shop.register("cart-2", user="alice", signed_in_at=iso(before)), 409, "session_ended")
    assert shop.register("cart-3", user="alice").status_code == 201
