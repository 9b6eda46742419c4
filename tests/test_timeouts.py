"""Sessions that end by themselves: applications hear of it, an identity provider never does (product S3, L14)."""

import pytest

from tests import idp
from tests.running import running_bridge
from tests.serving import wait_until
from tests.sp import SoapEndpoint, Sp

LOCAL = {"back_channel_allow": ("127.0.0.0/8",)}
FRONT = Sp("front", "idp-next")


@pytest.fixture
def endpoint():
    """An application's SOAP endpoint."""
    with SoapEndpoint(signer="idp-next", entity_id="https://back.example/saml") as running:
        yield running


@pytest.fixture
def back(endpoint):
    """The application behind it."""
    return Sp("back", "idp-next", ("SOAP", "HTTP-Redirect"), soap_url=endpoint.url)


def parts(bridge):
    """The running bridge's own parts."""
    return bridge.app.extensions["saml_slo"]


def expired(bridge):
    """Let the idle time pass and sweep; return the logout that this began, once it is settled."""
    bridge.clock.move(bridge.settings.idle_lifetime)
    (before,) = bridge.redis.scan_iter("slo:*:session:*")
    assert parts(bridge).sweeper.sweep() >= 1
    logout_id = bridge.redis.get(before).decode()[1:]

    def done():
        found = parts(bridge).store.read_logout(logout_id)
        return None if any(target.is_open for target in found.targets) else found

    return wait_until(done)


def test_an_idle_session_tells_its_applications_and_no_idp(tmp_path, redis_url, endpoint, back):
    """The LogoutRequest gives the reason global-timeout; who needs a browser is unreachable; the IdP is kept."""
    with running_bridge(tmp_path, redis_url, sps=(back, FRONT), **LOCAL) as bridge:
        endpoint.clock = bridge.clock
        browser = bridge.browser()
        back.sign_in(bridge, browser)
        FRONT.sign_in(bridge, browser)
        done = expired(bridge)
        assert {target.name: str(target.state) for target in done.targets} == {
            "Session here": "confirmed",
            "back": "confirmed",
            "front": "unreachable",
        }
        assert [(kept.peer, "time was over" in kept.reason) for kept in done.kept] == [("idp", True)]
        assert done.initiator == "timeout"
        (asked,) = endpoint.asked
        assert asked.get("Reason") == "urn:oasis:names:tc:SAML:2.0:logout:global-timeout"
        assert not bridge.is_signed_in(browser)


def test_a_session_that_was_seen_at_the_last_moment_does_not_end(tmp_path, redis_url, endpoint, back):
    """The commit holds the session's time against the clock: being seen between reading and ending wins."""
    with running_bridge(tmp_path, redis_url, sps=(back,), **LOCAL) as bridge:
        browser = bridge.browser()
        back.sign_in(bridge, browser)
        bridge.clock.move(bridge.settings.idle_lifetime - 61)
        (key,) = bridge.redis.scan_iter("slo:*:session:*")
        stale = parts(bridge).store.read_any_session(key.decode().rpartition(":")[2])
        assert bridge.is_signed_in(browser)
        bridge.clock.move(100)
        assert parts(bridge).sweeper.remote.expire(stale) is None
        assert bridge.is_signed_in(browser)
        assert not endpoint.asked


def test_a_failed_notice_of_an_expiry_is_tried_again(tmp_path, redis_url, endpoint, back):
    """T5: the application's session may live on although ours could not have."""
    with running_bridge(tmp_path, redis_url, sps=(back,), session_lifetime=3600, idle_lifetime=3600, **LOCAL) as bridge:
        endpoint.clock, endpoint.fail = bridge.clock, True
        back.sign_in(bridge, bridge.browser())
        assert expired(bridge).targets[1].state == "timed_out"
        endpoint.fail = False
        bridge.clock.move(6)
        parts(bridge).sweeper.sweep()
        wait_until(lambda: len(endpoint.asked) == 2)
        assert len({message.get("ID") for message in endpoint.asked}) == 2


def test_an_idp_that_asks_after_an_expiry_hears_the_truth(tmp_path, redis_url, back, endpoint):
    """L7, L10: the session is gone; an application that did not hear of it makes the answer PartialLogout."""
    with running_bridge(tmp_path, redis_url, sps=(FRONT,), **LOCAL) as bridge:
        FRONT.sign_in(bridge, bridge.browser())
        expired(bridge)
        issued = bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        response = bridge.deliver(bridge.browser(), idp.redirect(idp.logout_request(signed=False, issued=issued)))
        assert response.status_code == 303
        assert "SAMLResponse" in response.headers["Location"]


def test_by_setting_nobody_is_told(tmp_path, redis_url, endpoint, back):
    """SLO_TELL_EXPIRED off: the session ends quietly."""
    with running_bridge(tmp_path, redis_url, sps=(back,), tell_expired=False, **LOCAL) as bridge:
        browser = bridge.browser()
        back.sign_in(bridge, browser)
        bridge.clock.move(bridge.settings.idle_lifetime)
        assert parts(bridge).sweeper.sweep() >= 1
        assert not bridge.is_signed_in(browser)
        assert not endpoint.asked
