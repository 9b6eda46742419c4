"""A connection's TOML: every key has its effect, every mistake its line and its next step."""

from dataclasses import fields

import pytest

from saml_slo.errors import Reason
from saml_slo.protocol.names import Binding, NameIdFormat, SignatureAlgorithm
from saml_slo.protocol.peer import Connection, Endpoint, SignedPart
from tests.peers.conftest import PUBLIC_URL
from tests.wire.idp_metadata import NOW, certificate, entities, entity, key_descriptor, role, usual_certificate

# What the file's name, our public URL and the metadata say.
DERIVED = {
    "name": "okta",
    "entity_id": "https://okta.test",
    "sp_entity_id": f"{PUBLIC_URL}/saml/sp/okta/metadata",
    "acs_url": f"{PUBLIC_URL}/saml/sp/okta/acs",
    "slo_url": f"{PUBLIC_URL}/saml/sp/okta/slo",
    "metadata_url": f"{PUBLIC_URL}/saml/sp/okta/metadata",
    "single_sign_on": (Endpoint(binding=Binding.REDIRECT, location="https://idp.test/sso"),),
    "single_logout": (),
    "signing_certificates": (usual_certificate(),),
}
# Every key that is a field: how it is written, and what becomes of it.
SETTABLE = {
    "display_name": ('"Okta, für alle"', "Okta, für alle"),
    "enabled": ("false", False),
    "sp_entity_id": ('"urn:our:old:name"', "urn:our:old:name"),
    "logout_url": ('"https://idp.test/out?x=y"', "https://idp.test/out?x=y"),
    "logout_binding": ('"post"', Binding.POST),
    "login_url_fallback": ("false", False),
    "name_id_format": ('"persistent"', NameIdFormat.PERSISTENT),
    "signature_algorithm": ('"ecdsa-sha384"', SignatureAlgorithm.ECDSA_SHA384),
    "first_session_index_only": ("true", True),
    "logout_request_lifetime": ("60", 60),
    "skew": ("0", 0),
    "max_age": ("600", 600),
    "signed_part": ('"both"', SignedPart.BOTH),
    "idp_initiated_sign_in": ("true", True),
    "unsigned_logout_response": ("true", True),
    "insecure_sha1": ("true", True),
    "insecure_aes_cbc": ("true", True),
    "insecure_inclusive_c14n": ("true", True),
    "session_index_required": ("true", True),
    "logout_page": ('"https://idp.test/page"', "https://idp.test/page"),
    "logout_hint": ('"It asks again."', "It asks again."),
    "match_session_index": ("true", True),
    "organisation": ('"acme"', "acme"),
    "session_lifetime": ("36_000", 36000),
    "idle_lifetime": ("3600", 3600),
}


def test_an_empty_file_is_a_connection(place):
    """The metadata is enough: everything else is derived or has its default."""
    place.connection("okta")
    assert place.registry().connection("okta") == Connection(**DERIVED)


def test_every_field_can_be_set(place):
    """Each field of a Connection that is not derived has a key, and the key reaches the field."""
    assert {field.name for field in fields(Connection)} == {*DERIVED, *SETTABLE}
    place.organisation("acme")
    place.connection("okta", "\n".join(f"{key} = {text}" for key, (text, _) in SETTABLE.items()))
    registry = place.registry()
    assert registry.problems() == ()
    assert registry.connection("okta") == Connection(**DERIVED | {key: value for key, (_, value) in SETTABLE.items()})


