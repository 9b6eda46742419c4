"""The whole road of a logout in a browser that runs no scripts at all, in Chromium and in Firefox.

Nothing here waits by a script, as Playwright's own expectations do: pages are read until they say what they should.
"""

import time

HERE = "You are signed out here"


def reads(page, *texts):
    """Read the page until it says all of these."""
    deadline = time.monotonic() + 60
    while True:
        told = page.inner_text("body")
        if all(text in told for text in texts):
            return
        assert time.monotonic() < deadline, told
        page.wait_for_timeout(100)


def press(page, role, name):
    """Press a button or a link; whether it rests where it is, only a script could tell."""
    page.get_by_role(role, name=name).click(force=True)


def test_from_the_sign_in_to_the_receipt(set_up, new_context):
    """Forms have buttons, frames tell applications, one that hangs holds nobody up, the page goes on by itself."""
    stage = set_up(applications=("good", "hangs"))
    stage.applications["hangs"].answering.clear()
    context = new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{stage.bridge}/login?connection=idp")
    press(page, "button", "Sign in")
    reads(page, "You are signed in")
    for name in ("good", "hangs"):
        page.goto(f"{stage.applications[name].origin}/login")
        press(page, "button", f"Continue to {name}.localhost")
        reads(page, "Hello")
    page.goto(f"{stage.bridge}/v2/logout?federated", wait_until="domcontentloaded")
    reads(page, "Please keep this page open")
    stage.wait_for(page, "good", "hangs")
    assert [came for _, came in stage.applications["good"].asked] == [False]  # its cookie stays out of frames
    stage.clock.move(6)
    reads(page, f"{HERE}, in 1 of 2 applications and at your identity provider.", "2026-11-20 06:26")
    assert stage.timeline[-1] == "idp"
    assert page.get_by_role("button", name="Copy").count() == 0
    context.close()
