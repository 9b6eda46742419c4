"""An IdP says: log out (product L7): without a cookie every session that should end ends, and it is answered.

Security cases B035, G138, G155, G157, H165 to H171, H176, H180, H181 on this surface.
"""

from threading import Barrier, Thread

import pytest
from lxml import etree

from saml_slo.protocol.envelope import HttpIn
from tests import idp
from tests.running import OTHER_ENTITY_ID, running_bridge, sent

STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
BOTH = ("Redirect", "POST")


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge whose IdP takes answers by Redirect and by POST."""
    with running_bridge(tmp_path, redis_url, bindings=BOTH) as running:
        yield running


def signed_in(bridge, index="_s1", name_id=idp.NAME_ID):
    """A browser with a session of this index; each sign-in is a millisecond and more after the one before."""
    bridge.clock.move(1)
    browser = bridge.browser()
    bridge.sign_in(browser, statements=idp.authn_statement(index), name_id=name_id)
    assert bridge.is_signed_in(browser)
    return browser


def ask(bridge, *, binding="redirect", browser=None, relay_state=None, **request):
    """Let the IdP ask, through a browser without cookies; return its answer as `Sent` (SOAP: the element)."""
    made = idp.logout_request(**{"issued": now(bridge), **request}, signed=binding != "redirect")
    browser = browser or bridge.browser()
    if binding == "soap":
        return soap(bridge, made)
    return sent(bridge.deliver(browser, getattr(idp, binding)(made, relay_state=relay_state)))


def now(bridge):
    """The bridge's time, as SAML writes it."""
    return bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def soap(bridge, message, header=""):
    """Post an envelope and return the message in the answer's Body."""
    body = f'<s:Envelope xmlns:s="{SOAP}">{header}<s:Body>{etree.tostring(message).decode()}</s:Body></s:Envelope>'
    request = HttpIn(method="POST", endpoint=idp.SLO, body=body.encode(), content_type="text/xml; charset=utf-8")
    response = bridge.deliver(bridge.browser(), request)
    if response.status_code != 200:
        return response
    assert response.mimetype == "text/xml"
    return etree.fromstring(response.data)[0][0]


def status_of(answer):
    """The status codes of an answer, outermost first, without their prefix."""
    root = answer.root if hasattr(answer, "root") else answer
    return [code.get("Value").removeprefix(STATUS) for code in root.iter("{*}StatusCode")]


@pytest.mark.parametrize("binding", ["redirect", "post", "soap"])
def test_a_logout_request_ends_the_session_and_is_answered(bridge, binding):
    """L7: by each binding, without a cookie; the answer is signed, matches, and echoes RelayState exactly."""
    browser = signed_in(bridge)
    answer = ask(bridge, binding=binding, relay_state=None if binding == "soap" else "https://idp.example/?x=1 +é")
    assert not bridge.is_signed_in(browser)
    assert status_of(answer) == ["Success"]
    root = answer if binding == "soap" else answer.root
    assert root.get("InResponseTo") == "_lr1"
    assert root.find("{*}Issuer").text == idp.SP
    if binding != "soap":
        assert answer.parameters["RelayState"] == "https://idp.example/?x=1 +é"
        assert root.get("Destination") == answer.location == "https://idp.example/slo"
    if binding == "redirect":
        assert {"SigAlg", "Signature"} <= set(answer.parameters)
    else:
        assert root.find("{*}Signature") is not None


def test_without_relay_state_none_is_sent(bridge):
    """Vendors: an absent RelayState stays absent, not empty."""
    signed_in(bridge)
    assert "RelayState" not in ask(bridge).parameters


@pytest.mark.parametrize(
    ("bindings", "asked", "answered"),
    [(("Redirect",), "post", "redirect"), (("POST",), "redirect", "post"), (BOTH, "post", "post")],
)
def test_the_answer_goes_by_a_binding_of_the_metadata(tmp_path, redis_url, bindings, asked, answered):
    """Vendors: the request's binding where the metadata offers it, else one that it offers."""
    with running_bridge(tmp_path, redis_url, bindings=bindings) as bridge:
        signed_in(bridge)
        assert ask(bridge, binding=asked).binding == answered


