"""What people see: every page is valid, safe and true, whatever happened and whatever somebody put into a message."""

from base64 import b64encode
from html import escape

import pytest
from lxml.etree import tostring

from saml_slo.errors import ConfigurationError, StoreUnavailable
from tests import idp
from tests.running import ORIGIN, sent
from tests.web.pages import answer, asked, comes_back, heading, lines, read, receipt_page, words

RESPONDER = "urn:oasis:names:tc:SAML:2.0:status:Responder"
HOSTILE = "<script>alert(1)</script>\"'&amp;\u202eevil"

# Other pages --------------------------------------------------------------------------------------------------------


def test_the_start_page_of_a_stranger_lists_where_to_sign_in(bridge):
    """Every connection is a link with its name."""
    page = read(bridge.get(bridge.browser(), "/"))
    assert heading(page) == "You are not signed in"
    links = {words(link): link.get("href") for link in page.iter("a")}
    assert links == {"idp": "/login?connection=idp", "other-idp": "/login?connection=other-idp"}


def test_the_start_page_of_somebody_signed_in_offers_both_ways_out(bridge, browser):
    """Where they are signed in, and the two ways to sign out with what each does."""
    page = read(bridge.get(browser, "/"))
    assert heading(page) == "You are signed in"
    assert [words(name) for name in page.xpath("//ul//h2")] == ["idp"]
    ways = {link.get("href"): page.get_element_by_id(link.get("aria-describedby")) for link in page.iter("a")}
    assert set(ways) == {"/v2/logout?federated", "/v2/logout"}
    assert "asks your identity provider to end yours there" in words(ways["/v2/logout?federated"])
    assert "You stay signed in" in words(ways["/v2/logout"])


def test_the_start_page_without_connections_says_what_to_do(bridge):
    """An installation without connections does not show an empty list."""
    for path in (bridge.settings.metadata_dir / "connections").iterdir():
        path.unlink()
    page = read(bridge.get(bridge.browser(), "/"))
    assert "saml-slo connection add" in words(page.find(".//main"))
    assert not page.findall(".//ul")


def test_a_logout_without_a_session_claims_nothing_about_elsewhere(bridge):
    """There was nothing to end here, and nobody was asked: both are said."""
    page = read(bridge.logout(bridge.browser(), federated=""))
    assert heading(page) == "You are signed out here"
    assert "you may still be signed in" in words(page.find(".//main"))


def test_a_form_that_passes_a_message_on_works_without_a_script(running):
    """The POST binding's page names the host, has a button, and says in noscript that it waits."""
    bridge, browser = running(bindings=("POST",))
    page = read(bridge.logout(browser, federated=""))
    (form,) = page.xpath("//form[@data-submit]")
    assert (form.method, form.action) == ("POST", "https://idp.example/slo")
    assert set(form.fields) == {"SAMLRequest", "RelayState"}
    assert words(form.find(".//button")) == "Continue to idp.example"
    assert "JavaScript is off" in words(form.find("noscript"))


def test_a_wrong_link_is_told_in_full_and_signs_nobody_out(bridge, browser):
    """Expected, got, setting and next step stand on the page with a reference code; the session lives on."""
    response = bridge.logout(browser, federated="", returnTo="https://evil.example/")
    assert response.status_code == 400
    page = read(response)
    facts = {words(term): words(term.getnext()) for term in page.iter("dt")}
    assert set(facts) == {"Expected", "Got", "Setting", "Reason"}
    assert "https://evil.example/" in facts["Got"]
    assert facts["Setting"] == "SLO_ALLOWED_LOGOUT_URLS"
    text = words(page.find(".//main"))
    assert "What to do: " in text
    assert "This request signed nobody in or out." in text
    assert page.findtext(".//code[@id='reference']") in [line.get("reference") for line in bridge.log]
    assert bridge.is_signed_in(browser)


def refused_answer(bridge, browser, *, post=False):
    """The page of an answer to a logout that nobody asked for."""
    message = idp.logout_response(in_response_to="_nobody", signed=post)
    return read(bridge.deliver(browser, idp.post(message) if post else idp.redirect(message)))


