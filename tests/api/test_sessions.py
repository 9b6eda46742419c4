"""An application's own sessions, as it sees them by the API (product A2, S3, S4, L12)."""

import pytest

from saml_slo.store.sessions import MAX_SESSIONS_OF_PRINCIPAL
from tests import idp
from tests.api.calling import BY_URL, Caller, application, at, refused, stored
from tests.running import ORIGIN, running_bridge

HOUR = 3600


# Of a user -----------------------------------------------------------------------------------------------------------


def test_a_registered_session_is_alive_until_its_times_are_over(bridge, shop):
    """201 and everything that an application needs: until when, when to ask again, where its person signs out."""
    answer = shop.register("cart-1", user="alice")
    assert answer.status_code == 201
    body = answer.get_json()
    assert body == {
        "id": "cart-1",
        "handle": body["handle"],
        "user": "alice",
        "active": True,
        "ends_at": "2026-11-21T06:26:00.000Z",
        "idle_ends_at": "2026-11-20T14:26:00.000Z",
        "check_after": 300,
        "logout_url": f"{ORIGIN}/v2/logout?session={body['handle']}&client_id=shop",
    }
    assert answer.headers["Cache-Control"] == "private, max-age=300"
    assert shop.is_alive("cart-1")
    bridge.clock.move(8 * HOUR)
    refused(shop.read("cart-1"), 410, "session_ended")


def test_the_same_registration_again_changes_nothing(bridge, shop):
    """PUT is idempotent: 200, the same answer, the same octets in Redis, also a while later."""
    facts = {"user": "alice", "sub": "a", "issuer": "https://shop.example", "signed_in_at": at(bridge, -60)}
    first = shop.register("cart-1", **facts)
    before = bridge.keyspace()
    bridge.clock.move(30)
    again = shop.register("cart-1", **facts)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    assert bridge.keyspace() == before
    assert shop.register("cart-1", user="alice").get_json() == first.get_json()
    (session,) = stored(bridge)
    assert session.version == 1


def test_what_a_registration_adds_is_recorded_and_what_it_leaves_out_stays(bridge, shop):
    """A later PUT can bring more; it takes nothing away that a logout will need."""
    shop.register("cart-1", user="alice", sub="a", issuer="https://shop.example")
    assert shop.register("cart-1", user="alice", sid="s").status_code == 200
    (session,) = stored(bridge)
    (part,) = session.participants
    assert (part.subject.issuer, part.subject.sub, part.subject.sid) == ("https://shop.example", "a", "s")
    assert session.version == 2


def test_a_touch_moves_the_idle_limit_and_a_look_does_not(bridge, shop):
    """S3: whoever is active stays signed in, until the absolute limit; looking is not being active."""
    shop.register("cart-1", user="alice")
    bridge.clock.move(7 * HOUR)
    assert shop.read("cart-1").get_json()["idle_ends_at"] == "2026-11-20T14:26:00.000Z"
    touched = shop.touch("cart-1").get_json()
    assert touched["idle_ends_at"] == "2026-11-20T21:26:00.000Z"
    assert touched["ends_at"] == "2026-11-21T06:26:00.000Z"
    for _ in range(2):
        bridge.clock.move(7 * HOUR)
        assert shop.touch("cart-1").status_code == 200
    bridge.clock.move(3 * HOUR - 1)
    assert shop.is_alive("cart-1")
    bridge.clock.move(1)
    refused(shop.touch("cart-1"), 410, "session_ended")


@pytest.mark.parametrize("body", [None, {}])
def test_a_touch_needs_no_body(shop, body):
    """No body or an empty object."""
    shop.register("cart-1", user="alice")
    assert shop.call("POST", "sessions/cart-1/touch", body).status_code == 200


LIMITS = {
    "tenant": ("", "", {}, (6 * HOUR, 3 * HOUR)),
    "application": ("session_lifetime = 3600\nidle_lifetime = 600\n", "", {}, (HOUR, 600)),
    "longer-application": ("session_lifetime = 86400\nidle_lifetime = 36000\n", "", {}, (6 * HOUR, 3 * HOUR)),
    "provider": ("", "session_lifetime = 7200\nidle_lifetime = 900\n", {}, (2 * HOUR, 900)),
    "both": ("session_lifetime = 3600\n", "idle_lifetime = 900\n", {}, (HOUR, 900)),
    "expires-at": ("", "", {"expires_at": 1800}, (1800, 3 * HOUR)),
    "later-expires-at": ("", "", {"expires_at": 20 * HOUR}, (6 * HOUR, 3 * HOUR)),
    "signed-in-before": ("", "", {"signed_in_at": -HOUR}, (5 * HOUR, 3 * HOUR)),
    "signed-in-in-the-future": ("", "", {"signed_in_at": HOUR}, (6 * HOUR, 3 * HOUR)),
}


