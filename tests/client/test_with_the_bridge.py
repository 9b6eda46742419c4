"""The client against a real bridge on a real Redis: what one says the other understands, in both directions."""

from datetime import timedelta

import flask
import pytest

from saml_slo import client as c
from saml_slo.client.flask import guard_sessions
from tests.client.shop import SECRETS, running_place
from tests.running import ORIGIN
from tests.serving import wait_until


@pytest.fixture
def place(tmp_path, redis_url):
    """A bridge, a shop and a blog."""
    with running_place(tmp_path, redis_url) as running:
        yield running


def test_the_life_of_a_session(place):
    """A session is registered, known the second time, touched, read and left; then it is over."""
    shop, now = place.shop.client, place.bridge.clock()
    made = shop.create_session("s1", user="alice", signed_in_at=now)
    assert (made.id, made.user) == ("s1", "alice")
    assert now < made.idle_ends_at <= made.ends_at
    assert 0 < made.check_after <= 300
    assert made.logout_url.startswith(f"{ORIGIN}/v2/logout?session={made.handle}")
    assert shop.create_session("s1", user="alice", signed_in_at=now) == made
    place.bridge.clock.move(60)
    touched = shop.touch_session("s1")
    assert touched.idle_ends_at > made.idle_ends_at
    assert shop.read_session("s1").idle_ends_at == touched.idle_ends_at
    shop.end_session("s1")
    shop.end_session("s1")
    with pytest.raises((c.SessionEnded, c.NotFound)):
        shop.touch_session("s1")
    assert place.shop.receiving.notices == []


def test_a_logout_reaches_everybody(place):
    """One application logs a person out; the other is told by a logout token, and the receipt says so to the first."""
    place.shop.client.create_session("s1", user="alice")
    place.blog.client.create_session("b1", user="alice", subject=c.OidcSubject(sub="a-17", sid="b1"))
    receipt = place.shop.client.start_logout(user="alice", reason="admin", idempotency_key="k1")
    assert (receipt.settled, receipt.all_ended) == (True, True), receipt
    assert {(row.name, row.state) for row in receipt.sessions} >= {("blog", "confirmed")}
    assert [notice.session for notice in place.shop.receiving.notices] == ["s1"], "who asks is told of its own as well"
    (told,) = place.blog.receiving.notices
    assert (told.issuer, told.sub, told.sid) == (ORIGIN, "a-17", "b1")
    for client, session in ((place.shop.client, "s1"), (place.blog.client, "b1")):
        with pytest.raises(c.SessionEnded):
            client.touch_session(session)
        with pytest.raises(c.SessionEnded):
            client.create_session(session, user="alice")
    assert place.shop.client.read_logout(receipt.id) == receipt
    assert place.shop.client.start_logout(user="alice", reason="admin", idempotency_key="k1") == receipt
    with pytest.raises(c.Conflict):
        place.shop.client.start_logout(user="bob", idempotency_key="k1")
    with pytest.raises(c.NotFound):
        place.blog.client.read_logout(receipt.id)
    assert place.shop.client.start_logout(user="alice").sessions == ()


def test_a_webhook_comes_in(place):
    """The other way round the shop is told by a webhook that its verifier takes, of the one session that is meant."""
    place.blog.client.create_session("b1", user="alice")
    place.shop.client.create_session("s1", user="alice")
    place.shop.client.create_session("s2", user="bob")
    receipt = place.blog.client.start_logout(user="alice")
    assert receipt.all_ended, receipt
    (told,) = place.shop.receiving.notices
    assert (told.session, told.user, told.reason) == ("s1", "alice", "user")
    assert place.shop.client.touch_session("s2").user == "bob"


@pytest.mark.parametrize(("failing", "other"), [("shop", "blog"), ("blog", "shop")])
def test_what_the_application_could_not_do_is_done_later(place, failing, other):
    """An application whose database is down is not confirmed; it is told again, and then it is, once."""
    party, asking = getattr(place, failing), getattr(place, other)
    told = []

    def fail(notice):
        told.append(notice)
        raise RuntimeError("database")

    party.client.create_session("x1", user="alice")
    asking.client.create_session("y1", user="alice")
    handed_on, party.receiving.act = party.receiving.act, fail
    begun = asking.client.start_logout(user="alice")
    (row,) = [row for row in begun.sessions if row.name == failing]
    assert (row.state, row.ended, begun.settled) == ("timed_out", False, False)
    party.receiving.act = handed_on
    place.bridge.clock.move(3600)
    place.bridge.app.extensions["saml_slo"].sweeper.sweep()
    (row,) = [row for row in until_settled(asking.client, begun.id).sessions if row.name == failing]
    assert (row.state, row.ended) == ("confirmed", True)
    (notice,) = party.receiving.notices
    assert (notice.id == told[0].id) is (failing == "shop"), "a webhook keeps its id, a token has one of its own"


def until_settled(client, logout_id):
    """Read a receipt until nothing more happens."""
    wait_until(lambda: client.read_logout(logout_id).settled)
    return client.read_logout(logout_id)


def test_a_credential_that_is_wrong(place):
    """Another's secret, or none's, is Unauthorised with a reference code."""
    for credential in (f"shop.{SECRETS['blog']}", f"nobody.{'x' * 43}"):
        with pytest.raises(c.Unauthorised) as caught:
            place.client(credential).touch_session("s1")
        assert caught.value.reference


def test_an_unknown_session(place):
    """A session that was never registered, or is another application's, is NotFound."""
    place.blog.client.create_session("b1", user="alice")
    for session in ("s1", "b1"):
        with pytest.raises(c.NotFound):
            place.shop.client.touch_session(session)
    with pytest.raises(c.NotFound):
        place.shop.client.read_logout("nothing")


def test_a_wrong_request_is_told_in_words(place):
    """What the bridge refuses comes with its reason and what to do."""
    with pytest.raises(c.Refused) as caught:
        place.shop.client.create_session("s1", user="alice", provider=c.Provider("idp"))
    assert caught.value.next_step
    assert caught.value.reference in str(caught.value)


def test_a_flask_application_is_signed_out(place):
    """A guarded application lets the person in, until another application logs them out and check_after is over."""
    place.shop.client.create_session("s1", user="alice", expires_at=place.bridge.clock() + timedelta(hours=1))
    place.blog.client.create_session("b1", user="alice")
    seconds = [0.0]
    check = c.SessionCheck(place.shop.client, clock=lambda: seconds[0])
    app = flask.Flask("shop")
    guard_sessions(app, check, session_id=lambda: "s1", on_ended=lambda: ("over", 401))
    app.add_url_rule("/", view_func=lambda: "page")
    browser = app.test_client()
    assert browser.get("/").status_code == 200
    place.blog.client.start_logout(user="alice")
    assert browser.get("/").status_code == 200, "within check_after"
    seconds[0] = 301.0
    assert browser.get("/").status_code == 401


def test_a_notice_signs_out_at_once(place):
    """With a receiver that marks the session, the very next request is refused."""
    place.shop.client.create_session("s1", user="alice")
    place.blog.client.create_session("b1", user="alice")
    check = c.SessionCheck(place.shop.client)
    place.shop.receiving.act = lambda notice: check.mark_ended(notice.session)
    assert check.is_alive("s1")
    place.blog.client.start_logout(user="alice")
    assert not check.is_alive("s1")
