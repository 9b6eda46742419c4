"""The audit trail: what verified parties and operators did, in the commit that did it, found without a scan."""

import json
from itertools import pairwise

import pytest

from saml_slo.logout.changes import Rest
from saml_slo.logout.transaction import Initiator, Kind, State
from saml_slo.protocol.method import Method
from saml_slo.protocol.names import REASON_ADMIN
from saml_slo.remote_logout import Order
from saml_slo.store import happened, keys, tokens
from saml_slo.store.happened import (
    ApplicationJoined,
    ApplicationLeft,
    EndedElsewhere,
    LogoutBegun,
    OperatorActed,
    SessionExpired,
    SessionRegistered,
    SignInRecorded,
    TargetsChanged,
    Told,
)
from saml_slo.store.steps import Record
from tests import idp
from tests.observability.test_metrics import confirm
from tests.running import running_bridge, sent
from tests.sp import Sp

BOB = idp.NAME_ID.replace("alice", "bob")
EXAMPLES = (
    SignInRecorded("3f" * 17, "idp", "ab" * 16, opened=True),
    ApplicationJoined("3f" * 17, "shop"),
    SessionRegistered("3f" * 17, "shop", "ab" * 16),
    ApplicationLeft("3f" * 17, "shop", ended=False),
    LogoutBegun(
        "3f" * 13,
        "22345-67892",
        Initiator.OPERATOR,
        "admin",
        "Zoë",
        2,
        (Told(Kind.SESSION, "", None, State.CONFIRMED), Told(Kind.IDP, "idp", Method.SAML, State.WAITING)),
        None,
    ),
    TargetsChanged(
        "3f" * 13,
        "22345-67892",
        Initiator.PERSON,
        tuple(Told(Kind.APPLICATION, "shop", Method.WEBHOOK, state) for state in State),
        Rest.PARTIAL,
    ),
    EndedElsewhere("3f" * 17, "4a" * 13),
    SessionExpired("3f" * 17),
    OperatorActed("zoe", "metadata_accepted", "idp"),
)


def store_of(bridge):
    """The bridge's store."""
    return bridge.app.extensions["saml_slo"].store


def trail(bridge):
    """Everything in the trail, the oldest first."""
    return [entry.happened for entry in store_of(bridge).audit(0)]


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.WORD)
def test_a_record_is_read_back_whole(record):
    """Every kind, every field, every state; a later release's further fields are no hindrance."""
    code, text = happened.encode(record)
    assert happened.decode(code, text) == record
    assert json.dumps(happened.facts_of(record))


def test_there_is_an_example_of_every_record():
    """The table above is complete, and no two records share a code or a word."""
    kinds = happened.Happened.__args__
    assert {type(example) for example in EXAMPLES} == set(kinds)
    assert len({kind.CODE for kind in kinds}) == len({kind.WORD for kind in kinds}) == len(kinds)


@pytest.mark.parametrize(("code", "text"), [("?", "[]"), ("s", "{"), ("s", "[]"), ("l", '["a","b","nobody"]')])
def test_what_is_no_record_is_told_as_that(code, text):
    """Nothing that somebody wrote into the stream becomes another error than this one."""
    with pytest.raises(happened.UnknownRecordError):
        happened.decode(code, text)


def test_a_sign_in_and_its_logout_are_recorded_step_by_step(tmp_path, redis_url):
    """Sign-in, joined application, logout with its first states, then each result, in the order of time."""
    shop = Sp("shop", "idp-next", ())
    with running_bridge(tmp_path, redis_url, sps=(shop,)) as bridge:
        browser = bridge.browser()
        shop.sign_in(bridge, browser)
        shop.sign_in(bridge, browser)
        confirm(bridge, browser, bridge.logout(browser, federated=""))
        signed_in, joined, begun, went_on = trail(bridge)
    assert isinstance(signed_in, SignInRecorded)
    assert (signed_in.connection, signed_in.opened) == ("idp", True)
    assert joined == ApplicationJoined(signed_in.session, "shop")
    assert isinstance(begun, LogoutBegun)
    assert (begun.initiator, begun.reason, begun.by, begun.sessions, begun.rest) == ("person", "user", "", 1, None)
    assert {(one.kind, one.peer, one.state) for one in begun.targets} == {
        ("session", "", "confirmed"),
        ("application", "shop", "unsupported"),
        ("idp", "idp", "sent"),
    }
    assert went_on.targets == (Told(Kind.IDP, "idp", Method.SAML, State.CONFIRMED),)
    assert (went_on.logout, went_on.rest) == (begun.logout, Rest.PARTIAL)


