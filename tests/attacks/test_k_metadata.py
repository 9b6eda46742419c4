"""K227 to K235 through every door by which metadata comes in: a file, a URL, a federation's aggregate (in its child).

Hostile XML of groups D and E must be refused as metadata_invalid by the parser, whatever its signature; the listener
and the file stay untouched, and comments, which genuine metadata has, are dropped.
"""

import resource
from datetime import UTC, datetime

import pytest

from saml_slo.renewal import child, federations
from saml_slo.renewal.task import Task
from saml_slo.wire.aggregate import Wanted
from saml_slo.wire.metadata_signature import Signers
from tests import idp
from tests.attacks import test_d_doctype as doctypes
from tests.attacks import test_e_entities as entities
from tests.attacks.forge import thinned
from tests.attacks.test_d_malformed import MALFORMED
from tests.keys import pair
from tests.metadata.conftest import Node, empty_redis, publisher  # noqa: F401 - fixtures
from tests.metadata.signing import signed
from tests.metadata.test_renewal import document
from tests.peers.conftest import Place
from tests.running import descriptor, sent
from tests.wire.idp_metadata import MD, endpoint, entity, role
from tests.wire.idp_metadata import entities as group

PINNED = Signers(certificates=(pair("idp").certificate,))
UNREADABLE = "the metadata cannot be read"


class File:
    """The XML beside a connection's TOML."""

    def __init__(self, tmp_path):
        self.place = Place(tmp_path)

    def load(self, octets):
        """Load a document; return the problems in words, nothing when it is in force."""
        self.place.connection("idp")
        (self.place.folder / "connections" / "idp.xml").write_bytes(octets)
        registry = self.place.registry()
        assert len(registry.connections()) + len(registry.problems()) == 1
        assert all(str(problem.reason) == "metadata_invalid" for problem in registry.problems())
        return "\n".join(problem.text for problem in registry.problems())


class Url:
    """A publisher on this machine."""

    def __init__(self, node, publisher):  # noqa: F811
        self.node = node
        self.publisher = publisher
        node.connection(f'metadata_url = "{publisher.url()}"')

    def load(self, octets):
        """Let it be fetched."""
        self.publisher.documents["/idp.xml"] = octets
        self.node.look(86400)
        return "\n".join(problem.text for problem in self.node.registry.problems())


class InChild:
    """What the child process does, in this one, so that the traps see it."""

    def __init__(self, tmp_path):
        self.source = tmp_path / "aggregate.xml"
        self.task = Task(
            source=str(self.source),
            is_url=False,
            cache=str(tmp_path / "edu.cache"),
            settings="",
            signers=PINNED,
            wanted=Wanted(),
        )

    def load(self, octets):
        """Let it be read."""
        self.source.write_bytes(octets)
        return child.run(self.task, datetime.now(UTC)).failure


@pytest.fixture(params=["file", "url", "aggregate"])
def door(request, tmp_path):
    """Each door in turn, open at first."""
    if request.param == "file":
        opened = File(tmp_path)
    elif request.param == "url":
        node = Node(tmp_path, request.getfixturevalue("empty_redis"))
        opened = Url(node, request.getfixturevalue("publisher"))
    else:
        opened = InChild(tmp_path)
    assert opened.load(signed(document()).encode()) == ""
    return opened


def named(canary, text):
    """The text with the traps in the places of URL, FILE and PATH."""
    places = {"URL": canary.url, "FILE": canary.file.as_uri(), "PATH": str(canary.file)}
    for word, place in places.items():
        text = text.replace(word, place)
    return text.encode()


# What has no place in a document of metadata, or is refused for its content and not by the parser.
_ELSEWHERE = {"attribute-twice", "attribute-unquoted", "attribute-without-value", "less-than-in-attribute"}
_ELSEWHERE |= {"unbound-prefix", "end-tag-of-another", "end-tag-in-other-case", "end-tag-missing"}
XML = {name: how for name, how in MALFORMED.items() if name not in _ELSEWHERE}


