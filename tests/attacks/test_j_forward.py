"""Group J on the roads of forward-auth: nobody is led away, no code or cookie opens what it was not made for."""

import json
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from saml_slo.store import tokens
from tests import idp
from tests.attacks.surfaces import twin
from tests.proxied import Visit, code_of, toml
from tests.running import ORIGIN

VISITOR = idp.NAME_ID.replace("alice", "visitor")
WIDE = toml("wide.example").replace('"https://wide.example"', '"https://wide.example", "https://wide2.example"')
APPLICATIONS = {"wiki": toml(), "blog": toml("blog.example"), "wide": WIDE, "plain": ""}
AWAY = (
    "//evil.test",
    "///evil.test",
    "/\\evil.test",
    "/\\/evil.test",
    "\\\\evil.test",
    "https://evil.test/",
    "javascript:alert(1)",
    "evil.test",
    "/\t/evil.test",
    "/a\r\nSet-Cookie: planted=1",
    "/a\nLocation: https://evil.test",
    "/\x00",
    "/\x7f",
    "/a b",
    "/\xc3\xa9",
    "/_slo/logout",
    "/_slo/start?to=/",
    "/" + "a" * 2000,
)


@pytest.fixture
def stage(make_stage):
    """A stage with applications behind proxies."""
    with make_stage(bindings=("Redirect", "POST"), applications=APPLICATIONS) as stage:
        yield stage


@pytest.fixture
def visit(stage):
    """A browser that is on the way to the wiki."""
    return Visit(stage.bridge)


def refused(stage, send, *reasons):
    """Assert that a request is refused in words, and that nothing else happened."""
    return stage.refused(send, *reasons, generic=False)


@pytest.mark.parametrize("link", AWAY)
def test_no_deep_link_leads_away(stage, visit, link):
    """Open redirect, header injection: by the proxy's header and by a parameter, such a link becomes `/`."""
    raw = {"HTTP_X_ORIGINAL_URI": link}
    away = visit.there.get("/forward/wiki/start", base_url=ORIGIN, environ_overrides=raw)
    assert away.status_code == 303
    back = visit.back(visit.sign_in(away.headers["Location"], name_id=VISITOR))
    assert back.headers["Location"] == "/"
    other = Visit(stage.bridge, here=visit.here)
    if len(link) < 2000:
        query = {"to": link}
        away = other.there.get("/forward/wiki/start", query_string=query, base_url=ORIGIN)
        assert other.back(other.sign_in(away.headers["Location"])).headers["Location"] == "/"
        redirect = {"HTTP_X_FORWARDED_URI": link}
        asked = visit.bridge.browser().get(
            "/session/status?client_id=wiki&redirect", base_url=ORIGIN, environ_overrides=redirect
        )
        assert asked.headers["Location"] == "https://wiki.example/_slo/start?to=%2F"
    assert "planted" not in str(back.headers)


@pytest.mark.parametrize("link", ["//evil.test", "https://evil.test", "/a\r\nX: y", "/_slo/logout"])
def test_a_state_cookie_with_a_link_that_leads_away_is_none_of_ours(stage, visit, link):
    """Whoever can write cookies of the host still moves nobody to another one."""
    location = visit.sign_in(visit.away("/x"), name_id=VISITOR)
    cookie = next(cookie for cookie in visit.there._cookies.values() if "app-state" in cookie.key)
    random = cookie.value.partition(".")[0]
    planted = f"{random}.{urlsafe_b64encode(link.encode()).decode().rstrip('=')}"
    visit.there.set_cookie(cookie.key, planted, domain="bridge.example", secure=True)
    refused(stage, lambda _: visit.back(location), "in_response_to_mismatch")


