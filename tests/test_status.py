"""GET /session/status: three who may ask, one round trip, hints for caches, a limit for each application (A3)."""

from dataclasses import replace

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from saml_slo.protocol.peer import Application
from saml_slo.protocol.session import check_after, limited
from tests import idp
from tests.proxied import Visit, bearer, toml
from tests.running import running_bridge
from tests.sp import Sp
from tests.store.records import NOW, session
from tests.store.test_round_trips import counter

HOUR = 3600
APPLICATIONS = {
    "wiki": toml(),
    "shop": toml("shop.example", 'connection = "idp"\nidle_lifetime = 600\nsession_lifetime = 7200\n'),
}


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with two applications behind proxies; each may ask five times in a second."""
    with running_bridge(tmp_path, redis_url, applications=APPLICATIONS, status_rate=5) as running:
        yield running


@pytest.fixture
def roomy(tmp_path, redis_url):
    """The same with the usual limit."""
    with running_bridge(tmp_path, redis_url, applications=APPLICATIONS) as running:
        yield running


def asked(bridge, handle, **how):
    """The answer to an application's server."""
    headers = how.pop("headers", bearer())
    return bridge.get(bridge.browser(), f"/session/status?session={handle}", headers=headers, **how)


def test_our_own_page_asks_by_our_cookie(roomy):
    """200 with what there is to know, never to be kept by the browser; 401 without a session."""
    browser = roomy.browser()
    refused = roomy.get(browser, "/session/status")
    assert (refused.status_code, refused.headers["Cache-Control"]) == (401, "no-store")
    assert refused.get_json() == {"active": False}
    roomy.sign_in(browser)
    response = roomy.get(browser, "/session/status")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert response.get_json() == {
        "active": True,
        "connections": ["idp"],
        "ends_at": idp.instant(8 * HOUR),
        "idle_ends_at": idp.instant(8 * HOUR),
        "check_after": 300,
    }


def test_a_proxy_asks_by_the_cookie_of_the_applications_host(roomy):
    """200 with the headers for the application; our own cookie says nothing there, and nothing may be kept."""
    visit = Visit(roomy)
    visit.enter(name_id=idp.NAME_ID)
    response = visit.check()
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    told = response.get_json()
    assert told["user"] == response.headers["X-Slo-User"]
    assert told["check_after"] == 0
    assert response.headers["X-Slo-Connection"] == "idp"
    assert roomy.get(visit.here, "/session/status?client_id=wiki").status_code == 401
    assert roomy.get(visit.there, "/session/status?client_id=shop").status_code == 401
    assert roomy.get(visit.there, "/session/status").status_code == 401


def test_an_applications_server_asks_with_its_secret_and_a_handle(roomy):
    """200 with the user and a time for which the answer may be kept; 401 after the logout, at once."""
    visit = Visit(roomy)
    visit.enter()
    handle = visit.handle()
    response = asked(roomy, handle)
    assert response.get_json()["user"] == visit.check().headers["X-Slo-User"]
    assert response.headers["Cache-Control"] == "private, max-age=300"
    roomy.clock.move(8 * HOUR - 60)
    assert asked(roomy, handle).get_json()["active"]
    roomy.logout(visit.here)
    gone = asked(roomy, handle)
    assert (gone.status_code, gone.headers["Cache-Control"]) == (401, "no-store")


@pytest.mark.parametrize(
    "headers",
    [{}, bearer(secret="x" * 43), bearer("shop"), bearer("nobody"), {"Authorization": "Basic d2lraTpzZWNyZXQ="}],
)
def test_a_handle_is_good_for_its_own_application_alone(roomy, headers):
    """Without the secret, with a wrong one or with another application's a handle opens nothing."""
    visit = Visit(roomy)
    visit.enter()
    assert asked(roomy, visit.handle(), headers=headers).status_code == 401


def test_the_hint_is_half_of_what_is_left(roomy):
    """`check_after` falls to half of the time that is left, and never below a second."""
    at = session()
    assert check_after(at, at.ends_at - 100_000) == 50
    assert check_after(at, at.ends_at - 1) == 1
    assert check_after(at, at.ends_at - 10**7) == 300


def test_beyond_the_rate_an_application_is_told_to_wait_and_others_are_not(bridge):
    """The sixth check within a second is a 429 with Retry-After, logged once; the other application goes on."""
    wiki, shop = Visit(bridge), Visit(bridge, "shop", "shop.example")
    wiki.enter()
    shop.enter(name_id=idp.NAME_ID.replace("alice", "bob"))
    bridge.log.clear()
    codes = [wiki.check().status_code for _ in range(9)]
    assert codes == [200] * 5 + [429] * 4
    refused = wiki.check()
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Cache-Control"] == "no-store"
    assert "X-Slo-User" not in refused.headers
    assert shop.check().status_code == 200
    assert [line["client_id"] for line in bridge.log if line["event"] == "rate_limited"] == ["wiki"]


