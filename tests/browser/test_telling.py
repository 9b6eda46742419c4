"""Applications that can be told and cannot answer, in frames; and sign-out pages that keep their window."""

import re

import pytest
from playwright.sync_api import expect

HERE = "You are signed out here"
KINDS = ("url", "wsfed", "oidc")
NO_WAY_BACK = 'login_url_fallback = false\ninsecure_http = true\nlogout_page = "{accounts}/Logout"\n'


def heading(page):
    """The main heading."""
    return page.get_by_role("heading", level=1)


def row(page, name):
    """The line of one session."""
    return page.locator("li.row").filter(has=page.get_by_role("heading", name=re.compile(f"^{name}")))


def test_their_frames_load_and_nobody_waits_for_an_answer(set_up, page):
    """Each is told once, in a frame without its cookie; the page rests as soon as the frames do."""
    stage = set_up(applications=(*KINDS, "trusted"))
    stage.sign_in_everywhere(page)
    page.goto(f"{stage.bridge}/v2/logout")
    for name in ("Wiki", "Intranet", "Calendar"):
        expect(row(page, name).locator(".word")).to_have_text("Asked, cannot answer")
        expect(row(page, name)).to_have_class("row told")
    expect(row(page, "Canteen").locator(".word")).to_have_text("Taken for signed out")
    expect(heading(page)).to_have_text(
        f"{HERE} and in 1 of 4 applications. 3 of 4 applications were told but cannot answer, and you are still signed "
        "in at your identity provider."
    )
    assert sorted(stage.timeline) == ["oidc", "trusted", "url", "wsfed"]
    assert stage.applications["wsfed"].asked == [("wa=wsignoutcleanup1.0", False)]
    assert [came for one in stage.applications.values() for _, came in one.asked] == [False] * 4


def test_without_a_script_their_time_ends_it(set_up, open_page):
    """The frames load all the same; the page goes on by itself when their patience is over."""
    stage, page = set_up(applications=KINDS), open_page(java_script_enabled=False)
    stage.sign_in_everywhere(page, by_hand=True)
    page.goto(f"{stage.bridge}/v2/logout", wait_until="domcontentloaded")
    expect(heading(page)).to_contain_text("have not been asked yet")
    stage.wait_for(page, *KINDS)
    stage.clock.move(6)
    expect(heading(page)).to_contain_text("Your 3 applications were told but cannot answer", timeout=15_000)


def test_then_the_browser_goes_on_to_the_identity_provider(set_up, page):
    """A frame that came to rest holds nobody up."""
    stage = set_up(applications=("url",))
    stage.sign_in_everywhere(page)
    page.goto(f"{stage.bridge}/v2/logout?federated")
    expect(heading(page)).to_have_text(
        f"{HERE} and at your identity provider. Your application was told but cannot answer."
    )
    assert stage.timeline == ["url", "idp"]


def test_a_slow_page_is_being_told_meanwhile(set_up, page):
    """Nobody says that it has not answered; and a page that never comes is not waited for beyond its patience."""
    stage = set_up(applications=("url",))
    stage.applications["url"].answering.clear()
    stage.sign_in_everywhere(page)
    page.goto(f"{stage.bridge}/v2/logout", wait_until="domcontentloaded")
    expect(row(page, "Wiki").locator(".word")).to_have_text("Being told")
    expect(heading(page)).to_have_text(re.compile("Your application is still being told"))
    stage.clock.move(6)
    expect(row(page, "Wiki").locator(".word")).to_have_text("Asked, cannot answer")


@pytest.mark.parametrize("script", [True, False])
def test_its_page_opens_in_a_window_of_its_own(set_up, open_page, script):
    """There its cookie comes along, so it can end the session; the receipt stays where it is."""
    stage, page = set_up(applications=("url",)), open_page(java_script_enabled=script)
    stage.sign_in_everywhere(page, by_hand=not script)
    page.goto(f"{stage.bridge}/v2/logout", wait_until="domcontentloaded")
    stage.wait_for(page, "url")
    stage.clock.move(6)
    button = page.get_by_role("button", name="Sign out at Wiki (opens a new window)")
    expect(button).to_be_visible(timeout=15_000)
    with page.context.expect_page() as opened:
        button.click()
    expect(opened.value.get_by_role("heading", name="Goodbye")).to_be_visible()
    assert [came for _, came in stage.applications["url"].asked] == [False, True]
    assert page.url.startswith(f"{stage.bridge}/logout/")


@pytest.mark.parametrize("script", [True, False])
def test_a_page_that_keeps_people_is_left_to_them(set_up, open_page, script):
    """With somewhere to go the browser is not sent there: a button opens it, and the way on stays open."""
    stage = set_up(bindings=(), toml=NO_WAY_BACK)
    page = open_page(java_script_enabled=script)
    stage.sign_in(page)
    stage.logout(page, f"federated&returnTo={stage.application}/bye")
    expect(row(page, "Example Ltd")).to_contain_text("Its sign-out page does not bring you back")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Sign out at Example Ltd (opens a new window)").click()
    opened.value.wait_for_url(f"{stage.idp.origin.replace('idp', 'accounts')}/Logout")
    page.get_by_role("link", name="Continue to app.localhost").click()
    page.wait_for_url(f"{stage.application}/bye")
