"""`make run` in a real browser: the parties on their own names, with a browser's rules for cookies between sites."""

import pytest

from tests.demo.test_run import demo

NAMES = ("bridge", "idp", "app", "shop", "news")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A running demo: the origins of the bridge, the identity provider and the three applications."""
    with demo(tmp_path_factory.mktemp("demo")) as (_, ports, _):
        yield [f"http://{name}.localhost:{port}" for name, port in zip(NAMES, ports, strict=True)]


@pytest.fixture
def page(new_context):
    """A page in a browser that knows nobody."""
    context = new_context()
    yield context.new_page()
    context.close()


def turn(page, places, **switches):
    """Turn the switches by the form of the start page; the others are as they should be."""
    bridge = places[0]
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


def sign_in_at_all(page, places):
    """Sign in at the application as Alice, and at Shop and News without a question."""
    page.goto(places[2])
    page.click("text=Sign in")
    page.click("button[value=alice]")
    page.wait_for_selector("h1:text-is('You are signed in')")
    for place, title in zip(places[3:], ("Shop", "News"), strict=True):
        page.goto(place)
        page.click("text=Sign in")
        page.wait_for_selector(f"h1:text-is('{title}: you are signed in')")


def state_of(page, name):
    """What the receipt that is shown says of a session."""
    return page.locator("li.row", has=page.locator(f"bdi:text-is('{name}')")).get_attribute("data-state")


def test_one_receipt_tells_of_a_webhook_and_of_a_frame(page, places):
    """Confirmed by the Shop's answer; of the News no more than that a frame was sent: their cookie may stay out."""
    turn(page, places)
    sign_in_at_all(page, places)
    page.goto(places[3])
    page.click("text=Sign out everywhere")
    page.wait_for_selector("text=Continue to")
    assert (state_of(page, "Shop"), state_of(page, "News")) == ("confirmed", "sent")
    page.goto(places[3])
    assert page.inner_text("h1") == "Shop: you are not signed in"
    assert "a signed webhook came (reason: user): session ended" in page.inner_text("main")
    page.goto(places[4])
    assert "a frame came" in page.inner_text("main")
    # Debian's Chromium sends no cookie of another site into a frame; one that does leaves nobody signed in.
    stayed_out = "a frame came without a cookie" in page.inner_text("main")
    assert page.inner_text("h1") == f"News: you are {'' if stayed_out else 'not '}signed in"
    if stayed_out:
        page.click("text=End this session here")
        page.wait_for_selector("h1:text-is('News: you are not signed in')")


def test_a_shop_that_was_down_is_told_later(page, places):
    """Its session lives and the receipt says so; when it answers again, the same page comes to say confirmed."""
    turn(page, places, shop="down")
    sign_in_at_all(page, places)
    page.click("text=Sign out here")
    page.wait_for_selector("text=Continue to")
    receipt = page.url
    assert state_of(page, "Shop") == "timed_out"
    page.goto(places[3])
    assert page.inner_text("h1") == "Shop: you are signed in"
    turn(page, places)
    page.goto(receipt)
    page.wait_for_selector("li.row[data-state=confirmed] bdi:text-is('Shop')", timeout=60_000)
    page.goto(places[3])
    assert page.inner_text("h1") == "Shop: you are not signed in"
