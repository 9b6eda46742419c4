"""`saml-slo inspect`: from a pasted capture to the sentence that says what to do."""

import json

import pytest
from click.testing import CliRunner

from saml_slo.cli import main
from tests import idp
from tests.running import descriptor, write_certs, write_connection

AT = ("--at", idp.instant())


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in a folder with one connection and our keys."""
    monkeypatch.chdir(tmp_path)
    write_connection(tmp_path / "metadata", "idp", "", descriptor(idp.ENTITY_ID))
    write_certs(tmp_path / "certs")

    def invoke(*arguments, given=None):
        settings = {"SLO_PUBLIC_URL": "https://bridge.example"}
        return CliRunner().invoke(main, ["inspect", *arguments], input=given, env=settings, catch_exceptions=False)

    return invoke


def _form(**how):
    return idp.post(idp.logout_request(**how)).body


def test_a_good_message_is_code_0(run, tmp_path):
    """From standard input, a file or the command line: what it is, whose key made it, and that we would take it."""
    (tmp_path / "capture.txt").write_bytes(_form())
    url = f"{idp.SLO}?{idp.query(idp.logout_request(signed=False))}"
    for arguments, given in ((("-",), _form()), ((), _form()), (("capture.txt",), None), ((url,), None)):
        told = run(*AT, *arguments, given=given)
        assert told.exit_code == 0, told.output
        assert "LogoutRequest" in told.stdout
        assert "would be accepted" in told.stdout
        assert "good: key 1 of 1" in told.stdout
        assert "alice@corp.test" not in told.stdout
    assert "alice@corp.test" in run(*AT, "--reveal", given=_form()).stdout


def test_a_refused_message_is_code_1_and_says_why(run):
    """Reason word, expected, got, setting and next step stand under the check that failed."""
    told = run(*AT, given=_form(destination="https://old.example/saml/sp/idp/slo"))
    assert told.exit_code == 1
    lines = [line.strip() for line in told.stdout.splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("failed"))
    assert "destination_is_here" in lines[start]
    assert [line.split(":")[0] for line in lines[start + 1 : start + 6]] == [
        "why",
        "expected",
        "got",
        "setting",
        "next",
    ]
    assert "(destination_mismatch)" in lines[start + 1]
    assert lines[start + 6].startswith("not reached")


def test_json_is_one_document(run):
    """--json has a report for each message, with every step."""
    told = run(*AT, "--json", given=_form(signed=False))
    assert told.exit_code == 1
    document = json.loads(told.stdout)
    assert document["ok"] is False
    (report,) = document["messages"]
    assert (report["kind"], report["verdict"]) == ("LogoutRequest", "refused")
    assert [step["name"] for step in report["steps"] if step["state"] == "failed"] == ["root_must_be_signed"]


def test_what_cannot_be_used_is_told(run):
    """No message, no such file, no such peer: one block on standard error, code 1; a time that is none: code 2."""
    for arguments, given in (((), "hello"), (("nothing.txt",), None), (("--peer", "nobody"), _form())):
        told = run(*arguments, given=given)
        assert told.exit_code == 1
        assert told.stderr.startswith("error: ")
        assert "next:" in told.stderr
    assert run("--at", "yesterday", given=_form()).exit_code == 2


def test_it_works_without_keys(run, tmp_path):
    """Where our key files are missing, that is a note, and the message is judged all the same."""
    for file in (tmp_path / "certs").iterdir():
        file.unlink()
    told = run(*AT, given=_form())
    assert told.exit_code == 0
    assert "our keys cannot be read" in told.stderr
