"""Group H in time: the same thing twice, two things at once, sign-ins while a logout runs (H180 to H182).

On two bridges that share a Redis.
"""

from threading import Barrier, Thread

import pytest
from lxml import etree

from tests import idp
from tests.attacks.crowd import (
    ONE,
    THREE,
    TWO,
    finish,
    idp_message,
    logouts,
    now,
    open_crowd,
    page_of,
    states,
    status_of,
)
from tests.running import ORIGIN, sent
from tests.sp import SLO, SOAP, Told

AT_ONCE = 20
RACES = 40


@pytest.fixture(scope="module")
def _standing(tmp_path_factory, redis_url):
    with open_crowd(tmp_path_factory.mktemp("bridge"), redis_url) as crowd:
        yield crowd


@pytest.fixture
def crowd(_standing):
    """Two bridges on which nobody is signed in."""
    return _standing.empty()


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
        thread.join(120)
        assert not thread.is_alive(), "a deadlock"
    for one in returned:
        if isinstance(one, Exception):
            raise one
    return returned


# H180: at once -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["idp", "application"])
def test_h180_the_same_request_twenty_times_over_two_bridges(crowd, who):
    """H180: one logout, one message to each application, nobody hears Success early, and all hear it in the end."""
    bridge = crowd.bridge
    browser, told = crowd.everywhere()
    if who == "idp":
        message = idp_message(bridge)
    else:
        request = ONE.logout_request(bridge, told, identifier="_same")
        message = idp.redirect(request, endpoint=SLO, signer=ONE.signer, relay_state="x")
    calls = [lambda b=crowd.bridges[n % 2]: b.deliver(b.browser(), message) for n in range(AT_ONCE)]
    responses = at_once(*calls)
    assert not bridge.is_signed_in(browser)
    assert logouts(bridge) == 1
    assert len(crowd.endpoint.asked) == 1
    (path,) = {response.headers["Location"] for response in responses}
    assert path.startswith("/logout/")
    assert len(page_of(bridge, path)) == (3 if who == "idp" else 2)
    first = sent(finish(bridge, path))
    assert status_of(first.root) == ["Success"]
    again = at_once(*calls)
    assert {tuple(status_of(sent(one).root)) for one in again} == {("Success",)}
    assert {sent(one).parameters["RelayState"] for one in again} == {"x"}
    assert logouts(bridge) == len(crowd.endpoint.asked) == 1


@pytest.mark.parametrize("who", ["idp", "application"])
def test_h180_the_same_request_by_soap(crowd, who):
    """H180 by SOAP: every caller has an answer, one application is asked once, and nobody hears more than is true."""
    bridge = crowd.bridge
    browser = bridge.browser()
    told = ONE.sign_in(bridge, browser)
    crowd.back.sign_in(bridge, browser)
    if who == "idp":
        message, door = idp.logout_request(issued=now(bridge)), "/saml/sp/idp/slo"
    else:
        message = idp.sign(ONE.logout_request(bridge, told, identifier="_same"), ONE.signer)
        door = "/saml/idp/slo"
    body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{etree.tostring(message).decode()}</s:Body></s:Envelope>'
    answers = at_once(
        *(
            lambda b=crowd.bridges[n % 2]: b.browser().post(door, data=body, content_type="text/xml", base_url=ORIGIN)
            for n in range(AT_ONCE)
        )
    )
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    # The front channel cannot be asked by SOAP: `one` for the IdP, the IdP for `one`.
    told = {tuple(status_of(etree.fromstring(answer.data))) for answer in answers}
    assert told == {("Success", "PartialLogout")}
    assert not bridge.is_signed_in(browser)
    assert len(crowd.endpoint.asked) == logouts(bridge) == 1


