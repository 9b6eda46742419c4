"""H182, T1: a session in another slot ends after its logout was stored; who comes to it in between is told as well."""

import pytest

from saml_slo.errors import StoreUnavailable
from saml_slo.store.store import Store
from tests import idp
from tests.api.calling import Caller, application, handle_of_browser
from tests.methods.receiver import Receiver
from tests.proxied import Visit, toml
from tests.running import running_bridge
from tests.slots import in_another_slot
from tests.sp import Sp

ONE, TWO = Sp("one", "idp-next"), Sp("two", "p256")
HOOK = 'logout = "webhook"\nlogout_uri = "{0}"\ninsecure_http = true\n'


@pytest.fixture
def receiver():
    """The endpoint at which an application is told."""
    with Receiver() as running:
        yield running


@pytest.fixture
def bridge(tmp_path, redis_url, receiver):
    """A bridge with applications by SAML, by webhook and behind a proxy."""
    files = {"hub": application("hub", HOOK.format(receiver.url())), "wiki": toml()}
    with running_bridge(
        tmp_path, redis_url, sps=(ONE, TWO), applications=files, back_channel_allow=("127.0.0.1",)
    ) as running:
        yield running


@pytest.fixture
def other(bridge):
    """The NameID of somebody in another slot than alice, in which the sessions of these browsers lie."""
    return in_another_slot(bridge)


def log_out(bridge, other, **how):
    """The identity provider logs out whom it calls so."""
    request = idp.logout_request(
        name_id=other, indexes=(), issued=bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"), signed=False, **how
    )
    return bridge.deliver(bridge.browser(), idp.redirect(request, endpoint=idp.SLO))


def of_logout(bridge):
    """The stored logout."""
    (key,) = bridge.redis.scan_iter("slo:*:logout:*")
    return bridge.app.extensions["saml_slo"].store.read_logout(key.decode().rpartition(":")[2])


def at_the_end(monkeypatch, act):
    """Let `act` happen once, just before a session in another slot is ended."""
    method, waiting = Store.end_foreign_session, [act]

    def interrupted(*arguments, **named):
        if waiting:
            waiting.pop()()
        return method(*arguments, **named)

    monkeypatch.setattr(Store, "end_foreign_session", interrupted)


def test_an_application_that_comes_before_the_end_is_told(bridge, other, receiver, monkeypatch):
    """H182: it joined a session that the commit had not ended yet; no live session of it is left, and it is told."""
    browser, hub = bridge.browser(), Caller(bridge, "hub")
    bridge.sign_in(browser)
    bridge.sign_in(browser, name_id=other)
    handle = handle_of_browser(bridge, "hub")
    at_the_end(monkeypatch, lambda: hub.register("late-1", session=handle))
    log_out(bridge, other)
    assert not bridge.is_signed_in(browser)
    assert hub.read("late-1").status_code == 410
    receiver.wait_for(1)
    assert [got.document["data"]["session"] for got in receiver.got] == ["late-1"]
    assert "hub" in {target.peer for target in of_logout(bridge).targets}


def test_an_application_by_saml_that_comes_before_the_end_is_on_the_receipt(bridge, other, monkeypatch):
    """T1: it can only be asked through that browser, which is not here: the logout is no full success."""
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    bridge.sign_in(browser, name_id=other)
    at_the_end(monkeypatch, lambda: TWO.sign_in(bridge, browser))
    bridge.clock.move(1)
    log_out(bridge, other)
    states = {target.peer: target.state for target in of_logout(bridge).targets}
    assert states["two"] == "unreachable"
    assert not bridge.is_signed_in(browser)


def test_who_took_part_before_is_told_once(bridge, other, receiver):
    """The control: nobody is late who stood in the plan."""
    browser, hub = bridge.browser(), Caller(bridge, "hub")
    bridge.sign_in(browser)
    bridge.sign_in(browser, name_id=other)
    hub.register("cart-1", session=handle_of_browser(bridge, "hub"))
    hub.register("cart-2", session=handle_of_browser(bridge, "hub"))
    log_out(bridge, other)
    receiver.wait_for(2)
    assert sorted(got.document["data"]["session"] for got in receiver.got) == ["cart-1", "cart-2"]
    assert len(of_logout(bridge).targets) == 3


def test_an_application_that_asked_for_the_logout_is_not_late(bridge, other, monkeypatch):
    """L8: it has ended its own session, also where ours lies in another slot than its logout."""
    here, there = bridge.browser(), bridge.browser()
    told = ONE.sign_in(bridge, here)
    bridge.sign_in(there, name_id=other)
    bridge.sign_in(there)
    ONE.sign_in(bridge, there)
    ONE.start_logout(bridge, here, told, indexes=())
    assert [target.peer for target in of_logout(bridge).targets if target.kind == "application"] == []


def test_an_application_behind_a_proxy_is_not_confirmed_before_the_end(bridge, other, monkeypatch):
    """T1: it is refused when the session is over; while Redis could not end that, nobody says that it is."""
    visit = Visit(bridge)
    visit.enter()
    bridge.sign_in(visit.here, name_id=other)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "end_foreign_session", _gone)
        assert log_out(bridge, other).status_code == 503
    assert visit.check().status_code == 200
    assert {target.kind: target.counts_as_ended for target in of_logout(bridge).targets} == {
        "session": False,
        "application": False,
    }
    bridge.clock.move(30)
    bridge.app.extensions["saml_slo"].sweeper.sweep()
    assert visit.check().status_code == 401
    assert all(target.state == "confirmed" for target in of_logout(bridge).targets)
    assert "each request" in {target.kind: target.reason for target in of_logout(bridge).targets}["application"]


def _gone(*_, **__):
    raise StoreUnavailable("gone")
