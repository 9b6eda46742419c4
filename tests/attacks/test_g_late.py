"""G157: what belongs to an ended session and comes in late (product L12).

Decisions: after a logout begun here the answers to AuthnRequests sent before it, after a LogoutRequest of the IdP the
Assertions that were issued not later than it, are `session_ended`; a newer sign-in never is, and nobody else's either.
The person is told in words to sign in again: the message itself was right in everything.

These concern Responses alone; no run waits.
"""

import pytest

from tests import idp
from tests.attacks.invariants import deliver
from tests.attacks.surfaces import (
    BOTH_SIGNED,
    REQUEST_POST,
    REQUEST_REDIRECT,
    REQUEST_SOAP,
    RESPONSE,
    SIGNED_RESPONSE,
    after,
    answer_of_now,
    answered,
    recorded,
    someone,
    twin,
)

RESPONSES = pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE, BOTH_SIGNED], ids=str)
REQUESTS = pytest.mark.parametrize("surface", [REQUEST_POST, REQUEST_REDIRECT, REQUEST_SOAP], ids=str)


@REQUESTS
@pytest.mark.parametrize("index", ["_s1", None], ids=["index", "no-index"])
def test_g157_a_request_before_its_login(stage, surface, index):
    """G157: the LogoutRequest for a session comes first, the Response that would open that session afterwards."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    name_id = someone()
    late = answered(bridge, browser, name_id, RESPONSE)
    root = surface.draft(None, name_id)
    if index is None:
        root.remove(root.find("{*}SessionIndex"))
    assert deliver(bridge.browser(), surface.request(surface.seal(root))).status_code in {200, 303}
    stage.refused(late, "session_ended", browser=browser, generic=False)
    bridge.clock.move(2)
    try:
        newer = bridge.browser()
        assert deliver(newer, answer_of_now(bridge, newer, name_id)).status_code == 303
        assert bridge.is_signed_in(newer)
    finally:
        bridge.clock.move(-2)


@REQUESTS
def test_g157_another_session_of_that_person(stage, surface):
    """G157: the control: a LogoutRequest for one SessionIndex does not keep out the Response of another one."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    name_id = someone()
    late = answered(bridge, browser, name_id, RESPONSE)
    root = surface.draft(None, name_id)
    root.find("{*}SessionIndex").text = "_another"
    deliver(bridge.browser(), surface.request(surface.seal(root)))
    assert deliver(browser, late).status_code == 303


@RESPONSES
@pytest.mark.parametrize("federated", [True, False], ids=["federated", "local"])
@pytest.mark.parametrize("delay", [0, 60, 299])
def test_g157_an_answer_after_a_logout(stage, surface, federated, delay):
    """G157, L12: a sign-in that was under way when the person signed out is refused, in any browser."""
    bridge, browser, other = stage.bridge, stage.bridge.browser(), stage.bridge.browser()
    name_id = someone()
    asked = bridge.start_sign_in(other).id
    assert bridge.sign_in(browser, name_id=name_id).status_code == 303
    bridge.logout(browser, **({"federated": ""} if federated else {}))
    root = surface.draft(asked, name_id)
    after(delay)(root)
    bridge.clock.move(delay)
    try:
        request = surface.request(surface.seal(root))
        stage.refused(request, "session_ended", browser=other, generic=False)
    finally:
        bridge.clock.move(-delay)


@RESPONSES
def test_g157_an_answer_in_the_browser_that_signed_out(stage, surface):
    """G157: in the browser itself the request is forgotten with the session, so its answer is to nothing."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    name_id = someone()
    assert bridge.sign_in(browser, name_id=name_id).status_code == 303
    late = answered(bridge, browser, name_id, surface)
    copy = twin(bridge, browser)
    bridge.logout(browser)
    stage.refused(late, "in_response_to_mismatch", browser=browser)
    stage.refused(late, "session_ended", browser=copy, generic=False)


@RESPONSES
def test_g157_a_newer_sign_in_is_never_late(stage, surface):
    """G157, L12: the control: what was asked after the logout is answered, a millisecond later."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    name_id = someone()
    assert bridge.sign_in(browser, name_id=name_id).status_code == 303
    bridge.logout(browser)
    bridge.clock.move(0.001)
    try:
        assert deliver(browser, answered(bridge, browser, name_id, surface)).status_code == 303
        assert bridge.is_signed_in(browser)
        assert recorded(bridge, browser).find("{*}NameID").text == idp.element(name_id).text
    finally:
        bridge.clock.move(-0.001)


@RESPONSES
def test_g157_somebody_else_is_not_locked_out(stage, surface):
    """G157: the control: one person's logout refuses nobody else's answer."""
    bridge, browser, other = stage.bridge, stage.bridge.browser(), stage.bridge.browser()
    request = answered(bridge, other, someone(), surface)
    assert bridge.sign_in(browser, name_id=someone()).status_code == 303
    bridge.logout(browser, federated="")
    assert deliver(other, request).status_code == 303
