"""`refresh`, `accept` and `rollback`: metadata that is fetched, with its differences in sentences."""

import pytest

from tests import idp
from tests.metadata.publisher import publishing
from tests.operations.conftest import commands
from tests.running import descriptor, running_bridge

URL_OF = 'metadata_url = "{}"\nmetadata_changes = "ask"\n'


@pytest.fixture
def publisher():
    """A server that publishes metadata."""
    with publishing() as running:
        yield running


@pytest.fixture
def run(tmp_path, redis_url, publisher, monkeypatch):
    """Run a command beside a bridge with one connection whose metadata is at that server, and changes are asked."""
    with running_bridge(tmp_path, redis_url, back_channel_allow=("127.0.0.1",)) as bridge:
        publisher.documents["/idp.xml"] = descriptor("https://far.example/saml", ("idp-next",))
        path = bridge.settings.metadata_dir / "connections" / "far.toml"
        path.write_text(URL_OF.format(publisher.url()))
        yield commands(bridge, monkeypatch)


def test_a_first_refresh_puts_it_in_force(run):
    """What was not here yet is fetched, and shown with when it is looked at again."""
    told = run("connection", "refresh", "far", "--json")
    assert told.code == 0
    assert told.json["version"]
    assert run("connection", "show", "far", "--json").json["entity_id"] == "https://far.example/saml"
    assert "says the same as before" in run("connection", "refresh", "far").out


def test_a_name_that_is_none_is_told_as_that(run):
    """Neither of a stranger nor of a peer with a file it is said that nothing is fetched, and no more."""
    assert "there is no connection nobody here" in run("connection", "refresh", "nobody").err
    assert "replace that file" in run("connection", "refresh", "idp").err


def test_what_a_command_fetched_is_on_every_node_without_another_fetch(tmp_path, redis_url, publisher, monkeypatch):
    """`connection add` seals it into Redis; a node with other copies takes it from there; `remove` takes it away."""
    with running_bridge(tmp_path, redis_url, back_channel_allow=("127.0.0.1",)) as bridge:
        run, house = commands(bridge, monkeypatch), bridge.app.extensions["saml_slo"]
        publisher.documents["/idp.xml"] = descriptor("https://far.example/saml", ("idp-next",))
        added = run("connection", "add", "far", "--from", publisher.url(), "--yes", SLO_DATA_DIR=str(tmp_path / "else"))
        assert added.code == 0, added.err
        publisher.status = 500
        house.renewal.look()
        assert house.registry.connection("far").entity_id == "https://far.example/saml"
        assert len(publisher.asked) == 1
        assert run("connection", "show", "far", "--json").json["copy"]["failure"] == ""
        assert bridge.redis.exists("slo:{copy:connections:far}")
        assert run("connection", "remove", "far", "--yes").code == 0
        assert not bridge.redis.exists("slo:{copy:connections:far}")
        assert not (bridge.settings.copies_dir / "connections" / "far.xml").exists()


def test_a_change_waits_is_accepted_and_taken_back(run, publisher):
    """Policy ask: code 3 and the differences; accept puts it in force, rollback goes back."""
    run("connection", "refresh", "far")
    publisher.documents["/idp.xml"] = descriptor("https://far.example/saml", ("other-idp",))
    told = run("connection", "refresh", "far", "--json")
    assert told.code == 3
    assert told.json["differences"] == []
    assert any(change.startswith("new signing key") for change in told.json["waits"])
    refused = run("connection", "accept", "far", given="n\n")
    assert refused.code == 1
    assert "new signing key" in refused.out
    taken = run("connection", "accept", "far", "--yes", "--json")
    assert taken.code == 0
    assert any(change.startswith("new signing key") for change in taken.json["differences"])
    assert run("connection", "show", "far", "--json").json["copy"]["can_roll_back"] is True
    back = run("connection", "rollback", "far", "--yes", "--json")
    assert back.code == 0
    assert any(change.startswith("new signing key") for change in back.json["waits"])
    assert back.json["waits"] == told.json["waits"]


def test_a_refresh_that_fails_is_code_1_and_what_is_in_force_stays(run, publisher):
    """The sentence says why."""
    run("connection", "refresh", "far")
    publisher.status = 500
    told = run("connection", "refresh", "far")
    assert told.code == 1
    assert "status 500" in told.out
    assert run("connection", "show", "far", "--json").json["entity_id"] == "https://far.example/saml"


def test_what_is_not_fetched_cannot_be_refreshed(run):
    """A connection from a file has nothing to fetch, and the error says which key would."""
    told = run("connection", "refresh", "idp")
    assert told.code == 1
    assert "metadata_url" in told.err
    assert idp.ENTITY_ID in run("connection", "show", "idp").out
