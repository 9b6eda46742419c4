"""The receipt as a page: every state that a session can be in is shown as what it is."""

import json

import pytest

from tests import idp
from tests.running import ORIGIN, sent
from tests.web.pages import answer, asked, comes_back, heading, lines, receipt_page, sign_in_elsewhere, words
from tests.wire.test_jws import verified

RESPONDER = "urn:oasis:names:tc:SAML:2.0:status:Responder"
DENIED = '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:RequestDenied"/>'
PARTIAL = '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:PartialLogout"/>'
HERE = "You are signed out here."
MAY = f"{HERE} You may still be signed in at your identity provider."
BYE = "https://app.example/bye"


def test_a_local_logout_shows_the_idp_session_as_still_alive(bridge, browser):
    """What was left alone on purpose is called still signed in, and is no failure: no warning, no button (T4)."""
    page = receipt_page(bridge, browser, bridge.logout(browser))
    assert heading(page) == f"{HERE} You are still signed in at your identity provider."
    ours, kept = lines(page)
    assert (ours.state, ours.label, ours.tone) == ("confirmed", "Signed out", "good")
    assert (kept.state, kept.label, kept.tone, kept.asks) == ("kept", "Still signed in", "keep", None)
    assert "here only" in kept.text
    assert "may need no password" in kept.text
    assert page.xpath("//main/header/@class") == ["good"]


def test_a_confirmed_logout_without_return_url_shows_its_receipt(bridge, browser):
    """All went well: one heading, two lines, when and how in the details, and a way on."""
    page = receipt_page(bridge, browser, answer(bridge, browser, asked(bridge, browser)))
    assert heading(page) == "You are signed out here and at your identity provider."
    _, line = lines(page)
    assert (line.state, line.label, line.tone, line.asks) == ("confirmed", "Signed out", "good", None)
    assert line.facts == {
        "State": "confirmed, since 2026-11-20 06:26:00 UTC",
        "Signed in": "2026-11-20 06:26:00 UTC",
        "Channel": "through your browser (HTTP-Redirect)",
        "Address": "https://idp.example/slo, from the provider’s metadata",
        "Names": "you and 1 SessionIndex value",
    }
    assert page.xpath("//a[@href='/']")


def test_a_confirmed_logout_with_return_url_goes_straight_there(running):
    """Nothing is left to tell: no page stands in the way."""
    bridge, browser = running(allowed_logout_urls=(BYE,))
    response = answer(bridge, browser, asked(bridge, browser, returnTo=BYE))
    assert (response.status_code, response.headers["Location"]) == (303, BYE)


def test_a_refusal_keeps_the_person_and_offers_the_way_on(running):
    """A refusal is shown before the return URL, with the IdP's status, advice, and a button that names the host."""
    bridge, browser = running(allowed_logout_urls=(BYE,))
    target = f"{BYE}?a=1&b=%22'"
    request = asked(bridge, browser, returnTo=target)
    page = receipt_page(bridge, browser, answer(bridge, browser, request, status=idp.status(RESPONDER, DENIED)))
    assert heading(page) == MAY
    _, line = lines(page)
    assert (line.state, line.label, line.tone, line.asks) == ("refused", "Refused", "bad", None)
    assert "Responder/RequestDenied" in line.text
    assert "Sign out there yourself" in line.text
    (onward,) = page.xpath("//p[@class='actions']/a")
    assert (onward.get("href"), words(onward)) == (target, "Continue to app.example")


def test_a_partial_logout_is_told_as_one(bridge, browser):
    """The IdP ended its own session and not all others: said in the heading and in the line."""
    request = asked(bridge, browser)
    page = receipt_page(bridge, browser, answer(bridge, browser, request, status=idp.status(inside=PARTIAL)))
    assert heading(page).endswith("and at your identity provider. Not every session there could be ended.")
    assert (lines(page)[1].state, lines(page)[1].tone) == ("partial", "warn")
    assert page.xpath("//main/header/@class") == ["warn"]


