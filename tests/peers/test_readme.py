"""What the READMEs under metadata/ say is so."""

import re
import tomllib
from pathlib import Path

import pytest

from saml_slo.peers import (
    application_file,
    connection_file,
    federation_file,
    logout_method,
    organisation_file,
    peer_file,
)
from saml_slo.protocol.method import LogoutMethod, Method
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection, NameIdKind, ServiceProvider
from saml_slo.protocol.policy import Organisation, Propagation
from saml_slo.protocol.upstream import Upstream

METADATA = Path(__file__).parents[2] / "metadata"


def example(readme):
    """The TOML of a README."""
    return re.search(r"```toml\n(.*?)```", readme, re.DOTALL)[1]


def documented(readme):
    """Key and default of each row of a README's table."""
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", readme, re.MULTILINE))


def test_the_examples_load(place):
    """The examples, copied from the READMEs, are in force without a problem."""
    connection = example((METADATA / "connections" / "README.md").read_text(encoding="utf-8"))
    application = example((METADATA / "applications" / "README.md").read_text(encoding="utf-8"))
    place.connection("example", connection)
    (place.folder / "connections" / "example.xml").rename(place.folder / "connections" / "example-2026.xml")
    place.application("shop", application, entity_id="https://shop.example.com")
    (place.folder / "applications" / "shop.xml").rename(place.folder / "applications" / "shop-2026.xml")
    organisation = example((METADATA / "organisations" / "README.md").read_text(encoding="utf-8"))
    place.organisation("example", organisation)
    registry = place.registry()
    assert registry.problems() == ()
    assert registry.organisation("example").propagation is Propagation.SAME_ORGANISATION
    assert registry.application("shop").logout.kind is Method.WEBHOOK
    assert registry.connection("example").logout_url == tomllib.loads(connection)["logout_url"]
    provider = registry.service_provider("shop")
    assert (provider.name_id, provider.logout_binding) == (NameIdKind.TRANSIENT, Binding.SOAP)
    assert registry.return_urls("shop").default() == "https://shop.example.com/signed-out"


def test_the_examples_of_other_providers_load(place):
    """Every further example of a connection is in force without a problem, with metadata where it speaks SAML."""
    readme = (METADATA / "connections" / "README.md").read_text(encoding="utf-8")
    _, okta, auth0, vendor = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    place.connection("okta", okta)
    place.write("connections/auth0.toml", auth0)
    place.write("connections/vendor.toml", vendor)
    registry = place.registry()
    assert registry.problems() == ()
    assert registry.connection("okta").unsigned_logout_response
    assert [upstream.name for upstream in registry.upstreams()] == ["auth0", "vendor"]


@pytest.mark.parametrize(
    ("folder", "keys", "records"),
    [
        ("connections", {*connection_file.KEYS}, (Connection, Upstream)),
        (
            "applications",
            {*application_file.KEYS, *logout_method.KEYS, *peer_file.READING, *application_file.FIELDS},
            (ServiceProvider, LogoutMethod),
        ),
        ("organisations", {*organisation_file.FIELDS}, (Organisation,)),
        ("federations", {*federation_file.KEYS}, ()),
    ],
)
def test_every_key_is_documented_with_its_default(folder, keys, records):
    """The table has exactly the keys that are read, and a default that is a value is the record's own."""
    table = documented((METADATA / folder / "README.md").read_text(encoding="utf-8"))
    assert set(table) == keys
    defaults = {name: field.default for record in records for name, field in record.__dataclass_fields__.items()}
    for key, text in table.items():
        if re.fullmatch(r"`(true|false|[0-9]+)`", text):
            assert text.strip("`") == str(defaults.get(key, False)).lower(), key
