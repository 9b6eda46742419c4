"""What we say as an identity provider: Responses that come back as they were written, and that hold in every check."""

from base64 import b64decode
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from saml_slo.errors import ConfigurationError, MessageRefused, Reason
from saml_slo.protocol.envelope import HttpIn
from saml_slo.protocol.messages import Attribute, IssuedAssertion, NameId, Response
from saml_slo.protocol.names import XENC, XENC11, Binding, NameIdFormat, SignatureAlgorithm
from saml_slo.protocol.peer import Connection, SignedPart
from saml_slo.protocol.status import INVALID_NAME_ID_POLICY, NO_PASSIVE, REQUESTER, RESPONDER, Status
from saml_slo.wire import bindings, checks, reader, schema
from saml_slo.wire.encryption import DecryptionKeys, decrypt_element
from saml_slo.wire.reader import saml
from saml_slo.wire.response_writer import response_about, write_response
from saml_slo.wire.writer import to_signed_xml, to_xml
from saml_slo.wire.xml import parse_message
from tests import application as app
from tests import idp
from tests.idp import NOW
from tests.keys import pair
from tests.wire.made import responses
from tests.wire.test_canonical import exclusive_c14n

PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
ISSUED = IssuedAssertion(
    response_id="_r1",
    assertion_id="_a1",
    issued_at=NOW,
    recipient=app.ACS,
    in_response_to="_ar1",
    name_id=NameId(
        value=" Ünï\r\n\t<cödé>&amp;\"'😀 ",
        format=NameIdFormat.PERSISTENT,
        name_qualifier=app.IDP,
        sp_name_qualifier=app.ENTITY_ID,
    ),
    session_index="_s1",
    authn_instant=NOW - timedelta(minutes=10),
    session_not_on_or_after=NOW + timedelta(hours=8),
    authn_context_class_ref=PASSWORD,
    authenticating_authorities=(idp.ENTITY_ID,),
    attributes=(
        Attribute(name="mail", name_format=BASIC, friendly_name="E-Mail", values=("a@corp.test", "b & <c>")),
        Attribute(name="groups", values=()),
        Attribute(name="empty", values=("", " ")),
    ),
)
SETTINGS = {
    "assertion": {},
    "both": {"sign_response": True},
    "encrypted": {"encrypt_assertion": True},
    "both-encrypted": {"sign_response": True, "encrypt_assertion": True},
}
KEYS = DecryptionKeys((pair("bridge-encryption").key,))
by_each_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
by_each_key = pytest.mark.parametrize("signer", ["bridge", "p256"])


def provider(**settings):
    """The application of the tests, with a certificate to encrypt to."""
    return replace(app.PROVIDER, **{"encryption_certificates": (pair("bridge-encryption").certificate,)} | settings)


def upstream(signer="bridge", **settings):
    """Ourselves as an identity provider, seen from the application."""
    return Connection(
        name="bridge",
        entity_id=app.IDP,
        sp_entity_id=app.ENTITY_ID,
        acs_url=app.ACS,
        slo_url="https://app.example/slo",
        metadata_url=app.ENTITY_ID,
        single_sign_on=(),
        signing_certificates=(pair(signer).certificate,),
        **settings,
    )


def posted(response=None, signer="bridge", relay_state="s", **settings):
    """The form by which a Response leaves."""
    application = provider(**settings)
    response = response_about(ISSUED, application) if response is None else response
    outgoing = write_response(response, pair(signer).signing, application)
    return bindings.encode(Binding.POST, outgoing, app.ACS, relay_state, pair(signer).signing, application)


def xml_of(form):
    """The XML in a form."""
    return b64decode(form.fields["SAMLResponse"], validate=True)


def received(xml):
    """A Response as the application gets it, decoded."""
    request = idp.post(xml, endpoint=app.ACS)
    assert isinstance(request, HttpIn)
    return bindings.decode(request)


@given(responses)
def test_a_response_comes_back(response):
    """Every Response is read as it was written: statements, conditions and attributes, absent never empty."""
    outgoing = write_response(response, pair("p256").signing, app.PROVIDER)
    root = parse_message(to_xml(outgoing.element).encode())
    assert reader.response(root, root.find(saml("Assertion"))) == response


