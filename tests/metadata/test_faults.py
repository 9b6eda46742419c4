"""What breaks beside the publisher: no Redis, no disk, a process that dies in the middle. Nothing in force is lost."""

import os

import pytest
import redis
import structlog

from saml_slo.errors import ConfigurationError, StoreUnavailable
from saml_slo.peers.copies import replace_file
from saml_slo.renewal import renewal as module
from saml_slo.renewal import shared
from tests.metadata.signing import signed, signer_file
from tests.metadata.test_federation import ALL
from tests.metadata.test_renewal import DAY, document
from tests.wire.idp_metadata import entities

NEW = "https://idp.test/new"


@pytest.fixture
def running(node, publisher):
    """A node with one connection by URL, fetched once."""
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"\nmetadata_changes = "auto"')
    node.look()
    return node


def test_without_redis_nothing_is_renewed_and_everything_stays(running, publisher, monkeypatch):
    """The copy is in force from its file, also after a restart; when Redis is back the look is made up for."""
    publisher.documents["/idp.xml"] = document(NEW)
    with monkeypatch.context() as gone:
        gone.setattr(redis.connection.AbstractConnection, "connect", lambda *_: _refuse())
        running.start()
        with pytest.raises(StoreUnavailable):
            running.look(DAY)
        assert running.location() == "https://idp.test/slo"
    running.look()
    assert running.location() == NEW


def _refuse():
    raise redis.exceptions.ConnectionError("nobody listens")


def test_a_thread_outlives_whatever_goes_wrong(running):
    """Redis that is away, a disk that is full, a mistake of ours: logged, and the next look comes."""
    looks = []
    errors = [StoreUnavailable("away"), ConfigurationError("full"), RuntimeError("ours")]

    def look():
        looks.append(1)
        if errors:
            raise errors.pop()
        running.renewal.stop()
        return 0

    quick = module.Renewal(
        **{name: getattr(running.renewal, name) for name in ("registry", "sources", "shared", "channel", "clock")},
        federations=running.renewal.federations,
        orphans=running.renewal.orphans,
        interval=0.01,
        _stopping=running.renewal._stopping,
    )
    with structlog.testing.capture_logs() as log:
        quick._run(look, quick._rest)
    assert len(looks) == 4
    assert [line["event"] for line in log] == ["renewal_failed", "renewal_failed", "renewal_postponed"]


def test_a_folder_that_cannot_be_written_is_told_in_words(node, publisher):
    """Nothing comes into force, and the log names the folder and the setting."""
    node.copies.parent.mkdir()
    node.copies.write_text("a file where the folder should be")
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"')
    with structlog.testing.capture_logs() as log:
        node.look()
    (line,) = [line for line in log if line["event"] == "renewal_failed"]
    assert "cannot be written" in line["message"]
    assert "SLO_DATA_DIR" in line["message"]
    (node.place.folder / "federations").mkdir()
    node.place.write("federations/signer.crt", signer_file("idp"))
    node.place.write("federations/edu.toml", 'metadata_signer = "signer.crt"')
    node.place.write("federations/edu.xml", signed(entities(*ALL)))
    with pytest.raises(ConfigurationError, match="cannot be written"):
        node.renewal.look_at_federations()
    node.copies.unlink()
    node.look(DAY)
    node.renewal.look_at_federations()
    assert node.problems() == ""


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_process_that_dies_while_it_writes(running, publisher, monkeypatch, after):
    """After any number of files: what was in force still is, or the new one; and the next look mends the rest."""
    publisher.documents["/idp.xml"] = document(NEW)
    write, written = shared.replace_file, []

    def dies(path, content):
        if len(written) == after:
            raise KeyboardInterrupt
        written.append(path)
        write(path, content)

    with monkeypatch.context() as dying:
        dying.setattr(shared, "replace_file", dies)
        running.now = running.now.replace(day=running.now.day + 1)
        remote = next(iter(running.renewal.sources.update(running.now).values()))
        with pytest.raises(KeyboardInterrupt):
            running.renewal.renew(remote, remote.source.state())
    running.registry.take_copies()
    assert running.location() in ("https://idp.test/slo", NEW)
    running.start()
    running.renewal.catch_up()
    assert (running.location(), running.problems()) == (NEW, "")


def test_what_root_writes_belongs_to_whoever_owns_the_folder(tmp_path, monkeypatch):
    """`sudo saml-slo connection refresh` leaves no file and no folder that the server could not replace."""
    given = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda opened, *owner: given.append((os.fstat(opened).st_ino, owner)))
    path = tmp_path / "fetched" / "connections" / "idp.xml"
    replace_file(path, b"x")
    here = tmp_path.stat()
    made = [path.parent.parent, path.parent, path]
    assert given == [(one.stat().st_ino, (here.st_uid, here.st_gid)) for one in made]