@pytest.mark.parametrize(
    ("toml", "field", "value"),
    [
        (f'name_id_format = "{NameIdFormat.EMAIL}"', "name_id_format", NameIdFormat.EMAIL),
        ('name_id_format = "urn:example:format"', "name_id_format", "urn:example:format"),
        (
            f'signature_algorithm = "{SignatureAlgorithm.RSA_SHA512}"',
            "signature_algorithm",
            SignatureAlgorithm.RSA_SHA512,
        ),
        ('signature_algorithm = "rsa-sha1"\ninsecure_sha1 = true', "signature_algorithm", SignatureAlgorithm.RSA_SHA1),
        ('insecure_http = true\nlogout_url = "http://idp.test/out"', "logout_url", "http://idp.test/out"),
        ('logout_binding = "redirect"', "logout_binding", Binding.REDIRECT),
        ("\ufeffskew = 1\r\n", "skew", 1),
    ],
)
def test_values_have_more_than_one_spelling(place, toml, field, value):
    """Formats and algorithms may be short words or URIs; a byte order mark and Windows line ends do not matter."""
    place.connection("okta", toml)
    assert getattr(place.registry().connection("okta"), field) == value


@pytest.mark.parametrize(
    ("toml", "line", "words"),
    [
        ("\nskwe = 1", 2, "Did you mean skew?"),
        ('sign_algorithm = ""', 1, "Did you mean signature_algorithm?"),
        ("[saml]\nskew = 1", 1, "the key 'saml' is not known here"),
        ("# x\n\n[[applications]]", 3, "the key 'applications' is not known here"),
        ('"insecure-sha1" = true', 1, "Did you mean insecure_sha1?"),
        ("xyz.skew = 1", 1, "Remove it"),
        ('enabled = "no"', 1, "true or false, without quotation marks"),
        ("enabled = 0", 1, "true or false"),
        ("enabled = true\nskew = true", 2, "a whole number of seconds from 0 to 600"),
        ('skew = "180"', 1, "a whole number"),
        ("skew = 180.0", 1, "a whole number"),
        ("skew = -1", 1, "from 0 to 600"),
        ("skew = 601", 1, "from 0 to 600"),
        ("logout_request_lifetime = 0", 1, "from 30 to 3600"),
        ("session_lifetime = 99999999999", 1, "from 60"),
        ("idle_lifetime = nan", 1, "a whole number"),
        ("display_name = 1", 1, "one line of text"),
        ('display_name = "a\\nb"', 1, "one line of text"),
        ('display_name = "\\u202Eb"', 1, "one line of text"),
        (f'display_name = "{"x" * 101}"', 1, "at most 100"),
        ('sp_entity_id = "a b"', 1, "visible characters"),
        ('entity_id = ""', 1, "visible characters"),
        ('entity_id = "https://other.test"', None, "the metadata is of another entity"),
        ('logout_binding = "soap"', 1, "one of redirect, post"),
        ('logout_binding = ["redirect"]', 1, "one of redirect, post"),
        ('signed_part = "none"', 1, "either, assertion, response, both"),
        ('name_id_format = "emailAddress"', 1, "one of unspecified, email"),
        ('signature_algorithm = "hmac-sha256"', 1, "rsa-sha256"),
        ('skew = 1\nsignature_algorithm = "rsa-sha1"', 2, "insecure_sha1 = true"),
        ('logout_url = "http://idp.test/"', 1, "it is http"),
        ('logout_url = "javascript:alert(1)"', 1, "does not begin with"),
        ('logout_url = "https://u@idp.test/"', 1, "user name"),
        ('logout_url = ""', 1, "empty"),
        ('logout_url = "https://bridge.test/saml/sp/okta/slo"', 1, "own URLs"),
        ('logout_page = "http://idp.test/"', 1, "it is http"),
        ('logout_page = "https://bridge.test/"', 1, "own URLs"),
        ('preset = "octa"', 1, "one of active-directory, adfs"),
        ('kind = "kerberos"', 1, "one of saml, wsfed, oidc, vendor_url, none"),
        ('skew = 1\nkind = "wsfed"\npreset = "okta"', 2, "preset okta is of kind saml"),
        ("returns = true", 1, "returns is not for connections of kind saml"),
        ('metadata = "../okta.xml"', 1, "the name of an .xml file"),
        ('metadata = "/etc/passwd"', 1, "the name of an .xml file"),
        ('metadata = "okta.toml"', 1, "the name of an .xml file"),
        ('metadata = ".xml"', 1, "the name of an .xml file"),
        ('metadata = "a\\\\b.xml"', 1, "the name of an .xml file"),
        ('metadata = "none.xml"', 1, "there is no none.xml beside this file"),
        ("skew = 1\nskew = 2", 2, "the file is not TOML"),
        ("skew", 1, "the file is not TOML"),
        ("x = " + "[" * 5000, None, "the file is not TOML"),
        ("x = " + "9" * 5000, None, "the file is not TOML"),
        ("skew = 1 # \x00", 1, "the file is not TOML"),
        ("#" * 70000, None, "the file is too large"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_mistake_is_told_with_its_line(place, toml, line, words):
    """Unknown keys, wrong types, ranges and forbidden values are refused where they stand; nothing is loaded."""
    place.connection("okta", toml)
    registry = place.registry()
    (problem,) = registry.problems()
    assert registry.connections() == ()
    assert words in problem.text
    assert problem.file.parent == place.folder / "connections"
    if line:
        assert problem.line == line
        assert str(problem).startswith(f"{place.folder}/connections/okta.toml:{line}: ")


@pytest.mark.parametrize("name", ["Okta", "-okta", "ok_ta", "o" * 64, "ok.ta", "ok ta", "\u043ekta"])
def test_the_name_of_a_file_is_a_name(place, name):
    """A file whose stem could not be part of a URL is refused, and says which characters may be in it."""
    place.connection(name, entity_id="https://okta.test")
    registry = place.registry()
    assert registry.connections() == ()
    assert "lower-case letters" in registry.problems()[0].text
    place.connection("o" * 63, entity_id="https://o.test")
    place.later()
    registry.refresh()
    assert registry.connection("o" * 63)


def test_broken_metadata_names_its_own_file_and_line(place):
    """The problem is told at the XML file and line where it is."""
    place.connection("okta", xml=entity(role(keys="\n\n" + key_descriptor("AAAA"))))
    (problem,) = place.registry().problems()
    assert (problem.file, problem.line) == (place.folder / "connections" / "okta.xml", 3)
    assert problem.reason is Reason.METADATA_INVALID


def test_a_link_does_not_lead_out_of_the_folder(place):
    """K228: the XML may be a link to a neighbour (a mounted ConfigMap), but not to a file elsewhere or a pipe."""
    place.connection("okta")
    folder = place.folder / "connections"
    (folder / "..data").mkdir()
    (folder / "okta.xml").rename(folder / "..data" / "okta.xml")
    (folder / "okta.xml").symlink_to("..data/okta.xml")
    assert place.registry().connection("okta")
    (folder / "okta.xml").unlink()
    place.write("secret.xml", entity())
    (folder / "okta.xml").symlink_to("../secret.xml")
    assert "leads out of the folder" in place.registry().problems()[0].text
    (folder / "okta.xml").unlink()
    (folder / "okta.xml").mkdir()
    assert "not a regular file" in place.registry().problems()[0].text


def test_one_document_may_serve_several_connections(place):
    """`metadata` names another file, `entity_id` selects in it."""
    both = entities(entity(entity_id="https://a.test"), entity(entity_id="https://b.test"))
    place.write("connections/federation.xml", both)
    for name in "ab":
        place.write(f"connections/{name}.toml", f'metadata = "federation.xml"\nentity_id = "https://{name}.test"')
    assert [connection.entity_id for connection in place.registry().connections()] == [
        "https://a.test",
        "https://b.test",
    ]


def test_warnings_are_kept_with_their_file(place):
    """C057: an expired certificate is in force and is told, once, with the file it is in."""
    place.connection("okta", xml=entity(role(keys=key_descriptor(certificate(start=-9, end=-1)))))
    registry = place.registry()
    assert registry.connection("okta")
    assert registry.problems() == ()
    (warning,) = registry.warnings()
    assert warning.file == place.folder / "connections" / "okta.xml"
    assert f"expired on {NOW:%Y-%m}-19" in warning.text
    registry.reload()
    assert place.reported == [warning]
