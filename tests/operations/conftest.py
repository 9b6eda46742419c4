"""Commands beside a running bridge: the same files, the same Redis, the same clock."""

import json

import pytest
from click.testing import CliRunner

from saml_slo import house
from saml_slo.cli import main
from tests.running import ORIGIN


class Told:
    """What a command said."""

    def __init__(self, result):
        self.code = result.exit_code
        self.out = result.stdout
        self.err = result.stderr

    @property
    def json(self):
        """Its one document."""
        return json.loads(self.out)


def commands(bridge, monkeypatch):
    """Return what runs a command beside a bridge; `given` is what the operator types."""
    monkeypatch.setattr(house, "utc_now", bridge.clock)
    environment = {
        "SLO_PUBLIC_URL": ORIGIN,
        "SLO_METADATA_DIR": str(bridge.settings.metadata_dir),
        "SLO_CERTS_DIR": str(bridge.settings.certs_dir),
        "SLO_DATA_DIR": str(bridge.settings.data_dir),
        "SLO_REDIS_URL": bridge.settings.redis_url,
        "SLO_BACK_CHANNEL_ALLOW": ",".join(bridge.settings.back_channel_allow),
        "SLO_BACK_CHANNEL_TIMEOUT": str(bridge.settings.back_channel_timeout),
    }

    def run(*arguments, given=None, **settings):
        with monkeypatch.context() as patch:
            patch.setattr("structlog.is_configured", lambda: True)  # the bridge's capture stays
            result = CliRunner().invoke(
                main, arguments, input=given, env={**environment, **settings}, catch_exceptions=False
            )
        return Told(result)

    return run


@pytest.fixture
def run(bridge, monkeypatch):
    """Run a command beside the usual bridge."""
    return commands(bridge, monkeypatch)
