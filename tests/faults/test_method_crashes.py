"""S7, T5: a worker that dies between the commit of a logout and its tokens or webhooks; the sweeper makes up for it."""

from contextlib import suppress
from itertools import count
from urllib.parse import urlsplit

import pytest

from saml_slo.store.embedded import EmbeddedRedis
from tests import idp
from tests.faults import crashing
from tests.methods.receiver import Receiver, application, logout_token, until, webhook_is_signed_by
from tests.methods.test_webhook import secret
from tests.running import running_bridge

MAX_MESSAGES = 3  # of one delivery: the one that may have left before the crash, and those of two sweeps


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis whose socket the proxy can reach."""
    with EmbeddedRedis(tmp_path_factory.mktemp("crash")) as running:
        yield running


@pytest.fixture
def token():
    """The receiver of logout tokens."""
    with Receiver() as running:
        yield running


@pytest.fixture
def hook():
    """The receiver of webhooks."""
    with Receiver() as running:
        yield running


@pytest.fixture
def bridge(tmp_path, server, token, hook):
    """The worker that survives, with an application of each method that is called from server to server."""
    apps = [application("rp", "oidc-backchannel", token.url()), application("hook", "webhook", hook.url())]
    how = {"back_channel_allow": ("127.0.0.1",), "back_channel_timeout": 5}
    with running_bridge(tmp_path, server.url, sps=apps, **how) as running:
        running.apps = apps
        yield running


def prepare(bridge, receivers):
    """An empty Redis, and one person signed in at both applications; return the browser and its cookies."""
    bridge.redis.flushall()
    bridge.clock.now = idp.NOW
    for receiver in receivers:
        receiver.got.clear()
    browser = bridge.browser()
    for app in bridge.apps:
        app.sign_in(bridge, browser)
    found = {name: browser.get_cookie(name, domain="bridge.example") for name in ("__Host-slo", "__Host-slo-logout")}
    return browser, {name: cookie.value for name, cookie in found.items() if cookie is not None}


def the_logout(bridge):
    """The one logout that there is."""
    (name,) = bridge.redis.scan_iter("slo:*:logout:*")
    return bridge.app.extensions["saml_slo"].store.read_logout(name.decode().rpartition(":")[2])


def sweep_until_settled(bridge):
    """Let time pass and sweep, as the sweeper's thread would, until nothing more happens by itself."""
    for _ in range(6):
        if (found := the_logout(bridge)).settled:
            return
        bridge.clock.move(6)
        if bridge.app.extensions["saml_slo"].sweeper.sweep():
            until(lambda before=found: the_logout(bridge).version > before.version)
            with suppress(AssertionError):
                until(lambda: the_logout(bridge).settled, 5)


def test_nobody_is_forgotten(bridge, server, token, hook):
    """Killed after each Redis command of a logout: either nothing had happened, or everybody is told in the end.

    Whoever is told twice can know it: the webhook's id stays, and every token has a jti of its own.
    """
    receivers, where = (token, hook), urlsplit(server.url).path
    ended = 0
    for number in count(1):
        browser, cookies = prepare(bridge, receivers)
        died = crashing.run(bridge.settings, "/v2/logout", cookies, where, (number, crashing.EXECUTED))
        if not died.killed:
            break  # the logout had fewer commands: answers that come together are committed together
        if bridge.is_signed_in(browser):
            assert not any(receiver.got for receiver in receivers), f"told before the commit: command {number}"
            bridge.logout(browser)
        else:
            ended += 1
        assert not bridge.is_signed_in(browser)
        sweep_until_settled(bridge)
        states = {target.name: target.state for target in the_logout(bridge).targets}
        assert {states["rp"], states["hook"]} == {"confirmed"}, f"command {number}: {states}"
        for receiver in receivers:
            assert 1 <= len(receiver.got) <= MAX_MESSAGES, f"command {number}"
        assert len({got.headers["Webhook-Id"] for got in hook.got}) == 1
        assert all(webhook_is_signed_by(got, secret(bridge)) for got in hook.got)
        assert len({got.token for got in token.got}) == len(token.got)
    assert ended >= 2
    _, claims = logout_token(bridge, token.got[-1].token, audience="rp")
    assert claims["sid"]
