"""What a message says is held against the connection: who, where, when, about whom; each limit to the second."""

from datetime import timedelta

import pytest

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import SAML
from tests import idp

LATER, EARLIER = timedelta(seconds=180), timedelta(seconds=-300)  # skew and max_age of a connection as it comes
AUDIENCE = f"<saml:AudienceRestriction><saml:Audience>{idp.SP}</saml:Audience></saml:AudienceRestriction>"
OTHER = "<saml:AudienceRestriction><saml:Audience>https://other.example</saml:Audience></saml:AudienceRestriction>"


def verdict(request, **changes):
    """`accepted`, or the reason for which a request is refused."""
    try:
        idp.check(request, **changes)
    except MessageRefused as refused:
        return refused.reason
    return "accepted"


def response(assertion=None, **how):
    """A Response on the wire; a signature covers the assertion, and the Response where `sign_response` says so."""
    return idp.post(idp.response(assertion, **how), endpoint=idp.ACS)


def everywhere(**how):
    """A message of each kind with the same property, signed as a whole."""
    return [
        response(sign_response=True, **how),
        idp.post(idp.logout_request(**how)),
        idp.post(idp.logout_response(**how)),
        idp.redirect(idp.logout_request(signed=False, **how)),
    ]


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (-181, Reason.NOT_YET_VALID),
        (-180, "accepted"),
        (0, "accepted"),
        (300, "accepted"),
        (301, Reason.EXPIRED),
    ],
)
def test_a_message_is_fresh(ago, expected):
    """IssueInstant may lie `skew` ahead and `max_age` behind, both limits inside (G139)."""
    conditions = f'<saml:Conditions NotOnOrAfter="{idp.instant(10_000)}">{AUDIENCE}</saml:Conditions>'
    for request in everywhere(issued=idp.instant(-ago)):
        assert verdict(request) == expected
    kept = idp.assertion(conditions=conditions, confirmations=idp.bearer(expires=10_000))
    assert verdict(response(kept, sign_response=True, issued=idp.instant(-ago))) == expected


@pytest.mark.parametrize("skew", [0, 60, 180])
@pytest.mark.parametrize(
    ("past", "late"),
    [(-1, False), (0, True)],
)
def test_skew_widens_every_window(skew, past, late):
    """NotBefore, NotOnOrAfter and the confirmation's end each move outward by `skew`, on both sides (G140)."""
    expired = idp.instant(-skew - past)  # NotOnOrAfter itself is outside
    early = idp.instant(skew + past + 1)
    wide = idp.instant(10_000)
    ends = f'<saml:Conditions NotOnOrAfter="{expired}">{AUDIENCE}</saml:Conditions>'
    begins = f'<saml:Conditions NotBefore="{early}" NotOnOrAfter="{wide}">{AUDIENCE}</saml:Conditions>'
    assert verdict(response(idp.assertion(conditions=ends)), skew=skew) == (Reason.EXPIRED if late else "accepted")
    assert verdict(response(idp.assertion(conditions=begins)), skew=skew) == (
        Reason.NOT_YET_VALID if late else "accepted"
    )
    confirmed = idp.assertion(confirmations=idp.bearer(expires=-skew - past))
    assert verdict(response(confirmed), skew=skew) == (Reason.EXPIRED if late else "accepted")
    request = idp.post(idp.logout_request(expires=expired))
    assert verdict(request, skew=skew) == (Reason.EXPIRED if late else "accepted")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (lambda url: url, "accepted"),
        (lambda url: url.replace("bridge", "BRIDGE"), "accepted"),
        (lambda url: url.replace("https", "HTTPS"), "accepted"),
        (lambda _: None, Reason.DESTINATION_MISMATCH),
        (lambda _: "", Reason.DESTINATION_MISMATCH),
        (lambda url: url + "/", Reason.DESTINATION_MISMATCH),
        (lambda url: url + "?x=1", Reason.DESTINATION_MISMATCH),
        (lambda url: url + "#x", Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace("saml", "SAML"), Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace("idp", "other"), Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace(".example", ".example:8443"), Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace(".example", ".example:443"), Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace("https", "http"), Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace("bridge", "other"), Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace(".example", ".example@other.example"), Reason.DESTINATION_MISMATCH),
        (lambda url: f"https://other.example/{url}", Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace("https:", ""), Reason.DESTINATION_MISMATCH),
        (lambda url: f" {url}", Reason.DESTINATION_MISMATCH),
        (lambda url: f"{url}&#xA;", Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace("//", "//&#9;"), Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace("bridge", "br&#xD;idge"), Reason.DESTINATION_MISMATCH),
        (lambda url: url.replace("//", "//["), Reason.SCHEMA_VIOLATION),
    ],
    ids=range(22),
)
def test_a_destination_is_ours(changed, expected):
    """Destination is our endpoint to the letter, but for the case of scheme and host; one there is (G142)."""
    assert verdict(response(sign_response=True, destination=changed(idp.ACS))) == expected
    for request in everywhere(destination=changed(idp.SLO))[1:]:
        assert verdict(request) == expected


