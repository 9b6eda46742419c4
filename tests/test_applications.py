"""Applications: sign-in through us, and single logout started by everybody, over every channel (A1, L6 to L10)."""

import json
import threading

import pytest

from tests import idp
from tests.running import running_bridge, sent
from tests.serving import wait_until
from tests.sp import SSO, SoapEndpoint, Sp, Told, frames, receipt

ONE = Sp("one", "idp-next", ("HTTP-Redirect", "HTTP-POST"))
TWO = Sp("two", "other-idp", ("HTTP-POST",))
LOCAL = {"back_channel_allow": ("127.0.0.1",)}


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with two front-channel applications."""
    with running_bridge(tmp_path, redis_url, bindings=("Redirect", "POST"), sps=(ONE, TWO)) as running:
        yield running


def frame_request(bridge, browser, path):
    """Open a frame of the progress page and return the LogoutRequest in it."""
    return sent(bridge.get(browser, path))


def page(bridge, browser, response):
    """Follow a redirect to the page of a logout; return its path and its text."""
    location = response.headers["Location"]
    assert location.startswith("/logout/"), location
    return location, bridge.get(browser, location).get_data(as_text=True)


def codes_of(message):
    """The status codes of a message, from the top-level one inwards."""
    return [code.get("Value").rpartition(":")[2] for code in message.root.iter("{*}StatusCode")]


def states(told):
    """The states of a receipt by name."""
    return {row["name"]: row["state"] for row in told["sessions"]}


def test_an_application_signs_in_through_us(bridge):
    """A1: the Response is signed, for it, answers its request, and names our own SessionIndex, not the IdP's."""
    browser = bridge.browser()
    told = ONE.sign_in(bridge, browser)
    assert told.status == ["Success"]
    assert told.message.location == "https://one.example/acs"
    assert told.message.parameters["RelayState"] == "back"
    assert told.session_index not in (None, "_s1")
    assert told.name_id != "alice@corp.test"
    assert bridge.is_signed_in(browser)


@pytest.mark.parametrize("post", [False, True])
def test_the_second_application_asks_nobody(bridge, post):
    """SSO: with a session the Response comes at once, and persistent names are pairwise and stable."""
    browser = bridge.browser()
    one = ONE.sign_in(bridge, browser)
    two = Told(TWO, sent(TWO.ask(bridge, browser, post=post)))
    again = Told(ONE, sent(ONE.ask(bridge, browser)))
    assert two.status == ["Success"]
    assert len({one.name_id, two.name_id}) == 2
    assert (again.name_id, again.session_index) == (one.name_id, one.session_index)


def test_passive_without_a_session_is_no_passive(bridge):
    """A1: IsPassive is answered with NoPassive, also after a logout."""
    browser = bridge.browser()
    told = Told(ONE, sent(ONE.ask(bridge, browser, IsPassive="true")))
    assert told.status == ["Responder", "NoPassive"]
    assert told.name_id is None


def test_force_authn_is_passed_on(bridge):
    """A1: with a session, ForceAuthn goes to the IdP all the same, and the new sign-in answers it."""
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    bridge.clock.move(2)
    response = TWO.ask(bridge, browser, ForceAuthn="true")
    assert response.headers["Location"].startswith("/login?")
    request = sent(browser.get(response.headers["Location"], base_url="https://bridge.example"))
    assert request.root.get("ForceAuthn") == "true"
    back = bridge.deliver(browser, idp.post(bridge.answer(request), endpoint=idp.ACS))
    told = Told(TWO, sent(bridge.get(browser, back.headers["Location"])))
    assert told.status == ["Success"]


CLASSES = "urn:oasis:names:tc:SAML:2.0:ac:classes:"


def context(reference, kind="ClassRef", comparison="exact"):
    """A RequestedAuthnContext with one reference."""
    return (
        f'<samlp:RequestedAuthnContext Comparison="{comparison}"><saml:AuthnContext{kind}>{reference}'
        f"</saml:AuthnContext{kind}></samlp:RequestedAuthnContext>"
    )


