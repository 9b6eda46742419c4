"""A publisher, and nodes: each with its own files, all with one Redis."""

from datetime import timedelta

import pytest
import redis

from saml_slo.delivery.back_channel import BackChannel
from saml_slo.peers.registry import Registry
from saml_slo.peers.remote_source import RemoteSources
from saml_slo.renewal.federations import Federations
from saml_slo.renewal.orphans import Orphans
from saml_slo.renewal.renewal import Renewal
from saml_slo.renewal.shared import SharedCopies
from saml_slo.store.connect import connect
from saml_slo.store.store import Store
from saml_slo.wire.metadata_role import MAX_METADATA_BYTES
from tests.metadata.publisher import publishing
from tests.peers.conftest import PUBLIC_URL, Place
from tests.wire.idp_metadata import NOW

SECRET = b"s" * 32
# The tests of this folder speak to this machine, as an operator allows it.
HERE = ("127.0.0.0/8", "localhost")


class Node:
    """One node: a folder metadata/, a folder of copies, a registry, a renewal; `now` moves with `later`."""

    def __init__(self, folder, redis_url, *, place=None, secret=SECRET):
        self.place = place or Place(folder)
        self.copies = folder / "var" / "fetched"
        self.redis_url = redis_url
        self.secret = secret
        self.now = NOW
        self.start()

    def start(self):
        """Start, or start again, as a new process does."""
        self.registry = Registry(
            self.place.folder,
            PUBLIC_URL,
            copies=self.copies,
            now=self.time,
            monotonic=self.moment,
        )
        self.renewal = Renewal(
            registry=self.registry,
            sources=RemoteSources(self.place.folder, self.copies, public_url=PUBLIC_URL),
            shared=SharedCopies(Store(connect(self.redis_url)), self.secret),
            channel=BackChannel(allowed_private=HERE, max_bytes=MAX_METADATA_BYTES),
            clock=self.time,
            federations=Federations.of(self.place.folder, self.copies, clock=self.time, allowed=HERE, luck=lambda: 0.0),
            orphans=Orphans(self.place.folder, self.copies),
            luck=lambda: 0.0,
        )
        return self

    def time(self):
        """The time of day."""
        return self.now

    def moment(self):
        """The time in seconds."""
        return self.now.timestamp()

    def connection(self, toml, name="idp"):
        """Write the TOML of a connection without metadata beside it."""
        self.place.write(f"connections/{name}.toml", toml)

    def look(self, seconds=0):
        """Let time pass, and renew what is due; return how many copies were written."""
        self.now += timedelta(seconds=seconds)
        return self.renewal.look()

    def glance(self):
        """Look at what is on this node alone, as two seconds later; say whether a look is worth it."""
        self.now += timedelta(seconds=2)
        return self.renewal.glance()

    def location(self, name="idp"):
        """Where this connection's LogoutRequests go, None where it is not in force."""
        connection = self.registry.connection(name)
        return None if connection is None else connection.single_logout[0].location

    def problems(self):
        """The texts of all problems, in one."""
        return "\n".join(str(problem) for problem in self.registry.problems())

    def warnings(self):
        """The texts of all warnings, in one."""
        return "\n".join(str(warning) for warning in self.registry.warnings())


@pytest.fixture
def publisher():
    """A publisher by http on this machine."""
    with publishing() as running:
        yield running


@pytest.fixture
def empty_redis(redis_url):
    """The URL of a Redis with nothing in it."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    client.close()
    return redis_url


@pytest.fixture
def node(tmp_path, empty_redis):
    """One node."""
    return Node(tmp_path, empty_redis)


@pytest.fixture
def second(tmp_path, empty_redis, node):
    """Another node with the same files under metadata/ and copies of its own."""
    return Node(tmp_path / "second", empty_redis, place=node.place)