@pytest.mark.parametrize(
    "host", ["evil.test", "wiki.example.evil.test", "wiki.example@evil.test", "", "wiki.example\\@e"]
)
def test_no_header_names_the_origin(stage, visit, host):
    """X-Forwarded-Host chooses among listed origins: with one it changes nothing, with several it is refused."""
    away = visit.start("/x", **{"X-Forwarded-Host": host})
    query = parse_qs(urlsplit(away.headers["Location"]).query)
    assert away.headers["Location"].startswith(f"{ORIGIN}/forward/wiki/sign-in?")
    assert query["origin"] == ["https://wiki.example"]
    wide = Visit(stage.bridge, "wide", host)
    refused(stage, lambda _: wide.start("/x"), "bad_request")
    assert "evil" not in str(wide.check("&redirect").headers.get("Location"))


@pytest.mark.parametrize("client_id", ["plain", "nobody", "../x", "wiki%00", "WIKI"])
def test_only_applications_behind_proxies_have_these_roads(stage, client_id):
    """One that is not, or is not at all, is refused at every door, and the proxy gets no 200."""
    browser = stage.bridge.browser()
    for path in ("start", "sign-in?state=x&origin=y", "callback?code=x", "logout"):
        refused(
            stage,
            lambda _, path=path: browser.get(f"/forward/{client_id}/{path}", base_url=ORIGIN),
            "application_unknown",
            "not_found",
        )
    refused(
        stage,
        lambda _: browser.get("/session/status", query_string={"client_id": client_id}, base_url=ORIGIN),
        "application_unknown",
    )


def test_a_proxy_that_keeps_the_applications_host_is_refused(stage, visit):
    """J221: a foreign Host reaches none of these endpoints."""
    for path in ("start", "callback?code=x"):
        refused(
            stage, lambda _, path=path: visit.there.get(f"/forward/wiki/{path}", headers={"Host": "wiki.example"}),
            "bad_request",
        )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "https://evil.test"},
        {"origin": "https://blog.example"},
        {"origin": "https://wiki.example/"},
        {"origin": "https://wiki.example@evil.test"},
        {"origin": ""},
        {"state": ""},
        {"state": "x" * 42},
        {"state": "x" * 43 + "\n"},
        {"state": "x" * 21 + "\0" + "x" * 21},
    ],
)
def test_a_sign_in_link_that_we_did_not_make_is_refused(stage, visit, change):
    """No code leaves for an origin that is not listed, nor for something that is no state."""
    visit.enter(name_id=VISITOR)
    query = {name: values[0] for name, values in parse_qs(urlsplit(visit.away()).query).items()} | change
    refused(
        stage,
        lambda _: visit.here.get("/forward/wiki/sign-in", query_string=query, base_url=ORIGIN),
        "bad_request",
    )


# Codes ---------------------------------------------------------------------------------------------------------------


def test_a_code_that_is_slipped_to_somebody_signs_nobody_in(stage, visit):
    """Login CSRF: the attacker's own fresh code, opened in the victim's browser, which has begun a sign-in too."""
    location = visit.sign_in(visit.away(), name_id=VISITOR)
    victim = Visit(stage.bridge, here=stage.victim)
    refused(stage, lambda _: victim.back(location), "in_response_to_mismatch")
    victim.away()
    refused(stage, lambda _: victim.back(location), "in_response_to_mismatch")
    assert visit.back(location).status_code == 303


def test_a_stolen_code_is_worthless_without_the_state_cookie(stage, visit):
    """Somebody who reads the address bar, a log or a Referer cannot come in with it; the person still can."""
    location = visit.sign_in(visit.away(), name_id=VISITOR)
    thief = Visit(stage.bridge)
    refused(stage, lambda _: thief.back(location), "in_response_to_mismatch")
    assert visit.back(location).status_code == 303


def test_a_sign_in_link_that_is_slipped_to_somebody_gives_the_sender_nothing(stage, visit):
    """The victim's code is bound to the attacker's state, and stays in the victim's browser, where it opens nothing."""
    location = visit.away()
    victim = Visit(stage.bridge, here=stage.victim)
    code = stage.victim.get(location).headers["Location"]
    refused(stage, lambda _: victim.back(code), "in_response_to_mismatch")


