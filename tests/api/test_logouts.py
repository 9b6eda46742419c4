"""Logouts by the API: everything that should end ends, once for each key, and the receipt says the truth (A2, L14)."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from saml_slo.errors import StoreUnavailable
from saml_slo.store import calls, keys, tokens
from saml_slo.store.store import Store
from saml_slo.web.api.logouts import Logouts, digest_of
from saml_slo.web.api.models import LogoutOfUser
from tests.api.calling import Caller, handle_of_browser, refused, stored
from tests.api.hub import hub_and_page, logouts, rows
from tests.running import ORIGIN
from tests.serving import wait_until


def test_a_user_is_logged_out_of_every_session(parties, receiver):
    """Every session of the user ends, in every application that means the same person; each is told as it can be."""
    _, hub, page, _ = parties
    hub.register("h-1", user="alice")
    hub.register("h-2", user="alice", sid="s-2")
    page.register("p-1", user="alice")
    page.register("p-2", user="bob")
    answer = page.logout(user="alice", reason="admin")
    assert answer.status_code == 201
    assert sorted(rows(answer)) == [
        ("Session here", "confirmed"),
        ("Session here", "confirmed"),
        ("Session here", "confirmed"),
        ("hub", "confirmed"),
        ("hub", "confirmed"),
        ("page", "unreachable"),
    ]
    assert not any(caller.is_alive(own_id) for caller, own_id in ((hub, "h-1"), (hub, "h-2"), (page, "p-1")))
    assert page.is_alive("p-2")
    told = sorted((got.document["data"] for got in receiver.got), key=lambda data: data["session"])
    assert [(data["session"], data["user"], data["sid"]) for data in told] == [
        ("h-1", "alice", None),
        ("h-2", "alice", "s-2"),
    ]
    assert {data["reason"] for data in told} == {"admin"}


def test_a_session_is_logged_out_alone(parties, receiver):
    """By the application's own id: that session ends with what hangs on it, and no other of the same user."""
    _, hub, page, _ = parties
    hub.register("h-1", user="alice")
    page.register("p-1", user="alice")
    answer = hub.logout(session="h-1")
    assert (answer.status_code, rows(answer)) == (201, [("Session here", "confirmed"), ("hub", "confirmed")])
    assert receiver.got[0].document["data"]["reason"] == "user"
    assert not hub.is_alive("h-1")
    assert page.is_alive("p-1")


def test_a_bound_session_takes_the_browser_and_its_applications_along(parties, receiver):
    """L14: whoever hangs on the same session of ours is told; the IdP can only be asked through the browser."""
    bridge, hub, page, _ = parties
    browser = bridge.browser()
    bridge.sign_in(browser)
    hub.register("h-1", session=handle_of_browser(bridge, "hub"))
    page.register("p-1", session=handle_of_browser(bridge, "page"))
    answer = page.logout(session="p-1")
    assert sorted(rows(answer)) == [
        ("Session here", "confirmed"),
        ("hub", "confirmed"),
        ("idp", "unreachable"),
        ("page", "unreachable"),
    ]
    assert not bridge.is_signed_in(browser)
    assert len(receiver.got) == 1


def test_the_receipt_is_a_page_too_and_can_be_read_again(parties):
    """T2: by its id for the application that began it, by its link for people; both say the same."""
    bridge, hub, page, stranger = parties
    hub.register("h-1", user="alice")
    begun = hub.logout(user="alice").get_json()
    again = hub.call("GET", f"logouts/{begun['id']}")
    assert (again.status_code, again.get_json()) == (200, begun)
    path = begun["receipt_url"].removeprefix(ORIGIN)
    shown = json.loads(bridge.get(bridge.browser(), f"{path}.json").get_data(as_text=True))
    assert {name: shown[name] for name in ("reference", "summary", "settled", "sessions")} == {
        name: begun[name] for name in ("reference", "summary", "settled", "sessions")
    }
    assert (shown["initiator"], bridge.get(bridge.browser(), path).status_code) == ("api", 200)
    for other in (page, stranger):
        refused(other.call("GET", f"logouts/{begun['id']}"), 404, "logout_unknown")


