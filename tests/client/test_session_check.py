"""The session check: how often the bridge is asked, and what holds while it cannot be."""

import logging
import threading

import pytest

from saml_slo.client import (
    MemoryReplayCache,
    NotFound,
    RateLimited,
    SessionCheck,
    SessionEnded,
    Unauthorised,
    Unavailable,
)
from saml_slo.client.answers import application_session
from tests.client.serving import SESSION, Clock


class Touched:
    """Stands for a client: answers with what a test put there, and counts."""

    def __init__(self, answer=None):
        self.answer = answer or application_session(SESSION)
        self.asked = []

    def touch_session(self, session_id):
        """Answer."""
        self.asked.append(session_id)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def read_session(self, session_id):
        """Answer a quiet question."""
        return self.touch_session(f"quiet {session_id}")


@pytest.fixture
def clock():
    """A clock that stands."""
    return Clock(1000.0)


DOWN = (Unavailable("down"), Unauthorised("withdrawn"))


def test_it_asks_as_often_as_the_bridge_says(clock):
    """Within check_after nothing is asked; after it, once, and the answer holds again."""
    client = Touched()
    check = SessionCheck(client, clock=clock)
    for second, asked in ((0, 1), (299, 1), (300, 2), (599, 2), (600, 3)):
        clock.now = 1000.0 + second
        assert check.is_alive("s1")
        assert len(client.asked) == asked, second
    assert check.is_alive("s2")
    assert client.asked[-1] == "s2"


def test_a_quiet_question_touches_nothing(clock):
    """S3: polling reads the session as often as the bridge says, and never touches it."""
    client = Touched()
    check = SessionCheck(client, clock=clock)
    for second in range(0, 900, 10):
        clock.now = 1000.0 + second
        assert check.is_alive("s1", quiet=True)
    assert client.asked == ["quiet s1"] * 3
    client.answer = SessionEnded("over")
    clock.now = 1900.0
    assert not check.is_alive("s1", quiet=True)
    assert not check.is_alive("s1")


def test_what_the_person_does_counts_however_often_the_page_polls(clock):
    """S3: an answer to a quiet question is none to the person's next request; a touch is good for both kinds."""
    client = Touched()
    check = SessionCheck(client, clock=clock)
    moments = ((0, True), (10, False), (20, False), (20, True), (310, True), (315, False), (400, True), (614, False))
    for second, quiet in moments:
        clock.now = 1000.0 + second
        assert check.is_alive("s1", quiet=quiet)
    assert client.asked == ["quiet s1", "s1", "quiet s1", "s1"]
    client.answer = Unavailable("down")
    for second, quiet in ((615, True), (616, False), (619, False), (620, False)):
        clock.now = 1000.0 + second
        assert check.is_alive("s1", quiet=quiet)
    assert client.asked[4:] == ["quiet s1", "s1"], "one that is down is left alone by both"


def test_an_ended_session_stays_ended(clock):
    """What the bridge said has ended is not asked again."""
    client = Touched(SessionEnded("over"))
    check = SessionCheck(client, clock=clock)
    assert not check.is_alive("s1")
    client.answer = application_session(SESSION)
    clock.now += 10_000
    assert not check.is_alive("s1")
    assert client.asked == ["s1"]


def test_an_unknown_session_is_not_alive_and_may_come(clock):
    """A session that is not registered is not alive; once it is, it is."""
    client = Touched(NotFound("unknown"))
    check = SessionCheck(client, clock=clock)
    assert not check.is_alive("s1")
    client.answer = application_session(SESSION)
    assert check.is_alive("s1")


def test_an_id_that_cannot_be_registered_is_not_alive(clock):
    """What the client would not even send is not alive, and no error."""
    assert not SessionCheck(Touched(ValueError("wrong")), clock=clock).is_alive("../x")


@pytest.mark.parametrize("failure", DOWN)
def test_closed_after_the_grace(clock, failure):
    """By default a session lives for the grace after its last good answer ran out, and is over then."""
    client = Touched()
    check = SessionCheck(client, grace=60, clock=clock)
    assert check.is_alive("s1")
    client.answer = failure
    for second, alive in ((300, True), (359, True), (360, False), (900, False)):
        clock.now = 1000.0 + second
        assert check.is_alive("s1") is alive, second
    client.answer = application_session(SESSION)
    clock.now += 10
    assert check.is_alive("s1"), "the bridge is back, and the session was alive all the time"


