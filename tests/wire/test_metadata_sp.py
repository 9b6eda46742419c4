"""A service provider's metadata is read as strictly as an identity provider's (security C057, K227 to K234)."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from saml_slo.protocol.names import Binding, NameIdFormat
from saml_slo.protocol.peer import Endpoint
from saml_slo.wire.metadata_sp import read_sp_metadata
from tests.keys import pair
from tests.wire.idp_metadata import NOW, certificate, endpoint, entities, entity, key_descriptor, role
from tests.wire.sp_metadata import consumer, read_sp, sp_entity, sp_refused, sp_role
from tests.wire.test_metadata import BAD_LOCATIONS

VECTORS = Path(__file__).parent.parent / "vectors" / "metadata"
POST = Binding.POST
SSP = "http://127.0.0.1:18081/simplesaml/module.php/saml/sp/"


REDIRECT, SOAP = Binding.REDIRECT, Binding.SOAP
REAL = {
    "samlify": {
        "entity_id": "http://127.0.0.1:18092/metadata",
        "consumer": (0, "http://127.0.0.1:18092/app/acs"),
        "logout": {REDIRECT: "http://127.0.0.1:18092/app/slo", POST: "http://127.0.0.1:18092/app/slo"},
        "encryption_keys": 0,
        "signs_requests": False,
        "formats": (NameIdFormat.PERSISTENT,),
    },
    "node-saml": {
        "entity_id": "http://127.0.0.1:18091/metadata",
        "consumer": (1, "http://127.0.0.1:18091/app/acs"),
        "logout": {POST: "http://127.0.0.1:18091/app/slo"},
        "encryption_keys": 0,
        "signs_requests": True,
        "formats": (),
    },
    "simplesamlphp": {
        "entity_id": f"{SSP}metadata.php/sp1",
        "consumer": (0, f"{SSP}saml2-acs.php/sp1"),
        "logout": {REDIRECT: f"{SSP}saml2-logout.php/sp1", SOAP: f"{SSP}saml2-logout.php/sp1"},
        "encryption_keys": 1,
        "signs_requests": True,
        "formats": (NameIdFormat.PERSISTENT,),
    },
    "mellon": {
        "entity_id": "http://127.0.0.1:18201/mellon/metadata",
        "consumer": (0, "http://127.0.0.1:18201/mellon/postResponse"),
        "logout": {REDIRECT: "http://127.0.0.1:18201/mellon/logout", SOAP: "http://127.0.0.1:18291/mellon/logout"},
        "encryption_keys": 1,
        "signs_requests": True,
        "formats": (NameIdFormat.TRANSIENT,),
    },
}


@pytest.mark.parametrize("name", REAL)
def test_real_metadata_is_read(name):
    """What four products say about themselves, samlify's wrong order included, is read without a warning."""
    metadata = read_sp_metadata((VECTORS / f"{name}-sp.xml").read_bytes(), now=NOW)
    ((index, location),) = [(consumer.index, consumer.location) for consumer in metadata.assertion_consumers]
    assert REAL[name] == {
        "entity_id": metadata.entity_id,
        "consumer": (index, location),
        "logout": {service.binding: service.location for service in metadata.single_logout},
        "encryption_keys": len(metadata.encryption_certificates),
        "signs_requests": metadata.authn_requests_signed,
        "formats": metadata.name_id_formats,
    }
    assert metadata.assertion_consumers[0].is_default
    assert len(metadata.signing_certificates) == 1
    assert metadata.want_assertions_signed
    assert (metadata.valid_until, metadata.cache_duration, metadata.warnings) == (None, None, ())


def defaults(*consumers):
    """Which of these AssertionConsumerServices are read, by index, and which one is the default."""
    read = read_sp(sp_entity(sp_role(endpoints="".join(consumers)))).assertion_consumers
    (default,) = [endpoint.index for endpoint in read if endpoint.is_default]
    return [endpoint.index for endpoint in read], default