@pytest.mark.parametrize(
    ("indexes", "left"),
    [((), []), (("_s1",), ["_s2", "_s3"]), (("_s1", "_s3"), ["_s2"]), (("_s9",), ["_s1", "_s2", "_s3"])],
)
def test_the_session_indexes_select(bridge, indexes, left):
    """H166: none selects all of the principal's sessions, some select theirs; another IdP's or person's are left."""
    browsers = {index: signed_in(bridge, index) for index in ("_s1", "_s2", "_s3")}
    other = signed_in(bridge, "_s1", idp.NAME_ID.replace("alice", "bob"))
    assert status_of(ask(bridge, indexes=indexes)) == ["Success"]
    assert [index for index, browser in browsers.items() if bridge.is_signed_in(browser)] == left
    assert bridge.is_signed_in(other)


def test_a_session_without_an_index_ends_by_any_request_of_its_principal(bridge):
    """S2, L7: the IdP gave no index; a session too many costs a sign-in, one left alive is what must not be."""
    bridge.clock.move(1)
    browser = bridge.browser()
    bridge.sign_in(browser, statements=idp.authn_statement("X").replace('SessionIndex="X"', ""))
    ask(bridge, indexes=("_unheard-of",))
    assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize(
    "name_id",
    [
        idp.NAME_ID.replace("alice", "victim"),
        idp.NAME_ID.replace(idp.PERSISTENT, "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"),
        idp.NAME_ID.replace('SPNameQualifier="https://bridge', 'SPNameQualifier="https://other'),
    ],
)
def test_issuer_name_id_and_index_must_all_match(bridge, name_id):
    """H167: another NameID, format or qualifier with the right SessionIndex ends nothing."""
    browser = signed_in(bridge)
    assert status_of(ask(bridge, name_id=name_id)) == ["Requester", "UnknownPrincipal"]
    assert bridge.is_signed_in(browser)


def test_qualifiers_that_equal_their_defaults_may_be_left_out(bridge):
    """L7: an IdP that omits the qualifiers in its LogoutRequest means the same principal."""
    browser = signed_in(bridge)
    ask(bridge, name_id=f'<saml:NameID Format="{idp.PERSISTENT}">alice@corp.test</saml:NameID>')
    assert not bridge.is_signed_in(browser)


def test_the_same_name_at_another_idp_is_somebody_else(bridge):
    """G144, H171: IdP B asks about the NameID of a person of IdP A; nobody of A is touched."""
    browser = signed_in(bridge)
    endpoint = "https://bridge.example/saml/sp/other-idp/slo"
    made = idp.logout_request(issuer=OTHER_ENTITY_ID, destination=endpoint, signed=False, issued=now(bridge))
    answer = sent(bridge.deliver(bridge.browser(), idp.redirect(made, endpoint=endpoint, signer="other-idp")))
    assert status_of(answer) == ["Requester", "UnknownPrincipal"]
    assert bridge.is_signed_in(browser)


def test_a_session_that_is_gone_is_success_and_a_stranger_is_not(bridge):
    """L7, H165: after our own logout, and after an expiry, the answer is Success; who never was here is unknown."""
    browser = signed_in(bridge)
    bridge.logout(browser)
    assert status_of(ask(bridge, identifier="_after-logout")) == ["Success"]
    signed_in(bridge, name_id=idp.NAME_ID.replace("alice", "carol"))
    bridge.clock.move(bridge.settings.idle_lifetime)
    bridge.app.extensions["saml_slo"].sweeper.sweep()
    carol = {"name_id": idp.NAME_ID.replace("alice", "carol"), "identifier": "_after-expiry"}
    assert status_of(ask(bridge, **carol)) == ["Success"]
    nobody = {"name_id": idp.NAME_ID.replace("alice", "nobody"), "identifier": "_nobody"}
    assert status_of(ask(bridge, **nobody)) == ["Requester", "UnknownPrincipal"]