def test_a_code_is_good_once(stage, visit):
    """Replay: with everything that the browser had before, the same code is refused."""
    location = visit.sign_in(visit.away(), name_id=VISITOR)
    before = Visit(stage.bridge)
    before.there = twin(stage.bridge, visit.there)
    assert visit.back(location).status_code == 303
    refused(stage, lambda _: before.back(location), "replayed")


def test_a_code_is_good_once_at_the_same_moment_too(stage, visit):
    """Eight at once: one gets the cookie."""
    location = visit.sign_in(visit.away(), name_id=VISITOR)
    visits = [Visit(stage.bridge) for _ in range(8)]
    for one in visits:
        one.there = twin(stage.bridge, visit.there)
    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(lambda one: one.back(location).status_code, visits))
    assert codes == [303] + [400] * 7
    stage.bridge.log.clear()


@pytest.mark.parametrize("seconds", [60, 61, 3600])
def test_a_code_is_good_for_a_minute(stage, visit, seconds):
    """At 59 seconds it is taken, from 60 on it is expired, though its mark is long gone."""
    late = Visit(stage.bridge)
    locations = [one.sign_in(one.away(), name_id=VISITOR) for one in (visit, late)]
    stage.bridge.clock.move(59)
    assert visit.back(locations[0]).status_code == 303
    stage.bridge.clock.move(seconds - 59)
    refused(stage, lambda _: late.back(locations[1]), "expired")
    stage.bridge.clock.move(-seconds)


def test_a_code_is_for_one_application_and_one_origin(stage):
    """With the very state cookie, at another application or another host of the same one it opens nothing."""
    visit = Visit(stage.bridge, "wide", "wide.example")
    location = visit.sign_in(visit.away(), name_id=VISITOR)
    for client_id, host in (("wiki", "wiki.example"), ("wide", "wide2.example")):
        other = Visit(stage.bridge, client_id, host)
        other.there = twin(stage.bridge, visit.there)
        refused(stage, lambda _, other=other: other.back(location), "in_response_to_mismatch")
    assert visit.back(location).status_code == 303


@pytest.mark.parametrize(
    "forge",
    [
        lambda _: "",
        lambda code: code[:-1],
        lambda code: code[:-8] + "AAAAAAA=",
        lambda code: "A" * len(code),
        lambda code: code[:20] + ("A" if code[20] != "A" else "B") + code[21:],
        lambda _: "\xff\xfe",
        lambda _: "☃",
        lambda code: code + code,
        lambda _: urlsafe_b64encode(json.dumps(["s", 1, "n"]).encode()).decode(),
        lambda _: "x" * 2048,
    ],
)
def test_a_forged_code_is_refused(stage, visit, forge):
    """Codes are encrypted and authenticated: not one bit may differ."""
    code = code_of(visit.sign_in(visit.away(), name_id=VISITOR))
    query = {"code": forge(code)}
    refused(
        stage,
        lambda _: visit.there.get("/forward/wiki/callback", query_string=query, base_url=ORIGIN),
        "in_response_to_mismatch",
    )


def test_a_callback_without_a_code_or_with_two_is_refused(stage, visit):
    """J: an ambiguous parameter is nobody's."""
    code = code_of(visit.sign_in(visit.away(), name_id=VISITOR))
    refused(stage, lambda _: visit.through("callback"), "in_response_to_mismatch")
    refused(stage, lambda _: visit.through(f"callback?code={code}&code={code}"), "bad_request")


def test_a_code_from_before_the_logout_opens_nothing(stage, visit):
    """Signed out while the code was on its way: the cookie that it gives is for a session that is over."""
    location = visit.sign_in(visit.away(), name_id=VISITOR)
    stage.bridge.logout(visit.here)
    visit.back(location)
    assert visit.check().status_code == 401


def test_every_sign_in_has_a_state_of_its_own(stage, visit):
    """State fixation: what the browser brought along is never taken over."""
    visit.there.set_cookie("__Host-slo-app-state-00000000", f"{'A' * 43}.Lw", domain="bridge.example", secure=True)
    states = {parse_qs(urlsplit(visit.away()).query)["state"][0] for _ in range(3)}
    assert len(states) == 3


