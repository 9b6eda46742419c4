"""`saml-slo coverage` and `saml-slo secret`: who hears of a logout, and with which secrets (product A4, O3)."""

import base64
import hashlib
import json
import re

import pytest
from click.testing import CliRunner

from saml_slo.certs import load_secret
from saml_slo.cli import main
from tests import idp
from tests.running import descriptor, write_connection
from tests.wire.sp_metadata import consumer, sp_entity, sp_role

URL = {"SLO_PUBLIC_URL": "https://slo.example"}
DIGESTS = ("a" * 64, "b" * 64)
BLIND = sp_entity(sp_role(endpoints=consumer()), entity_id="https://blind.example")
TELLING = 'logout = "webhook"\nlogout_uri = "https://shop.example/notice"\n'


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in a folder of its own, with these settings and no others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metadata" / "applications").mkdir(parents=True)

    def invoke(*arguments):
        return CliRunner().invoke(main, arguments, env=URL, catch_exceptions=False)

    return invoke


@pytest.fixture
def write(tmp_path):
    """Write an application's file, with metadata where some is given."""

    def application(client_id, toml, xml=None):
        folder = tmp_path / "metadata" / "applications"
        (folder / f"{client_id}.toml").write_text(toml, encoding="utf-8")
        if xml is not None:
            (folder / f"{client_id}.xml").write_text(xml, encoding="utf-8")

    return application


# Coverage ----------------------------------------------------------------------------------------------------------


def test_nobody_blind_is_code_0(run, write, tmp_path):
    """Applications and identity providers are listed, one row each; who takes no part is no complaint."""
    write("links", 'allowed_logout_urls = "https://links.example/"')
    write("shop", f'display_name = "Shop"\napi_secrets = ["{DIGESTS[0]}"]\n{TELLING}')
    write_connection(tmp_path / "metadata", "idp", "", descriptor(idp.ENTITY_ID))
    told = run("coverage", "--json")
    assert told.exit_code == 0
    found = json.loads(told.stdout)
    assert (found["ok"], found["problems"]) == (True, [])
    assert [(row["client_id"], row["method"], row["state"]) for row in found["applications"]] == [
        ("links", "none", "takes_no_part"),
        ("shop", "webhook", "covered"),
    ]
    assert found["applications"][1]["where"] == "https://shop.example/notice"
    assert [row["name"] for row in found["providers"]] == ["idp"]
    table = run("coverage")
    assert table.exit_code == 0
    for words in ("shop (Shop)", "webhook", "takes_no_part", "idp", "2 of 2 applications need no attention."):
        assert words in table.stdout


def test_who_is_blind_is_code_1(run, write):
    """The blind one, and one whose waiver is over, are named; both have their own state."""
    write("blind", "", BLIND)
    write("late", f'api_secrets = ["{DIGESTS[0]}"]\nlogout = "none"\nwaived_until = 2020-01-01\nwaiver = "Soon."\n')
    told = run("coverage", "--json")
    assert told.exit_code == 1
    rows = {row["client_id"]: row for row in json.loads(told.stdout)["applications"]}
    assert rows["blind"]["state"] == "blind"
    assert (rows["late"]["state"], rows["late"]["until"]) == ("waiver_over", "2020-01-01")
    assert rows["late"]["sentence"] == "It was not to be told until 2020-01-01: Soon."
    table = run("coverage")
    assert table.exit_code == 1
    assert "These cannot be told of a logout: blind, late." in table.stdout


def test_a_file_that_is_not_in_force_is_code_1(run, write):
    """A report that may lack somebody says so."""
    write("shop", f'api_secrets = ["{DIGESTS[0]}"]\n')
    told = run("coverage")
    assert told.exit_code == 1
    assert "shop.toml:1: this application could have sessions" in told.stdout
    assert json.loads(run("coverage", "--json").stdout)["ok"] is False


# Secrets -----------------------------------------------------------------------------------------------------------


def test_an_api_secret_fits_its_line(run, write, tmp_path):
    """The token is the client_id and 43 characters, the line its digest; the line makes a file that loads."""
    told = run("secret", "api", "Shop.v2", "--json")
    assert told.exit_code == 0
    found = json.loads(told.stdout)
    client_id, _, secret = found["token"].rpartition(".")
    assert client_id == found["client_id"] == "Shop.v2"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret)
    assert found["api_secrets"] == [hashlib.sha256(secret.encode()).hexdigest()]
    assert json.loads(run("secret", "api", "Shop.v2", "--json").stdout)["token"] != found["token"]
    assert list((tmp_path / "metadata" / "applications").iterdir()) == []
    words = run("secret", "api", "Shop.v2")
    (line,) = re.findall(r"^  (api_secrets = .*)$", words.stdout, re.MULTILINE)
    (token,) = re.findall(r"^  (Shop\.v2\..{43})$", words.stdout, re.MULTILINE)
    assert hashlib.sha256(token.rpartition(".")[2].encode()).hexdigest() in line
    assert "note: there is no metadata/applications/Shop.v2.toml yet" in words.stderr
    write("Shop.v2", f"{line}\n{TELLING}")
    assert run("coverage").exit_code == 0


def test_rolling_keeps_the_secret_in_use(run, write):
    """The first digest of the file stays as the second one; the one that was being rolled out goes."""
    write("shop", f"api_secrets = {json.dumps(DIGESTS)}\n{TELLING}")
    told = run("secret", "api", "shop", "--json")
    fresh, kept = json.loads(told.stdout)["api_secrets"]
    assert kept == DIGESTS[0]
    assert fresh not in DIGESTS
    assert told.stderr == ""
    assert "Remove the second digest" in run("secret", "api", "shop").stdout


def test_a_webhook_secret_is_that_which_signs(run, write, tmp_path):
    """The generation is the file's unless another one is named; a receiver decodes 32 octets behind whsec_."""
    run("keys")
    write("shop", f"webhook_generation = 3\n{TELLING}")
    derived = load_secret(tmp_path / "certs")
    told = run("secret", "webhook", "shop")
    assert told.exit_code == 0
    prefix, _, text = told.stdout.strip().partition("_")
    assert (prefix, base64.b64decode(text, validate=True)) == ("whsec", derived.webhook("shop", 3))
    other = json.loads(run("secret", "webhook", "shop", "--generation", "4", "--json").stdout)
    assert (other["client_id"], other["generation"]) == ("shop", 4)
    assert base64.b64decode(other["secret"].removeprefix("whsec_")) == derived.webhook("shop", 4)
    assert json.loads(run("secret", "webhook", "new", "--json").stdout)["generation"] == 1


@pytest.mark.parametrize("command", ["api", "webhook"])
def test_who_cannot_have_a_secret_is_told(run, write, command):
    """A name that nobody can have, and a file that is broken: nothing is printed on standard output."""
    told = run("secret", command, "../shop")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "this cannot be a client_id" in told.stderr
    write("shop", "broken")
    told = run("secret", command, "shop")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "metadata/applications/shop.toml: this application is not in force" in told.stderr
    assert run("secret", command).exit_code == 2
    assert run("secret", "webhook", "shop", "--generation", "0").exit_code == 2


def test_without_keys_there_is_no_webhook_secret(run):
    """The missing file is named and what makes it, and none is made in passing."""
    told = run("secret", "webhook", "shop")
    assert told.exit_code == 1
    assert "certs/secret.key" in told.stderr
    assert "`saml-slo keys` makes it" in told.stderr
