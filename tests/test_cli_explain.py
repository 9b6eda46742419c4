"""`saml-slo explain`: from a name on the command line to the conditions and the plan."""

import json

import pytest
from click.testing import CliRunner

from saml_slo import house
from saml_slo.cli import main
from tests.running import ORIGIN, running_bridge
from tests.sp import Sp

SHOP = Sp("shop", "p256")


@pytest.fixture
def run(tmp_path, redis_url, monkeypatch):
    """A running bridge in which alice is signed in, and the command at the same Redis and clock."""
    with running_bridge(tmp_path, redis_url, sps=(SHOP,)) as bridge:
        SHOP.sign_in(bridge, bridge.browser())
        monkeypatch.setattr(house, "utc_now", bridge.clock)
        settings = {
            "SLO_PUBLIC_URL": ORIGIN,
            "SLO_METADATA_DIR": str(bridge.settings.metadata_dir),
            "SLO_CERTS_DIR": str(bridge.settings.certs_dir),
            "SLO_REDIS_URL": redis_url,
        }

        def invoke(*arguments):
            return CliRunner().invoke(main, ["explain", *arguments], env=settings, catch_exceptions=False)

        yield invoke


def test_a_person_by_the_name_at_the_provider(run):
    """Found with --connection and without; each condition is a line with what it should be, then the plan."""
    for arguments in (("--connection", "idp"), ()):
        told = run("--user", "alice@corp.test", *arguments)
        assert told.exit_code == 0, told.output
        for words in (
            "session 1\n",
            "connection idp\n",
            "policy federated",
            "should be",
            "1. ",
            "(metadata, session_index)",
        ):
            assert words in told.stdout, words
        assert "alice" not in told.stdout


def test_what_does_not_hold_is_code_1(run):
    """Without a browser nobody of these can be asked; a person without a session is told where was looked."""
    told = run("--user", "alice@corp.test", "--connection", "idp", "--no-browser", "--json")
    assert told.exit_code == 1
    (explanation,) = json.loads(told.stdout)["explanations"]
    failing = {(one["about"], one["name"]) for one in explanation["conditions"] if one["state"] == "fails"}
    assert failing == {("connection idp", "binding"), ("application shop", "binding")}
    assert {step["state"] for step in explanation["plan"]} == {"confirmed", "unreachable"}
    nobody = run("--user", "bob@corp.test")
    assert nobody.exit_code == 1
    assert "at connection idp" in nobody.stdout


def test_peers_alone(run):
    """A connection and an application are explained without a person."""
    assert run("--connection", "idp").exit_code == 0
    assert run("--application", "shop").exit_code == 0
    for arguments in (("--connection", "nobody"), ("--application", "nobody")):
        told = run(*arguments)
        assert told.exit_code == 1
        assert told.stderr.startswith("error: there is no such")


def test_wrong_usage_is_code_2(run):
    """Somebody or something has to be named."""
    assert run().exit_code == 2
    assert run("--connection", "idp", "--application", "shop").exit_code == 2
