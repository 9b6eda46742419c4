"""The receiver around the two kinds of notices: truth of its answers, order, and who may share what."""

import threading

import pytest

from saml_slo.client import LogoutReceiver, MemoryReplayCache, Unavailable
from saml_slo.peers.methods.webhook import secret_text
from tests.client.notices import SECRET, Receiving, hook
from tests.client.serving import Clock


@pytest.fixture
def receiving():
    """A receiver that knows one secret."""
    return Receiving("https://slo.example", secrets=(secret_text(SECRET),))


@pytest.mark.parametrize(("raised", "status"), [(RuntimeError("database"), 500), (Unavailable("bridge"), 503)])
def test_what_failed_is_not_confirmed(receiving, raised, status):
    """When the application cannot end the session, the bridge hears of it and the same delivery is acted on again."""

    def fail(_notice):
        raise raised

    handed_on, receiving.act = receiving.act, fail
    assert receiving.take(*hook()) == status
    receiving.act = handed_on
    assert receiving.take(*hook()) == 204
    assert len(receiving.notices) == 1


def test_nothing_is_confirmed_before_it_is_done(receiving):
    """While the first delivery is being acted on, the same one again is neither confirmed nor acted on."""
    inside, go_on, answers = threading.Event(), threading.Event(), []

    def slow(notice):
        inside.set()
        assert go_on.wait(120)
        receiving.notices.append(notice)

    receiving.act = slow
    thread = threading.Thread(target=lambda: answers.append(receiving.receiver.receive("POST", *hook()).status))
    thread.start()
    assert inside.wait(120)
    assert receiving.take(*hook()) == 503
    assert answers == []
    go_on.set()
    thread.join()
    assert receiving.take(*hook()) == 204
    assert (answers, len(receiving.notices)) == ([204], 1)


def test_processes_share_a_replay_cache():
    """What one receiver has done, another with the same cache does not do again."""
    cache = MemoryReplayCache()
    one, two = (Receiving("https://slo.example", secrets=(secret_text(SECRET),), replay_cache=cache) for _ in range(2))
    assert (one.take(*hook()), two.take(*hook())) == (204, 204)
    assert (len(one.notices), len(two.notices)) == (1, 0)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "post"])
def test_a_notice_is_a_post(receiving, method):
    """Anything else is 405."""
    assert receiving.take(*hook(), method=method) == 405
    assert ("Allow", "POST") in receiving.reply.headers


def test_a_huge_body_is_not_even_looked_at(receiving):
    """More than 64 KiB is 413."""
    headers, _ = hook()
    assert receiving.take(headers, b"x" * 70_000) == 413


def test_a_receiver_needs_a_verifier():
    """A receiver that could only refuse cannot be made."""
    with pytest.raises(ValueError, match="verifier"):
        LogoutReceiver(print)


def test_marks_fall_away():
    """A mark is set once, until it is over or removed; the oldest falls away when there are too many."""
    clock = Clock(0.0)
    cache = MemoryReplayCache(2, clock=clock)
    assert cache.add("a", 10)
    assert not cache.add("a", 10)
    assert cache.contains("a")
    clock.now = 10.0
    assert not cache.contains("a")
    assert cache.add("a", 10)
    assert cache.add("b", 10)
    assert cache.add("c", 10)
    assert [cache.contains(mark) for mark in "abc"] == [False, True, True]
    cache.discard("b")
    cache.discard("never there")
    assert cache.add("b", 10)
