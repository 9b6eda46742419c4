"""H183: a browser that leaves in the middle, reloads every step, goes back, or is another one."""

import json

import pytest

from tests import idp
from tests.attacks.crowd import ONE, THREE, TWO, finish, logouts, open_crowd, page_of, states, status_of
from tests.running import sent


@pytest.fixture(scope="module")
def _standing(tmp_path_factory, redis_url):
    with open_crowd(tmp_path_factory.mktemp("bridge"), redis_url) as crowd:
        yield crowd


@pytest.fixture
def crowd(_standing):
    """Two bridges on which nobody is signed in."""
    return _standing.empty()


def test_h183_closed_after_the_first_frame(crowd):
    """H183: who was asked and answered is confirmed, the others are told as what they are, and the session is over."""
    bridge = crowd.bridge
    browser, told = crowd.everywhere()
    path = ONE.start_logout(bridge, browser, told, identifier="_closed").headers["Location"]
    first, _ = page_of(bridge, path)
    request = sent(bridge.get(browser, first))
    sp = next(one for one in (TWO, THREE) if request.location.startswith(one.origin))
    sp.answer(bridge, browser, request)
    bridge.clock.move(61)
    bridge.app.extensions["saml_slo"].sweeper.sweep()
    found = states(bridge, path)
    other = ({"two", "three"} - {sp.name}).pop()
    assert found == {
        "Session here": "confirmed",
        "back": "confirmed",
        sp.name: "confirmed",
        other: "unreachable",
        "idp": "unreachable",
    }
    # It comes back after all, by the same message: the rest is done, and only then the requester has its answer.
    again = ONE.start_logout(bridge, bridge.browser(), told, identifier="_closed")
    assert again.headers["Location"] == path
    assert len(page_of(bridge, path)) == 1
    assert status_of(sent(finish(bridge, path)).root) == ["Success"]


def test_h183_each_step_reloaded(crowd):
    """H183: pages, frames, answers and the way on, each twice: nothing is asked anew, nothing counts twice."""
    bridge = crowd.bridge
    browser, told = crowd.everywhere()
    path = ONE.start_logout(bridge, browser, told).headers["Location"]
    for frame in page_of(bridge, path):
        bridge.get(browser, path)
        one, two = sent(bridge.get(browser, frame)), sent(bridge.get(browser, frame))
        assert one.id == two.id
        for onward in (bridge.get(browser, f"{path}/next"), bridge.get(browser, f"{path}/next")):
            assert onward.headers["Location"] == path
        sp = next(one_ for one_ in (TWO, THREE) if one.location.startswith(one_.origin))
        assert sp.answer(bridge, browser, one).status_code == 200
        assert sp.answer(bridge, browser, one, status=idp.status("urn:x")).status_code == 400
        assert states(bridge, path)[sp.name] == "confirmed"
        assert "SAMLRequest" not in bridge.get(browser, frame).get_data(as_text=True)
    hop = sent(bridge.get(browser, f"{path}/next"))
    assert bridge.get(browser, f"{path}/next").headers["Location"] == path, "asked, and may still answer"
    answer = idp.redirect(idp.logout_response(in_response_to=hop.id, signed=False))
    final = sent(bridge.deliver(browser, answer))
    assert status_of(final.root) == ["Success"]
    assert bridge.deliver(browser, answer).status_code == 400
    assert bridge.get(browser, f"{path}/next").headers["Location"] == path
    assert len(crowd.endpoint.asked) == 1
    assert logouts(bridge) == 1


def test_h183_a_step_in_another_browser(crowd):
    """H183: a frame or the way on in another browser opens no session, changes nobody else's, and its answer counts."""
    bridge = crowd.bridge
    browser, _ = crowd.everywhere()
    path = bridge.logout(browser, federated="").headers["Location"]
    bridge.clock.move(1)
    stranger = bridge.browser()
    bridge.sign_in(stranger, name_id=idp.NAME_ID.replace("alice", "stranger"))
    for frame in page_of(bridge, path):
        response = bridge.get(stranger, frame)
        assert not response.headers.getlist("Set-Cookie")
        request = sent(response)
        sp = next(one for one in (ONE, TWO, THREE) if request.location.startswith(one.origin))
        answered = sp.answer(bridge, stranger, request)
        assert not answered.headers.getlist("Set-Cookie")
    onward = bridge.get(stranger, f"{path}/next")
    assert sent(onward).location == "https://idp.example/slo"
    assert not onward.headers.getlist("Set-Cookie")
    assert bridge.is_signed_in(stranger)
    assert {states(bridge, path)[name] for name in ("one", "two", "three", "back")} == {"confirmed"}


def test_h183_the_answers_url_in_another_order(crowd):
    """H183: Back to an older page and forward again: an answer to a message of another application is refused."""
    bridge = crowd.bridge
    browser, _ = crowd.everywhere()
    path = bridge.logout(browser).headers["Location"]
    requests = [sent(bridge.get(browser, frame)) for frame in page_of(bridge, path)]
    wrong = ONE.answer(bridge, browser, next(one for one in requests if one.location.startswith(TWO.origin)))
    assert wrong.status_code == 400
    assert bridge.reasons() == ["unsolicited"]
    assert states(bridge, path)["two"] == "sent"
    assert json.loads(bridge.get(browser, f"{path}.json").get_data(as_text=True))["busy"]
