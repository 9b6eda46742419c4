"""Group J on the console: forms and frames of other sites, scripts in whatever strangers named, and secrets."""

import re
from html import escape

import pytest
from lxml import etree

from saml_slo.operators import MAX_FAILURES_OF_ADDRESS
from saml_slo.web.console.inspector import MAX_CAPTURE
from tests import idp
from tests.console.operator import NAME, PASSWORD, enrol, sign_in, token_of
from tests.running import ORIGIN, running_bridge
from tests.sp import Sp

SCRIPT = "\"><svg/onload=alert(1)><img src=x onerror=alert(2)>'</script>{{7*7}}"
TOML_SCRIPT = SCRIPT.replace("\\", "\\\\").replace('"', '\\"')
API_DIGEST = "ab" * 32
SHOP = f"""display_name = "{TOML_SCRIPT}"
logout = "webhook"
logout_uri = "https://shop.example/hook"
api_secrets = ["{API_DIGEST}"]
"""
COOKIE = "__Host-slo-console"
GUARDED = (
    "/console",
    "/console/connections",
    "/console/connections/idp",
    "/console/connections/broken",
    "/console/applications",
    "/console/applications/shop",
    "/console/applications/back",
    "/console/sessions",
    "/console/logouts",
    "/console/deliveries",
    "/console/expiry",
    "/console/inspector",
    "/console/audit",
    "/console/audit?application=shop",
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory, redis_url):
    """A bridge whose peers have hostile names, and an operator's browser; its forms are sent by nobody else."""
    folder = tmp_path_factory.mktemp("console")
    back = Sp("back", "idp-next", more=f'connection = "idp"\ndisplay_name = "{TOML_SCRIPT}"\n')
    with running_bridge(
        folder, redis_url, toml=f'display_name = "{TOML_SCRIPT}"\n', applications={"shop": SHOP}, sps=(back,)
    ) as bridge:
        (bridge.settings.metadata_dir / "connections" / "broken.toml").write_text(f'"{TOML_SCRIPT}" = 1\n')
        bridge.app.extensions["saml_slo"].registry.reload()
        bridge.back = back
        yield bridge, enrol(bridge)


def hostile(name=SCRIPT):
    """A NameID of this text."""
    return idp.NAME_ID.replace("alice@corp.test", escape(name))


def posts(bridge):
    """Every address of the console that takes a form."""
    rules = [rule for rule in bridge.app.url_map.iter_rules() if rule.rule.startswith("/console")]
    return [
        rule.rule.replace("<name>", "idp").replace("<identifier>", "0" * 34) for rule in rules if "POST" in rule.methods
    ]


def harmless(response):
    """Assert that nothing of a page runs: no element or attribute came out of a text."""
    page = response.get_data(as_text=True)
    root = etree.HTML(page)
    assert not root.xpath("//@*[starts-with(name(), 'on')]"), page
    assert not root.xpath("//img | //iframe | //object | //embed | //base"), page
    assert all(script.get("src", "").startswith("/static/") and not script.text for script in root.iter("script"))
    assert not root.xpath("//@style | //style")
    for link in root.xpath("//a/@href | //form/@action"):
        assert link.startswith(("/", "?")), link
        assert not link.startswith("//"), link


@pytest.mark.parametrize("path", GUARDED)
def test_every_page_is_hardened_and_harmless(stage, path):
    """J212, J213, J216: names of peers stay texts; nobody frames a page; forms lead to ourselves; no cache."""
    bridge, browser = stage
    response = bridge.get(browser, path)
    assert response.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "strict-origin"
    assert "Access-Control-Allow-Origin" not in response.headers
    harmless(response)


def test_the_hostile_names_are_there(stage):
    """What the tests above look for is really on the pages, as a text."""
    bridge, browser = stage
    for path in ("/console", "/console/connections", "/console/applications/shop"):
        assert "&lt;svg/onload=alert(1)&gt;" in bridge.get(browser, path).get_data(as_text=True), path


@pytest.mark.parametrize("path", GUARDED)
def test_nobody_sees_a_page_without_a_session(stage, path):
    """Neither without a cookie, nor with one that somebody made up, nor one in the query; nothing of it is shown."""
    bridge, _ = stage
    for cookie in (None, "x" * 43, "../../", "\u00ff"):
        browser = bridge.browser()
        if cookie is not None:
            browser.set_cookie(COOKIE, cookie, domain="bridge.example", secure=True)
        response = browser.get(f"{path}{'&' if '?' in path else '?'}{COOKIE}=x", base_url=ORIGIN)
        assert response.status_code == 303
        assert response.headers["Location"].startswith("/console/sign-in?to=%2Fconsole")
        assert not response.get_data()


