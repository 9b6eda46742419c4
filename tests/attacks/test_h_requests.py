"""Group H at our doors: whom a LogoutRequest may end, what it is answered, and that Success means ended.

Cases H165 to H172, H176, H178 and H179 with applications; those of the identity provider alone stand in
tests/test_idp_logout.py, some of the applications' in tests/test_applications.py.
"""

import time

import pytest
from lxml import etree

from saml_slo.errors import StoreUnavailable
from saml_slo.protocol.envelope import HttpIn
from saml_slo.store.store import Store
from tests import idp
from tests.running import running_bridge, sent
from tests.sp import BINDING, SOAP, SoapEndpoint, Sp, Told, frames

ONE = Sp("one", "idp-next", ("HTTP-Redirect", "HTTP-POST"))
TWO = Sp("two", "other-idp", ("HTTP-POST",))
LOCAL = {"back_channel_allow": ("127.0.0.1",)}
SUCCESS, PARTIAL = ["Success"], ["Success", "PartialLogout"]
NOBODY = f'<saml:NameID xmlns:saml="{idp.SAML}">nobody</saml:NameID>'
UNKNOWN = ["Requester", "UnknownPrincipal"]


@pytest.fixture(scope="module")
def _standing(tmp_path_factory, redis_url):
    folder = tmp_path_factory.mktemp("bridge")
    with running_bridge(folder, redis_url, bindings=("Redirect", "POST"), sps=(ONE, TWO)) as running:
        yield running


@pytest.fixture
def bridge(_standing):
    """A bridge with two front-channel applications, on which nobody is signed in."""
    _standing.redis.flushall()
    _standing.clock.now = idp.NOW
    _standing.log.clear()
    return _standing


def now(bridge):
    """The bridge's time, as SAML writes it."""
    return bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(root):
    """The status codes of an answer, outermost first."""
    return [code.get("Value").rpartition(":")[2] for code in root.iter("{*}StatusCode")]


def by_soap(bridge, message, endpoint):
    """Post a message in an envelope; return the HTTP response."""
    body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{etree.tostring(message).decode()}</s:Body></s:Envelope>'
    request = HttpIn(method="POST", endpoint=endpoint, body=body.encode(), content_type="text/xml")
    return bridge.deliver(bridge.browser(), request)


def idp_asks(bridge, browser=None, *, binding="redirect", **parts):
    """Let the IdP ask; return our HTTP response."""
    made = idp.logout_request(**{"issued": now(bridge), **parts}, signed=binding != "redirect")
    if binding == "soap":
        return by_soap(bridge, made, idp.SLO)
    return bridge.deliver(browser or bridge.browser(), getattr(idp, binding)(made))


def soap_status(response):
    """The status codes in an envelope."""
    assert response.status_code == 200, response.get_data(as_text=True)
    return status_of(etree.fromstring(response.data)[0][0])


# H165, H167, H172: whom ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binding", ["redirect", "post", "soap"])
def test_h165_an_application_learns_nothing_of_people_it_never_saw(bridge, binding):
    """H165, H172: whether the NameID is another application's, somebody's at the IdP, or nobody's: the same answer."""
    person = bridge.browser()
    one = ONE.sign_in(bridge, person)
    answers = []
    for name_id in (one.name_id_xml, idp.NAME_ID, NOBODY):
        told = Told(TWO, one.message)
        told.name_id_xml, told.session_index = name_id, one.session_index
        response = TWO.start_logout(bridge, bridge.browser(), told, binding=binding)
        root = etree.fromstring(response.data)[0][0] if binding == "soap" else sent(response).root
        answers.append(status_of(root))
    assert answers == [UNKNOWN] * 3
    assert bridge.is_signed_in(person)
    assert Told(ONE, sent(ONE.ask(bridge, person))).session_index == one.session_index


@pytest.mark.parametrize("indexes", [("_none",), ("{victim}",), ("_none", "{victim}")])
def test_h167_an_application_with_anothers_session_index(bridge, indexes):
    """H167: its own person's NameID with the SessionIndex of somebody else ends neither."""
    alice, victim = bridge.browser(), bridge.browser()
    told = ONE.sign_in(bridge, alice)
    bridge.clock.move(1)
    theirs = signed_in_as(bridge, victim, ONE, "victim")
    indexes = tuple(index.replace("{victim}", theirs.session_index) for index in indexes)
    answer = sent(ONE.start_logout(bridge, bridge.browser(), told, indexes=indexes))
    assert status_of(answer.root)[0] in ("Success", "Requester")
    assert bridge.is_signed_in(alice)
    assert bridge.is_signed_in(victim)


