"""What every test of the API gets: a bridge with the applications `shop` and `blog`."""

import pytest

pytest.register_assert_rewrite("tests.api.calling")

from tests.api.calling import SHOP_AND_BLOG, Caller  # noqa: E402 - after the line above, which is for this import
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
