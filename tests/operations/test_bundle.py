"""`saml-slo export` and `saml-slo import`: without secrets, whole or not at all."""

import json

import pytest
from click.testing import CliRunner

from saml_slo.cli import main
from tests import idp
from tests.api.calling import application, secret
from tests.operations.conftest import Told
from tests.running import descriptor, write_connection
from tests.sp import Sp

ONE = Sp("one", "idp-next")
COMMENTED = '# ours since 2024\ndisplay_name = "Example" # shown\n'


def command(folder):
    """Return what runs a command in a folder."""

    def run(*arguments, given=None):
        environment = {
            "SLO_PUBLIC_URL": "https://bridge.example",
            "SLO_METADATA_DIR": str(folder / "metadata"),
            "SLO_DATA_DIR": str(folder / "var"),
        }
        return Told(CliRunner().invoke(main, arguments, input=given, env=environment, catch_exceptions=False))

    return run


def files(folder):
    """Every file under metadata/ with its content."""
    root = folder / "metadata"
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def here(tmp_path):
    """An installation with a connection, two applications and an organisation."""
    folder = tmp_path / "here"
    write_connection(folder / "metadata", "idp", COMMENTED, descriptor(idp.ENTITY_ID))
    applications = folder / "metadata" / "applications"
    applications.mkdir()
    for name, text in ONE.files().items():
        (applications / name).write_text(text)
    (applications / "shop.toml").write_text(application("shop"))
    (folder / "metadata" / "organisations").mkdir()
    (folder / "metadata" / "organisations" / "acme.toml").write_text("")
    return folder


@pytest.fixture
def there(tmp_path):
    """Another one, with nothing in it."""
    (tmp_path / "there" / "metadata").mkdir(parents=True)
    return tmp_path / "there"


def test_what_is_exported_is_imported_as_it_was_less_the_secrets(here, there):
    """Comments stay; digests of API secrets are left out, and that is said with code 3."""
    told = command(here)("export")
    assert told.code == 3
    assert "api_secrets" in told.err
    assert "api_secrets = " not in told.out
    done = command(there)("import", "-", "--yes", "--json", given=told.out)
    assert done.code == 0
    assert done.json["imported"] is True
    before, after = files(here), files(there)
    assert before.keys() == after.keys()
    assert after["connections/idp.toml"] == COMMENTED
    assert {name for name in before if before[name] != after[name]} == {"applications/shop.toml"}


def test_a_dry_run_writes_nothing_and_a_second_import_is_nothing_new(here, there):
    """The same bundle again: every file is the same."""
    command(here)("export", "--output", str(there / "bundle.json"))
    bundle = str(there / "bundle.json")
    assert command(there)("import", bundle, "--dry-run").code == 0
    assert files(there) == {}
    assert command(there)("import", "bundle", bundle, given="n\n").code == 1
    assert command(there)("import", bundle, "--yes").code == 0
    again = command(there)("import", bundle, "--yes", "--json").json
    assert (again["imported"], again["new"], len(again["same"])) == (False, [], 6)


def test_what_says_something_else_is_replaced_only_when_told_and_keeps_its_secrets(here):
    """A file that differs refuses the whole; --replace takes the bundle's, with the API secrets that are here."""
    run = command(here)
    bundle = run("export").out
    shop = here / "metadata" / "applications" / "shop.toml"
    shop.write_text(shop.read_text() + 'display_name = "Changed"\n')
    refused = run("import", "-", "--yes", given=bundle)
    assert refused.code == 1
    assert "applications/shop.toml" in refused.err
    assert "Changed" in shop.read_text()
    assert run("import", "-", "--yes", "--replace", given=bundle).code == 0
    assert "Changed" not in shop.read_text()
    assert "api_secrets" in shop.read_text()
    assert run("application", "show", "shop").code == 0
    assert secret("shop") not in bundle


def test_one_file_that_the_registry_would_refuse_refuses_everything(here, there):
    """Nothing is written, and the file and line are named."""
    document = json.loads(command(here)("export").out)
    document["files"]["connections/idp.toml"]["text"] = "skw = 5\n"
    told = command(there)("import", "-", "--yes", "--json", given=json.dumps(document))
    assert told.code == 1
    assert "connections/idp.toml:1" in told.json["refusals"][0]
    assert files(there) == {}


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        "[]",
        '{"format": "other", "files": {}}',
        '{"format": "saml_slo/1", "files": {"../../etc/cron.d/x.toml": {"text": ""}}}',
        '{"format": "saml_slo/1", "files": {"connections/.hidden.toml": {"text": ""}}}',
        '{"format": "saml_slo/1", "files": {"connections/a.sh": {"text": ""}}}',
        '{"format": "saml_slo/1", "files": {"connections/a.toml": {"base64": "!"}}}',
        '{"format": "saml_slo/1", "files": {"connections/a.toml": {"base64": "é"}}}',
        '{"format": "saml_slo/1", "files": {"connections/a.toml": {"text": "\\ud800"}}}',
        '{"format": "saml_slo/1", "files": {"connections/a.pem": {"text": "-----BEGIN PRIVATE KEY-----"}}}',
    ],
)
def test_what_is_no_bundle_is_refused(there, document):
    """Names lead nowhere else, contents are what they say, and no private key comes in."""
    told = command(there)("import", "-", "--yes", given=document)
    assert told.code == 1
    assert files(there) == {}
    assert sorted(path.name for path in there.iterdir()) == ["metadata"]


def test_private_keys_and_broken_files_stay_here(here):
    """What might hold a secret is left out with a sentence."""
    folder = here / "metadata" / "connections"
    (folder / "key.pem").write_text("-----BEGIN RSA PRIVATE KEY-----\nabc\n")
    (folder / "broken.toml").write_text('api_secrets = "')
    told = command(here)("export")
    assert told.code == 3
    document = json.loads(told.out)
    assert {"connections/key.pem", "connections/broken.toml"}.isdisjoint(document["files"])
    assert len(document["left_out"]) == 3


def test_what_is_at_a_url_is_left_to_the_server_offline(there):
    """--offline takes the address over without asking; the server will."""
    text = 'metadata_url = "https://idp.example.com/metadata"\n'
    document = {"format": "saml_slo/1", "files": {"connections/far.toml": {"text": text}}}
    told = command(there)("import", "-", "--yes", "--offline", "--json", given=json.dumps(document))
    assert told.code == 0
    assert any("not here yet" in warning for warning in told.json["warnings"])
    assert files(there) == {"connections/far.toml": text}
