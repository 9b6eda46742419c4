"""Two nodes, one Redis: one of them fetches, both have it, and nobody who can write to Redis can add a key."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from saml_slo.renewal.choices import Choices
from tests.metadata.conftest import Node
from tests.metadata.test_renewal import DAY, document
from tests.serving import wait_until

NEW = "https://idp.test/new"


@pytest.fixture
def nodes(node, second, publisher):
    """Two nodes with one connection by URL."""
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"\nmetadata_changes = "auto"')
    return node, second


def test_one_fetches_and_both_have_it(nodes, publisher):
    """The second takes the copy from Redis; a newer one it notices at its next look."""
    first, second = nodes
    first.look()
    second.look()
    assert second.location() == "https://idp.test/slo"
    publisher.documents["/idp.xml"] = document(NEW)
    second.look(DAY)
    first.look(DAY - 1)
    assert (first.location(), second.location()) == (NEW, NEW)
    assert len(publisher.asked) == 2


def test_a_node_with_empty_files_catches_up_before_it_serves(nodes, publisher):
    """A container that starts anew has every copy from Redis, and asks no publisher."""
    first, second = nodes
    first.look()
    publisher.status = 500
    second.renewal.catch_up()
    assert second.location() == "https://idp.test/slo"
    assert len(publisher.asked) == 1


def test_at_the_same_moment_one_of_them_fetches(nodes, publisher):
    """However many processes see that it is due, the publisher is asked once."""
    first, second = nodes
    many = [first, second, *(Node(first.copies.parent / str(n), first.redis_url, place=first.place) for n in range(4))]
    threads = [threading.Thread(target=node.look) for node in many]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for node in many:
        node.look()
    assert {node.location() for node in many} == {"https://idp.test/slo"}
    assert len(publisher.asked) == 1


def test_a_process_of_the_same_node_finds_the_files(nodes, publisher):
    """Two workers share one folder of copies; the one that did not fetch reads what the other wrote."""
    first, _ = nodes
    other = Node(first.copies.parent.parent, first.redis_url, place=first.place)
    first.look()
    other.look()
    assert other.location() == "https://idp.test/slo"
    assert len(publisher.asked) == 1


def test_another_process_has_a_copy_at_its_next_glance(nodes, publisher):
    """Once a second it is seen whether a copy came; nothing is asked for and nothing is read when none did."""
    first, _ = nodes
    other = Node(first.copies.parent.parent, first.redis_url, place=first.place)
    other.look()
    assert other.glance() is False
    publisher.documents["/idp.xml"] = document(NEW)
    first.look(DAY)
    assert other.location() == "https://idp.test/slo"
    assert other.glance() is False
    assert other.location() == NEW
    assert other.registry.take_new_copies() is False


def test_a_wrong_file_is_told_where_nobody_asks_anything(node):
    """The glance looks at the operator's files too: log, metrics and console need no request for it."""
    node.look()
    node.place.write("connections/wrong.toml", "nonsense = 1\n")
    node.now += timedelta(seconds=2)
    node.glance()
    assert "nonsense" in node.problems()


def test_a_new_file_is_fetched_before_the_next_look_is_due(node, publisher):
    """The glance says that there is something to look at; what was looked at, well or not, is not looked at again."""
    node.look()
    assert node.glance() is False
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"')
    assert node.glance() is True
    node.look()
    assert node.location() == "https://idp.test/slo"
    node.connection(f'metadata_url = "{publisher.url("/nowhere")}"')
    assert node.glance() is True
    node.look()
    assert node.glance() is False


def test_a_node_waits_for_the_one_that_fetches(nodes):
    """Whoever finds the lease taken has the copy a glance after the other node is done, not a whole interval."""
    first, second = nodes
    (remote,) = second.renewal.sources.update(second.now).values()
    token = first.renewal.shared.lease(remote.copies)
    second.look()
    assert (second.location(), second.glance()) == (None, False)
    first.renewal.shared.release(remote.copies, token)
    first.look()
    assert second.glance() is True
    second.look()
    assert (second.location(), second.glance()) == ("https://idp.test/slo", False)


