"""Group H in time: the same thing twice, two things at once, a browser that leaves, reloads or is another one.

H180 to H183 with applications, on two bridges that share a Redis where it matters.
"""

import json
from threading import Barrier, Thread

import pytest
from lxml import etree

from saml_slo.app import create_app
from tests import idp
from tests.running import ORIGIN, Bridge, running_bridge, sent
from tests.sp import SLO, SOAP, SoapEndpoint, Sp, Told, frames, receipt

ONE = Sp("one", "idp-next", ("HTTP-Redirect", "HTTP-POST"))
TWO = Sp("two", "other-idp", ("HTTP-POST",))
THREE = Sp("three", "idp-next", ("HTTP-Redirect",))
AT_ONCE = 20
RACES = 40


@pytest.fixture(scope="module")
def endpoint():
    """The SOAP endpoint of an application."""
    with SoapEndpoint(signer="other-idp", entity_id="https://back.example/saml") as running:
        yield running


@pytest.fixture(scope="module")
def back(endpoint):
    """The application behind it."""
    return Sp("back", "other-idp", ("SOAP", "HTTP-Redirect"), soap_url=endpoint.url)


@pytest.fixture(scope="module")
def _standing(tmp_path_factory, redis_url, back):
    folder = tmp_path_factory.mktemp("bridge")
    how = {"bindings": ("Redirect", "POST"), "back_channel_allow": ("127.0.0.1",)}
    with running_bridge(folder, redis_url, sps=(ONE, TWO, THREE, back), **how) as first:
        second = create_app(first.settings, clock=first.clock)
        yield first, Bridge(second, first.settings, first.redis, first.clock, first.log)
        second.extensions["saml_slo"].stop()


@pytest.fixture
def bridges(_standing, endpoint):
    """Two bridges on one Redis on which nobody is signed in."""
    first, second = _standing
    first.redis.flushall()
    first.clock.now = idp.NOW
    first.log.clear()
    endpoint.asked.clear()
    endpoint.clock = first.clock
    return first, second


@pytest.fixture
def bridge(bridges):
    """One of them."""
    return bridges[0]


def now(bridge):
    """The bridge's time, as SAML writes it."""
    return bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(root):
    """The status codes of an answer, outermost first."""
    return [code.get("Value").rpartition(":")[2] for code in root.iter("{*}StatusCode")]


