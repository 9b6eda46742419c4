"""After a logout that left an identity provider alive, the next sign-in in that browser is a fresh one (product T4)."""

from dataclasses import replace

import pytest
from flask import Response, request

from saml_slo.logout.transaction import Kept
from saml_slo.signin import Wish
from saml_slo.web.guard import Guard
from tests import idp
from tests.logout.made import logout
from tests.running import ORIGIN, running_bridge, sent
from tests.sp import Sp, Told, frames
from tests.web.pages import answer, asked, sign_in_elsewhere

GUARD = "__Host-slo-guard"
ONE = Sp("one", "idp-next")


def is_forced(bridge, browser, connection="idp"):
    """Whether our next AuthnRequest asks for a fresh sign-in."""
    return bridge.start_sign_in(browser, connection).root.get("ForceAuthn") == "true"


def signs_in(bridge, browser, *, ago=0):
    """Sign in; the identity provider says that the person proved who they are so many seconds ago."""
    asking = bridge.start_sign_in(browser)
    now = int((bridge.clock.now - idp.NOW).total_seconds())
    audience = f"<saml:AudienceRestriction><saml:Audience>{idp.SP}</saml:Audience></saml:AudienceRestriction>"
    made = bridge.answer(
        asking,
        statements=idp.authn_statement().replace(idp.instant(-5), idp.instant(now - ago)),
        confirmations=idp.bearer(expires=now + 300),
        conditions=f"<saml:Conditions>{audience}</saml:Conditions>",
    )
    response = bridge.deliver(browser, idp.post(made, endpoint=idp.ACS))
    assert response.status_code == 303, response.get_data(as_text=True)


def guard_of(response):
    """The Set-Cookie header of the guard, None where the response sets none."""
    return next((text for text in response.headers.getlist("Set-Cookie") if text.startswith(GUARD)), None)


def test_a_first_sign_in_is_not_forced(bridge, browser):
    """Nobody who did not sign out is asked twice."""
    assert not is_forced(bridge, browser)
    assert not is_forced(bridge, bridge.browser())


def test_after_a_local_logout_the_next_sign_in_is_fresh(bridge, browser):
    """The session at the identity provider was kept; so it is asked for a fresh sign-in, in this browser alone."""
    cookie = guard_of(bridge.logout(browser))
    for part in ("Secure", "HttpOnly", "Path=/", "SameSite=None", "Max-Age=86400"):
        assert part in cookie
    assert "Domain" not in cookie
    assert is_forced(bridge, browser)
    assert is_forced(bridge, browser), "until somebody signed in"
    assert not is_forced(bridge, browser, "other-idp")
    assert not is_forced(bridge, bridge.browser())


def test_a_fresh_sign_in_clears_the_guard(bridge, browser):
    """The person signed in after the logout: the next sign-in may be silent again."""
    bridge.logout(browser)
    bridge.clock.move(600)
    signs_in(bridge, browser)
    assert not is_forced(bridge, browser)


def test_clocks_may_differ(bridge, browser):
    """An AuthnInstant within the connection's skew before the logout is no old one."""
    bridge.clock.move(3600)
    signs_in(bridge, browser)
    bridge.logout(browser)
    bridge.clock.move(10)
    signs_in(bridge, browser, ago=150)
    assert not is_forced(bridge, browser)


def test_an_idp_that_ignores_force_authn_is_accepted_and_told_in_the_log(bridge, browser):
    """Refusing would lock people out; the guard stays, and the operator can see which connection it is."""
    bridge.logout(browser)
    bridge.clock.move(600)
    bridge.log.clear()
    signs_in(bridge, browser, ago=900)
    (line,) = [line for line in bridge.log if line["event"] == "force_authn_ignored"]
    assert line["connection"] == "idp"
    assert line["signed_out_at"] - line["signed_in_at"] == 300_000
    assert bridge.is_signed_in(browser)
    assert is_forced(bridge, browser)


def test_an_idp_that_was_not_asked_ignored_nothing(running):
    """It sends people here by itself, by a session that it kept: nobody asked for a fresh one, nobody is blamed."""
    bridge, browser = running(toml="idp_initiated_sign_in = true")
    bridge.logout(browser)
    bridge.clock.move(200)
    bridge.log.clear()
    made = idp.assertion(
        identifier="_unasked",
        statements=idp.authn_statement().replace(idp.instant(-5), idp.instant(-600)),
        confirmations=idp.bearer().replace('InResponseTo="_q1" ', ""),
    )
    made.set("IssueInstant", idp.instant(200))
    response = idp.response(idp.sign(made), sign_assertion=False, issued=idp.instant(200))
    del response.attrib["InResponseTo"]
    assert bridge.deliver(browser, idp.post(response, endpoint=idp.ACS)).status_code == 303
    assert bridge.is_signed_in(browser)
    assert not [line for line in bridge.log if line["event"] == "force_authn_ignored"]
    assert is_forced(bridge, browser)


def test_the_guard_is_over_after_a_day(bridge, browser):
    """Also where a browser keeps its cookies for ever."""
    bridge.logout(browser)
    bridge.clock.move(24 * 3600 - 1)
    assert is_forced(bridge, browser)
    bridge.clock.move(1)
    assert not is_forced(bridge, browser)


def test_who_was_signed_out_everywhere_is_not_guarded(bridge, browser):
    """While the identity provider has not answered the guard is there; its answer takes it away."""
    asking = asked(bridge, browser)
    assert is_forced(bridge, browser)
    response = answer(bridge, browser, asking)
    assert "Max-Age=0" in guard_of(response)
    assert not is_forced(bridge, browser)