@pytest.mark.parametrize("case", LIMITS)
def test_the_strictest_lifetime_counts(tmp_path, redis_url, case):
    """S3: of the tenant, the provider, the application and what it says itself; a clock that is ahead gains nothing."""
    ours, theirs, said, (absolute, idle) = LIMITS[case]
    files = {"shop": application("shop", ours + BY_URL)}
    connections = tmp_path / "metadata" / "connections"
    connections.mkdir(parents=True)
    (connections / "facebook.toml").write_text('preset = "facebook"\n' + theirs)
    lifetimes = {"session_lifetime": 6 * HOUR, "idle_lifetime": 3 * HOUR}
    with running_bridge(tmp_path, redis_url, applications=files, **lifetimes) as bridge:
        moments = {name: at(bridge, seconds) for name, seconds in said.items()}
        body = Caller(bridge, "shop").register("x", user="alice", connection="facebook", **moments).get_json()
        ends = [at(bridge, seconds).replace("Z", ".000Z") for seconds in (absolute, idle)]
        assert [body["ends_at"], body["idle_ends_at"]] == ends


@pytest.mark.parametrize("said", [{"expires_at": -1}, {"expires_at": 0}, {"signed_in_at": -24 * HOUR}])
def test_a_session_whose_time_is_over_is_not_opened(bridge, shop, said):
    """409, and nothing is stored."""
    moments = {name: at(bridge, seconds) for name, seconds in said.items()}
    refused(shop.register("cart-1", user="alice", **moments), 409, "session_ended")
    assert bridge.keyspace() == {}


def test_a_session_can_be_made_to_end_earlier_or_later(bridge, shop):
    """An application's own limit may slide while nobody else has part in the session, never beyond the lifetime."""
    shop.register("cart-1", user="alice", expires_at=at(bridge, 600))
    assert shop.register("cart-1", user="alice", expires_at=at(bridge, 1200)).get_json()["ends_at"] == at(
        bridge, 1200
    ).replace("Z", ".000Z")
    assert shop.register("cart-1", user="alice", expires_at=at(bridge, 99 * HOUR)).get_json()["ends_at"] == (
        "2026-11-21T06:26:00.000Z"
    )
    bridge.clock.move(1200)
    assert shop.is_alive("cart-1")


def test_an_id_that_was_never_registered_is_unknown(shop, blog):
    """404 for both looks; and what another application calls its session is nothing to us."""
    blog.register("cart-1", user="alice")
    refused(shop.read("cart-1"), 404, "session_unknown")
    refused(shop.touch("cart-1"), 404, "session_unknown")


def test_one_id_is_one_session(bridge, shop):
    """A session that changes its user without a new id is refused: that is how sessions get fixed on people."""
    shop.register("cart-1", user="alice")
    refused(shop.register("cart-1", user="bob"), 409, "session_conflict")
    assert shop.read("cart-1").get_json()["user"] == "alice"
    assert len(stored(bridge)) == 1


def test_a_user_has_twenty_sessions_and_the_next_is_refused(bridge, shop):
    """M244: a clear error, and nothing is lost; one that ends makes room."""
    for number in range(MAX_SESSIONS_OF_PRINCIPAL):
        assert shop.register(f"cart-{number}", user="alice").status_code == 201
    refused(shop.register("one-more", user="alice"), 409, "limit_reached")
    refused(shop.read("one-more"), 404, "session_unknown")
    assert shop.register("other", user="bob").status_code == 201
    assert all(shop.is_alive(f"cart-{number}") for number in range(MAX_SESSIONS_OF_PRINCIPAL))
    shop.leave("cart-7")
    assert shop.register("one-more", user="alice").status_code == 201


def test_keys_hold_nothing_in_the_clear(bridge, shop):
    """S6: neither a user id nor an application's session id is part of a key, and every key but `due` has a TTL."""
    shop.register("cart-1", user="alice@corp.test")
    shop.logout("key-1", user="alice@corp.test")
    shop.leave("cart-2")
    for name in bridge.redis.scan_iter():
        assert not any(part in name for part in (b"alice", b"cart-", b"key-1")), name
        assert name.endswith(b":due") or bridge.redis.pttl(name) > 0, name


