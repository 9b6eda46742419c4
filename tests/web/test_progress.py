"""The progress page: which frames it opens, what it says meanwhile, and who may frame it (product T3)."""

import pytest

from tests import idp
from tests.running import running_bridge, sent
from tests.sp import SoapEndpoint, Sp, frames, receipt
from tests.web.pages import heading, lines, read, words

ONE = Sp("one", "idp-next", ("HTTP-Redirect",))
TWO = Sp("two", "other-idp", ("HTTP-POST",))
KEEP_OPEN = "Please keep this page open"
CLOSE = "You can close this window"


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with an application that is told by Redirect and one that is told by POST."""
    with running_bridge(tmp_path, redis_url, sps=(ONE, TWO)) as running:
        yield running


@pytest.fixture
def leaving(bridge):
    """A browser that signed out of both applications: the browser and the path of its progress page."""
    browser = bridge.browser()
    for sp in (ONE, TWO):
        sp.sign_in(bridge, browser)
    response = bridge.logout(browser)
    return browser, response.headers["Location"]


def row(page, name):
    """The line of one session."""
    return next(line for line in lines(page) if line.name == name)


def hint(page):
    """What the page says below its heading."""
    return words(page.xpath("//main/p[contains(@class, 'hint')]")[0])


def test_a_frame_is_opened_once(bridge, leaving):
    """A reload opens what nobody opened yet; a frame under way is left alone, and offered again when it failed."""
    browser, path = leaving
    page = read(bridge.get(browser, path))
    first, second = page.xpath("//iframe/@src")
    bridge.get(browser, first)
    page = read(bridge.get(browser, path))
    assert page.xpath("//iframe/@src") == [second]
    assert (row(page, "one").state, row(page, "one").asks) == ("sent", None)
    bridge.clock.move(5)
    page = read(bridge.get(browser, path))
    assert page.xpath("//iframe/@src") == [second]
    assert row(page, "one").state == "timed_out"
    assert row(page, "one").asks is not None
    assert "Ask again: your browser then goes there itself" in row(page, "one").text


def test_frames_are_out_of_the_way_of_everybody(bridge, leaving):
    """Redirect frames can neither be seen nor reached; a form may have to be submitted by hand, so it can be."""
    browser, path = leaving
    page = read(bridge.get(browser, path))
    unseen, form = page.iter("iframe")
    assert "inert" in unseen.getparent().attrib
    assert unseen.getparent().get("class") == "unseen"
    assert not form.xpath("ancestor::*[@inert or contains(@class, 'unseen')]")
    assert (unseen.get("title"), form.get("title")) == ("Sign-out of one", "Sign-out of two")
    assert "press this button" in words(form.getparent())


def test_the_page_goes_on_without_a_script(bridge, leaving):
    """By meta refresh: soon, or later where somebody has to press a button first; and by a link."""
    browser, path = leaving
    redirect, post = frames(bridge.get(browser, path).get_data(as_text=True))
    for opened, seconds in ((None, 30), (redirect, 30), (post, 8)):
        if opened:
            bridge.get(browser, opened)
        page = read(bridge.get(browser, path))
        assert page.xpath("//noscript/meta/@content") == [f"{seconds}; url={path}/next"]
        assert page.xpath("//noscript/p/a/@href") == [f"{path}/next"]


def test_the_page_says_when_it_may_be_closed(bridge, leaving):
    """Not while an application can only be told through it; when all is over, yes."""
    browser, path = leaving
    page = read(bridge.get(browser, path))
    assert hint(page).startswith(KEEP_OPEN)
    assert CLOSE not in words(page.find(".//main"))
    for sp, opened in zip((ONE, TWO), page.xpath("//iframe/@src"), strict=True):
        sp.answer(bridge, browser, sent(bridge.get(browser, opened)))
    page = read(bridge.get(browser, path))
    assert hint(page) == f"{CLOSE}."
    assert not page.xpath("//iframe | //noscript | //@data-live")
    assert heading(page) == (
        "You are signed out here and in your 2 applications. You are still signed in at your identity provider."
    )


def test_the_page_may_be_closed_while_only_the_server_is_at_it(tmp_path, redis_url):
    """The back channel needs no browser, now or for its retries: the page says so, and when the next try is."""
    with SoapEndpoint(signer="idp-next", entity_id="https://back.example/saml", fail=True) as endpoint:
        back = Sp("back", "idp-next", ("SOAP",), soap_url=endpoint.url)
        with running_bridge(tmp_path, redis_url, sps=(back,), back_channel_allow=("127.0.0.1",)) as bridge:
            browser = bridge.browser()
            back.sign_in(bridge, browser)
            path = bridge.logout(browser).headers["Location"]
            page = read(bridge.get(browser, path))
            assert hint(page) == f"{CLOSE}: we go on trying without it."
            assert page.xpath("//@data-refresh") == ["20"]
            assert "We go on trying by ourselves" in row(page, "back").text
            assert row(page, "back").facts["Next try"].startswith("2026-11-20 06:26:05 UTC; we stop trying 2026-11-")
            told = next(one for one in receipt(bridge, browser, path)["sessions"] if one["name"] == "back")
            assert told["retry_at"] == "2026-11-20T06:26:05.000Z"


def test_several_sessions_are_told_apart(bridge):
    """An IdP ends the sessions of two browsers: two lines for each place, with the time at which each began."""
    for _ in range(2):
        ONE.sign_in(bridge, bridge.browser())
        bridge.clock.move(60)
    browser = bridge.browser()
    asked = idp.logout_request(signed=False, issued=idp.instant(120))
    response = bridge.deliver(browser, idp.redirect(asked))
    page = read(bridge.get(browser, response.headers["Location"]))
    names = [words(line) for line in page.xpath("//li/div/h2/span[1]")]
    begun = ["2026-11-20 06:26:00 UTC", "2026-11-20 06:27:00 UTC"]
    assert sorted(names) == [f"Session here since {since}" for since in begun] + [
        f"one application since {since}" for since in begun
    ]
    assert heading(page) == "You are signed out here. Your application has not been asked yet."


def test_a_frame_that_is_done_is_a_page_like_every_other(bridge, leaving):
    """What an application's answer ends with in its frame; the whole window is led to the receipt instead."""
    browser, path = leaving
    opened = frames(bridge.get(browser, path).get_data(as_text=True))[0]
    done = ONE.answer(bridge, browser, sent(bridge.get(browser, opened)))
    page = read(done)
    assert heading(page) == "It answered"
    assert page.xpath("//a[@target='_top']/@href") == [path]
    assert ancestors(done) == ["'self'"]


