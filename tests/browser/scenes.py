"""Every page that a person can see, each with the road that leads there. `SCENES` is what the tests walk through."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Error


@dataclass(frozen=True)
class Scene:
    """A page: how the stage is set, the road to it, and the words that its heading must have."""

    name: str
    road: Any
    heading: str
    setting: dict = field(default_factory=dict)


def home(stage, page):
    """Somebody who is not signed in opens the start page."""
    page.goto(f"{stage.bridge}/")


def home_signed_in(stage, page):
    """Sign in through both IdPs; the browser is back at the start page."""
    stage.sign_in(page, "idp", "other-idp")


def federated(stage, page):
    """Sign in and out again, federated."""
    stage.sign_in(page)
    stage.logout(page)


def local(stage, page):
    """Sign in, and out here only."""
    stage.sign_in(page)
    stage.logout(page, "")


def unsigned(stage, page):
    """The IdP answers without a signature."""
    stage.idp.answers = "unsigned"
    federated(stage, page)


def refused_with_return(stage, page):
    """The IdP refuses, and there is a way on."""
    stage.idp.answers = "refused"
    stage.sign_in(page)
    stage.logout(page, f"federated&returnTo={stage.application}/bye")


def partial(stage, page):
    """The IdP could not end every session."""
    stage.idp.answers = "partial"
    federated(stage, page)


def silent(stage, page):
    """The IdP keeps the browser; the person comes back to the receipt by hand."""
    stage.idp.answers = "nothing"
    stage.sign_in(page)
    stage.logout(page)
    back_to_receipt(stage, page)


def back_to_receipt(stage, page):
    """Open the receipt of this browser's last logout."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies(stage.bridge)}
    page.goto(f"{stage.bridge}/logout/{cookies['__Host-slo-logout']}")


def timed_out(stage, page):
    """The IdP keeps silent until the deadline has passed."""
    silent(stage, page)
    stage.clock.move(61)
    page.reload()


def several(stage, page):
    """Two IdPs: the first gave no SessionIndex and answers, the second keeps silent."""
    stage.idp.session_indexes = ()
    stage.other.session_indexes = ("_s1", "_s2", "_s3")
    stage.other.answers = "nothing"
    stage.sign_in(page, "idp", "other-idp")
    stage.logout(page)
    stage.clock.move(61)
    back_to_receipt(stage, page)
    for details in page.locator("details").all():
        details.evaluate("element => { element.open = true }")


def signed_out(stage, page):
    """Sign out without having signed in."""
    stage.logout(page)


def wrong_return(stage, page):
    """Ask to be sent where nobody may be sent."""
    stage.sign_in(page)
    stage.logout(page, "returnTo=https://evil.example/%3Cscript%3E%3F%22")


def wrong_message(stage, page):
    """Bring a message that is none."""
    page.goto(f"{stage.bridge}/saml/sp/idp/slo?SAMLRequest=nonsense")


def no_receipt(stage, page):
    """Open a receipt that is not there."""
    page.goto(f"{stage.bridge}/logout/nothing")