def test_from_a_refused_answer_the_start_page_leads_back_to_the_logout(bridge, browser):
    """The page of a refusal is the same for everybody (J226); the start page knows what this browser has under way."""
    request = asked(bridge, browser)
    assert refused_answer(bridge, browser).xpath("//a[@href='/']")
    (link,) = read(bridge.get(browser, "/")).xpath("//a[@href='/v2/logout']")
    assert words(link) == "Go on signing out"
    assert heading(receipt_page(bridge, browser, bridge.get(browser, "/v2/logout"))).endswith("has not answered yet.")
    answer(bridge, browser, request)
    home = read(bridge.get(browser, "/"))
    assert not home.xpath("//a[@href='/v2/logout']")
    (link,) = home.xpath("//a[starts-with(@href, '/logout/')]")
    assert words(link) == "See what your last sign-out ended"
    assert bridge.get(browser, link.get("href")).status_code == 200
    assert not read(bridge.get(bridge.browser(), "/")).xpath("//a[starts-with(@href, '/logout/')]")


def test_a_refused_answer_says_what_is_true_of_a_logout_under_way(bridge, browser):
    """The session has ended already: the page says what the message did, not that nothing was changed."""
    asked(bridge, browser)
    text = words(refused_answer(bridge, browser).find(".//main"))
    assert "Nothing was changed" not in text
    assert "It changed nothing: what had ended before stays ended, what was open stays open." in text


@pytest.mark.parametrize("post", [True, False])
def test_a_refusal_looks_the_same_with_and_without_a_logout_under_way(bridge, browser, post):
    """J226: nothing but the reference code differs, by Redirect and by POST."""
    asked(bridge, browser)
    pages = [refused_answer(bridge, who, post=post) for who in (browser, bridge.browser())]
    for page in pages:
        page.find(".//code[@id='reference']").text = ""
    assert tostring(pages[0]) == tostring(pages[1])


@pytest.mark.parametrize(
    "handle",
    ["nothing", "0" * 26 + "." + "A" * 22, "../../etc/passwd", "<script>", "a" * 3000],
    ids=lambda text: text[:9],
)
def test_a_handle_that_opens_nothing_is_a_page(bridge, handle):
    """Whatever was asked for: a 404 page that echoes nothing, and the same as JSON for programs."""
    response = bridge.get(bridge.browser(), f"/logout/{handle}")
    assert response.status_code == 404
    assert handle not in words(read(response).find(".//main"))


def test_a_receipt_needs_its_whole_handle(bridge, browser):
    """The logout's id, which stands in every message, opens nothing with another secret; programs are told as well."""
    location = bridge.logout(browser).headers["Location"]
    wrong = location[:-22] + "A" * 22
    assert bridge.get(browser, wrong).status_code == 404
    response = bridge.get(browser, f"{wrong}.json", headers={"Accept": "application/json"})
    assert response.status_code == 404
    assert response.get_json()["reason"] == "not_found"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreUnavailable("gone"), 503),
        (ConfigurationError("wrong", setting="SLO_X"), 500),
        (RuntimeError("secret"), 500),
    ],
)
def test_our_own_faults_are_pages_that_claim_nothing(bridge, browser, error, status):
    """5xx: a valid page with a reference code, without the story of the inside."""

    def broken(**_):
        raise error

    bridge.app.view_functions["logout.logout"] = broken
    response = bridge.logout(browser)
    assert response.status_code == status
    text = words(read(response).find(".//main"))
    assert "Reference code" in text
    assert "signed out" not in text
    assert "secret" not in text


# Nothing is echoed as it came ---------------------------------------------------------------------------------------


def is_harmless(response):
    """Nothing of the hostile text got through unescaped; `read` has checked scripts, attributes and stray brackets."""
    page = read(response)
    raw = response.get_data(as_text=True)
    assert "<script>alert" not in raw
    around = [text.getparent().tag for text in page.xpath("//text()[contains(., '\u202e')]")]
    assert set(around) <= {"bdi"}, "a character that turns the text around it as well"
    return page


def test_a_hostile_status_message_changes_no_page(bridge, browser):
    """Text and codes that an IdP signed are no markup."""
    status = idp.status(RESPONDER, f'<samlp:StatusCode Value="{escape("urn:x:<script>alert(1)</script>")}"/>')
    status = status.replace(
        "</samlp:Status>", f"<samlp:StatusMessage>{escape(HOSTILE)}</samlp:StatusMessage></samlp:Status>"
    )
    response = answer(bridge, browser, asked(bridge, browser), status=status)
    page = is_harmless(bridge.get(browser, response.headers["Location"]))
    assert lines(page)[1].state == "refused"


