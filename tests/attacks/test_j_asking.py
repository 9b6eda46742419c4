"""Groups I and J on the question before a logout, on links that name a session, and on what a log may not know."""

import json
from urllib.parse import urlencode

import pytest

from tests.api.calling import Caller, application, handle_of_browser
from tests.preflight import Editor
from tests.running import ORIGIN, running_bridge
from tests.sp import Sp
from tests.web.pages import read

HOSTILE = "\"><img src=x onerror=alert(1)>'</script><svg/onload=alert(2)>"
NAMED = f"display_name = {json.dumps(HOSTILE)}\n"
NOT_TOLD = 'logout = "none"\nwaived_until = 2027-06-01\nwaiver = "It is being replaced."\n'
TOKEN = "EAAB-access-token-of-alice"
BYE = "https://app.example/bye"  # with any query


@pytest.fixture
def editor():
    """An application's server that has unsaved work, and says so as an attacker would."""
    with Editor(json.dumps({"busy": True, "message": HOSTILE[:60]})) as running:
        yield running


@pytest.fixture
def bridge(tmp_path, redis_url, editor):
    """A bridge that asks before each logout, where everybody has a hostile name."""
    connections = tmp_path / "metadata" / "connections"
    connections.mkdir(parents=True)
    (connections / "facebook.toml").write_text(f'preset = "facebook"\n{NAMED}')
    one = Sp("one", "idp-next", more=NAMED + editor.toml)
    files = {"shop": application("shop", NOT_TOLD + NAMED), "blog": application("blog", NOT_TOLD)}
    with running_bridge(
        tmp_path,
        redis_url,
        toml=NAMED,
        sps=(one,),
        applications=files,
        federated="ask",
        back_channel_allow=("127.0.0.1",),
        allowed_logout_urls=("https://app.example/*",),
    ) as running:
        running.one = one
        yield running


@pytest.fixture
def browser(bridge):
    """Somebody's browser, signed in to the application with unsaved work, and with a session of the shop's on ours."""
    browser = bridge.browser()
    bridge.one.sign_in(bridge, browser)
    handle = handle_of_browser(bridge)
    shop = Caller(bridge, "shop")
    assert shop.register("own-1", session=handle, connection="facebook", access_token=TOKEN).status_code == 201
    return browser


def only_text(response):
    """Assert that a page holds nothing but what its template has: no element, no attribute that a name brought."""
    page = read(response)
    scripts = {script.get("src") for script in page.iter("script")}
    assert scripts <= {"/static/page.js", "/static/progress.js"}
    assert not list(page.iter("img")) + [svg for svg in page.iter("svg") if svg.get("class") != "icon"]
    names = {name for element in page.iter() if isinstance(element.tag, str) for name in element.keys()}  # noqa: SIM118
    assert not [name for name in names if name.startswith("on")]
    assert "alert(1)" in page.text_content()
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    return page


def test_j212_names_and_messages_on_the_question_are_text(bridge, browser):
    """J212: of the identity provider, of applications, of a provider, and what an application says of its work."""
    page = only_text(bridge.logout(browser, federated="", returnTo=f"{BYE}?a=%22%3E%3Csvg%20onload=alert(3)%3E"))
    assert len(page.xpath("//form")) == 1


def test_j212_the_receipt_after_it_too(bridge, browser, editor):
    """J212: the same names on the page of the logout."""
    fields = dict(read(bridge.logout(browser, federated="")).xpath("//form")[0].fields)
    response = browser.post("/v2/logout/confirm", data={**fields, "choice": "everywhere"}, base_url=ORIGIN)
    only_text(bridge.get(browser, response.headers["Location"]))


def test_j216_nobody_frames_the_question(bridge, browser):
    """J216: neither the page, nor a refusal of its form, nor the page of somebody who came back from a provider."""
    answers = [
        bridge.logout(browser),
        browser.post("/v2/logout/confirm", data={"choice": "everywhere"}, base_url=ORIGIN),
        bridge.get(browser, "/logout/return"),
        bridge.get(browser, "/logout/return/x"),
    ]
    for answer in answers:
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("choice", ["everywhere", "here", "anyway"])
def test_j215_another_site_cannot_answer_the_question(bridge, browser, choice):
    """J215: a form of another site comes without the cookie, and a token for nobody ends nothing of anybody."""
    attacker = bridge.browser()
    handle = Caller(bridge, "blog").register("mine", user="mallory").get_json()["handle"]
    link = {"session": handle, "client_id": "blog"}
    Caller(bridge, "blog").register("mine", user="mallory", connection="facebook", access_token="x")
    fields = dict(read(bridge.logout(attacker, **link)).xpath("//form")[0].fields)
    before = bridge.app.test_client(use_cookies=False)
    answer = before.post("/v2/logout/confirm", data={**fields, "choice": choice}, base_url=ORIGIN)
    assert answer.status_code in (200, 303)
    assert bridge.is_signed_in(browser)
    with_cookie = browser.post("/v2/logout/confirm", data={**fields, "choice": choice}, base_url=ORIGIN)
    assert with_cookie.status_code == 400
    assert bridge.is_signed_in(browser)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_j215_the_form_is_answered_by_post_alone(bridge, browser, method):
    """F136: no link, no probe and no preflight request of a browser answers for a person."""
    fields = dict(read(bridge.logout(browser)).xpath("//form")[0].fields)
    answer = browser.open(
        f"/v2/logout/confirm?{urlencode({**fields, 'choice': 'everywhere'})}", method=method, base_url=ORIGIN
    )
    assert answer.status_code == 405
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]
    assert bridge.is_signed_in(browser)


