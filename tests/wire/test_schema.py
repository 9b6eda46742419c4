"""Validation against the schemas of OASIS: strict, by the shipped files alone, and the same in every thread."""

import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from lxml import etree

from saml_slo.errors import MessageRefused, Reason
from saml_slo.wire import schema
from saml_slo.wire.xml import parse_message
from tests import idp

XSI = "http://www.w3.org/2001/XMLSchema-instance"
TYPED = f'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="{XSI}" xsi:type'


def validated(element):
    """Validate an element after sending it through text, as a message comes."""
    root = parse_message(etree.tostring(element))
    schema.validate(root)
    return root


def refusal_of(element):
    """Why the schema does not allow an element."""
    with pytest.raises(MessageRefused) as refused:
        validated(element)
    assert refused.value.reason == Reason.SCHEMA_VIOLATION
    return refused.value.got


@pytest.mark.parametrize("make", [idp.response, idp.logout_request, idp.logout_response])
def test_a_genuine_message_is_valid(make):
    """The control: what the identity provider of the tests writes is valid, and validation changes nothing."""
    message = make()
    before = etree.tostring(message)
    schema.validate(message)
    assert etree.tostring(message) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda root: root.append(idp.element("<saml:NameID>victim</saml:NameID>")), "NameID"),
        (lambda root: root.insert(0, idp.element("<samlp:SessionIndex>x</samlp:SessionIndex>")), "SessionIndex"),
        (lambda root: root.remove(root[-1]) or root.remove(root[-1]), "Missing"),
        (lambda root: root.set("Unknown", "x"), "Unknown"),
        (lambda root: root.attrib.pop("ID"), "ID"),
        (lambda root: root.attrib.pop("Version"), "Version"),
        (lambda root: root.attrib.pop("IssueInstant"), "IssueInstant"),
        (lambda root: root.set("IssueInstant", "yesterday"), "IssueInstant"),
        (lambda root: root.set("NotOnOrAfter", "2026-11-20"), "NotOnOrAfter"),
        (lambda root: root.set("ID", "1a"), "1a"),
        (lambda root: root.append(etree.Element("x")), "x"),
        (lambda root: setattr(root, "text", "text"), "content"),
    ],
)
def test_what_the_schema_does_not_allow_is_refused(change, told):
    """Elements too many, too few, out of order or unknown, attributes and values that are not in the schema."""
    message = idp.logout_request(signed=False)
    change(message)
    assert told.lower() in refusal_of(message).lower()


@pytest.mark.parametrize(
    "extension",
    [
        '<aslo:Asynchronous xmlns:aslo="urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"/>',
        '<x xmlns="urn:x" a="1"><y>text</y></x>',
    ],
)
def test_extensions_are_open(extension):
    """Extensions may hold elements of other namespaces that nobody here knows (D111)."""
    validated(idp.logout_request(extensions=f"<samlp:Extensions>{extension}</samlp:Extensions>"))


def attribute(value):
    """A Response whose assertion has one attribute value."""
    statement = f"<saml:AttributeStatement><saml:Attribute Name='a'>{value}</saml:Attribute></saml:AttributeStatement>"
    return idp.response(idp.assertion(more=statement))


@pytest.mark.parametrize(
    "value",
    [
        "<saml:AttributeValue>x</saml:AttributeValue>",
        "<saml:AttributeValue/>",
        f'<saml:AttributeValue xmlns:xsi="{XSI}" xsi:nil="true"/>',
        f"<saml:AttributeValue {TYPED}='xs:string'>x</saml:AttributeValue>",
        f"<saml:AttributeValue {TYPED}='xs:date'>2026-11-20</saml:AttributeValue>",
        f"<saml:AttributeValue {TYPED}='xs:anyType'>x</saml:AttributeValue>",
        "<saml:AttributeValue><saml:NameID>x</saml:NameID></saml:AttributeValue>",
        '<saml:AttributeValue><x xmlns="urn:x"/></saml:AttributeValue>',
    ],
)
def test_attribute_values_are_anything(value):
    """AttributeValue takes text, nothing, nil, a built-in type and elements, as real identity providers write them."""
    validated(attribute(value))


@pytest.mark.parametrize("place", ["Transform", "CanonicalizationMethod"])
def test_a_signature_may_list_prefixes(place):
    """InclusiveNamespaces is valid at both places where exclusive C14N takes it."""
    message = idp.logout_request()
    (*_, found) = message.iter(f"{{http://www.w3.org/2000/09/xmldsig#}}{place}")
    found.append(
        etree.fromstring('<InclusiveNamespaces xmlns="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="xs"/>')
    )
    validated(message)


@pytest.fixture(name="canary")
def listening():
    """A listener that nobody may call; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        yield f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("scheme", ["http", "file", "path"])
@pytest.mark.parametrize(
    "hint", ['schemaLocation="urn:x {0} urn:oasis:names:tc:SAML:2.0:protocol {0}"', 'noNamespaceSchemaLocation="{0}"']
)
def test_a_message_names_no_schema(canary, tmp_path, scheme, hint):
    """A schema that a message points to is neither fetched nor opened.

    The file is a named pipe: whoever opens it waits until the test's time is over.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    where = {"http": f"http://{canary}/x.xsd", "file": f"file://{pipe}", "path": str(pipe)}[scheme]
    inside = f'<x xmlns="urn:x" xmlns:xsi="{XSI}" xsi:{hint.format(where)}/>'
    validated(idp.logout_request(extensions=f"<samlp:Extensions>{inside}</samlp:Extensions>"))


def test_threads_do_not_mix_their_verdicts():
    """Valid and invalid messages, validated at once, each get their own verdict and their own detail."""

    def verdict(number):
        root = parse_message(etree.tostring(idp.logout_request(signed=False)))
        if number % 2:
            root.set(f"Unknown{number}", "x")
        try:
            schema.validate(root)
        except MessageRefused:
            return number % 2
        return not number % 2

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(verdict, range(200)))
