"""An identity provider's metadata is read by the letter where trust depends on it (security C057, K227 to K234)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Endpoint
from saml_slo.wire.metadata import read_idp_metadata
from saml_slo.wire.metadata_role import MAX_METADATA_BYTES
from tests.wire.idp_metadata import (
    NOW,
    certificate,
    endpoint,
    entities,
    entity,
    key_descriptor,
    read,
    refused,
    role,
    usual_certificate,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "metadata"


@pytest.mark.parametrize(
    ("name", "entity_id", "logout", "formats"),
    [
        ("samlp-idp", "http://127.0.0.1:18090/metadata", "http://127.0.0.1:18090/logout", 3),
        *(
            (
                f"simplesamlphp-{name}",
                "http://127.0.0.1:18080/simplesaml/saml2/idp/metadata.php",
                "http://127.0.0.1:18080/simplesaml/saml2/idp/SingleLogoutService.php",
                1,
            )
            for name in ("persistent", "transient", "email")
        ),
    ],
)
def test_real_metadata_is_read(name, entity_id, logout, formats):
    """The metadata that samlp and SimpleSAMLphp made gives both bindings for both services and one key, no warnings."""
    metadata = read_idp_metadata((VECTORS / f"{name}.xml").read_bytes(), now=NOW)
    assert metadata.entity_id == entity_id
    assert metadata.single_logout == (
        Endpoint(binding=Binding.REDIRECT, location=logout),
        Endpoint(binding=Binding.POST, location=logout),
    )
    assert [service.binding for service in metadata.single_sign_on] == [Binding.REDIRECT, Binding.POST]
    assert len(metadata.signing_certificates) == 1
    assert len(metadata.name_id_formats) == formats
    assert (metadata.valid_until, metadata.cache_duration) == (None, None)
    assert not metadata.want_authn_requests_signed
    assert metadata.warnings == ()


def test_a_service_providers_metadata_is_told_apart():
    """The other side's metadata (here samlify's, whose element order breaks the schema) is refused in words."""
    error = refused((VECTORS / "samlify-sp.xml").read_text())
    assert error.got == "an SPSSODescriptor"
    assert "service provider" in error.next_step


def test_the_order_of_elements_does_not_matter():
    """Endpoints before keys, as some products write them, are read like any other order."""
    inside = endpoint("SingleSignOn", "https://idp.test/sso") + key_descriptor(usual_certificate())
    assert read(entity(role(keys="", endpoints=inside))).signing_certificates == (usual_certificate(),)


def test_only_the_bindings_we_speak_are_read():
    """Artifact and unknown bindings are left out, SOAP is for logout only, ResponseLocation is kept."""
    artifact = endpoint("SingleLogout", "https://idp.test/a", "HTTP-Artifact")
    services = (
        artifact
        + endpoint("SingleLogout", "https://idp.test/s", "SOAP")
        + endpoint("SingleLogout", "https://idp.test/p", "HTTP-POST", 'ResponseLocation="https://idp.test/r"')
        + endpoint("SingleSignOn", "https://idp.test/ecp", "SOAP")
        + endpoint("SingleSignOn", "https://idp.test/sso", "HTTP-POST")
    )
    metadata = read(entity(role(endpoints=services)))
    assert metadata.single_logout == (
        Endpoint(binding=Binding.SOAP, location="https://idp.test/s"),
        Endpoint(binding=Binding.POST, location="https://idp.test/p", response_location="https://idp.test/r"),
    )
    assert metadata.single_sign_on == (Endpoint(binding=Binding.POST, location="https://idp.test/sso"),)


def test_without_a_single_sign_on_service_nothing_is_loaded():
    """An identity provider at which nobody can sign in is refused."""
    refused(entity(role(endpoints=endpoint("SingleLogout", "https://idp.test/slo"))))


BAD_LOCATIONS = (
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "ftp://idp.test/",
    "gopher://idp.test/",
    "ldap://idp.test/",
    "unix:///run/x.sock",
    "http+unix://%2frun%2fx/",
    "http://idp.test/slo",
    "http://10.0.0.1/",
    "http://localhost.evil.test/",
    "http://notlocalhost/",
    "/slo",
    "slo",
    "//idp.test/slo",
    "",
    "https://",
    "https://idp.test/&#13;&#10;X-Header: y",
    "https://idp.test/a b",
    "https://idp.test/%0d%0a",
    " https://idp.test/",
    "https://idp.test/&#9;",
    "https://user@idp.test/",
    "https://user:pw@idp.test/",
    "https://idp.test/#x",
    "https://idp.test\\@evil.test/",
    "https://localhost./",
    "https://0.0.0.0/",
    "https://169.254.169.254/latest/meta-data/",
    "https://255.255.255.255/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://[::1]/",
    "https://\u0456dp.test/",
    "https://idp.test/" + "a" * 2048,
)


@pytest.mark.parametrize("kind", ["SingleSignOn", "SingleLogout"])
@pytest.mark.parametrize("location", BAD_LOCATIONS, ids=lambda text: ascii(text)[:40])
def test_a_dangerous_location_loads_nothing(kind, location):
    """K227, K228: one bad Location refuses the whole file; a bad ResponseLocation counts the same."""
    good = endpoint("SingleSignOn", "https://idp.test/sso")
    assert refused(entity(role(endpoints=good + "\n" + endpoint(kind, location)))).line == 2
    response = endpoint(kind, "https://idp.test/x", extra=f'ResponseLocation="{location}"')
    refused(entity(role(endpoints=good + response)))


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost/x",
        "http://localhost:8080/x",
        "http://idp.localhost:8080/",
        "http://127.0.0.1:18090/sso",
        "https://10.1.2.3/sso",
        "https://idp:8443/sso?idpid=C01&amp;x=y",
    ],
)
def test_http_is_for_this_machine_only(location):
    """Plain http passes for loopback names; private addresses pass over https, because browsers may reach them."""
    assert read(entity(role(endpoints=endpoint("SingleSignOn", location)))).single_sign_on


def test_http_elsewhere_needs_the_insecure_key():
    """`insecure_http` lets plain http through, and the refusal without it names the key."""
    text = entity(role(endpoints=endpoint("SingleSignOn", "http://idp.test/sso")))
    assert "insecure_http" in refused(text).next_step
    assert read(text, insecure_http=True).single_sign_on[0].location == "http://idp.test/sso"
    assert "insecure_http" not in refused(text.replace("http://", "ftp://")).next_step


def test_every_signing_certificate_counts_in_document_order():
    """C084, K230, K231: several descriptors, several certificates in one, no `use`; encryption keys are left out."""
    first, second, third, fourth = (certificate() for _ in range(4))
    keys = (
        key_descriptor(first, second)
        + key_descriptor(certificate(), use="encryption")
        + key_descriptor(third, use=None)
        + key_descriptor(first, fourth)
    )
    assert read(entity(role(keys=keys))).signing_certificates == (first, second, third, fourth)


def test_keys_of_other_roles_and_entities_never_count():
    """A key or endpoint of an SP role, an attribute authority or a neighbour in the aggregate is not this role's."""
    other = role(keys=key_descriptor(certificate())).replace("IDPSSO", "SPSSO")
    authority = role(keys=key_descriptor(certificate())).replace("IDPSSO", "AttributeAuthority")
    assert read(entity(other + role() + authority)).signing_certificates == (usual_certificate(),)
    assert refused(entity(other + role(keys="") + authority)).got == "0"
    neighbour = entity(role(keys=key_descriptor(certificate())), entity_id="https://other.test")
    both = entities(neighbour, entity())
    assert read(both, "https://idp.test/metadata").signing_certificates == (usual_certificate(),)