@pytest.mark.parametrize("status", [idp.status("urn:oasis:names:tc:SAML:2.0:status:Responder")])
def test_who_was_refused_stays_guarded(bridge, browser, status):
    """No means that the session lives."""
    answer(bridge, browser, asked(bridge, browser), status=status)
    assert is_forced(bridge, browser)


def test_each_identity_provider_by_itself(bridge, browser):
    """Of two, the one that ended its session is not guarded, the other one is."""
    sign_in_elsewhere(bridge, browser)
    answer(bridge, browser, asked(bridge, browser))
    assert not is_forced(bridge, browser)
    assert is_forced(bridge, browser, "other-idp")


def test_a_later_logout_does_not_forget_an_earlier_one(bridge, browser):
    """The cookie is a list."""
    bridge.logout(browser)
    sign_in_elsewhere(bridge, browser)
    bridge.logout(browser)
    assert is_forced(bridge, browser)
    assert is_forced(bridge, browser, "other-idp")


def test_a_logout_that_an_application_asked_for_is_guarded_too(tmp_path, redis_url):
    """It passes through this browser, and by policy the identity provider is left alone (product L8)."""
    with running_bridge(tmp_path, redis_url, sps=(ONE,), federated="never") as bridge:
        browser = bridge.browser()
        told = ONE.sign_in(bridge, browser)
        response = ONE.start_logout(bridge, browser, told)
        assert guard_of(response)
        assert is_forced(bridge, browser)


def test_by_soap_no_cookie_is_set(tmp_path, redis_url):
    """There is no browser."""
    with running_bridge(tmp_path, redis_url, sps=(ONE,), federated="never") as bridge:
        browser = bridge.browser()
        told = ONE.sign_in(bridge, browser)
        assert "Set-Cookie" not in ONE.start_logout(bridge, browser, told, binding="soap").headers


def test_an_idp_that_logs_out_by_itself_is_not_guarded(bridge, browser):
    """It says that its session is over; the other one of this session is kept, and guarded."""
    sign_in_elsewhere(bridge, browser)
    message = idp.logout_request(signed=False)
    bridge.deliver(browser, idp.redirect(message))
    assert not bridge.is_signed_in(browser)
    assert not is_forced(bridge, browser)
    assert is_forced(bridge, browser, "other-idp")


def test_an_answer_by_another_browser_is_not_remembered_there(tmp_path, redis_url):
    """An application's frame answers wherever it was opened: whose logout it was not has nothing to guard."""
    with running_bridge(tmp_path, redis_url, sps=(ONE,)) as bridge:
        browser, other = bridge.browser(), bridge.browser()
        ONE.sign_in(bridge, browser)
        (frame,) = frames(bridge.get(browser, bridge.logout(browser).headers["Location"]).get_data(as_text=True))
        assert guard_of(ONE.answer(bridge, other, sent(bridge.get(other, frame)))) is None
        assert is_forced(bridge, browser)
        assert not is_forced(bridge, other)


def test_the_request_of_an_application_is_forced_as_well(tmp_path, redis_url):
    """Its AuthnRequest leads to ours; a passive one is told that nobody is signed in, as before."""
    with running_bridge(tmp_path, redis_url, sps=(ONE,)) as bridge:
        browser = bridge.browser()
        ONE.sign_in(bridge, browser)
        bridge.logout(browser)
        response = ONE.ask(bridge, browser)
        assert response.headers["Location"].startswith("/login")
        page = browser.get(response.headers["Location"], base_url=ORIGIN)
        assert sent(page).root.get("ForceAuthn") == "true"
        passive = Told(ONE, sent(ONE.ask(bridge, browser, IsPassive="true")))
        assert passive.status == ["Responder", "NoPassive"]


def test_silent_sign_ins_may_be_allowed(tmp_path, redis_url):
    """The setting `allow`: no cookie, no ForceAuthn, and an old cookie means nothing."""
    with running_bridge(tmp_path, redis_url, silent_sign_in="allow") as bridge:
        browser = bridge.browser()
        bridge.sign_in(browser)
        assert guard_of(bridge.logout(browser)) is None
        assert not is_forced(bridge, browser)


@pytest.mark.parametrize("value", ["", "x", "W1siaWRwIiwxXV0.AAAA"])
def test_a_forged_cookie_is_nothing(bridge, value):
    """Whoever writes it into a browser changes nothing and breaks nothing."""
    browser = bridge.browser()
    browser.set_cookie(GUARD, value, domain="bridge.example")
    assert not is_forced(bridge, browser)


def test_the_cookie_stays_small(bridge):
    """At most 20 connections, the newest, however long their names: browsers take 4 kB."""
    guard, names = Guard(b"k" * 32, bridge.clock, asks=True), [f"{number:064}" for number in range(50)]
    kept = [Kept(name=name, peer=name, since=0, reason="It was left alone.") for name in names]
    response = Response()
    for number, one in enumerate(kept):
        made = replace(logout(), targets=(), kept=(one,), started_at=int(bridge.clock().timestamp() * 1000) + number)
        header = guard_of(response).partition(";")[0] if number else ""
        response = Response()
        with bridge.app.test_request_context(base_url=ORIGIN, headers={"Cookie": header}):
            guard.after_logout(request, response, made)
    assert len(guard_of(response)) < 4096
    with bridge.app.test_request_context(base_url=ORIGIN, headers={"Cookie": guard_of(response).partition(";")[0]}):
        forced = [name for name in names if guard.wish(request, name, Wish(None)).force_authn]
    assert forced == names[-20:]