def at_once(*calls):
    """Call everything in threads of their own at the same moment; return what each returned, in order."""
    barrier, returned = Barrier(len(calls)), [None] * len(calls)

    def run(number, call):
        barrier.wait()
        try:
            returned[number] = call()
        except Exception as error:  # noqa: BLE001 - handed to the test
            returned[number] = error

    threads = [Thread(target=run, args=one) for one in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a deadlock"
    for one in returned:
        if isinstance(one, Exception):
            raise one
    return returned


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


def everywhere(bridge, back):
    """A browser that is signed in at every application, and what `one` was told."""
    browser = bridge.browser()
    told = ONE.sign_in(bridge, browser)
    for sp in (TWO, THREE, back):
        sp.sign_in(bridge, browser)
    return browser, told


# H180: at once -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["idp", "application"])
def test_h180_the_same_request_twenty_times_over_two_bridges(bridges, back, endpoint, who):
    """H180: one logout, one message to each application, nobody hears Success early, and all hear it in the end."""
    bridge = bridges[0]
    browser, told = everywhere(bridge, back)
    if who == "idp":
        message = idp_message(bridge)
    else:
        request = ONE.logout_request(bridge, told, identifier="_same")
        message = idp.redirect(request, endpoint=SLO, signer=ONE.signer, relay_state="x")
    calls = [lambda b=bridges[n % 2]: b.deliver(b.browser(), message) for n in range(AT_ONCE)]
    responses = at_once(*calls)
    assert not bridge.is_signed_in(browser)
    assert logouts(bridge) == 1
    assert len(endpoint.asked) == 1
    (path,) = {response.headers["Location"] for response in responses}
    assert path.startswith("/logout/")
    assert len(page_of(bridge, path)) == (3 if who == "idp" else 2)
    first = sent(finish(bridge, path))
    assert status_of(first.root) == ["Success"]
    again = at_once(*calls)
    assert {tuple(status_of(sent(one).root)) for one in again} == {("Success",)}
    assert {sent(one).parameters["RelayState"] for one in again} == {"x"}
    assert logouts(bridge) == len(endpoint.asked) == 1


@pytest.mark.parametrize("who", ["idp", "application"])
def test_h180_the_same_request_by_soap(bridges, back, endpoint, who):
    """H180 by SOAP: every caller has an answer, one application is asked once, and nobody hears more than is true."""
    bridge = bridges[0]
    browser = bridge.browser()
    told = ONE.sign_in(bridge, browser)
    back.sign_in(bridge, browser)
    if who == "idp":
        message, door = idp.logout_request(issued=now(bridge)), "/saml/sp/idp/slo"
    else:
        message = idp.sign(ONE.logout_request(bridge, told, identifier="_same"), ONE.signer)
        door = "/saml/idp/slo"
    body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{etree.tostring(message).decode()}</s:Body></s:Envelope>'
    answers = at_once(
        *(
            lambda b=bridges[n % 2]: b.browser().post(door, data=body, content_type="text/xml", base_url=ORIGIN)
            for n in range(AT_ONCE)
        )
    )
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    # The front channel cannot be asked by SOAP: `one` for the IdP, the IdP for `one`.
    told = {tuple(status_of(etree.fromstring(answer.data))) for answer in answers}
    assert told == {("Success", "PartialLogout")}
    assert not bridge.is_signed_in(browser)
    assert len(endpoint.asked) == logouts(bridge) == 1


def test_h180_the_idp_and_the_person_at_once(bridges, back, endpoint):
    """H180: whoever is first, every application is asked once, and both have an answer."""
    bridge, other = bridges
    for number in range(RACES // 4):
        bridge.redis.flushall()
        endpoint.asked.clear()
        bridge.clock.move(1)
        browser, _ = everywhere(bridge, back)
        message = idp_message(bridge, identifier=f"_race{number}")
        by_idp, by_person = at_once(
            lambda m=message: other.deliver(other.browser(), m), lambda b=browser: bridge.logout(b)
        )
        assert not bridge.is_signed_in(browser)
        assert len(endpoint.asked) == 1
        assert by_idp.status_code == by_person.status_code == 303
        assert by_person.headers["Location"].startswith("/logout/")
        asked = set(page_of(bridge, by_person.headers["Location"]))
        if by_idp.headers["Location"].startswith("/logout/"):
            asked |= set(page_of(bridge, by_idp.headers["Location"]))
        assert len(asked) == 3


@pytest.mark.parametrize("same", [True, False], ids=["one-twice", "two-applications"])
def test_h180_applications_at_once(bridges, back, endpoint, same):
    """H180: an application's two messages, or those of two applications: one logout, no application asked twice."""
    bridge, other = bridges
    for _ in range(RACES // 4):
        bridge.redis.flushall()
        endpoint.asked.clear()
        bridge.clock.move(1)
        browser, told = everywhere(bridge, back)
        second, what = (ONE, told) if same else (THREE, Told(THREE, sent(THREE.ask(bridge, browser))))
        responses = at_once(
            lambda t=told: ONE.start_logout(bridge, bridge.browser(), t),
            lambda s=second, w=what: s.start_logout(other, other.browser(), w),
        )
        assert not bridge.is_signed_in(browser)
        assert logouts(bridge) == len(endpoint.asked) == 1
        paths = [one.headers["Location"] for one in responses]
        assert sum(path.startswith("/logout/") for path in paths) in (1, 2)
        for response in responses:
            if not response.headers["Location"].startswith("/logout/"):
                assert status_of(sent(response).root) == ["Success", "PartialLogout"]


def test_h180_a_double_click(bridges, back, endpoint):
    """H180: the person clicks twenty times: one logout, one fan-out, one page."""
    bridge = bridges[0]
    browser, _ = everywhere(bridge, back)
    cookie = browser.get_cookie("__Host-slo", domain="bridge.example").value

    def click(at):
        twin = at.browser()
        twin.set_cookie("__Host-slo", cookie, domain="bridge.example", secure=True)
        return at.logout(twin, federated="")

    responses = at_once(*(lambda b=bridges[n % 2]: click(b) for n in range(AT_ONCE)))
    assert len({response.headers["Location"] for response in responses}) == 1
    assert logouts(bridge) == len(endpoint.asked) == 1


# H181, H182: signing in meanwhile ------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [True, False], ids=["issued-before", "issued-after"])
def test_h181_a_sign_in_and_a_logout_at_once(bridges, late):
    """H181: each race ends as one of the two orders would; session and index agree, and applications are consistent."""
    bridge, other = bridges
    for number in range(RACES):
        bridge.clock.move(1)
        issued = now(bridge)
        if not late:
            bridge.clock.move(1)
        browser = bridge.browser()
        response = idp.post(bridge.answer(bridge.start_sign_in(browser)), endpoint=idp.ACS)
        made = idp.logout_request(signed=False, indexes=(), identifier=f"_r{late}{number}", issued=issued)
        signed, asked = at_once(
            lambda b=browser, r=response: bridge.deliver(b, r),
            lambda m=made: other.deliver(other.browser(), idp.redirect(m)),
        )
        assert (signed.status_code, asked.status_code) in ((303, 303), (400, 303))
        lives = bridge.is_signed_in(browser)
        assert not (lives and late)
        assert late or signed.status_code == 303, "a newer sign-in is never late"
        listed = sum(bridge.redis.zcard(key) for key in bridge.redis.scan_iter("slo:*:principal:*"))
        assert listed == lives
        if lives:
            bridge.logout(browser)


def test_h182_an_application_joins_during_a_logout(bridges):
    """H182: it is told to sign in anew, or it is in the fan-out; never does it live on behind a Success."""
    bridge, other = bridges
    seen = set()
    for number in range(RACES):
        bridge.redis.flushall()
        bridge.clock.move(1)
        browser = bridge.browser()
        ONE.sign_in(bridge, browser)
        message = idp_message(bridge, identifier=f"_r{number}")
        joined, asked = at_once(
            lambda b=browser: TWO.ask(bridge, b), lambda m=message: other.deliver(other.browser(), m)
        )
        path = asked.headers["Location"]
        assert path.startswith("/logout/")
        got_in = joined.status_code == 200
        assert got_in == ("two" in states(bridge, path))
        assert not bridge.is_signed_in(browser)
        seen.add(got_in)
    assert seen, "both orders are right; which come is the machine's affair"


def test_h182_a_link_from_before_the_logout(bridge):
    """H182: the AuthnRequest was taken before the logout and is finished after it: the person has to sign in anew."""
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    link = bridge.deliver(browser, idp.post(TWO.authn_request(bridge), endpoint=f"{ORIGIN}/saml/idp/sso"))
    bridge.deliver(bridge.browser(), idp_message(bridge))
    response = bridge.get(browser, link.headers["Location"])
    assert response.headers["Location"].startswith("/login?")


# H183: the browser ---------------------------------------------------------------------------------------------------


def test_h183_closed_after_the_first_frame(bridge, back):
    """H183: who was asked and answered is confirmed, the others are told as what they are, and the session is over."""
    browser, told = everywhere(bridge, back)
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


def test_h183_each_step_reloaded(bridge, back, endpoint):
    """H183: pages, frames, answers and the way on, each twice: nothing is asked anew, nothing counts twice."""
    browser, told = everywhere(bridge, back)
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
    assert len(endpoint.asked) == 1
    assert logouts(bridge) == 1


def test_h183_a_step_in_another_browser(bridge, back):
    """H183: a frame or the way on in another browser opens no session, changes nobody else's, and its answer counts."""
    browser, _ = everywhere(bridge, back)
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


def test_h183_the_answers_url_in_another_order(bridge, back):
    """H183: Back to an older page and forward again: an answer to a message of another application is refused."""
    browser, _ = everywhere(bridge, back)
    path = bridge.logout(browser).headers["Location"]
    requests = [sent(bridge.get(browser, frame)) for frame in page_of(bridge, path)]
    wrong = ONE.answer(bridge, browser, next(one for one in requests if one.location.startswith(TWO.origin)))
    assert wrong.status_code == 400
    assert bridge.reasons() == ["unsolicited"]
    assert states(bridge, path)["two"] == "sent"
    assert json.loads(bridge.get(browser, f"{path}.json").get_data(as_text=True))["busy"]
