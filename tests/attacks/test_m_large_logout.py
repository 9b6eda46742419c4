"""M244: the largest logout that there can be is no quadratic one, and never gets in the way of others."""

import time
from dataclasses import replace

import pytest

from saml_slo.store.store import Store
from saml_slo.worker import Sweeper
from tests.api.calling import Caller, application
from tests.methods.receiver import Receiver
from tests.running import running_bridge

HOOK = 'logout = "webhook"\nlogout_uri = "{0}"\ninsecure_http = true\n'
SESSIONS, PARTS = 4, 40


def test_answers_that_come_during_a_commit_are_committed_together(tmp_path, redis_url, monkeypatch):
    """A logout rewrites its whole record with each commit: with one for each answer, 1,000 parts took a minute."""
    commits = []
    advance = Store.advance_logout

    def slow(self, transaction, events, *arguments, **named):
        commits.append(len(events))
        time.sleep(0.02)
        return advance(self, transaction, events, *arguments, **named)

    with Receiver() as receiver:
        files = {"hub": application("hub", HOOK.format(receiver.url()))}
        settings = {"back_channel_allow": ("127.0.0.1",), "back_channel_timeout": 30, "api_rate": 100_000}
        with running_bridge(tmp_path, redis_url, applications=files, **settings) as bridge:
            hub = Caller(bridge, "hub")
            for number in range(SESSIONS):
                handle = hub.register(f"s-{number}", user="alice").get_json()["handle"]
                for part in range(PARTS - 1):
                    hub.register(f"s-{number}-{part}", session=handle)
            monkeypatch.setattr(Store, "advance_logout", slow)
            told = hub.logout(user="alice").get_json()["sessions"]
        assert [row["state"] for row in told] == ["confirmed"] * (SESSIONS * PARTS + SESSIONS)
        assert len(receiver.got) == SESSIONS * PARTS
    assert sum(commits) == SESSIONS * PARTS
    assert len(commits) < SESSIONS * PARTS / 2


@pytest.mark.parametrize(("interval", "swept"), [(60.0, ["l", "l", "s", "s"]), (-1.0, ["l", "l"])])
def test_sessions_that_end_all_at_once_hold_no_logout_up(tmp_path, redis_url, monkeypatch, interval, swept):
    """S3: deadlines and retries are looked at first, and again after a while, however many sessions are over."""
    found = []
    with running_bridge(tmp_path, redis_url) as bridge:
        sweeper = replace(bridge.app.extensions["saml_slo"].sweeper, interval=interval)
        due = (("s", "00a"), ("l", "00b"), ("s", "01a"), ("l", "01b"))
        monkeypatch.setattr(Store, "due", lambda *_: due)
        monkeypatch.setattr(Sweeper, "_expire", lambda *_: found.append("s") or True)
        monkeypatch.setattr(Sweeper, "_tick", lambda *_: found.append("l") or True)
        assert sweeper.sweep() == len(swept)
    assert found == swept
