"""The page between /v2/logout and a logout: it ends nothing, says what would, and only its own form goes on."""

from contextlib import ExitStack

import pytest

from tests.preflight import Editor
from tests.running import ORIGIN, running_bridge, sent
from tests.sp import Sp
from tests.web.pages import heading, read, words

BYE = "https://app.example/bye"
ONE = Sp("one", "idp-next", ("HTTP-Redirect",))
EDITOR = '{"busy": true, "until": "2026-11-20T12:30:00Z", "message": "unsaved draft"}'


@pytest.fixture
def asking(tmp_path, redis_url):
    """A bridge whose tenant says `ask`, a browser that is signed in to an application, and its page."""
    with running_bridge(
        tmp_path, redis_url, sps=(ONE,), federated="ask", toml='display_name = "Contoso"', allowed_logout_urls=(BYE,)
    ) as bridge:
        browser = bridge.browser()
        ONE.sign_in(bridge, browser)
        yield bridge, browser


def page_of(bridge, browser, **query):
    """The page that asks."""
    response = bridge.logout(browser, **query)
    assert response.status_code == 200
    return read(response)


def fields_of(page):
    """The hidden fields of its form."""
    (form,) = page.xpath("//form")
    assert (form.method, form.action) == ("POST", "/v2/logout/confirm")
    return dict(form.fields)


def choose(bridge, browser, fields, choice):
    """Press a button of the form."""
    return browser.post("/v2/logout/confirm", data={**fields, "choice": choice}, base_url=ORIGIN)


def choices(page):
    """The words of what can be pressed."""
    found = page.xpath("//*[@class='option']/*[contains(@class, 'button')]")
    return {words(button): button.get("value") or button.get("href") for button in found}


def test_nothing_ends_before_the_person_chose(asking):
    """The page lists every session and how it will be told; store and cookies stay as they were."""
    bridge, browser = asking
    before = bridge.keyspace()
    response = bridge.logout(browser, federated="")
    assert "Set-Cookie" not in response.headers
    assert bridge.keyspace() == before
    page = read(response)
    assert heading(page) == "Sign out?"
    assert "Nothing has ended yet." in words(page.find(".//main"))
    assert [words(row) for row in page.xpath("//li")] == [
        "This browser Ends first, at once.",
        "one application Told through this browser.",
        "Contoso identity provider You choose Your browser goes there and comes back.",
    ]
    assert choices(page) == {
        "Sign out everywhere": "everywhere",
        "Sign out here, stay signed in at Contoso": "here",
        "Cancel": "/",
    }
    assert bridge.is_signed_in(browser)


def test_everywhere_asks_the_identity_provider_too(asking):
    """The choice of the person is the policy."""
    bridge, browser = asking
    response = choose(bridge, browser, fields_of(page_of(bridge, browser)), "everywhere")
    assert not bridge.is_signed_in(browser)
    told = bridge.receipt(browser, response)
    assert [(row["kind"], row["state"]) for row in told["sessions"]] == [
        ("session", "confirmed"),
        ("application", "waiting"),
        ("idp", "waiting"),
    ]
    assert told["initiator"] == "person"


def test_here_keeps_the_identity_provider(asking):
    """All but the identity provider ends."""
    bridge, browser = asking
    response = choose(bridge, browser, fields_of(page_of(bridge, browser, federated="")), "here")
    assert not bridge.is_signed_in(browser)
    assert [row["state"] for row in bridge.receipt(browser, response)["sessions"]] == ["confirmed", "waiting", "kept"]


def test_the_return_url_rides_along_and_is_checked_before(asking):
    """A wrong one is refused before anything is asked; a right one is where the person ends up."""
    bridge, browser = asking
    assert bridge.logout(browser, returnTo="https://evil.example/").status_code == 400
    fields = fields_of(page_of(bridge, browser, returnTo=BYE, scope="browser"))
    assert fields["returnTo"] == BYE
    assert bridge.receipt(browser, choose(bridge, browser, fields, "here"))["return_to"] == BYE


@pytest.mark.parametrize(
    "change",
    [
        {"token": ""},
        {"token": "0" * 64},
        {"token": "\u00e9"},
        {"returnTo": f"{BYE}?a=1"},
        {"scope": "everywhere"},
        {"federated": ""},
        {"choice": "nowhere"},
        {"choice": ""},
    ],
)
def test_a_form_that_was_not_shown_ends_nothing(asking, change):
    """Without the token, with another one, or with anything that the page did not have: 400, and all lives on."""
    bridge, browser = asking
    fields = {**fields_of(page_of(bridge, browser, returnTo=BYE)), "choice": "here", **change}
    response = browser.post("/v2/logout/confirm", data=fields, base_url=ORIGIN)
    assert response.status_code == 400
    read(response)
    assert bridge.is_signed_in(browser)


def test_the_token_of_another_browser_ends_nothing(asking):
    """What somebody was shown in their own browser is no good in the one of their victim."""
    bridge, browser = asking
    attacker = bridge.browser()
    bridge.sign_in(attacker)
    fields = fields_of(page_of(bridge, attacker))
    assert choose(bridge, browser, fields, "here").status_code == 400
    assert bridge.is_signed_in(browser)


def test_without_a_session_nothing_is_asked(asking):
    """As before: there was nothing to end."""
    bridge, _ = asking
    assert heading(page_of(bridge, bridge.browser())) == "You are signed out here"


def test_a_running_logout_is_resumed_and_not_asked_about(asking):
    """Who comes back to /v2/logout goes on with what they chose."""
    bridge, browser = asking
    first = choose(bridge, browser, fields_of(page_of(bridge, browser)), "everywhere")
    assert bridge.logout(browser).headers["Location"] == first.headers["Location"]


