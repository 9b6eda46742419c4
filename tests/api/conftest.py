"""What every test of the API gets: a bridge with the applications `shop` and `blog`."""

import pytest

pytest.register_assert_rewrite("tests.api.calling")

from tests.api.calling import SHOP_AND_BLOG, Caller  # noqa: E402 - after the line above, which is for this import
from tests.api.hub import hub_and_page  # noqa: E402
from tests.methods.receiver import Receiver  # noqa: E402
from tests.running import running_bridge  # noqa: E402


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A whole bridge with both applications."""
    with running_bridge(tmp_path, redis_url, applications=SHOP_AND_BLOG) as running:
        yield running


@pytest.fixture
def shop(bridge):
    """The application `shop`, calling."""
    return Caller(bridge, "shop")


@pytest.fixture
def blog(bridge):
    """The application `blog`, calling."""
    return Caller(bridge, "blog")


@pytest.fixture
def receiver():
    """The endpoint at which the application `hub` is told."""
    with Receiver() as running:
        yield running


@pytest.fixture
def parties(tmp_path, redis_url, receiver):
    """The same, as a fixture."""
    with hub_and_page(tmp_path, redis_url, receiver) as found:
        yield found
