"""Metadata of made-up identity providers, from parts that a test can bend."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.wire.metadata import read_idp_metadata

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:"


def certificate(key=None, *, start=-1, end=365, extensions=(), signer=None):
    """A DER certificate of `key` (default: a new P-256 one), valid from `start` to `end` days from NOW.

    A public key needs a `signer`; private ones sign for themselves.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = signer or key
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key() if hasattr(key, "public_key") else key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=start))
        .not_valid_after(NOW + timedelta(days=end))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@lru_cache(maxsize=1)
def usual_certificate():
    """The certificate of the made-up identity provider; one for the whole run."""
    return certificate()


def key_descriptor(*certificates, use="signing"):
    """A KeyDescriptor with one X509Data that holds these: DER, or the text to write."""
    texts = (item if isinstance(item, str) else b64encode(item).decode() for item in certificates)
    inside = "".join(f"<ds:X509Certificate>{text}</ds:X509Certificate>" for text in texts)
    attribute = f' use="{use}"' if use else ""
    return (
        f"<md:KeyDescriptor{attribute}><ds:KeyInfo><ds:X509Data>{inside}</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
    )


def endpoint(kind, location, binding="HTTP-Redirect", extra=""):
    """A SingleSignOnService (kind SingleSignOn) or SingleLogoutService (SingleLogout)."""
    return f'<md:{kind}Service Binding="{BINDING}{binding}" Location="{location}" {extra}/>'


def role(*, keys=None, endpoints=None, attributes="", protocols=SAMLP):
    """An IDPSSODescriptor."""
    keys = key_descriptor(usual_certificate()) if keys is None else keys
    if endpoints is None:
        endpoints = endpoint("SingleLogout", "https://idp.test/slo") + endpoint("SingleSignOn", "https://idp.test/sso")
    attributes = f'protocolSupportEnumeration="{protocols}" {attributes}'
    return f"<md:IDPSSODescriptor {attributes}>{keys}{endpoints}</md:IDPSSODescriptor>"


def entity(inside=None, *, entity_id="https://idp.test/metadata", attributes=""):
    """An EntityDescriptor."""
    inside = role() if inside is None else inside
    return (
        f'<md:EntityDescriptor xmlns:md="{MD}" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{entity_id}" '
        f"{attributes}>{inside}</md:EntityDescriptor>"
    )


def entities(*inside, attributes=""):
    """An EntitiesDescriptor."""
    return f'<md:EntitiesDescriptor xmlns:md="{MD}" {attributes}>{"".join(inside)}</md:EntitiesDescriptor>'


def read(text, entity_id=None, **options):
    """Read a document at NOW."""
    return read_idp_metadata(text.encode(), entity_id, now=NOW, **options)


def refused(text, entity_id=None, **options):
    """The error with which a document is refused at NOW."""
    with pytest.raises(ConfigurationError) as raised:
        read(text, entity_id, **options)
    assert raised.value.reason is Reason.METADATA_INVALID
    assert str(raised.value).isascii()
    return raised.value
