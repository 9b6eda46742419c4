"""G147, G153, G157 where a connection allows sign-in without a request (`idp_initiated_sign_in = true`).

No cookie and no request bind such an answer to a browser, so what is left has to hold: the signature, the times, that
it is taken once, and that it answers nothing. `accepted` and `refused` are those of every stage.

These concern Responses alone; no run waits.
"""

import threading

import pytest

from tests import idp
from tests.attacks.invariants import deliver, open_stage
from tests.attacks.surfaces import BOTH_SIGNED, RESPONSE, SIGNED_RESPONSE, after, someone

RESPONSES = pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE, BOTH_SIGNED], ids=str)
TOML = "idp_initiated_sign_in = true\n"


@pytest.fixture(scope="module")
def stage(tmp_path_factory, redis_url, canary):
    """A stage on which the IdP may begin."""
    with open_stage(tmp_path_factory.mktemp("stage"), redis_url, canary, toml=TOML) as opened:
        yield opened


def _unsolicited(surface, name_id, edit=None):
    """A Response that answers nothing, signed, as octets."""
    root = surface.draft("_q1", name_id)
    del root.attrib["InResponseTo"]
    for data in root.iter("{*}SubjectConfirmationData"):
        del data.attrib["InResponseTo"]
    if edit is not None:
        edit(root)
    return surface.seal(root)


@RESPONSES
def test_g147_allowed(stage, surface):
    """G147: the control: with the setting, an answer to nothing signs a person in, in any browser."""
    browser = stage.bridge.browser()
    request = surface.request(_unsolicited(surface, someone()))
    assert deliver(browser, request).status_code == 303
    assert stage.bridge.is_signed_in(browser)


@RESPONSES
@pytest.mark.parametrize("relay_state", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"])
def test_g147_relay_state_is_not_followed(stage, surface, relay_state):
    """G147: where RelayState would lead a person is not where they go."""
    request = surface.request(_unsolicited(surface, someone()), relay_state=relay_state)
    response = deliver(stage.bridge.browser(), request)
    assert response.status_code == 303
    assert response.headers["Location"] == "/"


@RESPONSES
@pytest.mark.parametrize("where", ["response", "assertion", "both"])
def test_g147_an_answer_to_something_is_held_to_it(stage, surface, where):
    """G147: one that says that it answers a request must answer one, whatever the setting."""

    def edit(root):
        if where != "assertion":
            root.set("InResponseTo", "_unknown")
        if where != "response":
            next(root.iter("{*}SubjectConfirmationData")).set("InResponseTo", "_unknown")

    stage.refused(surface.request(_unsolicited(surface, someone(), edit)), "in_response_to_mismatch")


@RESPONSES
def test_g153_twice(stage, surface):
    """G153: it is taken once, in the same browser, in another one, and in a fresh envelope."""
    octets = _unsolicited(surface, someone())
    browser = stage.bridge.browser()
    assert deliver(browser, surface.request(octets)).status_code == 303
    stage.refused(surface.request(octets), "replayed", browser=browser)
    stage.refused(surface.request(octets), "replayed")
    if surface is RESPONSE:
        fresh = octets.replace(b'ID="_r1"', b'ID="_r2"').replace(b"06:26:00Z", b"06:26:01Z", 1)
        stage.refused(surface.request(fresh), "replayed")


@RESPONSES
def test_g153_ten_at_once(stage, surface):
    """G153: ten times at the same moment: one session."""
    bridge, request = stage.bridge, surface.request(_unsolicited(surface, someone()))
    barrier, statuses = threading.Barrier(10), []
    bridge.log.clear()

    def run():
        browser = bridge.browser()
        barrier.wait()
        statuses.append(deliver(browser, request).status_code)

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303] + [400] * 9
    assert bridge.reasons() == ["replayed"] * 9


@pytest.mark.parametrize("seconds", [301, 719, 3600])
def test_g153_a_fresh_envelope_much_later(stage, seconds):
    """G153: after any mark is gone, a stolen Assertion in a fresh unsigned Response is too old by its own time."""

    def long_valid(root):
        for name in ("Conditions", "SubjectConfirmationData"):
            next(root.iter(f"{{*}}{name}")).set("NotOnOrAfter", idp.instant(10**6))

    octets = _unsolicited(RESPONSE, someone(), long_valid)
    stage.bridge.clock.move(seconds)
    try:
        fresh = octets.replace(
            b'IssueInstant="2026-11-20T06:26:00Z"', f'IssueInstant="{idp.instant(seconds)}"'.encode(), 1
        )
        assert fresh != octets
        stage.refused(RESPONSE.request(fresh), "expired")
    finally:
        stage.bridge.clock.move(-seconds)


@RESPONSES
@pytest.mark.parametrize("federated", [True, False], ids=["federated", "local"])
def test_g157_after_a_logout(stage, surface, federated):
    """G157, L12: one that was issued before the logout comes too late, one that was issued after it does not."""
    bridge, browser, name_id = stage.bridge, stage.bridge.browser(), someone()
    late = surface.request(_unsolicited(surface, name_id))
    assert deliver(browser, surface.request(_unsolicited(surface, name_id))).status_code == 303
    bridge.logout(browser, **({"federated": ""} if federated else {}))
    stage.refused(late, "session_ended", browser=browser, generic=False)
    bridge.clock.move(2)
    try:
        newer = surface.request(_unsolicited(surface, name_id, after(2)))
        assert deliver(browser, newer).status_code == 303
    finally:
        bridge.clock.move(-2)
