"""An application behind a real nginx, with the snippet of docs/forward-auth.md (A3).

The bridge and the application are live servers; the browser speaks HTTP to all three.
"""

import http.client
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests import idp
from tests.forward.browser import Browser
from tests.forward.nginx import nginx
from tests.interop.ports import free_port
from tests.proxied import toml
from tests.running import ORIGIN, running_bridge, sent

WIKI = "https://wiki.example"
BOB = idp.NAME_ID.replace("alice", "bob")


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        """Say nothing."""


@contextmanager
def serving(app, port=0):
    """Serve a WSGI application at a port of loopback; yield the port."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Wiki:
    """The application: it knows nothing of saml_slo but a header, and notes what reached it."""

    seen: list = field(default_factory=list)

    def __call__(self, environ, start_response):
        """Say who is there."""
        request = Request(environ)
        body = request.get_data(as_text=True)
        self.seen.append((request.method, request.full_path.rstrip("?"), body))
        names = [name for name in environ if name.startswith("HTTP_X_SLO")]
        told = "".join(f"{name}={environ[name]}\n" for name in sorted(names))
        return Response(f"{told}path={request.full_path.rstrip('?')}\n{body}")(environ, start_response)


@dataclass
class House:
    """All of it: `down` and `up` stop and start the bridge's server."""

    bridge: object
    wiki: Wiki
    nginx: object
    bridge_port: int
    server: ExitStack

    def browser(self):
        """A browser that finds the wiki behind nginx, and the bridge."""
        return Browser({WIKI: self.nginx.port, ORIGIN: self.bridge_port})

    def down(self):
        """Nobody answers at the bridge any more."""
        self.server.close()

    def up(self):
        """Somebody does again."""
        self.server.enter_context(serving(self.bridge.app, self.bridge_port))

    def sign_in(self, browser, path="/", **assertion):
        """Open a page of the wiki; sign in at the identity provider; return the answer to the page in the end."""
        asked = browser.send(WIKI + path)
        to_idp = browser.follow(asked, "https://idp.example/sso")
        request = sent(_Redirect(to_idp))
        answer = idp.post(self.bridge.answer(request, **assertion), endpoint=idp.ACS)
        back = browser.send(answer.endpoint, "POST", answer.body, **{"Content-Type": answer.content_type})
        return browser.send(browser.follow(browser.send(browser.follow(back, f"{WIKI}/_slo/callback")), f"{WIKI}/"))


@dataclass
class _Redirect:
    """A redirect as tests.running.sent reads it."""

    location: str
    status_code: int = 303

    @property
    def headers(self):
        return {"Location": self.location}


@pytest.fixture
def house(tmp_path, redis_url):
    """The wiki behind nginx."""
    with ExitStack() as stack:
        wiki, server = Wiki(), stack.enter_context(ExitStack())
        bridge = stack.enter_context(
            running_bridge(tmp_path / "bridge", redis_url, applications={"wiki": toml()}, status_rate=200)
        )
        bridge_port = server.enter_context(serving(bridge.app))
        proxy = stack.enter_context(
            nginx(
                tmp_path / "nginx",
                port=free_port(),
                client_id="wiki",
                bridge=f"http://127.0.0.1:{bridge_port}",
                bridge_host="bridge.example",
                application=f"http://127.0.0.1:{stack.enter_context(serving(wiki))}",
            )
        )
        yield House(bridge, wiki, proxy, bridge_port, server)


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


def test_after_a_logout_the_next_request_of_the_other_tab_is_refused_within_a_second(house):
    """One tab signs out while the other goes on asking: it is refused in the same second."""
    browser = house.browser()
    house.sign_in(browser)
    refused, running = threading.Event(), threading.Event()
    moments = {}

    def other_tab():
        while "refused" not in moments and "given up" not in moments:
            answer = browser.send(f"{WIKI}/poll")
            running.set()
            if answer.status != 200:
                moments["refused"] = time.monotonic()
        refused.set()

    tab = threading.Thread(target=other_tab)
    tab.start()
    assert running.wait(5)
    away = browser.send(f"{WIKI}/_slo/logout")
    assert away.location.startswith(f"{ORIGIN}/v2/logout?client_id=wiki&session=")
    begun = time.monotonic()
    receipt = browser.send(away.location)
    assert receipt.status in (200, 303)
    if not refused.wait(5):
        moments["given up"] = True
    tab.join()
    assert moments["refused"] - begun < 1
    house.wiki.seen.clear()
    answer = browser.send(f"{WIKI}/page")
    assert answer.location.startswith(f"{ORIGIN}/forward/wiki/sign-in?")
    assert house.wiki.seen == []
    row = next(row for row in _receipt(browser, receipt)["sessions"] if row["kind"] == "application")
    assert row["state"] == "confirmed"


