"""F30 at the API: a process that dies at any Redis command of a call; whoever repeats the call finds or finishes it.

The death is one of a thread: from the chosen command on nothing that it does reaches Redis any more, as if it had been
killed. Before a command, and after it was executed and before its answer was read.
"""

from contextlib import suppress

import pytest
from redis.connection import AbstractConnection

from tests.api.calling import Caller, application
from tests.methods.receiver import Receiver
from tests.running import running_bridge
from tests.serving import wait_until

BEFORE, EXECUTED = "before", "executed"
KEY = "key-1"


class Killed(BaseException):
    """The process is dead; nothing may catch this and go on."""


class Killer:
    """Counts the commands that go to Redis and kills at the chosen one."""

    def __init__(self, monkeypatch):
        self.count, self.at, self.moment = 0, None, BEFORE
        send, read = AbstractConnection.send_packed_command, AbstractConnection.read_response

        def sending(connection, *call, **how):
            self.count += 1
            if self.at is not None and (self.count > self.at or (self.count == self.at and self.moment == BEFORE)):
                raise Killed
            return send(connection, *call, **how)

        def reading(connection, *call, **how):
            found = read(connection, *call, **how)
            if self.at is not None and self.count >= self.at:
                raise Killed
            return found

        monkeypatch.setattr(AbstractConnection, "send_packed_command", sending)
        monkeypatch.setattr(AbstractConnection, "read_response", reading)

    def arm(self, at, moment=BEFORE):
        """Start counting; kill at this command, None: at none."""
        self.count, self.at, self.moment = 0, at, moment

    def kills(self, call):
        """Say whether a call came to its end too early for it to end well."""
        try:
            call()
        except Killed:
            return True
        assert self.count < self.at, "the call went on after its death"
        return False


@pytest.fixture
def receiver():
    """Where the application is told."""
    with Receiver() as running:
        yield running


@pytest.fixture
def bridge(tmp_path, redis_url, receiver):
    """A bridge with an application that is told by webhook, whose calls are all leased."""
    toml = f'logout = "webhook"\nlogout_uri = "{receiver.url()}"\ninsecure_http = true\n'
    how = {"applications": {"hub": application("hub", toml)}, "back_channel_allow": ("127.0.0.1",)}
    with running_bridge(tmp_path, redis_url, **how, api_rate=1_000_000) as running:
        yield running


@pytest.fixture
def killer(monkeypatch):
    """Who kills."""
    return Killer(monkeypatch)


def points(killer, prepare, call):
    """Yield every point of a call at which a process can die."""
    prepare()
    killer.arm(None)
    call()
    commands = killer.count
    assert commands >= 2
    for at in range(1, commands + 1):
        for moment in (BEFORE, EXECUTED):
            prepare()
            killer.arm(at, moment)
            if killer.kills(call):  # not every call has all of them: some lease, some load a script
                killer.arm(None)
                yield f"command {at} of {commands}, {moment}"


def test_a_logout_with_a_key_survives_a_crash_at_every_command(bridge, receiver, killer):
    """L243, S1 to S3: repeated after the lease it is one logout; everybody was told, and the receipt is true."""
    hub = Caller(bridge, "hub")
    store = bridge.app.extensions["saml_slo"].store

    def prepare():
        killer.arm(None)
        store._redis.connection_pool.disconnect()
        for name in bridge.redis.scan_iter():
            if not name.startswith(b"slo:{calls:"):
                bridge.redis.delete(name)
        receiver.got.clear()
        assert hub.register("h-1", user="alice").status_code == 201
        bridge.clock.move(1)

    died = []
    for where in points(killer, prepare, lambda: hub.logout(KEY, user="alice")):
        died.append(where)
        store._redis.connection_pool.disconnect()
        bridge.clock.move(16)
        bridge.app.extensions["saml_slo"].sweeper.sweep()
        answer = hub.logout(KEY, user="alice")
        assert answer.status_code in (200, 201), where
        logout_id = answer.get_json()["id"]
        assert logout_id is not None, f"{where}: the retry found nothing, though a logout has begun"

        def states():
            found = hub.call("GET", f"logouts/{logout_id}").get_json()  # noqa: B023 - called in this turn
            return {row["name"]: row["state"] for row in found["sessions"]}

        for _ in range(200):
            if states()["hub"] == "confirmed":
                break
            bridge.clock.move(1)
            if bridge.app.extensions["saml_slo"].sweeper.sweep():  # what it began has no share in the clock
                with suppress(AssertionError):
                    wait_until(lambda: states()["hub"] == "confirmed", 10)
        assert states() == {"Session here": "confirmed", "hub": "confirmed"}, where
        assert 1 <= len(receiver.got) <= 3, where
        assert len(list(bridge.redis.scan_iter("slo:*:logout:*"))) == 1, where
        assert not hub.is_alive("h-1"), where
        assert hub.logout(KEY, user="alice").get_json()["id"] == logout_id, where
    assert len(died) >= 10, died


def test_a_registration_survives_a_crash_at_every_command(bridge, killer):
    """Repeated it is there once, and the user's logout finds it, whether it was repeated or not."""
    hub = Caller(bridge, "hub")
    store = bridge.app.extensions["saml_slo"].store

    def prepare():
        killer.arm(None)
        store._redis.connection_pool.disconnect()
        for name in bridge.redis.scan_iter():
            if not name.startswith(b"slo:{calls:"):
                bridge.redis.delete(name)
        bridge.clock.move(1)

    died = []
    for repeats in (True, False):
        for where in points(killer, prepare, lambda: hub.register("h-1", user="alice")):
            died.append(where)
            store._redis.connection_pool.disconnect()
            if repeats:
                assert hub.register("h-1", user="alice").status_code in (200, 201), where
                assert hub.is_alive("h-1"), where
            opened = len(list(bridge.redis.scan_iter("slo:*:session:*")))
            ended = hub.logout(user="alice").get_json()["sessions"]
            assert len(ended) == 2 * opened, where
            assert not hub.is_alive("h-1"), where
    assert len(died) >= 8, died


def test_leaving_survives_a_crash_at_every_command(bridge, killer):
    """Repeated it is over; without, at the latest the user's logout ends it, and it never comes back under its id."""
    hub = Caller(bridge, "hub")
    store = bridge.app.extensions["saml_slo"].store

    def prepare():
        killer.arm(None)
        store._redis.connection_pool.disconnect()
        for name in bridge.redis.scan_iter():
            if not name.startswith(b"slo:{calls:"):
                bridge.redis.delete(name)
        bridge.clock.move(1)
        assert hub.register("h-1", user="alice").status_code == 201

    died = []
    for where in points(killer, prepare, lambda: hub.leave("h-1")):
        died.append(where)
        store._redis.connection_pool.disconnect()
        assert hub.leave("h-1").status_code == 204, where
        assert not hub.is_alive("h-1"), where
        assert hub.register("h-1", user="alice").status_code == 409, where
        assert hub.logout(user="alice").get_json()["sessions"] == [], where
    assert len(died) >= 6, died
