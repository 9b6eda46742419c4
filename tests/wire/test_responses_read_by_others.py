"""What we say as an identity provider, others believe: pysaml2 as an application, signxml, libxmlsec's decryption."""

from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import signxml
import xmlsec
from lxml import etree
from saml2 import sigver

from saml_slo.protocol.messages import NameId, Response
from saml_slo.protocol.names import Binding, NameIdFormat, SignatureAlgorithm
from saml_slo.protocol.status import NO_PASSIVE, RESPONDER, Status
from saml_slo.wire import bindings
from saml_slo.wire.response_writer import response_about, write_response
from tests import application as app
from tests import idp
from tests.keys import pair
from tests.wire import others
from tests.wire.pysaml2_sp import Pysaml2Sp
from tests.wire.test_response_writer import ISSUED, SETTINGS, provider

SIGNERS = [
    ("bridge", SignatureAlgorithm.RSA_SHA256),
    ("bridge", SignatureAlgorithm.RSA_SHA512),
    ("p256", SignatureAlgorithm.RSA_SHA256),
    ("p384", SignatureAlgorithm.ECDSA_SHA384),
]
by_each_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
by_each_signer = pytest.mark.parametrize(("signer", "wanted"), SIGNERS)


def fresh():
    """An assertion of this moment, because the others look at the real clock."""
    now = datetime.now(UTC).replace(microsecond=250_000) - timedelta(seconds=1)
    return replace(
        ISSUED,
        issued_at=now,
        authn_instant=now - timedelta(minutes=1),
        session_not_on_or_after=now + timedelta(hours=1),
        name_id=NameId(
            value="a&b <ü>",
            format=NameIdFormat.PERSISTENT,
            name_qualifier=app.IDP,
            sp_name_qualifier=app.ENTITY_ID,
        ),
    )


def field(signer="bridge", wanted=SignatureAlgorithm.RSA_SHA256, response=None, **settings):
    """The form field by which a Response leaves."""
    application = provider(signature_algorithm=wanted, **settings)
    response = response or response_about(fresh(), application)
    outgoing = write_response(response, pair(signer).signing, application)
    form = bindings.encode(Binding.POST, outgoing, app.ACS, None, pair(signer).signing, application)
    return form.fields["SAMLResponse"]


def application(folder, signer="bridge", **settings):
    """A pysaml2 application that trusts this key of ours."""
    return Pysaml2Sp(
        folder,
        entity_id=app.ENTITY_ID,
        acs=app.ACS,
        idp=app.IDP,
        sso=app.SSO,
        certificate=pair(signer).certificate,
        want_assertions_signed=True,
        **settings,
    )


@by_each_setting
@by_each_signer
def test_pysaml2_signs_a_person_in(tmp_path, settings, signer, wanted):
    """pysaml2, as an application, accepts the Response and hears the name, the session, the context and attributes."""
    client = application(tmp_path, signer, want_response_signed=settings.get("sign_response", False))
    read = client.read(field(signer, wanted, **settings))
    issued = fresh()
    assert read.name_id.text == issued.name_id.value
    assert (read.name_id.format, read.name_id.name_qualifier) == (NameIdFormat.PERSISTENT, app.IDP)
    assert read.name_id.sp_name_qualifier == app.ENTITY_ID
    assert read.session_info()["session_index"] == "_s1"
    assert read.authn_info()[0][:2] == (issued.authn_context_class_ref, [idp.ENTITY_ID])
    assert read.ava["mail"] == ["a@corp.test", "b & <c>"]
    assert read.in_response_to == "_ar1"
    (statement,) = read.assertion.authn_statement
    assert statement.session_not_on_or_after.endswith("Z")


@by_each_setting
def test_pysaml2_refuses_another_key(tmp_path, settings):
    """The control: pysaml2 does check the signature on the assertion, encrypted or not."""
    client = application(tmp_path, "attacker")
    with pytest.raises(sigver.SignatureError):
        client.read(field(**settings))


@by_each_signer
def test_signxml_verifies_the_assertion_and_the_response(signer, wanted):
    """Signxml, with the certificate pinned, finds the Response signed, and the assertion alone as well."""
    xml = b64decode(field(signer, wanted, sign_response=True))
    certificate = pair(signer).certificate_pem
    assert others.signxml_reads(xml, certificate).get("ID") == "_r1"
    assertion = etree.tostring(next(etree.fromstring(xml).iter("{*}Assertion")))
    assert others.signxml_reads(assertion, certificate).get("ID") == "_a1"
    with pytest.raises((signxml.exceptions.InvalidSignature, signxml.exceptions.InvalidInput)):
        others.signxml_reads(assertion, pair("attacker").certificate_pem)


@by_each_signer
def test_libxmlsec_decrypts_what_signxml_verifies(signer, wanted):
    """Libxmlsec (which is what Lasso decrypts with) finds the assertion, octet for octet as it was signed."""
    root = etree.fromstring(b64decode(field(signer, wanted, encrypt_assertion=True)))
    (data,) = root.iter("{*}EncryptedData")
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_memory(pair("bridge-encryption").key_pem, xmlsec.KeyFormat.PEM))
    assertion = xmlsec.EncryptionContext(manager).decrypt(data)
    found = others.signxml_reads(etree.tostring(assertion), pair(signer).certificate_pem)
    assert found.get("ID") == "_a1"


def test_signxml_verifies_a_no():
    """A Response that says no is signed."""
    refusal = Response(
        id="_r2",
        issue_instant=ISSUED.issued_at,
        destination=app.ACS,
        issuer=app.IDP,
        in_response_to="_ar1",
        status=Status(RESPONDER, (NO_PASSIVE,)),
    )
    xml = b64decode(field(response=refusal))
    assert others.signxml_reads(xml, pair("bridge").certificate_pem).get("ID") == "_r2"