def test_the_same_request_again_has_the_same_answer_and_ends_nothing_new(bridge):
    """G155: repeated, also for a stranger and after a newer sign-in, it is answered as the first time."""
    signed_in(bridge)
    first = idp.redirect(idp.logout_request(signed=False, issued=now(bridge)))
    assert status_of(sent(bridge.deliver(bridge.browser(), first))) == ["Success"]
    newer = signed_in(bridge)
    assert status_of(sent(bridge.deliver(bridge.browser(), first))) == ["Success"]
    assert bridge.is_signed_in(newer)
    stranger = {"name_id": idp.NAME_ID.replace("alice", "nobody"), "identifier": "_nobody"}
    assert status_of(ask(bridge, **stranger)) == status_of(ask(bridge, **stranger)) == ["Requester", "UnknownPrincipal"]


@pytest.mark.parametrize(("indexes", "refused"), [((), True), (("_s1",), True), (("_s2",), False)])
def test_a_sign_in_that_the_idp_ended_before_it_came_is_refused(bridge, indexes, refused):
    """G157, L12: the Response that was issued before the LogoutRequest and arrives after it opens nothing it named."""
    browser = bridge.browser()
    request = bridge.start_sign_in(browser)
    late = idp.post(bridge.answer(request), endpoint=idp.ACS)
    bridge.clock.move(5)
    ask(bridge, indexes=indexes)
    response = bridge.deliver(browser, late)
    assert (response.status_code == 400) == refused
    assert bridge.is_signed_in(browser) != refused
    assert bridge.reasons() == (["session_ended"] if refused else [])


def test_a_newer_sign_in_is_never_late(bridge):
    """L12: an assertion issued after the LogoutRequest is accepted at once."""
    signed_in(bridge)
    ask(bridge)
    assert bridge.is_signed_in(signed_in(bridge))


def test_an_asynchronous_request_wants_no_answer(bridge):
    """L11: aslo:Asynchronous ends the session and gets a page, no LogoutResponse."""
    browser = signed_in(bridge)
    made = idp.logout_request(
        signed=False,
        issued=now(bridge),
        extensions='<samlp:Extensions><a:Asynchronous xmlns:a="urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"/>'
        "</samlp:Extensions>",
    )
    response = bridge.deliver(bridge.browser(), idp.redirect(made))
    assert response.status_code == 303
    assert response.headers["Location"].startswith("/logout/")
    assert not bridge.is_signed_in(browser)


def test_a_session_with_two_logins_ends_whole_and_names_the_idp_that_lives_on(bridge):
    """S5: one of two principals of a browser session is logged out, in whatever slot the session lives."""
    for first, second in (("alice", "bob"), ("bob", "alice"), ("dora", "alice")):
        browser = bridge.browser()
        bridge.clock.move(1)
        for who in (first, second):
            bridge.sign_in(browser, name_id=idp.NAME_ID.replace("alice", who))
        answer = ask(bridge, name_id=idp.NAME_ID.replace("alice", second), identifier=f"_{first}-{second}")
        assert status_of(answer) == ["Success"]
        assert not bridge.is_signed_in(browser)
        index = bridge.redis.scan_iter("slo:*:principal:*")
        assert [key for key in index if bridge.redis.zcard(key)] == []
        bridge.redis.flushall()


def test_a_crash_between_two_slots_is_finished_by_the_sweeper(bridge, monkeypatch):
    """A session in another slot than its logout is ended by the sweeper when the request died in between."""
    from saml_slo.ending import Endings  # noqa: PLC0415
    from saml_slo.logout.engine import Step  # noqa: PLC0415

    names = [f"p{number}" for number in range(9)]
    browser = bridge.browser()
    bridge.clock.move(1)
    for who in names[:2]:
        bridge.sign_in(browser, name_id=idp.NAME_ID.replace("alice", who))
    finish = Endings.finish
    monkeypatch.setattr(Endings, "finish", lambda _self, transaction, _late: Step(transaction, None))
    made = idp.logout_request(name_id=idp.NAME_ID.replace("alice", names[1]), signed=False, issued=now(bridge))
    response = bridge.deliver(bridge.browser(), idp.redirect(made))
    assert response.headers["Location"].startswith("/logout/")  # nobody is told Success too early
    assert bridge.is_signed_in(browser)
    monkeypatch.setattr(Endings, "finish", finish)
    bridge.clock.move(bridge.settings.back_channel_timeout + 5)
    bridge.app.extensions["saml_slo"].sweeper.sweep()
    assert not bridge.is_signed_in(browser)


