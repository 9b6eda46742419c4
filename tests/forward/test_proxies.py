"""An application behind a real reverse proxy, with the snippet of docs/forward-auth.md (A3).

The bridge and the application are live servers; the browser speaks HTTP to all three. Each test runs with each proxy.
"""

import http.client
import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from tests import idp
from tests.forward.house import SITE, WIKI, wiki_behind
from tests.running import ORIGIN

BOB = idp.NAME_ID.replace("alice", "bob")
SIGN_IN = f"{ORIGIN}/forward/wiki/sign-in?"


def is_sent_to_sign_in(browser, answer):
    """Say whether an answer of the wiki's host leads to our sign-in, there or by one more step at the same host."""
    return browser.follow(answer, SIGN_IN).startswith(SIGN_IN)


def user_in(answer):
    """The user that the wiki was told, in its page."""
    (line,) = [line for line in answer.body.decode().splitlines() if line.startswith("HTTP_X_SLO_USER=")]
    return line.partition("=")[2]


def test_from_a_deep_link_to_the_sign_in_and_back(house):
    """Nobody sees the page before the sign-in; afterwards it is the page that was asked for, with the user's name."""
    browser = house.browser()
    page = house.sign_in(browser, "/pages/7?tab=b&x=%C3%A9&y=a+b")
    assert page.status == 200
    assert page.url == f"{WIKI}/pages/7?tab=b&x=%C3%A9&y=a+b"
    assert len(user_in(page)) == 40
    assert [path for _, path, _ in house.wiki.seen] == ["/pages/7?tab=b&x=%C3%A9&y=a+b"]
    assert user_in(browser.send(f"{WIKI}/next")) == user_in(page)
    assert user_in(house.sign_in(house.browser(), name_id=BOB)) != user_in(page)
    assert house.bridge.reasons() == []


def test_after_a_logout_the_next_request_of_the_other_tab_is_refused(house):
    """One tab signs out while the other goes on asking: whatever it asks for after the receipt came is refused."""
    browser = house.browser()
    house.sign_in(browser)
    running, told = threading.Event(), threading.Event()
    answers = []

    def other_tab():
        while not told.is_set() or answers[-1][0] < ended[0]:
            begun = time.monotonic()
            answers.append((begun, browser.send(f"{WIKI}/poll").status))
            running.set()

    ended = []
    tab = threading.Thread(target=other_tab, daemon=True)
    tab.start()
    assert running.wait(60)
    away = browser.send(f"{WIKI}/_slo/logout")
    assert away.location.startswith(f"{ORIGIN}/v2/logout?client_id=wiki&session=")
    receipt = browser.send(away.location)
    ended.append(time.monotonic())
    told.set()
    assert receipt.status in (200, 303)
    tab.join(60)
    assert answers[0][1] == 200
    afterwards = [status for begun, status in answers if begun >= ended[0]]
    assert afterwards
    assert set(afterwards) <= {302, 303}
    house.wiki.seen.clear()
    assert is_sent_to_sign_in(browser, browser.send(f"{WIKI}/page"))
    assert house.wiki.seen == []
    row = next(row for row in _receipt(browser, receipt)["sessions"] if row["kind"] == "application")
    assert row["state"] == "confirmed"


def _receipt(browser, answer):
    return browser.send(f"{answer.location}.json").json()


def test_what_a_client_says_of_itself_is_overwritten(house):
    """X-Slo-User and its kin come from our answer alone, however a client spells them, signed in or not.

    To many applications every character that is neither letter nor digit is the same: X_Slo.User is X-Slo-User.
    """
    names = (
        "X-Slo-User",
        "x-slo-email",
        "X-Slo-Connection",
        "X-Slo-Session",
        "X_Slo_User",
        "X-SLO_USER",
        "X_Slo-Email",
    )
    forged = dict.fromkeys((*names, "X.Slo.User", "X-Slo.User"), "root")
    browser = house.browser()
    assert is_sent_to_sign_in(browser, browser.send(f"{WIKI}/", **forged))
    assert house.wiki.seen == []
    house.sign_in(browser)
    page = browser.send(f"{WIKI}/", **forged)
    assert page.status == 200
    assert "root" not in page.body.decode()
    assert len(user_in(page)) == 40
    assert house.wiki.headers["X-Slo-Connection"] == "idp"
    assert "root" not in house.wiki.headers.values()


