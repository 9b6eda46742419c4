"""L243 at its edges: a call that is slower than its lease, and a session that moves while its logout begins."""

import re

import pytest

from saml_slo.remote_logout import RemoteLogout
from saml_slo.store import calls
from saml_slo.store.steps import Steps
from saml_slo.store.store import Store
from tests.api.calling import Caller, application, handle_of_browser
from tests.methods.receiver import Receiver
from tests.running import ORIGIN, running_bridge

HOOK = 'logout = "webhook"\nlogout_uri = "{0}"\ninsecure_http = true\n'


@pytest.fixture
def receiver():
    """The endpoint at which the application is told."""
    with Receiver() as running:
        yield running


@pytest.fixture
def bridge(tmp_path, redis_url, receiver):
    """A bridge with `hub`, told by webhook."""
    files = {"hub": application("hub", HOOK.format(receiver.url()))}
    with running_bridge(tmp_path, redis_url, applications=files, back_channel_allow=("127.0.0.1",)) as running:
        yield running


def before(monkeypatch, owner, name, act):
    """Let `act` happen once, just before the next call of a method; `act` may call the same method."""
    method, waiting = getattr(owner, name), [act]

    def interrupted(*arguments, **named):
        if waiting:
            waiting.pop()()
        return method(*arguments, **named)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize("body", [{"user": "alice"}, {"session": "h-1"}], ids=["user", "session"])
def test_a_call_that_was_overtaken_tells_of_the_logout_that_happened(bridge, receiver, monkeypatch, body):
    """One logout, one webhook, one receipt, though the first call woke up after its lease was taken over."""
    hub, answers = Caller(bridge, "hub"), []
    hub.register("h-1", user="alice")

    def overtake():
        bridge.clock.move(calls.LEASE / 1000)
        answers.append(hub.logout("key-1", **body))

    before(monkeypatch, Store, "end_sessions", overtake)
    answers.append(hub.logout("key-1", **body))
    answers.append(hub.logout("key-1", **body))
    assert len({answer.get_json()["receipt_url"] for answer in answers}) == 1
    assert len(receiver.got) == 1
    for answer in answers:
        assert [row["state"] for row in answer.get_json()["sessions"]] == ["confirmed", "confirmed"]
        url = answer.get_json()["receipt_url"].removeprefix(ORIGIN)
        assert bridge.get(bridge.browser(), url).status_code == 200


def test_a_logout_keeps_its_slot_where_its_session_moves(bridge, monkeypatch):
    """Between the choice of the logout's id and its reading, the own id came to name a session in another slot."""
    slots = []
    run = Steps._run

    def looked_at(self, name, key_names, arguments):
        slots.append((name, {re.search(r"\{(.*?)\}", key)[1] for key in key_names}))
        return run(self, name, key_names, arguments)

    monkeypatch.setattr(Steps, "_run", looked_at)
    hub, browser = Caller(bridge, "hub"), bridge.browser()
    bridge.sign_in(browser)
    handle = handle_of_browser(bridge, "hub")
    hub.register("h-1", user="alice")

    def move():
        hub.leave("h-1")
        bridge.redis.delete(*bridge.redis.scan_iter("slo:*:ended:*"))  # long ago
        assert hub.register("h-1", session=handle).status_code == 201

    before(monkeypatch, RemoteLogout, "end", move)
    answer = hub.logout("key-1", session="h-1")
    assert answer.status_code == 201, bridge.log[-1]
    assert [row["state"] for row in answer.get_json()["sessions"] if row["kind"] == "session"] == ["confirmed"]
    assert not bridge.is_signed_in(browser)
    assert [name for name, tags in slots if len(tags) > 1] == []