@pytest.mark.parametrize("failure", DOWN)
def test_closed_from_the_first_question(clock, failure):
    """A session of which this process knows nothing has the grace from its first question on, not longer by asking."""
    check = SessionCheck(Touched(failure), grace=60, clock=clock)
    for second, alive in ((0, True), (30, True), (59, True), (60, False), (3600, False)):
        clock.now = 1000.0 + second
        assert check.is_alive("s1") is alive, second


def test_open(clock):
    """With "open" a session lives until the bridge says otherwise."""
    client = Touched(Unavailable("down"))
    check = SessionCheck(client, when_unavailable="open", clock=clock)
    clock.now += 10
    assert check.is_alive("s1")
    clock.now += 100_000
    assert check.is_alive("s1")
    client.answer = SessionEnded("over")
    clock.now += 10
    assert not check.is_alive("s1")


def test_a_bridge_that_is_down_is_left_alone(clock):
    """After a failure nobody asks for five seconds, whatever the session; after 429 as long as the bridge says."""
    client = Touched(Unavailable("down"))
    check = SessionCheck(client, clock=clock)
    for name in ("s1", "s2", "s3", "s1"):
        assert check.is_alive(name)
    assert client.asked == ["s1"]
    client.answer = RateLimited("slow down", retry_after=30.0)
    clock.now += 5
    assert check.is_alive("s2")
    clock.now += 29
    assert check.is_alive("s1")
    assert client.asked == ["s1", "s2"]
    clock.now += 1
    assert check.is_alive("s1")
    assert client.asked == ["s1", "s2", "s1"]


def test_an_outage_is_logged_once(clock, caplog):
    """The log says once that the bridge is gone, and once that it is back."""
    caplog.set_level(logging.INFO, "saml_slo.client")
    client = Touched(Unavailable("down"))
    check = SessionCheck(client, clock=clock)
    for _ in range(5):
        check.is_alive("s1")
        clock.now += 10
    client.answer = application_session(SESSION)
    check.is_alive("s1")
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_notice_counts_at_once(clock):
    """What a logout notice ended is over without a question, even when an answer from before comes in after it."""
    client = Touched()
    check = SessionCheck(client, clock=clock)
    assert check.is_alive("s1")
    check.mark_ended("s1")
    assert not check.is_alive("s1")

    def meanwhile(session_id):
        check.mark_ended(session_id)
        return application_session(SESSION)

    client.touch_session = meanwhile
    assert not check.is_alive("s2")


def test_a_notice_counts_in_every_process_that_shares_it(clock):
    """T1: what one process confirmed is over in the others at the very next question, without the bridge."""
    shared = MemoryReplayCache()
    one, two = Touched(), Touched()
    here, there = (SessionCheck(client, clock=clock, ended=shared) for client in (one, two))
    assert here.is_alive("s1")
    assert there.is_alive("s1")
    here.mark_ended("s1")
    assert not there.is_alive("s1")
    assert not here.is_alive("s1")
    assert there.is_alive("s2")
    assert two.asked == ["s1", "s2"]


def test_one_thread_asks_for_all(clock):
    """While one thread asks about a session that was alive, the others do not wait for it."""
    client = Touched()
    check = SessionCheck(client, clock=clock)
    assert check.is_alive("s1")
    clock.now += 300
    inside, go_on = threading.Event(), threading.Event()

    def slow(session_id):
        client.asked.append(session_id)
        inside.set()
        assert go_on.wait(120)
        return application_session(SESSION)

    client.touch_session = slow
    thread = threading.Thread(target=check.is_alive, args=("s1",))
    thread.start()
    assert inside.wait(120)
    assert check.is_alive("s1")
    go_on.set()
    thread.join()
    assert len(client.asked) == 2


def test_memory_is_bounded(clock):
    """The session that was not asked about for longest is forgotten first."""
    client = Touched()
    check = SessionCheck(client, max_sessions=2, clock=clock)
    for name in ("s1", "s2", "s1", "s3", "s1", "s2"):
        assert check.is_alive(name)
    assert client.asked == ["s1", "s2", "s3", "s2"]


def test_a_wrong_word_is_refused():
    """Neither open nor closed is an error, not one of the two."""
    with pytest.raises(ValueError, match="open"):
        SessionCheck(Touched(), when_unavailable="maybe")