def test_who_may_frame_what(bridge, leaving):
    """A person's page: nobody. A frame in it: we alone. What stands in it: we and the applications."""
    browser, path = leaving
    response = bridge.get(browser, path)
    assert ancestors(response) == ["'none'"]
    assert directive(response, "frame-src") == ["'self'", "https://one.example", "https://two.example"]
    assert directive(response, "form-action") == []
    assert response.headers["X-Frame-Options"] == "DENY"
    framed = bridge.get(browser, frames(response.get_data(as_text=True))[1])
    assert ancestors(framed) == ["'self'"]
    assert "X-Frame-Options" not in framed.headers


def test_an_idp_that_asked_may_frame_the_page(bridge):
    """SimpleSAMLphp and others log out by frames of their own; ours then stands in one of them."""
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    response = bridge.deliver(browser, idp.redirect(idp.logout_request(signed=False)))
    page = bridge.get(browser, response.headers["Location"])
    assert ancestors(page) == ["'self'", "https://idp.example"]


def ancestors(response):
    """Who may frame a response."""
    return directive(response, "frame-ancestors")


def directive(response, name):
    """The words of one directive of its policy."""
    parts = [part.split() for part in response.headers["Content-Security-Policy"].split(";")]
    return next((part[1:] for part in parts if part[0] == name), [])
