"""M244: the largest logout that there can be is no quadratic one, and never gets in the way of others."""

import time

from saml_slo.store.store import Store
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
