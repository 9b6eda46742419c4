"""The store's steps on a real Redis: each atomic, each repeatable, none leaves a session that nobody will end."""

from contextlib import suppress
from itertools import pairwise, permutations
from threading import Barrier, Thread

import pytest
import redis

from saml_slo.errors import MessageRefused, Reason, RequestRefused
from saml_slo.logout.events import BrowserReturned, Happening, PeerAnswered
from saml_slo.logout.transaction import State
from saml_slo.protocol.messages import NameId
from saml_slo.store import keys, tokens
from saml_slo.store.connect import connect
from saml_slo.store.sessions import MAX_SESSIONS_OF_PRINCIPAL
from saml_slo.store.store import Ended, Store
from tests import idp
from tests.store.records import HOUR, NOW, SECRET, ended_by, login, logout, marks, principal, session


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


def refused(step, *arguments):
    """The reason for which a step is refused."""
    with pytest.raises((MessageRefused, RequestRefused)) as caught:
        step(*arguments)
    return caught.value.reason


def test_a_recorded_session_is_read_back_whole(store):
    """What was recorded is what is read: NameID with its qualifiers, every index, every moment."""
    opened = session()
    store.open_session(opened, marks(), NOW)
    assert store.read_session(opened.id, NOW) == opened


def test_no_key_holds_a_name_id_or_a_token(store, client):
    """S6: keys hold neither NameID nor token in the clear; every key but the due times has a TTL."""
    token = tokens.new_session_token(principal().shard)
    opened = session()
    store.open_session(opened, marks(), NOW)
    ended_by(store, opened, [principal()], logout(opened), NOW)
    found = [key.decode() for key in client.scan_iter()]
    assert found
    for key in found:
        assert "alice" not in key
        assert token not in key
        assert key.endswith(":due") or client.pttl(key) > 0, key


def test_all_keys_of_a_first_sign_in_share_one_slot(store, client):
    """Redis Cluster: one sign-in and its logout touch one hash tag."""
    opened = session()
    store.open_session(opened, marks(), NOW)
    ended_by(store, opened, [principal()], logout(opened), NOW)
    assert {key.decode().split("}")[0] for key in client.scan_iter()} == {f"slo:{{{principal().shard}"}


def test_the_same_assertion_opens_one_session(store):
    """S8: a second session from one assertion is a replay; the same step again (a lost reply) is not."""
    first = session()
    store.open_session(first, marks(), NOW)
    store.open_session(first, marks(), NOW)
    assert refused(store.open_session, session(), marks(), NOW) is Reason.REPLAYED


def test_one_request_is_answered_once(store):
    """G147: a second assertion for a request that was answered is refused."""
    store.open_session(session(), marks(), NOW)
    assert refused(store.open_session, session(), marks(assertion="_a2"), NOW) is Reason.IN_RESPONSE_TO_MISMATCH


