"""Redis gone, hung, full, read-only: 503 with Retry-After, and no page that claims what did not happen.

Each fault is met at every step of the main job: login, ACS, status, logout, the IdP's answer, the receipt. After the
fault the same browser tries again and everything is true (faults F01, F02, F04, F07, F14, F16, F24).
"""

import os
import signal
import time

import pytest

from saml_slo.errors import StoreUnavailable
from saml_slo.store.embedded import EmbeddedRedis
from saml_slo.store.store import Store
from tests import idp
from tests.running import running_bridge, sent
from tests.serving import wait_until


@pytest.fixture
def server(tmp_path_factory):
    """A Redis of this test's own, which it may hurt."""
    with EmbeddedRedis(tmp_path_factory.mktemp("fault")) as server:
        yield server


@pytest.fixture
def bridge(tmp_path, server):
    """A bridge on that Redis that waits a second for it."""
    with running_bridge(tmp_path, server.url, redis_timeout=1) as running:
        yield running


class Full:
    """F04: no memory for writes."""

    def __init__(self, bridge, server):
        self.redis = bridge.redis

    def begin(self):
        """Fill it."""
        self.redis.config_set("maxmemory", "1")

    def end(self):
        """Make room."""
        self.redis.config_set("maxmemory", "0")


class Hung:
    """F02: it accepts and says nothing."""

    def __init__(self, bridge, server):
        self.pid = server.pid

    def begin(self):
        """Stop it."""
        os.kill(self.pid, signal.SIGSTOP)

    def end(self):
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)


class ReadOnly:
    """F07: a replica answers."""

    def __init__(self, bridge, server):
        self.redis = bridge.redis

    def begin(self):
        """Make it a replica of nobody who answers; stale data is served."""
        self.redis.replicaof("127.0.0.1", "1")

    def end(self):
        """Promote it."""
        self.redis.replicaof("NO", "ONE")


class NoReplicas:
    """F14: it wants a replica that it has not."""

    def __init__(self, bridge, server):
        self.redis = bridge.redis

    def begin(self):
        """Ask for one."""
        self.redis.config_set("min-replicas-to-write", "1")

    def end(self):
        """Ask for none."""
        self.redis.config_set("min-replicas-to-write", "0")


WRITES_FAIL = pytest.mark.parametrize("fault", [Hung, ReadOnly, NoReplicas], ids=["F02", "F07", "F14"])


def unavailable(response):
    """Say that a response is the honest 503."""
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "Location" not in response.headers
    assert "signed out" not in response.get_data(as_text=True).lower()


@pytest.mark.parametrize("fault", [Full, Hung, ReadOnly, NoReplicas], ids=["F04", "F02", "F07", "F14"])
def test_a_sign_in_is_refused_and_leaves_nothing(bridge, server, fault):
    """Login under the fault: 503, no session; the IdP's answer is accepted when the fault is over (it was not used)."""
    fault = fault(bridge, server)
    browser = bridge.browser()
    request = bridge.start_sign_in(browser)
    answer = idp.post(bridge.answer(request), endpoint=idp.ACS)
    fault.begin()
    try:
        unavailable(bridge.deliver(browser, answer))
    finally:
        fault.end()
    assert not bridge.is_signed_in(browser)
    assert bridge.deliver(browser, answer).status_code == 303
    assert bridge.is_signed_in(browser)


@WRITES_FAIL
def test_a_logout_that_cannot_be_committed_claims_nothing_and_can_be_repeated(bridge, server, fault):
    """The session lives as before, the page says so by 503, and the next click ends it."""
    fault = fault(bridge, server)
    browser = bridge.browser()
    bridge.sign_in(browser)
    fault.begin()
    try:
        unavailable(bridge.logout(browser, federated=""))
    finally:
        fault.end()
    assert bridge.is_signed_in(browser)
    assert sent(bridge.logout(browser, federated="")).location == "https://idp.example/slo"
    assert not bridge.is_signed_in(browser)


def test_a_full_redis_still_ends_sessions(bridge, server):
    """F04: the logout deletes first, so it works without memory; the answer of the IdP is recorded too."""
    fault = Full(bridge, server)
    browser = bridge.browser()
    bridge.sign_in(browser)
    fault.begin()
    try:
        assert bridge.is_signed_in(browser)
        request = sent(bridge.logout(browser, federated=""))
        assert not bridge.is_signed_in(browser)
        message = idp.logout_response(in_response_to=request.id, signed=False)
        receipt = bridge.receipt(browser, bridge.deliver(browser, idp.redirect(message)))
    finally:
        fault.end()
    assert [row["state"] for row in receipt["sessions"]] == ["confirmed", "confirmed"]


