"""Files are the truth: what is in force follows them, and a broken one harms nobody but itself (product O1)."""

import os
import shutil
import threading

import pytest

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.peers.registry import Registry
from tests.peers.conftest import PUBLIC_URL, metadata
from tests.wire.idp_metadata import certificate, endpoint, entity, key_descriptor, role, usual_certificate


def refreshed(place, registry):
    """The registry a second later."""
    place.later()
    registry.refresh()
    return registry


def names(registry):
    """The names of what is in force."""
    return [connection.name for connection in registry.connections()]


def test_connections_are_found_by_name_and_by_entity_id(place):
    """Both look-ups give the same record; what does not exist is None."""
    place.connection("b")
    place.connection("a", "enabled = false")
    registry = place.registry()
    assert names(registry) == ["a", "b"]
    assert registry.connection_of("https://b.test") is registry.connection("b")
    assert registry.connection("a").enabled is False
    assert registry.connection_of("https://a.test") is registry.connection("a")
    assert (registry.connection("c"), registry.connection_of("b"), registry.connection_file("c")) == (None, None, None)
    assert registry.connection_file("a").metadata_path == place.folder / "connections" / "a.xml"


def test_applications_are_found_by_client_id(place):
    """An application's file gives its record and its list of return URLs; the stem is the client_id, dots and all."""
    place.application("Shop.v2", 'display_name = "Shop"\nallowed_logout_urls = "https://a.test/out, https://*.b.test"')
    place.application("wiki", 'allowed_logout_urls = ["https://wiki.test/x,y"]')
    place.application("bare")
    registry = place.registry()
    assert [application.client_id for application in registry.applications()] == ["Shop.v2", "bare", "wiki"]
    assert registry.application("Shop.v2").title == "Shop"
    assert registry.application("Shop.v2").allowed_logout_urls == ("https://a.test/out", "https://*.b.test")
    assert registry.return_urls("Shop.v2").match("https://x.b.test/")
    assert registry.return_urls("wiki").default() == "https://wiki.test/x,y"
    assert registry.return_urls("bare").default() is None
    assert (registry.application("none"), registry.return_urls("none")) == (None, None)


@pytest.mark.parametrize(
    ("name", "toml", "line", "words"),
    [
        ("shop", '\nallowed_logout_urls = ["https://a.test", "b.test"]', 2, "https://b.test"),
        ("shop", "allowed_logout_urls = 1", 1, "an array of URLs"),
        ("shop", "allowed_logout_urls = [1]", 1, "an array of URLs"),
        ("shop", 'allowed_logout_url = "https://a.test"', 1, "Did you mean allowed_logout_urls?"),
        ("-shop", "", None, "cannot be a client_id"),
        ("a b", "", None, "cannot be a client_id"),
        ("a" * 129, "", None, "cannot be a client_id"),
    ],
)
def test_a_broken_application_is_told(place, name, toml, line, words):
    """L13: an entry without a scheme, like every other mistake, is refused with its file, line and next step."""
    place.application(name, toml)
    registry = place.registry()
    (problem,) = registry.problems()
    assert (problem.file, problem.line) == (place.folder / "applications" / f"{name}.toml", line)
    assert words in problem.text
    assert registry.applications() == ()


def test_the_setting_of_a_return_url_is_named_as_people_know_it(place):
    """The refusal of a return URL names the file to change."""
    place.application("shop", 'allowed_logout_urls = "https://a.test"')
    with pytest.raises(Exception, match=r"allowed_logout_urls in metadata/applications/shop\.toml"):
        place.registry().return_urls("shop").allowed("https://evil.test/")


def test_what_is_no_connection_is_left_alone(place):
    """READMEs, back-ups, hidden and temporary files of editors are not read."""
    place.connection("a")
    for name in ("README.md", "a.toml~", ".#a.toml", ".a.toml.swp", "a.toml.bak", "other.xml", "#a.toml#"):
        place.write(f"connections/{name}", "not read")
    registry = place.registry()
    assert names(registry) == ["a"]
    assert registry.problems() == ()


def test_a_broken_file_harms_only_itself(place):
    """One bad file among three is a problem; the other two are in force."""
    for name in "abc":
        place.connection(name, "skew = x" if name == "b" else "")
    registry = place.registry()
    assert names(registry) == ["a", "c"]
    (problem,) = registry.problems()
    assert (problem.in_force, problem.reason) == (False, Reason.CONFIGURATION_INVALID)
    assert place.reported == [problem]


