"""`saml-slo sessions` and `saml-slo logout`: found by index, shown before it ends, told truthfully."""

import pytest

from tests import idp
from tests.api.calling import Caller, application
from tests.operations.conftest import commands
from tests.running import running_bridge
from tests.sp import Sp

ALICE = "alice@corp.test"
ONE = Sp("one", "idp-next")
OF_ALICE = ("--connection", "idp", "--name-id", ALICE)


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with a SAML application in frames, and one that registers sessions by the API."""
    waived = application("shop", 'logout = "none"\nwaived_until = 2026-12-31\nwaiver = "Soon."\n')
    with running_bridge(tmp_path, redis_url, sps=(ONE,), applications={"shop": waived}) as running:
        yield running


def test_a_session_is_found_by_the_nameid_of_its_identity_provider(bridge, run):
    """S4: logins, participants and ends are shown; the NameID is a digest unless it is revealed."""
    ONE.sign_in(bridge, bridge.browser())
    told = run("sessions", *OF_ALICE, "--json")
    assert told.code == 0
    (session,) = told.json["sessions"]
    assert [login["connection"] for login in session["logins"]] == ["idp"]
    assert [part["application"] for part in session["participants"]] == ["one"]
    assert session["since"] < session["idle_ends_at"] < session["ends_at_the_latest"]
    assert ALICE not in told.out
    assert session["logins"][0]["name_id"].startswith("#")
    assert ALICE in run("sessions", *OF_ALICE, "--reveal").out
    assert ALICE not in run("sessions", *OF_ALICE).out


def test_a_session_is_found_by_what_an_application_calls_it(bridge, run):
    """S4: by the NameID that we gave, by a user id, by the application's own session id, and by its own id here."""
    told = ONE.sign_in(bridge, bridge.browser())
    Caller(bridge, "shop").call("PUT", "sessions/s-1", {"user": "u-1"})
    assert run("sessions", "--application", "one", "--name-id", told.name_id, "--json").code == 0
    (by_user,) = run("sessions", "--user", "u-1", "--json").json["sessions"]
    (by_own_id,) = run("sessions", "--application", "shop", "--own-id", "s-1", "--json").json["sessions"]
    (by_id,) = run("sessions", "--session", by_user["id"], "--json").json["sessions"]
    assert by_user == by_own_id == by_id
    assert "u-1" not in run("sessions", "--user", "u-1").out


def test_who_is_not_here_is_code_1_and_says_where_was_looked(run):
    """Nobody of that name is signed in: every place that was tried is named."""
    told = run("sessions", "--connection", "idp", "--name-id", "nobody")
    assert told.code == 1
    assert "persistent at connection idp" in told.out
    told = run("sessions", "--connection", "nowhere", "--name-id", "nobody")
    assert told.code == 1
    assert "no connection nowhere here" in told.err


@pytest.mark.parametrize(
    "filters",
    [
        ("--name-id", "x"),
        ("--connection", "idp"),
        ("--own-id", "x"),
        ("--user", "x", "--session", "y"),
        ("--user", "x", "--format", "y"),
    ],
)
def test_a_filter_that_names_nobody_is_wrong_usage(run, filters):
    """Nothing is ever looked for by a scan, so a filter must be one that an index knows."""
    assert run("sessions", *filters).code == 2


def test_without_a_filter_entries_are_counted(bridge, run):
    """The counts come from the due times alone: two people, two entries."""
    bridge.sign_in(bridge.browser())
    bridge.sign_in(bridge.browser(), name_id=idp.NAME_ID.replace("alice", "bob"))
    told = run("sessions", "--json")
    assert told.code == 0
    assert told.json["sessions"] == sum(told.json["shards"].values()) == 2
    assert len(told.json["shards"]) == 256
    run("logout", *OF_ALICE, "--yes")
    assert "1 sessions are alive" in run("sessions").out


def test_a_logout_shows_first_what_will_end_and_asks(bridge, run):
    """Own session, application and IdP are named with how they are told; a no ends nothing."""
    browser = bridge.browser()
    ONE.sign_in(bridge, browser)
    told = run("logout", *OF_ALICE, given="n\n")
    assert told.code == 1
    assert "ends" in told.out
    assert "unreachable" in told.out
    assert bridge.is_signed_in(browser)
    planned = run("logout", *OF_ALICE, "--dry-run", "--json").json["would_end"]
    assert [(one["kind"], one["outlook"]) for one in planned] == [
        ("session", "ends"),
        ("application", "unreachable"),
        ("idp", "unreachable"),
    ]
    assert bridge.is_signed_in(browser)


