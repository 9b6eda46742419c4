"""The peer of the benchmark: an identity provider on python-xmlsec and `cryptography`, with nothing of saml_slo in it.

Its messages look like those of the identity providers in the field: certificate in KeyInfo, about 5 kB for a Response
with five attributes. Every message differs from the next, so that nothing can be gained by remembering one.
"""

from __future__ import annotations

import base64
import os
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from lxml import etree
from xmlsec import constants

ENTITY_ID = "https://login.idp.example/realms/staff"
SLO_URL = "https://login.idp.example/realms/staff/protocol/saml"
SP_ENTITY_ID = "https://slo.bridge.example/saml/staff"
SP_ACS_URL = "https://slo.bridge.example/saml/staff/acs"
SP_SLO_URL = "https://slo.bridge.example/saml/staff/slo"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
NAMESPACES = 'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"'
DS = "http://www.w3.org/2000/09/xmldsig#"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
_ATTRIBUTES = {
    "urn:oid:0.9.2342.19200300.100.1.3": "alice.liddell@idp.example",
    "urn:oid:2.5.4.42": "Alice",
    "urn:oid:2.5.4.4": "Liddell",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.9": "staff@idp.example",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.7": "urn:mace:idp.example:entitlement:wonderland",
}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its self-signed certificate (DER)."""

    key: Key
    certificate: bytes

    @property
    def key_pem(self) -> bytes:
        """Return the private key as PKCS#8 in PEM."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def certificate_pem(self) -> bytes:
        """Return the certificate in PEM."""
        return x509.load_der_x509_certificate(self.certificate).public_bytes(serialization.Encoding.PEM)

    @property
    def algorithm(self) -> str:
        """Return the URI of the signature algorithm that this key uses, with SHA-256."""
        return RSA_SHA256 if isinstance(self.key, rsa.RSAPrivateKey) else ECDSA_SHA256

    def sign(self, octets: bytes) -> bytes:
        """Return the signature over octets; ECDSA in DER."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(octets, ec.ECDSA(hashes.SHA256()))

    def verify(self, signature: bytes, octets: bytes) -> None:
        """Raise when a signature of `sign` is not over these octets."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            self.key.public_key().verify(signature, octets, padding.PKCS1v15(), hashes.SHA256())
        else:
            self.key.public_key().verify(signature, octets, ec.ECDSA(hashes.SHA256()))


def rsa_pair(name: str) -> KeyPair:
    """Return a new RSA-2048 key pair."""
    return _pair(rsa.generate_private_key(public_exponent=65537, key_size=2048), name)


def ec_pair(name: str) -> KeyPair:
    """Return a new key pair on P-256."""
    return _pair(ec.generate_private_key(ec.SECP256R1()), name)