# Links that name a session --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "session={0}",
        "session={0}&client_id=blog",
        "session={0}&client_id=nobody",
        "session={0}x&client_id=shop",
        "session={1}.{2}&client_id=shop",
        "session={0}%00&client_id=shop",
        "session={0}%0d%0aSet-Cookie:a=b&client_id=shop",
        "session={0}&session={0}&client_id=shop",
        "session={0}&client_id=blog&client_id=shop",
        "session=&client_id=shop",
        "session={0}&client_id=shop&scope=everyone",
        "session={0}&client_id=shop&scope=browser&scope=everywhere",
        "session={0}&client_id=shop&access_token=a&access_token=b",
        "session={0}&client_id=shop&access_token=" + "a" * 2049,
        "session={0}&client_id=shop&returnTo=https://evil.test/",
        "session={0}&client_id=shop&returnTo=//evil.test",
        "session={0}&client_id=shop&returnTo=javascript:alert(1)",
    ],
)
def test_i207_a_link_that_names_no_session_of_its_application(bridge, browser, link):
    """H172, I207: of another application, of nobody, or in two readings: 400; nothing ends, nothing is told."""
    handle = handle_of_browser(bridge)
    before = bridge.keyspace()
    path = "/v2/logout?" + link.format(handle, handle.partition(".")[0], "A" * 22)
    for caller in (bridge.browser(), browser):
        answer = bridge.get(caller, path)
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert "Set-Cookie" not in answer.headers
        assert handle not in answer.get_data(as_text=True)
    assert bridge.keyspace() == before
    assert bridge.is_signed_in(browser)


def test_i207_a_link_of_a_session_ends_that_one_alone_where_nobody_is_signed_in(bridge, browser):
    """A2: the control. In a browser without a session the link asks about the session that it names, and ends it."""
    elsewhere = bridge.browser()
    page = read(bridge.logout(elsewhere, session=handle_of_browser(bridge), client_id="shop"))
    fields = dict(page.xpath("//form")[0].fields)
    assert bridge.is_signed_in(browser)
    answer = elsewhere.post("/v2/logout/confirm", data={**fields, "choice": "here"}, base_url=ORIGIN)
    assert answer.status_code == 303
    assert not bridge.is_signed_in(browser)


def test_j225_tokens_and_handles_stay_out_of_the_log(bridge, browser, monkeypatch):
    """J225: whatever is refused, asked, ended or crashes on these roads."""
    handle = handle_of_browser(bridge)
    link = {"session": handle, "client_id": "shop", "access_token": TOKEN}
    fields = dict(read(bridge.logout(browser, **link)).xpath("//form")[0].fields)
    for changed in ({"token": "x"}, {"choice": "nowhere"}, {"session": handle[:-1]}, {"scope": "x"}):
        browser.post("/v2/logout/confirm", data={**fields, "choice": "here", **changed}, base_url=ORIGIN)
    bridge.get(browser, f"/v2/logout?session={handle}&session={handle}&access_token={TOKEN}&access_token={TOKEN}")
    bridge.get(browser, f"/session/status?session={handle}")
    browser.post("/v2/logout", data=link, base_url=ORIGIN)
    answer = browser.post("/v2/logout/confirm", data={**fields, "choice": "everywhere"}, base_url=ORIGIN)
    receipt = answer.headers["Location"].removeprefix("/logout/")
    for path in ("next", "frame/x", "x"):
        bridge.get(browser, f"/logout/{receipt}/{path}")
    bridge.get(browser, "/logout/return?state=x&state=y")
    told = json.dumps([{name: str(value) for name, value in line.items()} for line in bridge.log])
    secrets = [TOKEN, handle.partition(".")[2], receipt.partition(".")[2], fields["token"]]
    assert [secret for secret in secrets if secret in told] == []
    assert bridge.log


@pytest.mark.parametrize("mode", ["no-cors", "cors", "navigate"])
@pytest.mark.parametrize("query", ["", "?federated", "?scope=everywhere&federated"])
def test_j215_what_another_site_embeds_signs_nobody_out(bridge, browser, mode, query):
    """J215: our cookie is Lax, so what is embedded or posted elsewhere comes without it, and then it ends nothing."""
    cookie = browser.get_cookie("__Host-slo", domain="bridge.example")
    assert (cookie.same_site, cookie.secure, cookie.http_only) == ("Lax", True, True)
    embedded = bridge.app.test_client(use_cookies=False)
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Origin": "https://evil.test"}
    for method in ("GET", "POST"):
        answer = embedded.open(f"/v2/logout{query}", method=method, headers=headers, base_url=ORIGIN)
        assert answer.status_code in (200, 303)
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]
    assert bridge.is_signed_in(browser)
