"""What every attack gets: traps, and a bridge in the middle of honest people's business."""

import pytest

# The helpers assert as well, and python -O must not take that away (C085).
pytest.register_assert_rewrite("tests.api.calling", "tests.attacks.callers", "tests.attacks.invariants")

from tests.attacks.callers import open_door  # noqa: E402 - after the line above, which is for this import
from tests.attacks.canary import listening  # noqa: E402 - after the line above, which is for this import
from tests.attacks.invariants import open_stage  # noqa: E402


@pytest.fixture(scope="session")
def canary(tmp_path_factory):
    """A listener and a file that nobody may touch."""
    with listening(tmp_path_factory.mktemp("canary")) as canary:
        yield canary


@pytest.fixture
def make_stage(tmp_path, redis_url, canary):
    """Give the test a stage with settings of its own (`toml`, `signers`, …); not in one module with `stage`."""

    def make(**settings):
        return open_stage(tmp_path, redis_url, canary, **settings)

    return make


class _Standing:
    """The stage of one module; a test that broke it leaves a fresh one to the next."""

    def __init__(self, tmp_path_factory, redis_url, canary):
        # The IdP takes answers by both bindings, so that a genuine LogoutRequest goes through by each.
        self._open = lambda: open_stage(
            tmp_path_factory.mktemp("stage"), redis_url, canary, bindings=("Redirect", "POST")
        )
        self._opened = None
        self.stage = None

    def get(self):
        if self.stage is not None and self.stage.broken:
            self.close()
        if self.stage is None:
            self._opened = self._open()
            self.stage = self._opened.__enter__()
        return self.stage

    def close(self):
        opened, self._opened, self.stage = self._opened, None, None
        if opened is not None:
            opened.__exit__(None, None, None)


@pytest.fixture(scope="module")
def _standing(tmp_path_factory, redis_url, canary):
    standing = _Standing(tmp_path_factory, redis_url, canary)
    yield standing
    standing.close()


@pytest.fixture
def stage(_standing):
    """The stage that the attacks of a module share; before the first and after the last it accepts what is genuine."""
    return _standing.get()


@pytest.fixture(scope="module")
def door(tmp_path_factory, redis_url, canary):
    """The API of a stage, which the attacks of a module share; before and after them it takes what is genuine."""
    with open_door(tmp_path_factory.mktemp("door"), redis_url, canary) as door:
        yield door
