"""What we write, others read: every message by both bindings and with every kind of key."""

import zlib
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import signxml
from lxml import etree
from saml2 import samlp, sigver

from saml_slo.protocol.messages import AuthnRequest, LogoutRequest, LogoutResponse, NameId
from saml_slo.protocol.names import EXCLUSIVE_C14N, Binding, SignatureAlgorithm
from saml_slo.protocol.status import PARTIAL_LOGOUT, RESPONDER, Status
from saml_slo.wire import bindings, schema
from saml_slo.wire.writer import write
from saml_slo.wire.xml import parse_message
from tests.idp import CONNECTION
from tests.keys import pair
from tests.wire import others

NOW = datetime(2026, 11, 20, 6, 26, 0, 250_000, UTC)
SLO = "https://idp.example/slo"
COMMON = {"issue_instant": NOW, "issuer": "https://bridge.example/saml/metadata/idp"}
NAME_ID = NameId(
    value=" Ünï\r\n\t<cödé>&amp;\"'😀 ",
    format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    name_qualifier='https://idp.example/?a=1&b="<>\r\n\t',
    sp_name_qualifier="",
    sp_provided_id="ß",
)
MESSAGES = {
    "logout_request": LogoutRequest(
        id="_lr1",
        destination=SLO,
        name_id=NAME_ID,
        session_indexes=("_one", "two & <three>"),
        not_on_or_after=NOW + timedelta(minutes=5),
        reason="urn:oasis:names:tc:SAML:2.0:logout:user",
        **COMMON,
    ),
    "logout_response": LogoutResponse(
        id="_ls1",
        destination=SLO,
        in_response_to="_lr0",
        status=Status(RESPONDER, (PARTIAL_LOGOUT,), "a & b\r\n"),
        **COMMON,
    ),
    "authn_request": AuthnRequest(
        id="_ar1",
        destination="https://idp.example/sso",
        assertion_consumer_service_url="https://bridge.example/saml/acs/idp?a=1&b=2",
        protocol_binding=Binding.POST,
        name_id_format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
        allow_create=True,
        force_authn=True,
        authn_context_class_refs=("urn:oasis:names:tc:SAML:2.0:ac:classes:Password",),
        **COMMON,
    ),
}
SIGNERS = [
    ("bridge", SignatureAlgorithm.RSA_SHA256, SignatureAlgorithm.RSA_SHA256),
    ("bridge", SignatureAlgorithm.RSA_SHA384, SignatureAlgorithm.RSA_SHA384),
    ("bridge", SignatureAlgorithm.RSA_SHA512, SignatureAlgorithm.RSA_SHA512),
    ("p256", SignatureAlgorithm.RSA_SHA256, SignatureAlgorithm.ECDSA_SHA256),
    ("p384", SignatureAlgorithm.RSA_SHA384, SignatureAlgorithm.ECDSA_SHA384),
    ("p521", SignatureAlgorithm.RSA_SHA512, SignatureAlgorithm.ECDSA_SHA512),
    ("p256", SignatureAlgorithm.ECDSA_SHA512, SignatureAlgorithm.ECDSA_SHA512),
    ("bridge", SignatureAlgorithm.ECDSA_SHA384, SignatureAlgorithm.RSA_SHA384),
]
RSA = SIGNERS[:3]
every_kind = pytest.mark.parametrize("kind", MESSAGES)
every_signer = pytest.mark.parametrize(("signer", "wanted", "used"), SIGNERS)


def sent(binding, kind, signer, wanted, *, relay_state="_t1", location=SLO):
    """A message on its way to an identity provider."""
    peer = replace(CONNECTION, signature_algorithm=wanted)
    return bindings.encode(binding, write(MESSAGES[kind]), location, relay_state, pair(signer).signing, peer)


def posted(kind, signer, wanted):
    """The XML in the form."""
    form = sent(Binding.POST, kind, signer, wanted)
    (value,) = [value for name, value in form.fields.items() if name != "RelayState"]
    return b64decode(value, validate=True)


