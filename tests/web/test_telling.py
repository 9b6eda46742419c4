"""Peers that can be told and cannot answer, and sign-out pages that keep the browser, on the page and in the JSON."""

import pytest

from tests.running import ORIGIN, running_bridge
from tests.sp import Sp
from tests.web.pages import heading, lines, read, words

FRAME = "https://wiki.example/out"
TOML = 'connection = "idp"\ndisplay_name = "Wiki"\nlogout = "{}"\nlogout_uri = "https://wiki.example/out"\n'
KINDS = {
    "url": "through your browser (its logout URL), inside the page of the sign-out",
    "wsfed": "through your browser (WS-Federation), inside the page of the sign-out",
    "oidc-frontchannel": "through your browser (OpenID Connect front-channel logout), inside the page of the sign-out",
}


@pytest.fixture
def told(tmp_path, redis_url, request):
    """A browser that signed out of an application of one kind: the bridge, the browser and the path of the page."""
    kind, more = getattr(request, "param", ("url", ""))
    wiki = Sp("wiki", "idp-next", more=TOML.format(kind) + more)
    with running_bridge(tmp_path, redis_url, sps=(wiki,)) as bridge:
        browser = bridge.browser()
        wiki.sign_in(bridge, browser)
        yield bridge, browser, bridge.logout(browser).headers["Location"]


def opened(bridge, browser, path):
    """Open the frame of the page; return its source and where it goes."""
    (frame,) = read(bridge.get(browser, path)).iter("iframe")
    return frame, bridge.get(browser, frame.get("src")).headers["Location"]


def loaded(bridge, browser, path, target):
    """Tell the bridge, as progress.js does, that a frame came to rest."""
    return browser.post(f"{path}/loaded", data={"target": target}, base_url=ORIGIN)


@pytest.mark.parametrize("told", [(kind, "") for kind in KINDS], indirect=True, ids=list(KINDS))
def test_it_is_told_by_a_frame_and_then_nothing_is_waited_for(told):
    """The page may frame it, says that it is being told, and takes what its script saw as the end of that."""
    bridge, browser, path = told
    response = bridge.get(browser, path)
    assert "frame-src 'self' https://wiki.example" in response.headers["Content-Security-Policy"]
    frame, location = opened(bridge, browser, path)
    assert location.startswith(FRAME)
    page = read(bridge.get(browser, path))
    line = lines(page)[1]
    assert (line.state, line.label, line.tone, line.asks) == ("sent", "Being told", "wait", None)
    assert loaded(bridge, browser, path, frame.get("data-told")).status_code == 204
    page = read(bridge.get(browser, path))
    line = lines(page)[1]
    assert (line.state, line.label, line.tone) == ("sent", "Asked, cannot answer", "told")
    assert "To be sure, open its page in a new window." in line.text
    assert "Names" not in line.facts
    assert heading(page).startswith("You are signed out here. Your application was told but cannot answer")
    assert not page.xpath("//@data-live | //iframe")
    assert page.xpath("//main/header/@class") == ["warn"]


@pytest.mark.parametrize("told", [(kind, "") for kind in KINDS], indirect=True, ids=list(KINDS))
def test_its_way_is_named(told, request):
    """Each kind has its words, and the address comes from the configuration."""
    bridge, browser, path = told
    kind = request.node.callspec.id
    line = lines(read(bridge.get(browser, path)))[1]
    assert line.facts["Channel"] == KINDS[kind]
    assert line.facts["Address"] == f"{FRAME}, from the application’s configuration"
    row = bridge.get(browser, f"{path}.json").get_json()["sessions"][1]
    assert (row["method"], row["channel"], row["answers"], row["rung"]) == (kind, kind, False, None)
    assert row["endpoint"].startswith(FRAME)


def test_without_a_script_its_time_ends_by_itself(told):
    """Nobody tells that the frame came to rest: after its patience it was told, and did not time out."""
    bridge, browser, path = told
    opened(bridge, browser, path)
    bridge.clock.move(5)
    line = lines(read(bridge.get(browser, path)))[1]
    assert (line.state, line.label) == ("sent", "Asked, cannot answer")


@pytest.mark.parametrize("told", [("url", "trust_sent = true\n")], indirect=True)
def test_what_the_operator_trusts_is_taken_for_signed_out(told):
    """The row says whose decision that is, and nothing warns any more."""
    bridge, browser, path = told
    frame, _ = opened(bridge, browser, path)
    loaded(bridge, browser, path, frame.get("data-told"))
    page = read(bridge.get(browser, path))
    line = lines(page)[1]
    assert (line.state, line.label, line.tone, line.asks) == ("sent", "Taken for signed out", "good", None)
    assert "It is taken for signed out, as your operator decided." in line.text
    assert page.xpath("//main/header/@class") == ["good"]
    row = bridge.get(browser, f"{path}.json").get_json()["sessions"][1]
    assert (row["state"], row["ended"], row["open"]) == ("sent", True, False)