def test_every_form_wants_the_token_of_its_session(stage):
    """J215: no token, a wrong one, another operator's, and a token with a foreign or no Origin: refused, no effect."""
    bridge, browser = stage
    other = enrol(bridge, name="otto")
    own, others = (token_of(bridge.get(one, "/console")) for one in (browser, other))
    bridge.sign_in(bridge.browser())
    paths = posts(bridge)
    assert len(paths) >= 13
    for path in paths:
        before = bridge.keyspace()
        for form, headers in (
            ({}, {}),
            ({"form_token": "0" * 64}, {}),
            ({"form_token": others}, {}),
            ({"form_token": [own, own]}, {}),
            ({"form_token": own}, {"Origin": "https://evil.example"}),
            ({"form_token": own}, {"Origin": "null"}),
            ({"form_token": own}, {"Origin": f"{ORIGIN}.evil.example"}),
        ):
            data = {"by": "name_id", "value": "alice@corp.test", "peer": "idp", "link": "x", **form}
            response = browser.post(path, data=data, headers=headers, base_url=ORIGIN)
            assert response.status_code in {400, 403}, (path, form, headers)
        assert bridge.keyspace() == before, path
    bridge.log.clear()


def test_a_form_without_a_session_does_nothing(stage):
    """Whoever is not signed in is sent to the sign-in, whatever the form says; a large one is not even read."""
    bridge, browser = stage
    token = token_of(bridge.get(browser, "/console"))
    for path in posts(bridge):
        if path.rpartition("/")[2] in {"first", "sign-in", "sign-out"}:
            continue
        before = bridge.keyspace()
        stranger = bridge.browser()
        response = stranger.post(path, data={"form_token": token, "by": "user", "value": "x"}, base_url=ORIGIN)
        assert response.headers["Location"] == "/console/sign-in?to=%2Fconsole", path
        assert bridge.keyspace() == before


def test_only_the_methods_of_a_page_are_answered(stage):
    """Nothing happens by GET; other methods, HEAD and a browser that guesses are refused."""
    bridge, browser = stage
    for rule in bridge.app.url_map.iter_rules():
        if not rule.rule.startswith("/console"):
            continue
        path = rule.rule.replace("<name>", "idp").replace("<identifier>", "0" * 34).replace("<code>", "x")
        known = {
            method
            for one in bridge.app.url_map.iter_rules()
            if one.rule == rule.rule
            for method in one.methods - {"HEAD", "OPTIONS"}
        }
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"} - known:
            status = browser.open(path, method=method, base_url=ORIGIN).status_code
            assert status == 405 or (method == "GET" and status == 404), (method, path)  # no session is called `end`
    assert bridge.get(browser, "/console", headers={"Sec-Purpose": "prefetch"}).status_code == 400
    assert browser.get("/console", base_url="https://evil.example").status_code == 400
    bridge.log.clear()


def test_what_people_and_messages_say_stays_a_text(stage):
    """J212, J213: NameIDs, own ids, RelayState, an Issuer and a search with a script in it, shown and reflected."""
    bridge, browser = stage
    person = bridge.browser()
    assert bridge.sign_in(person, name_id=hostile()).status_code == 303
    token = token_of(bridge.get(browser, "/console"))

    def post(path, **form):
        return browser.post(path, data={"form_token": token, **form}, base_url=ORIGIN)

    whom = {"by": "name_id", "value": SCRIPT, "peer": "idp"}
    found = post("/console/sessions", **whom)
    (identifier,) = re.findall(r'href="/console/sessions/([0-9a-f]{34})"', found.get_data(as_text=True))
    message = idp.query(idp.logout_request(name_id=hostile(), issuer=escape(SCRIPT)), relay_state=SCRIPT)
    pages = [
        found,
        post(f"/console/sessions/{identifier}", reveal="yes"),
        post("/console/sessions/end", **whom),
        post("/console/sessions", by="user", value=SCRIPT, peer=SCRIPT),
        post("/console/audit", by="user", value=SCRIPT, peer=""),
        post("/console/deliveries/retry", id=SCRIPT),
        post("/console/inspector", message=f"{ORIGIN}/saml/sp/idp/slo?{message}", reveal="yes", peer=""),
        post("/console/inspector", message=SCRIPT),
        post("/console/inspector", message=f"<a>{SCRIPT}</a>", peer=SCRIPT),
        browser.get("/console/logouts", query_string={"q": SCRIPT}, base_url=ORIGIN),
        browser.get("/console/connections", query_string={"q": SCRIPT, "show": SCRIPT}, base_url=ORIGIN),
        browser.get("/console/deliveries", query_string={"peer": SCRIPT, "after": SCRIPT}, base_url=ORIGIN),
        browser.get("/console/audit", query_string={"connection": SCRIPT, "before": SCRIPT}, base_url=ORIGIN),
        browser.get(f"/console/connections/{SCRIPT.replace('/', '')}", base_url=ORIGIN),
    ]
    for response in pages:
        assert response.status_code < 500, response.get_data(as_text=True)
        harmless(response)
    done = post("/console/sessions/end/now", **whom)
    harmless(bridge.get(browser, done.headers["Location"]))
    bridge.log.clear()