def test_no_client_takes_our_headers_away(house):
    """Proxies drop headers that `Connection` names (RFC 9110, 7.6.1): not ours, or the wiki sees half a person."""
    browser = house.browser()
    told = house.sign_in(browser).body
    assert browser.send(f"{WIKI}/", Connection="X-Slo-User, x-slo-connection, close").body == told
    answer = browser.send(f"{WIKI}/", Connection="Cookie, X-Forwarded-Host")  # those of the question itself
    assert answer.body == told or is_sent_to_sign_in(browser, answer)


def test_where_a_client_says_it_is_does_not_count(house):
    """X-Forwarded-Host, X-Forwarded-Uri and X-Original-URI are the proxy's, wherever we believe them."""
    browser = house.browser()
    lies = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Uri": "/evil", "X-Original-URI": "/evil"}
    assert is_sent_to_sign_in(browser, browser.send(f"{WIKI}/page", **lies))
    browser.send(f"{WIKI}/_slo/start", **lies)
    believed = [asked for asked in house.asked if asked["QUERY_STRING"] != "client_id=wiki"]  # where nginx only asks
    assert len(believed) >= 2
    assert {asked["HTTP_X_FORWARDED_HOST"] for asked in believed} == {SITE}
    wanted = {asked.get("HTTP_X_FORWARDED_URI") for asked in believed if asked["PATH_INFO"] == "/session/status"}
    assert wanted <= {"/page"}


