"""J212, J216 and the receipt's handle: frames, the progress page, and the forms that carry messages.

Whose pages may stand in whose, which origins a page may open, what a RelayState may look like in a form, and who can
find a receipt.
"""

import re
from urllib.parse import unquote, urlsplit

import pytest
from lxml import etree

from saml_slo.errors import StoreUnavailable
from saml_slo.store.store import Store
from tests import idp
from tests.running import ORIGIN, running_bridge, sent
from tests.sp import Sp, frames, receipt

REDIRECT = Sp("redirect", "idp-next")
FORM = Sp("form", "other-idp", ("HTTP-POST",))
BACK = Sp("back", "idp-next", ("SOAP",), soap_url="http://127.0.0.1:1/soap")
NONE = Sp("none", "idp-next", ())
TOP = Sp("top", "idp-next", more='connection = "idp"\ntop_level = true\n')
NAME = '"><img src=x onerror=alert(1)>'
NAMED = Sp("named", "idp-next", ("HTTP-POST",), more=f"connection = 'idp'\ndisplay_name = '{NAME}'\n")
SCRIPTS = {
    "script": '"><script>alert(1)</script>',
    "single-quote": "'><img src=x onerror=alert(1)>",
    "double-quote": '"><img src=x onerror=alert(1)>',
    "end-of-script": "</script><svg/onload=alert(1)>",
    "javascript": "javascript:alert(1)",
    "template": "{{7*7}}${7*7}<%= 7*7 %>",
    "entities": "&quot;&#34;&lt;x&gt;&amp;amp;",
    "controls": "a\u2028b\u202ec\ufeffd",
    "new-line": "a\r\nSet-Cookie: evil=1\r\n\r\n<b>",
    "spaces": "  two  spaces  ",
    "empty": "",
    "url": "https://idp.example/?a=b&c=d+e%20f#g",
}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory, redis_url):
    """A bridge with an application of every kind."""
    folder = tmp_path_factory.mktemp("bridge")
    sps = (REDIRECT, FORM, BACK, NONE, TOP, NAMED)
    with running_bridge(
        folder, redis_url, bindings=("Redirect", "POST"), sps=sps, back_channel_allow=("127.0.0.1",)
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _nobody_yet(bridge):
    """Each test finds an empty house, a second later."""
    bridge.redis.flushall()
    bridge.clock.move(1)
    bridge.log.clear()


@pytest.fixture
def leaving(bridge):
    """A browser whose person logged out of every application: the browser, the path of its page, the response."""
    browser = bridge.browser()
    told = [sp.sign_in(bridge, browser) for sp in (REDIRECT, FORM, BACK, NONE, TOP)]
    assert all(one.status == ["Success"] for one in told)
    path = bridge.logout(browser, federated="").headers["Location"]
    return browser, path, bridge.get(browser, path)


def policy(response):
    """The Content-Security-Policy of a response, each directive as a list."""
    parts = [part.split() for part in response.headers["Content-Security-Policy"].split(";")]
    assert len({part[0] for part in parts}) == len(parts), "a directive twice: the second one does not count"
    return {part[0]: part[1:] for part in parts}


def check_page(response):
    """What every page on the way of a logout must have."""
    found = policy(response)
    assert found["default-src"] == ["'none'"]
    assert found["script-src"] == found["style-src"] == ["'self'"]
    assert found["base-uri"] == ["'none'"]
    assert "form-action" not in found, "Chromium holds the redirects after a form against it"
    assert "unsafe" not in str(found)
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    return found


def test_j216_the_page_opens_exactly_the_targets(leaving):
    """J216: frames of the two applications that are told by one; not of the back channel, a hop, or one without any."""
    _, _, page = leaving
    found = check_page(page)
    assert found["frame-src"] == ["'self'", "https://form.example", "https://redirect.example"]
    assert found["frame-ancestors"] == ["'none'"]
    assert page.headers["X-Frame-Options"] == "DENY"
    assert len(frames(page.get_data(as_text=True))) == 2


def test_j216_a_page_without_frames_opens_none(bridge):
    """A receipt of one who was nowhere else has no source of frames but our own."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    page = bridge.get(browser, bridge.logout(browser).headers["Location"])
    assert check_page(page)["frame-src"] == ["'self'"]


def test_j216_frames_stand_in_our_pages(bridge, leaving):
    """J216: the way to the peer and the answer in a frame: framed by ourselves alone where a person asked."""
    browser, _, page = leaving
    for path, sp in zip(frames(page.get_data(as_text=True)), (REDIRECT, FORM), strict=True):
        opened = bridge.get(browser, path)
        if opened.status_code == 200:
            found = check_page(opened)
            assert found["frame-ancestors"] == ["'self'"]
            assert found["frame-src"] == ["'self'"]
        done = sp.answer(bridge, browser, sent(opened))
        assert done.status_code == 200
        assert check_page(done)["frame-ancestors"] == ["'self'"]
        assert not etree.HTML(done.get_data(as_text=True)).findall(".//iframe")


def test_j216_frames_stand_in_those_of_the_idp_that_asked(bridge):
    """J216: and by that identity provider where it asked; by no other, and by no application."""
    browser = bridge.browser()
    for sp in (REDIRECT, FORM):
        assert sp.sign_in(bridge, browser).status == ["Success"]
    asked = bridge.deliver(browser, idp.redirect(idp.logout_request(signed=False)))
    page = bridge.get(browser, asked.headers["Location"])
    assert check_page(page)["frame-ancestors"] == ["'self'", "https://idp.example"]
    for path in frames(page.get_data(as_text=True)):
        opened = bridge.get(browser, path)
        assert policy(opened)["frame-ancestors"] == ["'self'", "https://idp.example"]


def test_j216_a_refusal_in_a_frame_is_framed_by_nobody(bridge):
    """An error page has nothing to do in anybody's frame."""
    for path in ("/logout/x/frame/y", "/saml/idp/slo?SAMLResponse=x", "/saml/idp/continue?request=x"):
        refused = bridge.get(bridge.browser(), path)
        assert refused.status_code in (400, 404)
        assert policy(refused)["frame-ancestors"] == ["'none'"]
        assert refused.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("sp", [REDIRECT, FORM], ids=["redirect", "form"])
def test_j216_the_sign_on_is_framed_by_nobody(bridge, sp):
    """J216: the form that carries a Response, and the choice before it, stand in nobody's frame."""
    browser = bridge.browser()
    sp.sign_in(bridge, browser)
    response = sp.ask(bridge, browser)
    found = check_page(response)
    assert found["frame-ancestors"] == ["'none'"]
    assert response.headers["X-Frame-Options"] == "DENY"


# J212 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relay_state", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("post", [False, True], ids=["redirect", "post"])
def test_j212_the_relay_state_of_a_sign_on(bridge, relay_state, post):
    """J212: it comes back to the octet in the form's field, and is nothing but a value there."""
    browser = bridge.browser()
    REDIRECT.sign_in(bridge, browser)
    response = REDIRECT.ask(bridge, browser, post=post, relay_state=relay_state)
    only_a_value(response, relay_state, "https://redirect.example/acs")


@pytest.mark.parametrize("relay_state", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("binding", ["redirect", "post"])
@pytest.mark.parametrize("sp", [REDIRECT, FORM], ids=["to-redirect", "to-form"])
def test_j212_the_relay_state_of_a_logout(bridge, relay_state, binding, sp):
    """J212, CVE-2025-12101: the requester's RelayState goes back in a field or a query, whole and escaped."""
    person = bridge.browser()
    told = sp.sign_in(bridge, person)
    response = sp.start_logout(
        bridge, bridge.browser(), told, binding=binding, relay_state=relay_state, indexes=("_nobody",)
    )
    if sp is FORM:
        only_a_value(response, relay_state, "https://form.example/slo")
    else:
        answer = response.headers["Location"]
        assert answer.startswith("https://redirect.example/slo?SAMLResponse=")
        assert answer.isascii()
        assert answer.isprintable()
        assert [unquote(found) for found in re.findall(r"&RelayState=([^&]*)", answer)] == [relay_state]
    assert "evil" not in response.headers.get("Set-Cookie", "")


def only_a_value(response, relay_state, action):
    """Assert that a form carries this RelayState to the octet, and that the page is otherwise as always."""
    assert response.status_code == 200, response.get_data(as_text=True)
    found = sent(response)
    assert found.location == action
    text = response.get_data(as_text=True)
    page = etree.HTML(text)
    check_page(response)
    # Browsers send every line end of a value as CR LF.
    assert found.parameters["RelayState"].replace("\r\n", "\n") == relay_state.replace("\r\n", "\n")
    assert len(page.findall(".//form")) == 1
    assert {element.tag for element in page.iter("input", "img", "script", "iframe", "object", "base", "b")} <= {
        "input",
        "script",
    }
    assert all(script.get("src").startswith("/static/") and not script.text for script in page.iter("script"))
    assert not page.xpath("//@*[starts-with(name(), 'on')] | //@style")
    assert "evil" not in response.headers.get("Set-Cookie", "")


def test_j212_a_status_message_is_told_as_text(bridge):
    """J212: what an application's refusal says stands on the receipt escaped, and not at all where it is no status."""
    evil = "&lt;/p&gt;&lt;img src=x onerror=alert(1)&gt;"
    status = (
        '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/>'
        f"<samlp:StatusMessage>{evil}</samlp:StatusMessage></samlp:Status>"
    )
    browser = bridge.browser()
    REDIRECT.sign_in(bridge, browser)
    path = bridge.logout(browser).headers["Location"]
    (frame,) = frames(bridge.get(browser, path).get_data(as_text=True))
    REDIRECT.answer(bridge, browser, sent(bridge.get(browser, frame)), status=status)
    page = bridge.get(browser, path)
    found = next(row for row in receipt(bridge, browser, path)["sessions"] if row["name"] == "redirect")
    assert found["state"] == "refused"
    tree = etree.HTML(page.get_data(as_text=True))
    assert not tree.findall(".//img")
    assert not tree.xpath("//@onerror")


def test_j212_the_name_of_an_application(bridge):
    """J212: a display name with quotes and tags in it is text wherever it stands."""
    browser = bridge.browser()
    NAMED.sign_in(bridge, browser)
    path = bridge.logout(browser).headers["Location"]
    tree = etree.HTML(bridge.get(browser, path).get_data(as_text=True))
    assert not tree.findall(".//img")
    assert not tree.xpath("//@onerror")
    (frame,) = tree.iter("iframe")
    assert frame.get("title") == f"Sign-out of {NAME}"
    assert NAME in [row["name"] for row in receipt(bridge, browser, path)["sessions"]]


# The receipt --------------------------------------------------------------------------------------------------------


def test_the_handle_is_a_secret_that_no_peer_is_told(bridge, leaving):
    """128 random bits; neither a message to a peer, nor its RelayState, nor the log holds them."""
    browser, path, page = leaving
    logout, _, secret = path.removeprefix("/logout/").partition(".")
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", secret)
    told = [sent(bridge.get(browser, frame)) for frame in frames(page.get_data(as_text=True))]
    for message in told:
        assert logout in message.id
        assert secret not in etree.tostring(message.root).decode() + str(message.parameters) + message.location
    assert secret not in str(bridge.log)
    assert len({bridge_logout(bridge) for _ in range(5)}) == 5


def bridge_logout(bridge):
    """The secret of another logout."""
    browser = bridge.browser()
    bridge.clock.move(1)
    bridge.sign_in(browser)
    return bridge.logout(browser).headers["Location"].partition(".")[2]


def test_what_a_peer_knows_opens_no_receipt(bridge, leaving):
    """A message ID leads its answer to the logout, and nobody to the receipt: each of its parts is a 404, all alike."""
    browser, path, page = leaving
    handle = path.removeprefix("/logout/")
    logout, _, secret = handle.partition(".")
    frame = frames(page.get_data(as_text=True))[0]
    request_id = sent(bridge.get(browser, frame)).id
    flipped = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    others = bridge_logout(bridge)
    guesses = [logout, request_id, f"{logout}.", f"{logout}.{flipped}", f"{logout}.{others}", f"{request_id}.{secret}"]
    guesses += [f"{logout}.{secret}A", f"{logout}.{secret[:-1]}", f"{logout}.{'A' * 22}", handle.upper()]
    bodies = set()
    for guess in guesses:
        for tail in ("", ".json", "/next", f"/frame/{request_id}"):
            response = bridge.get(bridge.browser(), f"/logout/{guess}{tail}")
            assert response.status_code == 404, (guess, tail)
            assert "Location" not in response.headers
            bodies.add(re.sub(r"[2-9A-Z]{4}-[2-9A-Z]{4}", "", response.get_data(as_text=True)))
        asked = bridge.browser().post(f"/logout/{guess}/ask", data={"target": request_id}, base_url=ORIGIN)
        assert asked.status_code == 404
    assert len(bodies) == 1, "a wrong secret looks different from no logout"
    assert bridge.get(bridge.browser(), path).status_code == 200


def test_a_frame_of_another_logout_is_not_opened(bridge, leaving):
    """One's own handle with the message ID of somebody else's logout asks nobody."""
    _, path, page = leaving
    other = bridge.browser()
    bridge.clock.move(1)
    REDIRECT.sign_in(bridge, other)
    own = bridge.logout(other).headers["Location"]
    foreign = frames(page.get_data(as_text=True))[0].rpartition("/")[2]
    response = bridge.get(other, f"{own}/frame/{foreign}")
    assert "SAMLRequest" not in response.headers.get("Location", "") + response.get_data(as_text=True)
    asked = other.post(f"{own}/ask", data={"target": foreign}, base_url=ORIGIN)
    assert urlsplit(asked.headers["Location"]).path == own
    states = {row["name"]: row["state"] for row in receipt(bridge, other, path)["sessions"]}
    assert states["redirect"] == "waiting"


def test_a_handle_stays_out_of_the_log_when_something_fails(bridge, leaving, monkeypatch):
    """J225: the log names the logout, not what opens its receipt, whatever goes wrong at its pages."""
    _, path, _ = leaving
    logout, _, secret = path.removeprefix("/logout/").partition(".")

    def lost(*_arguments):
        raise StoreUnavailable("gone", cause="test")

    bridge.log.clear()
    for wrong in (f"{path}/nothing", f"{path}x", f"{path}/frame/_x/y", f"/Logout/{path[8:]}", f"/x{path}"):
        assert bridge.get(bridge.browser(), wrong).status_code == 404
    assert bridge.browser().post(path, base_url=ORIGIN).status_code == 405
    monkeypatch.setattr(Store, "read_logout", lost)
    for page in ("", ".json", "/next", "/frame/_x"):
        assert bridge.get(bridge.browser(), f"{path}{page}").status_code == 503
    assert len([line for line in bridge.log if line.get("reference")]) == 10
    assert secret not in str(bridge.log)
    assert logout in str(bridge.log)