def test_an_operators_logout_names_them(bridge):
    """Who forced it, and with which reason."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    house = bridge.app.extensions["saml_slo"]
    (signed_in,) = trail(bridge)
    session = house.store.read_session(signed_in.session, house.journey.now())
    house.remote.end(lambda: [session], Order(initiator=Initiator.OPERATOR, reason=REASON_ADMIN, by="zoe"))
    house.store.note("zoe", "connection_removed", "idp")
    # Two shards' entries of one millisecond have no order among them.
    (begun,) = (one for one in trail(bridge) if isinstance(one, LogoutBegun))
    (noted,) = (one for one in trail(bridge) if isinstance(one, OperatorActed))
    assert (begun.initiator, begun.by, begun.reason) == ("operator", "zoe", "admin")
    assert noted == OperatorActed("zoe", "connection_removed", "idp")


def test_an_expiry_is_recorded(bridge):
    """Nobody had to be told."""
    bridge.sign_in(bridge.browser())
    bridge.clock.move(9 * 3600)
    bridge.app.extensions["saml_slo"].sweeper.sweep()
    assert isinstance(trail(bridge)[-1], SessionExpired)


def test_no_name_id_is_in_the_trail(bridge):
    """People are there as digests alone; whatever has to do with a stranger is not there at all."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    before = bridge.keyspace()
    bridge.deliver(browser, idp.post(idp.response(idp.assertion(), sign_assertion=False), endpoint=idp.ACS))
    bridge.logout(browser, returnTo="https://evil.example/")
    assert bridge.keyspace() == before
    confirm(bridge, browser, bridge.logout(browser, federated=""))
    names = [key for key in bridge.redis.scan_iter() if b":audit" in key or b":trail:" in key or b":reference:" in key]
    assert len(names) >= 4
    for name in names:
        assert b"alice" not in name
        assert b"alice" not in bridge.redis.dump(name)
        assert bridge.redis.pttl(name) > 0