@pytest.mark.parametrize(
    ("wishes", "default"),
    [
        (("", ""), 0),
        (("", "true"), 1),
        (("true", "true"), 0),
        (("false", ""), 1),
        (("0", "", "1"), 2),
        (("false", "", ""), 1),
        (("false", "false"), 0),
        (("true",), 0),
    ],
)
def test_the_default_consumer_is_the_specifications(wishes, default):
    """Metadata 2.2.3: the first with isDefault true, else the first without isDefault false, else the first."""
    services = [
        consumer(index=number, extra=f'isDefault="{wish}"' if wish else "") for number, wish in enumerate(wishes)
    ]
    assert defaults(*services) == (list(range(len(wishes))), default)


def test_only_consumers_that_we_can_answer_count():
    """Artifact, ECP and SAML 1.1 consumers are left out, also as a default, and need no index of their own."""
    services = (
        consumer("https://sp.test/a", "HTTP-Artifact", index="7", extra='isDefault="true"'),
        consumer("https://sp.test/p", "PAOS", index=None),
        consumer(index="8", extra='isDefault="false"'),
        consumer(index="65535"),
    )
    assert defaults(*services) == ([8, 65535], 65535)
    error = sp_refused(sp_entity(sp_role(endpoints=services[0])))
    assert "HTTP-POST" in error.expected


@pytest.mark.parametrize("index", [None, "", "-1", "65536", "x", "1.0", "\u0661", "9" * 5000])
def test_a_consumer_needs_an_index(index):
    """A consumer that a request could not name is refused where it stands, with what to write."""
    error = sp_refused(sp_entity(sp_role(endpoints="\n" + consumer(index=index))))
    assert error.line == 2
    assert 'index="0"' in error.next_step


def test_a_repeated_index_is_told():
    """Two consumers with one index are read; the second cannot be named by it, and the warning says which that is."""
    metadata = read_sp(sp_entity(sp_role(endpoints=consumer(index="3") + "\n" + consumer(index="3"))))
    assert len(metadata.assertion_consumers) == 2
    assert metadata.warnings[0].startswith("the AssertionConsumerService in line 2 has the index 3 of an earlier one")


def test_an_unreadable_default_is_refused():
    """IsDefault is an XML boolean; a wrong one loads nothing."""
    sp_refused(sp_entity(sp_role(endpoints=consumer(extra='isDefault="yes"'))))


@pytest.mark.parametrize("location", BAD_LOCATIONS, ids=lambda text: ascii(text)[:40])
def test_a_dangerous_location_loads_nothing(location):
    """K227, K228: one bad Location of a consumer or a logout service refuses the whole file."""
    assert sp_refused(sp_entity(sp_role(endpoints=consumer() + "\n" + consumer(location, index="1")))).line == 2
    sp_refused(sp_entity(sp_role(endpoints=consumer() + endpoint("SingleLogout", location))))
    response = endpoint("SingleLogout", "https://sp.test/x", extra=f'ResponseLocation="{location}"')
    sp_refused(sp_entity(sp_role(endpoints=consumer() + response)))


def test_http_elsewhere_needs_the_insecure_key():
    """`insecure_http` lets plain http through, and the refusal without it names the key."""
    text = sp_entity(sp_role(endpoints=consumer("http://sp.test/acs")))
    assert "insecure_http" in sp_refused(text).next_step
    assert read_sp(text, insecure_http=True).assertion_consumers[0].location == "http://sp.test/acs"


def test_logout_services_are_read_with_their_response_location():
    """Redirect, POST and SOAP services in document order; other bindings are left out; none at all is no mistake."""
    services = (
        endpoint("SingleLogout", "https://sp.test/s", "SOAP")
        + endpoint("SingleLogout", "https://sp.test/a", "HTTP-Artifact")
        + endpoint("SingleLogout", "https://sp.test/r", extra='ResponseLocation="https://sp.test/done"')
        + endpoint("SingleLogout", "https://sp.test/p", "HTTP-POST")
    )
    assert read_sp(sp_entity(sp_role(endpoints=services + consumer()))).single_logout == (
        Endpoint(binding=Binding.SOAP, location="https://sp.test/s"),
        Endpoint(binding=Binding.REDIRECT, location="https://sp.test/r", response_location="https://sp.test/done"),
        Endpoint(binding=Binding.POST, location="https://sp.test/p"),
    )
    assert read_sp(sp_entity(sp_role(endpoints=consumer()))).single_logout == ()


