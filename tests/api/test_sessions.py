"""An application's own sessions, as it sees them by the API (product A2, S3, S4, L12)."""

from datetime import timedelta

import pytest

from saml_slo.store import keys, tokens
from saml_slo.store.sessions import MAX_SESSIONS_OF_PRINCIPAL
from tests import idp
from tests.api.calling import Caller, application, refused
from tests.running import ORIGIN, running_bridge

HOUR = 3600
BY_URL = 'logout = "url"\nlogout_uri = "https://shop.example/out"\n'
HUB = application("shop", 'logout = "webhook"\nlogout_uri = "https://shop.example/hook"\n')


def at(bridge, seconds=0):
    """The bridge's time and some seconds, as RFC 3339."""
    return (bridge.clock.now + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def without_counters(bridge):
    """The keyspace, without the counters of calls."""
    return {name: value for name, value in bridge.keyspace().items() if not name.startswith(b"slo:{calls:")}


def handle_of_browser(bridge, client_id="shop"):
    """The handle by which an application names the one session of a browser."""
    (name,) = bridge.redis.scan_iter("slo:*:session:*")
    secret = bridge.app.extensions["saml_slo"].secret.derive("handle")
    return tokens.session_handle(secret, name.decode().rpartition(":")[2], client_id)


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
    before = without_counters(bridge)
    bridge.clock.move(30)
    again = shop.register("cart-1", **facts)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    assert without_counters(bridge) == before
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


def stored(bridge):
    """Every living session in the store."""
    store, now = bridge.app.extensions["saml_slo"].store, int(bridge.clock.now.timestamp() * 1000)
    ids = [name.decode().rpartition(":")[2] for name in bridge.redis.scan_iter("slo:*:session:*")]
    found = [store.read_session(identifier, now) for identifier in ids]
    return [session for session in found if hasattr(session, "participants")]


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
    assert without_counters(bridge) == {}


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
    refused(shop.read("cart-1"), 404, "not_found")
    refused(shop.touch("cart-1"), 404, "not_found")


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
    refused(shop.register("one-more", user="alice"), 429, "limit_reached")
    refused(shop.read("one-more"), 404, "not_found")
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


# Bound to a session of ours ------------------------------------------------------------------------------------------


def test_an_application_binds_its_session_to_ours(bridge, shop):
    """Whoever ends the browser's session ends the application's: it is a row of the receipt, and 410 from then on."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    answer = shop.register("cart-1", session=handle_of_browser(bridge))
    assert (answer.status_code, answer.get_json()["user"]) == (201, None)
    assert shop.register("cart-1", session=handle_of_browser(bridge)).status_code == 200
    response = bridge.logout(browser)
    receipt = bridge.receipt(browser, response)
    assert [row["name"] for row in receipt["sessions"]] == ["This browser", "shop", "idp"]
    assert refused(shop.read("cart-1"), 410, "session_ended")["reference"] == receipt["reference"]
    refused(shop.register("cart-2", session=answer.get_json()["handle"]), 409, "session_ended")


def test_several_sessions_of_one_application_hang_on_one_of_ours(bridge, shop):
    """A handle from one registration binds the next; each is one participant under its own id, of the same user."""
    handle = shop.register("web", user="alice").get_json()["handle"]
    body = shop.register("phone", session=handle).get_json()
    assert (body["user"], body["handle"]) == ("alice", handle)
    (session,) = stored(bridge)
    assert [part.subject.session for part in session.participants] == ["web", "phone"]
    shop.leave("web")
    assert shop.is_alive("phone")
    shop.leave("phone")
    assert stored(bridge) == []


def test_leaving_our_session_ends_it_for_nobody_else(bridge, shop):
    """DELETE of a bound session: the browser stays signed in, and its logout does not tell the application."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    shop.register("cart-1", session=handle_of_browser(bridge))
    shop.leave("cart-1")
    assert bridge.is_signed_in(browser)
    refused(shop.read("cart-1"), 410, "session_ended")
    refused(shop.register("cart-1", session=handle_of_browser(bridge)), 409, "session_ended")
    receipt = bridge.receipt(browser, bridge.logout(browser))
    assert [row["name"] for row in receipt["sessions"]] == ["This browser", "idp"]


def test_the_stricter_limits_hold_for_the_whole_session(tmp_path, redis_url):
    """S3: one session is one thing; binding never makes it longer."""
    files = {
        "shop": application("shop", "session_lifetime = 3600\nidle_lifetime = 600\n" + BY_URL),
        "blog": application("blog", "session_lifetime = 999_999\n" + BY_URL),
    }
    with running_bridge(tmp_path, redis_url, applications=files) as bridge:
        shop, blog = Caller(bridge, "shop"), Caller(bridge, "blog")
        browser = bridge.browser()
        bridge.sign_in(browser)
        body = blog.register("b", session=handle_of_browser(bridge, "blog")).get_json()
        assert body["ends_at"] == "2026-11-21T06:26:00.000Z"
        expires = {"expires_at": at(bridge, 1800)}
        body = shop.register("s", session=handle_of_browser(bridge), **expires).get_json()
        assert (body["ends_at"], body["idle_ends_at"]) == ("2026-11-20T06:56:00.000Z", "2026-11-20T06:36:00.000Z")
        assert blog.read("b").get_json()["ends_at"] == body["ends_at"]
        bridge.clock.move(600)
        assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize("kind", ["other-application", "forged", "garbage", "receipt"])
def test_a_handle_that_is_not_the_applications_own_names_nothing(bridge, shop, kind):
    """A handle is good for the application that got it, and for nobody who read it in its logs."""
    bridge.sign_in(bridge.browser())
    handle = handle_of_browser(bridge, "blog" if kind == "other-application" else "shop")
    wrong = {
        "other-application": handle,
        "forged": handle[:-1] + ("A" if handle[-1] != "A" else "B"),
        "garbage": "x",
        "receipt": tokens.receipt_handle("3f" + "0" * 24, "a" * 22),
    }
    before = without_counters(bridge)
    refused(shop.register("cart-1", session=wrong[kind]), 404, "not_found")
    assert without_counters(bridge) == before


def test_a_session_takes_fifty_parts(bridge, shop):
    """A limit is a clear error; those that are there stay."""
    handle = shop.register("s-0", user="alice").get_json()["handle"]
    for number in range(1, 50):
        assert shop.register(f"s-{number}", session=handle).status_code == 201
    refused(shop.register("s-50", session=handle), 429, "limit_reached")
    assert shop.is_alive("s-49")
    assert shop.register("s-49", session=handle).status_code == 200


def test_a_hint_that_leads_elsewhere_counts_for_nothing(bridge, shop, blog):
    """S4: the session says who takes part in it; what an index says is held against that."""
    shop.register("cart-1", user="alice")
    blog.register("post-1", user="bob")
    (alices,) = [one for one in stored(bridge) if one.participants[0].application == "shop"]
    secret = bridge.app.extensions["saml_slo"].secret.derive("principal")
    stray = keys.application_session(secret, "blog", "post-2")
    bridge.redis.zadd(stray.sessions, {alices.id: alices.hard_ends_at, "3f" + "0" * 32: alices.hard_ends_at})
    refused(blog.read("post-2"), 410, "session_ended")
    before = bridge.redis.get(keys.session(alices.id))
    bridge.clock.move(HOUR)
    refused(blog.touch("post-2"), 410, "session_ended")
    assert blog.logout(session="post-2").get_json()["sessions"] == []
    assert bridge.redis.get(keys.session(alices.id)) == before
    assert blog.register("post-2", user="carol").status_code == 201
    assert blog.read("post-2").get_json()["user"] == "carol"


# Signed in by a provider of the application's own --------------------------------------------------------------------


@pytest.fixture
def providers(tmp_path, redis_url):
    """A bridge that knows Facebook, and the application."""
    connections = tmp_path / "metadata" / "connections"
    connections.mkdir(parents=True)
    (connections / "facebook.toml").write_text('preset = "facebook"\n')
    (connections / "closed.toml").write_text('preset = "facebook"\nenabled = false\n')
    with running_bridge(tmp_path, redis_url, applications={"shop": HUB}) as bridge:
        yield bridge, Caller(bridge, "shop")


TOKEN = "EAAB-access-token"


def test_a_session_brings_what_its_providers_sign_out_needs(providers):
    """A2: the person's browser is sent to the provider with the token of that sign-in, by the link of the session."""
    bridge, shop = providers
    answer = shop.register("cart-1", user="alice", connection="facebook", access_token=TOKEN)
    url = answer.get_json()["logout_url"].removeprefix(ORIGIN)
    response = bridge.get(bridge.browser(), f"{url}&federated")
    browser_goes = response.headers["Location"]
    if browser_goes.startswith("/logout/"):  # the webhook is still under way
        browser_goes = bridge.get(bridge.browser(), f"{browser_goes}/next").headers["Location"]
    assert browser_goes.startswith("https://www.facebook.com/logout.php?")
    assert f"access_token={TOKEN}" in browser_goes


def test_tokens_rest_encrypted(providers):
    """A2: nobody who reads Redis can use them, and the next registration does not seal them anew for nothing."""
    bridge, shop = providers
    brought = {"user": "alice", "connection": "facebook", "access_token": TOKEN, "id_token": "eyJ.id.token"}
    shop.register("cart-1", **brought)
    stored_octets = b"".join(bridge.redis.get(name) for name in bridge.redis.scan_iter("slo:*:session:*"))
    assert TOKEN.encode() not in stored_octets
    assert b"eyJ" not in stored_octets
    assert shop.register("cart-1", **brought).status_code == 200
    assert shop.register("cart-1", user="alice", connection="facebook").status_code == 200
    (session,) = stored(bridge)
    assert (session.version, session.logins[0].token_names) == (1, ("id_token", "access_token"))
    shop.register("cart-1", user="alice", connection="facebook", access_token="newer")
    (session,) = stored(bridge)
    asking = bridge.app.extensions["saml_slo"].journey.asking
    assert asking.open_tokens("facebook", session.logins[0].tokens) == {
        "id_token": "eyJ.id.token",
        "access_token": "newer",
    }


def test_a_provider_joins_the_logins_of_a_session_of_ours(providers):
    """S5: a browser session may hold both, the company's sign-in and the application's own."""
    bridge, shop = providers
    bridge.sign_in(bridge.browser())
    shop.register("c", session=handle_of_browser(bridge), connection="facebook", access_token=TOKEN, sid="f-1")
    (session,) = stored(bridge)
    assert [login.connection for login in session.logins] == ["idp", "facebook"]
    assert (session.logins[1].assertion_id, session.logins[1].session_indexes) == ("", ("f-1",))


def test_a_saml_connection_is_refused_in_words(providers):
    """Its people sign in here; nobody but the identity provider says who they are."""
    _, shop = providers
    body = refused(shop.register("cart-1", user="alice", connection="idp"), 400, "api_bad_request")
    assert "/login" in body["next_step"]
    assert body["setting"] == "connection"


@pytest.mark.parametrize("name", ["nobody", "closed"])
def test_a_connection_that_is_not_in_force_is_refused(providers, name):
    """A typing error is no silent default."""
    _, shop = providers
    refused(shop.register("cart-1", user="alice", connection=name), 404, "connection_unknown")


def test_logout_tokens_name_what_the_application_registered(tmp_path, redis_url):
    """A2: issuer, sub and sid are its own; where it registers neither, they are its user and session (BCL 2.4)."""
    toml = 'logout = "oidc-backchannel"\nlogout_uri = "https://shop.example/bcl"\n'
    with running_bridge(tmp_path, redis_url, applications={"shop": application("shop", toml)}) as bridge:
        shop = Caller(bridge, "shop")
        shop.register("cart-1", user="alice")
        shop.register("cart-2", user="bob", sub="bob@id", issuer="https://id.example")
        subjects = {one.participants[0].subject.session: one.participants[0].subject for one in stored(bridge)}
        assert (subjects["cart-1"].sub, subjects["cart-1"].sid) == ("alice", "cart-1")
        assert (subjects["cart-2"].issuer, subjects["cart-2"].sub, subjects["cart-2"].sid) == (
            "https://id.example",
            "bob@id",
            None,
        )


def test_people_of_a_saml_connection_are_signed_in_as_before(bridge, shop):
    """The control: a browser's session and an application's of the same name are two people's."""
    browser = bridge.browser()
    bridge.sign_in(browser, name_id=idp.NAME_ID)
    shop.register("cart-1", user="alice@corp.test")
    shop.logout(user="alice@corp.test")
    assert bridge.is_signed_in(browser)
