"""An identity provider that shares no code with saml_slo: what it writes comes from text, and xmlsec signs it.

Every message is fresh at NOW, correctly addressed to CONNECTION's endpoints and otherwise perfect, so that whatever a
test changes in it is the only reason for a refusal. A made message is an lxml element, open to every surgery;
`post()` and `redirect()` put it on the wire, `check()` lets the bridge verify it.
"""

import re
import zlib
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import xmlsec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from lxml import etree

from saml_slo.protocol.envelope import HttpIn
from saml_slo.protocol.names import DS, SAML, SAMLP, Binding
from saml_slo.protocol.peer import Connection, Endpoint
from saml_slo.wire import bindings, checks
from tests.keys import decryption_keys, pair

NOW = datetime(2026, 11, 20, 6, 26, tzinfo=UTC)
ENTITY_ID = "https://idp.example/saml"
SP = "https://bridge.example/saml/sp/idp/metadata"
ACS = "https://bridge.example/saml/sp/idp/acs"
SLO = "https://bridge.example/saml/sp/idp/slo"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"

CONNECTION = Connection(
    name="idp",
    entity_id=ENTITY_ID,
    sp_entity_id=SP,
    acs_url=ACS,
    slo_url=SLO,
    metadata_url=SP,
    single_sign_on=(Endpoint(binding=Binding.REDIRECT, location="https://idp.example/sso"),),
    signing_certificates=(pair("idp").certificate,),
)
_QUALIFIERS = f'NameQualifier="{ENTITY_ID}" SPNameQualifier="{SP}"'
NAME_ID = f'<saml:NameID Format="{PERSISTENT}" {_QUALIFIERS}>alice@corp.test</saml:NameID>'
_NAMESPACES = f'xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}"'

_PADDING = padding.PKCS1v15()
_METHODS = {
    RSA_SHA256: (xmlsec.Transform.RSA_SHA256, hashes.SHA256()),
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1": (xmlsec.Transform.RSA_SHA1, hashes.SHA1()),  # noqa: S303 - to be refused
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": (xmlsec.Transform.RSA_SHA384, hashes.SHA384()),
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": (xmlsec.Transform.RSA_SHA512, hashes.SHA512()),
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": (xmlsec.Transform.ECDSA_SHA256, hashes.SHA256()),
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": (xmlsec.Transform.ECDSA_SHA384, hashes.SHA384()),
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512": (xmlsec.Transform.ECDSA_SHA512, hashes.SHA512()),
}


def instant(seconds=0):
    """NOW and so many seconds, as SAML writes it."""
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def element(text):
    """Text with the prefixes samlp, saml and ds, as an element on its own."""
    return etree.fromstring(f'<x {_NAMESPACES} xmlns:ds="{DS}">{text}</x>')[0]


def _element(text):
    return etree.fromstring(text)


def assertion(
    *,
    identifier="_a1",
    name_id=NAME_ID,
    statements=None,
    confirmations=None,
    conditions=None,
    issuer=ENTITY_ID,
    more="",
):
    """An unsigned Assertion; the named parts are given as XML text in the prefix saml."""
    if confirmations is None:
        confirmations = bearer()
    if conditions is None:
        conditions = (
            f'<saml:Conditions NotBefore="{instant(-30)}" NotOnOrAfter="{instant(300)}"><saml:AudienceRestriction>'
            f"<saml:Audience>{SP}</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
        )
    if statements is None:
        statements = authn_statement()
    return _element(
        f'<saml:Assertion {_NAMESPACES} ID="{identifier}" Version="2.0" IssueInstant="{instant()}">'
        f"<saml:Issuer>{issuer}</saml:Issuer><saml:Subject>{name_id}{confirmations}</saml:Subject>"
        f"{conditions}{statements}{more}</saml:Assertion>"
    )


def bearer(recipient=ACS, expires=300):
    """A bearer SubjectConfirmation for our ACS, as text."""
    return (
        f'<saml:SubjectConfirmation Method="{BEARER}"><saml:SubjectConfirmationData InResponseTo="_q1" '
        f'Recipient="{recipient}" NotOnOrAfter="{instant(expires)}"/></saml:SubjectConfirmation>'
    )


def authn_statement(index="_s1", more=""):
    """An AuthnStatement, as text; `more` is further attributes."""
    return (
        f'<saml:AuthnStatement AuthnInstant="{instant(-5)}" SessionIndex="{index}" {more}><saml:AuthnContext>'
        f"<saml:AuthnContextClassRef>{PASSWORD}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>"
    )


def status(code=SUCCESS, inside=""):
    """A Status, as text."""
    return f'<samlp:Status><samlp:StatusCode Value="{code}">{inside}</samlp:StatusCode></samlp:Status>'


SUCCEEDED = status()


def response(
    inside=None,
    *,
    status=SUCCEEDED,
    identifier="_r1",
    sign_response=False,
    sign_assertion=True,
    issuer=ENTITY_ID,
    destination=ACS,
    issued=None,
):
    """A Response to our ACS with `inside` (default: the usual Assertion), signed as asked by the key `idp`."""
    inside = assertion() if inside is None else inside
    if sign_assertion and inside.tag == f"{{{SAML}}}Assertion":
        sign(inside)
    attributes = {"ID": identifier, "Destination": destination, "IssueInstant": issued, "InResponseTo": "_q1"}
    root = _root("Response", attributes, issuer, status)
    root.append(inside)
    return sign(root) if sign_response else root