def test_it_can_be_asked_in_a_window_of_its_own(told):
    """Its page would keep this window, so the button opens another one, and says so."""
    bridge, browser, path = told
    frame, _ = opened(bridge, browser, path)
    loaded(bridge, browser, path, frame.get("data-told"))
    (form,) = read(bridge.get(browser, path)).xpath("//form")
    assert form.get("target") == "_blank"
    assert words(form.find(".//button")) == "Sign out at Wiki (opens a new window)"
    response = browser.post(form.get("action"), data=dict(form.fields), base_url=ORIGIN)
    assert response.headers["Location"].startswith(FRAME)


@pytest.mark.parametrize("target", ["", "nothing", "_" + "0" * 50])
def test_to_tell_of_a_frame_that_there_is_not_changes_nothing(told, target):
    """Only a frame that was opened and cannot answer has an end of this kind."""
    bridge, browser, path = told
    before = lines(read(bridge.get(browser, path)))
    assert loaded(bridge, browser, path, target).status_code == 204
    frame = read(bridge.get(browser, path)).find(".//iframe")
    assert loaded(bridge, browser, path, frame.get("data-told")).status_code == 204
    assert lines(read(bridge.get(browser, path))) == before


def test_only_who_has_the_handle_tells(told):
    """Another handle is a 404."""
    bridge, browser, path = told
    assert loaded(bridge, browser, path[:-22] + "A" * 22, "x").status_code == 404


def test_the_receipt_says_who_began_and_why(told):
    """For programs, on JSON and JWS alike."""
    bridge, browser, path = told
    receipt = bridge.get(browser, f"{path}.json").get_json()
    assert receipt["initiator"] == "person"
    assert receipt["reason"] == "urn:oasis:names:tc:SAML:2.0:logout:user"
    assert [row["kind"] for row in receipt["sessions"]] == ["session", "application", "idp"]


def test_an_application_that_can_answer_does_not_end_by_loading(tmp_path, redis_url):
    """A frame of SAML that loaded has said nothing."""
    one = Sp("one", "idp-next")
    with running_bridge(tmp_path, redis_url, sps=(one,)) as bridge:
        browser = bridge.browser()
        one.sign_in(bridge, browser)
        path = bridge.logout(browser).headers["Location"]
        frame, _ = opened(bridge, browser, path)
        assert frame.get("data-told") is None
        target = frame.get("src").rpartition("/")[2]
        assert loaded(bridge, browser, path, target).status_code == 204
        bridge.clock.move(5)
        assert lines(read(bridge.get(browser, path)))[1].state == "timed_out"


# Sign-out pages that keep the browser ---------------------------------------------------------------------------------

LOGOUT_PAGE = "https://idp.example/Logout"
TOML_OF_IDP = f'display_name = "Contoso"\nlogin_url_fallback = false\nlogout_page = "{LOGOUT_PAGE}"\n'
NO_WAY_BACK = {"bindings": (), "toml": TOML_OF_IDP}
BYE = "https://app.example/bye"


def test_with_somewhere_to_go_nobody_is_sent_to_a_page_that_keeps_them(running):
    """The receipt has a button that opens a window, and the way on beside it; the page does not go on by itself."""
    bridge, browser = running(allowed_logout_urls=(BYE,), **NO_WAY_BACK)
    response = bridge.logout(browser, federated="", returnTo=BYE)
    page = read(bridge.get(browser, response.headers["Location"]))
    line = lines(page)[1]
    assert line.state == "waiting"
    assert "Its sign-out page does not bring you back, so you were not sent there." in line.text
    assert line.facts["Address"] == f"{LOGOUT_PAGE}, known of this kind of provider"
    (form,) = page.xpath("//form")
    assert form.get("target") == "_blank"
    assert words(form.find(".//button")) == "Sign out at Contoso (opens a new window)"
    assert [link.get("href") for link in page.xpath("//p[@class='actions']/a")] == [BYE]
    assert not page.xpath("//head/meta[@http-equiv='refresh']")
    opened_window = browser.post(form.get("action"), data=dict(form.fields), base_url=ORIGIN)
    assert opened_window.headers["Location"] == LOGOUT_PAGE
    page = read(bridge.get(browser, response.headers["Location"]))
    assert lines(page)[1].label == "Asked, cannot answer"
    assert heading(page) == "You are signed out here. Your identity provider was told but cannot answer."


def test_nobody_came_for_the_button(running):
    """Later the row says the same, and not that the browser went away."""
    bridge, browser = running(allowed_logout_urls=(BYE,), **NO_WAY_BACK)
    response = bridge.logout(browser, federated="", returnTo=BYE)
    bridge.clock.move(61)
    page = read(bridge.get(browser, response.headers["Location"]))
    line = lines(page)[1]
    assert line.state == "unreachable"
    assert "does not bring you back" in line.text
    assert "went away" not in line.text
    assert page.xpath("//form/@target") == ["_blank"]


def test_with_nowhere_to_go_the_browser_ends_there(running):
    """Nobody waits for it, so it is sent there last."""
    bridge, browser = running(**NO_WAY_BACK)
    assert bridge.logout(browser, federated="").headers["Location"] == LOGOUT_PAGE