@pytest.mark.parametrize("breakage", ["toml", "xml", "no xml", "weaker key"])
def test_a_broken_change_leaves_the_last_good_version_in_force(place, breakage):
    """O1: whatever of its files breaks, the record stays, the problem says so, and a repair takes force."""
    place.connection("a", "skew = 10")
    registry = place.registry()
    before = registry.connection("a")
    if breakage == "toml":
        place.write("connections/a.toml", "skew = 20\nskew =")
    elif breakage == "no xml":
        (place.folder / "connections" / "a.xml").unlink()
    else:
        place.write("connections/a.xml", "<broken" if breakage == "xml" else entity(role(keys="")))
    refreshed(place, registry)
    assert registry.connection("a") is before
    assert registry.connection_of("https://a.test") is before
    (problem,) = registry.problems()
    assert problem.in_force
    assert str(problem).endswith("; the last good version stays in force")
    registry.reload()
    assert registry.connection("a") is before
    place.connection("a", "skew = 30")
    assert refreshed(place, registry).connection("a").skew == 30
    assert registry.problems() == ()
    assert place.reported == [problem]


def test_changes_take_force_and_removals_too(place):
    """O1: a new file, a changed one and a removed one count at the next refresh, without a restart."""
    place.connection("a")
    place.application("shop")
    registry = place.registry()
    place.connection("b")
    place.application("wiki")
    place.write("connections/a.toml", "skew = 7")
    assert names(refreshed(place, registry)) == ["a", "b"]
    assert registry.connection("a").skew == 7
    assert registry.application("wiki")
    (place.folder / "connections" / "a.toml").unlink()
    (place.folder / "applications" / "shop.toml").unlink()
    assert names(refreshed(place, registry)) == ["b"]
    assert (registry.connection_of("https://a.test"), registry.application("shop")) == (None, None)
    shutil.rmtree(place.folder / "connections")
    assert names(refreshed(place, registry)) == []
    assert registry.problems() == ()


def test_a_rollover_is_two_edits(place):
    """C084: the new certificate beside the old one, then the new one alone; each step counts by itself."""
    old, new = usual_certificate(), certificate()
    place.connection("a")
    registry = place.registry()
    for keys in ((old, new), (new,)):
        place.write("connections/a.xml", metadata("https://a.test").replace(key_descriptor(old), key_descriptor(*keys)))
        assert refreshed(place, registry).connection("a").signing_certificates == keys


