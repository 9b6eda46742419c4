"""The demo's bridge is the real one; what it has beside it answers the demo's application and nobody else."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from saml_slo.demo.bridge import create_demo_bridge
from saml_slo.demo.places import Places
from saml_slo.demo.switches import POSITIONS, Switches
from tests import idp

HOSTILE = (
    "",
    "https://evil.test/?question=1",
    "http://app.localhost:8003/?question=1",
    "http://app.localhost:80022/?question=1",
    "http://app.localhost:8002@evil.test/?question=1",
    "http://app.localhost:8002.evil.test/?question=1",
    "http://app.localhost:8002/",
    "http://app.localhost:8002/?",
    "//app.localhost:8002/?question=1",
    "http://app.localhost:8002/?a=1\r\nSet-Cookie: x=1",
    "http://app.localhost:8002/?\u20ac=1",
    "http://app.localhost:8002\\@evil.test/?question=1",
)


@pytest.fixture
def demo(bridge, tmp_path, monkeypatch):
    """The bridge of the fixture `bridge` with the demo's pages, on the clock of this machine."""
    monkeypatch.setattr(idp, "NOW", datetime.now(UTC))
    bridge.clock.now = idp.NOW
    bridge.app = create_demo_bridge(bridge.settings, places=Places(8000, 8001, 8002, 8003, 8004, tmp_path))
    yield bridge
    bridge.app.extensions["saml_slo"].stop()


def whoami(bridge, browser, url):
    """Ask the endpoint to send the browser to a URL."""
    return browser.get("/demo/whoami", query_string={"returnTo": url}, base_url="https://bridge.example")


def test_it_says_whether_somebody_is_signed_in(demo):
    """The application hears no before a sign-in, yes after it and no after a sign-out; its question comes along."""
    browser, heard = demo.browser(), []

    def ask():
        location = whoami(demo, browser, "http://app.localhost:8002/?question=abc").headers["Location"]
        assert location.startswith("http://app.localhost:8002/?")
        heard.append(dict(parse_qsl(urlsplit(location).query)))

    ask()
    assert demo.sign_in(browser).status_code == 303
    ask()
    demo.logout(browser)
    ask()
    assert [answer["signed_in"] for answer in heard] == ["no", "yes", "no"]
    assert {answer["question"] for answer in heard} == {"abc"}


@pytest.mark.parametrize("url", HOSTILE)
def test_it_sends_nobody_elsewhere(demo, url):
    """A URL that is not the application's page with a question is refused without a redirect."""
    answer = whoami(demo, demo.browser(), url)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert demo.reasons() == ["return_url_not_allowed"]


def test_a_url_that_comes_twice_is_refused(demo):
    """Of two return URLs none is followed."""
    answer = demo.get(demo.browser(), "/demo/whoami?returnTo=http://app.localhost:8002/?q&returnTo=http://evil.test/")
    assert answer.status_code == 400


def test_the_product_has_none_of_it(bridge):
    """The application that `create_app` makes knows no page of the demo."""
    for path in ("/demo", "/demo/whoami?returnTo=http://app.localhost:8002/?q", "/demo/receipt", "/demo/console"):
        assert bridge.get(bridge.browser(), path).status_code == 404


def test_the_start_page_shows_how_the_switches_are(demo, tmp_path):
    """Every position of every switch is on the page, and the ones that the file names are the chosen ones."""
    (tmp_path / "switches.json").write_text(Switches(answer="refuse", binding="post").dump())
    page = demo.get(demo.browser(), "/demo").get_data(as_text=True)
    assert page.count('type="radio"') == sum(map(len, POSITIONS.values()))
    assert 'value="refuse" checked' in page
    assert 'value="post" checked' in page
    assert page.count(" checked") == len(POSITIONS)


def test_the_receipt_of_the_last_sign_out_can_be_seen(demo):
    """Who signed out finds the receipt by their cookie; who never did is sent to the start page."""
    browser = demo.browser()
    assert demo.get(browser, "/demo/receipt").headers["Location"].endswith("/demo")
    demo.sign_in(browser)
    landed = demo.logout(browser)
    assert demo.get(browser, "/demo/receipt").headers["Location"] == landed.headers["Location"]


def test_the_console_is_reached_through_a_first_run_link_until_it_has_an_operator(demo):
    """The link opens the page where an operator chooses a password; with an operator it leads to the console alone."""
    browser, operators = demo.browser(), demo.app.extensions["saml_slo"].operators
    location = demo.get(browser, "/demo/console").headers["Location"]
    assert location.startswith("/console/first?link=")
    assert demo.get(browser, location).status_code == 200
    operators.enrol(location.partition("link=")[2], "olga", "a long enough password")
    assert demo.get(browser, "/demo/console").headers["Location"] == "/console"


def test_the_start_page_links_to_every_party(demo):
    """All applications, the identity provider, the console and the receipt of the last sign-out."""
    page = demo.get(demo.browser(), "/demo").get_data(as_text=True)
    for port, name in enumerate(("bridge", "idp", "app", "shop", "news"), 8000):
        assert f'href="http://{name}.localhost:{port}/"' in page
    assert 'href="/demo/console"' in page
    assert 'href="/demo/receipt"' in page