def test_a_form_is_not_lost_to_nobody_and_goes_through_for_somebody(house):
    """A POST without a session goes to the sign-in and back to the path; with one it reaches the wiki with its body."""
    browser = house.browser()
    asked = browser.send(f"{WIKI}/save", "POST", "text=hello", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert is_sent_to_sign_in(browser, asked)
    assert house.wiki.seen == []
    page = house.sign_in(browser, "/save")
    assert page.url == f"{WIKI}/save"
    browser.send(f"{WIKI}/save", "POST", "text=hello", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert house.wiki.seen[-1] == ("POST", "/save", "text=hello")
    browser.send(f"{WIKI}/save", "HEAD")
    assert house.wiki.seen[-1][0] == "HEAD"


def test_scripts_get_the_401_itself(house):
    """A fetch of the page is told 401 and sets no cookie; nobody redirects it to another origin."""
    browser = house.browser()
    answer = browser.send(f"{WIKI}/api/items", **{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"})
    assert (answer.status, answer.headers.get_all("Set-Cookie")) == (401, None)
    assert house.wiki.seen == []


@pytest.mark.parametrize(
    "path",
    ["//evil.test/", "/\\evil.test", "//evil.test/%2e%2e", "/_slo/logout", "///evil.test", "/%09/evil.test", "/?a=//b"],
)
def test_no_path_leads_away(house, path):
    """Whatever path is asked for, the person ends on the wiki's own origin."""
    browser = house.browser()
    asked = browser.send(f"{WIKI}{path}")
    if path == "/_slo/logout":
        assert asked.location.startswith(f"{ORIGIN}/v2/logout")
        return
    page = house.sign_in(browser, path)
    assert page.url.startswith(f"{WIKI}/")
    assert not page.url.startswith(f"{WIKI}//")


@pytest.mark.parametrize("path", ["/_slo/auth", "/_slo/../v2/logout", "/_slo/..%2f..%2fv2/logout", "/_slo/%2e%2e/x"])
def test_the_way_to_us_leads_to_nothing_else(house, path):
    """The question itself is internal, and nothing of ours but /forward/wiki/ can be reached by /_slo/."""
    browser = house.browser()
    answer = browser.send(f"{WIKI}{path}")
    assert answer.status in (302, 303, 400, 404), answer.status
    if answer.status in (302, 303):
        assert is_sent_to_sign_in(browser, answer)
    assert house.wiki.seen == []


def test_a_cookie_of_the_application_is_all_that_counts(house):
    """A session at the bridge alone opens nothing here; neither does a forged cookie."""
    browser = house.browser()
    house.sign_in(browser)
    value = browser.jars[SITE]["__Host-slo-app"]
    house.wiki.seen.clear()
    for wrong in (value[:-1] + ("A" if value[-1] != "A" else "B"), "", value.partition(".")[0]):
        browser.jars[SITE] = {"__Host-slo-app": wrong}
        assert is_sent_to_sign_in(browser, browser.send(f"{WIKI}/"))
    browser.jars[SITE] = {}
    assert is_sent_to_sign_in(browser, browser.send(f"{WIKI}/"))
    assert house.wiki.seen == []


@contextmanager
def hung_redis(house):
    """Redis takes connections and answers nobody meanwhile."""
    process = house.bridge.redis.info("server")["process_id"]
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def test_it_fails_closed(house):
    """Bridge or Redis down: an error, and the wiki sees nothing, signed in or not. Back again: on it goes."""
    browser, told = house.browser(), house.proxy.kind.told
    house.sign_in(browser)
    house.wiki.seen.clear()
    house.down()
    assert browser.send(f"{WIKI}/").status == told["down"]
    assert house.browser().send(f"{WIKI}/").status == told["down"]
    assert house.wiki.seen == []
    house.up()
    assert browser.send(f"{WIKI}/").status == 200
    house.wiki.seen.clear()
    with hung_redis(house):
        assert browser.send(f"{WIKI}/").status == told["no_redis"]
        assert house.wiki.seen == []
    assert browser.send(f"{WIKI}/").status == 200


def test_nobody_else_answers_in_our_place(kind, tmp_path, redis_url):
    """A server whose certificate is not of a trusted authority is not asked: an error, and the wiki sees nothing."""
    with wiki_behind(kind, tmp_path, redis_url, impostor=True) as house:
        assert house.browser().send(f"{WIKI}/").status == kind.told["down"]
        assert house.browser().send(f"{WIKI}/_slo/start").status >= 500
        assert (house.wiki.seen, house.asked) == ([], [])


def test_with_the_proxy_down_nobody_gets_in(house):
    """The wiki is reached by the proxy alone; where that is down, it is not reached."""
    browser = house.browser()
    house.sign_in(browser)
    house.proxy.stop()
    house.wiki.seen.clear()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        browser.send(f"{WIKI}/")
    assert house.wiki.seen == []


def test_beyond_the_rate_requests_are_refused(house):
    """429 is neither yes nor no: nginx answers 500, others pass it on, and the wiki sees nothing of it."""
    browser = house.browser()
    house.sign_in(browser)
    house.bridge.redis.set("slo:{checks:wiki}", 100_000, px=60_000)
    house.wiki.seen.clear()
    assert browser.send(f"{WIKI}/").status == house.proxy.kind.told["limited"]
    assert house.wiki.seen == []
    house.bridge.redis.delete("slo:{checks:wiki}")
    assert browser.send(f"{WIKI}/").status == 200


def test_what_the_proxy_sends_to_us(house):
    """No body and no Authorization of the client's goes to the bridge, by any of the ways that lead there."""
    browser = house.browser()
    asked = browser.send(f"{WIKI}/", "POST", "x" * 100, Authorization="Bearer secret")
    assert is_sent_to_sign_in(browser, asked)
    browser.send(f"{WIKI}/_slo/start", Authorization="Bearer secret")
    assert house.asked[0]["PATH_INFO"] == "/session/status"
    assert {asked["PATH_INFO"] for asked in house.asked[1:]} == {"/forward/wiki/start"}
    assert {asked.get("HTTP_AUTHORIZATION", "") for asked in house.asked} == {""}
    assert {asked.get("CONTENT_LENGTH", "") for asked in house.asked} <= {"", "0"}
    assert [asked["REQUEST_METHOD"] for asked in house.asked] == ["GET"] * len(house.asked)
