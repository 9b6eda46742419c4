"""What the READMEs under metadata/ say is so."""

import re
import tomllib
from pathlib import Path

import pytest

from saml_slo.peers import application_file, connection_file, logout_method, organisation_file, peer_file
from saml_slo.protocol.method import LogoutMethod, Method
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection, NameIdKind, ServiceProvider
from saml_slo.protocol.policy import Organisation, Propagation

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


@pytest.mark.parametrize(
    ("folder", "keys", "records"),
    [
        ("connections", {*peer_file.READING, *connection_file.FIELDS}, (Connection,)),
        (
            "applications",
            {*application_file.KEYS, *logout_method.KEYS, *peer_file.READING, *application_file.FIELDS},
            (ServiceProvider, LogoutMethod),
        ),
        ("organisations", {*organisation_file.FIELDS}, (Organisation,)),
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
