"""A made-up federation: a signed aggregate of identity providers, as large and as talkative as real ones are."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from xmlsec import constants

from saml_slo.protocol.names import SAML, SAMLP

_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:"
_NAMESPACES = (
    'xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" '
    f'xmlns:saml="{SAML}" xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui" '
    'xmlns:mdrpi="urn:oasis:names:tc:SAML:metadata:rpi" xmlns:mdattr="urn:oasis:names:tc:SAML:metadata:attribute" '
    'xmlns:shibmd="urn:mace:shibboleth:metadata:1.0"'
)
_CERTIFICATES = 200  # different ones; the identity providers share them


@dataclass(frozen=True, slots=True)
class Federation:
    """The files of one federation: its aggregate, and the certificate of its signer in PEM."""

    aggregate: Path
    signer: Path
    entities: int


def entity_id(number: int) -> str:
    """Return the name of one identity provider."""
    return f"https://idp{number}.university-{number % 977}.example/idp/shibboleth"


def make(folder: Path, entities: int) -> Federation:
    """Write a federation of so many identity providers."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificates = [b64encode(_certificate(key, number)).decode() for number in range(_CERTIFICATES)]
    certificates = ["\n".join(text[i : i + 64] for i in range(0, len(text), 64)) for text in certificates]
    until = datetime.now(UTC) + timedelta(days=14)
    head = (
        f'<md:EntitiesDescriptor {_NAMESPACES} ID="_aggregate" Name="https://federation.example/all" '
        f'validUntil="{until:%Y-%m-%dT%H:%M:%SZ}" cacheDuration="PT6H">'
    )
    members = (_member(number, certificates[number % _CERTIFICATES]) for number in range(entities))
    root = etree.fromstring("".join([head, *members, "</md:EntitiesDescriptor>"]).encode())
    _sign(root, key)
    federation = Federation(folder / "aggregate.xml", folder / "signer.crt", entities)
    federation.aggregate.write_bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True))
    signer = x509.load_der_x509_certificate(_certificate(key, 0))
    federation.signer.write_bytes(signer.public_bytes(serialization.Encoding.PEM))
    return federation


def _sign(root: etree._Element, key: rsa.RSAPrivateKey) -> None:
    signature = xmlsec.template.create(root, constants.TransformExclC14N, constants.TransformRsaSha256, ns="ds")
    root.insert(0, signature)
    reference = xmlsec.template.add_reference(signature, constants.TransformSha256, uri="#_aggregate")
    xmlsec.template.add_transform(reference, constants.TransformEnveloped)
    xmlsec.template.add_transform(reference, constants.TransformExclC14N)
    context = xmlsec.SignatureContext()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context.key = xmlsec.Key.from_memory(pem, constants.KeyDataFormatPem)
    context.register_id(root, "ID")
    context.sign(signature)


def _certificate(key: rsa.RSAPrivateKey, number: int) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"idp{number}.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    return (
        builder.not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def _member(number: int, certificate: str) -> str:
    host = f"https://idp{number}.university-{number % 977}.example/idp"
    return f"""
  <md:EntityDescriptor entityID="{entity_id(number)}">
    <md:Extensions>
      <mdrpi:RegistrationInfo registrationAuthority="https://federation-{number % 40}.example/"
          registrationInstant="2020-01-01T00:00:00Z">
        <mdrpi:RegistrationPolicy xml:lang="en">https://federation-{number % 40}.example/policy
        </mdrpi:RegistrationPolicy>
      </mdrpi:RegistrationInfo>
      <mdattr:EntityAttributes>
        <saml:Attribute Name="http://macedir.org/entity-category-support"
            NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri">
          <saml:AttributeValue>http://refeds.org/category/research-and-scholarship</saml:AttributeValue>
          <saml:AttributeValue>http://www.geant.net/uri/dataprotection-code-of-conduct/v1</saml:AttributeValue>
        </saml:Attribute>
        <saml:Attribute Name="http://macedir.org/entity-category"
            NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri">
          <saml:AttributeValue>http://category.example/{number % 5}</saml:AttributeValue>
        </saml:Attribute>
      </mdattr:EntityAttributes>
    </md:Extensions>
    <md:IDPSSODescriptor protocolSupportEnumeration="{SAMLP}" WantAuthnRequestsSigned="false">
      <md:Extensions>
        <shibmd:Scope regexp="false">university-{number % 977}.example</shibmd:Scope>
        <mdui:UIInfo>
          <mdui:DisplayName xml:lang="en">The University of Somewhere, Number {number}</mdui:DisplayName>
          <mdui:DisplayName xml:lang="de">Die Universität von Irgendwo, Nummer {number}</mdui:DisplayName>
          <mdui:Description xml:lang="en">Identity provider of the University of Somewhere</mdui:Description>
          <mdui:InformationURL xml:lang="en">{host}/about</mdui:InformationURL>
          <mdui:Logo height="60" width="80">{host}/images/logo-80x60.png</mdui:Logo>
          <mdui:Logo height="16" width="16">{host}/images/favicon.png</mdui:Logo>
        </mdui:UIInfo>
      </md:Extensions>
{"".join(_key(use, certificate) for use in ("signing", "encryption"))}{"".join(_endpoints(host))}
    </md:IDPSSODescriptor>
    <md:Organization>
      <md:OrganizationName xml:lang="en">University {number}</md:OrganizationName>
      <md:OrganizationDisplayName xml:lang="en">The University of Somewhere, {number}</md:OrganizationDisplayName>
      <md:OrganizationURL xml:lang="en">https://www.university-{number % 977}.example/</md:OrganizationURL>
    </md:Organization>
    <md:ContactPerson contactType="technical">
      <md:GivenName>Identity</md:GivenName><md:SurName>Team</md:SurName>
      <md:EmailAddress>mailto:identity@university-{number % 977}.example</md:EmailAddress>
    </md:ContactPerson>
    <md:ContactPerson contactType="support">
      <md:GivenName>Help</md:GivenName><md:SurName>Desk</md:SurName>
      <md:EmailAddress>mailto:help@university-{number % 977}.example</md:EmailAddress>
    </md:ContactPerson>
  </md:EntityDescriptor>"""


def _key(use: str, certificate: str) -> str:
    return f"""      <md:KeyDescriptor use="{use}"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>
{certificate}
      </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
"""


def _endpoints(host: str) -> Iterator[str]:
    yield f'      <md:ArtifactResolutionService Binding="{_BINDING}SOAP" Location="{host}/Artifact" index="1"/>\n'
    for binding in ("HTTP-Redirect", "HTTP-POST", "SOAP"):
        yield f'      <md:SingleLogoutService Binding="{_BINDING}{binding}" Location="{host}/SLO/{binding}"/>\n'
    for name in ("transient", "persistent"):
        yield f"      <md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:{name}</md:NameIDFormat>\n"
    for binding in ("HTTP-Redirect", "HTTP-POST", "HTTP-POST-SimpleSign"):
        yield f'      <md:SingleSignOnService Binding="{_BINDING}{binding}" Location="{host}/SSO/{binding}"/>\n'