def logout_request(
    *,
    name_id=NAME_ID,
    indexes=("_s1",),
    identifier="_lr1",
    extensions="",
    expires=None,
    signed=True,
    issuer=ENTITY_ID,
    destination=SLO,
    issued=None,
):
    """A LogoutRequest to our SLO endpoint; signed in the XML unless `signed` is False (Redirect)."""
    found = "".join(f"<samlp:SessionIndex>{index}</samlp:SessionIndex>" for index in indexes)
    attributes = {"ID": identifier, "Destination": destination, "IssueInstant": issued, "NotOnOrAfter": expires}
    root = _root("LogoutRequest", attributes, issuer, extensions + name_id + found)
    return sign(root) if signed else root


def logout_response(
    *,
    status=SUCCEEDED,
    identifier="_ls1",
    extensions="",
    in_response_to="_q1",
    signed=True,
    issuer=ENTITY_ID,
    destination=SLO,
    issued=None,
):
    """A LogoutResponse to our SLO endpoint; signed in the XML unless `signed` is False (Redirect)."""
    attributes = {
        "ID": identifier,
        "Destination": destination,
        "IssueInstant": issued,
        "InResponseTo": in_response_to,
    }
    root = _root("LogoutResponse", attributes, issuer, extensions + status)
    return sign(root) if signed else root


def _root(name, attributes, issuer, content):
    attributes["IssueInstant"] = attributes["IssueInstant"] or instant()
    written = " ".join(f'{key}="{value}"' for key, value in attributes.items() if value is not None)
    who = "" if issuer is None else f"<saml:Issuer>{issuer}</saml:Issuer>"
    return _element(f'<samlp:{name} {_NAMESPACES} Version="2.0" {written}>{who}{content}</samlp:{name}>')


def sign(parent, signer="idp", method=RSA_SHA256, *, digest=xmlsec.Transform.SHA256, key_info=True):
    """Sign an element in place, after its Issuer, with xmlsec; return the element."""
    key = pair(signer)
    signature = xmlsec.template.create(parent, xmlsec.Transform.EXCL_C14N, _METHODS[method][0], ns="ds")
    reference = xmlsec.template.add_reference(signature, digest, uri=f"#{parent.get('ID')}")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    if key_info:
        xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    parent.insert(1 if parent[0].tag == f"{{{SAML}}}Issuer" else 0, signature)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key.key_pem, xmlsec.KeyFormat.PEM)
    context.key.load_cert_from_memory(key.certificate_pem, xmlsec.KeyFormat.PEM)
    context.register_id(parent, "ID")
    context.sign(signature)
    # What libxmlsec wrote is parsed again: lxml finds only names that its own parser has seen.
    parent.replace(signature, _element(etree.tostring(signature)))
    return parent


def octets(message):
    """The message as bytes; bytes are left alone."""
    return message if isinstance(message, bytes) else etree.tostring(message)


def parameter_of(message):
    """The parameter that carries a message: SAMLRequest or SAMLResponse, from its root's name."""
    root = re.search(rb"<[^?!][^\s>]*", octets(message))
    return "SAMLRequest" if root and root[0].endswith(b"Request") else "SAMLResponse"


def post(message, *, parameter=None, endpoint=SLO, relay_state=None):
    """The browser's POST of a message."""
    body = f"{parameter or parameter_of(message)}={quote(b64encode(octets(message)).decode(), safe='')}"
    if relay_state is not None:
        body += f"&RelayState={quote(relay_state, safe='')}"
    return HttpIn(
        method="POST", endpoint=endpoint, body=body.encode(), content_type="application/x-www-form-urlencoded"
    )


def deflated(message):
    """The message as the Redirect binding encodes it, before percent-encoding."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return b64encode(deflater.compress(octets(message)) + deflater.flush()).decode()


def query(message, *, signer="idp", method=RSA_SHA256, parameter=None, relay_state=None, quoted=quote):
    """A signed query string; `quoted` percent-encodes one value, as its sender likes it."""
    query = f"{parameter or parameter_of(message)}={quoted(deflated(message), safe='')}"
    if relay_state is not None:
        query += f"&RelayState={quoted(relay_state, safe='')}"
    query += f"&SigAlg={quoted(method, safe='')}"
    value = detached(query.encode(), signer, method)
    return f"{query}&Signature={quoted(b64encode(value).decode(), safe='')}"


def detached(signed, signer="idp", method=RSA_SHA256):
    """The signature over octets; ECDSA in DER."""
    key, digest = pair(signer).key, _METHODS[method][1]
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(signed, _PADDING, digest)
    return key.sign(signed, ec.ECDSA(digest))


def redirect(message, *, endpoint=SLO, **how):
    """The browser's GET that carries a message by Redirect, signed in the query."""
    return HttpIn(method="GET", endpoint=endpoint, query=query(message, **how).encode())


def check(request, connection=CONNECTION, *, now=NOW, keys=None, **changes):
    """Decode a request and verify what is in it by its root's name; return the Verified or raise MessageRefused."""
    received = bindings.decode(request)
    connection = replace(connection, **changes)
    keys = keys or decryption_keys()
    kind = etree.QName(received.root).localname
    if kind == "Response":
        return checks.verify_response(received, connection, keys, now)
    if kind == "LogoutRequest":
        return checks.verify_logout_request(received, connection, keys, now)
    return checks.verify_logout_response(received, connection, now)
