"""Redis round trips of each call of the API, counted on the wire; the calls themselves are leased a span at a time."""

import pytest
from redis.connection import AbstractConnection

from tests.api.calling import handle_of_browser


@pytest.fixture
def round_trips(bridge, shop, blog, monkeypatch):
    """Return what says how often Redis was asked since it last said so, leases of calls aside (or those alone).

    Scripts are loaded, connections are warm.
    """
    for caller in (shop, blog):
        for name in ("warm-1", "warm-2"):
            caller.register(name, user="warm")
            caller.register(name, user="warm", sid="s")
            caller.touch(name)
        caller.leave("warm-1")
        caller.logout("warm", user="warm")
    bridge.clock.move(1)
    sending, count = AbstractConnection.send_packed_command, []

    def counted(self, command, *arguments, **options):
        count.append(b"".join(command) if isinstance(command, list) else command)
        return sending(self, command, *arguments, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)

    def since(*, leases=False):
        number = sum(leases == (b"{calls:" in command) for command in count)
        count.clear()
        return number

    return since


def test_round_trips_of_each_call(shop, round_trips):
    """Registering 2, the same again 2, what changes it 3; looking 2, touching 2; leaving 3; an unknown session 1."""
    facts = {"user": "alice", "sub": "a"}
    shop.register("cart-1", **facts)
    assert round_trips() == 2
    shop.register("cart-1", **facts)
    assert round_trips() == 2
    shop.register("cart-1", **facts, sid="s")
    assert round_trips() == 3
    shop.read("cart-1")
    assert round_trips() == 2
    shop.touch("cart-1")
    assert round_trips() == 2
    shop.leave("cart-1")
    assert round_trips() == 3
    shop.read("unknown")
    assert round_trips() == 1


def test_round_trips_of_joining(bridge, shop, round_trips):
    """Binding to a session of ours costs 3, the same again 1: the session says that it is known."""
    bridge.redis.delete(*bridge.redis.scan_iter("slo:*:session:*"))
    bridge.sign_in(bridge.browser())
    handle = handle_of_browser(bridge)
    round_trips()
    shop.register("cart-1", session=handle)
    assert round_trips() == 3
    shop.register("cart-1", session=handle)
    assert round_trips() == 1


def test_round_trips_of_a_logout(shop, round_trips):
    """A user's logout costs 2: one read, one commit; with a key 2 more; of one session the 2 that find it besides."""
    for number in range(10):
        shop.register(f"cart-{number}", user="alice")
        shop.register(f"cart-b{number}", user="bob")
    shop.register("cart-c", user="carol")
    round_trips()
    shop.logout(user="alice")
    assert round_trips() == 2
    shop.logout("key-1", user="bob")
    assert round_trips() == 4
    shop.logout(session="cart-c")
    assert round_trips() <= 5


def test_calls_are_leased(shop, round_trips):
    """One round trip counts twenty calls."""
    for _ in range(200):
        shop.read("unknown")
    assert round_trips(leases=True) in (10, 11)


def test_without_a_key_nothing_is_asked(bridge, round_trips):
    """Who is unknown costs Redis nothing."""
    shop_without_key = bridge.browser().get("/api/v1/sessions/x", base_url="https://bridge.example")
    assert shop_without_key.status_code == 401
    assert round_trips() == round_trips(leases=True) == 0
