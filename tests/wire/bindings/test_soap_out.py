"""SOAP the other way round: we ask in an envelope, and the peer's answer comes in the HTTP response."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.envelope import HttpIn
from saml_slo.protocol.messages import LogoutRequest, NameId
from saml_slo.protocol.names import SOAP_ENVELOPE, Binding, SignatureAlgorithm
from saml_slo.wire import bindings, checks
from saml_slo.wire.bindings import soap
from saml_slo.wire.writer import write
from tests import application as app
from tests import idp
from tests.keys import decryption_keys, pair
from tests.vectors.captures import vectors
from tests.vectors.facts import as_read, facts_of
from tests.wire import others

ANSWER = idp.octets(idp.logout_response(destination=None)).decode()
UNSIGNED = idp.octets(idp.logout_response(destination=None, signed=False, identifier="_e1")).decode()
CAPTURED = [v for v in vectors() if v.binding == "soap" and v.type == "LogoutResponse"]


def envelope(body, header=""):
    """An envelope around a message, as octets."""
    return f'<s:Envelope xmlns:s="{SOAP_ENVELOPE}">{header}<s:Body>{body}</s:Body></s:Envelope>'.encode()


def verified(body, peer=idp.CONNECTION, content_type="text/xml"):
    """The verified LogoutResponse in the body of an HTTP response."""
    return checks.verify_logout_response(soap.decode_answer(body, content_type), peer, idp.NOW)


def refusal_of(body, peer=idp.CONNECTION, content_type="text/xml"):
    """How an HTTP response is refused."""
    with pytest.raises(MessageRefused) as refused:
        verified(body, peer, content_type)
    return refused.value


@pytest.mark.parametrize(
    "content_type",
    ["text/xml", "text/xml; charset=utf-8", "TEXT/XML;charset=UTF-8", "application/xml", "application/soap+xml"],
)
def test_an_answer_is_read(content_type):
    """The answer is the one child of the Body; it needs no Destination, because it came in the response to us."""
    answer = verified(envelope(ANSWER), content_type=content_type)
    assert (answer.message.in_response_to, answer.binding, answer.relay_state) == ("_q1", Binding.SOAP, None)
    assert answer.signed


def test_an_applications_answer_is_read():
    """An application answers with its own key and under its own name; ours to it is held against the Destination."""
    peer = replace(app.PROVIDER, signing_certificates=(pair("idp").certificate,))
    mine = idp.logout_response(issuer=app.ENTITY_ID, destination=app.SLO)
    assert verified(envelope(idp.octets(mine).decode()), peer).peer == peer
    other = idp.logout_response(issuer=app.ENTITY_ID, destination=idp.SLO)
    assert refusal_of(envelope(idp.octets(other).decode()), peer).reason == Reason.DESTINATION_MISMATCH


@pytest.mark.parametrize("vector", CAPTURED, ids=str)
def test_what_mellon_answers_is_read(vector):
    """Lasso declares the prefixes of the message on the Envelope and leaves the Destination out: verified as it is."""
    for peer in (vector.connection, vector.provider):
        received = soap.decode_answer(vector.xml.encode(), "text/xml")
        answer = checks.verify_logout_response(received, peer, vector.now)
        assert answer.signed
        assert facts_of(answer.message) == as_read(vector.facts)


def test_there_are_captured_answers():
    """At least three of them."""
    assert len(CAPTURED) >= 3


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            "<faultcode>s:Server</faultcode><faultstring>Unable to process</faultstring>",
            "'s:Server' 'Unable to process'",
        ),
        ("<faultcode>s:Client</faultcode>", "'s:Client' ''"),
        ("<faultstring>a&#10;b</faultstring>", r"'' 'a\nb'"),
        ("", "'' ''"),
    ],
)
def test_a_fault_says_what_it_says(fault, told):
    """A SOAP fault is a refusal that names its code and its text, in one line."""
    refused = refusal_of(envelope(f"<s:Fault>{fault}</s:Fault>"))
    assert (refused.reason, refused.got) == (Reason.STATUS_NOT_SUCCESS, told)


def test_a_long_fault_is_cut():
    """A peer cannot fill our log with its fault."""
    fault = f"<faultcode>{'c' * 9_000}</faultcode><faultstring>{'t' * 9_000}</faultstring>"
    assert len(refusal_of(envelope(f"<s:Fault>{fault}</s:Fault>")).got) < 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (envelope(UNSIGNED), Reason.SIGNATURE_MISSING),
        (envelope(UNSIGNED, f"<s:Header>{ANSWER}</s:Header>"), Reason.SIGNATURE_MISSING),
        (envelope("<s:Fault/>" + ANSWER), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(ANSWER + UNSIGNED), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(""), Reason.UNEXPECTED_MESSAGE_TYPE),
        (envelope(idp.octets(idp.logout_request()).decode()), Reason.UNEXPECTED_MESSAGE_TYPE),
        (ANSWER.encode(), Reason.UNEXPECTED_MESSAGE_TYPE),
        (b"", Reason.XML_MALFORMED),
        (b"OK", Reason.XML_MALFORMED),
        (b"<!DOCTYPE x>" + envelope(ANSWER), Reason.XML_FORBIDDEN_CONSTRUCT),
    ],
    ids=range(10),
)
def test_anything_else_is_refused(body, reason):
    """B035: a genuine answer in the Header lends its signature to nothing; nor is anything else an answer."""
    assert refusal_of(body).reason == reason


@pytest.mark.parametrize("content_type", ["", "text/html", "text/html; charset=utf-8", "text/xmlx", "application/json"])
def test_a_page_is_no_answer(content_type):
    """What says that it is no XML is not parsed at all: an error page of a proxy is told as one."""
    assert refusal_of(envelope(ANSWER), content_type=content_type).reason == Reason.BINDING_MISMATCH


@pytest.mark.parametrize("signer", ["bridge", "p256"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_we_ask_is_an_envelope(signer, asynchronous):
    """Our LogoutRequest stands in the Body, signed: others verify it, and so would we as the peer."""
    request = LogoutRequest(
        id="_lr1",
        issue_instant=idp.NOW,
        destination=idp.SLO,
        issuer=idp.ENTITY_ID,
        name_id=NameId(value=" a & <b>\r\n"),
        session_indexes=("_s1", "_s2"),
        asynchronous=asynchronous,
    )
    out = soap.encode(write(request), idp.SLO, None, pair(signer).signing, SignatureAlgorithm.RSA_SHA256)
    body = out.xml.encode()
    (message,) = etree.fromstring(body)[0]
    found = others.signxml_reads(etree.tostring(message), pair(signer).certificate_pem)
    assert found.get("ID") == "_lr1"
    post = HttpIn(method="POST", endpoint=idp.SLO, body=body, content_type=soap.MEDIA_TYPE)
    peer = replace(idp.CONNECTION, signing_certificates=(pair(signer).certificate,))
    read = checks.verify_logout_request(bindings.decode(post), peer, decryption_keys(), idp.NOW)
    assert read.message == request


@given(
    st.binary(max_size=60) | st.text("<>/s:EnvelopeBodyFault= \"'&", max_size=80).map(str.encode),
    st.sampled_from(["", "text/xml", "text/xml;", "é", ";"]),
)
def test_nothing_but_a_refusal_is_raised(body, content_type):
    """Any answer is a message or a refusal."""
    try:
        soap.decode_answer(body, content_type)
    except MessageRefused:
        return