def test_a_key_without_use_is_for_both():
    """K230: use signing, use encryption, and none, which counts for both; each in document order."""
    signing, both, encryption = (pair(name).certificate for name in ("idp", "bridge", "bridge-encryption"))
    keys = (
        key_descriptor(signing)
        + key_descriptor(both, use=None)
        + key_descriptor(encryption, use="encryption")
        + key_descriptor(both, use="encryption")
    )
    metadata = read_sp(sp_entity(sp_role(keys=keys)))
    assert metadata.signing_certificates == (signing, both)
    assert metadata.encryption_certificates == (both, encryption)
    sp_refused(sp_entity(sp_role(keys=key_descriptor(signing, use="sign"))))


def test_keys_of_the_other_role_never_count():
    """The keys and endpoints of an IdP role of the same entity, or of a neighbour, are not the service provider's."""
    ours = sp_role(keys="", endpoints=consumer())
    neighbour = sp_entity(entity_id="https://other.test")
    for text in (sp_entity(role() + ours), entities(neighbour, sp_entity(ours))):
        metadata = read_sp(text, "https://sp.test/metadata")
        assert (metadata.signing_certificates, metadata.single_logout) == ((), ())


def test_without_a_signing_key_it_is_told_and_not_heard():
    """An SP that signs nothing may have no signing key, and the warning says what comes of it."""
    metadata = read_sp(sp_entity(sp_role(keys=key_descriptor(pair("idp").certificate, use="encryption"))))
    assert metadata.signing_certificates == ()
    assert len(metadata.encryption_certificates) == 1
    (warning,) = metadata.warnings
    assert "no signing key" in warning


def test_signed_requests_that_nobody_can_check_load_nothing():
    """AuthnRequestsSigned without a signing key contradicts itself; a check that cannot be made has failed."""
    error = sp_refused(sp_entity(sp_role(keys="", attributes='AuthnRequestsSigned="1"')))
    assert error.got == "0"
    assert "signing" in error.expected


@pytest.mark.parametrize("attribute", ["AuthnRequestsSigned", "WantAssertionsSigned"])
def test_wishes_are_booleans(attribute):
    """Absent is false; true and false in both spellings; anything else is refused."""
    fields = {"AuthnRequestsSigned": "authn_requests_signed", "WantAssertionsSigned": "want_assertions_signed"}
    found = [
        getattr(read_sp(sp_entity(sp_role(attributes=text and f'{attribute}="{text}"'))), fields[attribute])
        for text in ("", "true", "1", "false", "0")
    ]
    assert found == [False, True, True, False, False]
    sp_refused(sp_entity(sp_role(attributes=f'{attribute}="TRUE"')))


@pytest.mark.parametrize("use", ["signing", "encryption"])
def test_there_is_a_limit_to_keys(use):
    """A file cannot make every forged message cost hundreds of signature checks."""
    one, other = pair("idp").certificate, pair("bridge").certificate
    assert read_sp(sp_entity(sp_role(keys=key_descriptor(*[one] * 30, other) + key_descriptor(one, use="encryption"))))
    public = pair("idp").key.public_key()
    many = [certificate(public, signer=pair("idp").key) for _ in range(17)]
    error = sp_refused(sp_entity(sp_role(keys=key_descriptor(one) + key_descriptor(*many, use=use))))
    assert error.got in ("17", "18")
    assert use in error.message