def test_h167_one_valid_index_beside_a_foreign_one(bridge):
    """H167: the valid one is ended, the foreign one's session is not."""
    alice, victim = bridge.browser(), bridge.browser()
    told = ONE.sign_in(bridge, alice)
    bridge.clock.move(1)
    theirs = signed_in_as(bridge, victim, ONE, "victim")
    ONE.start_logout(bridge, bridge.browser(), told, indexes=(theirs.session_index, told.session_index))
    assert not bridge.is_signed_in(alice)
    assert bridge.is_signed_in(victim)


def signed_in_as(bridge, browser, sp, who):
    """Sign somebody else in at the IdP and then at an application."""
    bridge.sign_in(browser, name_id=idp.NAME_ID.replace("alice", who))
    return Told(sp, sent(sp.ask(bridge, browser)))


def test_h172_an_application_ends_only_sessions_it_is_part_of(bridge):
    """H172: one person in two browsers, the application in one of them: the other browser stays signed in."""
    here, there = bridge.browser(), bridge.browser()
    one = ONE.sign_in(bridge, here)
    bridge.clock.move(1)
    TWO.sign_in(bridge, there)
    ONE.start_logout(bridge, bridge.browser(), one, indexes=())
    assert not bridge.is_signed_in(here)
    assert bridge.is_signed_in(there)


def test_h166_an_application_without_an_index_means_all_its_sessions(bridge):
    """H166 at the applications' door: none given selects every session of the person that it is part of."""
    browsers = []
    for _ in range(3):
        bridge.clock.move(1)
        browsers.append(bridge.browser())
        told = ONE.sign_in(bridge, browsers[-1])
    ONE.start_logout(bridge, bridge.browser(), told, indexes=())
    assert not any(bridge.is_signed_in(browser) for browser in browsers)


# H170: how much ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["idp", "application"])
@pytest.mark.parametrize("binding", ["redirect", "post", "soap"])
@pytest.mark.parametrize("count", [1000, 10_000])
def test_h170_ten_thousand_session_indexes(bridge, door, binding, count):
    """H170: refused or answered, it costs little; what was not named is not ended."""
    browser = bridge.browser()
    told = ONE.sign_in(bridge, browser)
    indexes = tuple(f"_nobody{number}" for number in range(count))
    began = time.process_time()
    if door == "idp":
        response = idp_asks(bridge, binding=binding, indexes=indexes)
    else:
        response = ONE.start_logout(bridge, bridge.browser(), told, binding=binding, indexes=indexes)
    assert time.process_time() - began < 3
    assert response.status_code in (200, 303, 400, 413, 414)
    assert bridge.is_signed_in(browser)


# H176: without a cookie ----------------------------------------------------------------------------------------------


def test_h176_in_a_frame_of_the_idp_without_our_cookie(bridge):
    """H176: the frame's page may stand there; Success comes only after the applications, and the session is ended."""
    person, frame = bridge.browser(), bridge.browser()
    ONE.sign_in(bridge, person)
    response = idp_asks(bridge, frame)
    assert not bridge.is_signed_in(person)
    path = response.headers["Location"]
    page = bridge.get(frame, path)
    assert "https://idp.example" in page.headers["Content-Security-Policy"].partition("frame-ancestors")[2]
    early = bridge.get(frame, f"{path}/next")
    assert "SAMLResponse" not in early.headers.get("Location", "")
    (opened,) = frames(page.get_data(as_text=True))
    ONE.answer(bridge, frame, sent(bridge.get(frame, opened)))
    assert status_of(sent(bridge.get(frame, f"{path}/next")).root) == SUCCESS


def test_h176_nothing_of_ours_needs_a_cookie_to_answer_an_application(bridge):
    """H176: an application's front-channel request from a browser that we never saw ends the session."""
    person, stranger = bridge.browser(), bridge.browser()
    one = ONE.sign_in(bridge, person)
    response = ONE.start_logout(bridge, stranger, one)
    assert sent(response).location == "https://idp.example/slo"
    assert not bridge.is_signed_in(person)


# H178: Success means ended -------------------------------------------------------------------------------------------


def lost(*_arguments, **_options):
    """A store that does not answer."""
    raise StoreUnavailable("gone", cause="test")


FAILS = ["find_principal", "end_sessions"]


