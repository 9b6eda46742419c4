"""A principal's index lists a session for as long as it may live, and never keeps one alive that is over."""

import pytest
import redis

from saml_slo.store import keys
from saml_slo.store.connect import connect
from saml_slo.store.store import Ending, Store
from tests.store.records import HOUR, NOW, logout, marks, principal, session


@pytest.fixture
def client(redis_url):
    """An empty Redis, looked at from outside."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def store(redis_url, client):
    """The store on that Redis."""
    return Store(connect(redis_url))


def test_a_session_that_is_used_beyond_its_first_idle_limit_is_found(store):
    """S4: whoever logs the principal out finds every session that lives, however often it was seen."""
    opened = session(lifetime=3 * HOUR, idle=HOUR)
    store.open_session(opened, marks(), NOW)
    assert store.touch_session(opened.id, int(NOW + 0.9 * HOUR)) is not None
    later = int(NOW + 1.5 * HOUR)
    assert [found.id for found in store.sessions_of(principal(), later)] == [opened.id]
    store.open_session(session(at=later), marks(assertion="_b", request="_b", asked_at=later), later)
    assert opened.id in [found.id for found in store.sessions_of(principal(), later)]


def test_a_session_whose_idle_time_is_over_hinders_no_logout(store, client):
    """One that nobody swept yet is not found, and is no session that the logout would have overlooked."""
    idle, used = session(lifetime=3 * HOUR, idle=HOUR), session(lifetime=3 * HOUR, idle=2 * HOUR)
    store.open_session(idle, marks(), NOW)
    store.open_session(used, marks(assertion="_b", request="_b"), NOW)
    later = int(NOW + 1.5 * HOUR)
    (found,) = store.sessions_of(principal(), later)
    assert found.id == used.id
    ending = Ending(
        transaction=logout(used, at=later),
        sessions=(found,),
        tombstones=(keys.asked_before(principal(), later),),
        ended_ttl=480_000,
        known=(found.id,),
    )
    assert store.end_sessions(ending, later).by_this_logout
    assert client.exists(keys.session(idle.id))
