"""Who gets into the console: by a link that is good once, by a password, and nobody by guessing (product O5)."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.console.operator import NAME, PASSWORD, enrol, sign_in, token_of
from tests.running import ORIGIN


def test_nobody_is_shown_the_console_without_a_session(bridge):
    """Whoever comes is sent to the sign-in, and will be sent back to the page that they wanted."""
    response = bridge.get(bridge.browser(), "/console")
    assert response.headers["Location"] == "/console/sign-in?to=%2Fconsole"
    assert not bridge.redis.keys("slo:{operators}*")


def test_a_link_makes_an_operator_once(bridge):
    """The second use finds nothing, and the first operator stays."""
    accounts = bridge.app.extensions["saml_slo"].operators
    link = accounts.new_link()
    browser, late = bridge.browser(), bridge.browser()
    forms = [token_of(bridge.get(one, f"/console/first?link={link}")) for one in (browser, late)]
    data = {"link": link, "name": NAME, "password": PASSWORD}
    assert browser.post("/console/first", data={**data, "form_token": forms[0]}, base_url=ORIGIN).status_code == 303
    refused = late.post("/console/first", data={**data, "name": "eve", "form_token": forms[1]}, base_url=ORIGIN)
    assert refused.status_code == 404
    assert bridge.app.extensions["saml_slo"].store.operators() == (NAME,)
    assert bridge.get(browser, "/console").status_code == 200
    assert bridge.get(late, "/console").status_code == 303


def test_a_newer_link_voids_the_one_before(bridge):
    """A link that somebody saw can be made worthless."""
    accounts = bridge.app.extensions["saml_slo"].operators
    old, _ = accounts.new_link(), accounts.new_link()
    assert bridge.get(bridge.browser(), f"/console/first?link={old}").status_code == 404


@pytest.mark.parametrize(
    ("name", "password"), [("Olga!", PASSWORD), (NAME, "short"), ("", PASSWORD), (NAME, "x" * 257)]
)
def test_a_bad_name_or_password_leaves_the_link_usable(bridge, name, password):
    """A typing error costs no walk to the server."""
    accounts = bridge.app.extensions["saml_slo"].operators
    link, browser = accounts.new_link(), bridge.browser()
    token = token_of(bridge.get(browser, f"/console/first?link={link}"))
    form = {"link": link, "name": name, "password": password, "form_token": token}
    assert browser.post("/console/first", data=form, base_url=ORIGIN).status_code == 400
    assert accounts.is_link(link)


def test_the_password_opens_a_session_and_rests_as_argon2(bridge):
    """Redis holds neither the password nor the token of a session."""
    enrol(bridge)
    browser = bridge.browser()
    response = sign_in(bridge, browser, to="/console")
    assert response.headers["Location"] == "/console"
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-slo-console=")
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"))
    assert bridge.get(browser, "/console").status_code == 200
    token = cookie.partition("=")[2].partition(";")[0]
    kept = b"".join(bridge.redis.dump(key) or b"" for key in bridge.redis.scan_iter())
    assert token.encode() not in kept
    assert bridge.redis.hget("slo:{operators}", NAME).startswith(b"$argon2id$")


def test_the_sixth_failure_stops_guessing_even_for_the_right_password(bridge):
    """The limit is the name's, whatever the guess; another operator signs in meanwhile."""
    enrol(bridge)
    enrol(bridge, name="otto")
    for _ in range(5):
        assert sign_in(bridge, bridge.browser(), password="wrong but long enough").status_code == 401
    assert sign_in(bridge, bridge.browser()).status_code == 429
    assert sign_in(bridge, bridge.browser(), name="otto").status_code == 303


def test_a_stranger_and_a_wrong_password_look_the_same(bridge):
    """Nobody learns who is an operator."""
    enrol(bridge)
    pages = [
        sign_in(bridge, bridge.browser(), name=name, password="wrong but long enough") for name in (NAME, "nobody")
    ]
    assert pages[0].get_data() == pages[1].get_data()
    assert [page.status_code for page in pages] == [401, 401]


def test_a_session_ends_by_sign_out_by_time_and_with_its_operator(bridge):
    """Twelve hours at the most; a removed operator's session ends with the next page."""
    browser = enrol(bridge)
    token = token_of(bridge.get(browser, "/console"))
    assert browser.post("/console/sign-out", data={"form_token": token}, base_url=ORIGIN).status_code == 303
    assert bridge.get(browser, "/console").status_code == 303
    sign_in(bridge, browser)
    bridge.clock.move(12 * 3600)
    assert bridge.get(browser, "/console").status_code == 303
    sign_in(bridge, browser)
    assert bridge.get(browser, "/console").status_code == 200
    bridge.app.extensions["saml_slo"].store.remove_operator(NAME)
    assert bridge.get(browser, "/console").status_code == 303


