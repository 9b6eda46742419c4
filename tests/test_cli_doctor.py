"""`saml-slo doctor`: what it prints, where, and with which exit code."""

import json

import pytest
from click.testing import CliRunner

from saml_slo.cli import main
from tests import idp
from tests.running import descriptor, write_certs, write_connection


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in a folder with one connection and our keys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLO_PUBLIC_URL", raising=False)
    write_connection(tmp_path / "metadata", "idp", "", descriptor(idp.ENTITY_ID))
    write_certs(tmp_path / "certs")

    def invoke(*arguments, given=None, **settings):
        chosen = {"SLO_PUBLIC_URL": "https://bridge.example", **settings}
        return CliRunner().invoke(main, ["doctor", *arguments], input=given, env=chosen, catch_exceptions=False)

    return invoke


def test_it_says_what_is_wrong_and_what_to_do(run, tmp_path):
    """Findings stand under their subject, with code, place and next step; what is in order only with --all."""
    write_connection(tmp_path / "metadata", "idp", "insecure_sha1 = true\n", descriptor(idp.ENTITY_ID))
    told = run()
    assert told.exit_code == 0
    for words in ("connection idp\n", "[switch.insecure]", "idp.toml:1", "setting:  insecure_sha1", "next:"):
        assert words in told.stdout
    assert "[certificate.ok]" not in told.stdout
    assert "[certificate.ok]" in run("--all").stdout


def test_an_error_is_code_1_and_json_has_every_finding(run, tmp_path):
    """--json is one document; a key that is missing is an error."""
    (tmp_path / "certs" / "secret.key").unlink()
    told = run("--json")
    assert told.exit_code == 1
    document = json.loads(told.stdout)
    assert document["ok"] is False
    (missing,) = [finding for finding in document["findings"] if finding["code"] == "keys.missing"]
    assert missing["severity"] == "error"
    assert {"expected", "found", "file", "line", "setting", "next_step", "subject", "text"} <= missing.keys()


def test_a_setting_that_cannot_be_used_is_a_finding(run):
    """Without settings nothing else is examined, and that is said in the same form."""
    told = run("--json", SLO_PUBLIC_URL="nonsense")
    assert told.exit_code == 1
    assert [finding["code"] for finding in json.loads(told.stdout)["findings"]] == ["settings.wrong"]


def test_passwords_stay_out(run):
    """The address of Redis is shown without its password."""
    told = run("--all", SLO_REDIS_URL="redis://:s3cr3t@127.0.0.1:1/0")
    assert told.exit_code == 1
    assert "[redis.unavailable]" in told.stdout
    assert "s3cr3t" not in told.output


def test_a_vendors_error_is_explained(run):
    """--error takes a text or standard input, says where to change what, and needs no settings."""
    text = "AADSTS75005: The request is not a valid Saml2 protocol message."
    for arguments, given in (((text,), None), (("-",), text)):
        told = run("--error", *arguments, given=given, SLO_PUBLIC_URL="nonsense")
        assert told.exit_code == 0
        assert told.stdout.startswith("AADSTS75005  Microsoft Entra ID\n")
        assert "here:" in told.stdout
    found = json.loads(run("--json", "--error", text).stdout)
    assert [error["code"] for error in found["errors"]] == ["AADSTS75005"]


def test_an_unknown_error_is_code_1(run):
    """Where nothing is known, the next command is named."""
    told = run("--error", "the moon is full")
    assert told.exit_code == 1
    assert "inspect" in told.stdout
