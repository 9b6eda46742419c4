"""What a person is asked before a logout, with and without JavaScript and with the keyboard; and the guard after it."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.pictures import keep_picture
from tests.browser.scenes import UNSAVED

HERE = "You are signed out here"


def heading(page):
    """The main heading."""
    return page.get_by_role("heading", level=1)


def forced(provider):
    """Which of the AuthnRequests that came to a provider asked for a fresh sign-in."""
    return [message.get("ForceAuthn") == "true" for message in provider.signing_in]


@pytest.fixture(params=[True, False], ids=["with-script", "without-script"])
def either_page(request, open_page):
    """A page with JavaScript, and one without; on a phone."""
    return open_page(java_script_enabled=request.param, viewport={"width": 390, "height": 844})


@pytest.fixture
def asking(set_up):
    """A stage whose policy lets the person choose."""
    return set_up(federated="ask")


# The choice -----------------------------------------------------------------------------------------------------------


def test_everywhere(asking, either_page):
    """The identity provider is asked, because the person said so."""
    page = either_page
    asking.sign_in(page)
    asking.logout(page, "")
    expect(heading(page)).to_have_text("Sign out?")
    keep_picture(page, "ask-390")
    assert asking.idp.asked == []
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(heading(page)).to_have_text(f"{HERE} and at your identity provider.")
    assert len(asking.idp.asked) == 1


def test_here(asking, either_page):
    """The identity provider is left alone, although the link said `federated`."""
    page = either_page
    asking.sign_in(page)
    asking.logout(page)
    page.get_by_role("button", name="Sign out here, stay signed in at Example Ltd").click()
    expect(heading(page)).to_have_text(re.compile(r"You are still signed in at your identity provider\.$"))
    assert asking.idp.asked == []


def test_cancel(asking, either_page):
    """Nothing has ended, and the next logout asks again."""
    page = either_page
    asking.sign_in(page)
    asking.logout(page)
    page.get_by_role("link", name="Cancel").click()
    expect(heading(page)).to_have_text("You are signed in")
    asking.logout(page)
    expect(heading(page)).to_have_text("Sign out?")


def test_by_the_keyboard(asking, page):
    """The heading is read first; each way is one Tab further, in the order of the page, and Enter takes it."""
    asking.sign_in(page)
    asking.logout(page)
    names = []
    for _ in range(3):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert names == ["Sign out everywhere", "Sign out here, stay signed in at Example Ltd", "Cancel"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text(re.compile("still signed in at your identity provider"))


def test_back_and_forward_send_nothing(asking, page):
    """Who comes back to the page by the browser's own button and chooses again sees the logout that they began."""
    asking.sign_in(page)
    asking.logout(page, "")
    page.get_by_role("button", name="Sign out here").click()
    expect(heading(page)).to_contain_text(HERE)
    page.go_back()
    page.wait_for_load_state()
    expect(heading(page)).not_to_have_text("Sign out?")
    assert asking.idp.asked == []


# Unsaved work ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def editing(set_up):
    """A stage with an application that has unsaved work."""
    made = set_up(applications=("editor",))
    made.applications["editor"].busy = UNSAVED
    return made


def test_sign_out_anyway(editing, either_page, request):
    """The page names what is unsaved; going on asks the application no second time."""
    page, by_hand = either_page, "without-script" in request.node.name
    editing.sign_in_everywhere(page, by_hand=by_hand)
    page.goto(f"{editing.bridge}/v2/logout")
    expect(heading(page)).to_have_text("Invoices has unsaved work")
    row = page.get_by_role("list", name="Unsaved work").get_by_role("listitem")
    expect(row).to_contain_text("1 draft for Northwind is not saved, until ")
    expect(row).to_contain_text("12:30 UTC" if by_hand else "13:30")
    keep_picture(page, "busy-390")
    page.get_by_role("button", name="Sign out anyway").click()
    expect(heading(page)).to_contain_text(f"{HERE} and in your application.", timeout=15_000)
    page.goto(editing.bridge)
    expect(heading(page)).to_have_text("You are not signed in")


def test_wait(editing, page):
    """Nothing ends while it is unsaved; when it is saved, the page that looks again signs the person out."""
    page.clock.install()
    editing.sign_in_everywhere(page)
    editing.logout(page, "")
    page.get_by_role("link", name="Wait").click()
    expect(heading(page)).to_have_text("Invoices has unsaved work")
    editing.applications["editor"].busy = {"busy": False}
    page.clock.run_for(31_000)
    expect(heading(page)).to_contain_text(HERE)


# After a logout -------------------------------------------------------------------------------------------------------


def test_the_next_sign_in_is_a_fresh_one(stage, page):
    """The identity provider still knows the person, so it is told to ask; once they signed in, no longer."""
    stage.sign_in(page)
    stage.logout(page, "")
    expect(heading(page)).to_contain_text("still signed in at your identity provider")
    stage.clock.move(200)
    stage.sign_in(page)
    assert forced(stage.idp) == [False, True]


def test_after_a_complete_logout_nobody_is_asked_twice(stage, page):
    """The identity provider said that its session ended."""
    stage.sign_in(page)
    stage.logout(page)
    stage.clock.move(60)
    stage.sign_in(page)
    assert forced(stage.idp) == [False, False]


def test_the_answer_of_the_identity_provider_clears_the_guard(stage, page):
    """It comes as a form of another site; the cookie comes along all the same."""
    stage.sign_in(page)
    stage.logout(page, "")
    stage.clock.move(60)
    stage.sign_in(page)
    names = {cookie["name"] for cookie in page.context.cookies(stage.bridge)}
    assert "__Host-slo" in names
    assert "__Host-slo-guard" not in names
    assert "__Host-slo-logout" not in names, "a logout before a sign-in is history"


def test_an_application_leads_to_a_fresh_sign_in_as_well(set_up, page):
    """Its AuthnRequest is passed on with ForceAuthn."""
    stage = set_up(applications=("good",))
    stage.sign_in_everywhere(page)
    stage.logout(page, "")
    stage.clock.move(60)
    stage.applications["good"].sign_in(page)
    assert forced(stage.idp) == [False, True]
