"""An application's TOML with its metadata: every key has its effect, every mistake its line and its next step."""

from dataclasses import fields
from pathlib import Path

import pytest

from saml_slo.errors import Reason
from saml_slo.protocol.names import Binding, NameIdFormat, SignatureAlgorithm
from saml_slo.protocol.peer import Application, ConsumerEndpoint, Endpoint, NameIdKind, ServiceProvider
from tests.keys import pair
from tests.peers.conftest import PUBLIC_URL
from tests.wire.idp_metadata import entities, entity, key_descriptor, usual_certificate
from tests.wire.sp_metadata import consumer, sp_entity, sp_role

VECTORS = Path(__file__).parent.parent / "vectors" / "metadata"
ENTITY_ID = "https://shop.test"
RSA = pair("bridge-encryption").certificate
XML = sp_entity(
    sp_role(keys=key_descriptor(usual_certificate()) + key_descriptor(RSA, use="encryption")), entity_id=ENTITY_ID
)
# What the file's name, our public URL and the metadata say.
DERIVED = {
    "name": "shop",
    "entity_id": ENTITY_ID,
    "slo_url": f"{PUBLIC_URL}/saml/idp/slo",
    "idp_entity_id": f"{PUBLIC_URL}/saml/idp/metadata",
    "assertion_consumers": (ConsumerEndpoint(location="https://sp.test/acs", index=0, is_default=True),),
    "single_logout": (Endpoint(binding=Binding.REDIRECT, location="https://sp.test/slo"),),
    "signing_certificates": (usual_certificate(),),
    "encryption_certificates": (RSA,),
}
# Every key that is a field: how it is written, and what becomes of it.
SETTABLE = {
    "display_name": ('"Shop, für alle"', "Shop, für alle"),
    "enabled": ("false", False),
    "logout_url": ('"https://sp.test/out?x=y"', "https://sp.test/out?x=y"),
    "logout_binding": ('"soap"', Binding.SOAP),
    "signature_algorithm": ('"ecdsa-sha384"', SignatureAlgorithm.ECDSA_SHA384),
    "first_session_index_only": ("true", True),
    "logout_request_lifetime": ("60", 60),
    "skew": ("0", 0),
    "max_age": ("600", 600),
    "unsigned_logout_response": ("true", True),
    "insecure_sha1": ("true", True),
    "insecure_aes_cbc": ("true", True),
    "insecure_inclusive_c14n": ("true", True),
    "name_id": ('"email"', NameIdKind.EMAIL),
    "requests_signed": ("true", True),
    "sign_response": ("true", True),
    "encrypt_assertion": ("true", True),
    "connection": ('"okta-2"', "okta-2"),
    "attributes": ('["mail", "urn:oid:2.5.4.42", "mail"]', ("mail", "urn:oid:2.5.4.42")),
    "top_level": ("true", True),
}


def loaded(place, toml="", *, xml=XML):
    """The service provider that a file and its metadata make, without a problem."""
    place.application("shop", toml, xml=xml)
    registry = place.registry()
    assert registry.problems() == ()
    return registry.service_provider("shop")


def problem(place, toml="", *, xml=XML):
    """The one problem of a file that is not loaded."""
    place.application("shop", toml, xml=xml)
    registry = place.registry()
    (found,) = registry.problems()
    assert registry.applications() == ()
    assert registry.service_providers() == ()
    return found


def test_metadata_alone_is_a_service_provider(place):
    """An empty file beside the metadata is enough: everything else is derived or has its default."""
    provider = loaded(place)
    assert provider == ServiceProvider(**DERIVED)
    assert provider.our_entity_id == f"{PUBLIC_URL}/saml/idp/metadata"
    assert place.registry().application("shop") == Application(client_id="shop", provider=provider)


def test_every_field_can_be_set(place):
    """Each field of a ServiceProvider that is not derived has a key, and the key reaches the field."""
    assert {field.name for field in fields(ServiceProvider)} == {*DERIVED, *SETTABLE}
    provider = loaded(place, "\n".join(f"{key} = {text}" for key, (text, _) in SETTABLE.items()))
    assert provider == ServiceProvider(**DERIVED | {key: value for key, (_, value) in SETTABLE.items()})


def test_the_name_is_that_of_the_application(place):
    """`display_name` is one key for both sides of an application."""
    provider = loaded(place, 'display_name = "Shop"')
    assert provider.title == place.registry().application("shop").title == "Shop"