def test_browsers_have_a_limit_each(bridge):
    """By our own cookie each browser has its own second."""
    one, two = bridge.browser(), bridge.browser()
    bridge.sign_in(one)
    bridge.sign_in(two, name_id=idp.NAME_ID.replace("alice", "bob"))
    codes = [bridge.get(one, "/session/status").status_code for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2
    assert bridge.is_signed_in(two)


def test_every_check_is_one_round_trip_and_a_forged_one_none(roomy, monkeypatch):
    """A3: with the rate limit inside. Cookies and handles that we did not make never reach Redis."""
    visit = Visit(roomy)
    visit.enter()
    handle = visit.handle()
    round_trips = counter(roomy, monkeypatch)
    assert visit.check().status_code == 200
    assert round_trips() == 1
    assert asked(roomy, handle).status_code == 200
    assert round_trips() == 1
    assert roomy.is_signed_in(visit.here)
    assert round_trips() == 1
    assert asked(roomy, handle[:-1] + ("A" if handle[-1] != "A" else "B")).status_code == 401
    visit.there.set_cookie("__Host-slo-app", handle, domain="bridge.example", secure=True)  # a handle is no cookie
    assert visit.check().status_code == 401
    assert round_trips() == 0


def test_a_redis_that_forgot_the_scripts_is_told_them_again(roomy):
    """After a restart of Redis, or SCRIPT FLUSH, a check goes through as before."""
    browser = roomy.browser()
    roomy.sign_in(browser)
    roomy.redis.script_flush()
    assert roomy.is_signed_in(browser)


def test_a_look_moves_the_idle_limit_on(roomy):
    """Whoever is seen stays; whoever is not is gone, for the proxy as for our own page."""
    visit = Visit(roomy)
    visit.enter()
    roomy.clock.move(7 * HOUR)
    assert visit.check().get_json()["idle_ends_at"] == idp.instant(15 * HOUR)
    roomy.clock.move(7 * HOUR)
    assert visit.check().status_code == 200
    roomy.clock.move(9 * HOUR)
    assert visit.check().status_code == 401


def test_a_quiet_look_moves_nothing(roomy):
    """S3: a page that polls keeps nobody signed in: whoever of the three asks with `quiet`, the session ends idle."""
    visit = Visit(roomy)
    visit.enter()
    handle = visit.handle()
    ends = idp.instant(8 * HOUR)
    for hour in range(1, 8):
        roomy.clock.move(HOUR)
        quiet = [
            visit.check("&quiet"),
            asked(roomy, f"{handle}&quiet"),
            roomy.get(visit.here, "/session/status?quiet=1"),
        ]
        assert [answer.get_json()["idle_ends_at"] for answer in quiet] == [ends] * 3, hour
    assert quiet[0].headers["X-Slo-User"], "told as any other check is"
    assert asked(roomy, f"{handle}&quiet").headers["Cache-Control"] == "private, max-age=300"
    roomy.clock.move(HOUR)
    assert visit.check("&quiet").status_code == 401
    assert visit.check().status_code == 401


def test_a_quiet_look_is_counted_and_refused_after_a_logout_as_any_other(bridge, monkeypatch):
    """A3: one round trip, the same limit, and 401 in the very moment of the logout."""
    visit = Visit(bridge)
    visit.enter()
    round_trips = counter(bridge, monkeypatch)
    assert visit.check("&quiet").status_code == 200
    assert round_trips() == 1
    codes = [visit.check("&quiet").status_code for _ in range(6)]
    assert codes == [200] * 4 + [429] * 2
    bridge.redis.delete("slo:{checks:wiki}")
    bridge.logout(visit.here)
    assert visit.check("&quiet").status_code == 401


# Lifetimes of applications ------------------------------------------------------------------------------------------


def test_the_strictest_application_counts_for_the_whole_session():
    """S3: limits only ever become stricter, and run from the moment of joining."""
    first = session()
    at = NOW + 1000
    strict = limited(first, Application(client_id="a", session_lifetime=60, idle_lifetime=10), at)
    assert (strict.absolute_ends_at, strict.idle_lifetime, strict.idle_ends_at) == (at + 60_000, 10_000, at + 10_000)
    assert limited(strict, Application(client_id="b", session_lifetime=900, idle_lifetime=90), at + 1) == strict
    assert limited(first, Application(client_id="c"), NOW) == first
    nearly_over = replace(first, absolute_ends_at=at + 5, idle_ends_at=at + 5)
    assert limited(nearly_over, Application(client_id="a", session_lifetime=60, idle_lifetime=10), at).ends_at == at + 5


def test_joining_an_application_with_short_lifetimes_shortens_the_session(roomy):
    """Behind a proxy: ten minutes idle and two hours at most, from now on and for every application of the session."""
    visit = Visit(roomy)
    visit.enter()
    shop = Visit(roomy, "shop", "shop.example", here=visit.here)
    shop.enter()
    assert visit.check().get_json()["ends_at"] == idp.instant(600)
    for _ in range(13):
        roomy.clock.move(590)
        alive = shop.check().status_code == 200
    assert not alive
    assert roomy.clock() == idp.NOW.fromisoformat(idp.instant(13 * 590))
    assert not roomy.is_signed_in(visit.here)


def test_a_saml_application_shortens_the_session_too(tmp_path, redis_url):
    """By AuthnRequest: the session and the assertion's SessionNotOnOrAfter take the application's lifetime on."""
    sp = Sp("one", "idp-next", more='connection = "idp"\nsession_lifetime = 900\n')
    with running_bridge(tmp_path, redis_url, sps=(sp,)) as bridge:
        browser = bridge.browser()
        told = sp.sign_in(bridge, browser)
        (statement,) = told.message.root.iter("{*}AuthnStatement")
        assert statement.get("SessionNotOnOrAfter") == idp.instant(900).replace("Z", ".000Z")
        assert bridge.get(browser, "/session/status").get_json()["ends_at"] == idp.instant(900)


# The front door -----------------------------------------------------------------------------------------------------


def test_what_is_no_answer_is_told_by_flask_as_everything_is(roomy):
    """A refusal, a failure and a crash behind the front door have a page or JSON, a reference and one log line."""
    browser = roomy.browser()
    roomy.sign_in(browser)
    roomy.log.clear()
    refused = roomy.get(browser, "/session/status?client_id=nobody", headers={"Accept": "application/json"})
    assert (refused.status_code, refused.get_json()["reason"]) == (400, "application_unknown")
    twice = roomy.get(browser, "/session/status?session=a&session=b")
    assert twice.status_code == 400
    assert roomy.reasons() == ["application_unknown", "bad_request"]
    store = roomy.app.extensions["saml_slo"].store
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(store), "check_session", lambda *_: 1 / 0)
        crashed = roomy.get(browser, "/session/status")
    assert crashed.status_code == 500
    assert roomy.reasons() == ["internal_error"]
    assert roomy.is_signed_in(browser)


