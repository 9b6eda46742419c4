"""G161 at the doors: hostile AuthnRequests are answered nowhere and write nothing, and sealed links are ours.

What is wrong with each message is decided in test_g_authn_request.py; here it is what a browser and the store see.
"""

from urllib.parse import parse_qs, quote, urlsplit

import pytest
from lxml import etree

from saml_slo.protocol.envelope import HttpIn
from tests import idp
from tests.attacks.invariants import deliver, open_stage
from tests.running import ORIGIN, sent
from tests.sp import BINDING, SSO, Sp, Told

OPEN = Sp("open", "idp-next")
SIGNING = Sp("signing", "idp-next", more='connection = "idp"\nrequests_signed = true\n')
OTHER = Sp("other", "other-idp", ("HTTP-POST",))
OFF = Sp("off", "idp-next", more='connection = "idp"\nenabled = false\n')
MISMATCH, SCHEMA, SUBJECT = "recipient_mismatch", "schema_violation", "subject_invalid"


@pytest.fixture(scope="module")
def stage(tmp_path_factory, redis_url, canary):
    """A stage with applications, at which alice is signed in: a hostile request would be answered at once."""
    folder = tmp_path_factory.mktemp("stage")
    sps = (OPEN, SIGNING, OTHER, OFF)
    with open_stage(folder, redis_url, canary, bindings=("Redirect", "POST"), sps=sps) as stage:
        assert OPEN.sign_in(stage.bridge, stage.alice).status == ["Success"]
        yield stage
        assert OPEN.sign_in(stage.bridge, stage.alice).status == ["Success"]


def by_redirect(message, relay_state="r"):
    """The browser's GET with an unsigned AuthnRequest."""
    query = f"SAMLRequest={quote(idp.deflated(message), safe='')}&RelayState={quote(relay_state, safe='')}"
    return HttpIn(method="GET", endpoint=SSO, query=query.encode())


def signed_redirect(message):
    """The browser's GET with an AuthnRequest signed in the query."""
    return idp.redirect(message, endpoint=SSO, signer="idp-next")


def by_post(message):
    """The browser's POST of an unsigned AuthnRequest."""
    return idp.post(message, endpoint=SSO, relay_state="r")


def signed_post(message):
    """The browser's POST of a signed one."""
    return by_post(idp.sign(message, "idp-next"))


WAYS = {"redirect": by_redirect, "signed-redirect": signed_redirect, "post": by_post, "signed-post": signed_post}
every_way = pytest.mark.parametrize("send", WAYS.values(), ids=WAYS)


def asking(url):
    """An edit that names a consumer."""
    return {"AssertionConsumerServiceURL": url}


HOSTILE = {
    "another-site": (asking("https://evil.example/acs"), MISMATCH),
    "suffix": (asking("https://open.example/acs.evil.example"), MISMATCH),
    "query": (asking("https://open.example/acs?x=1"), MISMATCH),
    "another-applications": (asking("https://other.example/acs"), MISMATCH),
    "javascript": (asking("javascript:alert(1)"), MISMATCH),
    "data": (asking("data:text/html,x"), MISMATCH),
    "ours": (asking(f"{ORIGIN}/saml/sp/idp/acs"), MISMATCH),
    "index": ({"AssertionConsumerServiceIndex": "7"}, MISMATCH),
    "index-too-large": ({"AssertionConsumerServiceIndex": "65536"}, SCHEMA),
    "url-and-index": (asking("https://open.example/acs") | {"AssertionConsumerServiceIndex": "0"}, SCHEMA),
    "artifact": ({"ProtocolBinding": f"{BINDING}HTTP-Artifact"}, "binding_mismatch"),
    "unknown-binding": ({"ProtocolBinding": "urn:x"}, "binding_mismatch"),
    "old": ({"IssueInstant": idp.instant(-3600)}, "expired"),
    "early": ({"IssueInstant": idp.instant(3600)}, "not_yet_valid"),
    "elsewhere": ({"Destination": "https://evil.example/sso"}, "destination_mismatch"),
    "at-the-slo": ({"Destination": f"{ORIGIN}/saml/idp/slo"}, "destination_mismatch"),
    "version": ({"Version": "1.1"}, SCHEMA),
}


