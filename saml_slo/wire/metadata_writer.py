"""Our own metadata, built with pysaml2's classes: toward an identity provider, and toward every application.

Equal arguments give equal bytes, so that an ETag of one means something; only an EC key signs otherwise each time.
Certificates are DER and written in the order given; every live key is in, so that a roll-over needs no second exchange
(product S7).
`valid_until` is aware; fractions of a second are cut.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime

from lxml import etree
from saml2 import md, xmldsig

from saml_slo.protocol.names import DS, MD, SAMLP, XENC, XENC11, Binding, SignatureAlgorithm
from saml_slo.protocol.peer import Connection, SignedPart
from saml_slo.wire import xml
from saml_slo.wire.keys import SigningKey
from saml_slo.wire.metadata_role import MAX_METADATA_BYTES
from saml_slo.wire.writer import signature_over

# What wire/encryption.py decrypts, the best first: an IdP that is not told chooses AES-CBC, which has no integrity.
_ENCRYPTION_METHODS = (XENC11 + "aes256-gcm", XENC11 + "aes128-gcm", XENC + "rsa-oaep-mgf1p")
_CBC_METHODS = (XENC + "aes256-cbc", XENC + "aes128-cbc")


def write_sp_metadata(
    connection: Connection,
    *,
    signing_certificates: Sequence[bytes],
    encryption_certificates: Sequence[bytes],
    valid_until: datetime,
    cache_duration_seconds: int,
) -> bytes:
    """Return the UTF-8 document that this connection's identity provider imports (Metadata 2.4.4).

    WantAssertionsSigned is true where the connection needs the assertion itself signed.
    """
    methods = (*_ENCRYPTION_METHODS, *(_CBC_METHODS if connection.insecure_aes_cbc else ()))
    needs_signed_assertion = connection.signed_part in (SignedPart.ASSERTION, SignedPart.BOTH)
    role = md.SPSSODescriptor(
        protocol_support_enumeration=SAMLP,
        authn_requests_signed="true",
        want_assertions_signed="true" if needs_signed_assertion else "false",
        key_descriptor=[
            *(_key("signing", certificate, ()) for certificate in signing_certificates),
            *(_key("encryption", certificate, methods) for certificate in encryption_certificates),
        ],
        single_logout_service=_logout_services(connection.slo_url),
        name_id_format=[md.NameIDFormat(text=connection.name_id_format)] if connection.name_id_format else [],
        assertion_consumer_service=[
            md.AssertionConsumerService(binding=Binding.POST, location=connection.acs_url, index="0", is_default="true")
        ],
    )
    entity = md.EntityDescriptor(entity_id=connection.sp_entity_id, spsso_descriptor=[role])
    return _document(entity, valid_until, cache_duration_seconds)


def write_idp_metadata(
    *,
    entity_id: str,
    sso_url: str,
    slo_url: str,
    signing_certificates: Sequence[bytes],
    name_id_formats: Sequence[str],
    valid_until: datetime,
    cache_duration_seconds: int,
) -> bytes:
    """Return the UTF-8 document that every application imports (Metadata 2.4.3).

    WantAuthnRequestsSigned is always false: samlify refuses to start a login when it differs from the application's own
    AuthnRequestsSigned, most applications do not sign, and whether one must is said by its metadata and its file here.

    Redirect stands before POST: SimpleSAMLphp answers at the first of the two, and mellon knows Redirect alone.
    """
    role = md.IDPSSODescriptor(
        protocol_support_enumeration=SAMLP,
        want_authn_requests_signed="false",
        key_descriptor=[_key("signing", certificate, ()) for certificate in signing_certificates],
        single_logout_service=_logout_services(slo_url),
        name_id_format=[md.NameIDFormat(text=name_id_format) for name_id_format in name_id_formats],
        single_sign_on_service=[
            md.SingleSignOnService(binding=binding, location=sso_url) for binding in (Binding.REDIRECT, Binding.POST)
        ],
    )
    entity = md.EntityDescriptor(entity_id=entity_id, idpsso_descriptor=[role])
    return _document(entity, valid_until, cache_duration_seconds)


def signed_metadata(document: bytes, key: SigningKey) -> bytes:
    """Return one of our documents signed as a whole, for those who pin our certificate (Metadata 3).

    Its ID is made of its content, because every document that is another one needs another ID.
    """
    root = xml.parse_metadata(document, MAX_METADATA_BYTES)
    root.set("ID", f"_{hashlib.sha256(document).hexdigest()[:40]}")
    octets = etree.tostring(root, method="c14n", exclusive=True, with_comments=False)
    signature = signature_over(octets, root.get("ID", ""), key, SignatureAlgorithm.RSA_SHA256)
    root.insert(0, etree.fromstring(signature))
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _logout_services(slo_url: str) -> list[md.SingleLogoutService]:
    return [
        md.SingleLogoutService(binding=binding, location=slo_url)
        for binding in (Binding.REDIRECT, Binding.POST, Binding.SOAP)
    ]


def _document(entity: md.EntityDescriptor, valid_until: datetime, cache_duration_seconds: int) -> bytes:
    entity.valid_until = f"{valid_until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    entity.cache_duration = f"PT{cache_duration_seconds}S"
    root = xml.parse_metadata(entity.to_string({"md": MD, "ds": DS}), MAX_METADATA_BYTES)
    etree.indent(root)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _key(use: str, certificate: bytes, methods: Sequence[str]) -> md.KeyDescriptor:
    text = xmldsig.X509Certificate(text=b64encode(certificate).decode())
    return md.KeyDescriptor(
        use=use,
        key_info=xmldsig.KeyInfo(x509_data=[xmldsig.X509Data(x509_certificate=[text])]),
        encryption_method=[md.EncryptionMethod(algorithm=method) for method in methods],
    )