def test_an_authentication_context_is_asked_of_the_idp(bridge):
    """A1: a session that was opened in another way does not answer; the IdP is asked as the application asked."""
    browser = bridge.browser()
    given = ONE.sign_in(bridge, browser)
    reference = given.message.root.findtext(".//{*}AuthnContextClassRef")
    bridge.clock.move(1)
    assert ONE.ask(bridge, browser, context(reference)).status_code == 200, "what the session has is asked of nobody"
    for wanted, comparison in ((f"{CLASSES}TimeSyncToken", "exact"), (reference, "minimum")):
        response = TWO.ask(bridge, browser, context(wanted, comparison=comparison))
        assert response.headers["Location"].startswith("/login?"), (wanted, comparison)
        asked = sent(bridge.get(browser, response.headers["Location"])).root
        requested = asked.find("{*}RequestedAuthnContext")
        assert requested.get("Comparison") == comparison
        assert requested.findtext("{*}AuthnContextClassRef") == wanted


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ('<samlp:Scoping ProxyCount="0"/>', "ProxyCountExceeded"),
        (context("https://app.example/agreement", "DeclRef"), "NoAuthnContext"),
    ],
)
def test_what_we_can_do_for_nobody_is_refused_at_once(bridge, content, status):
    """A1: no IdP may be asked, or a private declaration is wanted: the application is told, the IdP is not bothered."""
    assert Told(ONE, sent(ONE.ask(bridge, bridge.browser(), content))).status == ["Responder", status]


def test_a_person_logs_out_and_frames_tell_the_applications(bridge):
    """L6, T3: the progress page opens a frame per application, then the IdP is asked, then the receipt tells."""
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    TWO.sign_in(bridge, browser)
    location, text = page(bridge, browser, bridge.logout(browser, federated=""))
    assert not bridge.is_signed_in(browser)
    opened = frames(text)
    assert len(opened) == 2
    for sp, path in zip((ONE, TWO), opened, strict=True):
        request = frame_request(bridge, browser, path)
        assert request.location == f"{sp.origin}/slo"
        assert sp.answer(bridge, browser, request).status_code == 200
    told = receipt(bridge, browser, location)
    assert not told["busy"]
    request = sent(bridge.get(browser, f"{location}/next"))
    assert request.location == "https://idp.example/slo"
    message = idp.logout_response(in_response_to=request.id, signed=False)
    done = bridge.receipt(browser, bridge.deliver(browser, idp.redirect(message)))
    assert set(states(done).values()) == {"confirmed"}


def test_an_application_logs_out_and_gets_its_answer_last(bridge):
    """L8: the other application by frame, the IdP by hop, then the LogoutResponse with RelayState to who asked."""
    browser = bridge.browser()
    one = ONE.sign_in(bridge, browser)
    TWO.sign_in(bridge, browser)
    location, text = page(bridge, browser, ONE.start_logout(bridge, browser, one))
    assert not bridge.is_signed_in(browser)
    (path,) = frames(text)
    TWO.answer(bridge, browser, frame_request(bridge, browser, path), binding="post")
    request = sent(bridge.get(browser, f"{location}/next"))
    assert request.location == "https://idp.example/slo"
    message = idp.logout_response(in_response_to=request.id, signed=False)
    answer = sent(bridge.deliver(browser, idp.redirect(message)))
    assert answer.location == "https://one.example/slo"
    assert answer.parameters["RelayState"] == "rs"
    assert codes_of(answer) == ["Success"]


def test_a_dead_application_is_partial_logout_and_stops_nobody(bridge):
    """L10: one frame never answers; the rest ends, and the requester is told PartialLogout."""
    browser = bridge.browser()
    one = ONE.sign_in(bridge, browser)
    TWO.sign_in(bridge, browser)
    location, text = page(bridge, browser, ONE.start_logout(bridge, browser, one))
    frame_request(bridge, browser, frames(text)[0])
    bridge.clock.move(6)
    request = sent(bridge.get(browser, f"{location}/next"))
    message = idp.logout_response(in_response_to=request.id, signed=False, issued=idp.instant(6))
    answer = sent(bridge.deliver(browser, idp.redirect(message)))
    assert codes_of(answer) == ["Success", "PartialLogout"]
    assert states(receipt(bridge, browser, location))["two"] == "timed_out"


def test_the_idp_logs_out_and_the_applications_hear_of_it(bridge):
    """L7: the IdP's LogoutRequest in a browser without our cookie: frames, then its answer."""
    browser, other = bridge.browser(), bridge.browser()
    ONE.sign_in(bridge, browser)
    made = idp.logout_request(signed=False)
    location, text = page(bridge, other, bridge.deliver(other, idp.redirect(made, relay_state="x")))
    assert not bridge.is_signed_in(browser)
    ONE.answer(bridge, other, frame_request(bridge, other, frames(text)[0]))
    answer = sent(bridge.get(other, f"{location}/next"))
    assert answer.location == "https://idp.example/slo"
    assert answer.root.get("InResponseTo") == made.get("ID")


