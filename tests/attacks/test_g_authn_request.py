"""G161: hostile AuthnRequests, at the door of the wire: whatever they ask for, an answer goes to a registered URL only.

Decisions: IsPassive with ForceAuthn is legal and answered NoPassive; a name format that the application may not have is
answered InvalidNameIDPolicy. A request whose signature cannot be checked is refused, wanted or not.
"""

import pytest

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import SAMLP, Binding, NameIdFormat
from saml_slo.protocol.peer import NameIdKind
from saml_slo.wire.authn_request_checks import assertion_consumer, name_id_kind
from tests import application as app
from tests import idp
from tests.idp import NOW
from tests.keys import pair

BINDINGS = {
    "post": lambda root, **how: app.post(idp.sign(root, app.KEY), **how),
    "redirect": app.redirect,
    "post-unsigned": app.post,
}
by_each_binding = pytest.mark.parametrize("send", BINDINGS.values(), ids=list(BINDINGS))


def refusal(request, **settings):
    """The reason for which a request is refused."""
    with pytest.raises(MessageRefused) as refused:
        app.check(request, **settings)
    return refused.value.reason


def policy(**attributes):
    """A NameIDPolicy as text."""
    return (
        f"<samlp:NameIDPolicy {' '.join(f'{name}={chr(34)}{value}{chr(34)}' for name, value in attributes.items())}/>"
    )


@by_each_binding
def test_a_good_request_is_accepted(send):
    """The control: signed in the XML, in the query, or not at all where the metadata does not promise a signature."""
    verified = app.check(send(app.authn_request(), relay_state="s"))
    assert (verified.peer, verified.relay_state) == (app.PROVIDER, "s")
    assert verified.signed == (send is not app.post)
    assert assertion_consumer(verified.message, app.PROVIDER) == app.ACS


@by_each_binding
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/acs",
        app.ACS + "/",
        app.ACS + ".evil.example",
        app.ACS + "?a=b",
        app.ACS + "#",
        app.ACS + " ",
        " " + app.ACS,
        app.ACS.upper(),
        app.ACS.replace("app.example", "APP.example"),
        app.ACS.replace("app.example", "app.example:443"),
        app.ACS.replace("app.example", "app.example@evil.example"),
        app.ACS.replace("app.example/", "app.example\\"),
        app.ACS.replace("https", "http"),
        app.ACS.replace("/acs", "/%61cs"),
        app.ACS.replace("/acs", "/x/../acs"),
        app.OTHER_ACS.partition("?")[0],
        f"{app.ACS} {app.OTHER_ACS}",
        "javascript:alert(1)",
        "data:text/html,a",
        "",
        "/acs",
        "https://slo.app.example/slo",
        "https://app.example/slo",
        app.SSO,
    ],
)
def test_g161_an_unregistered_consumer(send, url):
    """G161: a URL that is not in the metadata to the letter is refused, however the request is signed."""
    assert refusal(send(app.authn_request(acs=url))) == Reason.RECIPIENT_MISMATCH


@by_each_binding
@pytest.mark.parametrize(
    ("asked", "answered_at"),
    [
        ({"acs": app.ACS}, app.ACS),
        ({"acs": app.OTHER_ACS}, app.OTHER_ACS),
        ({"acs": None, "index": "7"}, app.OTHER_ACS),
        ({"acs": None, "index": "0"}, app.ACS),
        ({"acs": None}, app.ACS),
    ],
)
def test_where_a_good_request_is_answered(send, asked, answered_at):
    """The control: the URL that was named, the one with the index, or the default."""
    message = app.check(send(app.authn_request(**asked))).message
    assert assertion_consumer(message, app.PROVIDER) == answered_at


@by_each_binding
@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ("1", Reason.RECIPIENT_MISMATCH),
        ("65535", Reason.RECIPIENT_MISMATCH),
        ("65536", Reason.SCHEMA_VIOLATION),
        ("-1", Reason.SCHEMA_VIOLATION),
        ("", Reason.SCHEMA_VIOLATION),
        ("7.0", Reason.SCHEMA_VIOLATION),
        ("0x7", Reason.SCHEMA_VIOLATION),
        ("\u0667", Reason.SCHEMA_VIOLATION),  # ARABIC-INDIC DIGIT SEVEN, which Python's int() would take
        ("7_0", Reason.SCHEMA_VIOLATION),
        ("9" * 10_000, Reason.SCHEMA_VIOLATION),
    ],
)
def test_g161_an_index_out_of_range(send, index, reason):
    """G161: an index that the metadata does not have is refused; the default is not taken instead."""
    assert refusal(send(app.authn_request(acs=None, index=index))) == reason