def test_a_refused_commit_records_nothing(bridge):
    """Entry and commit are one step: what did not happen is not told."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    house = bridge.app.extensions["saml_slo"]
    (signed_in,) = trail(bridge)
    now = house.journey.now()
    session = house.store.read_session(signed_in.session, now)
    house.store.touch_session(session.id, now)
    bridge.sign_in(browser, name_id=BOB)  # the next version
    assert len(trail(bridge)) == 2
    house.remote._commit(
        (session,), Order(initiator=Initiator.OPERATOR), house.policies.reach((session,), None, param=1)
    )
    assert len(trail(bridge)) == 2
    bridge.clock.move(1)
    bridge.sign_in(bridge.browser(), name_id=idp.NAME_ID.replace("alice", "carol"))
    assert len(trail(bridge)) == 3


def test_a_reference_code_leads_to_its_logout(bridge):
    """The code on the receipt, however it is typed; a message ID of the logout; an IdP's own message ID too."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    response = bridge.logout(browser, federated="")
    request = sent(response)
    confirm(bridge, browser, response)
    begun = next(one for one in trail(bridge) if isinstance(one, LogoutBegun))
    store, code = store_of(bridge), begun.reference
    for typed in (code, code.lower(), code.replace("-", ""), f" {code[:3]} {code[3:]} "):
        found = store.trail_of_reference(typed)
        assert found.logout_id == begun.logout
        assert [type(entry.happened) for entry in found.entries] == [LogoutBegun, TargetsChanged]
    assert store.trail_of_message(request.id) == found.entries
    assert store.trail_of_reference(tokens.new_reference()) is None
    assert store.trail_of_reference("2222222222") is None

    bridge.sign_in(browser, identifier="_a77")
    bridge.clock.move(1)
    asked = idp.logout_request(signed=False, identifier="_lr77", issued=bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    bridge.get(bridge.browser(), f"/saml/sp/idp/slo?{idp.query(asked)}")
    (entry, *_) = store.trail_of_message("_lr77")
    assert (entry.happened.initiator, entry.happened.by) == ("idp", "idp")


def test_a_sign_in_is_found_by_each_of_its_messages(tmp_path, redis_url):
    """IDs of our AuthnRequest (an InResponseTo), the Response and the assertion; and of an application's request."""
    shop = Sp("shop", "idp-next", ())
    with running_bridge(tmp_path, redis_url, sps=(shop,)) as bridge:
        store, browser = store_of(bridge), bridge.browser()
        request = bridge.start_sign_in(browser)
        response = bridge.answer(request, identifier="_a77")
        bridge.deliver(browser, idp.post(response, endpoint=idp.ACS))
        (signed_in,) = store.audit(0)
        for identifier in (request.id, response.get("ID"), "_a77"):
            assert store.trail_of_message(identifier) == (signed_in,)
        assert isinstance(signed_in.happened, SignInRecorded)
        assert store.trail_of_message("_a78") == ()
        told = shop.sign_in(bridge, browser)
        (joined,) = store.trail_of_message(told.message.root.get("InResponseTo"))
        assert joined.happened == ApplicationJoined(signed_in.happened.session, "shop")


def test_an_unsolicited_sign_in_is_found_by_its_response(tmp_path, redis_url):
    """There is no request then; what came is enough."""
    with running_bridge(tmp_path, redis_url, toml="idp_initiated_sign_in = true\n") as bridge:
        issued = bridge.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        assertion = idp.assertion(identifier="_a90")
        for data in assertion.iter("{*}SubjectConfirmationData"):
            del data.attrib["InResponseTo"]
        response = idp.response(assertion, sign_response=False, sign_assertion=True, issued=issued)
        del response.attrib["InResponseTo"]
        bridge.deliver(bridge.browser(), idp.post(response, endpoint=idp.ACS))
        (signed_in,) = store_of(bridge).audit(0)
        assert store_of(bridge).trail_of_message(response.get("ID")) == (signed_in,)
        assert store_of(bridge).trail_of_message("_a90") == (signed_in,)


def test_a_sign_in_costs_no_further_round_trip_for_being_found(bridge, monkeypatch):
    """What finds it is written by the script that records it."""
    browser = bridge.browser()
    request = bridge.start_sign_in(browser)
    response = bridge.answer(request)
    before = bridge.redis.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
    bridge.deliver(browser, idp.post(response, endpoint=idp.ACS))
    assert bridge.redis.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 1


def test_messages_do_not_fill_the_store(bridge):
    """However many people sign in: 64 lists for a shard, each of them bounded, the latest found and the oldest not."""
    store = store_of(bridge)
    for number in range(1200):
        record = Record(SessionExpired(f"{number}"), "ab", messages=(f"_m{number}", f"_n{number}", f"_o{number}"))
        store._commit("note", (), (), record)
    names = list(bridge.redis.scan_iter("*:trail:message:*"))
    assert 1 < len(names) <= 64
    for number in (0, 1199):
        (found,) = store.trail_of_message(f"_n{number}")
        assert found.happened == SessionExpired(f"{number}")
    same = [f"_m{number}" for number in range(100_000) if keys.trail_of_message("ab", f"_m{number}")[0].endswith(":07")]
    for identifier in same[:700]:
        store._commit("note", (), (), Record(SessionExpired(identifier), "ab", messages=(identifier,)))
    assert bridge.redis.strlen("slo:{ab}:trail:message:07") <= 16_384
    assert [entry.happened.session for entry in store.trail_of_message(same[699])] == [same[699]]
    assert store.trail_of_message(same[0]) == ()


def test_the_code_carries_the_shard():
    """Every shard has codes that lead back to it, of one form that no refused request's code has."""
    for shard in keys.SHARDS:
        code = tokens.reference_of(tokens.new_logout_id(shard))
        assert tokens.read_reference(code) == (shard, code)
    assert tokens.read_reference(tokens.new_reference()) is None
    assert tokens.read_reference("ZZZZZ-ZZZZZ") is None


def test_a_person_is_found_by_their_principals(bridge):
    """Sign-ins and logouts of one person, whole; also of one whose login joined a session of another shard."""
    browser, house = bridge.browser(), bridge.app.extensions["saml_slo"]
    bridge.sign_in(browser)
    bridge.sign_in(browser, name_id=BOB)
    bridge.sign_in(bridge.browser(), name_id=idp.NAME_ID.replace("alice", "carol"), identifier="_a3")
    bridge.logout(browser)
    signed_in = [one for one in trail(bridge) if isinstance(one, SignInRecorded)]
    alice, bob, carol = (keys.Principal(one.principal) for one in signed_in)
    assert alice.shard != bob.shard
    for who in (alice, bob):
        found = [entry.happened for entry in house.store.trail_of_users([who])]
        assert [type(one) for one in found] == [SignInRecorded, LogoutBegun]
        assert found[0].principal == who.digest
    assert [type(entry.happened) for entry in house.store.trail_of_users([carol])] == [SignInRecorded]
    assert house.store.trail_of_users([keys.Principal("0" * 32)]) == ()


def test_a_peer_is_found_by_its_name(tmp_path, redis_url):
    """What a connection or an application had to do with, over all shards, the latest ones only if there are many."""
    shop = Sp("shop", "idp-next", ())
    with running_bridge(tmp_path, redis_url, sps=(shop,)) as bridge:
        for number in range(5):
            browser = bridge.browser()
            bridge.sign_in(browser, name_id=idp.NAME_ID.replace("alice", f"person{number}"), identifier=f"_n{number}")
            shop.sign_in(bridge, browser)
            bridge.logout(browser)
            bridge.clock.move(1)
        store = store_of(bridge)
        found = [entry.happened for entry in store.trail_of_application("shop")]
        assert [type(one).__name__ for one in found] == ["ApplicationJoined", "LogoutBegun"] * 5
        assert len(store.trail_of_idp("idp")) == 10
        assert len(store.trail_of_application("shop", most=2)) == 2
        assert store.trail_of_application("nobody") == ()
        order = [(entry.at, entry.number) for entry in store.audit(0)]
        assert len(order) == 15
        assert all(one[0] <= other[0] for one, other in pairwise(order))


def test_the_trail_is_kept_for_as_long_as_the_setting_says(tmp_path, redis_url):
    """SLO_AUDIT_RETENTION days: older entries go when new ones come, and a shard that is quiet goes as a whole."""
    with running_bridge(tmp_path, redis_url, audit_retention=2) as bridge:
        store = store_of(bridge)
        old = keys.audit(keys.shard_of("x"))
        for number in range(300):
            bridge.redis.xadd(old, {"e": "x", "f": '["old"]'}, id=f"1000-{number + 1}")
        store.note("zoe", "looked", "x")
        assert 1 <= bridge.redis.xlen(old) <= 101  # whole nodes of a hundred entries go
        assert [entry.happened.subject for entry in store.audit(2000)] == ["x"]
        assert 0 < bridge.redis.pttl(old) <= 2 * 86_400_000


def test_a_page_of_the_trail_is_no_limit(bridge):
    """A thousand entries in one shard come out, in order."""
    store = store_of(bridge)
    for number in range(1000):
        store.note("zoe", str(number), "x")
    assert [entry.happened.action for entry in store.audit(0)] == [str(number) for number in range(1000)]
    assert list(store.audit(9_999_999_999_999)) == []


def test_notes_about_one_name_do_not_grow_for_ever(bridge):
    """Under a name stand the latest entries; the older ones are in the stream still."""
    store = store_of(bridge)
    who = keys.Principal("ab" * 16)
    for number in range(1200):
        record = happened.SessionExpired(f"{number}")
        noted = keys.trail_of_user(who.shard, who.digest)
        store._commit("note", (), (), Record(record, who.shard, (noted,)))
    assert bridge.redis.strlen(noted) < 20_000
    assert [entry.happened.session for entry in store.trail_of_users([who], most=3)] == ["1197", "1198", "1199"]


def test_the_latest_are_the_latest_within_one_millisecond(bridge):
    """After a clock was set back, Redis counts on within its last millisecond: the tenth comes after the ninth."""
    store, who = store_of(bridge), keys.Principal("ab" * 16)
    bridge.redis.xadd(keys.audit(who.shard), {"e": "x", "f": "{}"}, id=f"{2_000_000_000_000}-0")
    for number in range(1, 13):
        noted = keys.trail_of_user(who.shard, who.digest)
        store._commit("note", (), (), Record(happened.SessionExpired(f"{number}"), who.shard, (noted,)))
    assert [entry.happened.session for entry in store.trail_of_users([who], most=4)] == ["9", "10", "11", "12"]


def test_a_shard_keeps_its_newest_entries_and_no_more(bridge):
    """Whoever registers and leaves sessions for days on end fills no store: 20,000 entries of a shard stay, about."""
    store, shard = bridge.app.extensions["saml_slo"].store, keys.shard_of("somebody")
    pipeline = bridge.redis.pipeline(transaction=False)
    for _ in range(20_200):
        pipeline.xadd(keys.audit(shard), {"e": "x", "f": "{}"})
    pipeline.execute()
    store.note("olga", "operator-signed-in", "somebody")
    assert 20_000 <= bridge.redis.xlen(keys.audit(shard)) <= 20_100
    (newest,) = bridge.redis.xrevrange(keys.audit(shard), count=1)
    assert b"olga" in newest[1][b"f"]


def test_a_full_redis_records_a_logout_all_the_same(bridge):
    """F04: the commit that ends the session writes its entry as well."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.redis.config_set("maxmemory", 1)
    try:
        bridge.logout(browser)
    finally:
        bridge.redis.config_set("maxmemory", 0)
    assert isinstance(trail(bridge)[-1], LogoutBegun)


def test_a_broken_stream_fails_no_logout(bridge):
    """F27: whatever somebody put where the trail should be, people sign out."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    (name,) = (key for key in bridge.redis.scan_iter() if key.endswith(b":audit"))
    bridge.redis.set(name, b"nonsense")
    bridge.logout(browser)
    assert not bridge.is_signed_in(browser)
