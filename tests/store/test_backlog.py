"""What waits, counted and listed: from indexes that hold nothing else, whatever lives beside it."""

import pytest

from saml_slo.logout.events import Happening, PeerAnswered
from saml_slo.store import keys
from saml_slo.store.connect import connect
from saml_slo.store.store import Store
from tests.store.records import NOW, ended_by, logout, marks, principal, session


@pytest.fixture
def store(redis_url):
    """A store on a Redis with nothing in it."""
    client = connect(redis_url)
    client.flushall()
    made = Store(client)
    yield made
    made.close()


@pytest.fixture
def begun(store):
    """A logout of Alice that waits for her IdP, beside Bob's session."""
    alice, bob = session(), session("bob")
    store.open_session(alice, marks(), NOW)
    store.open_session(bob, marks("bob", assertion="_a2", request="_q2"), NOW)
    ended_by(store, alice, [principal()], logout(alice), NOW)
    (waiting,) = (found for found in store.waiting_logouts(keys.SHARDS, most=10) if found.logouts)
    return waiting.logouts[0]


def test_sessions_and_logouts_are_counted_apart(store, begun):
    """One lives, one logout waits; counting reads no record."""
    counts = store.counts()
    assert (sum(one.sessions for one in counts), sum(one.logouts for one in counts)) == (1, 1)
    assert counts[keys.SHARDS.index(begun.id[:2])].logouts == 1


def test_a_logout_leaves_the_list_when_nothing_more_happens_by_itself(store, begun):
    """The commit that settles it takes it off, and the list is gone with the last one."""
    (target,) = (target for target in begun.targets if target.is_open)
    store.advance_logout(
        begun, [PeerAnswered(target.id, Happening.ASKED), PeerAnswered(target.id, Happening.CONFIRMED)], NOW
    )
    assert not any(found.logouts for found in store.waiting_logouts(keys.SHARDS, most=10))
    assert store._redis.exists(keys.waiting(begun.id[:2])) == 0


def test_the_list_is_bounded_and_says_when_it_was_cut(store, begun):
    """More of them than are wanted: the rest is not read, and that is said. One that is gone is passed over."""
    shard = begun.id[:2]
    store._redis.zadd(keys.waiting(shard), {f"{shard}{0:024x}": NOW * 2})
    (found,) = store.waiting_logouts((shard,), most=1)
    assert ([one.id for one in found.logouts], found.cut) == ([begun.id], True)
    (found,) = store.waiting_logouts((shard,), most=2)
    assert ([one.id for one in found.logouts], found.cut) == ([begun.id], False)


def test_what_is_gone_is_forgotten_and_what_moved_is_kept(store, begun):
    """The sweeper's own steps keep the list as they keep the due times."""
    shard = begun.id[:2]
    store.settle_due(begun)
    assert store._redis.zscore(keys.waiting(shard), begun.id) == begun.due_at
    assert store._redis.pttl(keys.waiting(shard)) > 0
    store.forget_due("l", begun.id)
    assert store._redis.zcard(keys.waiting(shard)) == 0
