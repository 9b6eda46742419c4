"""A browser that is signed in, and bridges with settings that a test chooses."""

from contextlib import ExitStack

import pytest

from tests.running import running_bridge


@pytest.fixture
def browser(bridge):
    """A browser that is signed in at the usual bridge."""
    found = bridge.browser()
    assert bridge.sign_in(found).status_code == 303
    return found


@pytest.fixture
def running(tmp_path, redis_url):
    """Run a bridge as a test wants it and sign a browser in, with the assertion that the test wants."""
    with ExitStack() as stack:

        def start(*, assertion=None, **how):
            started = stack.enter_context(running_bridge(tmp_path, redis_url, **how))
            found = started.browser()
            assert started.sign_in(found, **(assertion or {})).status_code == 303
            return started, found

        yield start
