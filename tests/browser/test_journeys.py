"""People on their way out, with a real browser: with and without JavaScript, with the keyboard, and coming back."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.scenes import back_to_receipt, silent

HERE = "You are signed out here"


def heading(page):
    """The main heading."""
    return page.get_by_role("heading", level=1)


def row(page, name):
    """The line of one session on a receipt."""
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=re.compile(f"^{name}")))


@pytest.fixture(params=[True, False], ids=["with-script", "without-script"])
def either_page(request, open_page):
    """A page with JavaScript, and one without."""
    return open_page(java_script_enabled=request.param)


def test_signing_in_and_out_by_hand(stage, either_page):
    """From the start page through the IdP, back, and out again: every step is a link or a button, script or not."""
    page = either_page
    page.goto(stage.bridge)
    page.get_by_role("link", name="Example Ltd").click()
    page.get_by_role("button", name="Sign in").click()
    expect(heading(page)).to_have_text("You are signed in")
    page.get_by_role("link", name="Sign out completely").click()
    expect(heading(page)).to_have_text(f"{HERE} and at your identity provider.")
    expect(row(page, "Example Ltd")).to_contain_text("Signed out")
    expect(page.get_by_role("status").first).to_contain_text(HERE)
    assert [message.findtext("{*}SessionIndex") for message in stage.idp.asked] == ["_s1"]
    page.get_by_role("link", name="Go to the start page").click()
    expect(heading(page)).to_have_text("You are not signed in")


def test_signing_out_here_only(stage, page):
    """The IdP is left alone, and the page says so."""
    stage.sign_in(page)
    page.get_by_role("link", name="Sign out here only").click()
    expect(heading(page)).to_have_text(re.compile(r"You are still signed in at your identity provider\.$"))
    expect(row(page, "Example Ltd")).to_contain_text("Still signed in")
    assert stage.idp.asked == []


@pytest.mark.parametrize("script", [True, False])
def test_a_message_by_post_goes_on_by_itself_or_by_a_button(set_up, open_page, script):
    """HTTP-POST: with a script nobody sees the page in between, without one it has a button."""
    stage, page = set_up(bindings=("POST",)), open_page(java_script_enabled=script)
    stage.sign_in(page)
    page.goto(f"{stage.bridge}/v2/logout?federated")
    if not script:
        expect(page.locator("noscript p")).to_be_visible()
        page.get_by_role("button", name=re.compile("^Continue to idp.localhost")).click()
    expect(heading(page)).to_have_text(f"{HERE} and at your identity provider.")


def test_a_complete_logout_goes_straight_to_the_return_url(stage, page):
    """Nothing is left to tell."""
    stage.sign_in(page)
    stage.logout(page, f"federated&returnTo={stage.application}/bye")
    assert page.url == f"{stage.application}/bye"


def test_what_went_wrong_is_seen_before_the_way_on(stage, page):
    """A refusal holds the person back; the button that goes on names the host, and goes there."""
    stage.idp.answers = "refused"
    stage.sign_in(page)
    stage.logout(page, f"federated&returnTo={stage.application}/bye")
    expect(row(page, "Example Ltd")).to_contain_text("Refused")
    page.get_by_role("link", name="Continue to app.localhost").click()
    page.wait_for_url(f"{stage.application}/bye")


def test_a_page_that_waits_turns_when_the_news_comes(stage, either_page):
    """While the IdP is silent the page looks again by itself, and rests when the deadline has passed."""
    page = either_page
    silent(stage, page)
    expect(heading(page)).to_have_text(f"{HERE}. Your identity provider has not answered yet.")
    stage.clock.move(61)
    expect(heading(page)).to_have_text(f"{HERE}. You may still be signed in at your identity provider.")
    assert page.locator("meta[http-equiv=refresh]").count() == 0


def test_a_page_that_is_being_read_does_not_move(stage, open_page):
    """Open details, or a control that holds the focus, keep the page still; then it looks again."""
    page = open_page()
    page.clock.install()
    silent(stage, page)
    loads = []
    page.on("load", lambda _: loads.append(1))
    page.locator("summary").last.click()
    page.clock.run_for(20_000)
    page.locator("summary").last.click()
    page.clock.run_for(20_000)
    assert loads == []
    page.evaluate("document.activeElement.blur()")
    with page.expect_event("load"):
        page.clock.run_for(5_000)


def test_ask_again(stage, page):
    """An IdP that was silent is asked once more by a button, and its answer counts."""
    silent(stage, page)
    stage.clock.move(61)
    page.reload()
    stage.idp.answers = "success"
    page.get_by_role("button", name="Ask again at Example Ltd").click()
    expect(heading(page)).to_have_text(f"{HERE} and at your identity provider.")
    first, second = stage.idp.asked
    assert first.get("ID") != second.get("ID")


def test_whoever_comes_back_goes_on_with_the_next(stage, page):
    """The first IdP keeps the browser; /v2/logout goes on to the second, and the receipt tells of both."""
    stage.idp.answers = "nothing"
    stage.sign_in(page, "idp", "other-idp")
    stage.logout(page)
    back_to_receipt(stage, page)
    expect(row(page, "Contoso")).to_contain_text("Not asked yet")
    stage.logout(page)
    expect(heading(page)).to_have_text(re.compile(r"1 of 2 identity providers\. The other one has not answered yet\.$"))


def test_the_keyboard_is_enough(stage, page):
    """The heading has the focus when all is told; from there Tab leads through everything in the order of reading."""
    stage.idp.answers = "nothing"
    stage.sign_in(page)
    stage.logout(page)
    stage.clock.move(61)
    back_to_receipt(stage, page)
    focused = "element => element === document.activeElement"
    assert heading(page).evaluate(focused)
    order = [
        "Details of This browser",
        "Ask again",
        "Details of Example Ltd",
        "Go to the start page",
        "Copy",
        "This receipt",
    ]
    for name in order:
        page.keyboard.press("Tab")
        said = page.evaluate("document.activeElement.textContent")
        assert said.strip().startswith(name), said
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert outline == "3px", f"nobody sees that {name} has the focus"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("from the provider’s metadata")).to_be_visible()


def test_the_reference_code_is_copied(stage, open_page):
    """A press on Copy puts the code into the clipboard and says so; without a script there is no such button."""
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    stage.sign_in(page)
    stage.logout(page, "")
    code = page.locator("#reference").inner_text()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status").last).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == code
    plain = open_page(java_script_enabled=False)
    plain.goto(page.url)
    expect(plain.locator("#reference")).to_have_text(code)
    expect(plain.get_by_role("button", name="Copy")).to_be_hidden()


def test_times_are_told_in_the_readers_own_zone(stage, page, open_page):
    """With a script the reader's zone, without one UTC; the machine-readable time is the same."""
    stage.sign_in(page)
    stage.logout(page, "")
    plain = open_page(java_script_enabled=False)
    plain.goto(page.url)
    for reader, said in ((page, "20 Nov 2026, 07:26:00 CET"), (plain, "2026-11-20 06:26:00 UTC")):
        begun = reader.locator("footer time")
        expect(begun).to_have_text(said)
        expect(begun).to_have_attribute("datetime", "2026-11-20T06:26:00Z")


def test_the_page_says_it_without_colour(stage, open_page):
    """Where the system forces its colours, every word is still there and every icon still drawn."""
    page = open_page(forced_colors="active")
    stage.idp.answers = "refused"
    stage.sign_in(page)
    stage.logout(page)
    expect(row(page, "Example Ltd").locator(".word")).to_be_visible()
    for mark in page.locator(".mark .icon").all():
        assert mark.bounding_box()["width"] > 10
        assert mark.evaluate("element => getComputedStyle(element).stroke") != "none"