def _pair(key: Key, name: str) -> KeyPair:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return KeyPair(key, certificate.public_bytes(serialization.Encoding.DER))


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Writes signed messages with one key, dated `now`."""

    signing: KeyPair
    now: datetime

    def redirect_logout_request(self) -> bytes:
        """Return the query of a LogoutRequest by the Redirect binding."""
        deflater = zlib.compressobj(wbits=-15)
        deflated = deflater.compress(self._logout_request()) + deflater.flush()
        query = (
            f"SAMLRequest={quote(base64.b64encode(deflated), safe='')}"
            f"&RelayState={quote(secrets.token_urlsafe(24), safe='')}&SigAlg={quote(self.signing.algorithm, safe='')}"
        ).encode()
        return query + b"&Signature=" + quote(base64.b64encode(self.signing.sign(query)), safe="").encode()

    def post_logout_request(self) -> bytes:
        """Return the body of a LogoutRequest by the POST binding."""
        root = etree.fromstring(self._logout_request())
        self._sign(root)
        return _form("SAMLRequest", root)

    def post_response(
        self, *, sign_response: bool, sign_assertion: bool = True, encrypt_to: rsa.RSAPublicKey | None = None
    ) -> bytes:
        """Return the body of a Response by the POST binding; what is signed and encrypted is signed first."""
        root = etree.fromstring(self._response())
        assertion = root[-1]
        if sign_assertion:
            self._sign(assertion)
        if encrypt_to is not None:
            root.replace(assertion, _encrypted(assertion, encrypt_to))
        if sign_response:
            self._sign(root)
        return _form("SAMLResponse", root)

    def _logout_request(self) -> bytes:
        return (
            f'<samlp:LogoutRequest {NAMESPACES} ID="{_new_id()}" Version="2.0" IssueInstant="{self._at(0)}"'
            f' Destination="{SP_SLO_URL}" NotOnOrAfter="{self._at(300)}"'
            ' Reason="urn:oasis:names:tc:SAML:2.0:logout:user">'
            f"<saml:Issuer>{ENTITY_ID}</saml:Issuer>"
            f'<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{secrets.token_hex(16)}'
            f"</saml:NameID><samlp:SessionIndex>{_new_id()}</samlp:SessionIndex></samlp:LogoutRequest>"
        ).encode()

    def _response(self) -> bytes:
        request = _new_id()
        attributes = "".join(
            f'<saml:Attribute Name="{name}" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri">'
            f'<saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema"'
            f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">{value}</saml:AttributeValue>'
            "</saml:Attribute>"
            for name, value in _ATTRIBUTES.items()
        )
        return (
            f'<samlp:Response {NAMESPACES} ID="{_new_id()}" Version="2.0" IssueInstant="{self._at(0)}"'
            f' Destination="{SP_ACS_URL}" InResponseTo="{request}"><saml:Issuer>{ENTITY_ID}</saml:Issuer>'
            '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>'
            f'<saml:Assertion ID="{_new_id()}" Version="2.0" IssueInstant="{self._at(0)}">'
            f"<saml:Issuer>{ENTITY_ID}</saml:Issuer><saml:Subject>"
            f'<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{secrets.token_hex(16)}'
            '</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            f'<saml:SubjectConfirmationData NotOnOrAfter="{self._at(300)}" Recipient="{SP_ACS_URL}"'
            f' InResponseTo="{request}"/></saml:SubjectConfirmation></saml:Subject>'
            f'<saml:Conditions NotBefore="{self._at(-30)}" NotOnOrAfter="{self._at(300)}"><saml:AudienceRestriction>'
            f"<saml:Audience>{SP_ENTITY_ID}</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
            f'<saml:AuthnStatement AuthnInstant="{self._at(-1)}" SessionNotOnOrAfter="{self._at(28800)}"'
            f' SessionIndex="{_new_id()}"><saml:AuthnContext><saml:AuthnContextClassRef>'
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef>"
            "</saml:AuthnContext></saml:AuthnStatement>"
            f"<saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion></samlp:Response>"
        ).encode()

    def _at(self, seconds: int) -> str:
        return f"{self.now + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"

    def _sign(self, element: etree._Element) -> None:
        """Put an enveloped signature after the Issuer."""
        method = (
            constants.TransformRsaSha256 if self.signing.algorithm == RSA_SHA256 else constants.TransformEcdsaSha256
        )
        signature = xmlsec.template.create(element, constants.TransformExclC14N, method, ns="ds")
        element.insert(1, signature)
        reference = xmlsec.template.add_reference(signature, constants.TransformSha256, uri=f"#{element.get('ID')}")
        xmlsec.template.add_transform(reference, constants.TransformEnveloped)
        xmlsec.template.add_transform(reference, constants.TransformExclC14N)
        xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(self.signing.key_pem, constants.KeyDataFormatPem)
        context.key.load_cert_from_memory(self.signing.certificate, constants.KeyDataFormatCertDer)
        context.register_id(element, "ID")
        context.sign(signature)


def _encrypted(assertion: etree._Element, recipient: rsa.RSAPublicKey) -> etree._Element:
    """Return an EncryptedAssertion: AES-256-GCM, its key by RSA-OAEP with the default SHA-1 of XMLEnc."""
    content_key, nonce = AESGCM.generate_key(256), os.urandom(12)
    sha1 = hashes.SHA1()  # noqa: S303 - inside OAEP, as nearly every identity provider does it
    wrapped = recipient.encrypt(content_key, padding.OAEP(padding.MGF1(sha1), sha1, None))
    ciphertext = nonce + AESGCM(content_key).encrypt(nonce, etree.tostring(assertion), None)
    return etree.fromstring(
        '<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">'
        '<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"'
        ' Type="http://www.w3.org/2001/04/xmlenc#Element">'
        '<xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"/>'
        f'<ds:KeyInfo xmlns:ds="{DS}"><xenc:EncryptedKey>'
        '<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p">'
        f'<ds:DigestMethod Algorithm="{DS}sha1"/></xenc:EncryptionMethod>'
        f"<xenc:CipherData><xenc:CipherValue>{base64.b64encode(wrapped).decode()}</xenc:CipherValue></xenc:CipherData>"
        "</xenc:EncryptedKey></ds:KeyInfo>"
        f"<xenc:CipherData><xenc:CipherValue>{base64.b64encode(ciphertext).decode()}</xenc:CipherValue></xenc:CipherData>"
        "</xenc:EncryptedData></saml:EncryptedAssertion>"
    )


def _form(parameter: str, root: etree._Element) -> bytes:
    return f"{parameter}={quote(base64.b64encode(etree.tostring(root)), safe='')}".encode()


def _new_id() -> str:
    return f"_{secrets.token_hex(20)}"