def test_an_unsigned_response_may_leave_its_destination_out():
    """Only a signed Response must say where it goes; a wrong Destination is refused either way."""
    assert verdict(response(destination=None)) == "accepted"
    assert verdict(response(destination="https://other.example/acs")) == Reason.DESTINATION_MISMATCH


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        (idp.ENTITY_ID, "accepted"),
        ("", Reason.ISSUER_MISMATCH),
        (" ", Reason.ISSUER_MISMATCH),
        (f" {idp.ENTITY_ID}", Reason.ISSUER_MISMATCH),
        (f"{idp.ENTITY_ID}\n", Reason.ISSUER_MISMATCH),
        (idp.ENTITY_ID.upper(), Reason.ISSUER_MISMATCH),
        ("https://other.example", Reason.ISSUER_MISMATCH),
        (idp.ENTITY_ID + "/", Reason.ISSUER_MISMATCH),
    ],
)
def test_an_issuer_is_the_peer(issuer, expected):
    """The Issuer of message and assertion is the connection's entity id, to the letter (G143)."""
    for request in everywhere(issuer=issuer):
        assert verdict(request) == expected
    assert verdict(response(idp.assertion(issuer=issuer))) == expected


def test_only_a_response_may_have_no_issuer():
    """A Response without an Issuer is legal, its assertion's counts; a logout message must have one."""
    accepted, *refused = everywhere(issuer=None)
    assert verdict(response(issuer=None)) == "accepted"
    assert verdict(accepted) == "accepted"
    assert [verdict(request) for request in refused] == [Reason.SCHEMA_VIOLATION] * 3


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity"', "accepted"),
        ('Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"', Reason.SCHEMA_VIOLATION),
        ('NameQualifier="x"', Reason.SCHEMA_VIOLATION),
        ('SPNameQualifier="x"', Reason.SCHEMA_VIOLATION),
        ('SPProvidedID="x"', Reason.SCHEMA_VIOLATION),
    ],
)
def test_an_issuer_is_an_entity(attributes, expected):
    """An Issuer has no qualifiers and no format but entity (Core 8.3.6, G143)."""
    message = idp.logout_request(signed=False)
    message[0].attrib.update(idp.element(f"<saml:Issuer {attributes}/>").attrib)
    assert verdict(idp.post(idp.sign(message))) == expected


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (AUDIENCE, "accepted"),
        ("", Reason.AUDIENCE_MISMATCH),
        (OTHER, Reason.AUDIENCE_MISMATCH),
        (AUDIENCE + OTHER, Reason.AUDIENCE_MISMATCH),
        (OTHER + AUDIENCE, Reason.AUDIENCE_MISMATCH),
        (AUDIENCE * 2, "accepted"),
        (AUDIENCE.replace("<saml:Audience>", "<saml:Audience>x</saml:Audience><saml:Audience>"), "accepted"),
        (AUDIENCE.replace(idp.SP, ""), Reason.AUDIENCE_MISMATCH),
        (AUDIENCE.replace(idp.SP, f" {idp.SP} "), Reason.AUDIENCE_MISMATCH),
        (AUDIENCE.replace(idp.SP, idp.SP.upper()), Reason.AUDIENCE_MISMATCH),
        (AUDIENCE + "<saml:OneTimeUse/>", "accepted"),
        (AUDIENCE + '<saml:ProxyRestriction Count="0"/>', "accepted"),
    ],
)
def test_an_assertion_is_for_us(inside, expected):
    """One Audience of every restriction is our entity id, and there is a restriction (G149)."""
    assert verdict(response(idp.assertion(conditions=f"<saml:Conditions>{inside}</saml:Conditions>"))) == expected


def test_an_assertion_has_conditions():
    """No Conditions, no Audience."""
    assert verdict(response(idp.assertion(conditions=""))) == Reason.AUDIENCE_MISMATCH


HOLDER = idp.bearer().replace(idp.BEARER, "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")
NO_DATA = f'<saml:SubjectConfirmation Method="{idp.BEARER}"/>'
NO_END = idp.bearer().replace(f'NotOnOrAfter="{idp.instant(300)}"', "")


