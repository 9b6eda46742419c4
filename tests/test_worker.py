"""The sweeper: what has to happen without anybody asking, happens once, and may be repeated."""

import threading

import pytest

from saml_slo.errors import StoreUnavailable
from saml_slo.store import keys
from tests import idp
from tests.running import sent


@pytest.fixture
def sweeper(bridge):
    """The sweeper of the running bridge, called by hand."""
    return bridge.app.extensions["saml_slo"].sweeper


def test_an_expired_session_is_swept_with_its_index_and_its_due_time(bridge, sweeper):
    """S3: at its end a session leaves the marks of its sign-in, and the note that its person was here."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.clock.move(bridge.settings.idle_lifetime - 1)
    assert sweeper.sweep() == 0
    bridge.clock.move(1)
    assert sweeper.sweep() == 1
    assert sweeper.sweep() == 0
    kinds = {key.decode().split(":")[2] for key in bridge.redis.scan_iter()}
    assert kinds == {"assertion", "answered", "ended", "audit", "trail"}


def test_a_session_that_was_seen_is_not_swept(bridge, sweeper):
    """A due time that moved on is looked at again, not acted on."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.clock.move(bridge.settings.idle_lifetime - 10)
    assert bridge.is_signed_in(browser)
    bridge.clock.move(20)
    assert sweeper.sweep() == 0
    assert bridge.is_signed_in(browser)


def test_an_idp_that_never_answers_is_timed_out_without_a_browser(bridge, sweeper):
    """T6: the deadline is told on the receipt though nobody came back; a late answer still changes it."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    response = bridge.logout(browser, federated="")
    request = sent(response)
    logout_id = request.id[1:27]
    bridge.clock.move(bridge.settings.logout_timeout - 1)
    assert sweeper.sweep() == 0
    bridge.clock.move(1)
    assert sweeper.sweep() == 1
    store = bridge.app.extensions["saml_slo"].store
    assert store.read_logout(logout_id).targets[1].state == "timed_out"
    assert bridge.redis.zcard(keys.due(logout_id[:2])) == 0
    late = idp.logout_response(in_response_to=request.id, signed=False, issued=idp.instant(70))
    receipt = bridge.receipt(browser, bridge.deliver(browser, idp.redirect(late)))
    assert receipt["sessions"][1]["state"] == "confirmed"


def test_a_due_time_that_points_to_nothing_is_forgotten(bridge, sweeper):
    """What Redis evicted or somebody deleted does not come up for ever."""
    bridge.redis.zadd(keys.due("3f"), {"s:3f" + "0" * 32: 1, "l:3f" + "0" * 24: 1})
    assert sweeper.sweep() == 0
    assert bridge.redis.zcard(keys.due("3f")) == 0


def test_the_sweeper_survives_a_redis_that_is_away(bridge, sweeper, monkeypatch):
    """A pass that fails is postponed, and said so once in the log; the next one works."""
    passes, enough = [], threading.Event()

    def due(_store, _now, _limit):
        passes.append(1)
        if len(passes) == 1:
            raise StoreUnavailable("away")
        enough.set()
        return ()

    monkeypatch.setattr("saml_slo.store.store.Store.due", due)
    object.__setattr__(sweeper, "interval", 0.01)
    sweeper.start()
    assert enough.wait(120)
    sweeper.stop()
    assert [line["event"] for line in bridge.log if "sweep" in line["event"]] == ["sweep_postponed"]
