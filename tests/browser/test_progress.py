"""The progress page in a real browser: applications in frames and by the back channel, then the IdP, then the receipt.

Every party is a site of its own, and its cookie is `Lax`: what stands in a frame gets none.
"""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.pictures import keep_picture

HERE = "You are signed out here"
EVERYBODY = ("good", "slow", "dead", "back")


def heading(page):
    """The main heading."""
    return page.get_by_role("heading", level=1)


def row(page, name):
    """The line of one session."""
    return page.locator("li.row").filter(has=page.get_by_role("heading", name=re.compile(f"^{name}")))


def shows(page, name, word, tone, icon):
    """Expect the word, the colour and the icon of one session."""
    line = row(page, name)
    expect(line.locator(".word")).to_have_text(word)
    expect(line).to_have_class(f"row {tone}")
    drawing = {"check": "M5 12.5", "clock": "M12 6.5", "alert": "M12 5v9"}[icon]
    expect(line.locator(".mark path")).to_have_attribute("d", re.compile(f"^{re.escape(drawing)}"))


def leave(stage, page, query="federated", *, by_hand=False):
    """Sign in everywhere and out; the browser is at the progress page."""
    stage.sign_in_everywhere(page, by_hand=by_hand)
    page.goto(f"{stage.bridge}/v2/logout?{query}", wait_until="domcontentloaded")


@pytest.fixture
def stage(set_up):
    """All four applications; the slow one does not answer until it is let."""
    made = set_up(applications=EVERYBODY)
    made.applications["slow"].answering.clear()
    return made


def test_every_row_turns_as_the_news_comes_and_the_page_does_not_move(stage, page):
    """Word, icon and colour change together without a reload; one dead application stops nobody; the IdP comes last."""
    leave(stage, page)
    page.evaluate("window.mark = 'the same page'")
    shows(page, "Expenses", "Signed out", "good", "check")
    shows(page, "Payroll", "Signed out", "good", "check")
    shows(page, "Travel booking", "No answer yet", "wait", "clock")
    shows(page, "Old wiki", "No answer yet", "wait", "clock")
    shows(page, "Example Ltd", "Not asked yet", "wait", "clock")
    expect(page.get_by_text("Please keep this page open")).to_be_visible()
    assert "idp" not in stage.timeline
    stage.applications["slow"].answering.set()
    shows(page, "Travel booking", "Signed out", "good", "check")
    expect(heading(page)).to_contain_text(f"{HERE} and in 3 of 4 applications.")
    assert page.evaluate("window.mark") == "the same page"
    stage.clock.move(6)
    expect(row(page, "Example Ltd").locator(".word")).to_have_text("Signed out")
    shows(page, "Old wiki", "No answer", "warn", "alert")
    expect(heading(page)).to_have_text(
        f"{HERE}, in 3 of 4 applications and at your identity provider. "
        "You may still be signed in to the other application."
    )
    assert stage.timeline[-1] == "idp"
    assert sorted(stage.timeline[:-1]) == ["back", "good", "slow"]


def test_what_failed_in_a_frame_is_asked_by_the_whole_window(stage, page):
    """The application is there again: "Ask again" takes the window, where its cookie comes along, and comes back."""
    stage.applications["slow"].answering.set()
    leave(stage, page, "")
    expect(row(page, "Travel booking").locator(".word")).to_have_text("Signed out")
    stage.clock.move(6)
    expect(row(page, "Old wiki")).to_contain_text("Ask again: your browser then goes there itself")
    expect(row(page, "Old wiki")).to_contain_text("sign out there yourself")
    stage.revive()
    page.get_by_role("button", name="Ask again at Old wiki").click()
    expect(heading(page)).to_have_text(
        f"{HERE} and in your 4 applications. You are still signed in at your identity provider."
    )
    cookies = {name: [came for _, came in one.asked] for name, one in stage.applications.items()}
    assert cookies == {"good": [False], "slow": [False], "dead": [True], "back": [False]}


def test_a_reload_asks_nobody_twice(stage, page):
    """A frame that is under way is not opened again; after its time the row offers to ask again."""
    leave(stage, page)
    expect(row(page, "Travel booking").locator(".word")).to_have_text("No answer yet")
    for _ in range(2):
        page.reload(wait_until="domcontentloaded")
        shows(page, "Travel booking", "No answer yet", "wait", "clock")
        expect(row(page, "Travel booking").get_by_role("button")).to_have_count(0)
        assert page.locator("iframe").count() == 0
    assert len(stage.applications["slow"].asked) == len(stage.applications["good"].asked) == 1
    stage.clock.move(6)
    expect(page.get_by_role("button", name="Ask again at Travel booking")).to_be_visible()