@every_kind
@every_signer
def test_signxml_reads_a_posted_message(kind, signer, wanted, used):
    """Signxml, with the certificate pinned, finds the whole message signed, by exclusive C14N throughout."""
    xml = posted(kind, signer, wanted)
    found = others.signxml_reads(xml, pair(signer).certificate_pem)
    assert found.get("ID") == MESSAGES[kind].id
    root = etree.fromstring(xml)
    algorithms = [element.get("Algorithm") for element in root.iter("{*}CanonicalizationMethod", "{*}SignatureMethod")]
    assert algorithms == [EXCLUSIVE_C14N, used]
    assert {element.get("Algorithm") for element in root.iter("{*}Transform")} == {
        EXCLUSIVE_C14N,
        "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
    }


@every_kind
@every_signer
def test_pysaml2_reads_a_posted_message(kind, signer, wanted, used):
    """pysaml2 accepts the signature and the schema of every message."""
    message = others.pysaml2_reads_post(posted(kind, signer, wanted), kind, pair(signer).certificate)
    assert message.id == MESSAGES[kind].id
    assert message.issuer.text == MESSAGES[kind].issuer


@every_kind
def test_the_others_refuse_another_key(kind):
    """The two readers do check: with another certificate both refuse."""
    xml = posted(kind, "bridge", SignatureAlgorithm.RSA_SHA256)
    with pytest.raises(signxml.exceptions.InvalidSignature):
        others.signxml_reads(xml, pair("attacker").certificate_pem)
    with pytest.raises(sigver.SignatureError):
        others.pysaml2_reads_post(xml, kind, pair("attacker").certificate)


@every_kind
@every_signer
def test_a_redirect_verifies_with_plain_cryptography(kind, signer, wanted, used):
    """The query's signature is plain RSA, or ECDSA in DER, over the octets of the query up to SigAlg."""
    query = urlsplit(sent(Binding.REDIRECT, kind, signer, wanted).location).query
    signed, _, signature = query.partition("&Signature=")
    assert [part.partition("=")[0] for part in signed.split("&")] == [
        write(MESSAGES[kind]).parameter,
        "RelayState",
        "SigAlg",
    ]
    assert unquote(signed.rpartition("=")[2]) == used
    key = pair(signer).key.public_key()
    assert others.cryptography_verifies(key, used, b64decode(unquote(signature), validate=True), signed.encode())


@every_kind
@pytest.mark.parametrize(("signer", "wanted", "used"), RSA)
@pytest.mark.parametrize("relay_state", [None, "", "_t1", "https://app.example/?a=1&b=ü/~%25+"])
def test_pysaml2_verifies_a_redirect(kind, signer, wanted, used, relay_state):
    """pysaml2, which encodes the query anew, finds the same octets signed, with and without a RelayState."""
    location = sent(Binding.REDIRECT, kind, signer, wanted, relay_state=relay_state).location
    assert others.pysaml2_verifies_redirect(location, pair(signer).certificate)
    assert not others.pysaml2_verifies_redirect(location, pair("attacker").certificate)
    assert ("RelayState=" in location) == (relay_state is not None)


@pytest.mark.parametrize("binding", [Binding.POST, Binding.REDIRECT])
def test_pysaml2_reads_a_name_id_to_the_letter(binding):
    """pysaml2 reads NameID, its qualifiers and every SessionIndex as we have them."""
    request = MESSAGES["logout_request"]
    read = samlp.logout_request_from_string(xml_of(binding, "logout_request"))
    assert read.name_id.text == request.name_id.value
    assert read.name_id.format == request.name_id.format
    assert read.name_id.name_qualifier == request.name_id.name_qualifier
    assert read.name_id.sp_name_qualifier == request.name_id.sp_name_qualifier
    assert read.name_id.sp_provided_id == request.name_id.sp_provided_id
    assert [index.text for index in read.session_index] == list(request.session_indexes)
    assert (read.destination, read.reason) == (request.destination, request.reason)
    assert (read.issue_instant, read.not_on_or_after) == ("2026-11-20T06:26:00.250Z", "2026-11-20T06:31:00.250Z")


