"""A federation's aggregate: verified in a child process, kept as a cache, entities looked up by name."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from saml_slo.cli import main
from saml_slo.peers.federation_cache import FederationCache, open_cache
from saml_slo.renewal import federations
from saml_slo.renewal.task import Outcome
from tests.keys import pair
from tests.metadata.signing import signed, signer_file
from tests.wire.idp_metadata import endpoint, entities, entity, key_descriptor, role
from tests.wire.sp_metadata import consumer, sp_role

CATEGORY = "http://refeds.org/category/research-and-scholarship"
RS = (
    '<mdattr:EntityAttributes xmlns:mdattr="urn:oasis:names:tc:SAML:metadata:attribute"><saml:Attribute '
    'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" Name="http://macedir.org/entity-category">'
    f"<saml:AttributeValue>{CATEGORY}</saml:AttributeValue></saml:Attribute></mdattr:EntityAttributes>"
)
REGISTERED = '<mdrpi:RegistrationInfo xmlns:mdrpi="urn:oasis:names:tc:SAML:metadata:rpi" registrationAuthority="{0}"/>'
PINNED = 'metadata_signer = "signer.crt"\n'


def member(name, *, extensions="", attributes="", logout=None):
    """An identity provider of the federation."""
    places = endpoint("SingleLogout", logout or f"https://{name}.test/slo")
    places += endpoint("SingleSignOn", f"https://{name}.test/sso")
    keys = key_descriptor(pair("idp").certificate) + key_descriptor(pair("p256").certificate, use="encryption")
    inside = f"<md:Extensions>{extensions}</md:Extensions>" + role(keys=keys, endpoints=places)
    return entity(inside, entity_id=f"https://{name}.test", attributes=attributes)


def soon(seconds):
    """The attribute validUntil, by the real clock: the child has no other."""
    return f'validUntil="{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"'


def aggregate(*members, attributes="", signer="idp"):
    """A signed aggregate."""
    return signed(entities(*members, attributes=f'ID="_all" {attributes}'), signer)


ALL = (
    member("a", extensions=REGISTERED.format("https://one.test") + RS),
    member("b", extensions=REGISTERED.format("https://two.test")),
    member("c"),
)


@pytest.fixture
def federation(node):
    """A node with the federation `edu` from a file, and a connection to one of its members."""
    node.now = datetime.now(UTC)
    (node.place.folder / "federations").mkdir()
    node.place.write("federations/signer.crt", signer_file("idp"))
    node.place.write("federations/edu.toml", PINNED)
    node.place.write("federations/edu.xml", aggregate(*ALL))
    node.connection('federation = "edu"\nentity_id = "https://a.test"')
    return node


def look(node, seconds=0):
    """Let time pass, and read the aggregates that are due."""
    node.now += timedelta(seconds=seconds)
    return node.renewal.look_at_federations()


def kept(node):
    """The entity ids that this node keeps of `edu`."""
    (file,) = node.registry.federations()
    return {name for name in "abcd" if file.cache().find(f"https://{name}.test")}


def test_a_connection_from_a_federation(federation):
    """It comes into force when the aggregate was read; until then the problem says what is missing."""
    federation.registry.reload()
    assert "has not been read yet" in federation.problems()
    assert look(federation) == 1
    assert federation.problems() == ""
    connection = federation.registry.connection("idp")
    assert connection.entity_id == "https://a.test"
    assert connection.signing_certificates == (pair("idp").certificate,)
    assert look(federation) == 0, "an aggregate that has not changed is not read again"


def test_an_application_from_a_federation(federation):
    """Service providers are kept as well, with their encryption keys."""
    places = endpoint("SingleLogout", "https://shop.test/slo") + consumer("https://shop.test/acs")
    keys = key_descriptor(pair("idp").certificate) + key_descriptor(pair("other-idp").certificate, use="encryption")
    shop = entity(sp_role(keys=keys, endpoints=places), entity_id="https://shop.test")
    federation.place.write("federations/edu.xml", aggregate(*ALL, shop))
    federation.place.application("shop", 'federation = "edu"\nentity_id = "https://shop.test"')
    look(federation)
    provider = federation.registry.service_provider("shop")
    assert provider.encryption_certificates == (pair("other-idp").certificate,)


def test_an_entity_that_is_not_there_is_told(federation):
    """With how many are kept, because the filter may be why."""
    federation.connection('federation = "edu"\nentity_id = "https://x.test"')
    look(federation)
    assert "or its filter leaves it out" in federation.problems()
    assert "one of the 3 entities that are kept of 3" in federation.problems()


def test_a_federation_that_is_not_there_is_told(federation):
    """A name that no file has."""
    federation.connection('federation = "none"\nentity_id = "https://x.test"')
    federation.registry.reload()
    assert "there is no such federation" in federation.problems()


@pytest.mark.parametrize(
    ("toml", "names"),
    [
        ("", {"a", "b", "c"}),
        ('entity_ids = ["https://b.test", "https://x.test"]', {"b"}),
        ('registration_authorities = ["https://one.test", "https://two.test"]', {"a", "b"}),
        (f'entity_categories = ["{CATEGORY}"]', {"a"}),
        (f'entity_categories = ["{CATEGORY}"]\nregistration_authorities = ["https://two.test"]', set()),
    ],
)
def test_a_filter_keeps_what_matches_every_list(federation, toml, names):
    """Each list by any of its entries, and all lists together; a change of the filter counts without a restart."""
    look(federation)
    federation.place.write("federations/edu.toml", PINNED + toml)
    look(federation)
    assert kept(federation) == names
    assert ("none of 3 entities is kept" in federation.warnings()) == (not names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (aggregate(*ALL, member("d"), signer="attacker"), "signature of the metadata is not good"),
        (entities(*ALL), "not signed"),
        (aggregate(*ALL).replace("a.test/slo", "evil.test/slo"), "signature of the metadata is not good"),
        (aggregate(*ALL, attributes='validUntil="2020-01-01T00:00:00Z"'), "expired"),
        ("<!DOCTYPE x>" + aggregate(*ALL), "DOCTYPE"),
        ("", "cannot be parsed"),
        (signed("<x/>"), "a place where none may be"),
    ],
)
def test_a_failed_or_absent_check_leaves_the_last_good_cache(federation, text, words):
    """B038 for aggregates: nothing of it counts, what was there stays in force, and a problem says so."""
    look(federation)
    federation.place.write("federations/edu.xml", text)
    look(federation)
    assert kept(federation) == {"a", "b", "c"}
    assert federation.location() == "https://a.test/slo"
    problems = federation.problems()
    assert "a newer aggregate is not taken" in problems
    assert words in problems
    assert "the last good version stays in force" in problems


def test_nobody_is_trusted_without_a_signer(federation):
    """An aggregate brings thousands of keys: its signer must be named."""
    federation.place.write("federations/edu.toml", "")
    look(federation)
    assert "does not say who must have signed" in federation.problems()


def test_another_signer_has_it_read_again(federation):
    """A cache that was made under another pin does not count any more."""
    look(federation)
    federation.place.write("federations/signer.crt", signer_file("other-idp"))
    look(federation)
    assert "has not been read yet: the signature" in federation.problems()
    federation.place.write("federations/edu.xml", aggregate(*ALL, signer="other-idp"))
    look(federation)
    assert federation.problems() == ""


def test_an_entity_that_is_there_twice_is_left_out(federation):
    """Which of the two is meant cannot be known; the others are not its hostages."""
    federation.place.write("federations/edu.xml", aggregate(*ALL, member("b", logout="https://evil.test/slo")))
    look(federation)
    assert kept(federation) == {"a", "c"}
    assert "twice" in federation.warnings()


def test_one_member_that_cannot_be_read_is_its_own_problem(federation):
    """A member that expired, or whose validity is no time, is left out alone."""
    broken = member("b", attributes='validUntil="soon"'), member("c", attributes='validUntil="2020-01-01T00:00:00Z"')
    federation.place.write("federations/edu.xml", aggregate(ALL[0], *broken))
    look(federation)
    assert kept(federation) == {"a"}


def test_the_validity_of_the_aggregate_is_that_of_its_members(federation):
    """When it has expired without a new one, the connection is disabled."""
    federation.place.write("federations/edu.xml", aggregate(*ALL, attributes=soon(3600)))
    look(federation)
    assert federation.registry.connection("idp").enabled
    federation.now += timedelta(hours=2)
    federation.registry.refresh()
    assert not federation.registry.connection("idp").enabled


def test_a_restart_finds_the_cache(federation):
    """A new process looks entities up without reading any aggregate."""
    look(federation)
    (federation.place.folder / "federations" / "edu.xml").unlink()
    assert federation.start().location() == "https://a.test/slo"
    look(federation)
    assert federation.location() == "https://a.test/slo"
    assert "the aggregate cannot be read" in federation.warnings()


@pytest.fixture
def by_url(federation, publisher):
    """The same federation by URL."""
    publisher.documents["/edu.xml"] = aggregate(*ALL, attributes=f'{soon(86400)} cacheDuration="PT6H"')
    federation.place.write("federations/edu.toml", f'{PINNED}metadata_url = "{publisher.url("/edu.xml")}"')
    look(federation)
    assert federation.location() == "https://a.test/slo"
    return federation


def test_an_aggregate_by_url_is_fetched_when_it_is_due_and_only_sent_when_new(by_url, publisher):
    """By cacheDuration, with its ETag; a new one is in force at once."""
    look(by_url, 6 * 3600 - 10)
    assert len(publisher.asked) == 1
    look(by_url, 10)
    assert "If-None-Match" in publisher.asked[1][1]
    publisher.documents["/edu.xml"] = aggregate(member("a", logout="https://new.test/slo"), attributes=soon(2 * 86400))
    look(by_url, 6 * 3600)
    assert by_url.location() == "https://new.test/slo"


def test_a_publisher_that_is_away_is_a_warning(by_url, publisher):
    """The cache stays in force, and it is tried again in a minute."""
    publisher.status = 503
    look(by_url, 6 * 3600)
    assert "status 503" in by_url.warnings()
    assert (by_url.problems(), by_url.location()) == ("", "https://a.test/slo")
    publisher.status = 200
    look(by_url, 60)
    assert by_url.warnings() == ""


def test_a_corrected_pin_counts_at_once(by_url):
    """After a failure it is not waited for the next try: the file was changed, so it is looked at."""
    by_url.place.write("federations/signer.crt", signer_file("other-idp"))
    look(by_url)
    assert "has not been read yet: the signature" in by_url.problems()
    by_url.place.write("federations/signer.crt", signer_file("idp"))
    look(by_url)
    assert (by_url.problems(), by_url.location()) == ("", "https://a.test/slo")


def test_k235_an_older_aggregate_is_not_taken(by_url, publisher):
    """A replay of an aggregate from before a key was withdrawn is refused, although it is signed and still valid."""
    publisher.documents["/edu.xml"] = aggregate(member("a", logout="https://old.test/slo"), attributes=soon(7200))
    look(by_url, 6 * 3600)
    assert by_url.location() == "https://a.test/slo"
    assert "older than the one in force" in by_url.problems()


def test_a_child_that_dies_is_a_sentence(federation, monkeypatch):
    """Whatever kills the child, this process says so and goes on."""
    look(federation)
    monkeypatch.setattr(federations.sys, "executable", "/bin/false")
    federation.place.write("federations/edu.xml", aggregate(*ALL, member("d")))
    look(federation)
    assert "ended with code 1" in federation.problems()
    assert kept(federation) == {"a", "b", "c"}


def test_processes_of_one_node_read_it_once(federation, monkeypatch):
    """Whoever holds the lock reads; the others find the cache."""
    ran = []
    with federations._locked(federation.copies / "federations" / "edu.lock") as mine:
        assert mine
        monkeypatch.setattr(federations, "run_child", lambda task: ran.append(task) or Outcome())
        assert look(federation) == 0
    assert ran == []


@pytest.mark.parametrize("content", [b"", b"x", b"saml_slo federation 1\n{}\n", b"saml_slo federation 1\n"])
def test_a_cache_that_is_not_whole_does_not_count(tmp_path, content):
    """A disk that was full, or somebody's file: as if there were none."""
    path = tmp_path / "edu.cache"
    path.write_bytes(content)
    assert open_cache(path) is None
    assert open_cache(tmp_path / "none") is None


def test_a_cut_off_cache_does_not_count(federation):
    """Every octet must be there."""
    look(federation)
    path = federation.copies / "federations" / "edu.cache"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="cut off"):
        FederationCache(path)


def test_the_check_says_what_is_kept(federation, monkeypatch):
    """`saml-slo check` reads what the server left, and says how many entities of the aggregate are kept."""
    folder = federation.copies.parent.parent
    told = {"SLO_PUBLIC_URL": "https://bridge.test", "SLO_METADATA_DIR": str(federation.place.folder)}
    told |= {"SLO_DATA_DIR": str(federation.copies.parent), "SLO_CERTS_DIR": str(folder / "certs")}
    monkeypatch.chdir(folder)
    before = CliRunner().invoke(main, ["check"], env=told, catch_exceptions=False).stdout
    assert "has not been read yet" in before
    look(federation)
    after = CliRunner().invoke(main, ["check"], env=told, catch_exceptions=False).stdout
    assert "federation edu: 3 of 3 entities are kept" in after
    assert "connections in force: idp" in after
