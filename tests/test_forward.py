"""Sign-in to an application behind a reverse proxy, from the deep link and back to it (A3)."""

import json

import pytest
from werkzeug.wrappers import Request, Response

from tests import idp
from tests.proxied import Visit, bearer, toml
from tests.running import ORIGIN, running_bridge, sent
from tests.sp import SoapEndpoint, Sp

BOB = idp.NAME_ID.replace("alice", "bob")
MAIL = (
    '<saml:AttributeStatement><saml:Attribute Name="mail"><saml:AttributeValue>{}</saml:AttributeValue>'
    "</saml:Attribute></saml:AttributeStatement>"
)
TWO_HOSTS = toml().replace('["https://wiki.example"]', '["https://wide.example", "https://wide.example:8443"]')
APPLICATIONS = {"wiki": toml(), "blog": toml("blog.example"), "wide": TWO_HOSTS, "any": toml("any.example", "")}


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with applications behind proxies."""
    with running_bridge(tmp_path, redis_url, applications=APPLICATIONS) as running:
        yield running


def test_from_the_deep_link_through_the_sign_in_and_back_to_it(bridge):
    """The whole road: 401, away, sign-in, back with a cookie for the application's host, and the headers say who."""
    visit = Visit(bridge)
    assert visit.check().status_code == 401
    response = visit.enter("/pages/7?tab=b&x=%C3%A9")
    assert response.headers["Location"] == "/pages/7?tab=b&x=%C3%A9"
    set_cookies = {text.partition("=")[0]: text for text in response.headers.getlist("Set-Cookie")}
    assert "Max-Age=0" in set_cookies.pop(next(name for name in set_cookies if "state" in name))
    (cookie,) = set_cookies.values()
    assert cookie.startswith("__Host-slo-app=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    told = visit.check()
    assert told.status_code == 200
    assert len(told.headers["X-Slo-User"]) == 40
    assert bridge.reasons() == []


def test_who_is_signed_in_goes_through_without_a_question(bridge):
    """A second application of the same browser costs no sign-in; each knows the person by another name."""
    visit = Visit(bridge)
    visit.enter()
    blog = Visit(bridge, "blog", "blog.example", here=visit.here)
    response = blog.here.get(blog.away("/post"))
    assert response.headers["Location"].startswith("https://blog.example/_slo/callback?code=")
    assert blog.back(response.headers["Location"]).headers["Location"] == "/post"
    assert blog.check().headers["X-Slo-User"] != visit.check().headers["X-Slo-User"]


def test_the_name_is_the_same_at_every_sign_in(bridge):
    """X-Slo-User is who the person is, not which session it is; somebody else has another."""
    names = set()
    for name_id in (idp.NAME_ID, idp.NAME_ID, BOB):
        visit = Visit(bridge)
        visit.enter(name_id=name_id)
        names.add(visit.check().headers["X-Slo-User"])
    assert len(names) == 2


@pytest.mark.parametrize(
    ("address", "header"),
    [("al@corp.test", "al@corp.test"), ("ål%@corp.test", "%C3%A5l%25@corp.test"), ("a&#9;b@x", "a%09b@x")],
)
def test_an_e_mail_address_is_told_as_a_header_may_hold_it(bridge, address, header):
    """What is not visible ASCII is percent-encoded, so that no header can be broken."""
    visit = Visit(bridge)
    visit.enter(statements=idp.authn_statement() + MAIL.format(address))
    assert visit.check().headers["X-Slo-Email"] == header


def test_after_the_logout_the_next_request_is_refused(bridge):
    """Nothing is sent to the application and the receipt says confirmed, because the next question gets a 401."""
    visit = Visit(bridge)
    visit.enter()
    assert visit.check().status_code == 200
    receipt = bridge.receipt(visit.here, bridge.logout(visit.here))
    rows = {row["kind"]: row["state"] for row in receipt["sessions"]}
    assert (rows["application"], receipt["settled"]) == ("confirmed", True)
    refused = visit.check()
    assert refused.status_code == 401
    assert not any(name.startswith("X-Slo") for name in refused.headers.keys())  # noqa: SIM118 - not a dictionary


def test_the_sign_out_link_ends_the_session_also_without_our_own_cookie(bridge):
    """/_slo/logout names the session by its handle; returnTo and federated are passed on."""
    visit = Visit(bridge)
    visit.enter()
    location = visit.through("logout?federated&returnTo=https://wiki.example/").headers["Location"]
    handle = visit.handle()
    assert location.startswith(f"{ORIGIN}/v2/logout?client_id=wiki&")
    assert "federated=" in location
    assert "returnTo=https%3A%2F%2Fwiki.example%2F" in location
    assert location.endswith(f"session={handle}")
    bridge.browser().get(visit.through("logout").headers["Location"])
    assert visit.check().status_code == 401
    assert visit.through("logout").status_code == 303


def test_several_tabs_may_begin_a_sign_in_each(bridge):
    """Every tab comes back to its own path."""
    visit = Visit(bridge)
    away = [visit.away(f"/tab/{number}") for number in range(3)]
    codes = [visit.sign_in(location) for location in away]
    assert [visit.back(code).headers["Location"] for code in codes] == ["/tab/0", "/tab/1", "/tab/2"]


def test_many_unfinished_sign_ins_do_not_fill_the_cookies(bridge):
    """At most four wait in a browser, so that its requests stay small."""
    visit = Visit(bridge)
    for _ in range(11):
        visit.away("/" + "a" * 1990)
    names = [cookie.key for cookie in visit.there._cookies.values() if "app-state" in cookie.key]
    assert 1 <= len(names) <= 4
    visit.enter("/last")


def test_the_callback_may_be_loaded_again(bridge):
    """Reload and the back button lead to the page, as long as the browser has its cookie; nothing new is given."""
    visit = Visit(bridge)
    away = visit.away("/page")
    other = visit.away("/other")
    location = visit.sign_in(away)
    visit.back(location)
    second = visit.sign_in(other)
    again = visit.back(second)
    assert again.headers["Location"] == "/other"
    assert not any(text.startswith("__Host-slo-app=") for text in again.headers.getlist("Set-Cookie"))


@pytest.mark.parametrize("mode", ["cors", "no-cors", "same-origin"])
def test_scripts_and_images_are_not_sent_to_the_sign_in(bridge, mode):
    """They get the 401 itself, and no cookie; only who goes somewhere with the window is sent away."""
    visit = Visit(bridge)
    response = visit.start(**{"Sec-Fetch-Mode": mode})
    assert (response.status_code, response.headers.getlist("Set-Cookie")) == (401, [])
    assert visit.start(**{"Sec-Fetch-Mode": "navigate"}).status_code == 303
    assert visit.check("&redirect", **{"Sec-Fetch-Mode": mode}).status_code == 401


def test_a_proxy_that_passes_our_answer_on_gets_the_redirect(bridge):
    """Traefik, Caddy: 302 to /_slo/start of the application's own host, with the path; 200 as ever once signed in."""
    visit = Visit(bridge)
    response = visit.check("&redirect", **{"X-Forwarded-Uri": "/a?b=c&d=e"})
    assert response.status_code == 302
    assert response.headers["Location"] == "https://wiki.example/_slo/start?to=%2Fa%3Fb%3Dc%26d%3De"
    away = visit.through("start?to=%2Fa%3Fb%3Dc%26d%3De").headers["Location"]
    assert visit.back(visit.sign_in(away)).headers["Location"] == "/a?b=c&d=e"
    assert visit.check("&redirect").status_code == 200


def test_a_prefetching_browser_may_be_answered(bridge):
    """What it asks of the application is the application's business; our own pages stay closed to it."""
    visit = Visit(bridge)
    visit.enter()
    assert visit.check(**{"Sec-Purpose": "prefetch"}).status_code == 200
    assert visit.start(**{"Sec-Purpose": "prefetch"}).status_code == 400


def test_an_application_with_several_hosts_comes_back_to_the_one_that_asked(bridge):
    """Each host, and each port, has a cookie and a road of its own."""
    visit = Visit(bridge, "wide", "wide.example:8443")
    assert visit.enter("/x").headers["Location"] == "/x"
    again = Visit(bridge, "wide", "wide.example", here=visit.here)
    again.enter()
    assert Visit(bridge, "wide", "WIDE.example:443").start().status_code == 303


def test_people_choose_where_no_connection_is_fixed(bridge):
    """Without `connection` the page with the choice comes first, and every choice leads back."""
    visit = Visit(bridge, "any", "any.example")
    login = visit.here.get(visit.away("/x")).headers["Location"]
    page = visit.here.get(login).get_data(as_text=True)
    assert "other-idp" in page
    request = sent(visit.here.get(f"{login}&connection=idp"))
    back = bridge.deliver(visit.here, idp.post(bridge.answer(request), endpoint=idp.ACS))
    location = visit.here.get(back.headers["Location"], base_url=ORIGIN).headers["Location"]
    assert visit.back(location).headers["Location"] == "/x"


def test_a_login_by_another_connection_is_not_enough(bridge):
    """An application that names its connection is not entered by a session from elsewhere."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    text = toml(more='connection = "other-idp"\n')
    (bridge.settings.metadata_dir / "applications" / "wiki.toml").write_text(text)
    bridge.app.extensions["saml_slo"].registry.reload()
    response = browser.get(Visit(bridge, here=browser).away())
    assert response.headers["Location"].startswith(f"{ORIGIN}/login?")
    assert response.headers["Location"].endswith("&connection=other-idp")


def test_the_application_may_name_the_session_by_its_handle(bridge):
    """The API finds the session of X-Slo-Session: its server can end it without the browser."""
    visit = Visit(bridge)
    visit.enter()
    body = json.dumps({"session": visit.handle()})
    response = bridge.browser().post(
        "/api/v1/logouts", data=body, content_type="application/json", headers=bearer(), base_url=ORIGIN
    )
    assert response.status_code == 201, response.get_data(as_text=True)
    assert visit.check().status_code == 401


def test_one_that_speaks_saml_too_stays_to_be_told_by_saml(tmp_path, redis_url):
    """Its participant is the one that SAML knows; the proxy neither takes it away nor names another person."""
    sp = Sp("wiki", "idp-next", more='connection = "idp"\nproxy_origins = ["https://wiki.example"]\nlogout = "saml"\n')
    with running_bridge(tmp_path, redis_url, sps=(sp,)) as bridge:
        visit = Visit(bridge)
        told = sp.sign_in(bridge, visit.here)
        visit.enter()
        assert visit.check().headers["X-Slo-User"] == told.name_id
        receipt = bridge.logout(visit.here)
        assert receipt.status_code in (200, 303)
        assert visit.check().status_code == 401


def test_what_the_application_registered_besides_stays(bridge):
    """A session of its own that hangs on ours survives the next sign-in through the proxy, and names nobody there."""
    visit = Visit(bridge)
    visit.enter()
    user, handle = visit.check().headers["X-Slo-User"], visit.handle()
    response = bridge.browser().put(
        "/api/v1/sessions/own-1", json={"session": handle}, headers=bearer(), base_url=ORIGIN
    )
    assert response.status_code == 201, response.get_data(as_text=True)
    again = Visit(bridge, here=visit.here)
    again.enter()
    assert again.check().headers["X-Slo-User"] == user
    assert bridge.get(bridge.browser(), "/api/v1/sessions/own-1", headers=bearer()).status_code == 200
    receipt = bridge.receipt(visit.here, bridge.logout(visit.here))
    assert [row["state"] for row in receipt["sessions"] if row["kind"] == "application"] == ["confirmed"] * 2
    assert bridge.get(bridge.browser(), "/api/v1/sessions/own-1", headers=bearer()).status_code == 410


def test_it_may_be_told_by_a_webhook_too(tmp_path, redis_url):
    """Then the call names the session and the user as the headers did; the next request is refused all the same."""
    told = []
    how = toml().replace('"proxy"', '"webhook"\nlogout_uri = "http://127.0.0.1:{port}/hook"')
    with SoapEndpoint() as endpoint:
        endpoint._handle = lambda request: told.append(request.get_json()) or Response("", status=204)
        endpoint._server.app = Request.application(endpoint._handle)
        text = "insecure_http = true\n" + how.format(port=endpoint._server.port)
        with running_bridge(
            tmp_path, redis_url, applications={"wiki": text}, back_channel_allow=("127.0.0.1",)
        ) as bridge:
            visit = Visit(bridge)
            visit.enter()
            headers = visit.check().headers
            bridge.logout(visit.here)
            assert visit.check().status_code == 401
    data = told[0]["data"]
    assert (data["session"], data["user"]) == (headers["X-Slo-Session"], headers["X-Slo-User"])