def test_an_unsigned_answer_is_reported_and_not_confirmed(running):
    """What nobody signed is told as what the IdP said (product T1 `answered`)."""
    bridge, browser = running(toml="unsigned_logout_response = true")
    message = idp.logout_response(in_response_to=asked(bridge, browser).id, signed=False)
    page = receipt_page(bridge, browser, bridge.deliver(browser, idp.post(message)))
    line = lines(page)[1]
    assert (line.state, line.label, line.tone) == ("answered", "Reported signed out", "good")
    assert "the answer was not signed" in line.text


def test_while_an_answer_is_awaited_the_page_looks_again_by_itself(bridge, browser):
    """Without a script by meta refresh, with one by page.js; focus stays where it is; nothing is claimed."""
    request = asked(bridge, browser)
    page = comes_back(bridge, browser)
    assert heading(page) == f"{HERE} Your identity provider has not answered yet."
    assert page.xpath("//noscript/meta[@http-equiv='refresh']/@content") == ["4"]
    assert page.xpath("//@data-refresh") == ["4"]
    assert not page.xpath("//@autofocus")
    line = lines(page)[1]
    assert (line.state, line.tone, line.asks) == ("sent", "wait", request.id)


def test_after_the_deadline_the_page_says_so_and_rests(bridge, browser):
    """No answer in time is not a success: the page says so, offers to ask again, and looks no further."""
    request = asked(bridge, browser)
    bridge.clock.move(59)
    assert lines(comes_back(bridge, browser))[1].state == "sent"
    bridge.clock.move(1)
    page = comes_back(bridge, browser)
    assert heading(page) == MAY
    line = lines(page)[1]
    assert (line.state, line.label, line.tone, line.asks) == ("timed_out", "No answer", "warn", request.id)
    assert not page.xpath("//noscript/meta | //@data-refresh")
    assert page.xpath("//h1/@autofocus")


def test_the_button_asks_again_and_a_late_answer_counts(bridge, browser):
    """A press on the button sends a fresh request; its answer turns the page to what is true now."""
    asked(bridge, browser)
    bridge.clock.move(60)
    (form,) = comes_back(bridge, browser).xpath("//form")
    again = sent(browser.post(form.get("action"), data=dict(form.fields), base_url=ORIGIN))
    assert again.location == "https://idp.example/slo"
    page = receipt_page(bridge, browser, answer(bridge, browser, again))
    assert heading(page) == "You are signed out here and at your identity provider."
    assert not page.xpath("//form")


def test_without_a_way_to_ask_the_page_says_that_the_session_lives_on(running):
    """No logout URL and the login URL vetoed: the logout is local, with the reason (product L3)."""
    bridge, browser = running(toml="login_url_fallback = false", bindings=())
    page = receipt_page(bridge, browser, bridge.logout(browser, federated=""))
    assert heading(page) == f"{HERE} You are still signed in at your identity provider."
    line = lines(page)[1]
    assert (line.state, line.label, line.tone, line.asks) == ("unsupported", "No way to ask", "warn", None)
    assert "no logout URL" in line.text
    assert "Address" not in line.facts


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"bindings": ()}, "https://idp.example/sso, its login URL, because it has no logout URL"),
        ({"toml": 'logout_url = "https://idp.example/out"'}, "https://idp.example/out, set by your operator"),
        ({"bindings": ("POST",)}, "https://idp.example/slo, from the provider’s metadata"),
    ],
)
def test_the_page_says_where_the_address_comes_from(running, how, told):
    """The three sources of a logout URL are told in words (product L3)."""
    bridge, browser = running(**how)
    asked(bridge, browser)
    facts = lines(comes_back(bridge, browser))[1].facts
    assert facts["Address"] == told
    assert facts["Channel"].endswith("(HTTP-POST)" if "POST" in how.get("bindings", ()) else "(HTTP-Redirect)")


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (idp.authn_statement().replace('SessionIndex="_s1"', ""), "you alone (NameID), because the provider gave no"),
        (idp.authn_statement("_s1") + idp.authn_statement("_s2"), "you and 2 SessionIndex values"),
    ],
)
def test_the_page_says_what_the_request_names(running, statements, named):
    """The rung of the SessionIndex ladder is told, and what it may do to other devices (product L4)."""
    bridge, browser = running(assertion={"statements": statements})
    page = receipt_page(bridge, browser, answer(bridge, browser, asked(bridge, browser)))
    line = lines(page)[1]
    assert line.facts["Names"].startswith(named)
    assert ("on other devices may end too" in line.text) == named.startswith("you alone")


