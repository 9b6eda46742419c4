"""Endpoints of applications, and a bridge that may speak to them."""

from contextlib import ExitStack

import pytest

from tests.methods.receiver import Receiver
from tests.running import running_bridge


@pytest.fixture
def receiver():
    """One endpoint on loopback."""
    with Receiver() as running:
        yield running


@pytest.fixture
def run(tmp_path, redis_url):
    """Give the test a bridge with these applications, whose back channel may speak to this machine."""
    with ExitStack() as stack:

        def start(*sps, **settings):
            how = {"back_channel_allow": ("127.0.0.1",), "back_channel_timeout": 15.0, **settings}
            return stack.enter_context(running_bridge(tmp_path, redis_url, sps=sps, **how))

        yield start


@pytest.fixture
def signed_in(run):
    """Give the test a bridge and a browser that is signed in at these applications."""

    def start(*sps, **settings):
        bridge = run(*sps, **settings)
        browser = bridge.browser()
        for sp in sps:
            sp.told = sp.sign_in(bridge, browser)
        return bridge, browser

    return start
