"""Our metadata toward one identity provider: schema-valid, complete, the same every time, read by others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files

import pytest
from lxml import etree
from saml2 import md
from saml2.config import Config
from saml2.mdstore import InMemoryMetaData

from saml_slo.protocol.names import Binding, NameIdFormat
from saml_slo.protocol.peer import Connection, Endpoint, SignedPart
from saml_slo.wire.metadata_writer import write_sp_metadata
from tests.wire.idp_metadata import certificate

URL = "https://bridge.test/saml/sp/okta"
CONNECTION = Connection(
    name="okta",
    entity_id="https://idp.test/metadata",
    sp_entity_id=f"{URL}/metadata",
    acs_url=f"{URL}/acs",
    slo_url=f"{URL}/slo",
    metadata_url=f"{URL}/metadata",
    single_sign_on=(Endpoint(binding=Binding.REDIRECT, location="https://idp.test/sso"),),
    signing_certificates=(b"",),
    name_id_format=NameIdFormat.PERSISTENT,
)
SIGNING = (certificate(), certificate())
ENCRYPTION = (certificate(), certificate())
UNTIL = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def written(connection=CONNECTION, **options):
    """The document for a connection with two keys of each kind."""
    usual = {
        "signing_certificates": SIGNING,
        "encryption_certificates": ENCRYPTION,
        "valid_until": UNTIL,
        "cache_duration_seconds": 21600,
    }
    return write_sp_metadata(connection, **(usual | options))


@pytest.fixture(scope="module")
def schema():
    """The OASIS schema of metadata, from the files that pysaml2 ships."""
    folder = files("saml2") / "data" / "schemas"

    class Shipped(etree.Resolver):
        def resolve(self, system_url, public_id, context):
            name = system_url.rsplit("/", 1)[-1]
            return self.resolve_string((folder / name).read_bytes(), context, base_url=name)

    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Shipped())
    return etree.XMLSchema(etree.fromstring((folder / "saml-schema-metadata-2.0.xsd").read_bytes(), parser))


@pytest.mark.parametrize("signed_part", list(SignedPart))
@pytest.mark.parametrize("name_id_format", [None, NameIdFormat.EMAIL])
def test_the_schema_allows_it(schema, signed_part, name_id_format):
    """Whatever the connection says, the document is schema-valid, the order of its elements included."""
    connection = replace(CONNECTION, signed_part=signed_part, name_id_format=name_id_format)
    root = etree.fromstring(written(connection))
    schema.assertValid(root)
    wanted = root[0].get("WantAssertionsSigned")
    assert wanted == ("true" if signed_part in (SignedPart.ASSERTION, SignedPart.BOTH) else "false")
    assert [child.text for child in root[0].iterfind("{*}NameIDFormat")] == ([name_id_format] if name_id_format else [])


def test_the_same_arguments_give_the_same_bytes():
    """The document is deterministic, in any time zone, so that an ETag of it means something."""
    elsewhere = UNTIL.astimezone(timezone(timedelta(hours=-7)))
    assert written() == written() == written(valid_until=elsewhere)
    assert written().startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<md:EntityDescriptor ")


def test_pysaml2_reads_all_of_it():
    """pysaml2's own store finds the keys of both kinds, both logout bindings, the ACS and the signing flags."""
    entity = md.entity_descriptor_from_string(written())
    assert (entity.valid_until, entity.cache_duration) == ("2030-01-02T03:04:05Z", "PT21600S")
    assert entity.id is None
    assert entity.spsso_descriptor[0].authn_requests_signed == "true"
    config = Config().load({"entityid": "https://reader.test"})
    store = InMemoryMetaData(config.attribute_converters, written().decode())
    store.load()
    name = CONNECTION.sp_entity_id
    for use in ("signing", "encryption"):
        assert len(store.certs(name, "spsso", use)) == 2
    for binding in (Binding.REDIRECT, Binding.POST):
        (logout,) = store.service(name, "spsso_descriptor", "single_logout_service", str(binding))
        assert logout["location"] == CONNECTION.slo_url
    (consumer,) = store.service(name, "spsso_descriptor", "assertion_consumer_service", str(Binding.POST))
    assert (consumer["location"], consumer["index"], consumer["is_default"]) == (CONNECTION.acs_url, "0", "true")


def test_hostile_values_stay_values():
    """J212: markup in an entity id or URL is escaped and comes back as it was."""
    connection = replace(CONNECTION, sp_entity_id='urn:x"><script>&', acs_url="https://b.test/?a=1&b='\"<")
    root = etree.fromstring(written(connection))
    assert root.get("entityID") == connection.sp_entity_id
    assert root[0].find("{*}AssertionConsumerService").get("Location") == connection.acs_url


def test_encryption_without_integrity_is_asked_for_only_where_it_is_accepted():
    """The encryption keys name AES-GCM; AES-CBC only for a connection that takes it."""
    methods = "{*}SPSSODescriptor/{*}KeyDescriptor[@use='encryption']/{*}EncryptionMethod"
    names = [method.get("Algorithm") for method in etree.fromstring(written()).iterfind(methods)]
    assert any("aes256-gcm" in name for name in names)
    assert not any("cbc" in name for name in names)
    assert b"aes256-cbc" in written(replace(CONNECTION, insecure_aes_cbc=True))
