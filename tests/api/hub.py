"""The application `hub`, which is told of logouts by webhook, and what tests of logouts ask of a bridge with it."""

from contextlib import contextmanager

from tests.api.calling import Caller, application
from tests.running import running_bridge

LOCAL = {"back_channel_allow": ("127.0.0.1",)}
HOOK = 'logout = "webhook"\nlogout_uri = "{0}"\ninsecure_http = true\n'


@contextmanager
def hub_and_page(folder, redis_url, receiver, **settings):
    """A bridge with `hub`, told by webhook, and `page`, which needs a browser; both mean the same users."""
    shared = 'users = "staff"\n'
    files = {
        "hub": application("hub", shared + HOOK.format(receiver.url())),
        "page": application("page", shared + 'logout = "url"\nlogout_uri = "https://page.example/out"\n'),
        "stranger": application("stranger"),
    }
    with running_bridge(folder, redis_url, applications=files, **LOCAL, **settings) as bridge:
        yield bridge, *(Caller(bridge, name) for name in files)


def rows(answer):
    """Name and state of each session on a receipt."""
    return [(row["name"], row["state"]) for row in answer.get_json()["sessions"]]


def logouts(bridge):
    """How many logouts the store knows."""
    return len(list(bridge.redis.scan_iter("slo:*:logout:*")))
