"""A logout by the API that stalls until another call with its key takes it over (security L243)."""

import pytest

from saml_slo.logout.transaction import Initiator
from saml_slo.remote_logout import Order
from saml_slo.store import calls, keys
from saml_slo.store.store import Store
from saml_slo.web.api.logouts import digest_of
from saml_slo.web.api.models import LogoutOfUser
from tests.api.calling import Caller
from tests.api.hub import logouts


def first_let(monkeypatch, owner, name, act):
    """Let `act` happen once, before the next call of a method."""
    method, waiting = getattr(owner, name), [act]

    def late(*arguments, **named):
        if waiting:
            waiting.pop()()
        return method(*arguments, **named)

    monkeypatch.setattr(owner, name, late)


@pytest.mark.parametrize("step", ["sessions_of", "end_sessions"])
def test_a_call_that_was_overtaken_tells_nobody_and_ends_nothing_new(parties, receiver, monkeypatch, step):
    """L243: it stalled until another took it over, and the person signed in again; it gives the other's answer."""
    bridge, hub, *_ = parties
    hub.register("h-1", user="alice")
    quicker = []

    def meanwhile():
        bridge.clock.move(calls.LEASE / 1000)
        quicker.append(Caller(bridge, "hub").logout("key-1", user="alice"))
        bridge.clock.move(1)
        quicker.append(Caller(bridge, "hub").register("h-2", user="alice"))

    first_let(monkeypatch, Store, step, meanwhile)
    answer = hub.logout("key-1", user="alice")
    assert [one.status_code for one in quicker] == [201, 201]
    assert (answer.status_code, answer.get_json()) == (200, quicker[0].get_json())
    assert (logouts(bridge), len(receiver.got)) == (1, 1)
    assert hub.is_alive("h-2")


def test_a_call_that_was_overtaken_by_one_that_found_nothing_ends_nothing(parties, monkeypatch):
    """L243: the key's call is done, and whoever signed in after it stays signed in."""
    bridge, hub, *_ = parties

    def meanwhile():
        bridge.clock.move(calls.LEASE / 1000)
        assert Caller(bridge, "hub").logout("key-1", user="alice").get_json()["id"] is None
        bridge.clock.move(1)
        assert Caller(bridge, "hub").register("h-1", user="alice").status_code == 201

    first_let(monkeypatch, Store, "sessions_of", meanwhile)
    answer = hub.logout("key-1", user="alice")
    assert (answer.status_code, answer.get_json()["id"]) == (200, None)
    assert hub.is_alive("h-1")


def test_one_id_is_one_logout_whatever_the_clocks_say(parties, receiver, monkeypatch):
    """L243: who takes a call over has a clock that is ahead; what was begun under the id is not begun again."""
    bridge, hub, *_ = parties
    hub.register("h-1", user="alice")
    house, quicker = bridge.app.extensions["saml_slo"], []

    def meanwhile():
        ahead = int(bridge.clock.now.timestamp() * 1000) + calls.LEASE
        body = digest_of(LogoutOfUser(user="alice"))
        claim = house.store.claim_call(keys.call("hub", "key-1"), body, "", ahead)
        order = Order(initiator=Initiator.API, client_id="hub", logout_id=claim.logout_id)
        party = house.registry.application("hub")
        quicker.append(house.remote.end(lambda: house.application_sessions.of_user(party, "alice"), order).id)
        bridge.clock.move(1)
        assert Caller(bridge, "hub").register("h-2", user="alice").status_code == 201

    first_let(monkeypatch, Store, "sessions_of", meanwhile)
    answer = hub.logout("key-1", user="alice")
    assert [answer.get_json()["id"]] == quicker
    assert (logouts(bridge), len(receiver.got)) == (1, 1)
    assert hub.is_alive("h-2")