@given(responses)
def test_an_encrypted_response_comes_back(response):
    """Encryption changes nothing in what is read."""
    application = provider(encrypt_assertion=True)
    outgoing = write_response(response, pair("p256").signing, application)
    root = parse_message(to_signed_xml(outgoing.element, pair("p256").signing, SignatureAlgorithm.RSA_SHA256).encode())
    schema.validate(root)
    encrypted = root.find(saml("EncryptedAssertion"))
    assertion = None if encrypted is None else decrypt_element(encrypted, KEYS, aes_cbc=False)
    assert reader.response(root, assertion) == response


@given(responses, st.booleans())
def test_what_is_written_is_valid_and_canonical(response, encrypt):
    """Every Response is valid against the schemas, and its own exclusive canonical form, as is the assertion alone."""
    application = provider(encrypt_assertion=encrypt)
    outgoing = write_response(response, pair("p256").signing, application)
    for text in (
        to_xml(outgoing.element),
        to_signed_xml(outgoing.element, pair("p256").signing, SignatureAlgorithm.RSA_SHA256),
    ):
        root = parse_message(text.encode())
        schema.validate(root)
        assert exclusive_c14n(text) == text
        for assertion in root.iter(saml("Assertion"), saml("EncryptedAssertion")):
            alone = etree.tostring(assertion, method="c14n", exclusive=True).decode()
            assert alone in text


@by_each_setting
@by_each_key
def test_our_own_checks_accept_it(settings, signer):
    """As the application we would sign this person in: every check of a Response holds, and nothing is lost."""
    form = posted(signer=signer, **settings)
    assert (form.action, form.fields["RelayState"]) == (app.ACS, "s")
    part = SignedPart.BOTH if settings.get("sign_response") else SignedPart.ASSERTION
    verified = checks.verify_response(received(xml_of(form)), upstream(signer, signed_part=part), KEYS, NOW)
    assert verified.message == response_about(ISSUED, provider())


@by_each_setting
def test_another_letter_is_refused(settings):
    """The control: with the assertion or the Response changed, or another key, the same checks refuse."""
    xml = xml_of(posted(**settings))
    with pytest.raises(MessageRefused) as refused:
        checks.verify_response(received(xml), upstream("attacker"), KEYS, NOW)
    assert refused.value.reason == Reason.SIGNATURE_INVALID
    if "encrypt_assertion" not in settings:
        changed = xml.replace(b"a@corp.test", b"x@corp.test")
        with pytest.raises(MessageRefused) as refused:
            checks.verify_response(received(changed), upstream(), KEYS, NOW)
        assert refused.value.reason == Reason.SIGNATURE_INVALID


def test_what_the_settings_sign():
    """The assertion carries a signature always, the Response where `sign_response` says so."""
    for settings in (SETTINGS["assertion"], SETTINGS["both"]):
        root = etree.fromstring(xml_of(posted(**settings)))
        signatures = [element.getparent().tag.rpartition("}")[2] for element in root.iter("{*}Signature")]
        assert signatures == (["Response", "Assertion"] if settings else ["Assertion"])
    root = etree.fromstring(xml_of(posted(encrypt_assertion=True)))
    assert not list(root.iter("{*}Signature"))


def test_nothing_in_clear_where_it_is_encrypted():
    """Neither the name nor an attribute, nor anything else of the assertion, stands in an encrypted Response."""
    xml = xml_of(posted(encrypt_assertion=True, sign_response=True)).decode()
    for secret in ("corp.test", "Ünï", "_a1", "_s1", "AttributeStatement", "NameID", "AuthnContext"):
        assert secret not in xml


def test_how_it_is_encrypted():
    """AES-256-GCM, RSA-OAEP-MGF1P, one EncryptedKey inside the EncryptedData, a fresh key and nonce each time."""
    values = set()
    for _ in range(3):
        root = etree.fromstring(xml_of(posted(encrypt_assertion=True)))
        (encrypted,) = root.iter("{*}EncryptedAssertion")
        methods = [element.get("Algorithm") for element in encrypted.iter("{*}EncryptionMethod", "{*}DigestMethod")]
        assert methods == [
            XENC11 + "aes256-gcm",
            XENC + "rsa-oaep-mgf1p",
            "http://www.w3.org/2000/09/xmldsig#sha1",
        ]
        (key,) = encrypted.iter("{*}EncryptedKey")
        assert [element.tag.rpartition("}")[2] for element in key.iterancestors()][:2] == ["KeyInfo", "EncryptedData"]
        values |= {element.text for element in encrypted.iter("{*}CipherValue")}
    assert len(values) == 6