@pytest.mark.parametrize(
    ("method", "host", "status"),
    [
        ("GET", "bridge.example", 200),
        ("GET", "BRIDGE.example:443", 200),
        ("GET", "bridge.example.evil.test", 400),
        ("GET", "evil.test", 400),
        ("GET", "", 400),
        ("HEAD", "bridge.example", 405),
        ("POST", "bridge.example", 405),
        ("OPTIONS", "bridge.example", 405),
    ],
)
def test_the_front_door_answers_what_is_asked_of_us_alone(roomy, method, host, status):
    """Another Host or method gets what it gets at any other address; every answer has the headers of all."""
    browser = roomy.browser()
    roomy.sign_in(browser)
    cookie = browser.get_cookie("__Host-slo", domain="bridge.example").value
    raw = {"HTTP_HOST": host, "HTTP_COOKIE": f"__Host-slo={cookie}"}
    environ = EnvironBuilder("/session/status", method=method).get_environ() | raw
    _, answered, headers = run_wsgi_app(roomy.app, environ)
    assert int(answered.split()[0]) == status
    usual = roomy.get(roomy.browser(), "/v2/logout").headers
    for name in ("Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options", "Strict-Transport-Security"):
        assert headers.getlist(name) == usual.getlist(name), name
    assert headers.getlist("Cache-Control") == ["no-store"]


def test_a_status_check_sees_new_files(roomy):
    """Files are looked at here too: an application that was added is known at the next check."""
    visit = Visit(roomy, "late", "late.example")
    assert visit.check().status_code == 400
    (roomy.settings.metadata_dir / "applications" / "late.toml").write_text(toml("late.example"))
    roomy.app.extensions["saml_slo"].registry._next_check = 0.0
    assert visit.check().status_code == 401
