"""Metadata from a URL: fetched beside the requests, renewed before it ends, and the last good copy stays in force."""

import ssl
from datetime import timedelta

import pytest
import redis

from tests.delivery.conftest import certificate, system_store  # noqa: F401 - a fixture
from tests.metadata.publisher import publishing
from tests.metadata.signing import signed, signer_file
from tests.wire.idp_metadata import endpoint, entity, role

DAY = 86400
HOUR = 3600


def document(logout="https://idp.test/slo", attributes="", **more):
    """The identity provider's metadata with this logout URL."""
    places = endpoint("SingleLogout", logout) + endpoint("SingleSignOn", "https://idp.test/sso")
    return entity(role(endpoints=places), attributes=f'ID="_metadata" {attributes}', **more)


def until(now, seconds):
    """The attribute validUntil so many seconds after a time."""
    return f'validUntil="{now + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"'


@pytest.fixture
def running(node, publisher):
    """A node with one connection by URL, fetched once."""
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"\nmetadata_changes = "auto"')
    node.look()
    assert node.location() == "https://idp.test/slo"
    return node


def test_a_connection_by_url_comes_into_force_when_it_was_fetched(node, publisher):
    """Until then it is a problem in words, and no request has waited."""
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"')
    node.registry.reload()
    assert "is not here yet" in node.problems()
    assert node.look() == 1
    assert (node.problems(), node.location()) == ("", "https://idp.test/slo")


def test_an_application_by_url(node, publisher):
    """The same keys do the same for an application."""
    text = document(entity_id="https://shop.test").replace("IDPSSODescriptor", "SPSSODescriptor")
    consumer = '<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"'
    text = text.replace("</md:SPSSO", f'{consumer} Location="https://shop.test/acs" index="0"/></md:SPSSO')
    publisher.documents["/shop"] = text
    node.place.application("shop", f'metadata_url = "{publisher.url("/shop")}"')
    node.look()
    assert node.registry.service_provider_of("https://shop.test").name == "shop"


def test_over_tls_the_publisher_is_known_by_its_certificate(node, system_store, tmp_path):  # noqa: F811
    """Https is enough by itself; a certificate that the system does not trust is a failed fetch."""
    (tmp_path / "server.pem").write_bytes(certificate("localhost"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "server.pem")
    node.start()
    with publishing(tls) as publisher:
        publisher.documents["/idp.xml"] = document()
        node.connection(f'metadata_url = "{publisher.url()}"')
        node.look()
        assert node.location() == "https://idp.test/slo"
        system_store.write_bytes(b"")
        node.connection(f'metadata_url = "{publisher.url("/other")}"', "other")
        node.start().look()
    assert "could not prove who it is" in node.problems()


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('metadata_url = "http://idp.test/metadata"', "it is http"),
        ('metadata_url = "ftp://idp.test/metadata"', "metadata_url cannot be used"),
        ('metadata_url = "https://a@idp.test/metadata"', "metadata_url cannot be used"),
        ('metadata_url = "https://idp.test/"\nmetadata = "a.xml"', "both say where"),
        ('metadata_url = "https://idp.test/"\nmdq_url = "https://mdq.test"', "both say where"),
        ('mdq_url = "https://mdq.test"', "not for whom"),
        ('metadata_changes = "ask"', "is for metadata that is fetched"),
        ('metadata_url = "https://idp.test/"\nmetadata_changes = "never"', "metadata_changes cannot be used"),
        ('metadata_url = "https://idp.test/"\nmetadata_signer = "../a.crt"', "metadata_signer cannot be used"),
        ('metadata_url = "https://idp.test/"\nmetadata_signer = "a.crt"', "there is no such file"),
        ('metadata_url = "https://idp.test/"\nmetadata_fingerprint = "abc"', "metadata_fingerprint cannot be used"),
        ('federation = "edu"', "not for whom"),
        ('federation = "edu"\nentity_id = "urn:x"\nmetadata_fingerprint = "' + "0" * 64 + '"', "the federation's own"),
    ],
)
def test_what_cannot_be_meant_is_told_at_once(node, toml, words):
    """A mistake in the file is told when the file is read, without any network."""
    node.connection(toml)
    node.registry.reload()
    assert words in node.problems()
    node.look()
    assert words in node.problems()


def test_it_is_fetched_again_when_cache_duration_is_over_and_only_sent_when_new(running, publisher):
    """A day where nothing says otherwise; unchanged metadata is a 304 without a body."""
    assert running.look(DAY - 10) == 0
    assert len(publisher.asked) == 1
    assert running.look(10) == 1
    (_, headers) = publisher.asked[-1]
    assert headers["If-None-Match"].startswith('"')
    publisher.documents["/idp.xml"] = document("https://idp.test/new")
    running.look(DAY)
    assert running.location() == "https://idp.test/new"


