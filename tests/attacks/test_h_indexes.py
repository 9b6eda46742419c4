"""Whoever is named is found: an index lists a session for as long as it lives; what is stale in it hinders nobody."""

import pytest

from saml_slo.logout.transaction import Initiator
from saml_slo.remote_logout import Order
from saml_slo.store import keys
from saml_slo.store.store import Store
from tests import idp
from tests.api.calling import SHOP_AND_BLOG, Caller, handle_of_browser
from tests.running import running_bridge, sent
from tests.slots import in_another_slot
from tests.sp import Sp

ONE = Sp("one", "idp-next")


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with a SAML application and one that calls the API."""
    with running_bridge(tmp_path, redis_url, sps=(ONE,), applications=SHOP_AND_BLOG) as running:
        yield running


@pytest.fixture
def other(bridge):
    """The NameID of somebody in another slot than alice, in which the sessions of these browsers lie."""
    return in_another_slot(bridge)


@pytest.fixture
def later(bridge, monkeypatch):
    """Let time go by for the identity provider as well."""

    def move(seconds):
        bridge.clock.move(seconds)
        monkeypatch.setattr(idp, "NOW", bridge.clock.now)

    return move


def until(seconds, index="_s1"):
    """An AuthnStatement that ends in so many seconds."""
    return idp.authn_statement(index, f'SessionNotOnOrAfter="{idp.instant(seconds)}"')


def logged_out(bridge, name_id, indexes=(), identifier="_lr1"):
    """The identity provider logs somebody out; return the status codes of our answer."""
    request = idp.logout_request(
        name_id=name_id, indexes=indexes, identifier=identifier, issued=idp.instant(), signed=False
    )
    answer = sent(bridge.deliver(bridge.browser(), idp.redirect(request, endpoint=idp.SLO)))
    return [code.get("Value").rpartition(":")[2] for code in answer.root.iter("{*}StatusCode")]


def test_a_session_that_the_identity_provider_made_longer_is_found_by_each_of_its_people(bridge, other, later):
    """S4, L7: a fresh SessionNotOnOrAfter of one login moves the end of the session, for the other person too."""
    browser = bridge.browser()
    bridge.sign_in(browser, statements=until(3600))
    bridge.sign_in(browser, name_id=other)
    later(1800)
    bridge.sign_in(browser, statements=until(4 * 3600, "_s2"))
    later(2 * 3600)
    assert bridge.is_signed_in(browser)
    assert logged_out(bridge, other) == ["Success"]
    assert not bridge.is_signed_in(browser)


def test_a_session_that_was_made_longer_is_found_by_its_applications(bridge, later):
    """The same by what applications call it: by SAML, and by a session id of their own."""
    browser, shop = bridge.browser(), Caller(bridge, "shop")
    bridge.sign_in(browser, statements=until(3600))
    told = ONE.sign_in(bridge, browser)
    shop.register("cart-1", session=handle_of_browser(bridge))
    later(1800)
    bridge.sign_in(browser, statements=until(6 * 3600, "_s2"))
    later(3 * 3600)
    assert bridge.is_signed_in(browser)
    assert shop.is_alive("cart-1")
    ONE.start_logout(bridge, browser, told)
    assert not bridge.is_signed_in(browser)


def test_an_index_outlives_the_longest_session_in_it(bridge):
    """A short session of the same person takes no longer one off the list."""
    long, short = bridge.browser(), bridge.browser()
    bridge.sign_in(long)
    ONE.sign_in(bridge, long)
    bridge.sign_in(short, statements=until(60))
    ONE.sign_in(bridge, short)
    now = bridge.clock.now.timestamp() * 1000
    for key in bridge.redis.scan_iter("slo:*:principal:*"):
        ((_, ends_at),) = bridge.redis.zrange(key, -1, -1, withscores=True)
        assert bridge.redis.pttl(key) >= ends_at - now, key


def test_an_entry_that_a_crash_left_hinders_no_later_logout(bridge, other, monkeypatch):
    """F30: the process died after it had ended a session and before it took that off the other slot's index."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.sign_in(browser, name_id=other)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "unlist", lambda *_: None)
        bridge.logout(browser)
    assert logged_out(bridge, other) == ["Success"]
    again = bridge.browser()
    bridge.clock.move(5)
    bridge.sign_in(again, name_id=other)
    assert logged_out(bridge, other, identifier="_lr2") == ["Success"]
    assert not bridge.is_signed_in(again)


def test_an_entry_whose_session_is_gone_hinders_no_later_logout(bridge, other):
    """The same of a session whose time was over long ago, so that Redis has forgotten it."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.sign_in(browser, name_id=other)
    bridge.redis.delete(*bridge.redis.scan_iter("slo:*:session:*"))
    assert logged_out(bridge, other) == ["Success"]


def test_sessions_whose_time_is_over_use_nobodys_share_up(bridge, other, later):
    """M244: the twenty of a person are those that live; each was swept, off the index of another slot too."""
    for number in range(20):
        browser = bridge.browser()
        bridge.sign_in(browser, statements=until(3600), identifier=f"_x{number}")
        bridge.sign_in(browser, name_id=other, identifier=f"_y{number}")
    later(2 * 3600)
    bridge.app.extensions["saml_slo"].sweeper.sweep()
    assert bridge.sign_in(bridge.browser(), name_id=other, identifier="_z").status_code == 303


@pytest.mark.parametrize("left", [b"-", None], ids=["ended", "gone"])
def test_a_stale_entry_hinders_no_logout_of_an_operator(bridge, left):
    """The same of a logout that nobody's LogoutRequest began, by what a connection calls the person."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    house = bridge.app.extensions["saml_slo"]
    (key,) = bridge.redis.scan_iter("slo:*:principal:*")
    who = keys.Principal(key.decode().rpartition(":")[2])
    stale = who.shard + "0" * 32
    bridge.redis.zadd(key, {stale: (bridge.clock.now.timestamp() + 3600) * 1000})
    if left is not None:
        bridge.redis.set(keys.session(stale), left)
    order = Order(initiator=Initiator.OPERATOR, who=who)
    assert house.remote.end(lambda: house.store.sessions_of(who, house.journey.now()), order) is not None
    assert not bridge.is_signed_in(browser)
