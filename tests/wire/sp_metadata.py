"""Metadata of made-up service providers, from parts that a test can bend."""

import pytest

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.wire.metadata_sp import read_sp_metadata
from tests.wire.idp_metadata import BINDING, NOW, SAMLP, endpoint, entity, key_descriptor, usual_certificate


def consumer(location="https://sp.test/acs", binding="HTTP-POST", index="0", extra=""):
    """An AssertionConsumerService; `index` None leaves the attribute out."""
    number = "" if index is None else f'index="{index}"'
    return f'<md:AssertionConsumerService Binding="{BINDING}{binding}" Location="{location}" {number} {extra}/>'


def sp_role(*, keys=None, endpoints=None, attributes="", protocols=SAMLP):
    """An SPSSODescriptor."""
    keys = key_descriptor(usual_certificate()) if keys is None else keys
    if endpoints is None:
        endpoints = endpoint("SingleLogout", "https://sp.test/slo") + consumer()
    attributes = f'protocolSupportEnumeration="{protocols}" {attributes}'
    return f"<md:SPSSODescriptor {attributes}>{keys}{endpoints}</md:SPSSODescriptor>"


def sp_entity(inside=None, *, entity_id="https://sp.test/metadata", attributes=""):
    """An EntityDescriptor with a service provider's role."""
    return entity(sp_role() if inside is None else inside, entity_id=entity_id, attributes=attributes)


def read_sp(text, entity_id=None, **options):
    """Read a document at NOW."""
    return read_sp_metadata(text.encode(), entity_id, now=NOW, **options)


def sp_refused(text, entity_id=None, **options):
    """The error with which a document is refused at NOW."""
    with pytest.raises(ConfigurationError) as raised:
        read_sp(text, entity_id, **options)
    assert raised.value.reason is Reason.METADATA_INVALID
    assert str(raised.value).isascii()
    return raised.value