def test_an_index_with_ten_thousand_zeros():
    """An index may be written long (XML Schema 2, 3.3.23); that is no error of ours."""
    for index in ("0" * 10_000 + "7", "+7", " 7\n", "007"):
        message = app.check(app.post(app.authn_request(acs=None, index=index))).message
        assert assertion_consumer(message, app.PROVIDER) == app.OTHER_ACS
    message = app.check(app.post(app.authn_request(acs=None, index="000"))).message
    assert assertion_consumer(message, app.PROVIDER) == app.ACS


def test_url_and_index_together():
    """They exclude each other (Core 3.4.1), also where both name the same."""
    assert refusal(app.post(app.authn_request(index="0"))) == Reason.SCHEMA_VIOLATION


def test_an_application_without_consumers_gets_no_answer():
    """With nothing registered, nothing is sent anywhere."""
    assert refusal(app.post(app.authn_request(acs=None)), assertion_consumers=()) == Reason.RECIPIENT_MISMATCH
    assert refusal(app.post(app.authn_request()), assertion_consumers=()) == Reason.RECIPIENT_MISMATCH


@by_each_binding
@pytest.mark.parametrize(
    "binding",
    [
        Binding.REDIRECT,
        Binding.SOAP,
        "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact",
        "urn:oasis:names:tc:SAML:2.0:bindings:PAOS",
        Binding.POST + " ",
        Binding.POST.lower(),
        "",
    ],
)
def test_g161_another_binding(send, binding):
    """G161: Responses go by POST; whoever wants another binding gets none."""
    assert refusal(send(app.authn_request(ProtocolBinding=binding))) == Reason.BINDING_MISMATCH


def test_g161_unsigned_where_required():
    """G161: where the metadata says that requests are signed, one without a signature is refused."""
    for request in (app.post(app.authn_request()), app.redirect(app.authn_request(signed=True))):
        query = request.query.partition(b"&SigAlg")[0]
        bare = type(request)(
            method=request.method,
            endpoint=request.endpoint,
            query=query,
            body=request.body,
            content_type=request.content_type,
        )
        assert refusal(bare, requests_signed=True) == Reason.SIGNATURE_MISSING
    app.check(app.post(app.authn_request(signed=True)), requests_signed=True)
    app.check(app.redirect(app.authn_request()), requests_signed=True)


@pytest.mark.parametrize("required", [True, False])
def test_a_bad_signature_is_refused_wanted_or_not(required):
    """A signature that is there must verify: by another key, over other content, with the half of its parameters."""
    foreign = app.redirect(app.authn_request(), signer="attacker")
    assert refusal(foreign, requests_signed=required) == Reason.SIGNATURE_INVALID
    foreign = app.post(idp.sign(app.authn_request(), "attacker"))
    assert refusal(foreign, requests_signed=required) == Reason.SIGNATURE_INVALID
    changed = app.authn_request(signed=True, ForceAuthn="true")
    changed.set("ForceAuthn", "false")
    assert refusal(app.post(changed), requests_signed=required) == Reason.SIGNATURE_INVALID
    # An embedded signature that is bad spoils a query that is signed well.
    assert refusal(app.redirect(changed), requests_signed=required) == Reason.SIGNATURE_INVALID


def test_a_signature_that_nobody_can_check_is_refused():
    """An application without a certificate may ask unsigned, and may not sign: it could be anybody's signature."""
    app.check(app.post(app.authn_request()), signing_certificates=())
    for request in (app.post(app.authn_request(signed=True)), app.redirect(app.authn_request())):
        assert refusal(request, signing_certificates=()) == Reason.SIGNATURE_INVALID


