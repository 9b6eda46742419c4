"""What every test gets: hypothesis in two strengths, a real Redis, a whole bridge.

`HYPOTHESIS_PROFILE=deep` looks long and elsewhere each time.
"""

import os
from functools import cache

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from saml_slo.store.embedded import EmbeddedRedis
from saml_slo.wire import keys
from tests.running import running_bridge

# The usual run takes the same examples every time, so that a red build is the commit's fault and not the dice's.
# Neither profile minds a busy machine.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("usual", **_PATIENT, derandomize=True, max_examples=100)
settings.register_profile("deep", **_PATIENT, max_examples=5_000, print_blob=True)
settings.load_profile(profile := os.environ.get("HYPOTHESIS_PROFILE", "usual"))
if profile == "usual":
    # Hypothesis also draws the constants of all modules of ours that are imported by then. Each commit, and the order
    # in which tests happen to run, would change the examples of tests that have nothing to do with it.
    providers.is_local_module_file = lambda _: False


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    """A real Redis for this test process, with nothing in it at the start of the run."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A whole bridge with the usual settings; see tests/running.py."""
    with running_bridge(tmp_path, redis_url) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_talkative_as_before():
    """Let no test leave the log as quiet as a command makes it: the next one may look for a warning.

    A bridge that one test opens for those after it (tests/attacks) does not touch the level, and keeps its log.
    """
    talkative = structlog.get_config()["wrapper_class"]
    yield
    if structlog.get_config()["wrapper_class"] is not talkative:
        structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def _keys_parsed_once():
    """Parse each test key once in a process: checking an RSA key takes 50 ms, and every bridge has three."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "load_private_key", cache(keys.load_private_key))
        yield
