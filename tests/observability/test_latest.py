"""The newest of the audit trail: exact, in the order of time, page by page, and few entries read for it."""

import random

from saml_slo.store import happened, keys
from saml_slo.store.happened import OperatorActed


def write(bridge, at, number):
    """Put an entry into a shard of its own choice, at this time."""
    code, text = happened.encode(OperatorActed("olga", "did", str(number)))
    shard = random.choice(keys.SHARDS)
    bridge.redis.xadd(keys.audit(shard), {"e": code, "f": text}, id=f"{at}-{number}")


def store_of(bridge):
    """The bridge's store."""
    return bridge.app.extensions["saml_slo"].store


def test_the_newest_are_found_page_by_page(bridge):
    """Every entry once, the newest first, whatever shards they lie in and however many share a millisecond."""
    random.seed(5)
    moments = sorted(random.randrange(1_000, 1_400) for _ in range(700))
    for number, at in enumerate(moments):
        write(bridge, at, number)
    store, found, before = store_of(bridge), [], None
    while page := store.latest(50, before):
        found += page
        before = page[-1].order
    assert [entry.order for entry in found] == sorted((entry.order for entry in found), reverse=True)
    assert {entry.happened.subject for entry in found} == set(map(str, range(700)))
    assert len(found) == 700


def test_one_busy_shard_is_read_to_its_end(bridge):
    """All of the latest may lie in one stream."""
    store = store_of(bridge)
    for number in range(120):
        store.note("olga", "did", "always the same")
        assert len(store.latest(200)) == number + 1
    assert len(store.latest(50)) == 50


def test_nothing_is_nothing(bridge):
    """An empty trail has no newest."""
    assert store_of(bridge).latest(50) == ()
