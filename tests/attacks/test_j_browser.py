"""Group J: what a browser, a proxy or a log could be tricked into, on the surfaces of this step.

J223 (API) and J216's frame endpoints come with the surfaces that they are about; J225's full run at DEBUG is here for
the main job and one refusal of each family.
"""

import re

import pytest
import structlog

from saml_slo.app import configure_logging
from tests import idp
from tests.attacks.invariants import deliver
from tests.running import ORIGIN, sent

SCRIPT = '"><svg/onload=alert(1)>'
PAGES = (
    "/",
    "/v2/logout",
    "/session/status",
    "/login?connection=nobody",
    "/nothing",
    "/logout/x",
    "/readyz",
    "/healthz",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_response_is_hardened(stage, path):
    """J213, J216, J222: strict policy, no framing, no sniffing, no referrer, no cache, on pages and errors alike."""
    response = stage.bridge.get(stage.bridge.browser(), path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Strict-Transport-Security"]
    assert "Access-Control-Allow-Origin" not in response.headers


def test_metadata_may_be_cached_and_nothing_else_says_so(stage):
    """J222: the one public document has an ETag and a lifetime."""
    response = stage.bridge.get(stage.bridge.browser(), "/saml/sp/idp/metadata")
    assert response.headers["Cache-Control"].startswith("public")
    again = stage.bridge.get(
        stage.bridge.browser(), "/saml/sp/idp/metadata", headers={"If-None-Match": response.headers["ETag"]}
    )
    assert again.status_code == 304


def test_cookies_are_host_only_secure_and_hidden(stage):
    """J220: every cookie is __Host-, Secure, HttpOnly, Path=/, without Domain; None only where an IdP posts."""
    browser, seen = stage.bridge.browser(), []
    response = browser.get("/login?connection=idp", base_url=ORIGIN)
    seen += response.headers.getlist("Set-Cookie")
    answer = stage.bridge.answer(sent(response), name_id=idp.NAME_ID.replace("alice", "cookie"))
    seen += stage.bridge.deliver(browser, idp.post(answer, endpoint=idp.ACS)).headers.getlist("Set-Cookie")
    seen += stage.bridge.logout(browser, federated="").headers.getlist("Set-Cookie")
    assert len(seen) >= 4
    for cookie in seen:
        name, _, attributes = cookie.partition("=")
        assert name.startswith("__Host-slo")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(attributes.split("; "))
        assert "Domain" not in attributes
        assert ("SameSite=None" in attributes) == name.startswith(("__Host-slo-signin-", "__Host-slo-guard"))


def test_a_sign_in_gives_a_new_session_and_ignores_planted_cookies(stage):
    """J218: neither a session id nor a pending sign-in can be planted; the old id is worthless after the sign-in."""
    browser = stage.bridge.browser()
    planted = "3f." + "A" * 43
    browser.set_cookie("__Host-slo", planted, domain="bridge.example", secure=True)
    browser.set_cookie("__Host-slo-signin-000000000000", "forged", domain="bridge.example", secure=True)
    assert stage.bridge.sign_in(browser, name_id=idp.NAME_ID.replace("alice", "fixed")).status_code == 303
    assert browser.get_cookie("__Host-slo", domain="bridge.example").value != planted
    other = stage.bridge.browser()
    other.set_cookie("__Host-slo", planted, domain="bridge.example", secure=True)
    assert not stage.bridge.is_signed_in(other)


def test_login_csrf_needs_the_browser_that_asked(stage):
    """J219: the attacker's own fresh Response, posted in the victim's browser, signs nobody in."""
    stage.refused(idp.post(stage.response(), endpoint=idp.ACS), "in_response_to_mismatch", browser=stage.victim)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.test"},
        {"Host": "bridge.example.evil.test"},
        {"Host": "bridge.example:8443"},
        {"Host": "bridge.example@evil.test"},
        {"Host": ""},
    ],
)
def test_a_foreign_host_is_refused(stage, headers):
    """J221: another Host is a 400 and reaches no endpoint."""
    stage.refused(
        lambda browser: browser.get("/v2/logout?federated", headers=headers), "bad_request", browser=stage.alice
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "http", "X-Forwarded-For": "6.6.6.6"},
        {"Forwarded": "host=evil.test;proto=http"},
        {"X-Original-URL": "/v2/logout", "X-Rewrite-URL": "/v2/logout"},
    ],
)
def test_forwarding_headers_change_no_url(stage, headers):
    """J221: every URL in a message comes from the settings."""
    response = stage.bridge.browser().get("/login?connection=idp", headers=headers, base_url=ORIGIN)
    request = sent(response)
    assert request.root.get("AssertionConsumerServiceURL") == idp.ACS
    assert "evil" not in str(response.headers)


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"Sec-Purpose": "prefetch"}),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}),
        ("GET", {"Purpose": "prefetch"}),
        ("OPTIONS", {}),
        ("PUT", {}),
        ("DELETE", {}),
    ],
)
def test_link_checkers_and_prefetchers_sign_nobody_out(stage, method, headers):
    """J215: HEAD, prefetch and prerender end nothing. A plain cross-site GET does: see docs/decisions."""
    stage.refused(
        lambda browser: browser.open("/v2/logout?federated", method=method, headers=headers, base_url=ORIGIN),
        "bad_request",
        "method_not_allowed",
        browser=stage.alice,
        status=400 if headers else 405,
    )


