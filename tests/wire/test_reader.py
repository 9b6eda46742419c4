"""The reader takes exactly what the verified element says, from its direct children, to the letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from saml_slo.protocol.messages import AuthnStatement, NameId
from saml_slo.protocol.names import SAML, SAMLP
from saml_slo.protocol.status import PARTIAL_LOGOUT, RESPONDER, SUCCESS
from saml_slo.wire import reader
from tests import idp
from tests.wire.made import name_ids, some_text, texts

ASKED = '<aslo:Asynchronous xmlns:aslo="urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"/>'
PLANTED = "<saml:NameID>victim@corp.test</saml:NameID><samlp:SessionIndex>_victims</samlp:SessionIndex>"
QUALIFIERS = {
    "Format": "format",
    "NameQualifier": "name_qualifier",
    "SPNameQualifier": "sp_name_qualifier",
    "SPProvidedID": "sp_provided_id",
}


def written(name_id):
    """A NameID as lxml writes it."""
    element = etree.Element(f"{{{SAML}}}NameID")
    element.text = name_id.value
    for attribute, field in QUALIFIERS.items():
        if getattr(name_id, field) is not None:
            element.set(attribute, getattr(name_id, field))
    return element


@given(name_ids, st.lists(texts, max_size=3))
def test_a_logout_request_is_read_to_the_letter(name_id, indexes):
    """NameID with every qualifier and every SessionIndex come out as they were signed, white space and all."""
    message = idp.logout_request(signed=False, indexes=())
    message.replace(message[1], written(name_id))
    for index in indexes:
        etree.SubElement(message, f"{{{SAMLP}}}SessionIndex").text = index
    read = idp.check(idp.post(idp.sign(message))).message
    assert read.name_id == name_id
    assert read.session_indexes == tuple(indexes)


@given(name_ids.filter(lambda name_id: name_id.value.strip()), some_text)
def test_an_assertion_is_read_to_the_letter(name_id, text):
    """NameID, attribute names and values come out as they were signed."""
    statement = (
        "<saml:AttributeStatement><saml:Attribute><saml:AttributeValue/></saml:Attribute></saml:AttributeStatement>"
    )
    assertion = idp.assertion(more=statement)
    subject = assertion.find(f"{{{SAML}}}Subject")
    subject.replace(subject[0], written(name_id))
    attribute = assertion[-1][0]
    attribute.set("Name", text)
    attribute[0].text = text
    read = idp.check(idp.post(idp.response(assertion), endpoint=idp.ACS)).message.assertion
    assert read.name_id == name_id
    ((found,),) = (read.attributes,)
    assert (found.name, found.values) == (text, (text,))


def response(**parts):
    """The Response that is read from a signed assertion with these parts."""
    return idp.check(idp.post(idp.response(idp.assertion(**parts)), endpoint=idp.ACS)).message


def test_an_attribute_is_read_whole():
    """An attribute has its name, format, friendly name and all its values; text inside elements belongs to it."""
    inside = '<saml:Attribute Name="urn:a" NameFormat="urn:f" FriendlyName="a">'
    inside += "<saml:AttributeValue>one</saml:AttributeValue><saml:AttributeValue/>"
    inside += '<saml:AttributeValue><x xmlns="urn:x">t<y>w</y>o</x></saml:AttributeValue></saml:Attribute>'
    inside += '<saml:Attribute Name="b"/>'
    first, second = response(more=f"<saml:AttributeStatement>{inside}</saml:AttributeStatement>").assertion.attributes
    assert (first.name, first.name_format, first.friendly_name) == ("urn:a", "urn:f", "a")
    assert first.values == ("one", "", "two")
    assert (second.name, second.name_format, second.friendly_name, second.values) == ("b", None, None, ())


def test_every_authn_statement_is_read_in_order():
    """Statements keep their order, their SessionIndex or none, and the end of their session."""
    statements = idp.authn_statement("_1", more='SessionNotOnOrAfter="2026-11-20T14:26:00Z"')
    statements += idp.authn_statement().replace(' SessionIndex="_s1"', "")
    first, second = response(statements=statements).assertion.authn_statements
    assert first == AuthnStatement(
        authn_instant=idp.NOW.replace(minute=25, second=55),
        session_index="_1",
        session_not_on_or_after=idp.NOW.replace(hour=14),
        authn_context_class_ref=idp.PASSWORD,
    )
    assert (second.session_index, second.session_not_on_or_after) == (None, None)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", (SUCCESS,)),
        (f'<samlp:StatusCode Value="{PARTIAL_LOGOUT}"/>', (SUCCESS, PARTIAL_LOGOUT)),
        (
            f'<samlp:StatusCode Value="{RESPONDER}"><samlp:StatusCode Value="{PARTIAL_LOGOUT}"/></samlp:StatusCode>',
            (SUCCESS, RESPONDER, PARTIAL_LOGOUT),
        ),
        ('<samlp:StatusCode Value="urn:x">' * 30 + "</samlp:StatusCode>" * 30, (SUCCESS, *["urn:x"] * 4)),
    ],
)
def test_status_codes_are_read_from_outside_in(more, expected):
    """Nested codes keep their order; a tower of them is cut."""
    status = idp.check(idp.post(idp.logout_response(status=idp.status(inside=more)))).message.status
    assert (status.code, *status.nested) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [(None, None), ("", ""), (" a &lt;b&gt; ", " a <b> "), ("x" * 5000, "x" * 1000)]
)
def test_a_status_message_is_cut(text, expected):
    """The peer's free text comes as it is, absent or empty, up to a thousand letters."""
    message = "" if text is None else f"<samlp:StatusMessage>{text}</samlp:StatusMessage>"
    status = f'<samlp:Status><samlp:StatusCode Value="{SUCCESS}"/>{message}</samlp:Status>'
    assert idp.check(idp.post(idp.logout_response(status=status))).message.status.message == expected


