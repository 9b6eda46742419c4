"""Real proxies. `make proxy-test` runs this folder; the usual run does not collect it, because it needs them."""

import os

import pytest

from tests.forward.house import wiki_behind
from tests.forward.proxy import KINDS, NGINX

CHOSEN = os.environ.get("SLO_PROXY_TESTS", "").split()
collect_ignore_glob = [] if CHOSEN else ["test_*.py"]
collect_ignore = [] if NGINX.name in CHOSEN else ["test_bridge.py"]


@pytest.fixture(params=CHOSEN)
def kind(request):
    """Each proxy that was chosen."""
    return KINDS[request.param]


@pytest.fixture
def house(kind, tmp_path, redis_url):
    """The wiki behind it."""
    with wiki_behind(kind, tmp_path, redis_url) as running:
        yield running