def test_h180_the_idp_and_the_person_at_once(crowd):
    """H180: whoever is first, every application is asked once, and both have an answer."""
    bridge = crowd.bridge
    other = crowd.other
    for number in range(RACES // 4):
        bridge.redis.flushall()
        crowd.endpoint.asked.clear()
        bridge.clock.move(1)
        browser, _ = crowd.everywhere()
        message = idp_message(bridge, identifier=f"_race{number}")
        by_idp, by_person = at_once(
            lambda m=message: other.deliver(other.browser(), m), lambda b=browser: bridge.logout(b)
        )
        assert not bridge.is_signed_in(browser)
        assert len(crowd.endpoint.asked) == 1
        assert by_idp.status_code == by_person.status_code == 303
        assert by_person.headers["Location"].startswith("/logout/")
        asked = set(page_of(bridge, by_person.headers["Location"]))
        if by_idp.headers["Location"].startswith("/logout/"):
            asked |= set(page_of(bridge, by_idp.headers["Location"]))
        assert len(asked) == 3


def test_h180_the_idp_asks_while_the_persons_logout_runs(crowd):
    """L10: applications that were not told yet are not called signed out, whoever asks and under which message ID."""
    bridge = crowd.bridge
    browser, _ = crowd.everywhere()
    path = bridge.logout(browser).headers["Location"]
    bridge.clock.move(1)
    response = bridge.deliver(bridge.browser(), idp_message(bridge, identifier="_other"))
    if not response.headers["Location"].startswith("/logout/"):
        assert status_of(sent(response).root) != ["Success"]
    finish(bridge, path)
    after = bridge.deliver(bridge.browser(), idp_message(bridge, identifier="_after"))
    assert status_of(sent(after).root) == ["Success"]


def test_h180_the_idp_asks_again_under_another_id(crowd):
    """L7: a reload at the IdP is a new message about the same session; it hears Success only when that is so."""
    bridge = crowd.bridge
    browser, _ = crowd.everywhere()
    path = bridge.deliver(bridge.browser(), idp_message(bridge)).headers["Location"]
    assert path.startswith("/logout/")
    bridge.clock.move(1)
    response = bridge.deliver(bridge.browser(), idp_message(bridge, identifier="_again"))
    if not response.headers["Location"].startswith("/logout/"):
        assert status_of(sent(response).root) != ["Success"]
    assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize("door", ["idp", "application"])
def test_h180_asked_by_soap_while_the_persons_logout_runs(crowd, door):
    """L10: by SOAP too, nobody hears Success before the applications were told; afterwards, everybody."""
    bridge = crowd.bridge
    browser, told = crowd.everywhere()
    path = bridge.logout(browser).headers["Location"]
    answers = []
    for done in (False, True):
        if done:
            finish(bridge, path)
        bridge.clock.move(1)
        if door == "idp":
            message = idp.logout_request(issued=now(bridge), identifier=f"_soap{done}")
            body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{etree.tostring(message).decode()}</s:Body></s:Envelope>'
            how = {"data": body, "content_type": "text/xml", "base_url": ORIGIN}
            response = bridge.browser().post("/saml/sp/idp/slo", **how)
        else:
            response = ONE.start_logout(bridge, bridge.browser(), told, binding="soap")
        answers.append(status_of(etree.fromstring(response.data)))
    assert answers == [["Success", "PartialLogout"], ["Success"]]
    assert logouts(bridge) == (3 if door == "idp" else 1)


@pytest.mark.parametrize("same", [True, False], ids=["one-twice", "two-applications"])
def test_h180_applications_at_once(crowd, same):
    """H180: an application's two messages, or those of two applications: one logout, no application asked twice."""
    bridge = crowd.bridge
    other = crowd.other
    for _ in range(RACES // 4):
        bridge.redis.flushall()
        crowd.endpoint.asked.clear()
        bridge.clock.move(1)
        browser, told = crowd.everywhere()
        second, what = (ONE, told) if same else (THREE, Told(THREE, sent(THREE.ask(bridge, browser))))
        responses = at_once(
            lambda t=told: ONE.start_logout(bridge, bridge.browser(), t),
            lambda s=second, w=what: s.start_logout(other, other.browser(), w),
        )
        assert not bridge.is_signed_in(browser)
        assert logouts(bridge) == len(crowd.endpoint.asked) == 1
        paths = [one.headers["Location"] for one in responses]
        assert sum(path.startswith("/logout/") for path in paths) in (1, 2)
        for response in responses:
            if not response.headers["Location"].startswith("/logout/"):
                assert status_of(sent(response).root) == ["Success", "PartialLogout"]


def test_h180_a_double_click(crowd):
    """H180: the person clicks twenty times: one logout, one fan-out, one page."""
    bridge = crowd.bridge
    browser, _ = crowd.everywhere()
    cookie = browser.get_cookie("__Host-slo", domain="bridge.example").value

    def click(at):
        twin = at.browser()
        twin.set_cookie("__Host-slo", cookie, domain="bridge.example", secure=True)
        return at.logout(twin, federated="")

    responses = at_once(*(lambda b=crowd.bridges[n % 2]: click(b) for n in range(AT_ONCE)))
    assert len({response.headers["Location"] for response in responses}) == 1
    assert logouts(bridge) == len(crowd.endpoint.asked) == 1


# H181, H182: signing in meanwhile ------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [True, False], ids=["issued-before", "issued-after"])
def test_h181_a_sign_in_and_a_logout_at_once(crowd, late):
    """H181: each race ends as one of the two orders would; session and index agree, and applications are consistent."""
    bridge = crowd.bridge
    other = crowd.other
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


def test_h182_an_application_joins_during_a_logout(crowd):
    """H182: it is told to sign in anew, or it is in the fan-out; never does it live on behind a Success."""
    bridge = crowd.bridge
    other = crowd.other
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


def test_h182_a_link_from_before_the_logout(crowd):
    """H182: the AuthnRequest was taken before the logout and is finished after it: the person has to sign in anew."""
    bridge = crowd.bridge
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    link = bridge.deliver(browser, idp.post(TWO.authn_request(bridge), endpoint=f"{ORIGIN}/saml/idp/sso"))
    bridge.deliver(bridge.browser(), idp_message(bridge))
    response = bridge.get(browser, link.headers["Location"])
    assert response.headers["Location"].startswith("/login?")