@pytest.mark.parametrize("how", thinned(sorted(XML), 3))
def test_k234_malformed(door, how):
    """D109: whatever is not well-formed, or not UTF-8, loads nothing."""
    genuine = signed(document()).encode()
    changed = XML[how](genuine)
    assert changed != genuine
    told = door.load(changed)
    assert UNREADABLE in told or "not signed" in told or "not SAML 2.0 metadata" in told or "empty document" in told


def test_k234_document_types(door, canary):
    """D094 to D101: any DOCTYPE, in this encoding or another; what it names is not fetched and not opened."""
    genuine = signed(document()).encode()
    canary.touched()
    for text in doctypes.PLAIN.values():
        assert UNREADABLE in door.load(text + genuine)
    for text in (*doctypes.EXTERNAL.values(), *entities.FILES.values()):
        assert UNREADABLE in door.load(named(canary, text) + genuine)
    assert canary.touched() == []


def test_k234_entities_that_grow(door):
    """E112: a bomb is refused before it grows."""
    genuine = signed(document())
    before = resource.getrusage(resource.RUSAGE_SELF)
    for doctype, reference in entities.BOMBS.values():
        used = genuine.replace("</md:EntityDescriptor>", f"{reference}</md:EntityDescriptor>")
        assert UNREADABLE in door.load((doctype + used).encode())
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_maxrss - before.ru_maxrss < 64 * 1024
    assert after.ru_utime - before.ru_utime < 10


FLOODS = {
    "deep": lambda: "<a>" * 100_000 + "</a>" * 100_000,
    "300-levels": lambda: "<a>" * 300 + "</a>" * 300,
    "attributes": lambda: "<a " + " ".join(f'a{number}=""' for number in range(20_000)) + "/>",
    "twin-ids": lambda: '<a ID="_metadata"/>',
    "ids": lambda: '<a ID="1abc"/>',
}


@pytest.mark.parametrize("how", FLOODS)
def test_k234_floods(door, how):
    """E114, E115, D107, D108: nested too deep, too many attributes, IDs that are twins or no names."""
    text = signed(document()).replace("</md:EntityDescriptor>", f"{FLOODS[how]()}</md:EntityDescriptor>")
    assert UNREADABLE in door.load(text.encode())


def test_k234_control_comments_are_dropped(door):
    """Comments and processing instructions are common in genuine metadata, also before and behind it."""
    text = signed(document()).replace("<ds:SignatureValue>", "<!-- a --><ds:SignatureValue>")
    assert door.load(f"<!-- b -->{text}<!-- c -->".encode()) == ""


LOCATIONS = ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://a.test/", "gopher://a.test/", "")
LOCATIONS += ("http://a.test/", "/slo", "https://u@a.test/", "https://a.test/#f", "https://a.test/&#10;x", "//a.test/")
LOCATIONS += ("https://0.0.0.0/", "https://169.254.169.254/", "https://2130706433/", "https://bridge.test/saml/x")


@pytest.mark.parametrize("location", LOCATIONS)
def test_k227_k228_dangerous_locations_by_url(tmp_path, empty_redis, publisher, location):  # noqa: F811
    """A Location that nobody can be sent to loads nothing by URL either, signed or not."""
    door = Url(Node(tmp_path, empty_redis), publisher)
    text = document().replace("https://idp.test/slo", location)
    assert door.load(signed(text).encode())
    assert door.node.registry.connections() == ()


def test_k227_in_an_aggregate_it_is_told_when_the_entity_is_used(door):
    """One member's bad Location does not take the federation down; the strict reader refuses it when it is named."""
    places = endpoint("SingleLogout", "javascript:alert(1)") + endpoint("SingleSignOn", "https://idp.test/sso")
    text = signed(entity(role(endpoints=places), attributes='ID="_metadata"'))
    told = door.load(text.encode())
    assert (told == "") == isinstance(door, InChild)