@every_way
@pytest.mark.parametrize("name", HOSTILE)
def test_g161_nothing_is_sent_anywhere(stage, send, name):
    """G161, CVE-2023-45683: no redirect, no form, no write, however the request comes and whoever is signed in."""
    attributes, reason = HOSTILE[name]
    message = OPEN.authn_request(stage.bridge)
    for key, value in attributes.items():
        message.set(key, value)
    stage.refused(send(message), reason, browser=stage.alice)


ENTRY = '<samlp:IDPEntry ProviderID="urn:x"/>'
INSIDE = {
    "another-applications-name": (f'<samlp:NameIDPolicy SPNameQualifier="{OTHER.entity_id}"/>', SUBJECT),
    "one-person": (f"<saml:Subject>{idp.NAME_ID}</saml:Subject>", SUBJECT),
    "an-assertion": ("<samlp:Extensions>{assertion}</samlp:Extensions>", ("assertion_count", "signature_missing")),
    "bomb": (
        f"<samlp:Scoping><samlp:IDPList>{ENTRY * 10_000}</samlp:IDPList></samlp:Scoping>",
        ("message_too_large", "xml_structure", "xml_forbidden_construct", SCHEMA),
    ),
}


@every_way
@pytest.mark.parametrize("name", INSIDE)
def test_g161_what_it_holds(stage, send, name):
    """G161: a name as for somebody else, one particular person, an assertion, ten thousand entries."""
    content, reasons = INSIDE[name]
    content = content.replace("{assertion}", etree.tostring(idp.sign(idp.assertion())).decode())
    message = OPEN.authn_request(stage.bridge)
    message.extend(idp.element(f"<x>{content}</x>"))
    stage.refused(send(message), *([reasons] if isinstance(reasons, str) else reasons), browser=stage.alice)


@pytest.mark.parametrize("send", [by_redirect, by_post], ids=["redirect", "post"])
def test_g161_unsigned_where_signatures_are_required(stage, send):
    """G161: an application that signs its requests does not send one without."""
    stage.refused(send(SIGNING.authn_request(stage.bridge)), "signature_missing", browser=stage.alice)


@pytest.mark.parametrize("sp", [OPEN, SIGNING], ids=["open", "signing"])
@pytest.mark.parametrize("post", [False, True], ids=["redirect", "post"])
def test_g161_the_issuer_is_another_application(stage, sp, post):
    """G161: `other` signs with its own key in the name of another application."""
    message = sp.authn_request(stage.bridge)
    if post:
        request = by_post(idp.sign(message, OTHER.signer))
    else:
        request = idp.redirect(message, endpoint=SSO, signer=OTHER.signer)
    stage.refused(request, "signature_invalid", browser=stage.alice)


@every_way
@pytest.mark.parametrize("issuer", [None, "", "https://nobody.example/", idp.ENTITY_ID, f"{ORIGIN}/saml/idp/metadata"])
def test_g161_the_issuer_is_nobody(stage, send, issuer):
    """G161, G143: who is no application here asks for nothing; an IdP is none, and neither are we."""
    message = OPEN.authn_request(stage.bridge)
    if issuer is None:
        message.remove(message[0])
        message.append(idp.element("<samlp:NameIDPolicy/>"))
    else:
        message[0].text = issuer
    stage.refused(send(message), "issuer_unknown", browser=stage.alice)


@every_way
def test_g162_a_disabled_application_signs_nobody_in(stage, send):
    """G162, CVE-2026-2603: to an application that is out of force nothing is said."""
    stage.refused(send(OFF.authn_request(stage.bridge)), "issuer_unknown", browser=stage.alice)


def test_g161_the_same_request_again_is_the_same_sign_in(stage):
    """G161, replayed ID: the answer goes to the same application about whoever is there; nothing new is recorded."""
    request = by_redirect(OPEN.authn_request(stage.bridge))
    answers = []
    for _ in range(2):
        link = deliver(stage.alice, request).headers["Location"]
        answers.append(Told(OPEN, sent(stage.bridge.get(stage.alice, link))))
    assert {answer.message.location for answer in answers} == {"https://open.example/acs"}
    assert len({(answer.name_id, answer.session_index) for answer in answers}) == 1
    thief = stage.bridge.browser()
    link = deliver(thief, request).headers["Location"]
    assert stage.bridge.get(thief, link).headers["Location"].startswith("/login?")