@by_each_binding
@pytest.mark.parametrize(
    ("issuer", "reason"),
    [
        ("https://other-app.example/saml", Reason.ISSUER_MISMATCH),
        (app.ENTITY_ID + "/", Reason.ISSUER_MISMATCH),
        (f" {app.ENTITY_ID}", Reason.ISSUER_MISMATCH),
        ("", Reason.ISSUER_MISMATCH),
        (None, Reason.SCHEMA_VIOLATION),
    ],
)
def test_g161_the_issuer_is_another_application(send, issuer, reason):
    """G161: one application cannot ask in the name of another: not with its own key, and not unsigned."""
    assert refusal(send(app.authn_request(policy(AllowCreate="true"), issuer=issuer))) == reason


@by_each_binding
@pytest.mark.parametrize("destination", [app.SLO, app.SSO + "/", "https://evil.example/sso", ""])
def test_the_destination_is_another(send, destination):
    """A Destination that is stated must be our single sign-on endpoint."""
    assert refusal(send(app.authn_request(destination=destination))) == Reason.DESTINATION_MISMATCH


def test_no_destination():
    """Only an unsigned request may leave its Destination out (Bindings 3.4.5.2, 3.5.5.2)."""
    app.check(app.post(app.authn_request(destination=None)))
    assert refusal(app.post(app.authn_request(destination=None, signed=True))) == Reason.DESTINATION_MISMATCH
    assert refusal(app.redirect(app.authn_request(destination=None))) == Reason.DESTINATION_MISMATCH


@by_each_binding
def test_the_times(send):
    """A request from yesterday or from tomorrow is refused; both limits are inside."""
    for seconds in (-300, 180):
        app.check(send(app.authn_request(issued=idp.instant(seconds))))
    assert refusal(send(app.authn_request(issued=idp.instant(-301)))) == Reason.EXPIRED
    assert refusal(send(app.authn_request(issued=idp.instant(181)))) == Reason.NOT_YET_VALID


def test_g161_passive_and_forced():
    """G161: IsPassive with ForceAuthn is legal; both are handed on to whoever answers."""
    message = app.check(app.redirect(app.authn_request(IsPassive="true", ForceAuthn="1"))).message
    assert (message.is_passive, message.force_authn) == (True, True)


@by_each_binding
def test_g161_the_name_as_for_another(send):
    """G161: nobody is named to one application as another one knows them."""
    own, other = (policy(SPNameQualifier=name) for name in (app.ENTITY_ID, "https://other-app.example/saml"))
    app.check(send(app.authn_request(own)))
    assert refusal(send(app.authn_request(other))) == Reason.SUBJECT_INVALID
    assert refusal(send(app.authn_request(policy(SPNameQualifier="")))) == Reason.SUBJECT_INVALID


@by_each_binding
def test_a_subject_is_refused(send):
    """A request for one particular person is refused: we sign in whoever is there."""
    request = app.authn_request("<saml:Subject><saml:NameID>victim@corp.test</saml:NameID></saml:Subject>")
    assert refusal(send(request)) == Reason.SUBJECT_INVALID


@by_each_binding
@pytest.mark.parametrize("entries", [10_000, 100_000])
def test_g161_a_bomb_of_entries(send, entries):
    """G161: ten thousand IDPEntry elements are refused before anything looks at them."""
    bomb = '<samlp:IDPEntry ProviderID="a"/>' * entries
    request = send(app.authn_request(f"<samlp:Scoping><samlp:IDPList>{bomb}</samlp:IDPList></samlp:Scoping>"))
    assert refusal(request) in (Reason.XML_FORBIDDEN_CONSTRUCT, Reason.MESSAGE_TOO_LARGE)


def test_a_modest_scoping_is_left_alone():
    """The control: proxies name who asked; that is no reason to refuse."""
    scoping = (
        '<samlp:Scoping ProxyCount="1"><samlp:IDPList><samlp:IDPEntry ProviderID="https://idp.example/saml"/>'
        "</samlp:IDPList><samlp:RequesterID>https://behind.example</samlp:RequesterID></samlp:Scoping>"
    )
    assert not app.check(app.redirect(app.authn_request(scoping))).message.no_proxy