def test_without_a_script_a_form_gets_a_button_in_its_frame(stage, open_page):
    """Redirect frames work as they are; the POST frame is seen, and so is the way on (T3)."""
    page = open_page(java_script_enabled=False, viewport={"width": 400, "height": 800})
    stage.applications["slow"].answering.set()
    leave(stage, page, by_hand=True)
    frame = page.frame_locator(".forms iframe")
    expect(page.get_by_role("heading", name="Please press this button")).to_be_visible()
    button = frame.get_by_role("button", name="Continue to slow.localhost")
    expect(button).to_be_visible()
    box, around = button.bounding_box(), page.locator(".forms iframe").bounding_box()
    assert around["y"] <= box["y"]
    assert box["y"] + box["height"] <= around["y"] + around["height"], "one has to scroll inside the frame"
    button.click()
    expect(frame.get_by_role("heading", name="It answered")).to_be_visible()
    keep_picture(page, "no-script-answered")
    stage.clock.move(6)
    page.get_by_role("link", name="Go on").click()
    expect(heading(page)).to_contain_text("in 3 of 4 applications and at your identity provider.")
    shows(page, "Travel booking", "Signed out", "good", "check")
    shows(page, "Old wiki", "No answer", "warn", "alert")


def test_without_a_script_the_page_goes_on_by_itself(set_up, open_page):
    """Frames are told, one of them hangs, and meta refresh goes on to the IdP and the receipt all the same."""
    stage, page = set_up(applications=("good", "hangs")), open_page(java_script_enabled=False)
    stage.applications["hangs"].answering.clear()
    leave(stage, page, by_hand=True)
    expect(page.get_by_text("Please keep this page open")).to_be_visible()
    stage.wait_for(page, "good", "hangs")
    stage.clock.move(6)
    told = f"{HERE}, in 1 of 2 applications and at your identity provider."
    expect(heading(page)).to_contain_text(told, timeout=15_000)
    assert stage.timeline[-1] == "idp"


def test_a_reader_is_not_interrupted(stage, page):
    """Open details stay open and the focus stays where it is while the rows turn; then the page goes on."""
    leave(stage, page, "")
    shows(page, "Expenses", "Signed out", "good", "check")
    summary = row(page, "Travel booking").locator("summary")
    summary.click()
    page.evaluate("window.mark = 'the same page'")
    stage.applications["slow"].answering.set()
    stage.clock.move(6)
    shows(page, "Old wiki", "No answer", "warn", "alert")
    expect(row(page, "Travel booking").locator(".word")).not_to_have_text("No answer yet")
    expect(row(page, "Travel booking").locator("details")).to_have_attribute("open", "")
    assert summary.evaluate("element => element === document.activeElement")
    assert page.evaluate("window.mark") == "the same page"
    summary.click()
    page.evaluate("document.activeElement.blur()")
    expect(page.locator("[data-live]")).to_have_count(0)
    assert page.evaluate("window.mark") is None


def test_an_application_that_takes_the_window_is_held_back(set_up, page):
    """The logout page of an application wants to be the whole window; the sandbox says no, and the others go on."""
    stage = set_up(applications=("good", "slow"))
    stage.applications["good"].says = "<!doctype html><script>top.location = 'http://good.localhost/'</script>"
    leave(stage, page, "")
    shows(page, "Travel booking", "Signed out", "good", "check")
    assert page.url.startswith(f"{stage.bridge}/logout/")
    stage.clock.move(6)
    shows(page, "Expenses", "No answer", "warn", "alert")


@pytest.mark.parametrize("script", [True, False])
def test_an_idp_that_logs_out_by_frames_gets_its_answer_in_its_frame(set_up, open_page, script):
    """Our progress page stands in a frame of the IdP's, the application in a frame of ours: nobody gets a cookie."""
    stage = set_up(applications=("good", "back"))
    page = open_page(java_script_enabled=script)
    stage.sign_in_everywhere(page, by_hand=not script)
    page.goto(f"{stage.idp.origin}/frames", wait_until="domcontentloaded")
    done = page.frame_locator("iframe").get_by_role("heading", name="Done")
    expect(done).to_be_visible(timeout=15_000)
    assert stage.idp.told == ["Success"]
    assert [came for _, came in stage.applications["good"].asked] == [False]
    page.goto(stage.bridge)
    expect(heading(page)).to_have_text("You are not signed in")


def test_nobody_else_frames_the_page_of_a_logout(set_up, page):
    """The receipt in a frame of somebody who is no identity provider is not shown."""
    stage = set_up()
    stage.sign_in(page)
    stage.logout(page, "")
    receipt = page.url
    page.route(
        f"{stage.application}/trap",
        lambda route: route.fulfill(
            body=f"<!doctype html><title>Trap</title><iframe title=x src='{receipt}'></iframe>",
            content_type="text/html",
        ),
    )
    page.goto(f"{stage.application}/trap")
    frame = page.frame_locator("iframe")  # Firefox says there, with a heading of its own, that it may not be shown
    assert frame.get_by_role("heading", name=HERE).count() == 0