def test_a_server_without_etags_is_asked_by_time(node, publisher):
    """Last-Modified comes back as If-Modified-Since; a validator that could not be a header is not sent."""
    publisher.etags = False
    publisher.headers = {"Last-Modified": "Fri, 20 Nov 2026 05:00:00 GMT", "ETag": "x" * 400}
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"')
    node.look()
    node.look(DAY)
    (_, headers) = publisher.asked[-1]
    assert headers["If-Modified-Since"] == "Fri, 20 Nov 2026 05:00:00 GMT"
    assert "If-None-Match" not in headers


def test_a_304_that_nobody_asked_for_is_a_failure(node, publisher):
    """Without a copy nothing can be unchanged."""
    publisher.status = 304
    node.connection(f'metadata_url = "{publisher.url()}"')
    node.look()
    assert "could not be fetched yet" in node.problems()


@pytest.mark.parametrize(
    ("attributes", "wait"),
    [
        ('cacheDuration="PT1H"', HOUR),
        ('cacheDuration="PT1S"', 300),
        ('cacheDuration="P100Y"', DAY),
        ('validUntil="2026-11-20T08:00:00Z"', HOUR),
        ('validUntil="2026-11-20T06:05:00Z"', 150),
        ('validUntil="2026-11-20T06:00:40Z"', 30),
        ('cacheDuration="PT20M" validUntil="2026-11-20T08:00:00Z"', 1200),
    ],
)
def test_when_it_is_looked_at_again(node, publisher, attributes, wait):
    """K232: cacheDuration within five minutes and a day, and in any case before validUntil."""
    publisher.documents["/idp.xml"] = document(attributes=attributes)
    node.connection(f'metadata_url = "{publisher.url()}"')
    node.look()
    node.look(wait - 1)
    assert len(publisher.asked) == 1
    node.look(1)
    assert len(publisher.asked) == 2


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_a_refresh_that_fails_leaves_the_last_good_copy_in_force(running, publisher, status):
    """It is told as a warning, tried again after a minute, then later and later, and forgotten when it works."""
    publisher.status = status
    running.look(DAY)
    assert running.location() == "https://idp.test/slo"
    assert running.problems() == ""
    assert f"status {status}" in running.warnings()
    for wait in (60, 120, 240):
        asked = len(publisher.asked)
        running.look(wait - 1)
        assert len(publisher.asked) == asked
        running.look(1)
        assert len(publisher.asked) == asked + 1
    assert "4 times in a row" in running.warnings()
    publisher.status = 200
    running.look(HOUR)
    assert running.warnings() == ""


def test_a_redirect_is_told_and_not_followed(running, publisher):
    """The address is what the document is believed for, so a new one is for the operator to write down."""
    publisher.status, publisher.headers = 302, {"Location": publisher.url("/elsewhere")}
    publisher.documents["/elsewhere"] = document("https://evil.test/slo")
    running.look(DAY)
    assert running.location() == "https://idp.test/slo"
    assert f"it leads to '{publisher.url('/elsewhere')}': write that address into the file" in running.warnings()
    assert "/elsewhere" not in [path for path, _ in publisher.asked]


def test_the_guard_of_the_back_channel_holds_here_too(node):
    """K228: an internal address is not asked unless the operator listed it."""
    node.connection('metadata_url = "https://10.1.2.3/metadata"')
    node.look()
    assert "SLO_BACK_CHANNEL_ALLOW" in node.problems()


@pytest.mark.parametrize("content", ["<html/>", "", "{}", "x" * (4 * 1024 * 1024 + 1)])
def test_what_is_no_metadata_is_a_failed_load(running, publisher, content):
    """A page, nothing, or far too much: the copy in force stays."""
    publisher.documents["/idp.xml"] = content
    running.look(DAY)
    assert running.location() == "https://idp.test/slo"
    assert running.problems() + running.warnings()


def test_a_document_with_which_the_file_would_not_load_is_not_taken(running, publisher):
    """Our own URL as its endpoint: good metadata that could not be in force. After a restart the good copy still is."""
    publisher.documents["/idp.xml"] = document("https://bridge.test/saml/idp/slo")
    running.look(DAY)
    assert "is not taken" in running.problems()
    assert "one of this service's own URLs" in running.problems()
    assert running.start().location() == "https://idp.test/slo"


def test_a_restart_needs_neither_network_nor_redis(running, publisher):
    """The copy lies in a file; a process that starts reads it before anybody was asked."""
    publisher.status = 500
    redis.Redis.from_url(running.redis_url).flushall()
    running.start()
    assert (running.location(), running.problems()) == ("https://idp.test/slo", "")
    assert len(publisher.asked) == 1
    # And what only the file knew is given back to the other nodes, without fetching.
    running.look()
    assert len(publisher.asked) == 1
    assert redis.Redis.from_url(running.redis_url).hget("slo:{copy:connections:idp}", "document")