def test_a_persons_logout_is_not_read_by_its_id(bridge, shop):
    """Only what the API began: a link with client_id is somebody else's logout."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.logout(browser, client_id="shop")
    (name,) = bridge.redis.scan_iter("slo:*:logout:*")
    before = bridge.redis.get(name)
    refused(shop.call("GET", f"logouts/{name.decode().rpartition(':')[2]}"), 404, "logout_unknown")
    assert bridge.redis.get(name) == before


@pytest.mark.parametrize("logout_id", ["x", "3f" + "0" * 24, "3f" + "0" * 23, "3f" + "0" * 25, "3F" + "0" * 24])
def test_a_logout_that_is_not_there_is_unknown(shop, logout_id):
    """404, whether it never was, is over, or looks like none."""
    refused(shop.call("GET", f"logouts/{logout_id}"), 404, "logout_unknown")


@pytest.mark.parametrize("path", ["logouts/..", "logouts/a.b", "sessions/a@b", "sessions/x/", "session/x", "sessions"])
def test_an_address_that_is_none_says_nothing_about_a_session(shop, path):
    """Another word than of an unknown session: nobody is signed out because somebody asked at a wrong address."""
    body = refused(shop.call("GET", path), 404, "not_found")
    assert "/api/v1/openapi.json" in body["description"]


def test_nothing_to_end_is_no_failure(shop):
    """200 with no sessions: the person is signed out, as was wanted; the summary says what was looked for."""
    for body, words in (({"user": "nobody"}, "for a user of this name"), ({"session": "nothing"}, "under this id")):
        answer = shop.logout(**body)
        assert answer.status_code == 200
        assert answer.get_json() == {
            "id": None,
            "reference": None,
            "settled": True,
            "summary": f"There was no session to end. No session of this application is alive {words}.",
            "receipt_url": None,
            "sessions": [],
        }


def test_an_application_logs_out_its_own_people_alone(parties):
    """A user id means a person of the application's own space; a session id a session of its own."""
    bridge, hub, _, stranger = parties
    hub.register("h-1", user="alice")
    assert rows(stranger.logout(user="alice")) == []
    assert rows(stranger.logout(session="h-1")) == []
    assert hub.is_alive("h-1")
    bridge.clock.move(1)
    assert stranger.register("h-1", user="alice").status_code == 201
    assert len(rows(stranger.logout(user="alice"))) == 2
    assert hub.is_alive("h-1")


def test_a_late_answer_changes_the_receipt(tmp_path, redis_url, receiver):
    """T5: the application that was down is told later, and the receipt says so."""
    receiver.answer = (503, "", b"", {})
    with hub_and_page(tmp_path, redis_url, receiver) as (bridge, hub, *_):
        hub.register("h-1", user="alice")
        begun = hub.logout(user="alice")
        assert rows(begun) == [("Session here", "confirmed"), ("hub", "timed_out")]
        assert begun.get_json()["settled"] is False
        receiver.answer = (204, "", b"", {})
        bridge.clock.move(10)
        bridge.app.extensions["saml_slo"].sweeper.sweep()
        receiver.wait_for(2)
        where = f"logouts/{begun.get_json()['id']}"
        wait_until(lambda: hub.call("GET", where).get_json()["settled"])
        answer = hub.call("GET", where)
        assert rows(answer) == [("Session here", "confirmed"), ("hub", "confirmed")]


# Idempotency ---------------------------------------------------------------------------------------------------------


def test_one_key_begins_one_logout(parties, receiver):
    """L243: the same call again is answered with the same logout, 200; nobody is told twice, nothing ends twice."""
    bridge, hub, *_ = parties
    hub.register("h-1", user="alice")
    first = hub.logout("key-1", user="alice")
    bridge.clock.move(1)
    hub.register("h-2", user="alice")
    again = hub.logout("key-1", user="alice")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    assert hub.is_alive("h-2")
    assert (logouts(bridge), len(receiver.got)) == (1, 1)
    assert hub.logout("key-2", user="alice").status_code == 201


def test_one_key_means_one_body(parties):
    """L243: another body under the same key is a conflict, and has no effect; the reason is part of the body."""
    _, hub, *_ = parties
    hub.register("h-1", user="alice")
    hub.register("h-2", user="bob")
    hub.logout("key-1", user="alice")
    for body in ({"user": "bob"}, {"user": "alice", "reason": "admin"}, {"session": "h-2"}):
        answer = hub.logout("key-1", **body)
        refused(answer, 422, "idempotency_conflict")
        assert "Retry-After" not in answer.headers
    assert hub.is_alive("h-2")
    assert hub.logout("key-1", user="alice", reason="user").status_code == 200


def test_a_key_belongs_to_its_application(parties):
    """Two applications may use the same key."""
    _, hub, page, _ = parties
    hub.register("h-1", user="alice")
    page.register("p-1", user="bob")
    assert hub.logout("1", user="alice").status_code == 201
    assert page.logout("1", user="bob").status_code == 201


def test_a_call_that_found_nothing_stays_so(parties):
    """The same key later is the same call: it does not end what began after it."""
    bridge, hub, *_ = parties
    assert hub.logout("key-1", user="alice").get_json()["sessions"] == []
    bridge.clock.move(1)
    hub.register("h-1", user="alice")
    answer = hub.logout("key-1", user="alice")
    assert (answer.status_code, answer.get_json()["sessions"]) == (200, [])
    assert hub.is_alive("h-1")