def test_ten_replays_at_the_same_moment_open_one_session(store, client):
    """G153: ten threads with one assertion, one session."""
    barrier, opened = Barrier(10), []

    def attempt():
        made = session()
        barrier.wait()
        try:
            store.open_session(made, marks(), NOW)
        except MessageRefused:
            return
        opened.append(made.id)

    threads = [Thread(target=attempt) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert len(list(client.scan_iter("*:session:*"))) == 1


def test_a_principal_may_have_twenty_sessions_and_ended_ones_do_not_count(store):
    """The limit is a clear error that changes nothing; a session that ended makes room."""
    sessions = [session() for _ in range(MAX_SESSIONS_OF_PRINCIPAL)]
    for number, one in enumerate(sessions):
        store.open_session(one, marks(assertion=f"_a{number}", request=f"_q{number}"), NOW)
    late = marks(assertion="_late", request="_late", asked_at=NOW + 2)
    assert refused(store.open_session, session(), late, NOW) is Reason.LIMIT_REACHED
    ended_by(store, sessions[0], [principal()], logout(sessions[0]), NOW)
    store.open_session(session(), late, NOW + 3)


def test_a_full_index_forgets_sessions_whose_time_is_over(store):
    """Sessions that ended by themselves make room without a sweep."""
    for number in range(MAX_SESSIONS_OF_PRINCIPAL):
        store.open_session(session(), marks(assertion=f"_a{number}", request=f"_q{number}"), NOW)
    store.open_session(session(at=NOW + 2 * HOUR), marks(assertion="_b", request="_b"), NOW + 2 * HOUR)


@pytest.mark.parametrize(("lifetime", "idle"), [(HOUR, 10 * HOUR), (10 * HOUR, HOUR)])
def test_a_session_ends_at_its_moment_though_redis_still_has_it(store, client, lifetime, idle):
    """S3: at the earliest limit, to the millisecond; the TTL lies behind it."""
    opened = session(lifetime=lifetime, idle=idle)
    store.open_session(opened, marks(), NOW)
    assert store.read_session(opened.id, NOW + HOUR - 1) is not None
    assert store.read_session(opened.id, NOW + HOUR) is None
    assert store.touch_session(opened.id, NOW + HOUR) is None
    assert client.exists(keys.session(opened.id))


def test_being_seen_moves_the_idle_limit_but_never_past_the_hard_one(store):
    """S3: a session that is used lives until its absolute end, not longer."""
    opened = session(lifetime=3 * HOUR, idle=HOUR)
    store.open_session(opened, marks(), NOW)
    for hours in (0.9, 1.8, 2.7):
        assert store.touch_session(opened.id, int(NOW + hours * HOUR)) is not None
    assert store.touch_session(opened.id, NOW + 3 * HOUR) is None


def test_logout_ends_the_session_and_everything_that_leads_to_it(store, client):
    """One commit: session, index and due time gone; logout, tombstone and the way back to the logout written."""
    opened = session()
    store.open_session(opened, marks(), NOW)
    begun = logout(opened)
    assert ended_by(store, opened, [principal()], begun, NOW) == Ended(begun.id, by_this_logout=True)
    assert store.read_session(opened.id, NOW) == Ended(begun.id, by_this_logout=False)
    assert store.touch_session(opened.id, NOW) is None
    assert store.read_logout(begun.id) == begun
    assert client.zcard(principal().sessions) == 0
    assert client.zrange(keys.due(opened.id[:2]), 0, -1) == [f"l:{begun.id}".encode()]


def test_a_repeated_logout_finds_the_first(store):
    """The same commit again is the same; another logout of the same session is told which one ended it."""
    opened = session()
    store.open_session(opened, marks(), NOW)
    first, second = logout(opened), logout(opened)
    ended_by(store, opened, [principal()], first, NOW)
    assert ended_by(store, opened, [principal()], first, NOW).by_this_logout
    again = ended_by(store, opened, [principal()], second, NOW)
    assert again == Ended(first.id, by_this_logout=False)
    assert store.read_logout(second.id) is None


def test_a_logout_of_a_session_that_moved_on_is_not_committed(store):
    """Compare and set: a login that joined since the read is not forgotten by the logout."""
    opened = session()
    store.open_session(opened, marks(), NOW)
    joined = joining(opened, "bob")
    store.join_session(joined, marks("bob", assertion="_b", request="_b"), NOW)
    assert ended_by(store, opened, [principal()], logout(opened), NOW) is None
    assert store.read_session(opened.id, NOW) == joined


def joining(opened, value):
    """The next version of a session with another person's login."""
    return type(opened)(
        id=opened.id,
        logins=(*opened.logins, login(value)),
        created_at=opened.created_at,
        absolute_ends_at=opened.absolute_ends_at,
        idle_ends_at=opened.idle_ends_at,
        idle_lifetime=opened.idle_lifetime,
        version=opened.version + 1,
    )


def test_nobody_joins_a_session_that_was_ended(store):
    """A sign-in that would add a login to an ended session is refused, whoever's it is."""
    opened = session()
    store.open_session(opened, marks(), NOW)
    ended_by(store, opened, [principal()], logout(opened), NOW)
    late = marks("bob", assertion="_b", request="_b")
    assert refused(store.join_session, joining(opened, "bob"), late, NOW) is Reason.SESSION_ENDED


def test_an_old_sign_in_is_refused_after_a_logout_and_a_newer_one_never(store):
    """L12: the answer to a request sent before the logout is late, to the millisecond; a later one is not."""
    opened = session()
    store.open_session(opened, marks(), NOW)
    ended_by(store, opened, [principal()], logout(opened, at=NOW + 10), NOW + 10)
    late = marks(assertion="_b", request="_b", asked_at=NOW + 10)
    assert refused(store.open_session, session(), late, NOW + 20) is Reason.SESSION_ENDED
    store.open_session(session(), marks(assertion="_c", request="_c", asked_at=NOW + 11), NOW + 20)


def test_a_logout_buries_the_principals_of_other_shards_too(store, client):
    """L12 for every login of the session, wherever its principal lives."""
    other = next(f"p{n}" for n in range(99) if principal(f"p{n}").shard != principal().shard)
    opened = session()
    store.open_session(opened, marks(), NOW)
    joined = joining(opened, other)
    store.join_session(joined, marks(other, assertion="_b", request="_b"), NOW)
    assert client.zscore(principal(other).sessions, opened.id)
    ended_by(store, joined, [principal(), principal(other)], logout(joined), NOW + 10)
    # Buried before the commit, listed until after it: a crash in between leaves a session that the next logout finds.
    assert client.zscore(principal(other).sessions, opened.id)
    late = marks(other, assertion="_c", request="_c", asked_at=NOW)
    assert refused(store.open_session, session(other), late, NOW + 20) is Reason.SESSION_ENDED


@pytest.mark.parametrize("order", sorted(set(permutations(["reserve", "join", "read", "end"]))))
def test_every_interleaving_of_a_joining_sign_in_and_a_logout(store, order):
    """No order leaves a session alive that the logout has not seen, and none loses the login of a living session.

    Orders in which a road's own steps would swap are no interleavings and are left out.
    """
    position = {name: order.index(name) for name in order}
    if position["reserve"] > position["join"] or position["read"] > position["end"]:
        order = tuple(sorted(order, key=["reserve", "join", "read", "end"].index))
    opened = session()
    store.open_session(opened, marks(), NOW)
    joined, late = joining(opened, "bob"), marks("bob", assertion="_b", request="_b", asked_at=NOW - 1)
    seen, outcome = None, {}
    for step in order:
        if step == "reserve":
            outcome["reserved"] = True
            store._reserve(joined, late, NOW, only_reserve=True)
        elif step == "join":
            try:
                store.join_session(joined, late, NOW)
                outcome["joined"] = True
            except MessageRefused as error:
                outcome["joined"] = error.reason
        elif step == "read":
            seen = store.read_session(opened.id, NOW)
        else:
            outcome["ended"] = ended_by(store, seen, [principal()], logout(seen), NOW)
    living = store.read_session(opened.id, NOW)
    if outcome["ended"] is None:
        assert living == joined
    else:
        assert isinstance(living, Ended)
        assert outcome["joined"] is True or outcome["joined"] is Reason.SESSION_ENDED


def test_sign_in_and_logout_at_the_same_moment_end_in_a_serial_outcome(store, client):
    """H181 on the store: 200 races of a sign-in and a logout of the same person; session and index always agree."""
    first = session()
    store.open_session(first, marks(), NOW)
    current = first
    for number in range(200):
        barrier = Barrier(2)
        moment = NOW + number * 10
        new, ends = session(at=moment), logout(current, at=moment)

        def sign_in(new=new, moment=moment, number=number, barrier=barrier):
            barrier.wait()
            request = f"_r{number}"
            with suppress(MessageRefused):  # late; whatever else could be wrong shows below
                store.open_session(new, marks(assertion=request, request=request, asked_at=moment - 1), moment)

        def log_out(current=current, ends=ends, moment=moment, barrier=barrier):
            barrier.wait()
            ended_by(store, current, [principal()], ends, moment)

        threads = [Thread(target=sign_in), Thread(target=log_out)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        alive = store.read_session(new.id, moment)
        indexed = {member.decode() for member in client.zrange(principal().sessions, 0, -1)}
        assert isinstance(store.read_session(current.id, moment), Ended)
        assert indexed == ({new.id} if alive is not None else set())
        if alive is None:
            current = session(at=moment + 5)
            request = f"_n{number}"
            store.open_session(current, marks(assertion=request, request=request, asked_at=moment + 5), moment + 5)
        else:
            current = alive


def test_answers_at_the_same_moment_are_all_kept(store):
    """Compare and set: twelve answers from twelve threads, none lost."""
    opened = session()
    joined = type(opened)(
        id=opened.id,
        logins=tuple(login(f"p{n}") for n in range(12)),
        created_at=NOW,
        absolute_ends_at=NOW + HOUR,
        idle_ends_at=NOW + HOUR,
        idle_lifetime=HOUR,
    )
    store.open_session(joined, marks(), NOW)
    begun = logout(joined)
    ended_by(store, joined, [principal()], begun, NOW)
    current = begun
    for _ in range(12):
        current = store.advance_logout(current, [BrowserReturned()], NOW).transaction
    barrier = Barrier(12)

    def answer(request_id):
        barrier.wait()
        store.advance_logout(store.read_logout(begun.id), [PeerAnswered(request_id, Happening.CONFIRMED)], NOW)

    threads = [Thread(target=answer, args=(found.id,)) for found in current.targets[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {found.state for found in store.read_logout(begun.id).targets} == {State.CONFIRMED}


def test_a_principal_is_the_same_whether_defaults_are_written_or_left_out():
    """L7: absent Format and qualifiers equal their defaults; anything else is somebody else."""
    plain = keys.principal(SECRET, idp.CONNECTION, NameId(value="alice"))
    written = NameId(
        value="alice",
        format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
        name_qualifier=idp.ENTITY_ID,
        sp_name_qualifier=idp.SP,
    )
    assert keys.principal(SECRET, idp.CONNECTION, written) == plain
    others = [
        NameId(value="Alice"),
        NameId(value="alice "),
        NameId(value="alice", format=idp.PERSISTENT),
        NameId(value="alice", name_qualifier="x"),
        NameId(value="alice", sp_name_qualifier="x"),
        plain and NameId(value="bob"),
    ]
    digests = [keys.principal(SECRET, idp.CONNECTION, other).digest for other in others]
    assert len({plain.digest, *digests}) == len(others) + 1
    assert keys.principal(b"other secret", idp.CONNECTION, NameId(value="alice")) != plain


@pytest.mark.parametrize(
    "value",
    [b"", b"x", b"{}", b"0" * 32, b"0" * 32 + b"{}", b"0" * 32 + b'{"l":[{}]}', b"\xff" * 64, b"null", b"[" * 5000],
)
def test_a_corrupt_record_is_no_session_and_no_error(store, client, value):
    """F27: whatever stands under a session's or a logout's key, nobody is signed in by it and nothing crashes."""
    identifier = "3f" + "0" * 32
    client.set(keys.session(identifier), value)
    client.set(keys.logout("3f" + "0" * 24), value)
    assert store.read_session(identifier, NOW) is None
    assert store.touch_session(identifier, NOW) is None
    assert store.read_logout("3f" + "0" * 24) is None


def test_a_key_of_another_type_is_no_session_and_no_error(store, client):
    """F27: a wrong type under a session's or a logout's key."""
    identifier = "3f" + "0" * 32
    client.lpush(keys.session(identifier), "x")
    client.lpush(keys.logout("3f" + "0" * 24), "x")
    assert store.read_session(identifier, NOW) is None
    assert store.touch_session(identifier, NOW) is None
    assert store.read_logout("3f" + "0" * 24) is None


def test_tokens_carry_their_shard_and_nothing_else_is_a_token():
    """A cookie that is not of our form opens nothing and costs no round trip."""
    token = tokens.new_session_token("3f")
    assert tokens.session_id_of(token).startswith("3f")
    for wrong in (None, "", "3f", token + "x", token[:-1], "zz" + token[2:], token.replace(".", "_"), "3f." + "é" * 43):
        assert tokens.session_id_of(wrong) is None
    messages = tokens.new_logout_message_ids(tokens.new_logout_id("3f"))
    assert len({next(messages) for _ in range(1000)}) == 1000
    for one, two in pairwise(tokens.new_message_id() for _ in range(3)):
        assert one != two
        assert one.startswith("_")
