"""Our metadata toward either side: schema-valid, complete, the same every time, read by others."""

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
from saml_slo.wire.metadata import read_idp_metadata
from saml_slo.wire.metadata_sp import read_sp_metadata
from saml_slo.wire.metadata_writer import write_idp_metadata, write_sp_metadata
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


IDP = "https://bridge.test/saml/idp"
FORMATS = (NameIdFormat.PERSISTENT, NameIdFormat.TRANSIENT, NameIdFormat.EMAIL)


def written_idp(**options):
    """Our metadata as an identity provider, with two signing keys."""
    usual = {
        "entity_id": f"{IDP}/metadata",
        "sso_url": f"{IDP}/sso",
        "slo_url": f"{IDP}/slo",
        "signing_certificates": SIGNING,
        "name_id_formats": FORMATS,
        "valid_until": UNTIL,
        "cache_duration_seconds": 21600,
    }
    return write_idp_metadata(**(usual | options))


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


def test_our_own_reader_reads_what_the_bridge_says_as_an_sp():
    """Two bridges in a row understand each other: what was written is what is read."""
    metadata = read_sp_metadata(written())
    assert metadata.entity_id == CONNECTION.sp_entity_id
    assert metadata.assertion_consumers[0].location == CONNECTION.acs_url
    assert metadata.signing_certificates == SIGNING
    assert metadata.authn_requests_signed


@pytest.mark.parametrize("formats", [(), FORMATS])
@pytest.mark.parametrize("keys", [SIGNING, SIGNING[:1]])
def test_the_schema_allows_the_idp_document(schema, formats, keys):
    """The order of its elements included, with and without formats, with one key and with two."""
    schema.assertValid(etree.fromstring(written_idp(name_id_formats=formats, signing_certificates=keys)))


def test_the_idp_document_is_deterministic():
    """Equal arguments give equal bytes, in any time zone; another key gives others."""
    elsewhere = UNTIL.astimezone(timezone(timedelta(hours=11)))
    assert written_idp() == written_idp() == written_idp(valid_until=elsewhere)
    assert written_idp() != written_idp(signing_certificates=SIGNING[::-1])


def test_the_idp_document_says_everything():
    """Both sign-on bindings, all three logout bindings with Redirect first, every published key, every format."""
    metadata = read_idp_metadata(written_idp())
    assert metadata.entity_id == f"{IDP}/metadata"
    assert metadata.signing_certificates == SIGNING
    assert metadata.single_sign_on == tuple(
        Endpoint(binding=binding, location=f"{IDP}/sso") for binding in (Binding.REDIRECT, Binding.POST)
    )
    assert metadata.single_logout == tuple(
        Endpoint(binding=binding, location=f"{IDP}/slo") for binding in (Binding.REDIRECT, Binding.POST, Binding.SOAP)
    )
    assert metadata.name_id_formats == FORMATS
    assert metadata.valid_until == UNTIL.replace(microsecond=0)
    assert metadata.cache_duration == 21600


def test_samlify_may_start_a_login():
    """WantAuthnRequestsSigned is there and false: samlify compares it with its own AuthnRequestsSigned."""
    assert etree.fromstring(written_idp())[0].get("WantAuthnRequestsSigned") == "false"


def test_pysaml2_reads_all_of_the_idp_document():
    """pysaml2's own store finds the keys, the endpoints and the formats."""
    config = Config().load({"entityid": "https://reader.test"})
    store = InMemoryMetaData(config.attribute_converters, written_idp().decode())
    store.load()
    name = f"{IDP}/metadata"
    assert len(store.certs(name, "idpsso", "signing")) == 2
    for service, location, bindings in (
        ("single_sign_on_service", f"{IDP}/sso", (Binding.REDIRECT, Binding.POST)),
        ("single_logout_service", f"{IDP}/slo", tuple(Binding)),
    ):
        for binding in bindings:
            (found,) = store.service(name, "idpsso_descriptor", service, str(binding))
            assert found["location"] == location
    (role,) = store[name]["idpsso_descriptor"]
    assert [name_id_format["text"] for name_id_format in role["name_id_format"]] == [*FORMATS]


def test_hostile_values_stay_values_in_the_idp_document():
    """J212: markup in a URL or format is escaped and comes back as it was."""
    root = etree.fromstring(written_idp(sso_url="https://b.test/?a=1&b='\"<", name_id_formats=["urn:x]]><y/>"]))
    assert root[0].find("{*}SingleSignOnService").get("Location") == "https://b.test/?a=1&b='\"<"
    assert root[0].find("{*}NameIDFormat").text == "urn:x]]><y/>"