def test_a_key_is_remembered_for_a_day(parties):
    """24 hours, like the receipt."""
    bridge, hub, *_ = parties
    hub.logout("key-1", user="alice")
    (name,) = bridge.redis.scan_iter("slo:*:call:*")
    assert 0 < bridge.redis.pttl(name) <= 24 * 3600 * 1000


def test_twins_have_one_effect_and_one_answer(parties, receiver):
    """L243: ten calls with one key at the same moment; one logout, and all are told of it."""
    bridge, hub, *_ = parties
    hub.register("h-1", user="alice")
    receiver.gate = threading.Event()
    barrier = threading.Barrier(10)

    def call():
        barrier.wait()
        return Caller(bridge, "hub").logout("key-1", user="alice")

    with ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(call) for _ in range(10)]
        receiver.wait_for(1)
        receiver.gate.set()
        found = [answer.result() for answer in answers]
    assert sorted(answer.status_code for answer in found) == [200] * 9 + [201]
    assert len({answer.get_json()["reference"] for answer in found}) == 1
    assert {state for answer in found for _, state in rows(answer)} == {"confirmed"}
    assert (logouts(bridge), len(receiver.got)) == (1, 1)


def test_who_waits_too_long_is_told_to_come_back(bridge, shop, monkeypatch):
    """A twin of a call that is still under way gets 409 with Retry-After in the end, and has done nothing."""
    shop.register("cart-1", user="alice")
    claimed(bridge, {"user": "alice", "reason": "user"})
    monkeypatch.setattr(Logouts, "patience", 0.2)
    answer = shop.logout("key-1", user="alice")
    refused(answer, 409, "call_in_progress")
    assert answer.headers["Retry-After"] == "5"
    assert shop.is_alive("cart-1")


def claimed(bridge, body):
    """Claim the key `key-1` of `shop`, as a process does that then dies; return the id of its logout."""
    parts = bridge.app.extensions["saml_slo"]
    shop = parts.registry.application("shop")
    logout_id = tokens.new_logout_id(parts.application_sessions.user(shop, body["user"]).shard)
    now = int(bridge.clock.now.timestamp() * 1000)
    call = keys.call("shop", "key-1")
    return parts.store.claim_call(call, digest_of(LogoutOfUser(**body)), logout_id, now).logout_id


def test_a_call_whose_process_died_is_carried_on_under_the_same_id(bridge, shop):
    """The key's lease ends, the retry takes over: one logout, with the id that the first call had chosen."""
    shop.register("cart-1", user="alice")
    chosen = claimed(bridge, {"user": "alice", "reason": "user"})
    bridge.clock.move(calls.LEASE / 1000)
    answer = shop.logout("key-1", user="alice")
    assert (answer.status_code, answer.get_json()["id"]) == (201, chosen)
    assert shop.logout("key-1", user="alice").get_json()["id"] == chosen


def test_a_call_whose_answer_was_lost_is_found(bridge, shop, monkeypatch):
    """The process died between the logout and the note about it: the retry finds the logout by its id."""
    shop.register("cart-1", user="alice")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "settle_call", fail)
        first = shop.logout("key-1", user="alice")
    assert first.status_code == 201
    bridge.clock.move(calls.LEASE / 1000)
    again = shop.logout("key-1", user="alice")
    assert (again.status_code, again.get_json()["id"]) == (200, first.get_json()["id"])
    assert logouts(bridge) == 1


def fail(*_, **__):
    """Redis is gone."""
    raise StoreUnavailable("gone")


def test_a_call_that_failed_may_be_repeated_at_once(bridge, shop, monkeypatch):
    """503: the key is let go, so that the retry need not wait for a lease."""
    shop.register("cart-1", user="alice")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "end_sessions", fail)
        refused(shop.logout("key-1", user="alice"), 503, "store_unavailable")
    assert shop.is_alive("cart-1")
    answer = shop.logout("key-1", user="alice")
    assert answer.status_code == 201
    assert not shop.is_alive("cart-1")


def test_a_session_that_opens_during_the_logout_of_its_user_ends_with_it(bridge, shop, monkeypatch):
    """L12: between the reading and the commit another session of the user was opened; it does not survive."""
    shop.register("cart-1", user="alice")
    ending = Store.end_sessions
    opened = []

    def first_another(self, *arguments):
        if not opened:
            opened.append(shop.register("cart-2", user="alice").status_code)
        return ending(self, *arguments)

    monkeypatch.setattr(Store, "end_sessions", first_another)
    answer = shop.logout(user="alice")
    assert opened == [201]
    assert len(rows(answer)) == 4
    assert stored(bridge) == []
