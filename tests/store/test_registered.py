"""Sessions that applications register, in the store: each step atomic, each repeatable, no hint is ever the truth."""

from dataclasses import replace
from itertools import permutations
from threading import Barrier, Thread

import pytest
import redis

from saml_slo.errors import RequestRefused
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.session import Participant, Session, Subject
from saml_slo.store import keys, tokens
from saml_slo.store.connect import connect
from saml_slo.store.registered import LEFT_LIFETIME
from saml_slo.store.sessions import MAX_SESSIONS_OF_PRINCIPAL
from saml_slo.store.store import Ended, Store, Verdict
from tests.store.records import HOUR, NOW, SECRET, ended_by, logout

WHO = keys.user(SECRET, "shop", "alice")


def own(own_id="cart-1"):
    """The principal of an application's session id."""
    return keys.application_session(SECRET, "shop", own_id)


def session(own_id="cart-1", who=WHO, at=NOW, lifetime=2 * HOUR, idle=HOUR):
    """The session that the application `shop` registers."""
    return Session(
        id=keys.registered_session_id(who, own(own_id)),
        logins=(),
        created_at=at,
        absolute_ends_at=at + lifetime,
        idle_ends_at=at + idle,
        idle_lifetime=idle,
        participants=(
            Participant(
                application="shop",
                name_id=NameId(value="alice"),
                session_index="_i1",
                since=at,
                subject=Subject(session=own_id, user="alice"),
            ),
        ),
        users=(who.digest,),
    )


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


def test_a_registered_session_is_read_back_whole_and_found_by_its_user(store, client):
    """One step: session, user's index and due time; all in the user's slot."""
    opened = session()
    assert store.register_session(opened, WHO, NOW, NOW) is opened
    assert store.read_session(opened.id, NOW) == opened
    assert store.sessions_of(WHO, NOW) == (opened,)
    assert client.zscore(keys.due(WHO.shard), f"s:{opened.id}") == opened.ends_at
    names = {name.decode() for name in client.scan_iter() if b":session:" in name or b":principal:" in name}
    assert {name.split("}")[0] for name in names} == {f"slo:{{{WHO.shard}"}


def test_the_same_again_finds_the_first(store, client):
    """Whoever registers it again is given what is there; nothing is written."""
    opened = session()
    store.register_session(opened, WHO, NOW, NOW)
    before = client.dump(keys.session(opened.id))
    assert store.register_session(session(at=NOW + 5), WHO, NOW + 5, NOW + 5) == opened
    assert client.dump(keys.session(opened.id)) == before