def test_a_logout_request_is_read_whole():
    """Destination, Issuer, expiry, reason and the wish for no answer."""
    message = idp.logout_request(
        extensions=f"<samlp:Extensions>{ASKED}</samlp:Extensions>", expires="2026-11-20T06:31:00Z", signed=False
    )
    message.set("Reason", "urn:oasis:names:tc:SAML:2.0:logout:admin")
    read = idp.check(idp.post(idp.sign(message))).message
    assert (read.id, read.issuer, read.destination) == ("_lr1", idp.ENTITY_ID, idp.SLO)
    assert read.not_on_or_after == idp.NOW.replace(minute=31)
    assert read.reason == "urn:oasis:names:tc:SAML:2.0:logout:admin"
    assert read.asynchronous
    plain = idp.check(idp.post(idp.logout_request())).message
    assert (plain.not_on_or_after, plain.reason, plain.asynchronous) == (None, None, False)


def test_only_direct_children_count():
    """A NameID, SessionIndex or Asynchronous that stands deeper is never read, even where it is signed and allowed."""
    wrapped = f'<x xmlns="urn:x">{PLANTED}{ASKED}</x>'
    message = idp.logout_request(extensions=f"<samlp:Extensions>{wrapped}</samlp:Extensions>")
    read = idp.check(idp.post(message)).message
    assert read.name_id.value == "alice@corp.test"
    assert (read.session_indexes, read.asynchronous) == (("_s1",), False)


def test_a_name_id_in_a_confirmation_is_not_the_subject():
    """The NameID of a SubjectConfirmation is somebody else: the one who may present the assertion."""
    confirmation = idp.bearer().replace(
        "<saml:SubjectConfirmationData", "<saml:NameID>victim@corp.test</saml:NameID><saml:SubjectConfirmationData"
    )
    assert response(confirmations=confirmation).assertion.name_id.value == "alice@corp.test"


def test_absent_is_not_empty():
    """A qualifier that is absent is None, an empty one is empty."""
    for text, expected in (("", None), ('SPNameQualifier=""', "")):
        read = reader.name_id(idp.element(f"<saml:NameID {text}>a</saml:NameID>"))
        assert read == NameId(value="a", sp_name_qualifier=expected)
    assert reader.name_id(idp.element("<saml:NameID/>")).value == ""