@pytest.mark.parametrize("path", ["/console/sign-out", "/console/sign-in", "/console/first"])
@pytest.mark.parametrize("how", ["no token", "another's token", "another origin"])
def test_a_form_of_somebody_else_is_refused(bridge, path, how):
    """J: cross-site forms do nothing, also not a sign-in under somebody else's name."""
    browser, other = enrol(bridge), enrol(bridge, name="otto")
    tokens = {"no token": "", "another's token": token_of(bridge.get(other, "/console"))}
    own = token_of(bridge.get(browser, "/console" if path.endswith("out") else "/console/sign-in"))
    form = {"form_token": tokens.get(how, own), "name": NAME, "password": PASSWORD, "link": "x"}
    headers = {"Origin": "https://evil.example"} if how == "another origin" else {}
    response = browser.post(path, data=form, headers=headers, base_url=ORIGIN)
    assert response.status_code == 403
    assert bridge.reasons() == ["csrf_rejected"]
    assert bridge.get(browser, "/console").status_code == 200


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/console\\@evil",
        "/consoles",
        "javascript:1",
        "/console\r\nX: y",
    ],
)
def test_the_way_back_leads_into_the_console_only(bridge, to):
    """No open redirect by the page that one wanted."""
    enrol(bridge)
    assert sign_in(bridge, bridge.browser(), to=to).headers["Location"] == "/console"


def test_a_new_password_ends_every_session_before_it(bridge):
    """J218: whoever got at a session, or came back under a name that was free again, is out with the next page."""
    stolen = enrol(bridge)
    fresh = enrol(bridge, password="another horse, another battery")
    assert bridge.get(stolen, "/console").status_code == 303
    assert bridge.get(fresh, "/console").status_code == 200
    store = bridge.app.extensions["saml_slo"].store
    store.remove_operator(NAME)
    again = enrol(bridge)  # nothing looked at a page in between, so both old sessions still rest in the store
    assert [bridge.get(one, "/console").status_code for one in (stolen, fresh, again)] == [303, 303, 200]


def test_of_many_guesses_at_once_no_more_are_looked_at_than_in_a_row(bridge):
    """J218: an attempt counts before it is compared, so that forty at the same moment are not forty guesses."""
    enrol(bridge)
    browsers = [bridge.browser() for _ in range(40)]
    form = {"form_token": token_of(bridge.get(browsers[0], "/console/sign-in")), "name": NAME, "password": "w" * 20}

    def guess(browser):
        return browser.post("/console/sign-in", data=form, base_url=ORIGIN).status_code

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(guess, browsers))
    assert set(answers) <= {401, 429}
    assert answers.count(401) <= 5
    while answers.count(401) < 5:  # of those that met others under way none counts
        answers.append(guess(bridge.browser()))
    assert sign_in(bridge, bridge.browser()).status_code == 429


def test_good_attempts_are_not_counted(bridge):
    """Signing in ten times is no failure; neither is being turned away."""
    enrol(bridge)
    assert [sign_in(bridge, bridge.browser()).status_code for _ in range(10)] == [303] * 10
    for _ in range(4):
        assert sign_in(bridge, bridge.browser(), password="wrong but long enough").status_code == 401
    assert sign_in(bridge, bridge.browser()).status_code == 303


def test_strangers_fill_neither_the_audit_nor_anything_for_long(bridge):
    """What somebody makes up leaves counters that go by themselves, and nothing in the audit trail."""
    for number in range(8):
        assert sign_in(bridge, bridge.browser(), name=f"nobody{number}").status_code == 401
    left = list(bridge.redis.scan_iter())
    assert not [key for key in left if key.endswith(b":audit")]
    assert all(0 < bridge.redis.pttl(key) <= 15 * 60 * 1000 for key in left)


def test_nobody_guesses_while_attempts_cannot_be_counted(bridge):
    """A Redis that is full counts nothing, so no password is compared: neither a wrong nor the right one."""
    enrol(bridge)
    bridge.redis.config_set("maxmemory", 1)
    try:
        answers = [sign_in(bridge, bridge.browser(), password=text).status_code for text in ("w" * 20, PASSWORD)]
    finally:
        bridge.redis.config_set("maxmemory", 0)
    assert answers == [503, 503]
    assert sign_in(bridge, bridge.browser()).status_code == 303