def test_ten_at_the_same_moment_open_one(store, client):
    """Twins in ten threads: one session, one entry of the index."""
    barrier, found = Barrier(10), []

    def register():
        made = session()
        barrier.wait()
        found.append(store.register_session(made, WHO, NOW, NOW) is made)

    threads = [Thread(target=register) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(True) == 1
    assert client.zcard(WHO.sessions) == 1


def test_an_ended_session_does_not_come_back(store):
    """L12: its id says which logout ended it, for as long as it could have lived."""
    opened = session()
    store.register_session(opened, WHO, NOW, NOW)
    begun = logout(opened)
    ended_by(store, opened, [WHO], begun, NOW + 1)
    assert store.register_session(session(), WHO, NOW + 9, NOW + 9) == Ended(begun.id, by_this_logout=False)


def test_a_sign_in_from_before_the_users_logout_is_late(store):
    """L12, to the millisecond; a newer one never is. A tombstone by itself counts as well."""
    opened = session()
    store.register_session(opened, WHO, NOW, NOW)
    ended_by(store, opened, [WHO], logout(opened, at=NOW + 10), NOW + 10)
    assert store.register_session(session("cart-2"), WHO, NOW + 10, NOW + 20) is None
    assert store.register_session(session("cart-2"), WHO, NOW + 11, NOW + 20) is not None
    bob = keys.user(SECRET, "shop", "bob")
    store.bury(keys.asked_before(bob, NOW), HOUR)
    assert store.register_session(session(who=bob), bob, NOW, NOW + 1) is None
    assert store.register_session(session(who=bob), bob, NOW + 1, NOW + 1) is not None


def test_a_user_has_twenty_living_sessions(store):
    """The limit changes nothing; sessions whose time is over do not count."""
    for number in range(MAX_SESSIONS_OF_PRINCIPAL):
        store.register_session(session(f"c-{number}"), WHO, NOW, NOW)
    with pytest.raises(RequestRefused):
        store.register_session(session("late"), WHO, NOW, NOW)
    later = NOW + 2 * HOUR
    assert store.register_session(session("late", at=later), WHO, later, later) is not None


@pytest.mark.parametrize("value", [b"", b"x", b"{}", b"\xff" * 64, b"0" * 32 + b"{}", b"-"])
def test_what_cannot_be_read_is_no_session_and_is_not_replaced(store, client, value):
    """F27: a corrupt record under the id: nothing is opened over it, nothing crashes."""
    client.set(keys.session(session().id), value)
    found = store.register_session(session(), WHO, NOW, NOW)
    assert found in (None, Ended("", by_this_logout=False))
    assert store.touch_own_session(session().id, "shop", "cart-1", NOW) in (None, Ended("", by_this_logout=False))
    assert client.get(keys.session(session().id)) == value


def test_a_key_of_another_type_is_no_session(store, client):
    """F27: a list under the id."""
    client.lpush(keys.session(session().id), "x")
    assert store.register_session(session(), WHO, NOW, NOW) is None
    assert store.touch_own_session(session().id, "shop", "cart-1", NOW) is None


# Touching ------------------------------------------------------------------------------------------------------------


def test_a_touch_is_for_whoever_takes_part(store, client):
    """Only the application, by its own id; anybody else moves nothing."""
    opened = session()
    store.register_session(opened, WHO, NOW, NOW)
    later = NOW + HOUR // 2
    before = client.get(keys.session(opened.id))
    for client_id, own_id in (("blog", "cart-1"), ("shop", "cart-2"), ("shop", ""), ("", ""), ("shop", '"cart-1"')):
        assert store.touch_own_session(opened.id, client_id, own_id, later) is None
    assert client.get(keys.session(opened.id)) == before
    touched = store.touch_own_session(opened.id, "shop", "cart-1", later)
    assert touched == replace(opened, idle_ends_at=later + HOUR)
    assert client.zscore(keys.due(WHO.shard), f"s:{opened.id}") == later + HOUR
    assert store.touch_own_session(opened.id, "shop", "cart-1", NOW + 2 * HOUR) is None


def test_a_touch_knows_ids_of_every_kind(store):
    """Numbers, quotes and control characters in other fields do not confuse the script that reads the record."""
    odd = replace(
        session('c"\\'),
        participants=(
            Participant(application="1e5", name_id=NameId(value='"p":[["shop"'), session_index="_x", since=NOW),
            replace(session("c~1").participants[0], name_id=NameId(value="\u0001愛\u2028")),
        ),
    )
    store.register_session(odd, WHO, NOW, NOW)
    assert store.touch_own_session(odd.id, "shop", "c~1", NOW + 1) is not None
    assert store.touch_own_session(odd.id, "1e5", "c~1", NOW + 1) is None


# Hints ---------------------------------------------------------------------------------------------------------------


def test_a_hint_leads_to_one_session_until_it_is_let_go(store):
    """Claimed, found, contested, let go; from then on nothing is registered under this id."""
    first, second = session(), session(who=keys.user(SECRET, "shop", "bob"))
    assert store.claim_own_session(own(), first, NOW) == ()
    assert store.claim_own_session(own(), first, NOW) == ()
    assert store.claim_own_session(own(), second, NOW) == (first.id,)
    assert store.find_own_session(own(), NOW) == (first.id,)
    store.forget_own_session(own(), (first.id,))
    assert store.claim_own_session(own(), second, NOW) == ()
    assert store.leave_own_session(own(), NOW) == (second.id,)
    assert store.claim_own_session(own(), second, NOW) is None


def test_an_id_that_was_let_go_before_it_came_is_over_for_a_while(store, client):
    """DELETE overtakes PUT; five minutes later nothing is left of it."""
    assert store.leave_own_session(own(), NOW) == ()
    assert store.claim_own_session(own(), session(), NOW + 1) is None
    assert 0 < client.pttl(own().tombstone) <= LEFT_LIFETIME


@pytest.mark.parametrize("order", sorted(set(permutations(["claim", "register", "leave", "withdraw"]))))
def test_every_interleaving_of_registering_and_leaving(store, order):
    """Whatever the order of the four steps, no session is left that the application believes to be over.

    Orders in which a road's own steps would swap are no interleavings and are left out.
    """
    at = order.index
    if at("claim") > at("register") or at("leave") > at("withdraw"):
        order = ("claim", "register", "leave", "withdraw")
    made, claimed, led_to = session(), None, ()
    for step in order:
        match step:
            case "claim":
                claimed = store.claim_own_session(own(), made, NOW) == ()
            case "register":
                if claimed:
                    store.register_session(made, WHO, NOW, NOW)
            case "leave":
                led_to = store.leave_own_session(own(), NOW)
            case "withdraw":
                for identifier in led_to:
                    found = store.read_session(identifier, NOW)
                    if isinstance(found, Session):
                        assert store.withdraw_session(found, NOW, "shop")
                    else:
                        assert store.void_session(identifier, NOW)
    assert not isinstance(store.read_session(made.id, NOW), Session)


def test_only_what_is_not_opened_is_voided(store, client):
    """A living session is said to be there; one that is over stays as it is, for the sweeper."""
    opened = session()
    store.register_session(opened, WHO, NOW, NOW)
    before = client.get(keys.session(opened.id))
    assert not store.void_session(opened.id, NOW)
    assert store.void_session(opened.id, NOW + HOUR)
    assert client.get(keys.session(opened.id)) == before


def test_withdrawing_is_refused_when_somebody_joined(store):
    """Compare and set: a part that joined since the reading is not lost."""
    opened = session()
    store.register_session(opened, WHO, NOW, NOW)
    joined = replace(opened, participants=opened.participants * 2, version=2)
    assert store.replace_session(joined, NOW) is True
    assert store.withdraw_session(opened, NOW, "shop") is False
    assert store.withdraw_session(joined, NOW, "shop") is True
    assert store.read_session(opened.id, NOW) == Ended("", by_this_logout=False)
    assert store.sessions_of(WHO, NOW) == ()
    assert store.replace_session(replace(joined, version=3), NOW) is None


# Calls ---------------------------------------------------------------------------------------------------------------


def test_a_call_is_claimed_once(store, client):
    """Yours, running, done; another body is told so at any time."""
    call, chosen = keys.call("shop", "key-1"), tokens.new_logout_id("3f")
    first = store.claim_call(call, "b", chosen, NOW)
    assert (first.verdict, first.logout_id) == (Verdict.YOURS, chosen)
    second = store.claim_call(call, "b", tokens.new_logout_id("3f"), NOW + 1)
    assert (second.verdict, second.logout_id) == (Verdict.RUNNING, chosen)
    assert store.claim_call(call, "other", chosen, NOW + 1).verdict is Verdict.OTHER
    store.settle_call(call, first, Verdict.DONE)
    assert store.claim_call(call, "b", chosen, NOW + 2).verdict is Verdict.DONE
    assert store.claim_call(call, "other", chosen, NOW + 2).verdict is Verdict.OTHER
    assert client.pttl(call) > 0


def test_a_call_that_died_or_failed_is_carried_on_by_one(store):
    """After its lease, or at once where it failed: whoever comes first does it again under the same id."""
    call, chosen = keys.call("shop", "key-1"), tokens.new_logout_id("3f")
    first = store.claim_call(call, "b", chosen, NOW)
    assert store.claim_call(call, "b", "x", NOW + 14_999).verdict is Verdict.RUNNING
    again = store.claim_call(call, "b", "x", NOW + 15_000)
    assert (again.verdict, again.logout_id) == (Verdict.AGAIN, chosen)
    assert store.claim_call(call, "b", "x", NOW + 15_001).verdict is Verdict.RUNNING
    for verdict in (None, Verdict.DONE):  # it is no longer the first one's to settle
        store.settle_call(call, first, verdict)
        assert store.claim_call(call, "b", "x", NOW + 15_002).verdict is Verdict.RUNNING
    store.settle_call(call, again, None)
    assert store.claim_call(call, "b", "x", NOW + 15_003).verdict is Verdict.AGAIN


def test_a_record_that_is_gone_is_not_made_again(store, client):
    """A call that ends after its record was forgotten leaves nothing behind."""
    call = keys.call("shop", "key-1")
    claim = store.claim_call(call, "b", "x", NOW)
    client.delete(call)
    store.settle_call(call, claim, Verdict.DONE)
    assert not client.exists(call)


def test_calls_of_a_span_are_lent_until_they_are_used_up(store, client):
    """Never more than there are, whoever asks; the next span has its own."""
    how = {"most": 10, "wanted": 4, "lifetime": 20_000}
    assert [store.lease_calls("shop", 7, **how) for _ in range(4)] == [4, 4, 2, 0]
    assert store.lease_calls("blog", 7, **how) == 4
    assert store.lease_calls("shop", 8, **how) == 4
    assert all(client.pttl(name) > 0 for name in client.scan_iter("slo:*calls*"))