def test_two_idps_of_which_the_browser_reached_one(bridge, browser):
    """The browser went away at the first IdP: the second could not be asked in time, and can be asked now."""
    sign_in_elsewhere(bridge, browser)
    first = asked(bridge, browser)
    bridge.clock.move(60)
    page = comes_back(bridge, browser)
    assert heading(page) == f"{HERE} You may still be signed in at your 2 identity providers."
    assert [(line.state, line.label) for line in lines(page)[1:]] == [
        ("timed_out", "No answer"),
        ("unreachable", "Could not be asked"),
    ]
    assert [words(button) for button in page.xpath("//form/button")] == ["Ask again at idp", "Ask now at other-idp"]
    second = sent(answer(bridge, browser, first))
    assert second.location == "https://other-idp.example/slo"


def test_the_json_says_what_the_page_says(bridge, browser):
    """Heading, reference code, and each session's state, words and facts are the same for people and programs."""
    sign_in_elsewhere(bridge, browser)
    asked(bridge, browser)
    page = comes_back(bridge, browser)
    (link,) = page.xpath("//a[contains(@href, '.json')]/@href")
    told = json.loads(bridge.get(browser, link).get_data(as_text=True))
    assert told["summary"] == heading(page) == page.findtext(".//title")
    assert told["reference"] == page.findtext(".//code[@id='reference']")
    assert told["settled"] is False
    assert len(told["sessions"]) == len(lines(page)) == 3
    for session, line in zip(told["sessions"], lines(page), strict=True):
        assert (session["state"], session["name"], session["label"]) == (line.state, line.name, line.label)
        assert f"{session['reason']} {session['advice']}".strip() == line.text
        assert (session["endpoint"] is None) == ("Address" not in line.facts)
        assert (session["endpoint"] or "") in line.facts.get("Address", "")


def test_the_signed_receipt_says_what_the_json_says(bridge, browser):
    """T2: a JWS by the key that we publish, with who says it and when; a later fact gives another one."""
    asked(bridge, browser)
    page = comes_back(bridge, browser)
    (link,) = page.xpath("//a[contains(@href, '.jws')]/@href")
    jwks = json.loads(bridge.get(bridge.browser(), "/.well-known/jwks.json").get_data(as_text=True))
    for state in ("sent", "timed_out"):
        told = json.loads(bridge.get(browser, link.replace(".jws", ".json")).get_data(as_text=True))
        response = bridge.get(browser, link)
        assert response.mimetype == "application/jwt"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Disposition"] == f'attachment; filename="logout-{told["reference"]}.jws"'
        header, claims = verified(response.get_data(as_text=True), jwks)
        assert header["typ"] == "logout-receipt+jwt"
        assert claims == {"iss": ORIGIN, "iat": int(bridge.clock().timestamp()), **told}
        assert claims["sessions"][1]["state"] == state
        bridge.clock.move(60)


def test_a_handle_that_opens_nothing_signs_nothing(bridge):
    """A signed receipt needs the same unguessable handle as the page."""
    response = bridge.get(bridge.browser(), f"/logout/{'0' * 26}.{'A' * 22}.jws")
    assert response.status_code == 404
