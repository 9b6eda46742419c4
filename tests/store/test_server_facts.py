"""Does a server suit us? A Redis whose settings would lose sessions says so before it happens."""

from contextlib import closing

import pytest

from saml_slo.store.connect import check_server, connect
from saml_slo.store.embedded import EmbeddedRedis


@pytest.fixture
def server(tmp_path_factory):
    """A real server that the test may spoil."""
    with EmbeddedRedis(tmp_path_factory.mktemp("r")) as owner:
        yield owner


@pytest.fixture
def client(server):
    """A client of that server."""
    with closing(connect(server.url)) as client:
        yield client


def test_settings_that_lose_sessions_raise_an_alarm(server, client):
    """F05, F06, F07: any policy but noeviction, and the role of a replica; the embedded server suits as it is."""
    facts = check_server(client)
    assert server.server.startswith(f"{facts.product} {facts.version} ")
    assert (facts.role, facts.maxmemory_policy, facts.aof, facts.alarms) == ("master", "noeviction", True, ())
    client.config_set("appendonly", "no")
    facts = check_server(client)
    assert (facts.aof, facts.alarms) == (False, ())
    for policy in ("allkeys-lru", "volatile-ttl"):
        client.config_set("maxmemory-policy", policy)
        (alarm,) = check_server(client).alarms
        assert policy in alarm
        assert "noeviction" in alarm
    client.replicaof("127.0.0.1", 1)
    assert "slave" in check_server(client).alarms[1]


def test_what_cannot_be_checked_is_an_alarm(server, client):
    """A user who may not ask INFO gets an alarm that names it; without CONFIG nothing is missing."""
    client.execute_command("ACL", "SETUSER", "careful", "on", "nopass", "+@all", "-@dangerous", "~*")
    with closing(connect(f"{server.url}?username=careful&password=x")) as careful:
        (alarm,) = check_server(careful).alarms
        assert "INFO" in alarm
        client.execute_command("ACL", "SETUSER", "careful", "+info")
        assert check_server(careful).alarms == ()
