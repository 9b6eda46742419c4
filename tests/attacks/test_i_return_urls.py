"""Group I: return URLs and RelayState. A refused one is a 400 page that names the setting; nothing ends, nobody moves.

The grammar itself is tested in tests/peers/test_return_urls.py; here every member goes through /v2/logout and /login of
a running bridge, with a session that must survive, by the tenant's list and by an application's.
"""

from urllib.parse import quote

import pytest

from tests import idp
from tests.attacks.invariants import deliver
from tests.peers.test_return_urls import REFUSED
from tests.running import ORIGIN, sent

LIST = ("https://app.example.com/*", "https://*.apps.example.com")
MEMBERS = [(case, url) for case, urls in REFUSED.items() for url in urls if url and "\ud800" not in url]


@pytest.fixture
def stage(make_stage):
    """A stage whose tenant allows LIST and whose application `shop` allows one URL of its own."""
    with make_stage(
        bindings=("Redirect", "POST"),
        allowed_logout_urls=LIST,
        applications={"shop": 'allowed_logout_urls = ["https://shop.example/bye", "https://*.shop.example"]'},
    ) as stage:
        yield stage


def calling(path, **query):
    """A request to one of our endpoints, as a function of the browser."""
    return lambda browser: browser.get(path, query_string=query, base_url=ORIGIN)


def raw(path):
    """A request with this very path and query."""
    return lambda browser: browser.open(
        path.partition("?")[0], base_url=ORIGIN, environ_overrides={"QUERY_STRING": path.partition("?")[2]}
    )


def test_every_member_is_refused_at_logout_and_at_sign_in(stage):
    """I184 to I208 and their kin: 400 with the setting's name, session alive, at /v2/logout and /login."""
    for _case, url in MEMBERS:
        for path in ("/v2/logout", "/login"):
            query = {"returnTo": url, "connection": "idp"}
            refusal = stage.refused(
                calling(path, **query), "return_url_not_allowed", browser=stage.alice, generic=False
            )
            assert "returnTo" in refusal.line["setting"] or "SLO_ALLOWED_LOGOUT_URLS" in refusal.line["setting"]
    assert len(MEMBERS) > 90


@pytest.mark.parametrize(
    "query",
    [
        "returnTo=https://app.example.com/&returnTo=https://evil.test/",
        "return%54o=https://evil.test/&returnTo=https://app.example.com/",
        "returnTo=https://app.example.com/&return%54o=https://app.example.com/",
        "returnTo=&returnTo=",
        "returnTo=https%253A%252F%252Fevil.test",
        f"returnTo=https://app.example.com/{'a' * 8192}",
        "returnTo=https://app.example.com/%FF%0A",
    ],
    ids=lambda query: f"I207-{query[:40]}",
)
def test_ambiguous_or_mangled_parameters_are_refused(stage, query):
    """I207: a parameter that comes twice, is encoded twice, is too long or is not text."""
    stage.refused(raw(f"/v2/logout?{query}"), "return_url_not_allowed", browser=stage.alice, generic=False)


@pytest.mark.parametrize(
    ("query", "location"),
    [
        ("returnTo=https://app.example.com/bye?x=1%23y", "https://app.example.com/bye?x=1#y"),
        ("returnTo=HTTPS://APP.EXAMPLE.COM/Path?a=%252b", "https://app.example.com/Path?a=%2b"),
        ("returnTo=https://app.example.com%23@evil.test", "https://app.example.com#@evil.test"),
        ("returnTo=https://app.example.com/&RelayState=https://evil.test/", "https://app.example.com/"),
        ("client_id=shop", "https://shop.example/bye"),
        ("client_id=shop&returnTo=", "https://shop.example/bye"),
        ("client_id=shop&returnTo=https://x.shop.example/", "https://x.shop.example/"),
    ],
)
def test_an_allowed_url_is_followed_exactly(stage, query, location):
    """I203, I204, L13 controls: the browser goes there, escapes kept; an application has its own list and default."""
    response = raw(f"/v2/logout?{query}")(stage.bridge.browser())
    assert (response.status_code, response.headers["Location"]) == (303, location)


