"""G153, G155: messages that come again: later, at the same moment, at another worker, after a restart.

Decisions: an Assertion is taken once: the same one again is `replayed`, another one for an answered request is
`in_response_to_mismatch`. The same LogoutRequest again is answered again and ends nothing again.

Two applications on one Redis stand for two workers, and for a restart: nothing that matters is in a process.
An AuthnRequest that comes again is answered again, at the registered URL only (test_g_sign_on.py).
"""

import threading
from dataclasses import replace

import pytest
from lxml import etree

from saml_slo.app import create_app
from tests import idp
from tests.attacks.invariants import deliver
from tests.attacks.surfaces import (
    BOTH_SIGNED,
    REQUEST_POST,
    REQUEST_REDIRECT,
    REQUEST_SOAP,
    RESPONSE,
    SIGNED_RESPONSE,
    answer_of_now,
    answered,
    someone,
    twin,
)
from tests.running import sent

RESPONSES = pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE, BOTH_SIGNED], ids=str)
REQUESTS = pytest.mark.parametrize("surface", [REQUEST_POST, REQUEST_REDIRECT, REQUEST_SOAP], ids=str)
TIMES = 10


@pytest.fixture(scope="module")
def second_app(_standing):
    """Another process's application: its own everything but the Redis and the files."""
    bridge = _standing.get().bridge
    return create_app(bridge.settings, clock=bridge.clock)


def _restarted(stage):
    """The stage's bridge after a restart: the same settings, Redis, clock and log, and a new application."""
    bridge = stage.bridge
    return replace(bridge, app=create_app(bridge.settings, clock=bridge.clock))


def _sessions_of(bridge):
    return [key for key in bridge.keyspace() if b":session:" in key]


# G153 -----------------------------------------------------------------------------------------------------------------


@RESPONSES
@pytest.mark.parametrize("where", ["same-worker", "another-worker", "after-restart"])
@pytest.mark.parametrize("first_by", ["same-browser", "copied-cookies"])
def test_g153_the_same_response_twice(stage, surface, where, first_by):
    """G153: the same Response again is refused, whichever process it comes to and whoever has the cookies."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    request = answered(bridge, browser, someone(), surface)
    copy = twin(bridge, browser)
    assert deliver(browser, request).status_code == 303
    before = stage.bridge
    if where != "same-worker":
        stage.bridge = _restarted(stage)
    try:
        if first_by == "copied-cookies":
            stage.refused(request, "replayed", browser=twin(stage.bridge, copy))
        else:
            # The browser forgot the request when it was answered.
            stage.refused(request, "in_response_to_mismatch", browser=twin(stage.bridge, browser))
    finally:
        stage.bridge = before
    assert bridge.is_signed_in(browser)


@RESPONSES
def test_g153_into_a_session_that_is_open(stage, surface):
    """G153: the answer that adds a login to an open session is taken once as well."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    name_id = someone()
    assert deliver(browser, answered(bridge, browser, name_id, surface)).status_code == 303
    again = answered(bridge, browser, name_id, surface)
    copies = [twin(bridge, browser) for _ in range(3)]
    assert deliver(copies[0], again).status_code == 303
    for copy in copies[1:]:
        stage.refused(again, "replayed", browser=copy)