def test_twenty_of_the_same_request_at_once_have_one_effect(bridge):
    """H180: the IdP's message twenty times in parallel: one logout, twenty equal answers."""
    signed_in(bridge)
    request = idp.redirect(idp.logout_request(signed=False, issued=now(bridge)))
    barrier, answers = Barrier(20), []

    def deliver():
        barrier.wait()
        answers.append(status_of(sent(bridge.deliver(bridge.browser(), request))))

    threads = [Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [["Success"]] * 20
    assert len(list(bridge.redis.scan_iter("slo:*:logout:*"))) == 1


def test_a_sign_in_and_a_logout_request_at_once_end_in_a_serial_outcome(bridge):
    """H181: an older Response and a LogoutRequest race; never is a session left that the index does not know."""
    for number in range(40):
        bridge.clock.move(1)
        browser = bridge.browser()
        late = idp.post(bridge.answer(bridge.start_sign_in(browser)), endpoint=idp.ACS)
        request = idp.redirect(
            idp.logout_request(signed=False, indexes=(), identifier=f"_race{number}", issued=now(bridge))
        )
        barrier = Barrier(2)

        def deliver(by, what, barrier=barrier):
            barrier.wait()
            bridge.deliver(by, what)

        run = [Thread(target=deliver, args=(browser, late)), Thread(target=deliver, args=(bridge.browser(), request))]
        for thread in run:
            thread.start()
        for thread in run:
            thread.join()
        assert not bridge.is_signed_in(browser)
        living = [key for key in bridge.redis.scan_iter("slo:*:principal:*") if bridge.redis.zcard(key)]
        assert living == []


def test_a_genuine_request_in_the_soap_header_does_not_lend_its_signature(bridge):
    """B035: signed in the Header, unsigned for the victim in the Body: refused, the session lives."""
    browser = signed_in(bridge)
    genuine = idp.logout_request(issued=now(bridge), name_id=idp.NAME_ID.replace("alice", "bob"))
    evil = idp.logout_request(identifier="_evil", signed=False, issued=now(bridge))
    header = f"<s:Header>{etree.tostring(genuine).decode()}</s:Header>"
    assert soap(bridge, evil, header).status_code == 400
    assert bridge.reasons() == ["signature_missing"]
    assert bridge.is_signed_in(browser)


@pytest.mark.parametrize(
    "body",
    [
        b"<x/>",
        f'<s:Envelope xmlns:s="{SOAP}"/>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP}"><s:Body/></s:Envelope>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP}"><s:Body><a/><b/></s:Body></s:Envelope>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP}"><s:Body><a/></s:Body><s:Body><a/></s:Body></s:Envelope>'.encode(),
    ],
)
def test_what_is_no_envelope_is_refused(bridge, body):
    """One Envelope, one Body, one message."""
    request = HttpIn(method="POST", endpoint=idp.SLO, body=body, content_type="text/xml")
    assert bridge.deliver(bridge.browser(), request).status_code == 400
    assert bridge.reasons() == ["unexpected_message_type"]


def test_a_request_costs_two_round_trips(bridge, monkeypatch):
    """One to find, one to commit."""
    from redis.connection import AbstractConnection  # noqa: PLC0415

    signed_in(bridge)
    ask(bridge)
    signed_in(bridge)
    sending, count = AbstractConnection.send_packed_command, []

    def counted(self, *arguments, **options):
        count.append(1)
        return sending(self, *arguments, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    ask(bridge, identifier="_counted")
    assert len(count) == 2