@pytest.mark.parametrize("query", ["", "returnTo=", "returnTo[]=https://evil.test/"])
def test_without_a_return_url_our_page_is_shown(stage, query):
    """I207: empty or unknown parameters lead to our own page."""
    assert raw(f"/v2/logout?{query}")(stage.bridge.browser()).status_code == 200


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"client_id": "shop", "returnTo": "https://app.example.com/"}, "return_url_not_allowed"),
        ({"returnTo": "https://shop.example/bye"}, "return_url_not_allowed"),
        ({"client_id": "nobody", "returnTo": "https://app.example.com/"}, "application_unknown"),
        ({"client_id": "../connections/idp"}, "application_unknown"),
        ({"client_id": ""}, "application_unknown"),
    ],
)
def test_the_lists_of_tenant_and_application_do_not_mix(stage, query, reason):
    """L13: with a client_id that application's list alone counts, without one the tenant's alone."""
    stage.refused(calling("/v2/logout", **query), reason, browser=stage.alice, generic=False)


def test_the_return_url_is_checked_when_a_post_is_bounced(stage):
    """/v2/logout by POST goes the same way: bounced to a GET, refused there, and nothing ends."""
    browser = stage.alice
    response = browser.post("/v2/logout", data={"returnTo": "https://evil.test/", "x": "y"}, base_url=ORIGIN)
    assert response.status_code == 303
    location = response.headers["Location"]
    assert location == f"/v2/logout?returnTo={quote('https://evil.test/', safe='')}"
    stage.refused(raw(location), "return_url_not_allowed", browser=browser, generic=False)


@pytest.mark.parametrize(
    "relay_state",
    ["https://evil.test", "javascript:alert(1)", "//evil.test", '"><script>alert(1)</script>', "\u202ex", "é"],
)
@pytest.mark.parametrize("binding", ["post", "redirect"])
def test_relay_state_is_never_followed(stage, relay_state, binding):
    """I210: a signed LogoutResponse with a URL as RelayState confirms the logout and leads to our receipt only."""
    browser = stage.bridge.browser()
    stage.bridge.sign_in(browser, name_id=idp.NAME_ID.replace("alice", "relay"))
    request = sent(stage.bridge.logout(browser, federated=""))
    message = idp.logout_response(in_response_to=request.id, signed=binding == "post")
    response = deliver(browser, getattr(idp, binding)(message, relay_state=relay_state))
    assert response.headers["Location"].startswith("/logout/")
    assert "evil" not in response.headers["Location"]
    stage.bridge.log.clear()
    stage.bridge.clock.move(1)


@pytest.mark.parametrize("relay_state", ["x" * 2049, "é" * 1025, "x" * 10_000])
@pytest.mark.parametrize("binding", ["post", "redirect"])
def test_an_oversized_relay_state_is_refused(stage, relay_state, binding):
    """I211: up to 2,048 octets are accepted (the binding allows 80), more is refused before verification."""
    message = stage.logout_response(signed=binding == "post")
    stage.refused(getattr(idp, binding)(message, relay_state=relay_state), "message_too_large")


@pytest.mark.parametrize("relay_state", ["x" * 80, "x" * 81, "x" * 2048, "a\r\nSet-Cookie: x=y", "\0"])
def test_a_relay_state_within_the_limit_changes_nothing(stage, relay_state):
    """I211 control: whatever octets a peer echoes, its answer counts and no header is injected."""
    browser = stage.bridge.browser()
    stage.bridge.sign_in(browser, name_id=idp.NAME_ID.replace("alice", "relay"))
    request = sent(stage.bridge.logout(browser, federated=""))
    message = idp.logout_response(in_response_to=request.id, signed=False)
    response = deliver(browser, idp.redirect(message, relay_state=relay_state))
    assert response.status_code == 303
    assert {cookie.split("=")[0] for cookie in response.headers.getlist("Set-Cookie")} <= {
        "__Host-slo",
        "__Host-slo-guard",
        "__Host-slo-logout",
    }
    stage.bridge.clock.move(1)