@pytest.mark.parametrize("fails", FAILS)
@pytest.mark.parametrize("binding", ["redirect", "post", "soap"])
@pytest.mark.parametrize("door", ["idp", "application"])
def test_h178_a_store_that_fails_is_never_success(bridge, monkeypatch, door, binding, fails):
    """H178: 503 and no LogoutResponse; the session is truthfully alive, and the same request ends it afterwards."""
    browser = bridge.browser()
    told = ONE.sign_in(bridge, browser)

    def ask():
        if door == "idp":
            return idp_asks(bridge, binding=binding)
        return ONE.start_logout(bridge, bridge.browser(), told, binding=binding, identifier="_lr1")

    monkeypatch.setattr(Store, fails, lost)
    response = ask()
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "Location" not in response.headers
    assert b"SAMLResponse" not in response.data
    assert b"LogoutResponse" not in response.data
    monkeypatch.undo()
    assert bridge.is_signed_in(browser)
    assert ask().status_code in (200, 303)
    assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize("binding", ["redirect", "soap"])
@pytest.mark.parametrize("door", ["idp", "application"])
def test_h178_a_reply_that_was_lost_is_found_again(bridge, monkeypatch, door, binding):
    """H178, F20: the commit happened, its reply did not come: 503; the same request then joins, never early."""
    browser = bridge.browser()
    told = ONE.sign_in(bridge, browser)
    TWO.sign_in(bridge, browser)
    commit = Store.end_sessions

    def ask():
        if door == "idp":
            return idp_asks(bridge, binding=binding)
        return ONE.start_logout(bridge, bridge.browser(), told, binding=binding, identifier="_lr1")

    def commit_and_lose_the_reply(self, *arguments):
        commit(self, *arguments)
        raise StoreUnavailable("the reply was lost")

    monkeypatch.setattr(Store, "end_sessions", commit_and_lose_the_reply)
    assert ask().status_code == 503
    monkeypatch.undo()
    assert not bridge.is_signed_in(browser)
    again = ask()
    if binding == "soap":
        assert soap_status(again) == PARTIAL  # the front channel was not asked, and cannot be by SOAP
    else:
        assert again.headers["Location"].startswith("/logout/")
    assert len(list(bridge.redis.scan_iter("slo:*:logout:*"))) == 1


@pytest.mark.parametrize("door", ["idp", "application"])
def test_h178_an_answer_that_was_not_recorded_is_not_success(tmp_path, redis_url, monkeypatch, door):
    """H178: the application confirmed, but the commit of that failed: by SOAP we say PartialLogout, not Success."""
    with SoapEndpoint(signer="other-idp", entity_id="https://back.example/saml") as endpoint:
        back = Sp("back", "other-idp", ("SOAP",), soap_url=endpoint.url)
        with running_bridge(tmp_path, redis_url, sps=(ONE, back), **LOCAL, federated="never") as bridge:
            browser = bridge.browser()
            told = ONE.sign_in(bridge, browser)
            back.sign_in(bridge, browser)
            if door == "idp":
                bridge.logout(browser)
                bridge.clock.move(1)
                browser = bridge.browser()
                back.sign_in(bridge, browser)
            monkeypatch.setattr(Store, "advance_logout", lost)
            if door == "idp":
                response = idp_asks(bridge, binding="soap")
            else:
                response = ONE.start_logout(bridge, bridge.browser(), told, binding="soap")
            assert soap_status(response) == PARTIAL
            assert endpoint.asked
            monkeypatch.undo()
            assert not bridge.is_signed_in(browser)


# H179: how an application may be reached -----------------------------------------------------------------------------


def with_slo(name, signer, *endpoints):
    """An application whose metadata has exactly these SingleLogoutService attributes."""

    class Made(Sp):
        @property
        def metadata(self):
            plain = Sp(self.name, self.signer, ()).metadata
            written = "".join(f"<md:SingleLogoutService {one}/>" for one in endpoints)
            return plain.replace("<md:AssertionConsumerService", written + "<md:AssertionConsumerService")

    return Made(name, signer, ())


def at(binding, location, response=None):
    """The attributes of an endpoint."""
    answers = "" if response is None else f' ResponseLocation="{response}"'
    return f'Binding="{BINDING}{binding}" Location="{location}"{answers}'


SILENT = Sp("silent", "p256", ())