def _all_at_once(apps, browsers, request):
    """Deliver one request from every browser at the same moment, by turns to the applications; return the statuses."""
    barrier = threading.Barrier(len(browsers))
    statuses = []

    def run(browser):
        barrier.wait()
        statuses.append(deliver(browser, request).status_code)

    threads = [threading.Thread(target=run, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert apps
    return sorted(statuses)


def _copies(bridge, apps, browser):
    """Ten copies of a browser, by turns at the applications."""
    made = []
    for number in range(TIMES):
        copy = apps[number % len(apps)].test_client()
        copy._cookies = dict(browser._cookies)
        made.append(copy)
    return made


@RESPONSES
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("attempt", range(3))
def test_g153_ten_at_once(stage, second_app, surface, workers, attempt):
    """G153: the same Response ten times at the same moment, at one worker or two: one session, nine refusals."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    apps = [bridge.app, second_app][:workers]
    request = answered(bridge, browser, someone(), surface)
    before = len(_sessions_of(bridge))
    bridge.log.clear()
    statuses = _all_at_once(apps, _copies(bridge, apps, browser), request)
    assert statuses == [303] + [400] * (TIMES - 1)
    assert bridge.reasons() == ["replayed"] * (TIMES - 1)
    assert len(_sessions_of(bridge)) == before + 1


@pytest.mark.parametrize("workers", [1, 2])
def test_g153_ten_answers_to_one_request(stage, second_app, workers):
    """G153: ten different Assertions for one request at the same moment: one is taken."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    apps = [bridge.app, second_app][:workers]
    asked, name_id = bridge.start_sign_in(browser).id, someone()
    requests = iter([RESPONSE.request(RESPONSE.seal(RESPONSE.draft(asked, name_id))) for _ in range(TIMES)])
    barrier, statuses = threading.Barrier(TIMES), []

    def run(browser, request):
        barrier.wait()
        statuses.append(deliver(browser, request).status_code)

    bridge.log.clear()
    threads = [threading.Thread(target=run, args=(copy, next(requests))) for copy in _copies(bridge, apps, browser)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303] + [400] * (TIMES - 1)
    assert bridge.reasons() == ["in_response_to_mismatch"] * (TIMES - 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_g153_ten_at_once_into_a_session(stage, second_app, workers):
    """G153: ten times at once into a session that is open: one is taken; the session has one login more or the same."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    apps = [bridge.app, second_app][:workers]
    name_id = someone()
    assert deliver(browser, answered(bridge, browser, name_id, RESPONSE)).status_code == 303
    request = answered(bridge, browser, name_id, RESPONSE)
    before = len(_sessions_of(bridge))
    bridge.log.clear()
    statuses = _all_at_once(apps, _copies(bridge, apps, browser), request)
    assert statuses == [303] + [400] * (TIMES - 1)
    assert bridge.reasons() == ["replayed"] * (TIMES - 1)
    assert len(_sessions_of(bridge)) == before


@pytest.mark.parametrize("lifetime", [300, 3600, 10**8])
def test_g153_the_mark_outlives_the_message(stage, lifetime):
    """G153: the mark of a taken Assertion is kept for longer than any clock would take the Assertion again."""
    bridge, browser = stage.bridge, stage.bridge.browser()

    def valid(root):
        for name in ("Conditions", "SubjectConfirmationData"):
            next(root.iter(f"{{*}}{name}")).set("NotOnOrAfter", idp.instant(lifetime))

    root = RESPONSE.draft(bridge.start_sign_in(browser).id, someone())
    valid(root)
    before = set(bridge.keyspace())
    copy = twin(bridge, browser)
    octets = RESPONSE.seal(root)
    assert deliver(browser, RESPONSE.request(octets)).status_code == 303
    (mark,) = [key for key in set(bridge.keyspace()) - before if b":assertion:" in key]
    kept = bridge.redis.pttl(mark) / 1000
    # One second before the mark goes, the Assertion is too old by the bridge's clock, in a fresh envelope as well.
    bridge.clock.move(kept - 1)
    try:
        again = RESPONSE.request(octets.replace(b'ID="_r1"', b'ID="_r2"'))
        assert deliver(copy, again).status_code == 400
        assert bridge.reasons() == ["expired"]
    finally:
        bridge.clock.move(1 - kept)


# G155 -----------------------------------------------------------------------------------------------------------------


@REQUESTS
@pytest.mark.parametrize("where", ["same-worker", "after-restart"])
def test_g155_the_same_request_twice(stage, surface, where):
    """G155: the same LogoutRequest again gets the same answer, and what it finds now it leaves alone."""
    name_id = someone()
    bridge, browser = stage.bridge, stage.bridge.browser()
    assert bridge.sign_in(browser, name_id=name_id).status_code == 303
    root = surface.draft(None, name_id)
    request = surface.request(surface.seal(root))
    first = deliver(bridge.browser(), request)
    assert not bridge.is_signed_in(browser)
    bridge.clock.move(2)
    try:
        newer = bridge.browser()
        assert deliver(newer, answer_of_now(bridge, newer, name_id)).status_code == 303
        if where == "after-restart":
            bridge = _restarted(stage)
        before = set(_sessions_of(bridge))
        second = deliver(bridge.browser(), request)
        assert set(_sessions_of(bridge)) == before
        assert bridge.is_signed_in(twin(bridge, newer)), "a request that is not new ended a session that is"
    finally:
        bridge.clock.move(-2)
    assert second.status_code == first.status_code
    assert _codes(surface, second) == _codes(surface, first) == [idp.SUCCESS]


def _codes(surface, response):
    root = etree.fromstring(response.get_data())[0][0] if surface.binding == "soap" else sent(response).root
    return [code.get("Value") for code in root.iter("{*}StatusCode")]


@REQUESTS
@pytest.mark.parametrize("workers", [1, 2])
def test_g155_ten_at_once(stage, second_app, surface, workers):
    """G155: the same LogoutRequest ten times at the same moment: one logout, ten answers."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    apps, name_id = [bridge.app, second_app][:workers], someone()
    assert bridge.sign_in(browser, name_id=name_id).status_code == 303
    request = surface.request(surface.seal(surface.draft(None, name_id)))
    logouts = [key for key in bridge.keyspace() if b":logout:" in key]
    bridge.log.clear()
    statuses = _all_at_once(apps, _copies(bridge, apps, bridge.browser()), request)
    assert set(statuses) <= {200, 303}
    assert bridge.reasons() == []
    assert len([key for key in bridge.keyspace() if b":logout:" in key]) == len(logouts) + 1
    assert not bridge.is_signed_in(browser)