@pytest.mark.parametrize("bindings", [("Redirect",), ("POST",)])
def test_a_hostile_name_changes_no_page(running, bindings):
    """A NameID full of markup rides in the request, byte-exact, and on no page as markup."""
    name_id = f"<saml:NameID>{escape(HOSTILE)}</saml:NameID>"
    bridge, browser = running(assertion={"name_id": name_id}, bindings=bindings)
    is_harmless(bridge.get(browser, "/"))
    response = bridge.logout(browser, federated="")
    request = sent(response)
    assert request.root.findtext("{*}NameID") == HOSTILE
    if request.binding == "post":
        is_harmless(response)
    comes_back(bridge, browser)


def test_a_hostile_title_is_shown_as_text(running):
    """What an operator calls a connection is text on every page."""
    bridge, browser = running(toml="display_name = '<b onmouseover=\"x\">Evil</b>'")
    for page in (read(bridge.get(browser, "/")), receipt_page(bridge, browser, bridge.logout(browser))):
        assert '<b onmouseover="x">Evil</b>' in words(page.find(".//main"))
        assert not page.findall(".//b")


@pytest.mark.parametrize("name", ["returnTo", "client_id", "connection"])
@pytest.mark.parametrize("value", [HOSTILE, "https://evil.example/" + HOSTILE, "javascript:alert(1)", "\x00\n\r\u2028"])
def test_a_hostile_parameter_is_shown_as_text(bridge, browser, name, value):
    """What is wrong with a link is told without becoming part of the page, or a header."""
    path = "/login" if name == "connection" else "/v2/logout"
    response = browser.get(path, query_string={name: value}, base_url=ORIGIN)
    assert response.status_code in (400, 404)
    page = is_harmless(response)
    assert not page.xpath("//a[contains(@href, 'evil') or contains(@href, 'javascript')]")


# Every page ---------------------------------------------------------------------------------------------------------


def every_response(bridge, browser):
    """One response of each kind, with its name."""
    yield "start page", bridge.get(bridge.browser(), "/")
    yield "signed in", bridge.get(browser, "/")
    yield "wrong link", bridge.logout(browser, returnTo="nowhere")
    yield (
        "wrong message",
        browser.post("/saml/sp/idp/acs", data={"SAMLResponse": b64encode(b"x").decode()}, base_url=ORIGIN),
    )
    location = bridge.logout(browser).headers["Location"]
    yield "receipt", bridge.get(browser, location)
    yield "JSON", bridge.get(browser, f"{location}.json")
    yield "signed out", bridge.logout(bridge.browser())
    yield "not found", bridge.get(browser, "/nothing")
    yield "method", browser.put("/", base_url=ORIGIN)
    for name in ("style.css", "page.js", "submit.js", "icon.svg"):
        with bridge.get(browser, f"/static/{name}") as response:
            yield name, response


def test_every_page_carries_the_security_headers(bridge, browser):
    """No script, style, frame or type but ours, and nothing kept by a cache that could show it to the next person."""
    for name, response in every_response(bridge, browser):
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'"), name
        assert "frame-ancestors 'none'" in policy, name
        assert "unsafe" not in policy, name
        assert response.headers["X-Content-Type-Options"] == "nosniff", name
        assert response.headers["Referrer-Policy"] == "no-referrer", name
        assert response.headers["Strict-Transport-Security"].startswith("max-age="), name
        assert ("no-store" in response.headers["Cache-Control"]) == (
            response.mimetype in ("text/html", "application/json")
        ), name


def test_every_page_is_valid(bridge, browser):
    """Every page passes the strict reader."""
    for _, response in every_response(bridge, browser):
        if response.mimetype == "text/html":
            read(response)


def test_every_error_page_can_be_told_to_a_help_desk(bridge, browser):
    """Every refusal has a reference code, which stands in the log."""
    codes = []
    for name, response in every_response(bridge, browser):
        if response.status_code >= 400:
            codes.append(read(response).findtext(".//code[@id='reference']"))
            assert codes[-1], name
    assert codes == [line["reference"] for line in bridge.log if line.get("reference")]