@pytest.mark.parametrize("door", ["idp-soap", "idp-redirect", "application", "person"])
def test_h179_an_application_without_an_endpoint(tmp_path, redis_url, door):
    """H179, Keycloak#51371: it is `unsupported` on the receipt, the requester hears PartialLogout, and no 500."""
    with running_bridge(tmp_path, redis_url, sps=(ONE, SILENT), federated="never") as bridge:
        browser = bridge.browser()
        one = ONE.sign_in(bridge, browser) if door == "application" else None
        SILENT.sign_in(bridge, browser)
        if door == "person":
            told = bridge.receipt(browser, bridge.logout(browser))
            row = next(row for row in told["sessions"] if row["name"] == "silent")
            assert row["state"] == "unsupported"
            assert row["reason"] == "The application's metadata has no logout endpoint, so it cannot be told."
        elif door == "idp-soap":
            assert soap_status(idp_asks(bridge, binding="soap")) == PARTIAL
        else:
            other = bridge.browser()
            asked = idp_asks(bridge, other) if one is None else ONE.start_logout(bridge, other, one)
            assert status_of(sent(asked).root) == PARTIAL
        assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize("binding", ["redirect", "post", "soap"])
@pytest.mark.parametrize("offers", [(), (at("SOAP", "https://mute.example/soap"),)], ids=["nothing", "soap-only"])
def test_h179_who_cannot_be_answered_is_refused_before_anything_ends(tmp_path, redis_url, offers, binding):
    """H179: no endpoint takes a front-channel answer: 400 and the session lives; by SOAP the answer is in place."""
    mute = with_slo("mute", "idp-next", *offers)
    with running_bridge(tmp_path, redis_url, sps=(mute,), federated="never") as bridge:
        browser = bridge.browser()
        told = mute.sign_in(bridge, browser)
        response = mute.start_logout(bridge, bridge.browser(), told, binding=binding)
        if binding == "soap":
            assert soap_status(response) in (SUCCESS, PARTIAL)
            assert not bridge.is_signed_in(browser)
        else:
            assert response.status_code == 400
            assert bridge.reasons() == ["binding_mismatch"]
            assert bridge.is_signed_in(browser)


@pytest.mark.parametrize("binding", ["redirect", "post"])
def test_h179_the_response_location_takes_answers_and_no_requests(tmp_path, redis_url, binding):
    """H179: a LogoutResponse goes to ResponseLocation, a LogoutRequest to Location, whoever began."""
    both = [at(b, "https://far.example/slo", f"https://far.example/done-{b}") for b in ("HTTP-Redirect", "HTTP-POST")]
    far = with_slo("far", "idp-next", *both)
    with running_bridge(tmp_path, redis_url, sps=(far, ONE), federated="never") as bridge:
        browser = bridge.browser()
        told = far.sign_in(bridge, browser)
        answer = sent(far.start_logout(bridge, bridge.browser(), told, binding=binding))
        name = {"redirect": "HTTP-Redirect", "post": "HTTP-POST"}[binding]
        assert answer.location == answer.root.get("Destination") == f"https://far.example/done-{name}"
        assert answer.binding == binding
        bridge.clock.move(1)
        browser = bridge.browser()
        far.sign_in(bridge, browser)
        path = bridge.logout(browser).headers["Location"]
        (frame,) = frames(bridge.get(browser, path).get_data(as_text=True))
        request = sent(bridge.get(browser, frame))
        assert request.location == request.root.get("Destination") == "https://far.example/slo"


def test_h179_the_response_location_of_an_idp(tmp_path, redis_url):
    """H179 for the IdP: the answer to its LogoutRequest goes to ResponseLocation."""
    with running_bridge(tmp_path, redis_url) as bridge:
        file = bridge.settings.metadata_dir / "connections" / "idp.xml"
        slo = 'Location="https://idp.example/slo"'
        assert slo in file.read_text()
        file.write_text(file.read_text().replace(slo, f'{slo} ResponseLocation="https://idp.example/done?a=1&amp;b=2"'))
        bridge.app.extensions["saml_slo"].sweeper.journey.registry.reload()
        browser = bridge.browser()
        bridge.sign_in(browser)
        response = idp_asks(bridge)
        assert response.headers["Location"].startswith("https://idp.example/done?a=1&b=2&SAMLResponse=")
        assert sent(bridge.logout(signed_in(bridge), federated="")).location == "https://idp.example/slo"


def signed_in(bridge):
    """A browser that is signed in, a second later."""
    bridge.clock.move(1)
    browser = bridge.browser()
    bridge.sign_in(browser)
    return browser