@every_way
@pytest.mark.parametrize("signed_in", [True, False])
def test_g161_passive_and_forced(stage, send, signed_in):
    """G161: IsPassive with ForceAuthn is legal, and answered NoPassive; nobody is asked to sign in."""
    browser = stage.alice if signed_in else stage.bridge.browser()
    stage.bridge.clock.move(1)  # later than alice's sign-in
    message = OPEN.authn_request(stage.bridge, IsPassive="true", ForceAuthn="true")
    response = stage.bridge.get(browser, deliver(browser, send(message)).headers["Location"])
    stage.bridge.clock.move(-1)
    assert Told(OPEN, sent(response)).status == ["Responder", "NoPassive"]


def test_g161_a_request_writes_nothing_until_somebody_signed_in(stage):
    """What is only asked for costs the store nothing: ten thousand requests fill no Redis."""
    before = stage.bridge.keyspace()
    for _ in range(20):
        browser = stage.bridge.browser()
        link = deliver(browser, by_redirect(OPEN.authn_request(stage.bridge))).headers["Location"]
        onward = stage.bridge.get(browser, link)
        assert onward.headers["Location"].startswith("/login?")
        sent(stage.bridge.get(browser, onward.headers["Location"]))
    assert stage.bridge.keyspace() == before


# The sealed link ------------------------------------------------------------------------------------------------------


def link_of(stage, sp=OPEN):
    """The sealed part of a link of ours that goes on with a request."""
    location = deliver(stage.bridge.browser(), by_redirect(sp.authn_request(stage.bridge))).headers["Location"]
    return parse_qs(urlsplit(location).query)["request"][0]


def forged(sealed):
    """What somebody may make of a link."""
    payload, _, signature = sealed.rpartition(".")
    yield from (payload, f"{payload}.", f".{signature}", f"{payload}.{signature[:-2]}AA", "", ".", "x.y", "\0", "é")
    yield f"{payload[:-2]}AA.{signature}"
    yield f"{payload}A.{signature}"
    yield "WyJvcGVuIl0.AAAA"
    yield sealed.swapcase()


def test_a_sealed_link_cannot_be_made_or_changed(stage):
    """What a link says is believed because we sealed it: every other one is refused, at both of its doors."""
    for number, link in enumerate(forged(link_of(stage))):
        door = ("/saml/idp/continue", "/login")[number % 2]
        stage.refused(
            lambda browser, door=door, link=link: browser.get(f"{door}?request={quote(link)}", base_url=ORIGIN),
            "bad_request",
            browser=stage.alice,
        )


def test_a_cookies_seal_is_no_links_seal(stage):
    """A pending sign-in's cookie is sealed by us too, and is no link."""
    browser = stage.bridge.browser()
    stage.bridge.start_sign_in(browser)
    values = [cookie.value for cookie in browser._cookies.values() if cookie.key.startswith("__Host-slo-signin-")]
    assert values
    for value in values:
        stage.refused(
            lambda browser, value=value: browser.get(f"/saml/idp/continue?request={quote(value)}", base_url=ORIGIN),
            "bad_request",
            browser=stage.alice,
        )


def test_two_links_in_one_url(stage):
    """A parameter twice is refused, not chosen from."""
    one, two = link_of(stage), link_of(stage, OTHER)
    url = f"/saml/idp/continue?request={quote(one)}&request={quote(two)}"
    response = stage.bridge.get(stage.alice, url)
    assert response.status_code == 400
    assert b"SAMLResponse" not in response.data


def test_a_link_in_another_browser_tells_its_application_nothing_of_us(stage):
    """A link that somebody else began, opened by the victim, answers the application about the victim in their browser.

    It is what any AuthnRequest does: the Response is for the application that asked, at its registered URL only.
    """
    response = stage.bridge.get(stage.alice, f"/saml/idp/continue?request={quote(link_of(stage, OTHER))}")
    assert sent(response).location == "https://other.example/acs"
