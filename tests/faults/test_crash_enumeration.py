"""F30, T5, T6: a worker killed at every Redis command of a logout, three ways each; nothing is lost, nothing claimed.

After each death another worker sweeps and the person's next click or the peer's repeated request comes in. Then
either nothing had happened (the session lives, and the repeated logout does it all) or everything is finished: the
back channel was asked, the front channel is asked on the page or `unreachable`, and the receipt is true.
"""

from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from saml_slo.store.embedded import EmbeddedRedis
from tests import idp
from tests.faults import crashing
from tests.running import running_bridge, sent
from tests.serving import wait_until
from tests.sp import SoapEndpoint, Sp, frames, receipt

FRONT = Sp("front", "other-idp", ("HTTP-Redirect",))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis whose socket the proxy can reach."""
    with EmbeddedRedis(tmp_path_factory.mktemp("crash")) as running:
        yield running


@pytest.fixture
def endpoint():
    """The back-channel application's endpoint."""
    with SoapEndpoint(signer="idp-next", entity_id="https://back.example/saml") as running:
        yield running


@pytest.fixture
def bridge(tmp_path, server, endpoint):
    """The worker that survives, with one application for each channel and an IdP."""
    back = Sp("back", "idp-next", ("SOAP",), soap_url=endpoint.url)
    with running_bridge(
        tmp_path,
        server.url,
        bindings=("Redirect",),
        sps=(FRONT, back),
        back_channel_allow=("127.0.0.1",),
        back_channel_timeout=5,
    ) as running:
        running.back = back
        endpoint.clock = running.clock
        yield running


def prepare(bridge, endpoint):
    """An empty Redis, and one person signed in at both applications; return the browser."""
    bridge.redis.flushall()
    bridge.clock.now = idp.NOW
    endpoint.asked.clear()
    browser = bridge.browser()
    FRONT.sign_in(bridge, browser)
    bridge.back.sign_in(bridge, browser)
    return browser


def cookies(browser):
    """The browser's cookies, for the worker that will die."""
    names = ("__Host-slo", "__Host-slo-logout")
    found = {name: browser.get_cookie(name, domain="bridge.example") for name in names}
    return {name: cookie.value for name, cookie in found.items() if cookie is not None}


def sweep_until_told(bridge, endpoint):
    """Let the clock go on and sweep, as the sweeper's thread would, until the back channel was asked and answered."""
    sweeper = bridge.app.extensions["saml_slo"].sweeper
    for _ in range(6):
        bridge.clock.move(6)
        if sweeper.sweep() and not endpoint.asked:
            with suppress(AssertionError):
                wait_until(lambda: endpoint.asked, 3)


def finish_in_browser(bridge, browser, response):
    """Follow the page as a browser does: frames, then the IdP, then the receipt; return its states."""
    for _ in range(6):
        if response.status_code == 303 and not response.headers["Location"].startswith("/logout/"):
            request = sent(response)
            if request.root.tag.endswith("LogoutResponse"):
                return request
            message = idp.logout_response(
                in_response_to=request.id,
                signed=False,
                issued=bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                identifier=f"_ls{request.id[-6:]}",
            )
            response = bridge.deliver(browser, idp.redirect(message))
            continue
        location = response.headers["Location"]
        for path in frames(bridge.get(browser, location).get_data(as_text=True)):
            FRONT.answer(bridge, browser, sent(bridge.get(browser, path)))
        wait_until(lambda where=location: not receipt(bridge, browser, where)["busy"])
        response = bridge.get(browser, f"{location}/next")
        if response.headers.get("Location") == location:
            return {row["name"]: row["state"] for row in receipt(bridge, browser, location)["sessions"]}
    raise AssertionError("the browser went round and round")


def crash_points(bridge, endpoint, server, request_of):
    """Yield (number, moment) for every command of one request, learnt from a run in which nobody dies."""
    browser = prepare(bridge, endpoint)
    dry = crashing.run(bridge.settings, request_of(browser), cookies(browser), urlsplit(server.url).path)
    assert dry.commands >= 3, dry.output
    for number in range(1, dry.commands + 1):
        for moment in (crashing.BEFORE, crashing.EXECUTED, crashing.AFTER):
            yield number, moment


def test_a_persons_logout_survives_a_crash_at_every_command(bridge, endpoint, server):
    """The person clicks again: the session is over, everybody was asked, and the receipt says so."""
    points = list(crash_points(bridge, endpoint, server, lambda _: "/v2/logout?federated"))
    for number, moment in points:
        browser = prepare(bridge, endpoint)
        crashing.run(
            bridge.settings, "/v2/logout?federated", cookies(browser), urlsplit(server.url).path, (number, moment)
        )
        was_ended = not bridge.is_signed_in(browser)
        if was_ended:
            sweep_until_told(bridge, endpoint)
        done = finish_in_browser(bridge, browser, bridge.logout(browser, federated=""))
        where = f"command {number}, {moment}: {done}"
        assert not bridge.is_signed_in(browser), where
        assert done["This browser"] == "confirmed", where
        assert done["back"] == "confirmed", where
        assert done["front"] == "confirmed", where
        assert 1 <= len(endpoint.asked) <= 4, where
    assert len(points) >= 15


def test_an_idps_request_survives_a_crash_at_every_command(bridge, endpoint, server):
    """The IdP repeats its request after the crash: it is told Success only when everybody was, and nothing is lost."""

    def request_of(_browser):
        query = idp.query(idp.logout_request(signed=False))
        return f"/saml/sp/idp/slo?{query}"

    points = list(crash_points(bridge, endpoint, server, request_of))
    for number, moment in points:
        browser = prepare(bridge, endpoint)
        path = request_of(browser)
        crashing.run(bridge.settings, path, {}, urlsplit(server.url).path, (number, moment))
        was_ended = not bridge.is_signed_in(browser)
        stranger = bridge.browser()
        again = bridge.get(stranger, path)
        where = f"command {number}, {moment}"
        assert not bridge.is_signed_in(browser), where
        assert again.headers["Location"].startswith("/logout/"), f"{where}: told too early"
        if was_ended:
            sweep_until_told(bridge, endpoint)
        answer = finish_in_browser(bridge, stranger, again)
        codes = [code.get("Value").rpartition(":")[2] for code in answer.root.iter("{*}StatusCode")]
        assert codes in (["Success"], ["Success", "PartialLogout"]), where
        assert len(endpoint.asked) >= 1, where
    assert len(points) >= 9
