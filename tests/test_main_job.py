"""The main job from end to end: a sign-in is recorded, a federated logout ends it here and asks the IdP, truthfully."""

from tests import idp
from tests.running import sent


def test_federated_logout_asks_the_idp_and_tells_the_truth(bridge):
    """Who logs out `federated` is signed out here first; the IdP's signed answer is confirmed."""
    browser = bridge.browser()
    assert bridge.sign_in(browser).status_code == 303
    assert bridge.is_signed_in(browser)

    response = bridge.logout(browser, federated="")
    assert not bridge.is_signed_in(browser)
    request = sent(response)
    assert request.location == "https://idp.example/slo"
    assert request.texts("SessionIndex") == ["_s1"]
    assert request.parameters["RelayState"] == request.id

    answer = idp.logout_response(in_response_to=request.id, signed=False)
    receipt = bridge.receipt(browser, bridge.deliver(browser, idp.redirect(answer, relay_state=request.id)))
    assert [(row["kind"], row["state"]) for row in receipt["sessions"]] == [
        ("session", "confirmed"),
        ("idp", "confirmed"),
    ]
    assert bridge.reasons() == []


def test_an_old_assertion_in_a_fresh_response_is_refused(bridge):
    """S8: a fresh IssueInstant on an unsigned Response must not revive an assertion whose mark has gone."""
    browser = bridge.browser()
    request = bridge.start_sign_in(browser)
    old = idp.assertion(confirmations=idp.bearer(expires=9999))
    old.find("{*}Conditions").set("NotOnOrAfter", idp.instant(9999))
    for data in old.iter("{*}SubjectConfirmationData"):
        data.set("InResponseTo", request.id)
    response = idp.response(old)
    response.set("InResponseTo", request.id)
    bridge.clock.move(301)
    response.set("IssueInstant", idp.instant(301))
    assert bridge.deliver(browser, idp.post(response, endpoint=idp.ACS)).status_code == 400
    assert bridge.reasons() == ["expired"]