@pytest.mark.parametrize(
    "keys",
    ["", key_descriptor(), key_descriptor(b"", use="encryption"), "<md:KeyDescriptor/>", key_descriptor(b"", use="x")],
)
def test_without_a_signing_key_nothing_is_loaded(keys):
    """K230, K231: metadata whose signatures could not be checked is refused; a check that is absent has failed."""
    refused(entity(role(keys=keys)))


def test_a_key_value_without_a_certificate_is_told():
    """K231: a bare public key is not used; beside a certificate it is a warning."""
    bare = "<md:KeyDescriptor><ds:KeyInfo><ds:KeyValue/></ds:KeyInfo></md:KeyDescriptor>"
    metadata = read(entity(role(keys=bare + key_descriptor(usual_certificate()))))
    assert metadata.warnings == ("the signing key in line 1 has no certificate and is not used",)


def test_there_is_a_limit_to_keys():
    """A file cannot make every forged message cost hundreds of signature checks."""
    keys = key_descriptor(*(certificate() for _ in range(17)))
    assert refused(entity(role(keys=keys))).got == "17"


@pytest.mark.parametrize(
    ("attributes", "valid_until", "cache_duration"),
    [
        ('validUntil="2026-11-20T06:00:01Z"', NOW + timedelta(seconds=1), None),
        ('validUntil="2026-11-20T08:30:00+02:00"', NOW + timedelta(minutes=30), None),
        ('cacheDuration="PT1S"', None, 1),
        ('cacheDuration="P100Y"', None, 100 * 365 * 86400),
        ('cacheDuration="P1DT2H3M4.5S"', None, 93784),
        ('cacheDuration="PT0S"', None, 0),
    ],
)
def test_validity_is_read(attributes, valid_until, cache_duration):
    """K232: validUntil with any zone, cacheDuration as a duration."""
    metadata = read(entity(attributes=attributes))
    assert (metadata.valid_until, metadata.cache_duration) == (valid_until, cache_duration)


