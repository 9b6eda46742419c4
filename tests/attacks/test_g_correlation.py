"""G147, G158: answers that nobody waits for.

Decisions: what a Response answers is believed from the signed SubjectConfirmationData and must equal the Response's
own InResponseTo. AuthnRequests that wait live in signed cookies of the browser that asked, not in Redis; each is
answered once. A LogoutResponse is matched by InResponseTo alone, for the connection that was asked; RelayState decides
nothing.

These concern answers alone; no run waits.
"""

import pytest

from tests import idp
from tests.attacks.invariants import deliver
from tests.attacks.surfaces import (
    ANSWER_POST,
    ANSWER_REDIRECT,
    BOTH_SIGNED,
    RESPONSE,
    SIGNED_RESPONSE,
    after,
    someone,
    twin,
)
from tests.running import OTHER_ENTITY_ID, sent

RESPONSES = pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE, BOTH_SIGNED], ids=str)
ANSWERS = pytest.mark.parametrize("surface", [ANSWER_POST, ANSWER_REDIRECT], ids=str)
MISMATCH, UNSOLICITED = "in_response_to_mismatch", "unsolicited"


def _answering(*, response=..., assertion=...):
    """An edit that sets, or with None takes away, what the Response and what its Assertion answer; ... leaves it."""

    def edit(root):
        for element, value in [
            (root, response),
            *((data, assertion) for data in root.iter("{*}SubjectConfirmationData")),
        ]:
            if value is None:
                del element.attrib["InResponseTo"]
            elif value is not ...:
                element.set("InResponseTo", value)

    return edit


# G147: Response -------------------------------------------------------------------------------------------------------


def _foreign_ids(stage):
    """IDs that somebody knows and that are not of a request that this browser made."""
    other = stage.bridge.browser()
    elsewhere = stage.bridge.start_sign_in(other).id
    return {
        "unknown": "_" + "0" * 32,
        "another-browsers": elsewhere,
        "a-logout-requests": stage.pending.id,
        "a-prefix": stage.asked.id[:-1],
        "longer": stage.asked.id + "0",
        "the-responses-own": "_r1",
        "same-start": stage.asked.id[:13] + "0" * (len(stage.asked.id) - 13),
    }


FOREIGN = (
    "unknown",
    "another-browsers",
    "a-logout-requests",
    "a-prefix",
    "longer",
    "the-responses-own",
    "same-start",
)


@RESPONSES
@pytest.mark.parametrize("which", FOREIGN)
@pytest.mark.parametrize("where", ["both", "response", "assertion"])
def test_g147_answers_to_nothing(stage, surface, which, where):
    """G147: an id that this browser did not ask with, in the Response, in the Assertion or in both."""
    value = _foreign_ids(stage)[which]
    edit = _answering(response=... if where == "assertion" else value, assertion=... if where == "response" else value)
    stage.refused(surface.request(surface.hostile(stage, edit)), MISMATCH)


@RESPONSES
@pytest.mark.parametrize("where", ["response", "assertion"])
def test_g147_one_of_two_missing(stage, surface, where):
    """G147: InResponseTo in the Response alone, or in the Assertion alone: they are not the same."""
    edit = _answering(**{"assertion" if where == "response" else "response": None})
    stage.refused(surface.request(surface.hostile(stage, edit)), MISMATCH)


@RESPONSES
def test_g147_unsolicited(stage, surface):
    """G147: none at all is an answer that nobody asked for; this connection does not allow it."""
    octets = surface.hostile(stage, _answering(response=None, assertion=None))
    stage.refused(surface.request(octets), UNSOLICITED)


@RESPONSES
@pytest.mark.parametrize("value", ["", " ", "\n"])
@pytest.mark.parametrize("where", ["both", "response", "assertion"])
def test_g147_empty(stage, surface, value, where):
    """G147: an empty InResponseTo is not an absent one."""
    edit = _answering(response=... if where == "assertion" else value, assertion=... if where == "response" else value)
    stage.refused(surface.request(surface.hostile(stage, edit)), "schema_violation")


