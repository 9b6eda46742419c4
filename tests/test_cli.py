"""The `saml-slo` command: what it prints, where, and with which exit code."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from saml_slo import __version__
from saml_slo.cli import main
from saml_slo.demo.switches import POSITIONS
from tests import idp
from tests.running import descriptor, write_connection

URL = {"SLO_PUBLIC_URL": "https://slo.example"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in a folder of its own, with these settings and no others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLO_PUBLIC_URL", raising=False)
    (tmp_path / "metadata").mkdir()

    def invoke(*arguments, **settings):
        return CliRunner().invoke(main, arguments, env=settings, catch_exceptions=False)

    return invoke


def test_it_tells_its_version_and_its_commands(run):
    """--version and --help answer on standard output with code 0; every command has a line."""
    assert run("--version").stdout == f"saml-slo, version {__version__}\n"
    told = run("--help")
    assert told.exit_code == 0
    for command in ("serve", "demo", "check", "coverage", "keys", "secret"):
        assert f"\n  {command} " in told.stdout


def test_wrong_usage_is_code_2(run):
    """An unknown command, option or position of a switch is a usage error."""
    for arguments in (("nonsense",), ("serve", "--nonsense"), ("demo", "--answer", "perhaps"), ("demo", "--port", "0")):
        assert run(*arguments).exit_code == 2


def test_every_switch_is_an_option(run):
    """`demo --help` offers each switch with its positions."""
    told = run("demo", "--help").stdout
    for name, words in POSITIONS.items():
        assert f"--{name.replace('_', '-')} [{'|'.join(words)}]" in told


@pytest.mark.parametrize("command", ["serve", "check", "coverage", "keys"])
def test_a_missing_setting_is_told_in_one_block(run, command):
    """Standard error says what is wrong, which setting it is and what to do; standard output stays empty; code 1."""
    told = run(command)
    assert told.exit_code == 1
    assert told.stdout == ""
    lines = told.stderr.splitlines()
    assert lines[0].startswith("error: the setting public_url is missing")
    assert any(line.startswith("  setting:") and "SLO_PUBLIC_URL" in line for line in lines)
    assert any(line.startswith("  next:") for line in lines)


def test_a_broken_settings_file_is_named(run, tmp_path):
    """The error begins with the file."""
    (tmp_path / "saml_slo.toml").write_text("public_url = ")
    told = run("check")
    assert told.exit_code == 1
    assert "saml_slo.toml" in told.stderr.splitlines()[0]


def test_brackets_in_an_error_are_words(run, tmp_path):
    """What an operator wrote is shown as it is, whatever the terminal library takes brackets for."""
    (tmp_path / "saml_slo.toml").write_text('public_url = "[bold]https://[/bold]"')
    assert "[bold]https://[/bold]" in run("check").stderr


def test_keys_are_made_once(run, tmp_path):
    """The first call makes every file and names it, the second one says that there is nothing to make."""
    first = run("keys", "--json", **URL)
    assert first.exit_code == 0
    made = json.loads(first.stdout)["made"]
    assert sorted(made) == sorted(path.name for path in (tmp_path / "certs").iterdir() if not path.name.startswith("."))
    assert run("keys", **URL).stdout.startswith("Nothing to make")


def test_check_passes_a_good_installation(run, tmp_path):
    """With a connection, keys and a Redis to embed there is no problem, and the code is 0."""
    write_connection(tmp_path / "metadata", "idp", "", descriptor(idp.ENTITY_ID))
    run("keys", **URL)
    told = run("check", "--json", **URL, SLO_ALLOWED_LOGOUT_URLS="https://app.example/")
    assert told.exit_code == 0
    found = json.loads(told.stdout)
    assert found["ok"] is True
    assert {finding["part"]: finding["kind"] for finding in found["findings"]} == {
        "keys": "ok",
        "metadata": "ok",
        "return URLs": "ok",
        "back channel": "ok",
        "redis": "ok",
    }


def test_check_lists_everybody(run, tmp_path):
    """Organisations and applications that are in force have a line; without a SAML connection that is a warning."""
    for name in ("organisations/acme", "applications/shop"):
        path = tmp_path / "metadata" / f"{name}.toml"
        path.parent.mkdir()
        path.write_text("")
    told = run("check", **URL)
    assert told.exit_code == 0
    for line in ("organisations: acme", "applications: shop", "no connection is in force"):
        assert line in told.stdout


def test_check_names_file_and_line_of_a_problem(run, tmp_path):
    """A connection with a typing error is one line `file:line: …`, the others are told too, and the code is 1."""
    write_connection(tmp_path / "metadata", "good", "", descriptor(idp.ENTITY_ID))
    write_connection(tmp_path / "metadata", "bad", 'display_name = "Bad"\nskw = 5\n', descriptor("https://b.example"))
    told = run("check", **URL)
    assert told.exit_code == 1
    (line,) = [line for line in told.stdout.splitlines() if line.startswith("problem")]
    assert "metadata/connections/bad.toml:2: " in line
    assert "connections in force: good" in told.stdout


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"SLO_REDIS_URL": "unix:///nobody/here.sock"}, "redis"),
        ({"SLO_BACK_CHANNEL_ALLOW": "10.0.0.0/99"}, "back channel"),
        ({"SLO_REDIS_URL": "http://127.0.0.1"}, "redis"),
        ({"SLO_ALLOWED_LOGOUT_URLS": "app.example"}, "return URLs"),
    ],
)
def test_check_finds_what_a_start_would_trip_over(run, settings, part):
    """Each part that is wrong is a problem of its own, and the rest is looked at all the same."""
    told = run("check", "--json", **URL, **settings)
    assert told.exit_code == 1
    findings = json.loads(told.stdout)["findings"]
    assert [finding["part"] for finding in findings if finding["kind"] == "problem"] == [part]
    assert {finding["part"] for finding in findings} == {"keys", "metadata", "return URLs", "back channel", "redis"}


def test_check_keeps_passwords_to_itself(run):
    """The address of Redis is shown without its password, also when it does not answer."""
    told = run("check", **URL, SLO_REDIS_URL="redis://:s3cr3t@127.0.0.1:1/0")
    assert told.exit_code == 1
    assert "s3cr3t" not in told.output


def test_a_damaged_key_is_a_problem(run, tmp_path):
    """A key file that cannot be read as one is named."""
    run("keys", **URL)
    (tmp_path / "certs" / "signing.key").write_text("nonsense")
    told = run("check", **URL)
    assert told.exit_code == 1
    assert "signing.key" in told.stdout


def test_it_runs_as_a_module_too():
    """`python -m saml_slo` is the same command."""
    done = subprocess.run([sys.executable, "-m", "saml_slo", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"saml-slo, version {__version__}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(shell, tmp_path):
    """Each shell gets a script, and what it asks for is answered with the commands and options that there are."""
    program = [sys.executable, "-c", "from saml_slo.cli import main; main(prog_name='saml-slo')"]

    def ask(**environment):
        given = {"PATH": "/usr/bin:/bin", **environment}
        done = subprocess.run(program, capture_output=True, text=True, check=False, env=given, cwd=tmp_path)
        return done.stdout

    # The script for bash asks which bash it is for, so that is left to the shell.
    if shell != "bash":
        assert "_SAML_SLO_COMPLETE" in ask(_SAML_SLO_COMPLETE=f"{shell}_source")
    answer = ask(
        _SAML_SLO_COMPLETE=f"{shell}_complete",
        COMP_WORDS="saml-slo conn",
        COMP_CWORD="conn" if shell == "fish" else "1",
    )
    assert "connection" in answer