@WRITES_FAIL
def test_an_answer_that_cannot_be_recorded_is_not_lost(bridge, server, fault):
    """The IdP's LogoutResponse meets the fault: 503; the reload of the same URL counts it."""
    fault = fault(bridge, server)
    browser = bridge.browser()
    bridge.sign_in(browser)
    request = sent(bridge.logout(browser, federated=""))
    answer = idp.redirect(idp.logout_response(in_response_to=request.id, signed=False))
    fault.begin()
    try:
        unavailable(bridge.deliver(browser, answer))
    finally:
        fault.end()
    receipt = bridge.receipt(browser, bridge.deliver(browser, answer))
    assert receipt["sessions"][1]["state"] == "confirmed"


def test_a_redis_that_is_gone_is_503_everywhere_and_not_ready(bridge, server):
    """F01: every page that needs it says 503, and hangs on nothing; /healthz lives, /readyz does not."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    request = sent(bridge.logout(browser, federated=""))
    receipt = browser.get_cookie("__Host-slo-logout", domain="bridge.example").value
    other = bridge.browser()
    bridge.clock.move(1)
    bridge.sign_in(other)
    server.close()
    answer = idp.redirect(idp.logout_response(in_response_to=request.id, signed=False))
    started = time.monotonic()
    unavailable(bridge.deliver(browser, answer))
    unavailable(bridge.get(browser, f"/logout/{receipt}"))
    unavailable(bridge.get(other, "/session/status"))
    unavailable(bridge.get(other, "/"))
    unavailable(bridge.logout(other, federated=""))
    assert time.monotonic() - started < 30
    assert bridge.get(browser, "/healthz").status_code == 200
    assert bridge.get(browser, "/readyz").status_code == 503
    assert {line["reason"] for line in bridge.log if line.get("reference")} == {"store_unavailable"}


def test_a_lost_reply_of_a_logout_is_found_again(bridge, monkeypatch):
    """F20: the commit happened and its reply was lost: 503; the next click finds that logout and tells its truth."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    commit = Store.end_sessions

    def commit_and_lose_the_reply(self, *arguments):
        commit(self, *arguments)
        raise StoreUnavailable("the reply was lost")

    monkeypatch.setattr(Store, "end_sessions", commit_and_lose_the_reply)
    unavailable(bridge.logout(browser, federated=""))
    monkeypatch.undo()
    assert not bridge.is_signed_in(browser)
    response = bridge.logout(browser, federated="")
    receipt = bridge.receipt(browser, response)
    assert [row["state"] for row in receipt["sessions"]] == ["confirmed", "sent"]
    handle = response.headers["Location"].removeprefix("/logout/")
    page = bridge.get(browser, f"/logout/{handle}").get_data(as_text=True)
    assert f"/logout/{handle}/ask" in page


def test_scripts_that_redis_forgot_are_loaded_again(bridge):
    """F16: SCRIPT FLUSH between two steps changes nothing."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.redis.script_flush()
    assert bridge.is_signed_in(browser)
    bridge.redis.script_flush()
    assert sent(bridge.logout(browser, federated="")).id


def test_a_logout_that_redis_forgot_ends_with_a_clear_page(bridge):
    """F24: everything is flushed between the request and the answer: refused as unsolicited, nobody is redirected."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    request = sent(bridge.logout(browser, federated=""))
    bridge.redis.flushall()
    response = bridge.deliver(browser, idp.redirect(idp.logout_response(in_response_to=request.id, signed=False)))
    assert response.status_code == 400
    assert bridge.reasons() == ["unsolicited"]


def test_redis_comes_back_by_itself(bridge, server):
    """F01 with the embedded server: killed, it is back on the same socket and the session is there."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    # What was written to its file survives the death of the process; only what is behind a slow fsync has not been yet.
    wait_until(lambda: bridge.redis.info("persistence")["aof_buffer_length"] == 0)
    pid = server.pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: bridge.get(browser, "/session/status").status_code != 503)
    assert bridge.is_signed_in(browser)