@pytest.mark.parametrize("request_", ["", "x", "eyJwYXRoIjoiLy9ldmlsLnRlc3QifQ.AAAA"])
def test_where_a_sign_in_goes_on_is_sealed(stage, request_):
    """/login takes a path to go on at only from ourselves."""
    refused(
        stage,
        lambda browser: browser.get("/login", query_string={"request": request_, "connection": "idp"}, base_url=ORIGIN),
        "bad_request",
    )


def test_the_seal_of_a_proxys_sign_in_is_none_of_an_authn_request(stage, visit):
    """A link for /login is refused by single sign-on."""
    login = stage.bridge.browser().get(visit.away()).headers["Location"]
    sealed = parse_qs(urlsplit(login).query)["request"][0]
    refused(
        stage,
        lambda browser: browser.get("/saml/idp/continue", query_string={"request": sealed}, base_url=ORIGIN),
        "bad_request",
    )


# Cookies and headers -------------------------------------------------------------------------------------------------


def test_no_other_cookie_opens_an_application(stage, visit):
    """Another application's cookie, our own, the handle, a forgery, half of it: 401, and Redis is not even asked."""
    visit.enter(name_id=VISITOR)
    blog = Visit(stage.bridge, "blog", "blog.example", here=visit.here)
    blog.enter()
    mine = visit.there.get_cookie("__Host-slo-app", domain="bridge.example").value
    ours = visit.here.get_cookie("__Host-slo", domain="bridge.example").value
    session = mine.partition(".")[0]
    forged = tokens.session_handle(b"x" * 32, session, "wiki")
    for value in (ours, visit.handle(), forged, session, mine[:-1], mine + "A", mine.upper(), "", "."):
        for one, wrong in ((visit, value), (blog, mine)):
            one.there.set_cookie("__Host-slo-app", wrong, domain="bridge.example", secure=True)
            response = one.check()
            assert response.status_code == 401
            assert "X-Slo-User" not in response.headers
    visit.there.set_cookie("__Host-slo-app", mine, domain="bridge.example", secure=True)
    assert visit.check().status_code == 200


def test_who_a_request_says_that_it_is_changes_nothing(stage, visit):
    """Our answer names the person of the session, whatever came under the names of our headers."""
    assert visit.check(**{"X-Slo-User": "root", "X-Slo-Session": "x"}).status_code == 401
    visit.enter(name_id=VISITOR)
    told = visit.check(**{"X-Slo-User": "root", "X-Slo-Email": "root@corp.test", "X-Slo-Connection": "evil"})
    assert len(told.headers["X-Slo-User"]) == 40
    assert told.headers.getlist("X-Slo-User") == [told.headers["X-Slo-User"]]
    assert (told.headers["X-Slo-Email"], told.headers["X-Slo-Connection"]) == ("", "idp")


def test_an_answer_that_opens_is_never_kept(stage, visit):
    """J222: no cache between the proxy and us, or in the browser, may go on after a logout."""
    responses = [visit.check(), visit.start(), visit.check("&redirect")]
    location = visit.sign_in(visit.away(), name_id=VISITOR)
    responses += [visit.back(location), visit.check(), visit.through("logout")]
    assert {response.headers["Cache-Control"] for response in responses} == {"no-store"}


def test_nothing_secret_is_in_an_address_or_the_log(stage, visit):
    """J225: neither the cookie of the application's host nor its state is ever in a URL or a log line."""
    stage.bridge.log.clear()
    away = visit.away()
    state = next(cookie.value for cookie in visit.there._cookies.values() if "app-state" in cookie.key)
    location = visit.sign_in(away, name_id=VISITOR)
    visit.back(location)
    Visit(stage.bridge).back(location)
    cookie = visit.there.get_cookie("__Host-slo-app", domain="bridge.example").value
    mac = cookie.partition(".")[2]
    seen = f"{away} {location} {visit.through('logout').headers['Location']} {stage.bridge.log}"
    assert mac not in seen
    assert state.partition(".")[0] not in seen
    assert code_of(location) not in str(stage.bridge.log)
    stage.bridge.log.clear()