def test_no_secret_is_on_any_page(stage):
    """Keys, digests of API secrets, cookies, and names of people that nobody asked for; nor in the audit's keys."""
    bridge, browser = stage
    person = bridge.browser()
    bridge.clock.move(2)
    bridge.sign_in(person, name_id=hostile("secret-person@corp.test"))
    cookies = [cookie.value for one in (person, browser) for cookie in one._cookies.values()]
    certs = [
        path.read_text()
        for path in bridge.settings.certs_dir.iterdir()
        if path.suffix in {".key", ""} and path.is_file()
    ]
    keys = [line for text in certs for line in text.splitlines() if len(line) > 40 and "-----" not in line]
    assert cookies
    assert keys
    for path in (*GUARDED, "/console/audit?connection=idp", "/console/logouts?connection=idp"):
        page = bridge.get(browser, path).get_data(as_text=True)
        for secret in (
            API_DIGEST,
            "secret-person",
            PASSWORD,
            "argon2",
            *keys,
            *(one for one in cookies if len(one) > 20),
        ):
            assert secret not in page, path


@pytest.mark.parametrize(
    "name", ["..%2f..%2fcerts%2fsigning", "..", "idp%00", "idp/../other-idp", "%2e%2e%2fidp", "IDP"]
)
def test_a_name_in_an_address_leads_to_no_file(stage, name):
    """Only names of the registry become part of a path."""
    bridge, browser = stage
    assert browser.get(f"/console/connections/{name}", base_url=ORIGIN).status_code in {404, 308}
    bridge.log.clear()


def test_cookies_and_sessions_are_made_anew(stage):
    """J218, J220: no session that somebody planted is taken on; each sign-in has its own; a signed-out one is dead."""
    bridge, _ = stage
    browser = bridge.browser()
    browser.set_cookie(COOKIE, "planted" * 6, domain="bridge.example", secure=True)
    response = sign_in(bridge, browser)
    (cookie,) = response.headers.getlist("Set-Cookie")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    first = cookie.partition("=")[2].partition(";")[0]
    assert first != "planted" * 6
    second = sign_in(bridge, browser).headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    assert second != first
    token = token_of(bridge.get(browser, "/console"))
    browser.post("/console/sign-out", data={"form_token": token}, base_url=ORIGIN)
    replayed = bridge.browser()
    replayed.set_cookie(COOKIE, second, domain="bridge.example", secure=True)
    assert bridge.get(replayed, "/console").status_code == 303


def test_a_capture_is_bounded_and_opens_nothing(stage, canary):
    """The inspector reads no file and asks nobody; what is too large is refused, and what is deep is not descended."""
    bridge, browser = stage
    token = token_of(bridge.get(browser, "/console"))
    entity = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{canary.file}"><!ENTITY y SYSTEM "{canary.url}">]><a>&x;&y;</a>'
    for message in (entity, "<a>" * 100_000, '{"log":' * 5_000, "[" * 100_000, "curl " + "'" * 1000, "%" * 5000):
        response = browser.post("/console/inspector", data={"form_token": token, "message": message}, base_url=ORIGIN)
        assert response.status_code in {200, 400}
        harmless(response)
    assert not canary.touched()
    for length in (MAX_CAPTURE + 1024, 64 * 1024 * 1024):
        response = browser.post(
            "/console/inspector",
            data=b"x" * length,
            content_type="multipart/form-data; boundary=b",
            base_url=ORIGIN,
        )
        assert response.status_code in {400, 403, 413}
    bridge.log.clear()


def test_one_address_cannot_guess_for_ever(tmp_path, redis_url):  # the last: it empties the Redis of the others
    """Many names from one address are counted together; a form that is too long is refused before it is hashed."""
    with running_bridge(tmp_path, redis_url) as bridge:
        browser = enrol(bridge)
        for number in range(MAX_FAILURES_OF_ADDRESS):
            assert sign_in(bridge, browser, name=f"guess{number}", password="x").status_code == 401
        assert sign_in(bridge, bridge.browser(), name=NAME).status_code == 429
        assert sign_in(bridge, bridge.browser(), password="x" * 3000).status_code == 400