@RESPONSES
def test_g147_in_a_browser_that_did_not_ask(stage, surface):
    """G147: the genuine answer, delivered by another browser: a login CSRF, or a stolen Response."""
    stage.refused(surface.request(surface.hostile(stage)), MISMATCH, browser=stage.bridge.browser())
    stage.refused(surface.request(surface.hostile(stage)), MISMATCH, browser=stage.alice)


@RESPONSES
@pytest.mark.parametrize("how", ["value", "name", "other-name", "cut", "session", "empty", "json"])
def test_g147_forged_cookies(stage, surface, how):
    """G147: the cookie that remembers a request is signed and bound to its name: none that was made up counts."""
    browser = stage.bridge.browser()
    (cookie,) = [cookie for cookie in stage.stranger._cookies.values() if "signin" in cookie.key]
    other = stage.bridge.start_sign_in(stage.bridge.browser()).id
    name, value = {
        "value": (cookie.key, cookie.value[:-2] + "AA"),
        "name": (cookie.key[:-1] + "Z", cookie.value),
        "other-name": ("__Host-slo-signin-" + other[1:13], cookie.value),
        "cut": (cookie.key, cookie.value.rpartition(".")[0]),
        "session": ("__Host-slo", cookie.value),
        "empty": (cookie.key, ""),
        "json": (cookie.key, '["x"]'),
    }[how]
    browser.set_cookie(name, value, domain="bridge.example")
    stage.refused(surface.request(surface.hostile(stage)), MISMATCH, browser=browser)


@RESPONSES
def test_g147_already_answered(stage, surface):
    """G147: one request has one answer. A second Assertion for it is refused, also where the cookie was copied."""
    bridge = stage.bridge
    browser = bridge.browser()
    asked, name_id = bridge.start_sign_in(browser).id, someone()
    copy = twin(bridge, browser)
    first, second = (surface.seal(surface.draft(asked, name_id)) for _ in range(2))
    assert deliver(browser, surface.request(first)).status_code == 303
    stage.refused(surface.request(second), MISMATCH, browser=browser)
    stage.refused(surface.request(second), MISMATCH, browser=copy)
    stage.refused(surface.request(first), "replayed", browser=copy)


@RESPONSES
@pytest.mark.parametrize(("seconds", "refused"), [(3600, False), (3601, True), (7200, True)])
def test_g147_expired_requests(stage, surface, seconds, refused):
    """G147: a request that waited for an hour may be answered, a second later it is over."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    asked = bridge.start_sign_in(browser).id
    root = surface.draft(asked, someone())
    after(seconds)(root)
    request = surface.request(surface.seal(root))
    bridge.clock.move(seconds)
    try:
        # The test client keeps cookies by its own clock, so it is the signed time in the cookie that is looked at.
        if refused:
            stage.refused(request, MISMATCH, browser=browser)
        else:
            assert deliver(browser, request).status_code == 303
    finally:
        bridge.clock.move(-seconds)


@RESPONSES
def test_g147_two_requests_of_one_browser(stage, surface):
    """G147: the control: two sign-ins under way in one browser are answered in either order."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    asked = [bridge.start_sign_in(browser).id for _ in range(2)]
    name_id = someone()
    for identifier in reversed(asked):
        octets = surface.seal(surface.draft(identifier, name_id))
        assert deliver(browser, surface.request(octets)).status_code == 303
    assert bridge.is_signed_in(browser)


# G158: LogoutResponse -------------------------------------------------------------------------------------------------


def _answered_ids(stage):
    return {
        "unknown": "_" + "0" * 60,
        "short": "_x",
        "our-authn-request": stage.asked.id,
        "a-prefix": stage.pending.id[:-1],
        "longer": stage.pending.id + "0",
        "another-message-of-that-logout": stage.pending.id[:-4] + "0000",
        "its-own": "_ls1",
        "logout-that-is-not": stage.pending.id[:8] + "0" * (len(stage.pending.id) - 8),
    }


LOGOUT_IDS = (
    "unknown",
    "short",
    "our-authn-request",
    "a-prefix",
    "longer",
    "another-message-of-that-logout",
    "its-own",
    "logout-that-is-not",
)


