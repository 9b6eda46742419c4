"""One logout over several sessions: `scope=everywhere`, and a session that a link names by its handle (L1, L14)."""

import pytest

from saml_slo.store import tokens
from tests import idp
from tests.running import ORIGIN, running_bridge, sent
from tests.sp import Sp, frames

ONE, TWO = Sp("one", "idp-next"), Sp("two", "p256")


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with two front-channel applications."""
    with running_bridge(tmp_path, redis_url, sps=(ONE, TWO)) as running:
        yield running


def living(bridge, *browsers):
    """Which of these browsers are signed in."""
    return [bridge.is_signed_in(browser) for browser in browsers]


def rows(told):
    """What a receipt says of each session, in its order."""
    return [(row["name"], row["state"]) for row in told["sessions"]]


def test_everywhere_ends_the_persons_other_browsers_and_nobody_elses(bridge):
    """The own browser's frames are opened; another browser's application cannot be reached, and the receipt says it."""
    here, there, bob = bridge.browser(), bridge.browser(), bridge.browser()
    ONE.sign_in(bridge, here)
    TWO.sign_in(bridge, there)
    bridge.sign_in(bob, name_id=idp.NAME_ID.replace("alice", "bob"))
    response = bridge.logout(here, scope="everywhere")
    assert living(bridge, here, there, bob) == [False, False, True]
    told = bridge.receipt(here, response)
    assert rows(told)[:4] == [
        ("This browser", "confirmed"),
        ("Another browser", "confirmed"),
        ("one", "waiting"),
        ("two", "unreachable"),
    ]
    page = bridge.get(here, response.headers["Location"]).get_data(as_text=True)
    assert len(frames(page)) == 1


def test_everywhere_reaches_sessions_in_other_slots(bridge):
    """A browser signed in as two people has its session in the first one's slot; the second one's logout finds it."""
    here, there = bridge.browser(), bridge.browser()
    name = next(
        name for name in (f"bob{number}" for number in range(50)) if shard_of(bridge, name) != shard_of(bridge, "alice")
    )
    bridge.sign_in(there)
    bridge.sign_in(there, name_id=idp.NAME_ID.replace("alice", name))
    bridge.sign_in(here, name_id=idp.NAME_ID.replace("alice", name))
    told = bridge.receipt(here, bridge.logout(here, scope="everywhere"))
    assert living(bridge, here, there) == [False, False]
    assert rows(told)[:2] == [("This browser", "confirmed"), ("Another browser", "confirmed")]
    # Nothing is left behind in any index, so nobody is counted as signed in.
    assert not list(bridge.redis.scan_iter("slo:*:principal:*"))


def shard_of(bridge, name):
    """The slot in which a person's first session would live."""
    browser = bridge.browser()
    bridge.sign_in(browser, name_id=idp.NAME_ID.replace("alice", name))
    (key,) = bridge.redis.scan_iter("slo:*:session:*")
    bridge.redis.flushall()
    return key.decode().rpartition(":")[2][:2]


def test_browser_is_the_default_and_other_words_are_refused(bridge):
    """A scope that there is not ends nothing."""
    here, there = bridge.browser(), bridge.browser()
    bridge.sign_in(here)
    bridge.sign_in(there)
    assert bridge.logout(here, scope="all").status_code == 400
    assert living(bridge, here, there) == [True, True]
    bridge.logout(here, scope="browser")
    assert living(bridge, here, there) == [False, True]


def handle_of(bridge, client_id="one"):
    """The handle of the one session there is, for an application."""
    (key,) = bridge.redis.scan_iter("slo:*:session:*")
    secret = bridge.app.extensions["saml_slo"].secret.derive("handle")
    return tokens.session_handle(secret, key.decode().rpartition(":")[2], client_id)


def test_a_handle_ends_the_session_that_it_names_without_a_cookie(bridge):
    """A2: the application sends its person with the handle; the IdP is asked through that browser."""
    signed_in, sent_here = bridge.browser(), bridge.browser()
    bridge.sign_in(signed_in)
    response = bridge.logout(sent_here, session=handle_of(bridge), client_id="one", federated="")
    assert sent(response).location == "https://idp.example/slo"
    assert not bridge.is_signed_in(signed_in)


@pytest.mark.parametrize("wrong", ["another application", "no client_id", "a changed handle", "nonsense"])
def test_a_handle_of_somebody_else_ends_nothing(bridge, wrong):
    """The handle is one application's alone."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    handle = handle_of(bridge)
    query = {
        "another application": {"session": handle, "client_id": "two"},
        "no client_id": {"session": handle},
        "a changed handle": {"session": handle[:-1] + ("A" if handle[-1] != "A" else "B"), "client_id": "one"},
        "nonsense": {"session": "x" * 57, "client_id": "one"},
    }[wrong]
    before = bridge.keyspace()
    assert bridge.logout(bridge.browser(), **query).status_code == 400
    assert bridge.reasons() == ["bad_request"]
    assert bridge.keyspace() == before
    assert bridge.is_signed_in(browser)


def test_a_post_carries_every_parameter_on(bridge):
    """The 303 after a cross-site POST loses nothing."""
    form = {"scope": "everywhere", "session": "h", "client_id": "one", "federated": "", "access_token": "t"}
    location = bridge.browser().post("/v2/logout", data=form, base_url=ORIGIN).headers["Location"]
    assert set(location.partition("?")[2].split("&")) == {f"{name}={value}" for name, value in form.items()}