def test_a_connection_that_is_added_while_servers_run_is_in_force_at_once(node, publisher):
    """In the thread that renews: no look is due for an hour, and the new file is not waited for."""
    renewal = replace(node.renewal, interval=3600.0)
    renewal.start()
    try:
        publisher.documents["/idp.xml"] = document()
        node.connection(f'metadata_url = "{publisher.url()}"')
        wait_until(node.location, seconds=60)
    finally:
        renewal.stop()


def test_a_request_never_reads_a_copy(nodes):
    """What a request calls looks at the operator's files alone; reading a new copy is the renewal's own work."""
    first, _ = nodes
    other = Node(first.copies.parent.parent, first.redis_url, place=first.place)
    first.look()
    for _ in range(3):
        other.now += timedelta(seconds=60)
        other.registry.refresh()
        assert other.location() is None
    other.registry.take_copies()
    assert other.location() == "https://idp.test/slo"


def test_what_an_operator_chose_holds_everywhere(nodes, publisher):
    """Accepted, or gone back, on one node: so on the other at its next look."""
    first, second = nodes
    first.connection(f'metadata_url = "{publisher.url()}"\nmetadata_changes = "ask"')
    first.look()
    publisher.documents["/idp.xml"] = document(NEW)
    first.look(DAY)
    second.look(DAY)
    assert "waits until you accept it" in second.problems()
    Choices(renewal=second.renewal).accept("connections", "idp")
    first.look()
    assert (first.location(), first.problems()) == (NEW, "")
    Choices(renewal=first.renewal).go_back("connections", "idp")
    second.look()
    assert second.location() == "https://idp.test/slo"


def test_a_failure_is_told_on_every_node(nodes, publisher):
    """The node that did not ask says as well that nothing came."""
    first, second = nodes
    first.look()
    publisher.status = 500
    first.look(DAY)
    second.look(DAY)
    assert "status 500" in second.warnings()
    assert len(publisher.asked) == 2


@pytest.mark.parametrize("part", ["state", "document"])
def test_what_somebody_else_wrote_into_redis_is_not_believed(nodes, publisher, part):
    """A copy is sealed under a key of the installation: anything else is as if it were not there."""
    first, second = nodes
    first.look()
    client = redis.Redis.from_url(first.redis_url)
    client.hset("slo:{copy:connections:idp}", part, json.dumps({"url": publisher.url(), "version": ""}).encode())
    second.look()
    assert second.location() in ("https://idp.test/slo", None)
    second.look(DAY)
    assert second.location() == "https://idp.test/slo"


def test_a_node_with_another_secret_neither_believes_nor_is_believed(nodes, publisher, tmp_path):
    """Copies of another installation in the same Redis are nothing to us."""
    first, _ = nodes
    publisher.documents["/idp.xml"] = document("https://evil.test/slo")
    stranger = Node(tmp_path / "stranger", first.redis_url, place=first.place, secret=b"x" * 32)
    stranger.look()
    publisher.documents["/idp.xml"] = document()
    first.look()
    assert first.location() == "https://idp.test/slo"


def test_a_holder_that_lost_its_lease_writes_nothing(nodes):
    """A process that was stopped in the middle of a fetch cannot put its old document over a newer one."""
    first, _ = nodes
    first.look()
    remote = next(iter(first.renewal.sources.update(first.now).values()))
    token = first.renewal.shared.lease(remote.copies)
    assert first.renewal.shared.lease(remote.copies) is None
    redis.Redis.from_url(first.redis_url).delete("slo:{copy:connections:idp}:lease")
    state = remote.source.state()
    assert not first.renewal.shared.write(remote.copies, token, state, {"document": b"old"})
    assert remote.source.state() == state


def test_a_copy_whose_files_do_not_fit_together_is_not_believed(nodes):
    """A crash between document and state, or a hand in the folder: the document is not the one that was verified."""
    first, _ = nodes
    first.look()
    path = first.copies / "connections" / "idp.xml"
    path.write_text(path.read_text().replace("https://idp.test/slo", "https://evil.test/slo"))
    first.start()
    assert first.location() is None
    first.look(DAY)
    assert first.location() == "https://idp.test/slo"
