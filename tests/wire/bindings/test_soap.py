"""SOAP: one envelope, one message in its Body; nothing else in it counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.envelope import HttpIn
from saml_slo.protocol.messages import LogoutResponse
from saml_slo.protocol.names import SOAP_ENVELOPE, Binding
from saml_slo.protocol.status import SUCCESS, Status
from saml_slo.wire import bindings
from saml_slo.wire.writer import write
from saml_slo.wire.xml import MAX_MESSAGE_BYTES
from tests import idp
from tests.cost import costs_little
from tests.keys import pair
from tests.wire import others

LOGOUT = idp.octets(idp.logout_request()).decode()
VICTIM = idp.NAME_ID.replace("alice@corp.test", "victim@corp.test")


def envelope(body, header="", prefix="soap", uri=SOAP_ENVELOPE):
    """An envelope around a message."""
    return (
        f'<{prefix}:Envelope xmlns:{prefix}="{uri}">{header}<{prefix}:Body>{body}</{prefix}:Body></{prefix}:Envelope>'
    )


def post(xml, content_type="text/xml", **changes):
    """A POST of an envelope."""
    request = HttpIn(method="POST", endpoint=idp.SLO, body=xml.encode(), content_type=content_type)
    return replace(request, **changes)


def refusal_of(xml, **changes):
    """The reason for which an envelope is refused."""
    with pytest.raises(MessageRefused) as refused:
        idp.check(post(xml, **changes))
    return refused.value.reason


@pytest.mark.parametrize(
    "content_type", ["text/xml", "text/xml; charset=utf-8", "TEXT/XML", ' text/xml ; charset="utf-8"']
)
@pytest.mark.parametrize("header", ["", "<soap:Header/>", '<soap:Header><x xmlns="urn:x"/></soap:Header>\n  '])
def test_a_message_in_an_envelope_is_read(content_type, header):
    """The one child of the Body is verified as it stands in the envelope, and has no RelayState."""
    verified = idp.check(post(envelope(LOGOUT, header), content_type))
    assert (verified.message.id, verified.binding, verified.relay_state) == ("_lr1", Binding.SOAP, None)
    assert verified.signed


def test_white_space_and_prefixes_do_not_matter():
    """Any prefix and indentation, an XML declaration before it: the same envelope."""
    text = envelope(f"\n  {LOGOUT}\n", prefix="SOAP-ENV")
    assert idp.check(post(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}')).signed


def test_an_answer_by_soap_needs_no_destination():
    """SOAP names its endpoint by the connection, so a Destination may be absent; a wrong one is refused (G142)."""
    for make in (idp.logout_request, idp.logout_response):
        assert idp.check(post(envelope(idp.octets(make(destination=None)).decode()))).signed
        other = envelope(idp.octets(make(destination="https://other.example/slo")).decode())
        assert refusal_of(other) == Reason.DESTINATION_MISMATCH


UNSIGNED = idp.octets(idp.logout_request(signed=False, identifier="_e1", name_id=VICTIM)).decode()


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (envelope(UNSIGNED), Reason.SIGNATURE_MISSING),
        (envelope(UNSIGNED, f"<soap:Header>{LOGOUT}</soap:Header>"), Reason.SIGNATURE_MISSING),
        (envelope(LOGOUT, f"<soap:Header>{LOGOUT}</soap:Header>"), Reason.DUPLICATE_ID),
        (envelope(LOGOUT + UNSIGNED), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(UNSIGNED + LOGOUT), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(""), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope("text"), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(envelope(LOGOUT)), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope("<x/>"), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(LOGOUT, "<soap:Body/>"), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(LOGOUT, f"<soap:Body>{UNSIGNED}</soap:Body>"), Reason.UNEXPECTED_MESSAGE_TYPE),
        (LOGOUT, Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(LOGOUT, uri="http://www.w3.org/2003/05/soap-envelope"), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(LOGOUT).replace("soap:Body", "Body"), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(LOGOUT).replace("soap:Envelope", "soap:Fault"), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(LOGOUT, "<!-- c -->"), Reason.XML_FORBIDDEN_CONSTRUCT),
        ("<!DOCTYPE x>" + envelope(LOGOUT), Reason.XML_FORBIDDEN_CONSTRUCT),
        ("", Reason.XML_MALFORMED),
        ("SAMLRequest=x", Reason.XML_MALFORMED),
    ],
    ids=range(19),
)
def test_anything_else_is_refused(xml, reason):
    """No message, two, one in the Header, no envelope or another: refused; a genuine Header saves nobody (B035)."""
    assert refusal_of(xml) == reason


def test_a_signature_in_the_header_is_not_the_messages():
    """The signature must stand on the message in the Body; taken to the Header it is none."""
    root = etree.fromstring(LOGOUT)
    signature = root[1]
    root.remove(signature)
    moved = envelope(etree.tostring(root).decode(), f"<soap:Header>{etree.tostring(signature).decode()}</soap:Header>")
    assert refusal_of(moved) in {Reason.SIGNATURE_MISSING, Reason.SIGNATURE_PROFILE_VIOLATION}


def test_the_envelope_adds_nothing_to_the_signed_message():
    """Namespaces, attributes and text of the envelope are not part of what was signed, and do not break it."""
    text = envelope(LOGOUT).replace("<soap:Body", '<soap:Body xmlns:x="urn:x" x:a="1"', 1)
    assert idp.check(post(text)).message == idp.check(idp.post(idp.logout_request())).message


def test_an_envelope_has_the_messages_limit():
    """The whole envelope is limited like a message, and refused at no cost."""
    filled = envelope(LOGOUT, "<soap:Header>" + " " * MAX_MESSAGE_BYTES + "</soap:Header>")
    with costs_little():
        assert refusal_of(filled) == Reason.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("signer", ["bridge", "p256"])
def test_what_we_answer_is_an_envelope(signer):
    """Our answer is an envelope with the signed message, which others verify."""
    answer = LogoutResponse(
        id="_1", issue_instant=idp.NOW, issuer=idp.SP, in_response_to="_lr1", status=Status(SUCCESS, (), "a & <b>")
    )
    sent = bindings.encode(Binding.SOAP, write(answer), "", None, pair(signer).signing, idp.CONNECTION)
    root = etree.fromstring(sent.xml)
    (message,) = root[0]
    assert root.tag == f"{{{SOAP_ENVELOPE}}}Envelope"
    assert root[0].tag == f"{{{SOAP_ENVELOPE}}}Body"
    found = others.signxml_reads(etree.tostring(message), pair(signer).certificate_pem)
    assert found.get("InResponseTo") == "_lr1"


@given(st.binary(max_size=60) | st.text("<>/soap:EnvelopeBody= \"'&", max_size=80).map(str.encode))
def test_nothing_but_a_refusal_is_raised(body):
    """Any body is a message or a refusal."""
    try:
        bindings.decode(post("", body=body))
    except MessageRefused:
        return
