"""People at four applications of every kind, on two bridges that share a Redis; for the H cases."""

from contextlib import contextmanager

from saml_slo.app import create_app
from tests import idp
from tests.running import Bridge, running_bridge, sent
from tests.sp import SoapEndpoint, Sp, frames, receipt

ONE = Sp("one", "idp-next", ("HTTP-Redirect", "HTTP-POST"))
TWO = Sp("two", "other-idp", ("HTTP-POST",))
THREE = Sp("three", "idp-next", ("HTTP-Redirect",))


class Crowd:
    """Two bridges, the SOAP endpoint of an application, and that application."""

    def __init__(self, first, second, endpoint, back):
        self.bridge, self.other, self.endpoint, self.back = first, second, endpoint, back

    @property
    def bridges(self):
        """Both."""
        return self.bridge, self.other

    def empty(self):
        """Send everybody home and set the clock back."""
        self.bridge.redis.flushall()
        self.bridge.clock.now = idp.NOW
        self.bridge.log.clear()
        self.endpoint.asked.clear()
        return self

    def everywhere(self):
        """A browser that is signed in at every application, and what `one` was told."""
        browser = self.bridge.browser()
        told = ONE.sign_in(self.bridge, browser)
        for sp in (TWO, THREE, self.back):
            sp.sign_in(self.bridge, browser)
        return browser, told


@contextmanager
def open_crowd(folder, redis_url):
    """Run the bridges and the endpoint."""
    with SoapEndpoint(signer="other-idp", entity_id="https://back.example/saml") as endpoint:
        back = Sp("back", "other-idp", ("SOAP", "HTTP-Redirect"), soap_url=endpoint.url)
        how = {"bindings": ("Redirect", "POST"), "back_channel_allow": ("127.0.0.1",)}
        with running_bridge(folder, redis_url, sps=(ONE, TWO, THREE, back), **how) as first:
            endpoint.clock = first.clock
            second = create_app(first.settings, clock=first.clock)
            yield Crowd(first, Bridge(second, first.settings, first.redis, first.clock, first.log), endpoint, back)
            second.extensions["saml_slo"].stop()


def now(bridge):
    """The bridge's time, as SAML writes it."""
    return bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(root):
    """The status codes of an answer, outermost first."""
    return [code.get("Value").rpartition(":")[2] for code in root.iter("{*}StatusCode")]


def logouts(bridge):
    """How many logouts the store knows."""
    return len(list(bridge.redis.scan_iter("slo:*:logout:*")))


def idp_message(bridge, **parts):
    """The IdP's LogoutRequest by Redirect."""
    return idp.redirect(idp.logout_request(**{"issued": now(bridge), **parts}, signed=False), relay_state="x")


def page_of(bridge, path):
    """The frames of a progress page, in a browser that nobody saw before."""
    return frames(bridge.get(bridge.browser(), path).get_data(as_text=True))


def finish(bridge, path):
    """Let the applications of every frame answer, and the IdP if it is asked; return where the browser ends."""
    browser = bridge.browser()
    for frame in page_of(bridge, path):
        request = sent(bridge.get(browser, frame))
        sp = next(one for one in (ONE, TWO, THREE) if request.location.startswith(one.origin))
        assert sp.answer(bridge, browser, request).status_code == 200
    response = bridge.get(browser, f"{path}/next")
    if response.headers.get("Location", "").startswith("https://idp.example/slo?SAMLRequest"):
        answer = idp.logout_response(in_response_to=sent(response).id, signed=False, issued=now(bridge))
        response = bridge.deliver(browser, idp.redirect(answer))
    return response


def states(bridge, path):
    """The states of a receipt by name."""
    return {row["name"]: row["state"] for row in receipt(bridge, bridge.browser(), path)["sessions"]}
