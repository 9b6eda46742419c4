"""The console in a browser: every page in light and dark, on a phone and on a desktop, without and with a script."""

import re

import pytest
import redis

from saml_slo.peers.copies import CopyState, replace_file, version_of
from tests.browser.engine import COLOURS
from tests.browser.pictures import keep_picture
from tests.browser.test_looks import WIDTHS, barriers
from tests.running import descriptor

PASSWORD = "correct horse battery"
ALICE = "alice@corp.test"
BLIND = """display_name = "Old Payroll"
logout = "none"
waived_until = 2026-10-01
waiver = "It is replaced in September."
api_secrets = ["{}"]
""".format("0" * 64)


@pytest.fixture
def stage(set_up, redis_url):
    """People's business of a morning: applications of which one is broken, one blind, a file that is wrong."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    stage = set_up(applications=("good", "back"))
    settings = stage.app.extensions["saml_slo"].settings
    (settings.metadata_dir / "applications" / "payroll.toml").write_text(BLIND)
    (settings.metadata_dir / "connections" / "broken.toml").write_text('display_nam = "Typo"\n')
    changed = descriptor(stage.other.entity_id, ("idp-next",)).encode()
    state = CopyState(
        url="https://other-idp.example/metadata",
        version="0" * 64,
        fetched_at=1_795_000_000,
        pending=version_of(changed),
        changes=("new signing key sha256:0123456789abcdef, RSA 2048, until 2036-11-20", "logout URL gone"),
        previous="1" * 64,
    )
    replace_file(settings.copies_dir / "connections" / "other-idp.json", state.encoded())
    replace_file(settings.copies_dir / "connections" / "pending" / "other-idp.xml", changed)
    return stage


def enrol(stage, page):
    """Become an operator, as a person does it."""
    link = stage.app.extensions["saml_slo"].operators.new_link()
    page.goto(f"{stage.bridge}/console/first?link={link}")
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go to the console").click()
    page.wait_for_url(f"{stage.bridge}/console")


def failed_logout(stage, page):
    """Somebody signs out while an application is broken, so that a delivery waits."""
    stage.sign_in_everywhere(page)
    stage.applications["back"].fails = True
    page.goto(f"{stage.bridge}/v2/logout")
    page.get_by_text("We go on trying", exact=False).first.wait_for()


def find(page, value, by="NameID", at="idp"):
    """Look for a person's sessions."""
    page.get_by_role("link", name="Sessions", exact=True).click()
    page.locator("select[name=by]").select_option(label=by)
    page.get_by_label("Exactly").fill(value)
    page.get_by_label("At (name of").fill(at)
    page.get_by_role("button", name="Find").click()


def looks(page, axe, name, found):
    """Look at a page in every look."""
    for scheme in COLOURS:
        for look, width in WIDTHS.items():
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            keep_picture(page, f"console-{name}-{scheme}-{look}")
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append((name, scheme, look, "wider than the window"))
            found += [(name, scheme, look, *barrier) for barrier in barriers(page, axe)]
    page.set_viewport_size({"width": 1280, "height": 900})


def test_every_page_of_the_console_fits_and_has_no_barriers(stage, open_page, axe):
    """Nothing is wider than the window, axe finds nothing, in any of the four looks."""
    failed_logout(stage, open_page())
    stage.applications["back"].fails = False
    stage.clock.move(2)  # who signs in at the moment of a logout is held to be signing in before it
    person = open_page()
    stage.sign_in_everywhere(person)
    page, found = open_page(), []
    page.goto(f"{stage.bridge}/console")
    looks(page, axe, "sign-in", found)
    enrol(stage, page)
    for name, path in (
        ("overview", ""),
        ("connections", "/connections"),
        ("connection", "/connections/other-idp"),
        ("refused", "/connections/broken"),
        ("applications", "/applications"),
        ("application", "/applications/back"),
        ("blind", "/applications/payroll"),
        ("logouts", "/logouts"),
        ("deliveries", "/deliveries"),
        ("expiry", "/expiry"),
        ("inspector", "/inspector"),
        ("audit", "/audit"),
        ("not-found", "/logouts/22345-67892"),
    ):
        page.goto(f"{stage.bridge}/console{path}")
        for details in page.locator("details").all():
            details.evaluate("element => { element.open = true }")
        looks(page, axe, name, found)
    page.goto(f"{stage.bridge}/console/logouts")
    page.locator("ul.card a").first.click()
    page.wait_for_load_state()
    looks(page, axe, "logout", found)
    find(page, ALICE)
    looks(page, axe, "sessions", found)
    page.locator("ul.card a").first.click()
    page.wait_for_load_state()
    looks(page, axe, "session", found)
    page.get_by_role("button", name="End this session").click()
    page.wait_for_load_state()
    looks(page, axe, "ending", found)
    page.goto(f"{stage.bridge}/console/inspector")
    page.get_by_label("Message").fill(f"{stage.bridge}/saml/sp/idp/slo?SAMLRequest={'A' * 60}&RelayState=x")
    page.get_by_role("button", name="Inspect").click()
    page.wait_for_load_state()
    looks(page, axe, "inspected", found)
    assert found == []


def test_an_operator_ends_a_session_without_a_script(stage, open_page):
    """Search, a look at what will end, the end, and its timeline: all of it with JavaScript switched off."""
    person = open_page()
    stage.sign_in_everywhere(person)
    page = open_page(java_script_enabled=False)
    enrol(stage, page)
    find(page, ALICE)
    page.get_by_role("button", name="End this session").click()
    assert page.get_by_role("heading", level=1).inner_text() == "End this session?"
    assert "Nothing has ended yet." in page.content()
    page.get_by_role("button", name="End this session now").click()
    assert re.fullmatch(r"Logout [2-9A-Z]{5}-[2-9A-Z]{5}", page.get_by_role("heading", level=1).inner_text())
    assert "operator olga" in page.locator(".facts").first.inner_text().replace("\n", " ")
    assert "back" in stage.timeline
    person.goto(f"{stage.bridge}/")
    assert person.get_by_role("link", name="Sign out").count() == 0


def test_a_delivery_that_waits_is_tried_again(stage, open_page):
    """From the overview to the delivery, a press, and the receipt says that it went through."""
    failed_logout(stage, open_page())
    page = open_page()
    enrol(stage, page)
    page.get_by_role("link", name=re.compile("deliveries that wait")).click()
    stage.applications["back"].fails = False
    page.get_by_role("button", name=re.compile("Try now")).click()
    page.wait_for_url(f"{stage.bridge}/console/logouts/*")
    assert page.get_by_role("button", name=re.compile("Try now")).count() == 0
    page.goto(f"{stage.bridge}/console/deliveries")
    assert page.get_by_role("status").inner_text() == "None waits."
