"""Our own metadata toward one identity provider, built with pysaml2's classes (SAML V2.0 Metadata 2.4.4)."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime

from lxml import etree
from saml2 import md, xmldsig

from saml_slo.protocol.names import DS, MD, SAMLP, XENC, XENC11, Binding
from saml_slo.protocol.peer import Connection, SignedPart
from saml_slo.wire import xml
from saml_slo.wire.metadata_role import MAX_METADATA_BYTES

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
    """Return the UTF-8 document that this connection's identity provider imports; equal arguments, equal bytes.

    Certificates are DER and written in the order given; every live key is in it, so that a roll-over needs no second
    exchange (product S7). `valid_until` is aware; fractions of a second are cut.

    WantAssertionsSigned is true where the connection needs the assertion itself signed. The document is not signed.
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
        single_logout_service=[
            md.SingleLogoutService(binding=binding, location=connection.slo_url)
            for binding in (Binding.REDIRECT, Binding.POST, Binding.SOAP)
        ],
        name_id_format=[md.NameIDFormat(text=connection.name_id_format)] if connection.name_id_format else [],
        assertion_consumer_service=[
            md.AssertionConsumerService(binding=Binding.POST, location=connection.acs_url, index="0", is_default="true")
        ],
    )
    entity = md.EntityDescriptor(
        entity_id=connection.sp_entity_id,
        valid_until=f"{valid_until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        cache_duration=f"PT{cache_duration_seconds}S",
        spsso_descriptor=[role],
    )
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