@ANSWERS
@pytest.mark.parametrize("which", LOGOUT_IDS)
def test_g158_answers_to_nothing(stage, surface, which):
    """G158: a signed answer to a LogoutRequest that was never sent, even one whose id is nearly right."""
    value = _answered_ids(stage)[which]
    octets = surface.hostile(stage, lambda root: root.set("InResponseTo", value))
    stage.refused(surface.request(octets, relay_state=stage.pending.id), UNSOLICITED)


@ANSWERS
def test_g158_without_in_response_to(stage, surface):
    """G158: an answer that does not say what it answers; RelayState does not say it for it."""

    def edit(root):
        del root.attrib["InResponseTo"]

    octets = surface.hostile(stage, edit)
    stage.refused(surface.request(octets, relay_state=stage.pending.id), UNSOLICITED)


@ANSWERS
def test_g158_already_answered(stage, surface):
    """G158: an answer that was taken is not taken again, and neither is another answer with another status."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    assert bridge.sign_in(browser, name_id=someone()).status_code == 303
    pending = sent(bridge.logout(browser, federated=""))
    genuine = surface.seal(surface.draft(pending.id))
    changed = surface.draft(pending.id)
    changed.set("ID", "_ls2")
    changed.find("{*}Status/{*}StatusCode").set("Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")
    response = deliver(browser, surface.request(genuine))
    before = bridge.receipt(browser, response)
    for octets in (genuine, surface.seal(changed)):
        stage.refused(surface.request(octets), UNSOLICITED, browser=browser)
    assert bridge.receipt(browser, response) == before


@ANSWERS
def test_g158_of_another_participant(stage, surface):
    """G158: IdP-B answers, at its own endpoint and with its own key, what IdP-A was asked."""
    other = idp.SLO.replace("/idp/", "/other-idp/")
    answer = idp.logout_response(
        in_response_to=stage.pending.id, issuer=OTHER_ENTITY_ID, destination=other, signed=False
    )
    if surface is ANSWER_POST:
        request = idp.post(idp.sign(answer, "other-idp"), endpoint=other)
    else:
        request = idp.redirect(answer, endpoint=other, signer="other-idp")
    stage.refused(request, UNSOLICITED)


@ANSWERS
def test_g158_a_logout_that_asked_nobody(stage, surface):
    """G158: a logout that was not federated waits for nobody, whatever id one makes of it."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    assert bridge.sign_in(browser, name_id=someone()).status_code == 303
    response = bridge.logout(browser)
    assert bridge.receipt(browser, response)["settled"]
    logout_id = response.headers["Location"].rpartition("/")[2]
    for value in (f"_{logout_id}"[:64], f"_{logout_id.partition('.')[0]}"[:64]):
        octets = surface.hostile(stage, lambda root, value=value: root.set("InResponseTo", value))
        stage.refused(surface.request(octets), UNSOLICITED, "schema_violation")


@ANSWERS
@pytest.mark.parametrize("state", ["https://evil.example/", "//evil.example", "/logout/x", "javascript:alert(1)"])
def test_g158_relay_state_is_not_followed(stage, surface, state):
    """G158: refused or accepted, nobody is sent where RelayState points."""
    octets = surface.hostile(stage, lambda root: root.set("InResponseTo", "_unknown"))
    stage.refused(surface.request(octets, relay_state=state), UNSOLICITED)
    surface.accepted(stage.bridge, request=lambda octets: surface.request(octets, relay_state=state))


@ANSWERS
def test_g158_from_any_browser(stage, surface):
    """G158: the control: the answer counts from whichever browser brings it, because it is signed and expected."""
    bridge, browser = stage.bridge, stage.bridge.browser()
    assert bridge.sign_in(browser, name_id=someone()).status_code == 303
    pending = sent(bridge.logout(browser, federated=""))
    response = deliver(bridge.browser(), surface.request(surface.seal(surface.draft(pending.id))))
    receipt = bridge.receipt(browser, response)
    assert ("idp", "confirmed") in [(row["kind"], row["state"]) for row in receipt["sessions"]]