def test_it_is_encrypted_to_the_first_rsa_key():
    """Of several certificates the first with an RSA key is taken; an EC key cannot be encrypted to."""
    certificates = tuple(pair(name).certificate for name in ("p256", "bridge-encryption-next", "bridge-encryption"))
    xml = xml_of(posted(encrypt_assertion=True, encryption_certificates=certificates))
    checks.verify_response(received(xml), upstream(), DecryptionKeys((pair("bridge-encryption-next").key,)), NOW)
    with pytest.raises(MessageRefused) as refused:
        checks.verify_response(received(xml), upstream(), KEYS, NOW)
    assert refused.value.reason == Reason.DECRYPT_FAILED


@pytest.mark.parametrize("certificates", [(), (pair("p256").certificate,)])
def test_without_an_rsa_key_nothing_is_sent(certificates):
    """What should be encrypted and cannot be is not sent in clear instead."""
    with pytest.raises(ConfigurationError) as raised:
        posted(encrypt_assertion=True, encryption_certificates=certificates)
    assert raised.value.setting == "encrypt_assertion"


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (None, ["mail", "groups", "empty"]),
        ((), []),
        (("mail",), ["mail"]),
        (("empty", "mail", "x"), ["mail", "empty"]),
    ],
)
def test_which_attributes_are_told(wanted, told):
    """An application is told the attributes that its setting names, all without one."""
    response = response_about(ISSUED, provider(attributes=wanted))
    assert [attribute.name for attribute in response.assertion.attributes] == told
    xml = xml_of(posted(response))
    assert (b"AttributeStatement" in xml) == bool(told)


def test_the_times_of_an_assertion():
    """Valid from a minute before, for clocks behind ours, until its lifetime ends; `lifetime` moves both ends alike."""
    assertion = response_about(replace(ISSUED, lifetime=timedelta(seconds=90)), provider()).assertion
    assert assertion.conditions.not_before == NOW - timedelta(seconds=60)
    assert assertion.conditions.not_on_or_after == NOW + timedelta(seconds=90)
    assert [c.not_on_or_after for c in assertion.confirmations] == [NOW + timedelta(seconds=90)]


def test_an_answer_to_nobody_names_no_request():
    """Unsolicited (IdP-initiated): InResponseTo is absent from the Response and from the confirmation."""
    xml = xml_of(posted(response_about(replace(ISSUED, in_response_to=None), provider())))
    assert b"InResponseTo" not in xml


def test_an_unknown_context_is_said_to_be_unspecified():
    """Where the upstream said nothing of how somebody signed in, neither do we (Core 2.7.2.2 wants a word)."""
    response = response_about(replace(ISSUED, authn_context_class_ref=None), provider())
    assert response.assertion.authn_statements[0].authn_context_class_ref.endswith(":ac:classes:unspecified")


@by_each_setting
@pytest.mark.parametrize(
    "status",
    [Status(RESPONDER, (NO_PASSIVE,)), Status(REQUESTER, (INVALID_NAME_ID_POLICY,), "a & <b>\r\n")],
    ids=str,
)
def test_a_no_is_signed_always(settings, status):
    """A Response without an assertion is signed itself, whatever the settings, and says its status."""
    refusal = Response(
        id="_r1", issue_instant=NOW, destination=app.ACS, issuer=app.IDP, in_response_to="_ar1", status=status
    )
    xml = xml_of(posted(refusal, **settings))
    root = parse_message(xml)
    schema.validate(root)
    assert reader.response(root, None) == refusal
    with pytest.raises(MessageRefused) as refused:
        checks.verify_response(received(xml), upstream(), KEYS, NOW)
    assert refused.value.reason == Reason.STATUS_NOT_SUCCESS