@pytest.mark.parametrize("binding", [Binding.POST, Binding.REDIRECT])
def test_pysaml2_reads_an_answer(binding):
    """pysaml2 reads status, nested status and InResponseTo of a LogoutResponse."""
    read = samlp.logout_response_from_string(xml_of(binding, "logout_response"))
    assert read.status.status_code.value == RESPONDER
    assert read.status.status_code.status_code.value == PARTIAL_LOGOUT
    assert read.status.status_message.text == "a & b\r\n"
    assert read.in_response_to == "_lr0"


@pytest.mark.parametrize("binding", [Binding.POST, Binding.REDIRECT])
def test_pysaml2_reads_an_authn_request(binding):
    """pysaml2 reads what an AuthnRequest asks for."""
    request = MESSAGES["authn_request"]
    read = samlp.authn_request_from_string(xml_of(binding, "authn_request"))
    assert read.assertion_consumer_service_url == request.assertion_consumer_service_url
    assert read.protocol_binding == Binding.POST
    assert (read.force_authn, read.is_passive) == ("true", None)
    assert (read.name_id_policy.format, read.name_id_policy.allow_create) == (request.name_id_format, "true")
    assert [ref.text for ref in read.requested_authn_context.authn_context_class_ref] == list(
        request.authn_context_class_refs
    )


def xml_of(binding, kind):
    """The XML of a message as the other side has it after decoding."""
    if binding is Binding.POST:
        return posted(kind, "bridge", SignatureAlgorithm.RSA_SHA256)
    location = sent(binding, kind, "bridge", SignatureAlgorithm.RSA_SHA256).location
    value = dict(parse_qsl(urlsplit(location).query))[write(MESSAGES[kind]).parameter]
    return zlib.decompress(b64decode(value, validate=True), -zlib.MAX_WBITS)


@every_kind
@pytest.mark.parametrize("binding", [Binding.POST, Binding.REDIRECT])
def test_what_is_sent_is_valid(binding, kind):
    """Every message that leaves is valid against the schemas of OASIS."""
    schema.validate(parse_message(xml_of(binding, kind)))


@pytest.mark.parametrize("location", ["https://idp.example/slo", "https://idp.example/slo?tenant=1"])
def test_a_location_keeps_its_query(location):
    """An endpoint with a query of its own keeps it, and the signed parameters follow it."""
    got = sent(Binding.REDIRECT, "logout_request", "bridge", SignatureAlgorithm.RSA_SHA256, location=location).location
    assert got.startswith(location + ("&" if "?" in location else "?") + "SAMLRequest=")


def test_sha1_is_written_where_it_is_asked_for():
    """A peer that knows nothing better gets RSA-SHA1 with SHA-1 digests, in both bindings."""
    root = etree.fromstring(posted("logout_request", "bridge", SignatureAlgorithm.RSA_SHA1))
    assert next(root.iter("{*}SignatureMethod")).get("Algorithm") == SignatureAlgorithm.RSA_SHA1
    assert next(root.iter("{*}DigestMethod")).get("Algorithm").endswith("#sha1")
    certificate = pair("bridge").certificate
    assert others.pysaml2_reads_post(etree.tostring(root), "logout_request", certificate).id == "_lr1"
    location = sent(Binding.REDIRECT, "logout_request", "bridge", SignatureAlgorithm.RSA_SHA1).location
    assert others.pysaml2_verifies_redirect(location, certificate)


def test_a_form_carries_what_it_should():
    """A form holds the message and, where there is one, the RelayState, as it is and to the letter."""
    for relay_state in (None, "", ' &"é\r\n'):
        form = sent(Binding.POST, "logout_request", "bridge", SignatureAlgorithm.RSA_SHA256, relay_state=relay_state)
        assert form.action == SLO
        assert set(form.fields) == {"SAMLRequest"} | ({"RelayState"} if relay_state is not None else set())
        assert form.fields.get("RelayState") == relay_state
        assert b64encode(b64decode(form.fields["SAMLRequest"])).decode() == form.fields["SAMLRequest"]
