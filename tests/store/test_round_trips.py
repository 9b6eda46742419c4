"""Redis round trips per operation, counted on the wire: each operation costs no more than is said of it."""

import pytest
from redis.connection import AbstractConnection

from tests import idp
from tests.running import running_bridge, sent
from tests.sp import Sp


@pytest.fixture
def round_trips(bridge, monkeypatch):
    """Count what the bridge sends to Redis."""
    return counter(bridge, monkeypatch)


def counter(bridge, monkeypatch):
    """Return what says how often Redis was asked since it last said so; scripts are loaded and connections warm."""
    warm = bridge.browser()
    bridge.sign_in(warm)
    bridge.start_sign_in(warm)
    bridge.is_signed_in(warm)
    bridge.sign_in(warm, name_id=idp.NAME_ID.replace("alice", "warm"))
    answer(bridge, warm, bridge.logout(warm, federated=""))
    sending = AbstractConnection.send_packed_command
    count = []

    def counted(self, *arguments, **options):
        count.append(arguments)
        return sending(self, *arguments, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)

    def since():
        number = len(count)
        count.clear()
        return number

    return since


def answer(bridge, browser, response):
    """Let the IdP confirm the logout that a response asks for."""
    request = sent(response)
    message = idp.logout_response(in_response_to=request.id, signed=False)
    return bridge.deliver(browser, idp.redirect(message, relay_state=request.id))


def test_round_trips_of_each_operation(bridge, round_trips):
    """A sign-in costs 1 (one that joins 3), a logout 2, the IdP's answer 2, a status check 1, a new AuthnRequest 0.

    An AuthnRequest of a browser that has a session costs 1: a session that was ended meanwhile is none to join.
    """
    browser = bridge.browser()
    bridge.clock.move(1)
    request = bridge.start_sign_in(browser)
    assert round_trips() == 0
    bridge.deliver(browser, idp.post(bridge.answer(request), endpoint=idp.ACS))
    assert round_trips() == 1
    assert bridge.is_signed_in(browser)
    assert round_trips() == 1
    request = bridge.start_sign_in(browser)
    assert round_trips() == 1
    answered = bridge.answer(request, name_id=idp.NAME_ID.replace("alice", "bob"))
    bridge.deliver(browser, idp.post(answered, endpoint=idp.ACS))
    assert round_trips() == 3
    response = bridge.logout(browser, federated="")
    assert round_trips() <= 4  # the second principal lives in another slot: buried there first, off its index last
    answer(bridge, browser, response)
    assert round_trips() == 2


def test_round_trips_of_a_logout_with_one_login(bridge, round_trips):
    """The usual logout: one read, one commit; without a session none at all."""
    browser = bridge.browser()
    bridge.clock.move(1)
    bridge.sign_in(browser)
    round_trips()
    bridge.logout(browser, federated="")
    assert round_trips() == 2
    bridge.logout(bridge.browser())
    assert round_trips() == 0


def test_the_commit_stays_one_round_trip_with_fifty_participants(tmp_path, redis_url, monkeypatch):
    """L6: one read, one commit of the sessions, the transaction and the fifty applications to be told."""
    applications = [Sp(f"app{number}", "idp-next") for number in range(50)]
    with running_bridge(tmp_path, redis_url, sps=applications) as bridge:
        round_trips = counter(bridge, monkeypatch)
        bridge.clock.move(1)
        browser = bridge.browser()
        for application in applications:
            assert application.sign_in(bridge, browser).status == ["Success"]
        round_trips()
        response = bridge.logout(browser, federated="")
        assert round_trips() == 2
        assert len(bridge.receipt(browser, response)["sessions"]) == 52
