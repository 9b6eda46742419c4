"""A folder of real files, a registry over it, and a clock that the test moves."""

from datetime import timedelta

import pytest

from saml_slo.peers.registry import Registry
from tests.wire.idp_metadata import NOW, endpoint, entity, role
from tests.wire.sp_metadata import sp_entity

PUBLIC_URL = "https://bridge.test"


class Place:
    """A metadata folder and its registry. `moment` is the monotonic clock, `now` the wall clock."""

    def __init__(self, folder):
        self.folder = folder / "metadata"
        self.moment = 100.0
        self.now = NOW
        self.reported = []
        for part in ("connections", "applications", "organisations"):
            (self.folder / part).mkdir(parents=True)

    def connection(self, name, toml="", *, entity_id=None, xml=None, **options):
        """Write a connection's TOML and its metadata."""
        self.write(f"connections/{name}.toml", toml)
        self.write(f"connections/{name}.xml", xml or metadata(entity_id or f"https://{name}.test", **options))

    def application(self, client_id, toml="", *, entity_id=None, xml=None):
        """Write an application's TOML and, where an entity id or a document is given, its metadata."""
        self.write(f"applications/{client_id}.toml", toml)
        if entity_id or xml:
            self.write(f"applications/{client_id}.xml", xml or sp_entity(entity_id=entity_id))

    def organisation(self, name, toml=""):
        """Write an organisation's TOML."""
        self.write(f"organisations/{name}.toml", toml)

    def write(self, name, text):
        """Write a file as an editor does: in place."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def registry(self, **options):
        """Make a registry whose clocks stand still until `later`."""
        return Registry(
            self.folder,
            PUBLIC_URL,
            now=lambda: self.now,
            monotonic=lambda: self.moment,
            report=self.reported.append,
            **options,
        )

    def later(self, seconds=1.0):
        """Move both clocks on."""
        self.moment += seconds
        self.now += timedelta(seconds=seconds)


def metadata(entity_id, *, attributes="", location="https://idp.test/sso"):
    """The metadata of an identity provider with one endpoint."""
    return entity(role(endpoints=endpoint("SingleSignOn", location)), entity_id=entity_id, attributes=attributes)


@pytest.fixture
def place(tmp_path):
    """An empty metadata folder."""
    return Place(tmp_path)
