"""Many messages at once: all in the time of the slowest, and nobody waits for one that hangs."""

import threading
import time

import pytest

from saml_slo.delivery.back_channel import Answer
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.delivery.fan_out import Job, fan_out
from tests.delivery.servers import OK, answering, serving

DELAY = 0.25


def job(key, url, patience=60.0):
    """One message."""
    return Job(key=str(key), url=url, body=b"<x/>", content_type="text/xml", patience=patience)


def slow(server, connection):
    """Answer after a quarter of a second; hang when the path says so."""
    server.request(connection)
    if "POST /hang" in server.requests[-1][0]:
        server.hang(connection)
    server.wait(DELAY)
    server.send(connection, OK)


def timed(outcomes):
    """Return every outcome with the second at which it came."""
    begun = time.monotonic()
    return [(outcome, time.monotonic() - begun) for outcome in outcomes]


def deliveries():
    """The threads of fan_out that still run."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("delivery-")]


def wait_for_threads(seconds):
    """Wait until no delivery runs any more."""
    until = time.monotonic() + seconds
    for thread in deliveries():
        thread.join(max(0, until - time.monotonic()))
    return deliveries()


def test_fifty_endpoints_in_the_time_of_the_slowest(channel):
    """Fifty are asked at once: all of them take far from fifty times one (benchmarks/fan_out.py measures how long)."""
    with serving(slow) as server:
        came = timed(fan_out(channel, [job(n, server.url(f"/{n}")) for n in range(50)], budget=60))
    assert sorted(int(outcome.job.key) for outcome, _ in came) == list(range(50))
    assert all(isinstance(outcome.result, Answer) for outcome, _ in came)
    slowest = max(outcome.seconds for outcome, _ in came)
    assert slowest >= DELAY
    assert came[-1][1] <= 25 * slowest


def test_one_that_hangs_delays_nobody(channel):
    """The others' answers are handed on as they come; the hanging one ends at the budget, and its thread with it."""
    budget = 6.0
    with serving(slow) as server:
        jobs = [job("hang", server.url("/hang"))] + [job(n, server.url(f"/{n}")) for n in range(20)]
        came = timed(fan_out(channel, jobs, budget=budget))
        assert wait_for_threads(60) == []
    assert [outcome.job.key for outcome, _ in came].index("hang") == 20
    assert all(isinstance(outcome.result, Answer) for outcome, _ in came[:-1])
    last, seconds = came[-1]
    assert (last.result.why, last.result.sent) == (Why.TIMEOUT, True)
    assert came[-2][1] < seconds
    assert budget / 2 < seconds < budget + 30


def test_each_has_its_own_patience(channel):
    """A job's patience ends it before the budget does."""
    with serving(slow) as server:
        ((outcome, seconds),) = timed(fan_out(channel, [job("hang", server.url("/hang"), 0.3)], budget=60))
    assert outcome.result.why == Why.TIMEOUT
    assert outcome.seconds >= 0.2
    assert seconds < 30


def test_more_jobs_than_workers(channel):
    """Jobs wait for a worker; what has not begun when the time is over was not sent."""
    with serving(slow) as server:
        jobs = [job(n, server.url(f"/{n}")) for n in range(8)]
        assert all(isinstance(o.result, Answer) for o in fan_out(channel, jobs, budget=60, workers=4))
        hanging = [job(n, server.url(f"/hang{n}")) for n in range(4)]
        came = list(fan_out(channel, hanging, budget=2.0, workers=2))
    assert [outcome.result.why for outcome in came] == [Why.TIMEOUT] * 4
    assert sorted(outcome.result.sent for outcome in came) == [False, False, True, True]


def test_it_begins_at_once(channel):
    """The messages leave even when nobody takes the outcomes."""
    with serving(answering(OK)) as server:
        fan_out(channel, [job(n, server.url()) for n in range(5)], budget=60)
        wait_for_threads(60)
    assert len(server.requests) == 5


def test_nothing_to_do(channel):
    """No jobs, no outcomes."""
    assert list(fan_out(channel, [], budget=5)) == []


class Stubborn:
    """A channel that obeys no deadline, as a hanging C library would not."""

    def __init__(self):
        self.released = threading.Event()

    def post(self, url, _body, **_how):
        """Hang, or answer."""
        if "hang" in url:
            self.released.wait(60)
        return Answer(status=200, content_type="", body=b"")


def test_the_budget_holds_whatever_happens():
    """Even a delivery that ignores its deadline is given up when the time is over; it may have been sent."""
    channel = Stubborn()
    came = timed(fan_out(channel, [job("a", "hang"), job("b", "go")], budget=2.0))
    channel.released.set()
    assert [outcome.job.key for outcome, _ in came] == ["b", "a"]
    assert (came[1][0].result.why, came[1][0].result.sent) == (Why.TIMEOUT, True)
    assert came[1][1] < 30
    assert wait_for_threads(60) == []


def test_an_outcome_that_is_taken_late_is_not_lost():
    """A caller that is busy for longer than the budget still gets every answer that came in time."""
    outcomes = fan_out(Stubborn(), [job(n, "go") for n in range(5)], budget=2.0)
    wait_for_threads(60)
    time.sleep(2.1)  # the budget is over; no clock of ours to move
    assert all(isinstance(outcome.result, Answer) for outcome in outcomes)


class Broken:
    """A channel with a mistake in it."""

    def post(self, url, _body, **_how):
        """Fail as no channel should."""
        if url == "bad":
            raise KeyError(url)
        raise DeliveryFailed(Why.REFUSED, "no")


def test_a_mistake_of_ours_costs_one_delivery():
    """An unexpected error is that job's outcome; its neighbours have theirs."""
    came = {o.job.key: o.result.why for o in fan_out(Broken(), [job("a", "bad"), job("b", "good")], budget=60)}
    assert came == {"a": Why.LOCAL, "b": Why.REFUSED}


@pytest.mark.parametrize("threads", [0, 1])
def test_when_no_more_threads_can_be_started(monkeypatch, threads):
    """With one thread, or with none but our own, every job is still done (security F38)."""
    start, started = threading.Thread.start, []

    def limited(thread):
        if len(started) == threads:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    came = list(fan_out(Stubborn(), [job(n, "go") for n in range(5)], budget=60))
    assert [type(outcome.result) for outcome in came] == [Answer] * 5
    assert len(started) == threads