def test_an_encryption_key_must_be_rsa():
    """An EC key cannot be encrypted to: it is left out and told, unless a key without use is for signing anyway."""
    ec, rsa = certificate(), pair("idp").certificate
    metadata = read_sp(sp_entity(sp_role(keys=key_descriptor(ec) + "\n" + key_descriptor(ec, rsa, use="encryption"))))
    assert metadata.encryption_certificates == (rsa,)
    assert metadata.warnings == ("the encryption key in line 2 is not RSA and is not used",)
    metadata = read_sp(sp_entity(sp_role(keys=key_descriptor(ec, use=None))))
    assert (metadata.signing_certificates, metadata.encryption_certificates, metadata.warnings) == ((ec,), (), ())


def test_odd_certificates_are_told_once():
    """C057: dates and keyUsage decide nothing and are told, for the use that the key has; once when it has both."""
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    nothing = dict.fromkeys((*names, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    usage = {use: x509.KeyUsage(**nothing | {use: True}) for use in ("digital_signature", "key_encipherment")}
    key = pair("idp").key
    odd = certificate(key, end=-1, start=-9, extensions=[usage["digital_signature"]])
    for use, told in (("signing", 1), ("encryption", 2), (None, 1)):
        keys = key_descriptor(pair("bridge").certificate) + key_descriptor(odd, use=use)
        warnings = read_sp(sp_entity(sp_role(keys=keys))).warnings
        assert len(warnings) == told
        assert all(f"the {use or 'signing'} certificate" in warning for warning in warnings)
    assert (
        "keyUsage without keyEncipherment"
        in read_sp(sp_entity(sp_role(keys=key_descriptor(odd) + key_descriptor(odd, use="encryption")))).warnings[-1]
    )


def test_weak_encryption_keys_load_nothing():
    """C057: a key that is unreadable or too weak is refused for either use."""
    for use in ("signing", "encryption", None):
        text = sp_entity(sp_role(keys=key_descriptor(pair("idp").certificate) + "\n" + key_descriptor("AAAA", use=use)))
        assert sp_refused(text).line == 2


def test_validity_is_read_and_inherited():
    """K232: the earliest validUntil and the shortest cacheDuration hold; expired metadata is refused."""
    inner = sp_entity(attributes='validUntil="2027-01-02T00:00:00Z" cacheDuration="PT2H"')
    metadata = read_sp(entities(inner, attributes='validUntil="2027-01-01T00:00:00Z" cacheDuration="P1D"'))
    assert (metadata.valid_until, metadata.cache_duration) == (datetime(2027, 1, 1, tzinfo=UTC), 7200)
    sp_refused(sp_entity(attributes='validUntil="2026-11-20T06:00:00Z"'))
    sp_refused(sp_entity(attributes='cacheDuration="1 day"'))


def test_the_other_sides_metadata_is_told_apart():
    """An identity provider's metadata is refused in words."""
    error = sp_refused(entity())
    assert error.got == "an IDPSSODescriptor"
    assert "the other side, the identity provider" in error.next_step


def test_the_entity_is_selected_by_its_role_and_id():
    """K233: without an id there must be one service provider, with an id it is that one; twins are refused."""
    idp = entity(entity_id="https://idp.test")
    a, b = sp_entity(entity_id="https://a.test"), sp_entity(entity_id="https://b.test")
    assert read_sp(entities(idp, entities(a))).entity_id == "https://a.test"
    assert read_sp(entities(a, b), "https://b.test").entity_id == "https://b.test"
    assert sp_refused(entities(a, b)).got == "2 among 2 entities"
    assert sp_refused(entities(idp)).expected == "one service provider"
    sp_refused(entities(a, a), "https://a.test")
    assert sp_refused(a, "https://b.test").got == "'https://a.test'"
    sp_refused(sp_entity(sp_role() + sp_role()))
    sp_refused(sp_entity(sp_role(protocols="urn:oasis:names:tc:SAML:1.1:protocol")))
    sp_refused(sp_entity(entity_id="a b"))