def test_pressing_twice_shows_the_same_logout(asking):
    """The second press finds the session gone, and the way to its receipt."""
    bridge, browser = asking
    fields = fields_of(page_of(bridge, browser))
    locations = {choose(bridge, browser, fields, "here").headers["Location"]}
    again = browser.post("/v2/logout/confirm", data={**fields, "choice": "here"}, base_url=ORIGIN)
    assert again.status_code in {303, 400}
    assert {again.headers.get("Location", *locations)} == locations


@pytest.mark.parametrize("headers", [{"Sec-Purpose": "prefetch"}, {"Purpose": "prefetch"}])
def test_a_browser_that_only_guesses_is_not_asked(asking, headers):
    """Neither HEAD nor a prefetch gets the page, and no GET can answer it."""
    bridge, browser = asking
    assert bridge.get(browser, "/v2/logout", headers=headers).status_code == 400
    assert browser.head("/v2/logout", base_url=ORIGIN).status_code == 405
    assert bridge.get(browser, "/v2/logout/confirm").status_code == 405
    assert bridge.is_signed_in(browser)


def test_nobody_frames_the_page(asking):
    """A press on it cannot be stolen."""
    bridge, browser = asking
    response = bridge.logout(browser)
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Frame-Options"] == "DENY"


def test_a_post_from_elsewhere_is_asked_as_well(asking):
    """POST /v2/logout goes on as a GET, which asks."""
    bridge, browser = asking
    response = browser.post("/v2/logout", data={"federated": "1"}, base_url=ORIGIN)
    assert heading(read(bridge.get(browser, response.headers["Location"]))) == "Sign out?"


def test_an_application_may_ask_in_its_own_name(tmp_path, redis_url):
    """The policy of the application that the link names decides (product L2)."""
    one = Sp("one", "idp-next", more='connection = "idp"\nfederated = "ask"\n')
    with running_bridge(tmp_path, redis_url, sps=(one,)) as bridge:
        browser = bridge.browser()
        one.sign_in(bridge, browser)
        fields = fields_of(page_of(bridge, browser, client_id="one"))
        assert fields["client_id"] == "one"
        assert bridge.logout(browser).status_code == 303


# Unsaved work --------------------------------------------------------------------------------------------------------


@pytest.fixture
def editing(tmp_path, redis_url):
    """Start a bridge with an application that has unsaved work: the bridge, the browser, the application's server."""
    with ExitStack() as stack:

        def start(**settings):
            editor = stack.enter_context(Editor(EDITOR))
            one = Sp("invoices", "idp-next", more=f'display_name = "Invoices"\n{editor.toml}')
            how = {"back_channel_allow": ("127.0.0.1",), **settings}
            bridge = stack.enter_context(running_bridge(tmp_path, redis_url, sps=(one,), **how))
            browser = bridge.browser()
            one.sign_in(bridge, browser)
            return bridge, browser, editor

        yield start


def test_unsaved_work_is_told_before_anything_ends(editing):
    """Who, what and until when; to wait or to go on; and a page that looks again by itself."""
    bridge, browser, _ = editing()
    page = page_of(bridge, browser, federated="")
    assert heading(page) == "Invoices has unsaved work"
    assert words(page.xpath("//ul[@aria-label='Unsaved work']/li")[0]) == "Invoices unsaved draft, until 12:30 UTC"
    assert choices(page) == {"Wait": "/v2/logout?federated=", "Sign out anyway": "anyway", "Cancel": "/"}
    assert page.xpath("//noscript/meta[@http-equiv='refresh']/@content") == ["30"]
    assert page.xpath("//@data-refresh") == ["30"]
    assert bridge.is_signed_in(browser)


def test_who_waits_is_signed_out_when_it_is_saved(editing):
    """The page looks again by the same link; nothing unsaved, nothing asked."""
    bridge, browser, editor = editing()
    page_of(bridge, browser)
    editor.answer = {"busy": False}
    assert bridge.logout(browser).status_code == 303
    assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize(("query", "state"), [({}, "kept"), ({"federated": ""}, "waiting")])
def test_who_goes_on_is_not_asked_again(editing, query, state):
    """Going on ends what was asked for, and the application is asked no second time."""
    bridge, browser, editor = editing()
    response = choose(bridge, browser, fields_of(page_of(bridge, browser, **query)), "anyway")
    assert not bridge.is_signed_in(browser)
    assert bridge.receipt(browser, response)["sessions"][-1]["state"] == state
    assert len(editor.asked) == 1


def test_both_questions_stand_on_one_page(editing):
    """Policy `ask` and unsaved work: one page, and each button says "anyway"."""
    bridge, browser, _ = editing(federated="ask")
    page = page_of(bridge, browser)
    assert list(choices(page).values()) == ["/v2/logout", "everywhere", "here", "/"]
    assert "Sign out everywhere anyway" in choices(page)
    choose(bridge, browser, fields_of(page), "everywhere")
    assert not bridge.is_signed_in(browser)


def test_a_hostile_message_changes_no_page(editing):
    """What an application says is text."""
    bridge, browser, editor = editing()
    editor.answer = {"busy": True, "message": "<script>alert(1)</script>\"'&amp;\u202e"}
    response = bridge.logout(browser)
    assert "<script>alert" not in response.get_data(as_text=True)
    assert "<script>alert(1)</script>" in words(read(response).find(".//main"))


def test_the_identity_provider_is_still_asked_by_its_own_rules(asking):
    """After the choice the logout goes its usual road: frames first, then the LogoutRequest, signed."""
    bridge, browser = asking
    response = choose(bridge, browser, fields_of(page_of(bridge, browser)), "everywhere")
    bridge.clock.move(20)
    request = sent(bridge.get(browser, f"{response.headers['Location']}/next"))
    assert request.location == "https://idp.example/slo"