def test_validity_is_inherited():
    """The earliest validUntil and the shortest cacheDuration of role, entity and everything around them hold."""
    inner = entity(
        role(attributes='validUntil="2027-01-03T00:00:00Z" cacheDuration="PT3H"'),
        attributes='validUntil="2027-01-02T00:00:00Z" cacheDuration="PT2H"',
    )
    outer = entities(entities(inner), attributes='validUntil="2027-01-01T00:00:00Z" cacheDuration="PT1H"')
    metadata = read(outer)
    assert (metadata.valid_until, metadata.cache_duration) == (datetime(2027, 1, 1, tzinfo=UTC), 3600)
    assert read(inner).valid_until == datetime(2027, 1, 2, tzinfo=UTC)
    refused(entities(entity(), attributes='validUntil="2026-11-20T05:59:59Z"'))


@pytest.mark.parametrize(
    "attributes",
    [
        'validUntil="2026-11-20T06:00:00Z"',
        'validUntil="2001-01-01T00:00:00Z"',
        'validUntil="tomorrow"',
        'validUntil=""',
        'validUntil="2027-01-01T00:00:00"',
        'validUntil="2027-W01-1T00:00:00Z"',
        'cacheDuration=""',
        'cacheDuration="P"',
        'cacheDuration="PT"',
        'cacheDuration="P1DT"',
        'cacheDuration="-PT1H"',
        'cacheDuration="3600"',
        'cacheDuration="P1S"',
        f'cacheDuration="P{"9" * 5000}Y"',
    ],
)
def test_expired_or_unreadable_validity_loads_nothing(attributes):
    """K232: expired metadata is refused, and so is validity that cannot be understood."""
    refused(entity(attributes=attributes))


@pytest.mark.parametrize(("text", "wanted"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_the_wish_for_signed_requests_is_read(text, wanted):
    """WantAuthnRequestsSigned is an XML boolean; anything else is refused."""
    assert read(entity(role(attributes=f'WantAuthnRequestsSigned="{text}"'))).want_authn_requests_signed is wanted
    refused(entity(role(attributes=f'WantAuthnRequestsSigned="{text}x"')))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not XML",
        b"<a>\n</b>",
        entity().encode("utf-16"),
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + entity().encode(),
        b'<?xml version="1.0" encoding="ISO-8859-1"?>' + entity().encode(),
        b"<x xmlns='urn:oasis:names:tc:SAML:2.0:metadata'/>",
        entity().replace("EntityDescriptor", "IDPSSODescriptor").encode(),
        entity(role(), attributes='ID="a"').replace("<md:KeyDescriptor", '<md:KeyDescriptor ID="a"').encode(),
        entity().encode() + b" " * MAX_METADATA_BYTES,
    ],
)
def test_hostile_xml_is_a_configuration_error(data):
    """K234: what the parser refuses in messages it refuses in metadata, as one kind of error."""
    with pytest.raises(ConfigurationError) as raised:
        read_idp_metadata(data, now=NOW)
    assert raised.value.reason is Reason.METADATA_INVALID


def test_the_line_of_broken_xml_is_told():
    """A syntax error names its line."""
    assert refused("<a>\n<b>\n</a>").line == 3


def test_comments_are_dropped():
    """K234 control: comments and processing instructions are common in genuine metadata and change nothing."""
    text = entity(role() + "<!-- x -->").replace("<md:Single", "<!-- y --><?z?><md:Single")
    assert read("<!-- first -->" + text) == read(entity())
