"""The demo's application believes an answer once, and only to a question of its own."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from saml_slo.demo.application import create_application
from saml_slo.demo.places import Places

PLACES = Places(8000, 8001, 8002, 8003, 8004, Path("nowhere"))


@pytest.fixture
def browser():
    """A browser at the application."""
    return create_application(PLACES).test_client()


def asked(answer):
    """The URL to which the bridge is to send the browser back, without the origin."""
    assert answer.status_code == 303
    there = urlsplit(answer.headers["Location"])
    assert f"{there.scheme}://{there.netloc}{there.path}" == "http://bridge.localhost:8000/demo/whoami"
    (back,) = parse_qs(there.query)["returnTo"]
    assert back.startswith("http://app.localhost:8002/?question=")
    return back.removeprefix("http://app.localhost:8002")


def test_every_view_asks_the_bridge(browser):
    """A view asks, the answer is shown, and the same answer again is a view that asks anew."""
    back = asked(browser.get("/"))
    page = browser.get(f"{back}&signed_in=yes")
    assert "You are signed in" in page.get_data(as_text=True)
    assert asked(browser.get(f"{back}&signed_in=yes")) != back


def test_an_answer_to_nobody_s_question_is_not_believed(browser):
    """A link that says signed_in=yes makes the application ask."""
    asked(browser.get("/?signed_in=yes"))
    asked(browser.get("/?question=made-up&signed_in=yes"))


@pytest.mark.parametrize(
    ("answer", "link"), [("no", "/login?connection=demo&returnTo="), ("yes", "/v2/logout?federated")]
)
def test_it_links_to_what_can_be_done(browser, answer, link):
    """Who is signed out finds the way in, who is signed in both ways out."""
    page = browser.get(f"{asked(browser.get('/'))}&signed_in={answer}").get_data(as_text=True)
    assert f"http://bridge.localhost:8000{link}".replace("&", "&amp;") in page
    assert ("/v2/logout?returnTo=" in page) == (answer == "yes")