def _receipt(browser, answer):
    return browser.send(f"{answer.location}.json").json()


def test_what_a_client_says_of_itself_is_overwritten(house):
    """X-Slo-User and its kin come from our answer alone, however a client spells them, signed in or not."""
    forged = {
        "X-Slo-User": "root",
        "x-slo-email": "root@corp.test",
        "X-Slo-Connection": "root",
        "X-Slo-Session": "root",
        "X_Slo_User": "root",
        "X-SLO_USER": "root",
    }
    browser = house.browser()
    assert browser.send(f"{WIKI}/", **forged).status == 303
    assert house.wiki.seen == []
    house.sign_in(browser)
    page = browser.send(f"{WIKI}/", **forged)
    assert page.status == 200
    assert "root" not in page.body.decode()
    assert len(user_in(page)) == 40


def test_a_form_is_not_lost_to_nobody_and_goes_through_for_somebody(house):
    """A POST without a session goes to the sign-in and back to the path; with one it reaches the wiki with its body."""
    browser = house.browser()
    asked = browser.send(f"{WIKI}/save", "POST", "text=hello", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert asked.location.startswith(f"{ORIGIN}/forward/wiki/sign-in?")
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
    assert answer.status in (303, 400, 404), answer.status
    if answer.status == 303:
        assert answer.location.startswith(f"{ORIGIN}/forward/wiki/sign-in?")
    assert house.wiki.seen == []


def test_a_cookie_of_the_application_is_all_that_counts(house):
    """A session at the bridge alone opens nothing here; neither does a forged cookie."""
    browser = house.browser()
    house.sign_in(browser)
    value = browser.jars["wiki.example"]["__Host-slo-app"]
    house.wiki.seen.clear()
    for wrong in (value[:-1] + ("A" if value[-1] != "A" else "B"), "", value.partition(".")[0]):
        browser.jars["wiki.example"] = {"__Host-slo-app": wrong}
        assert browser.send(f"{WIKI}/").status == 303
    browser.jars["wiki.example"] = {}
    assert browser.send(f"{WIKI}/").status == 303
    assert house.wiki.seen == []


def test_it_fails_closed(house):
    """Bridge down: 500 and the wiki sees nothing, signed in or not; Redis down: the same. Back again: on it goes."""
    browser = house.browser()
    house.sign_in(browser)
    house.wiki.seen.clear()
    house.down()
    assert browser.send(f"{WIKI}/").status == 500
    assert house.browser().send(f"{WIKI}/").status == 500
    assert house.wiki.seen == []
    house.up()
    assert browser.send(f"{WIKI}/").status == 200
    house.bridge.redis.client_pause(2500, all=True)
    house.wiki.seen.clear()
    assert browser.send(f"{WIKI}/").status == 500
    assert house.wiki.seen == []
    house.bridge.redis.client_unpause()
    assert browser.send(f"{WIKI}/").status == 200


def test_with_nginx_down_nobody_gets_in(house):
    """The wiki is reached by nginx alone; where that is down, it is not reached."""
    browser = house.browser()
    house.sign_in(browser)
    house.nginx.stop()
    house.wiki.seen.clear()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        browser.send(f"{WIKI}/")
    assert house.wiki.seen == []


def test_beyond_the_rate_requests_are_refused(house):
    """429 is neither yes nor no: nginx answers 500, and the wiki sees nothing of it."""
    browser = house.browser()
    house.sign_in(browser)
    house.bridge.redis.set("slo:{checks:wiki}", 10_000, px=60_000)
    house.wiki.seen.clear()
    assert browser.send(f"{WIKI}/").status == 500
    assert house.wiki.seen == []
    house.bridge.redis.delete("slo:{checks:wiki}")
    assert browser.send(f"{WIKI}/").status == 200


def test_what_nginx_sends_to_us(house):
    """No body and no Authorization of the client's goes to the bridge with the question."""
    asked = []
    inner = house.bridge.app.wsgi_app

    def noting(environ, start_response):
        asked.append((environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION", ""), environ.get("CONTENT_LENGTH", "")))
        return inner(environ, start_response)

    house.bridge.app.wsgi_app = noting
    browser = house.browser()
    browser.send(f"{WIKI}/", "POST", "x" * 100, Authorization="Bearer secret")
    assert [path for path, _, _ in asked] == ["/session/status", "/forward/wiki/start"]
    assert {authorization for _, authorization, _ in asked} == {""}
    assert {length for _, _, length in asked} <= {"", "0"}