def test_an_applications_session_id_is_not_logged(bridge, shop):
    """J225: it may be what the application's cookie holds."""
    shop.read("secret-cookie-value")
    shop.call("PUT", "sessions/secret-cookie-value", data=b"[")
    shop.call("POST", "sessions/secret-cookie-value/touch", {"x": 1})
    assert bridge.log
    assert "secret-cookie-value" not in repr(bridge.log)


def test_what_is_wrong_with_a_time_is_a_sentence(shop):
    """The words of the check itself, as the end of one."""
    body = refused(shop.register("cart-1", user="alice", expires_at="tomorrow"), 400, "api_bad_request")
    assert body["description"] == "expires_at is wrong: not a time of RFC 3339"


# Ended ---------------------------------------------------------------------------------------------------------------


def test_what_was_logged_out_cannot_come_back(bridge, shop):
    """L12: the id of an ended session is over, so is a sign-in from before the user's logout; a newer one is not."""
    shop.register("cart-1", user="alice")
    before = at(bridge)
    bridge.clock.move(10)
    reference = shop.logout(user="alice").get_json()["reference"]
    for answer, status in ((shop.read("cart-1"), 410), (shop.touch("cart-1"), 410)):
        assert refused(answer, status, "session_ended")["reference"] == reference
    assert refused(shop.register("cart-1", user="alice"), 409, "session_ended")["reference"] == reference
    bridge.clock.move(10)
    refused(shop.register("cart-2", user="alice", signed_in_at=before), 409, "session_ended")
    assert shop.register("cart-3", user="alice").status_code == 201
    assert shop.register("cart-4", user="alice", signed_in_at=at(bridge, -5)).status_code == 201


def test_a_user_who_had_no_session_is_logged_out_all_the_same(bridge, shop):
    """L12: a registration that was under way during the logout is late, though the logout found nothing."""
    before = at(bridge)
    bridge.clock.move(1)
    assert shop.logout(user="alice").get_json()["reference"] is None
    refused(shop.register("cart-1", user="alice", signed_in_at=before), 409, "session_ended")


def test_a_session_that_the_application_ends_is_over_and_nobody_is_told(bridge, shop):
    """DELETE: 204, as often as it comes; no logout, no way back for a registration that comes late."""
    shop.register("cart-1", user="alice", signed_in_at=at(bridge))
    assert shop.leave("cart-1").status_code == 204
    assert shop.leave("cart-1").status_code == 204
    refused(shop.read("cart-1"), 410, "session_ended")
    refused(shop.register("cart-1", user="alice"), 409, "session_ended")
    assert list(bridge.redis.scan_iter("slo:*:logout:*")) == []
    assert stored(bridge) == []
    assert shop.register("cart-2", user="alice", signed_in_at=at(bridge)).status_code == 201


def test_a_registration_that_comes_after_its_end_is_refused(shop):
    """DELETE overtakes PUT: the session that the application has ended already does not begin."""
    assert shop.leave("cart-1").status_code == 204
    refused(shop.register("cart-1", user="alice"), 409, "session_ended")
    assert shop.register("cart-2", user="alice").status_code == 201


def test_the_end_of_a_session_by_itself_is_told_and_remembered(bridge, shop):
    """S3: the sweeper ends what is idle; the application's later look says so, with the logout's reference."""
    shop.register("cart-1", user="alice")
    bridge.clock.move(8 * HOUR)
    assert bridge.app.extensions["saml_slo"].sweeper.sweep() == 1
    (name,) = bridge.redis.scan_iter("slo:*:logout:*")
    logout = bridge.app.extensions["saml_slo"].store.read_logout(name.decode().rpartition(":")[2])
    assert logout.initiator == "timeout"
    assert refused(shop.read("cart-1"), 410, "session_ended")["reference"] == logout.reference
    refused(shop.register("cart-1", user="alice"), 409, "session_ended")


def test_people_of_a_saml_connection_are_signed_in_as_before(bridge, shop):
    """The control: a browser's session and an application's of the same name are two people's."""
    browser = bridge.browser()
    bridge.sign_in(browser, name_id=idp.NAME_ID)
    shop.register("cart-1", user="alice@corp.test")
    shop.logout(user="alice@corp.test")
    assert bridge.is_signed_in(browser)