@pytest.mark.parametrize(
    ("toml", "field", "value"),
    [
        ('name_id = "transient"', "name_id", NameIdKind.TRANSIENT),
        ('name_id = "persistent"', "name_id", NameIdKind.PERSISTENT),
        ('logout_binding = "redirect"', "logout_binding", Binding.REDIRECT),
        ('logout_binding = "post"', "logout_binding", Binding.POST),
        ("attributes = []", "attributes", ()),
        ('attributes = ["given name"]', "attributes", ("given name",)),
        ('insecure_http = true\nlogout_url = "http://sp.test/out"', "logout_url", "http://sp.test/out"),
        ('signature_algorithm = "rsa-sha1"\ninsecure_sha1 = true', "signature_algorithm", SignatureAlgorithm.RSA_SHA1),
        (f'entity_id = "{ENTITY_ID}"', "entity_id", ENTITY_ID),
    ],
)
def test_values_have_their_effect(place, toml, field, value):
    """Every choice of a key is understood; no attributes are not the same as all of them."""
    assert getattr(loaded(place, toml), field) == value


@pytest.mark.parametrize(
    ("toml", "line", "words"),
    [
        ("\nskwe = 1", 2, "Did you mean skew?"),
        ('name_id = "unspecified"', 1, "one of transient, persistent, email"),
        ('logout_binding = "artifact"', 1, "one of redirect, post, soap"),
        ("requests_signed = 1", 1, "true or false"),
        ('connection = "Okta"', 1, "the name of a connection"),
        ('connection = ["okta"]', 1, "the name of a connection"),
        ('attributes = "mail"', 1, "an array"),
        ("attributes = [1]", 1, "an array"),
        ('attributes = [""]', 1, "an array"),
        ('attributes = ["mail "]', 1, "an array"),
        ('attributes = ["a\\nb"]', 1, "an array"),
        (f'attributes = ["{"x" * 257}"]', 1, "an array"),
        (f"attributes = {['x'] * 201}", 1, "up to 200 names"),
        ("skew = 601", 1, "from 0 to 600"),
        ("max_age = 29", 1, "from 30 to 3600"),
        ('skew = 1\nsignature_algorithm = "rsa-sha1"', 2, "insecure_sha1 = true"),
        ('logout_url = "http://sp.test/"', 1, "it is http"),
        ('logout_url = "javascript:alert(1)"', 1, "does not begin with"),
        (f'logout_url = "{PUBLIC_URL}/saml/idp/slo"', 1, "own URLs"),
        ('metadata = "../shop.xml"', 1, "the name of an .xml file"),
        ('metadata = "none.xml"', 1, "the application's metadata is missing: there is no none.xml"),
        ('sp_entity_id = "urn:x"', 1, "Did you mean entity_id?"),
        ('entity_id = "https://other.test"', None, "the metadata is of another entity"),
        ('allowed_logout_urls = "shop.test"', 1, "https://shop.test"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_mistake_is_told_with_its_line(place, toml, line, words):
    """Unknown keys, wrong types, ranges and forbidden values are refused where they stand; nothing is loaded."""
    found = problem(place, toml)
    assert words in found.text
    assert found.line == line or line is None
    assert found.file.parent == place.folder / "applications"


SAML_KEYS = {key: text for key, (text, _) in SETTABLE.items() if key != "display_name"} | {
    "insecure_http": "true",
    "entity_id": '"https://shop.test"',
}


@pytest.mark.parametrize("key", sorted(SAML_KEYS))
def test_without_metadata_a_saml_key_is_a_mistake(place, key):
    """A key that could have no effect is refused with its line, and the refusal says which file is missing."""
    found = problem(place, f'display_name = "Shop"\n{key} = {SAML_KEYS[key]}', xml=None)
    assert found.line == 2
    assert found.text.startswith(f"{key} is for applications that speak SAML")
    assert "shop.xml" in found.text


def test_a_link_to_nothing_is_not_the_absence_of_metadata(place):
    """A dangling link where the metadata should be is told; it does not turn SAML off in silence."""
    place.application("shop")
    (place.folder / "applications" / "shop.xml").symlink_to("gone.xml")
    registry = place.registry()
    assert "metadata is missing" in registry.problems()[0].text
    assert registry.applications() == ()


def test_a_link_does_not_lead_out_of_the_folder(place):
    """K228: the XML may not be a link to a file elsewhere."""
    place.write("secret.xml", XML)
    place.application("shop")
    (place.folder / "applications" / "shop.xml").symlink_to("../secret.xml")
    assert "leads out of the folder" in place.registry().problems()[0].text


def test_broken_metadata_names_its_own_file_and_line(place):
    """The problem is told at the XML file and line where it is."""
    found = problem(place, xml=sp_entity(sp_role(keys="\n\n" + key_descriptor("AAAA"))))
    assert (found.file, found.line) == (place.folder / "applications" / "shop.xml", 3)
    assert found.reason is Reason.METADATA_INVALID


def test_an_identity_providers_metadata_is_told_apart(place):
    """The upstream's metadata in the wrong folder is refused in words."""
    assert "expected: one SPSSODescriptor; got: an IDPSSODescriptor" in problem(place, xml=entity()).text


@pytest.mark.parametrize("signed", ["true", "false"])
@pytest.mark.parametrize("setting", [None, "true", "false"])
def test_the_file_decides_whether_requests_are_signed(place, signed, setting):
    """`requests_signed` overrides AuthnRequestsSigned of the metadata, in both directions."""
    xml = sp_entity(sp_role(attributes=f'AuthnRequestsSigned="{signed}"'), entity_id=ENTITY_ID)
    provider = loaded(place, f"requests_signed = {setting}" if setting else "", xml=xml)
    assert provider.requests_signed is ((setting or signed) == "true")


@pytest.mark.parametrize(
    ("formats", "kind"),
    [
        ((), NameIdKind.PERSISTENT),
        ((NameIdFormat.UNSPECIFIED,), NameIdKind.PERSISTENT),
        ((NameIdFormat.TRANSIENT,), NameIdKind.TRANSIENT),
        ((NameIdFormat.ENTITY, NameIdFormat.EMAIL, NameIdFormat.TRANSIENT), NameIdKind.EMAIL),
    ],
)
def test_the_metadata_says_what_a_person_is_called(place, formats, kind):
    """Without `name_id` it is the first of the NameIDFormats that we can make, persistent where there is none."""
    inside = "".join(f"<md:NameIDFormat> {each} </md:NameIDFormat>" for each in formats)
    xml = sp_entity(sp_role(endpoints=inside + consumer()), entity_id=ENTITY_ID)
    assert loaded(place, xml=xml).name_id is kind
    assert loaded(place, 'name_id = "persistent"', xml=xml).name_id is NameIdKind.PERSISTENT


def test_what_cannot_be_encrypted_or_checked_is_refused(place):
    """`encrypt_assertion` needs an encryption key, `requests_signed` a signing key; the metadata's keys decide."""
    no_encryption = sp_entity(sp_role(), entity_id=ENTITY_ID)
    found = problem(place, "\nencrypt_assertion = true", xml=no_encryption)
    assert (found.line, "no encryption key" in found.text) == (2, True)
    only_encryption = sp_entity(sp_role(keys=key_descriptor(RSA, use="encryption")), entity_id=ENTITY_ID)
    found = problem(place, "\nrequests_signed = true", xml=only_encryption)
    assert (found.line, "no signing key" in found.text) == (2, True)
    assert loaded(place, "requests_signed = false\nencrypt_assertion = true", xml=only_encryption)


def test_no_signing_key_is_a_warning(place):
    """An application that signs nothing is in force, and the warning names its metadata."""
    xml = sp_entity(sp_role(keys=""), entity_id=ENTITY_ID)
    assert loaded(place, xml=xml).signing_certificates == ()
    (warning,) = place.registry().warnings()
    assert warning.file == place.folder / "applications" / "shop.xml"
    assert "what it sends itself is refused" in warning.text


@pytest.mark.parametrize("what", ["acs", "slo", "response"])
def test_our_own_endpoints_are_no_applications(place, what):
    """K228: metadata whose endpoints are this service's own URLs is refused, whichever endpoint it is."""
    urls = dict.fromkeys(("acs", "slo", "response"), "https://sp.test/x") | {what: f"{PUBLIC_URL}/saml/sp/a/acs"}
    logout = (
        f'<md:SingleLogoutService Binding="{Binding.POST}" Location="{urls["slo"]}" '
        f'ResponseLocation="{urls["response"]}"/>'
    )
    xml = sp_entity(sp_role(endpoints=logout + consumer(urls["acs"])), entity_id=ENTITY_ID)
    assert "an endpoint of the application is one of this service's own URLs" in problem(place, xml=xml).text


def test_http_beyond_this_machine_needs_its_key(place):
    """`insecure_http` holds for the metadata as well."""
    xml = sp_entity(sp_role(endpoints=consumer("http://sp.test/acs")), entity_id=ENTITY_ID)
    assert "insecure_http = true" in problem(place, xml=xml).text
    assert loaded(place, "insecure_http = true", xml=xml)


def test_one_document_may_serve_several_applications(place):
    """`metadata` names another file, `entity_id` selects in it."""
    both = entities(sp_entity(entity_id="https://a.test"), sp_entity(entity_id="https://b.test"))
    place.write("applications/federation.xml", both)
    for name in "ab":
        place.application(name, f'metadata = "federation.xml"\nentity_id = "https://{name}.test"')
    found = [provider.entity_id for provider in place.registry().service_providers()]
    assert found == ["https://a.test", "https://b.test"]


@pytest.mark.parametrize("name", ["samlify", "node-saml", "simplesamlphp", "mellon"])
def test_real_metadata_is_enough(place, name):
    """What four products publish about themselves needs not one key."""
    provider = loaded(place, xml=(VECTORS / f"{name}-sp.xml").read_text())
    assert provider.assertion_consumers
    assert provider.single_logout
    assert provider.name_id is (NameIdKind.TRANSIENT if name == "mellon" else NameIdKind.PERSISTENT)
    assert place.registry().warnings() == ()