@pytest.mark.parametrize(
    ("confirmations", "expected"),
    [
        (idp.bearer(), "accepted"),
        ("", Reason.SUBJECT_INVALID),
        (HOLDER, Reason.SUBJECT_INVALID),
        (NO_DATA, Reason.SUBJECT_INVALID),
        (NO_END, Reason.SUBJECT_INVALID),
        (idp.bearer().replace("Recipient", f'NotBefore="{idp.instant(-60)}" Recipient'), Reason.SUBJECT_INVALID),
        (idp.bearer(recipient="https://other.example/acs"), Reason.RECIPIENT_MISMATCH),
        (idp.bearer(recipient=idp.SLO), Reason.RECIPIENT_MISMATCH),
        (idp.bearer().replace(f'Recipient="{idp.ACS}"', ""), Reason.RECIPIENT_MISMATCH),
        (idp.bearer(expires=-1000), Reason.EXPIRED),
        (HOLDER + NO_DATA + idp.bearer(expires=-1000) + idp.bearer(), "accepted"),
        (idp.bearer() + HOLDER, "accepted"),
    ],
)
def test_a_bearer_is_confirmed(confirmations, expected):
    """One bearer confirmation with data, for our ACS, without NotBefore and in time, is needed and enough (G151)."""
    assert verdict(response(idp.assertion(confirmations=confirmations))) == expected


def test_confirmations_that_do_not_hold_are_dropped():
    """What is handed on holds only the confirmations that were good: their InResponseTo may be believed."""
    other = idp.bearer(recipient="https://other.example").replace("_q1", "_q2")
    (kept,) = idp.check(
        response(idp.assertion(confirmations=other + HOLDER + idp.bearer()))
    ).message.assertion.confirmations
    assert (kept.recipient, kept.in_response_to) == (idp.ACS, "_q1")


@pytest.mark.parametrize("name_id", ["", "<saml:NameID/>", "<saml:NameID> \n</saml:NameID>", "<saml:BaseID/>"])
def test_a_subject_has_a_name(name_id):
    """An assertion about nobody, or about somebody without a name, opens no session."""
    assert verdict(response(idp.assertion(name_id=name_id))) in {Reason.SUBJECT_INVALID, Reason.SCHEMA_VIOLATION}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ("", Reason.SUBJECT_INVALID),
        (idp.authn_statement() * 2, "accepted"),
        (idp.authn_statement(more=f'SessionNotOnOrAfter="{idp.instant(1)}"'), "accepted"),
        (idp.authn_statement(more=f'SessionNotOnOrAfter="{idp.instant(0)}"'), Reason.EXPIRED),
        (idp.authn_statement(more=f'SessionNotOnOrAfter="{idp.instant(-1)}"'), Reason.EXPIRED),
        (idp.authn_statement() + idp.authn_statement(more=f'SessionNotOnOrAfter="{idp.instant(0)}"'), Reason.EXPIRED),
        (idp.authn_statement(more='SessionNotOnOrAfter="9999-12-31T23:59:59Z"'), "accepted"),
        (idp.authn_statement().replace(idp.instant(-5), idp.instant(180)), "accepted"),
        (idp.authn_statement().replace(idp.instant(-5), idp.instant(181)), Reason.NOT_YET_VALID),
        (idp.authn_statement().replace(' SessionIndex="_s1"', ""), "accepted"),
    ],
)
def test_a_person_was_authenticated(statements, expected):
    """An AuthnStatement there is, not from the future, for a session that is not over: no skew lengthens it (G164)."""
    assert verdict(response(idp.assertion(statements=statements))) == expected


@pytest.mark.parametrize("version", ["1.1", "2.1", "2.0 ", " 2.0", "2", "", "2.00"])
def test_the_version_is_two(version):
    """Version is `2.0` to the letter, in message and assertion (G163)."""
    message, assertion = idp.logout_request(signed=False), idp.assertion()
    for element in (message, assertion):
        element.set("Version", version)
    assert verdict(idp.post(idp.sign(message))) == Reason.SCHEMA_VIOLATION
    assert verdict(response(assertion)) == Reason.SCHEMA_VIOLATION


@pytest.mark.parametrize("inside", ["", '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/>'])
@pytest.mark.parametrize("code", ["Requester", "Responder", "VersionMismatch", "success", "Success "])
def test_a_response_says_yes(code, inside):
    """A Response that says no opens no session, signed or not, whatever assertion it carries (G152)."""
    status = idp.status(f"urn:oasis:names:tc:SAML:2.0:status:{code}", inside)
    assert verdict(response(status=status)) == Reason.STATUS_NOT_SUCCESS
    root = idp.response(status=status)
    root.remove(root.find(f"{{{SAML}}}Assertion"))
    assert verdict(idp.post(root, endpoint=idp.ACS)) == Reason.STATUS_NOT_SUCCESS