def test_the_same_request_joins_its_logout_and_is_never_told_success_too_early(bridge):
    """L7: while its logout still runs a repeated request sees the progress page, afterwards the same answer."""
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    message = idp.redirect(idp.logout_request(signed=False))
    location, text = page(bridge, browser, bridge.deliver(browser, message))
    assert page(bridge, browser, bridge.deliver(browser, message))[0] == location
    ONE.answer(bridge, browser, frame_request(bridge, browser, frames(text)[0]))
    first = sent(bridge.deliver(browser, message))
    again = sent(bridge.deliver(browser, message))
    assert first.root.get("InResponseTo") == again.root.get("InResponseTo") == "_lr1"


def test_an_idp_that_asks_anew_hears_of_the_application_that_failed(bridge):
    """L10: nothing is left to end, but it is still not known that the application's session ended."""
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    location, text = page(bridge, browser, bridge.deliver(browser, idp.redirect(idp.logout_request(signed=False))))
    bridge.clock.move(6)
    request = frame_request(bridge, browser, frames(text)[0])
    bridge.clock.move(6)
    first = sent(bridge.get(browser, f"{location}/next"))
    anew = idp.logout_request(signed=False, identifier="_anew", issued=idp.instant(12))
    second = sent(bridge.deliver(bridge.browser(), idp.redirect(anew)))
    for answer in (first, second):
        assert codes_of(answer) == ["Success", "PartialLogout"]
    ONE.answer(bridge, browser, request)
    later = idp.logout_request(signed=False, identifier="_later", issued=idp.instant(12))
    assert codes_of(sent(bridge.deliver(bridge.browser(), idp.redirect(later)))) == ["Success"]


@pytest.fixture
def endpoint():
    """An application's SOAP endpoint."""
    with SoapEndpoint(signer="idp-next", entity_id="https://back.example/saml") as running:
        yield running


@pytest.fixture
def back(endpoint):
    """The application behind it."""
    return Sp("back", "idp-next", ("SOAP", "HTTP-Redirect"), soap_url=endpoint.url)


def test_the_back_channel_is_asked_at_once_and_confirmed(tmp_path, redis_url, endpoint, back):
    """L6, L9: a SOAP application is told by the commit's own request, without a frame or a page."""
    with running_bridge(tmp_path, redis_url, sps=(back,), **LOCAL) as bridge:
        browser = bridge.browser()
        told = back.sign_in(bridge, browser)
        done = bridge.receipt(browser, bridge.logout(browser))
        assert states(done)["back"] == "confirmed"
        (asked,) = endpoint.asked
        assert asked.find("{*}SessionIndex").text == told.session_index
        assert asked.find("{*}NameID").text == told.name_id


def test_a_back_channel_that_failed_is_tried_again_until_it_works(tmp_path, redis_url, endpoint, back):
    """T5: after a failure the sweeper asks again with a fresh message, and the receipt changes."""
    with running_bridge(tmp_path, redis_url, sps=(back,), **LOCAL) as bridge:
        browser = bridge.browser()
        back.sign_in(bridge, browser)
        endpoint.fail = True
        response = bridge.logout(browser)
        told = bridge.receipt(browser, response)
        assert states(told)["back"] == "timed_out"
        assert "(binding_mismatch, HTTP status 500)" in json.dumps(told)
        endpoint.fail, endpoint.clock = False, bridge.clock
        bridge.clock.move(6)
        sweeper = bridge.app.extensions["saml_slo"].sweeper
        sweeper.sweep()
        wait_until(lambda: states(bridge.receipt(browser, response))["back"] == "confirmed")
        assert len({message.get("ID") for message in endpoint.asked}) == 2


def test_a_page_that_comes_after_the_last_answer_goes_on_by_itself(tmp_path, redis_url, endpoint, back):
    """L8: the back channel answers while the browser is on its way to the progress page; nobody waits for a click."""
    with running_bridge(tmp_path, redis_url, bindings=("Redirect", "POST"), sps=(ONE, back), **LOCAL) as bridge:
        browser = bridge.browser()
        one = ONE.sign_in(bridge, browser)
        back.sign_in(bridge, browser)
        endpoint.clock, endpoint.delay = bridge.clock, threading.Event()
        location = ONE.start_logout(bridge, browser, one).headers["Location"]
        assert receipt(bridge, browser, location)["busy"]
        endpoint.delay.set()
        wait_until(lambda: not receipt(bridge, browser, location)["busy"])
        text = bridge.get(browser, location).get_data(as_text=True)
        assert f'<meta http-equiv="refresh" content="0; url={location}/next">' in text
        assert sent(bridge.get(browser, f"{location}/next")).location == "https://idp.example/slo"


