"""What the writer writes is what the reader reads, and what the schemas of OASIS allow."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given

from saml_slo.protocol.messages import AuthnRequest, LogoutRequest, LogoutResponse, NameId
from saml_slo.protocol.names import SAML, SAMLP, SignatureAlgorithm
from saml_slo.protocol.status import SUCCESS, Status
from saml_slo.wire import reader, schema
from saml_slo.wire.reader import saml, samlp
from saml_slo.wire.writer import to_signed_xml, to_xml, write
from saml_slo.wire.xml import parse_message
from tests.keys import pair
from tests.wire.made import authn_requests, logout_requests, logout_responses, messages

NOW = datetime(2026, 11, 20, 6, 26, 0, 123_000, UTC)
REQUEST = LogoutRequest(
    id="_1", issue_instant=NOW, issuer="https://bridge.example/saml", name_id=NameId(value="a"), session_indexes=("x",)
)
ANSWER = LogoutResponse(id="_2", issue_instant=NOW, issuer="https://bridge.example/saml", status=Status(SUCCESS))
QUESTION = AuthnRequest(id="_3", issue_instant=NOW, issuer="https://bridge.example/saml")


def parsed(message):
    """The root of a message as it is written."""
    return parse_message(to_xml(write(message).element).encode())


@given(logout_requests)
def test_a_logout_request_comes_back(message):
    """Every LogoutRequest is read as it was written: NameID and qualifiers to the letter, absent never empty."""
    root = parsed(message)
    assert reader.logout_request(root, root.find(saml("NameID"))) == message


@given(logout_responses)
def test_a_logout_response_comes_back(message):
    """Every LogoutResponse is read as it was written, nested status codes in their order."""
    assert reader.logout_response(parsed(message)) == message


@given(authn_requests)
def test_an_authn_request_comes_back(message):
    """Every AuthnRequest is read as it was written."""
    assert reader.authn_request(parsed(message)) == message


@given(messages)
def test_what_is_written_is_valid(message):
    """Every message is valid against the schemas, unsigned and signed."""
    outgoing = write(message)
    schema.validate(parse_message(to_xml(outgoing.element).encode()))
    signed = to_signed_xml(outgoing.element, pair("p256").signing, SignatureAlgorithm.RSA_SHA256)
    schema.validate(parse_message(signed.encode()))


@given(messages)
def test_signing_adds_the_signature_and_nothing_else(message):
    """A signed message is the unsigned one with a Signature after its Issuer."""
    outgoing = write(message)
    root = parse_message(to_signed_xml(outgoing.element, pair("p256").signing, SignatureAlgorithm.RSA_SHA256).encode())
    issuer, signature = root[0], root[1]
    assert (issuer.tag, signature.tag) == (saml("Issuer"), "{http://www.w3.org/2000/09/xmldsig#}Signature")
    root.remove(signature)
    unsigned = parse_message(to_xml(outgoing.element).encode())
    assert [(e.tag, dict(e.attrib), e.text) for e in root.iter()] == [
        (e.tag, dict(e.attrib), e.text) for e in unsigned.iter()
    ]


@pytest.mark.parametrize(
    ("message", "parameter"), [(REQUEST, "SAMLRequest"), (ANSWER, "SAMLResponse"), (QUESTION, "SAMLRequest")]
)
def test_the_parameter_fits_the_message(message, parameter):
    """Requests travel as SAMLRequest, answers as SAMLResponse."""
    assert write(message).parameter == parameter


def test_a_logout_request_to_the_letter():
    """One LogoutRequest in full, as it goes over the wire: canonical, NameID byte-exact."""
    message = replace(
        REQUEST,
        destination="https://idp.example/slo?a=1&b=2",
        name_id=NameId(
            value=' a<b>&"c"\r\n\té ',
            format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            name_qualifier='q"<\r\n\t&>',
            sp_name_qualifier="",
        ),
        session_indexes=("one", "two"),
        not_on_or_after=NOW,
        reason="urn:oasis:names:tc:SAML:2.0:logout:user",
        asynchronous=True,
    )
    assert to_xml(write(message).element) == (
        f'<samlp:LogoutRequest xmlns:samlp="{SAMLP}" Destination="https://idp.example/slo?a=1&amp;b=2" ID="_1" '
        'IssueInstant="2026-11-20T06:26:00.123Z" NotOnOrAfter="2026-11-20T06:26:00.123Z" '
        'Reason="urn:oasis:names:tc:SAML:2.0:logout:user" Version="2.0">'
        f'<saml:Issuer xmlns:saml="{SAML}">https://bridge.example/saml</saml:Issuer>'
        '<samlp:Extensions><aslo:Asynchronous xmlns:aslo="urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo">'
        "</aslo:Asynchronous></samlp:Extensions>"
        f'<saml:NameID xmlns:saml="{SAML}" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" '
        'NameQualifier="q&quot;&lt;&#xD;&#xA;&#x9;&amp;>" SPNameQualifier="">'
        ' a&lt;b&gt;&amp;"c"&#xD;\n\té </saml:NameID>'
        "<samlp:SessionIndex>one</samlp:SessionIndex><samlp:SessionIndex>two</samlp:SessionIndex>"
        "</samlp:LogoutRequest>"
    )


def test_an_empty_name_id_policy_is_not_written():
    """An AuthnRequest that asks for nothing in particular has neither a NameIDPolicy nor a RequestedAuthnContext."""
    root = parsed(QUESTION)
    assert [child.tag for child in root] == [saml("Issuer")]
    assert root.find(samlp("NameIDPolicy")) is None