@pytest.mark.parametrize(
    ("count", "no_proxy"),
    [("0", True), ("000", True), (" 0 ", True), ("0" * 9_000, True), ("1", False), ("9" * 9_000, False), ("", None)],
)
def test_no_proxy(count, no_proxy):
    """ProxyCount 0 forbids to ask another IdP, in every spelling; no number is too long to be read."""
    request = app.post(app.authn_request(f'<samlp:Scoping ProxyCount="{count}"/>'))
    if no_proxy is None:
        assert refusal(request) == Reason.SCHEMA_VIOLATION
    else:
        assert app.check(request).message.no_proxy == no_proxy
    assert not app.check(app.post(app.authn_request("<samlp:Scoping/>"))).message.no_proxy


@pytest.mark.parametrize("kind", ["LogoutRequest", "ArtifactResolve", "AuthnQuery", "Response"])
def test_another_message_at_this_endpoint(kind):
    """At the single sign-on endpoint nothing but an AuthnRequest is taken, whatever parameter carries it."""
    root = app.authn_request()
    root.tag = f"{{{SAMLP}}}{kind}"
    assert refusal(app.post(root, parameter="SAMLRequest")) == Reason.UNEXPECTED_MESSAGE_TYPE
    assert refusal(app.post(app.authn_request(), parameter="SAMLResponse")) == Reason.UNEXPECTED_MESSAGE_TYPE


def test_a_message_or_an_assertion_inside():
    """Neither a message nor an assertion may stand inside, signed as it may be."""
    inside = idp.octets(idp.sign(idp.logout_request(signed=False))).decode()
    extensions = f"<samlp:Extensions>{inside}</samlp:Extensions>"
    assert refusal(app.post(app.authn_request(extensions))) == Reason.SIGNATURE_PROFILE_VIOLATION
    inside = idp.octets(idp.logout_request(signed=False)).decode()
    extensions = f"<samlp:Extensions>{inside}</samlp:Extensions>"
    assert refusal(app.post(app.authn_request(extensions, signed=True))) == Reason.SCHEMA_VIOLATION
    extensions = f"<samlp:Extensions>{idp.octets(idp.assertion()).decode()}</samlp:Extensions>"
    assert refusal(app.post(app.authn_request(extensions, signed=True))) == Reason.ASSERTION_COUNT


@pytest.mark.parametrize(
    ("wanted", "setting", "given"),
    [
        (None, NameIdKind.PERSISTENT, NameIdKind.PERSISTENT),
        (NameIdFormat.UNSPECIFIED, NameIdKind.EMAIL, NameIdKind.EMAIL),
        (NameIdFormat.TRANSIENT, NameIdKind.EMAIL, NameIdKind.TRANSIENT),
        (NameIdFormat.PERSISTENT, NameIdKind.EMAIL, NameIdKind.PERSISTENT),
        (NameIdFormat.EMAIL, NameIdKind.EMAIL, NameIdKind.EMAIL),
        (NameIdFormat.EMAIL, NameIdKind.PERSISTENT, None),
        (NameIdFormat.EMAIL, NameIdKind.TRANSIENT, None),
        (NameIdFormat.PERSISTENT, NameIdKind.TRANSIENT, None),
        (NameIdFormat.ENTITY, NameIdKind.EMAIL, None),
        ("urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted", NameIdKind.EMAIL, None),
        (NameIdFormat.EMAIL + " ", NameIdKind.EMAIL, None),
        ("", NameIdKind.EMAIL, None),
    ],
)
def test_the_name_that_is_given(wanted, setting, given):
    """An application may ask for less than its setting tells, never for more, nor for what there is not."""
    content = "" if wanted is None else policy(Format=wanted)
    verified = app.check(app.redirect(app.authn_request(content)), name_id=setting)
    assert name_id_kind(verified.message, verified.peer) == given


def test_the_clock_and_the_keys_are_the_applications():
    """`skew`, `max_age` and a second certificate are the application's own settings."""
    late = app.redirect(app.authn_request(issued=idp.instant(-400)))
    app.check(late, now=NOW, max_age=400)
    both = (pair("attacker").certificate, pair(app.KEY).certificate)
    app.check(app.redirect(app.authn_request()), signing_certificates=both)