def test_a_logout_by_soap_ends_everything_that_needs_no_browser(tmp_path, redis_url, endpoint, back):
    """L8: the back channel is told before the answer, the front channel is unreachable: PartialLogout."""
    with running_bridge(tmp_path, redis_url, sps=(ONE, back), **LOCAL) as bridge:
        browser = bridge.browser()
        one = ONE.sign_in(bridge, browser)
        back.sign_in(bridge, browser)
        response = ONE.start_logout(bridge, browser, one, binding="soap")
        assert response.status_code == 200
        assert b"PartialLogout" in response.data  # the IdP can only be asked by a browser
        assert not bridge.is_signed_in(browser)
        assert len(endpoint.asked) == 1


def test_the_same_request_by_soap_waits_for_the_back_channel_too(tmp_path, redis_url, endpoint, back):
    """L7: who repeats a LogoutRequest while it is carried out hears what came of it, not that it is not done yet."""
    with running_bridge(tmp_path, redis_url, sps=(ONE, back), federated="never", **LOCAL) as bridge:
        browser = bridge.browser()
        one = ONE.sign_in(bridge, browser)
        back.sign_in(bridge, browser)
        endpoint.delay = threading.Event()
        request = idp.sign(ONE.logout_request(bridge, one), ONE.signer)
        answers = []
        askers = [threading.Thread(target=lambda: answers.append(Sp.soap(bridge, request))) for _ in range(2)]
        for asker in askers:
            asker.start()
            threading.Event().wait(0.3)
        endpoint.delay.set()
        for asker in askers:
            asker.join()
        assert [b"PartialLogout" in answer.data for answer in answers] == [False, False]
        assert len(endpoint.asked) == 1


def test_an_unknown_or_foreign_request_of_an_application_ends_nothing(bridge):
    """H172: an application names a person of whom it knows nothing, or with another's SessionIndex."""
    browser, other = bridge.browser(), bridge.browser()
    one = ONE.sign_in(bridge, browser)
    two = TWO.sign_in(bridge, other)
    stranger = TWO.start_logout(bridge, bridge.browser(), one)
    assert [c.get("Value").rpartition(":")[2] for c in sent(stranger).root.iter("{*}StatusCode")][
        -1
    ] == "UnknownPrincipal"
    foreign = TWO.start_logout(bridge, bridge.browser(), two, indexes=(one.session_index,))
    assert sent(foreign).root.tag.endswith("LogoutResponse")
    assert bridge.is_signed_in(browser)
    assert bridge.is_signed_in(other)


def test_our_metadata_as_identity_provider_is_published(bridge):
    """A1: one entity for all applications, with SSO by Redirect and POST and SLO by Redirect, POST and SOAP."""
    response = bridge.get(bridge.browser(), "/saml/idp/metadata")
    assert response.mimetype == "application/samlmetadata+xml"
    text = response.get_data(as_text=True)
    assert text.count("SingleLogoutService") >= 3
    assert 'entityID="https://bridge.example/saml/idp/metadata"' in text


def test_a_request_that_nobody_finished_is_over_after_an_hour(bridge):
    """The signed link that carries an application's request through a sign-in does not live for ever."""
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    request = ONE.authn_request(bridge)
    link = bridge.deliver(browser, idp.post(request, endpoint=SSO)).headers["Location"]
    bridge.clock.move(bridge.settings.sign_in_lifetime + 1)
    assert bridge.get(browser, link).status_code == 400
    assert bridge.reasons() == ["expired"]


def test_a_link_of_somebody_elses_making_is_refused(bridge):
    """What the link says is believed because we sealed it."""
    for link in ("/saml/idp/continue", "/saml/idp/continue?request=x", "/login?request=x"):
        assert bridge.get(bridge.browser(), link).status_code == 400
    assert bridge.reasons() == ["bad_request"] * 3


def test_a_session_that_ended_meanwhile_gives_no_response(bridge):
    """H182: the application's request meets a session that was just logged out: the person has to sign in again."""
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    token = browser.get_cookie("__Host-slo", domain="bridge.example").value
    bridge.logout(browser)
    browser.set_cookie("__Host-slo", token, domain="bridge.example", secure=True)
    response = TWO.ask(bridge, browser)
    assert response.headers["Location"].startswith("/login?")
    assert Told(TWO, sent(TWO.ask(bridge, browser, IsPassive="true"))).status == ["Responder", "NoPassive"]