@pytest.mark.parametrize(
    "send",
    [
        lambda browser: browser.get(f"/{SCRIPT}", base_url=ORIGIN),
        lambda browser: browser.get("/logout/" + SCRIPT.replace("/", ""), base_url=ORIGIN),
        lambda browser: browser.get("/login", query_string={"connection": SCRIPT}, base_url=ORIGIN),
        lambda browser: browser.get("/v2/logout", query_string={"returnTo": SCRIPT}, base_url=ORIGIN),
        lambda browser: browser.get("/v2/logout", query_string={"client_id": SCRIPT}, base_url=ORIGIN),
        lambda browser: browser.get("/v2/logout", headers={"Host": SCRIPT}),
        lambda browser: deliver(browser, idp.post(SCRIPT.encode(), parameter="SAMLResponse", endpoint=idp.ACS)),
        lambda browser: deliver(browser, idp.post(idp.logout_response(issuer="&lt;svg/onload=alert(1)&gt;"))),
    ],
)
def test_error_pages_echo_nothing_unescaped(stage, send):
    """J213: whatever came, the page holds no tag of the sender's."""
    refusal = stage.refused(
        send,
        "not_found",
        "connection_unknown",
        "return_url_not_allowed",
        "application_unknown",
        "bad_request",
        "xml_malformed",
        "issuer_unknown",
        browser=stage.alice,
        generic=False,
    )
    assert "<svg/onload" not in refusal.response.get_data(as_text=True)


@pytest.mark.parametrize("name", ["X-Request-Id", "User-Agent", "Cookie", "Accept-Language"])
def test_headers_of_a_request_are_not_reflected(stage, name):
    """J214: nothing of a request's headers comes back in ours."""
    response = stage.bridge.browser().get("/nothing", headers={name: "marker-3141"}, base_url=ORIGIN)
    assert "marker-3141" not in str(response.headers)
    assert "marker-3141" not in response.get_data(as_text=True)


HOSTILE_TEXT = 'x\r\n{"event": "forged"}\x1b[31m\u2028\u202e%s{jndi:ldap://evil}\\"' + "A" * 5000


@pytest.mark.parametrize("where", ["path", "connection", "returnTo", "issuer", "status"])
def test_one_event_is_one_line_of_json(stage, capsys, where):
    """J224: control characters, quotes and length from outside never make a second line or a raw escape."""
    before = structlog.get_config()
    browser = stage.bridge.browser()
    escaped = "x&#13;&#10;{}&#x2028;" + "A" * 5000
    configure_logging("debug")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(), cache_logger_on_first_use=False)
    try:
        if where == "path":
            browser.get("/" + HOSTILE_TEXT.replace("\r\n", "%0d%0a"), base_url=ORIGIN)
        elif where in ("connection", "returnTo"):
            browser.get("/login", query_string={where: HOSTILE_TEXT}, base_url=ORIGIN)
        elif where == "issuer":
            deliver(browser, idp.post(idp.logout_response(issuer=escaped)))
        else:
            deliver(browser, idp.post(idp.logout_response(status=idp.status("urn:x:" + escaped))))
    finally:
        structlog.configure(**before)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("{")
    assert lines[0].endswith("}")
    assert lines[0].isprintable()
    assert len(lines[0]) < 5000


def test_the_log_holds_no_secret(stage, capsys):
    """J225: at DEBUG a sign-in, a logout and a refusal leave no NameID, cookie, key, token or message in the log."""
    before = structlog.get_config()
    configure_logging("debug")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(), cache_logger_on_first_use=False)
    browser = stage.bridge.browser()
    try:
        request = stage.bridge.start_sign_in(browser)
        answer = stage.bridge.answer(request, name_id=idp.NAME_ID.replace("alice", "secret"))
        stage.bridge.deliver(browser, idp.post(answer, endpoint=idp.ACS))
        token = browser.get_cookie("__Host-slo", domain="bridge.example").value
        stage.bridge.deliver(browser, idp.post(answer, endpoint=idp.ACS))
        pending = sent(stage.bridge.logout(browser, federated=""))
        deliver(browser, idp.post(idp.logout_response(in_response_to=pending.id, status=idp.status("urn:x:no"))))
        deliver(browser, idp.post(idp.logout_response(in_response_to=pending.id)))
        handle = browser.get_cookie("__Host-slo-logout", domain="bridge.example").value
    finally:
        structlog.configure(**before)
    text = capsys.readouterr().out
    assert text
    for secret in ("secret@corp.test", token, handle.partition(".")[2], "<saml", "PRIVATE KEY", "PHNhbWxw"):
        assert secret not in text


def test_refusals_look_alike(stage):
    """J226: forty refusals for different reasons are one page but for the reference code."""
    pages, reasons = set(), set()
    hostile = [
        idp.post(b"<", endpoint=idp.ACS, parameter="SAMLResponse"),
        idp.post(stage.logout_response(issuer="https://nobody.example")),
        idp.post(stage.logout_response(destination="https://elsewhere.example")),
        idp.post(stage.logout_response(issued=idp.instant(-9999))),
        idp.post(stage.logout_response(issued=idp.instant(9999))),
        idp.post(stage.logout_response(signed=False)),
        idp.post(stage.logout_response(in_response_to="_nobody")),
        idp.post(idp.sign(stage.logout_response(signed=False), "other-idp")),
        idp.post(stage.logout_request(expires=idp.instant(-9999))),
        idp.redirect(stage.logout_response(signed=False), signer="other-idp"),
    ]
    for request in hostile * 4:
        response = deliver(stage.bridge.browser(), request)
        text = response.get_data(as_text=True)
        pages.add((response.status_code, re.sub(r"[0-9A-Z]{4}-[0-9A-Z]{4}", "", text)))
        reasons.update(stage.bridge.reasons())
    assert len(pages) == 1
    assert len(reasons) >= 8