def test_k233_groups_nested_too_deep(door):
    """Fifty groups inside each other load nothing."""
    text = document()
    for _ in range(50):
        text = group(text)
    assert "nested too deep" in door.load(signed(text.replace('ID="_metadata"', "")).encode())


def test_k233_entity_ids_that_cannot_be_used_are_left_out_of_a_cache(tmp_path):
    """An id that is too long, or has a line end or a space in it, names nobody."""
    names = ["https://a.test/" + "x" * 1024, "https://a.test&#10;", "https://a.test ", ""]
    text = signed(group(*(entity(entity_id=name) for name in names), entity(), attributes='ID="_all"'))
    door = InChild(tmp_path)
    assert door.load(text.encode()) == ""
    assert len(child.read_aggregate(text.encode(), PINNED, Wanted(), now=datetime.now(UTC)).entities) == 1


def test_a_real_child_refuses_them_too(tmp_path, canary):
    """The same in a process of its own, with its limits: a sentence comes back, and no cache is left."""
    door = InChild(tmp_path)
    door.source.write_bytes(named(canary, doctypes.EXTERNAL["parameter-entity"]) + signed(document()).encode())
    outcome = federations.run_child(door.task)
    assert outcome.refused
    assert UNREADABLE in outcome.failure
    assert canary.touched() == []
    assert not (tmp_path / "edu.cache").exists()
    door.source.write_bytes(signed(document()).encode())
    assert federations.run_child(door.task).version
    assert MD.encode() in (tmp_path / "edu.cache").read_bytes()


def _changed(bridge, name="idp", **replaced):
    """Change or remove a connection's metadata, and let the registry see it."""
    folder = bridge.settings.metadata_dir / "connections"
    for old, new in replaced.items():
        path = folder / f"{name}.{old}"
        if new is None:
            path.unlink()
        else:
            path.write_text(new)
    bridge.app.extensions["saml_slo"].registry.reload()


def test_k235_the_slo_url_changes_while_a_logout_runs(bridge):
    """The identity provider was asked at the old place; its answer counts, and the next one is asked at the new."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    request = sent(bridge.logout(browser, federated=""))
    _changed(bridge, xml=descriptor(idp.ENTITY_ID).replace("/slo", "/moved"))
    answer = bridge.deliver(browser, idp.redirect(idp.logout_response(in_response_to=request.id, signed=False)))
    states = {row["kind"]: row["state"] for row in bridge.receipt(browser, answer)["sessions"]}
    assert states["idp"] == "confirmed"
    bridge.clock.move(1)
    later = bridge.browser()
    bridge.sign_in(later)
    assert sent(bridge.logout(later, federated="")).location.endswith("/moved")


@pytest.mark.parametrize("when", ["before", "while"])
def test_k235_an_identity_provider_is_removed_that_has_live_sessions(bridge, when):
    """Our own session ends in any case; the receipt does not claim that the one there has ended, and nothing breaks."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    if when == "before":
        _changed(bridge, toml=None, xml=None)
        response = bridge.logout(browser, federated="")
    else:
        request = sent(bridge.logout(browser, federated=""))
        _changed(bridge, toml=None, xml=None)
        late = idp.redirect(idp.logout_response(in_response_to=request.id, signed=False))
        assert bridge.deliver(browser, late).status_code == 400
        bridge.clock.move(120)
        bridge.app.extensions["saml_slo"].sweeper.sweep()
        response = None
    assert not bridge.is_signed_in(browser)
    if response is not None:
        states = {row["kind"]: row["state"] for row in bridge.receipt(browser, response)["sessions"]}
        assert states["idp"] not in ("confirmed", "answered")
    else:
        cookie = browser.get_cookie("__Host-slo-logout", domain="bridge.example")
        page = bridge.get(browser, f"/logout/{cookie.value}.json")
        assert page.status_code == 200
        assert {row["kind"]: row["state"] for row in page.json["sessions"]}["idp"] == "timed_out"