def form(stage, page):
    """The page that passes a message on by POST, held still: its script never comes."""
    page.route("**/submit.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    federated(stage, page)


def progress(stage, page):
    """Two applications have answered, two have not, and the identity provider is still to come."""
    stage.applications["slow"].answering.clear()
    stage.sign_in_everywhere(page)
    page.goto(f"{stage.bridge}/v2/logout?federated", wait_until="domcontentloaded")
    stage.wait_for(page, "good", "slow", "back")
    page.wait_for_timeout(500)  # for the answers on their way
    page.reload(wait_until="domcontentloaded")


def forms(stage, page):
    """The progress page as it is without a script: a form in a frame waits for a press."""
    stage.sign_in_everywhere(page)
    page.route(
        re.compile("/static/(progress|submit).js"), lambda route: route.fulfill(body="", content_type="text/javascript")
    )
    page.goto(f"{stage.bridge}/v2/logout")
    shown = "position: static; width: auto; height: auto; overflow: visible; clip-path: none"
    page.locator(".forms").evaluate("(section, shown) => { section.style.cssText = shown }", shown)
    page.frame_locator(".forms iframe").get_by_role("button").wait_for()


def server_alone(stage, page):
    """Only the back channel is still at it, so the page may be closed."""
    stage.applications["back"].answering.clear()
    stage.sign_in_everywhere(page)
    page.goto(f"{stage.bridge}/v2/logout", wait_until="domcontentloaded")
    page.locator(".patience").wait_for()


def applications(stage, page):
    """One application is dead, one by the back channel is out of order and will be asked again, one has answered."""
    stage.applications["back"].fails = True
    stage.sign_in_everywhere(page)
    page.goto(f"{stage.bridge}/v2/logout", wait_until="domcontentloaded")
    stage.wait_for(page, "good", "back")
    page.wait_for_timeout(500)
    stage.clock.move(6)
    with suppress(Error):  # it loads itself anew at the same moment
        page.reload()
    page.wait_for_load_state()
    page.locator("li.row", has_text="Payroll").locator("details").evaluate("element => { element.open = true }")


def told(stage, page):
    """One application was told and cannot answer, one is trusted to have heard it, one has answered."""
    stage.sign_in_everywhere(page)
    stage.logout(page, "")
    page.get_by_text("Asked, cannot answer").wait_for()
    page.reload()


def own_window(stage, page):
    """The sign-out page of the IdP does not bring people back, and they have somewhere to go."""
    stage.sign_in(page)
    stage.logout(page, f"federated&returnTo={stage.application}/bye")


def ask(stage, page):
    """The policy lets the person choose."""
    stage.sign_in_everywhere(page)
    stage.logout(page)


def busy(stage, page):
    """An application has unsaved work."""
    stage.applications["editor"].busy = UNSAVED
    ask(stage, page)


YOU = "You are signed out here"
UNSAVED = {"busy": True, "until": "2026-11-20T12:30:00Z", "message": "1 draft for Northwind is not saved"}
NO_WAY_BACK = 'login_url_fallback = false\nlogout_page = "https://accounts.example.test/Logout"\n'
NO_LOGOUT = {"bindings": ()}
SCENES = (
    Scene("home", home, "You are not signed in"),
    Scene("home-signed-in", home_signed_in, "You are signed in"),
    Scene("federated", federated, f"{YOU} and at your identity provider."),
    Scene("local", local, f"{YOU}. You are still signed in at your identity provider."),
    Scene("unsigned", unsigned, f"{YOU} and at your identity provider.", {"toml": "unsigned_logout_response = true"}),
    Scene(
        "refused-with-return",
        refused_with_return,
        f"{YOU}. You may still be signed in at your identity provider.",
    ),
    Scene("partial", partial, f"{YOU} and at your identity provider. Not every session there could be ended."),
    Scene("silent", silent, f"{YOU}. Your identity provider has not answered yet."),
    Scene("timed-out", timed_out, f"{YOU}. You may still be signed in at your identity provider."),
    Scene("login-url", timed_out, f"{YOU}. You may still be signed in at your identity provider.", NO_LOGOUT),
    Scene(
        "unsupported",
        federated,
        f"{YOU}. You are still signed in at your identity provider.",
        {"toml": "login_url_fallback = false", **NO_LOGOUT},
    ),
    Scene("several", several, f"{YOU} and at 1 of 2 identity providers. You may still be signed in at the other one."),
    Scene("signed-out", signed_out, YOU),
    Scene("wrong-return", wrong_return, "This link cannot be used"),
    Scene("wrong-message", wrong_message, "This message was not accepted"),
    Scene("no-receipt", no_receipt, "This link cannot be used"),
    Scene(
        "progress",
        progress,
        f"{YOU} and in 2 of 4 applications. 2 of 4 applications have not answered yet.",
        {"applications": ("good", "slow", "dead", "back")},
    ),
    Scene(
        "forms",
        forms,
        f"{YOU}. Your 2 applications have not been asked yet.",
        {"applications": ("good", "slow")},
    ),
    Scene(
        "server-alone",
        server_alone,
        f"{YOU}. Your application has not answered yet.",
        {"applications": ("back",)},
    ),
    Scene(
        "applications",
        applications,
        f"{YOU} and in 1 of 3 applications. You may still be signed in to 2 of 3 applications and at your identity "
        "provider.",
        {"applications": ("good", "dead", "back")},
    ),
    Scene("form", form, "One moment", {"bindings": ("POST",)}),
    Scene(
        "told",
        told,
        f"{YOU} and in 2 of 3 applications. The other application was told but cannot answer, and you are still signed "
        "in at your identity provider.",
        {"applications": ("good", "url", "trusted")},
    ),
    Scene(
        "own-window",
        own_window,
        f"{YOU}. Your identity provider has not been asked yet.",
        {"toml": NO_WAY_BACK, **NO_LOGOUT},
    ),
    Scene("ask", ask, "Sign out?", {"applications": ("good", "back", "url"), "federated": "ask"}),
    Scene("busy", busy, "Invoices has unsaved work", {"applications": ("good", "editor")}),
    Scene("ask-busy", busy, "Invoices has unsaved work", {"applications": ("editor",), "federated": "ask"}),
)
