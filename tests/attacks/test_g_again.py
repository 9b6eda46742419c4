"""Who was signed out from elsewhere can sign in again in the same browser, and never without a word."""

import pytest

from tests import idp
from tests.api.calling import SHOP_AND_BLOG, Caller, handle_of_browser
from tests.running import running_bridge, sent


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with an application that calls the API."""
    with running_bridge(tmp_path, redis_url, applications=SHOP_AND_BLOG) as running:
        yield running


def by_the_api(bridge, browser):
    """An application logs the person out."""
    Caller(bridge, "shop").register("own-1", session=handle_of_browser(bridge))
    assert Caller(bridge, "shop").logout(session="own-1").status_code == 201


def by_the_idp(bridge, browser):
    """The identity provider does, by another browser or none."""
    issued = bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    bridge.deliver(bridge.browser(), idp.redirect(idp.logout_request(signed=False, issued=issued)))


def by_the_clock(bridge, browser):
    """The session's time is over, and its application is told."""
    Caller(bridge, "shop").register("own-1", session=handle_of_browser(bridge), expires_at="2026-11-20T06:30:00Z")
    bridge.clock.move(300)
    bridge.app.extensions["saml_slo"].sweeper.sweep()


def by_its_application(bridge, browser):
    """Another browser's link names the session."""
    bridge.logout(bridge.browser(), session=handle_of_browser(bridge), client_id="shop")


ENDS = [by_the_api, by_the_idp, by_the_clock, by_its_application]


@pytest.mark.parametrize("end", ENDS)
def test_a_browser_whose_session_was_ended_elsewhere_signs_in_again(bridge, monkeypatch, end):
    """L12 is about sign-ins from before the logout; the cookie of an ended session keeps nobody out for a day."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    end(bridge, browser)
    assert not bridge.is_signed_in(browser)
    bridge.clock.move(5)
    monkeypatch.setattr(idp, "NOW", bridge.clock.now)
    response = bridge.sign_in(browser, identifier="_again")
    assert response.status_code == 303, bridge.reasons()
    assert bridge.is_signed_in(browser)


@pytest.mark.parametrize("end", ENDS)
def test_a_sign_in_from_before_the_end_is_still_refused(bridge, monkeypatch, end):
    """L12: the control. It was begun while the session lived, and the answer comes when it is over."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    request = bridge.start_sign_in(browser)
    bridge.clock.move(5)
    end(bridge, browser)
    monkeypatch.setattr(idp, "NOW", bridge.clock.now)
    answer = bridge.answer(request, identifier="_late")
    assert bridge.deliver(browser, idp.post(answer, endpoint=idp.ACS)).status_code == 400
    assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize(
    ("end", "forced"), [(by_the_api, "true"), (by_its_application, "true"), (by_the_idp, None), (by_the_clock, None)]
)
def test_nobody_is_signed_in_again_without_a_word(bridge, end, forced):
    """T4: a logout from elsewhere could not reach the identity provider, so the next sign-in in this browser is fresh.

    Where that provider itself ended its session, or only a time was over, nothing is asked.
    """
    browser = bridge.browser()
    bridge.sign_in(browser)
    end(bridge, browser)
    bridge.clock.move(5)
    assert bridge.start_sign_in(browser).root.get("ForceAuthn") == forced
    stranger = bridge.browser()
    assert sent(bridge.get(stranger, "/login?connection=idp")).root.get("ForceAuthn") is None