def test_a_change_of_equal_size_in_the_same_instant_is_seen(place):
    """Times and sizes that look the same do not hide a second edit of a file that was read while it was fresh."""
    place.connection("a", "skew = 1")
    path = place.folder / "connections" / "a.toml"
    before = path.stat()
    place.now = place.now.fromtimestamp(before.st_ctime, place.now.tzinfo)
    registry = place.registry()
    place.write("connections/a.toml", "skew = 2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert refreshed(place, registry).connection("a").skew == 2


def test_a_file_that_becomes_readable_is_read(place, monkeypatch):
    """A change of the mode alone, which leaves time and size as they are, is a change."""
    place.connection("a")
    path = place.folder / "connections" / "a.toml"
    with monkeypatch.context() as patch:
        patch.setattr(type(path), "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
        registry = place.registry()
        assert registry.problems()[0].text == "the file cannot be read; got: Permission denied"
    path.chmod(0o600)
    assert names(refreshed(place, registry)) == ["a"]


def test_an_unreadable_folder_changes_nothing(place, monkeypatch):
    """When the folder itself cannot be listed, everything stays in force and the problem says so."""
    place.connection("a")
    registry = place.registry()
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
        for _ in range(2):
            assert names(refreshed(place, registry)) == ["a"]
            assert [problem.in_force for problem in registry.problems()] == [True, False, False, False]
    assert len(place.reported) == 4
    assert refreshed(place, registry).problems() == ()


def test_a_missing_folder_is_told(place):
    """A metadata folder that is not there is a problem in words, not a crash; making it mends it."""
    registry = Registry(place.folder / "none", PUBLIC_URL, monotonic=lambda: place.moment)
    assert "there is no such folder" in registry.problems()[0].text
    shutil.copytree(place.folder, place.folder / "none")
    registry.reload()
    assert registry.problems() == ()


@pytest.mark.parametrize("public_url", ["bridge.test", "https://", "javascript:alert(1)", ""])
def test_a_public_url_must_be_one(place, public_url):
    """Everything we call ourselves derives from the public URL, so a wrong one is refused at the start."""
    with pytest.raises(ConfigurationError, match="public URL"):
        Registry(place.folder, public_url)


def test_one_identity_provider_has_one_connection(place):
    """K233: of two connections with one entity id the first by name stays; nothing of the other is in force."""
    place.connection("b", entity_id="https://idp.test", location="https://b.test/sso")
    registry = place.registry()
    place.connection("c", '\n\nentity_id = "https://idp.test"', entity_id="https://idp.test")
    refreshed(place, registry)
    assert names(registry) == ["b"]
    assert registry.connection_of("https://idp.test").single_sign_on[0].location == "https://b.test/sso"
    (problem,) = registry.problems()
    assert (problem.file.name, problem.line) == ("c.toml", 3)
    assert "connection b has the entity id 'https://idp.test' already" in problem.text
    (place.folder / "connections" / "b.toml").unlink()
    assert names(refreshed(place, registry)) == ["c"]
    assert registry.problems() == ()


@pytest.mark.parametrize(
    "ours", [f"{PUBLIC_URL}/saml/sp/z/metadata", "urn:our:name", f"{PUBLIC_URL}/saml/sp/a/metadata"]
)
def test_an_identity_provider_is_not_ourselves(place, ours):
    """K233: an entity id that any connection of ours has toward its peer cannot be an identity provider's."""
    place.connection("a", entity_id=ours)
    place.connection("z", 'sp_entity_id = "urn:our:name"')
    registry = place.registry()
    assert names(registry) == ["z"]
    assert "one of our own entity ids" in registry.problems()[0].text


def test_our_own_endpoints_are_no_peers(place):
    """K228: metadata whose endpoints are this service's own URLs is refused; a neighbour on another port is not."""
    own = endpoint("SingleSignOn", "https://idp.test/sso") + endpoint("SingleLogout", "https://BRIDGE.test:443/x")
    place.connection("a", xml=entity(role(endpoints=own)))
    place.connection("b", location="https://bridge.test:8443/sso")
    registry = place.registry()
    assert names(registry) == ["b"]
    assert "own URLs" in registry.problems()[0].text


def test_metadata_that_expires_disables_its_connection(place):
    """K232: when validUntil passes, sign-ins end, the record stays for logouts, and fresh metadata brings it back."""
    place.connection("a", attributes='validUntil="2026-11-20T07:00:00Z"')
    place.connection("b")
    registry = place.registry()
    assert registry.connection("a").enabled
    place.later(3600)
    registry.refresh()
    assert names(registry) == ["a", "b"]
    assert not registry.connection("a").enabled
    assert not registry.connection_of("https://a.test").enabled
    assert registry.connection("b").enabled
    (problem,) = registry.problems()
    assert "expired at 2026-11-20 07:00:00 UTC: the connection is disabled" in problem.text
    refreshed(place, registry)
    registry.reload()
    assert not registry.connection("a").enabled
    assert place.registry().connection("a") is None
    place.connection("a", attributes='validUntil="2026-11-21T07:00:00Z"')
    assert refreshed(place, registry).connection("a").enabled
    assert registry.problems() == ()


def test_files_are_looked_at_once_a_second(place, monkeypatch):
    """Every request may call refresh: within a second it does not list the folders, and quiet files are not read."""
    place.connection("a")
    registry = place.registry()
    listed, read = [], []
    scandir, path_type = os.scandir, type(place.folder)
    open_file = path_type.open

    def note(path, mode, **options):
        read.extend([path.name] if mode == "rb" else [])
        return open_file(path, mode, **options)

    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or scandir(path))
    monkeypatch.setattr(path_type, "open", note)
    place.later(3600)
    registry.refresh()
    registry.refresh()
    assert len(listed) == 4  # connections, applications, organisations and federations, once
    read.clear()
    place.later(0.9)
    registry.refresh()
    assert len(listed) == 4
    place.later(0.1)
    registry.refresh()
    assert (len(listed), read) == (8, [])
    place.connection("b")
    refreshed(place, registry)
    assert read == ["b.toml", "b.xml"]


def test_a_reader_never_waits_and_never_sees_half_of_a_change(place):
    """While one thread reads files, others go on with the old snapshot, in which name and entity id agree."""
    place.connection("a", entity_id="https://0.test")
    reading, go_on = threading.Event(), threading.Event()

    def report(_problem):
        reading.set()
        go_on.wait(120)

    registry = Registry(place.folder, PUBLIC_URL, monotonic=lambda: place.moment, report=report)
    place.connection("a", entity_id="https://1.test")
    place.connection("b", "broken")
    place.later()
    other = threading.Thread(target=registry.refresh)
    other.start()
    assert reading.wait(120)
    place.later()
    registry.refresh()  # returns at once: the other thread has the lock
    connection = registry.connection("a")
    assert registry.connection_of(connection.entity_id) is connection
    go_on.set()
    other.join(120)
    assert registry.connection("a").entity_id == "https://1.test"