def test_a_copy_that_expires_disables_the_connection(node, publisher):
    """ValidUntil is the end, whatever the network does; a fresh copy enables it again."""
    publisher.documents["/idp.xml"] = document(attributes=until(node.now, 2 * HOUR))
    node.connection(f'metadata_url = "{publisher.url()}"')
    node.look()
    publisher.status = 500
    node.look(3 * HOUR)
    node.registry.refresh()
    assert not node.registry.connection("idp").enabled
    assert "expired" in node.problems()
    publisher.status = 200
    publisher.documents["/idp.xml"] = document(attributes=until(node.now, DAY))
    node.look(HOUR)
    assert node.registry.connection("idp").enabled
    assert node.problems() == ""


def test_a_pinned_signer_is_asked_of_every_copy(node, publisher):
    """What another one signed, or nobody, does not count; http is enough for what the pinned signer signed."""
    node.place.write("connections/signer.crt", signer_file("idp"))
    publisher.documents["/idp.xml"] = signed(document())
    node.connection(f'metadata_url = "{publisher.url()}"\nmetadata_signer = "signer.crt"')
    node.look()
    assert node.location() == "https://idp.test/slo"
    for forged in (document("https://evil.test/slo"), signed(document("https://evil.test/slo"), "attacker")):
        publisher.documents["/idp.xml"] = forged
        node.look(DAY)
        assert node.location() == "https://idp.test/slo"
        assert "what was fetched from" in node.problems()
        assert "is not taken" in node.problems()


def test_another_pin_has_it_fetched_again_at_once(running, publisher):
    """A signer that is pinned later holds for the copy that is there too, and one that fits is fetched, not cached."""
    running.place.write("connections/signer.crt", signer_file("idp"))
    running.connection(f'metadata_url = "{publisher.url()}"\nmetadata_signer = "signer.crt"')
    running.look(1)
    assert "not signed" in running.problems()
    assert len(publisher.asked) == 2
    assert "If-None-Match" not in publisher.asked[-1][1]
    publisher.documents["/idp.xml"] = signed(document("https://idp.test/signed"))
    running.look(HOUR)
    assert running.location() == "https://idp.test/signed"


def test_another_url_is_fetched_at_once(running, publisher):
    """The copy of the old address does not stand in for the new one after a restart."""
    running.connection(f'metadata_url = "{publisher.url("/new.xml")}"')
    running.registry.reload()
    assert running.location() == "https://idp.test/slo", "the last good one stays in force meanwhile"
    assert running.start().location() is None
    publisher.documents["/new.xml"] = document("https://idp.test/new")
    running.look()
    assert running.location() == "https://idp.test/new"


def test_one_source_that_hangs_or_breaks_keeps_no_other_from_being_renewed(node, publisher):
    """Each source by itself."""
    publisher.documents["/idp.xml"] = document()
    publisher.documents["/b.xml"] = document("https://b.test/slo", entity_id="https://b.test")
    node.connection(f'metadata_url = "{publisher.url("/none")}"', "a")
    node.connection(f'metadata_url = "{publisher.url("/b.xml")}"', "b")
    node.connection(f'metadata_url = "{publisher.url()}"', "c")
    assert node.look() == 3
    assert [connection.name for connection in node.registry.connections()] == ["b", "c"]


def test_a_metadata_query_service_is_asked_by_entity_id(node, publisher):
    """draft-young-md-query: the id percent-encoded under /entities/, or its SHA-1 where the address says so."""
    publisher.documents["/entities/https%3A%2F%2Fidp.test%2Fmetadata"] = document()
    # echo -n https://idp.test/metadata | sha1sum
    publisher.documents["/q/%7Bsha1%7D32e9de155d303f5e97711d1566673deeb3ce4912"] = document()
    named = 'entity_id = "https://idp.test/metadata"\n'
    node.connection(f'mdq_url = "{publisher.url("/")}"\n{named}')
    node.look()
    assert node.location() == "https://idp.test/slo"
    node.connection(f'mdq_url = "{publisher.url("/q/{sha1}")}"\n{named}')
    node.look()
    assert (publisher.asked[-1][0][:14], node.problems()) == ("/q/%7Bsha1%7D3", "")


def test_a_query_service_that_answers_with_somebody_else_is_refused(node, publisher):
    """The id that was asked for is the id that must come."""
    publisher.documents["/entities/https%3A%2F%2Fother.test"] = document()
    node.connection(f'mdq_url = "{publisher.url("")}"\nentity_id = "https://other.test"')
    node.look()
    assert "the metadata is of another entity" in node.problems()
