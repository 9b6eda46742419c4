"""`saml-slo keys`: a rollover in steps, each with its earliest date, and never a moment without a usable key."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from saml_slo.certs import ensure_keys, load_keys
from saml_slo.cli import main
from saml_slo.errors import ConfigurationError
from saml_slo.operations import rollover
from saml_slo.operations.rollover import PUBLISHED_FOR, UNDER_WAY, Stage, Step
from saml_slo.web import published
from saml_slo.wire.keys import self_signed
from tests.keys import pair

NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path):
    """A folder with keys as the first start makes them."""
    certs = tmp_path / "certs"
    ensure_keys(certs, "bridge.example")
    return certs


def take(folder, step, *, after=timedelta(0), **how):
    """Take a step some time from now."""
    return rollover.take(folder, step, common_name="bridge.example", now=datetime.now(UTC) + after, **how)


def test_peers_have_the_time_for_which_our_metadata_is_valid():
    """What a peer may still have is what was given out before: for as long as its validUntil says."""
    assert timedelta(days=published._VALID_DAYS) == PUBLISHED_FOR


def test_a_rollover_from_beginning_to_end(folder):
    """S7: published before it signs, the old one published and decrypting afterwards, then gone."""
    old = load_keys(folder)
    assert (rollover.look(folder).stage, rollover.look(folder).earliest) == (Stage.STEADY, None)
    take(folder, Step.NEXT)
    prepared = load_keys(folder)
    assert prepared.signing.certificate == old.signing.certificate
    new = prepared.published_signing[1]
    assert len(prepared.decryption.keys) == 2
    assert prepared.published_encryption != old.published_encryption
    with pytest.raises(ConfigurationError, match="too early"):
        take(folder, Step.SWITCH, after=PUBLISHED_FOR - timedelta(minutes=1))
    take(folder, Step.SWITCH, after=PUBLISHED_FOR + timedelta(minutes=1))
    switched = load_keys(folder)
    assert switched.signing.certificate == new
    assert switched.published_signing == (new, old.signing.certificate)
    with pytest.raises(ConfigurationError, match="too early"):
        take(folder, Step.FINISH, after=UNDER_WAY)
    take(folder, Step.FINISH, after=PUBLISHED_FOR + timedelta(minutes=1))
    done = load_keys(folder)
    assert done.published_signing == (new,)
    assert len(done.decryption.keys) == 1
    assert rollover.look(folder).stage is Stage.STEADY
    keys = [path for path in folder.iterdir() if path.suffix == ".key"]
    assert sorted(path.name for path in keys) == ["encryption.key", "secret.key", "signing.key"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in keys)


@pytest.mark.parametrize("step", [Step.SWITCH, Step.FINISH])
def test_a_step_that_is_not_the_next_is_refused(folder, step):
    """The error says which one is."""
    with pytest.raises(ConfigurationError, match="saml-slo keys next"):
        take(folder, step, force=True)


def test_force_does_it_early(folder):
    """For who knows that every peer has the metadata."""
    take(folder, Step.NEXT)
    take(folder, Step.SWITCH, force=True)
    take(folder, Step.FINISH, force=True)
    assert rollover.look(folder).stage is Stage.STEADY


def test_a_switch_that_was_cut_off_is_completed(folder):
    """After the key and before the certificate: repeated, it loses neither the new pair nor the old one."""
    old = load_keys(folder)
    take(folder, Step.NEXT)
    new = load_keys(folder).published_signing[1]
    (folder / "signing-old.key").write_bytes((folder / "signing.key").read_bytes())
    (folder / "signing-old.crt").write_bytes((folder / "signing.crt").read_bytes())
    (folder / "signing.key").write_bytes((folder / "signing-next.key").read_bytes())
    take(folder, Step.SWITCH, force=True)
    assert load_keys(folder).published_signing == (new, old.signing.certificate)


def test_a_certificate_without_its_key_cannot_be_switched_to(folder):
    """An operator may publish a certificate alone; to sign, its key has to come."""
    (folder / "signing-next.crt").write_bytes(pair("idp-next").certificate_pem)
    with pytest.raises(ConfigurationError, match=r"the key of signing-next\.crt is not here"):
        take(folder, Step.SWITCH, force=True)


def test_an_elliptic_key_is_followed_by_one(folder):
    """A new key is of the family of the one before."""
    (folder / "signing.key").write_bytes(pair("p256").key_pem)
    (folder / "signing.crt").write_bytes(self_signed(pair("p256").key_pem, "x", NOW))
    take(folder, Step.NEXT)
    assert "EC secp256r1" in {one.facts.key for one in rollover.look(folder).certificates if "next" in one.file}


def test_the_command_says_where_it_stands_and_that_servers_take_it_over(folder, monkeypatch):
    """State, next step and earliest date, for people and for programs; too early is code 1."""

    def run(*arguments):
        environment = {"SLO_PUBLIC_URL": "https://bridge.example", "SLO_CERTS_DIR": str(folder)}
        return CliRunner().invoke(main, ["keys", *arguments], env=environment, catch_exceptions=False)

    told = json.loads(run("--json").stdout)
    assert (told["made"], told["stage"], told["next_step"]) == ([], "steady", "saml-slo keys next")
    begun = run("next")
    assert begun.exit_code == 0
    assert "without a restart" in begun.stdout
    assert "not before" in begun.stdout
    early = run("switch")
    assert early.exit_code == 1
    assert "--force" in early.stderr
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    assert json.loads(run("switch", "--json").stdout)["stage"] == "switched"
    assert run("next").exit_code == 1
    assert "PRIVATE" not in run("--json").stdout