def test_a_program_is_not_asked(bridge, run):
    """--json without --yes ends nothing and is wrong usage."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    assert run("logout", *OF_ALICE, "--json").code == 2
    assert bridge.is_signed_in(browser)


def test_a_forced_logout_ends_every_session_and_is_partly_done_where_a_browser_was_needed(bridge, run):
    """L14: initiator operator, reason admin, every browser of the person; code 3, because the IdP was not reached."""
    here, there, bob = bridge.browser(), bridge.browser(), bridge.browser()
    ONE.sign_in(bridge, here)
    bridge.sign_in(there)
    bridge.sign_in(bob, name_id=idp.NAME_ID.replace("alice", "bob"))
    told = run("logout", *OF_ALICE, "--yes", "--json")
    assert told.code == 3
    assert [bridge.is_signed_in(browser) for browser in (here, there, bob)] == [False, False, True]
    assert (told.json["initiator"], told.json["reason"].rpartition(":")[2]) == ("operator", "admin")
    states = [row["state"] for row in told.json["sessions"]]
    assert states == ["confirmed", "confirmed", "unreachable", "unreachable", "unreachable"]
    assert bridge.get(bob, told.json["receipt"].removeprefix("https://bridge.example")).status_code == 200
    assert run("logout", *OF_ALICE, "--yes").code == 1


def test_a_logout_that_reaches_everybody_is_code_0(bridge, run):
    """The session of an application whose waiver stands ends here, and nothing else is left to tell."""
    Caller(bridge, "shop").call("PUT", "sessions/s-1", {"user": "u-1"})
    told = run("logout", "--user", "u-1", "--yes")
    assert told.code == 0
    assert "Receipt, for 24 hours: https://bridge.example/logout/" in told.out


def test_a_local_logout_leaves_the_identity_provider_alone(bridge, run):
    """--local: the IdP's session is kept, and the preview says why."""
    bridge.sign_in(bridge.browser())
    planned = run("logout", *OF_ALICE, "--local", "--dry-run", "--json").json["would_end"]
    assert [(one["kind"], one["outlook"]) for one in planned] == [("session", "ends"), ("idp", "stays")]


def test_the_audit_trail_has_the_operator(bridge, run, monkeypatch):
    """O6: who forced a logout stands in the trail."""
    monkeypatch.setenv("SUDO_USER", "olga")
    bridge.sign_in(bridge.browser())
    run("logout", *OF_ALICE, "--yes", SUDO_USER="olga")
    entries = [entry for key in bridge.redis.scan_iter("slo:*:audit") for entry in bridge.redis.xrange(key)]
    assert b"olga" in b"".join(value for _, fields in entries for value in fields.values())


def test_without_a_server_the_embedded_redis_is_missed_in_words(run):
    """A command that needs sessions says where it looked for a running server."""
    told = run("sessions", SLO_REDIS_URL=None)
    assert told.code == 1
    assert "no server runs here" in told.err
    assert "SLO_REDIS_URL" in told.err


def test_commands_work_beside_a_bridge_without_applications(tmp_path, redis_url, monkeypatch):
    """A user id is looked up in every space there is; where there is none, nobody is found."""
    with running_bridge(tmp_path, redis_url) as bridge:
        assert commands(bridge, monkeypatch)("sessions", "--user", "u").code == 1


def test_what_an_operator_does_to_files_and_names_is_in_the_trail(bridge, run):
    """O6: a connection that was added, and a NameID that was revealed, with who did it."""
    bridge.sign_in(bridge.browser())
    run("sessions", *OF_ALICE, "--reveal", SUDO_USER="olga")
    run("connection", "add", "fb", "--preset", "facebook", "--yes", SUDO_USER="olga")
    entries = [entry for key in bridge.redis.scan_iter("slo:*:audit") for entry in bridge.redis.xrange(key)]
    texts = [b" ".join(fields.values()).decode() for _, fields in entries if b"olga" in b" ".join(fields.values())]
    assert {word for text in texts for word in ("session-revealed", "connection-added") if word in text} == {
        "session-revealed",
        "connection-added",
    }
    assert not any(ALICE in text for text in texts)
