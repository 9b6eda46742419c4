"""`make run` in a real browser: the parties on their own names, with a browser's rules for cookies between sites."""

import pytest

from tests.demo.test_run import demo


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A running demo: the origins of the bridge, the identity provider and the application."""
    with demo(tmp_path_factory.mktemp("demo")) as (_, (bridge, idp, application), _):
        yield f"http://bridge.localhost:{bridge}", f"http://idp.localhost:{idp}", f"http://app.localhost:{application}"


@pytest.fixture
def page(chromium):
    """A page in a browser that knows nobody."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def turn(page, places, **switches):
    """Turn the switches by the form of the start page; the others are as they should be."""
    bridge, _, _ = places
    page.goto(f"{bridge}/demo")
    page.click("text=Everything as it should be")
    page.wait_for_url("**/demo#switches")
    for name, word in switches.items():
        page.check(f"input[name={name}][value={word}]")
    page.click("text=Turn the switches")
    page.wait_for_url("**/demo#switches")
    for name, word in switches.items():
        assert page.is_checked(f"input[name={name}][value={word}]")


def sign_in_and_out(page, places):
    """Sign in as Alice at the application, and sign out everywhere."""
    application = places[2]
    page.goto(application)
    page.click("text=Sign in")
    page.click("button[value=alice]")
    page.wait_for_selector("h1:text-is('You are signed in')")
    assert page.url.startswith(application)
    page.click("text=Sign out everywhere")
    page.wait_for_load_state("networkidle")


def is_signed_in_at_the_idp(page, places):
    """Look at the identity provider's page."""
    page.goto(places[1])
    return not page.inner_text("h1").startswith("Nobody")


@pytest.mark.parametrize(
    "switches",
    [{}, {"binding": "post"}, {"session_index": "none"}, {"session_index": "three"}, {"logout_endpoint": "none"}],
    ids=str,
)
def test_sign_out_everywhere_ends_both_sessions(page, places, switches):
    """The browser comes back to the application, which knows it no more, and neither does the identity provider."""
    turn(page, places, **switches)
    sign_in_and_out(page, places)
    page.wait_for_selector("h1:text-is('You are not signed in')")
    assert page.url.startswith(places[2])
    assert not is_signed_in_at_the_idp(page, places)


def test_sign_out_here_leaves_the_other_session(page, places):
    """Without `federated` the identity provider's session lives, and the receipt says so."""
    turn(page, places)
    page.goto(places[2])
    page.click("text=Sign in")
    page.click("button[value=bob]")
    page.click("text=Sign out here")
    page.wait_for_selector("h1:text-is('You are not signed in')")
    assert is_signed_in_at_the_idp(page, places)
    page.click("text=Receipt of your last sign-out")
    assert page.locator("[data-state=kept]").count() == 1


@pytest.mark.parametrize(("answer", "state", "lives"), [("refuse", "refused", True), ("partial", "partial", False)])
def test_a_sign_out_that_did_not_go_well_is_shown(page, places, answer, state, lives):
    """The browser stops at the receipt, whose words are what became of the session."""
    turn(page, places, answer=answer)
    sign_in_and_out(page, places)
    assert page.locator(f"[data-state={state}]").count() == 1
    assert is_signed_in_at_the_idp(page, places) is lives


def test_who_is_left_standing_finds_the_way_back(page, places):
    """The identity provider's page goes nowhere; the link back shows that the bridge's session ended all the same."""
    turn(page, places, answer="silent")
    sign_in_and_out(page, places)
    assert page.inner_text("h1") == "Nothing happens here"
    page.click("text=back to your sign-out")
    assert "You are signed out here" in page.inner_text("h1")
    assert page.locator("[data-state=sent]").count() == 1
    assert is_signed_in_at_the_idp(page, places)
