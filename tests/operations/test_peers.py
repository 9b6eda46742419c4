"""`saml-slo connection` and `saml-slo application`: a preview that is what the registry would do, and nothing half."""

import os
import threading

import pytest
from click.testing import CliRunner

from saml_slo.cli import main
from saml_slo.operations import draft
from saml_slo.peers import copies
from tests import idp
from tests.metadata.publisher import publishing
from tests.operations.conftest import Told
from tests.running import descriptor
from tests.sp import Sp

OKTA = descriptor("https://acme.okta.com/saml")
ONE = Sp("one", "idp-next")
BLIND = Sp("two", "idp-next", bindings=())


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metadata").mkdir()

    def invoke(*arguments, given=None, **settings):
        environment = {"SLO_PUBLIC_URL": "https://bridge.example", "SLO_BACK_CHANNEL_ALLOW": "127.0.0.1", **settings}
        return Told(CliRunner().invoke(main, arguments, input=given, env=environment, catch_exceptions=False))

    return invoke


def files(tmp_path):
    """Every file under metadata/ with its content."""
    folder = tmp_path / "metadata"
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_connection_is_shown_before_it_is_added(run, tmp_path):
    """O3: entity id, keys with fingerprints and dates, preset by its entity id, what a logout would use; then a yes."""
    (tmp_path / "okta.xml").write_text(OKTA)
    told = run("connection", "add", "acme", "--from", "okta.xml", given="n\n")
    assert told.code == 1
    for words in ("https://acme.okta.com/saml", "SHA-256", "preset okta", "a logout uses", "/saml/sp/acme/metadata"):
        assert words in told.out
    assert files(tmp_path) == {}
    assert run("connection", "add", "acme", "--from", "okta.xml", "--dry-run").code == 0
    assert files(tmp_path) == {}
    assert run("connection", "add", "acme", "--from", "okta.xml", given="y\n").code == 0
    written = files(tmp_path)
    assert written["connections/acme.xml"] == OKTA
    assert 'preset = "okta"' in written["connections/acme.toml"]
    assert run("check").code == 0


def test_metadata_comes_from_standard_input(run, tmp_path):
    """`-` reads it; values that are set have the type that TOML gives them."""
    more = ("--set", "skew=60", "--set", "display_name=Acme Ltd", "--set", "login_url_fallback=false")
    told = run("connection", "add", "acme", "--from", "-", "--preset", "none", "--yes", *more, given=OKTA)
    assert told.code == 0
    lines = files(tmp_path)["connections/acme.toml"].splitlines()
    assert lines[1:] == ["skew = 60", 'display_name = "Acme Ltd"', "login_url_fallback = false"]


def test_a_url_stays_the_source(run, tmp_path):
    """The server fetches it again; --copy saves the document once."""
    with publishing() as publisher:
        publisher.documents["/idp.xml"] = descriptor(idp.ENTITY_ID)
        url = publisher.url()
        told = run("connection", "add", "acme", "--from", url, "--yes", "--json")
        assert told.code == 0
        assert told.json["entity_id"] == idp.ENTITY_ID
        assert list(files(tmp_path)) == ["connections/acme.toml"]
        assert f'metadata_url = "{url}"' in files(tmp_path)["connections/acme.toml"]
        assert len(publisher.asked) == 1
        sources = {value["name"]: value["source"] for value in told.json["values"]}
        assert sources["entity_id"] == "metadata_url of metadata/connections/acme.toml:2"
        assert sources["metadata_url"] == "derived"  # ours, which it is given; the key of this name is where theirs is
        (tmp_path / "metadata" / "connections" / "acme.toml").unlink()
        assert run("connection", "add", "acme", "--from", url, "--yes", "--copy").code == 0
        assert set(files(tmp_path)) == {"connections/acme.toml", "connections/acme.xml"}


def test_what_was_fetched_is_handed_over_and_let_go_of(run, tmp_path):
    """Without a server: the copy lies where the server looks for it, so nothing is fetched twice; `remove` takes it."""
    copies = tmp_path / "var" / "fetched" / "connections"
    with publishing() as publisher:
        publisher.documents["/idp.xml"] = descriptor(idp.ENTITY_ID)
        assert run("connection", "add", "acme", "--from", publisher.url(), "--dry-run").code == 0
        assert not copies.exists()
        assert run("connection", "add", "acme", "--from", publisher.url(), "--yes").code == 0
    assert (copies / "acme.xml").read_text() == descriptor(idp.ENTITY_ID)
    told = run("connection", "show", "acme", "--json")
    assert (told.code, told.json["entity_id"]) == (0, idp.ENTITY_ID)
    assert run("connection", "remove", "acme", "--yes").code == 0
    assert [path for path in copies.rglob("*") if path.is_file()] == []


def test_a_copy_that_cannot_be_written_is_the_servers_to_fetch(run, tmp_path):
    """The files under metadata/ are what was asked for; the rest is a favour."""
    (tmp_path / "var").write_text("no folder")
    with publishing() as publisher:
        publisher.documents["/idp.xml"] = descriptor(idp.ENTITY_ID)
        assert run("connection", "add", "acme", "--from", publisher.url(), "--yes").code == 0
    assert list(files(tmp_path)) == ["connections/acme.toml"]


@pytest.mark.parametrize(
    ("url", "allowed", "words"),
    [
        ("http://127.0.0.1:9/x", "", "list its host or network in the setting"),
        ("http://127.0.0.1:9/x", "127.0.0.1", "whether that server runs"),
        ("http://nobody.invalid/x", "127.0.0.1", "look it up on this machine"),
    ],
)
def test_a_url_that_gives_nothing_is_told_in_words(run, tmp_path, url, allowed, words):
    """The guard of the back channel stands before this command too; what to do depends on why nothing came."""
    told = run("connection", "add", "acme", "--from", url, "--yes", SLO_BACK_CHANNEL_ALLOW=allowed)
    assert told.code == 1
    assert "the metadata could not be fetched" in told.err
    assert words in told.err
    assert ("SLO_BACK_CHANNEL_ALLOW" in told.err) == (allowed == "")
    assert files(tmp_path) == {}


def test_a_page_that_is_no_metadata_is_told_in_words(run):
    """A wrong path, and a page for people: the address is named, and not a copy that nobody can look at."""
    with publishing() as publisher:
        publisher.documents["/page"] = "<!DOCTYPE html><html><head></head></html>"
        told = run("connection", "add", "acme", "--from", publisher.url("/page"), "--yes")
        assert "the metadata cannot be read: this is a web page" in told.err
        assert publisher.url("/page") in told.err
        assert "fetched" not in told.err
        told = run("connection", "add", "acme", "--from", publisher.url("/nothing"), "--yes")
        assert "answered with status 404" in told.err
        assert "Open the address in a browser" in told.err


def test_what_to_do_next_is_said(run, tmp_path):
    """On the other side, and where people sign in; for an identity provider without SAML there is nothing to give."""
    told = run("connection", "add", "acme", "--from", "-", "--yes", given=OKTA)
    assert "Next: give it our metadata, https://bridge.example/saml/sp/acme/metadata" in told.out
    assert "https://bridge.example/login?connection=acme" in told.out
    assert "Next:" not in run("connection", "add", "fb", "--preset", "facebook", "--yes").out
    assert "Here its metadata is named with --from" in run("connection", "add", "none", "--yes").err
    assert "there is no connection nobody here" in run("connection", "show", "nobody").err


def test_another_connection_is_not_put_out_of_force(run, tmp_path):
    """The same identity provider again, under a name that comes before: it is said which one would suffer."""
    run("connection", "add", "beta", "--from", "-", "--yes", given=OKTA)
    told = run("connection", "add", "acme", "--from", "-", "--yes", given=OKTA)
    assert told.code == 1
    assert "connection beta would not be in force any more" in told.err
    assert set(files(tmp_path)) == {"connections/beta.toml", "connections/beta.xml"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("Bad_Name",), "cannot be the name of a connection"),
        (("../../evil",), "cannot be the name of a connection"),
        (("b", "--set", "skw=5"), "the key 'skw' is not known here"),
        (("b", "--set", "skew=5000"), "skew cannot be used"),
        (("b", "--set", "metadata=../../evil.xml"), "metadata cannot be used"),
        (("b", "--preset", "nobody"), "preset cannot be used"),
        (("b",), "connection a has the entity id 'https://acme.okta.com/saml' already"),
        (("a",), "connection a is here already"),
    ],
)
def test_what_the_registry_would_refuse_leaves_nothing_behind(run, tmp_path, arguments, words):
    """It is refused in the same words, with the place where the file would be."""
    run("connection", "add", "a", "--from", "-", "--yes", given=OKTA)
    before = files(tmp_path)
    told = run("connection", "add", *arguments, "--from", "-", "--yes", given=OKTA)
    assert told.code == 1
    assert words in told.err
    assert "saml-slo-draft" not in told.err
    assert files(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metadata"]


def test_broken_metadata_is_refused_with_its_line(run, tmp_path):
    """Of a document that is none, the place that it would have had is named."""
    told = run("connection", "add", "a", "--from", "-", "--yes", given="<nothing/>")
    assert told.code == 1
    assert "connections/a.xml" in told.err
    assert files(tmp_path) == {}


def test_a_provider_without_saml_needs_no_metadata(run):
    """A preset alone is a connection; what its sign-out needs is shown."""
    told = run("connection", "add", "fb", "--preset", "facebook", "--yes")
    assert told.code == 0
    assert "access_token={access_token}" in told.out
    assert run("connection", "show", "fb", "--json").json["speaks"] == "vendor_url"


def test_an_application_needs_a_way_to_be_told(run, tmp_path):
    """A4: without a logout endpoint, a method or a dated waiver it is not added."""
    told = run("application", "add", "two", "--from", "-", "--yes", given=BLIND.metadata)
    assert told.code == 1
    assert "could not be told of a logout" in told.err
    assert run("application", "add", "nobody", "--yes").code == 1
    assert files(tmp_path) == {}
    waived = ("--set", "logout=none", "--set", "waived_until=2027-01-31", "--set", "waiver=Soon.")
    assert run("application", "add", "two", "--from", "-", "--yes", *waived, given=BLIND.metadata).code == 0
    assert run("application", "add", "one", "--from", "-", "--yes", given=ONE.metadata).code == 0
    webhook = ("--set", "logout=webhook", "--set", "logout_uri=https://w.example/out")
    assert run("application", "add", "w", "--yes", *webhook).code == 0
    assert [row["name"] for row in run("application", "list", "--json").json["applications"]] == ["one", "two", "w"]


def test_show_names_the_source_of_every_value(run):
    """File and line, preset, metadata or default; secrets are counted."""
    run("connection", "add", "acme", "--from", "-", "--yes", "--set", "skew=60", given=OKTA)
    shown = run("connection", "show", "acme", "--json").json
    values = {value["name"]: (value["value"], value["source"]) for value in shown["values"]}
    assert values["skew"] == (60, "metadata/connections/acme.toml:3")
    assert values["unsigned_logout_response"] == (True, "preset okta")
    assert values["max_age"] == (300, "default")
    assert values["entity_id"][1] == "metadata/connections/acme.xml"
    assert len(shown["certificates"][0]["fingerprint"]) == 64
    digest = "a" * 64
    more = (
        "--set",
        "logout=webhook",
        "--set",
        "logout_uri=https://w.example/out",
        "--set",
        f'api_secrets=["{digest}"]',
    )
    run("application", "add", "w", "--yes", *more)
    assert digest not in run("application", "show", "w").out
    told = run("connection", "show", "nobody")
    assert told.code == 1
    assert "there is no connection nobody here" in told.err


def test_a_broken_file_is_listed_and_its_problem_shown(run, tmp_path):
    """The list's code is 1, and show says why it is not in force."""
    folder = tmp_path / "metadata" / "connections"
    folder.mkdir()
    (folder / "bad.toml").write_text("skw = 5\n")
    told = run("connection", "list", "--json")
    assert (told.code, told.json["connections"]) == (1, [])
    assert "skw" in told.json["problems"][0]
    assert "is not in force: the key 'skw'" in run("connection", "show", "bad").err


def test_remove_says_who_refers_to_it_and_what_cannot_be_known(run, tmp_path):
    """Applications are named, sessions are not counted by a scan; a file that another one names stays."""
    run("connection", "add", "acme", "--from", "-", "--yes", given=OKTA)
    run("application", "add", "one", "--from", "-", "--yes", "--set", "connection=acme", given=ONE.metadata)
    told = run("connection", "remove", "acme", given="n\n")
    assert told.code == 1
    assert "through it: one" in told.out
    assert "without reading every session" in told.out
    before = files(tmp_path)
    assert run("connection", "remove", "acme", "--dry-run", "--json").json["removed"] is False
    assert files(tmp_path) == before
    (tmp_path / "metadata" / "connections" / "twin.toml").write_text('metadata = "acme.xml"\nenabled = false\n')
    assert run("connection", "remove", "acme", "--yes").code == 0
    assert "connections/acme.xml" in files(tmp_path)
    assert "connections/acme.toml" not in files(tmp_path)
    assert run("connection", "remove", "acme", "--yes").code == 1


def test_a_write_that_fails_takes_back_what_it_began(run, tmp_path, monkeypatch):
    """The second file cannot be written: the first is gone again."""
    real = draft._put

    def put(path, content):
        if path.suffix == ".toml" and path.is_relative_to("metadata") and content is not None:
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(draft, "_put", put)
    told = run("connection", "add", "acme", "--from", "-", "--yes", given=OKTA)
    assert told.code == 1
    assert "nothing was changed" in told.err
    assert files(tmp_path) == {}


def test_a_mounted_folder_of_links_is_tried_as_it_is(run, tmp_path):
    """A ConfigMap's files are links into a hidden folder; they stay in force beside a new one."""
    folder = tmp_path / "metadata" / "connections"
    (folder / "..data").mkdir(parents=True)
    for name, text in (("cm.toml", ""), ("cm.xml", descriptor("https://cm.example/saml"))):
        (folder / "..data" / name).write_text(text)
        (folder / name).symlink_to(f"..data/{name}")
    assert run("connection", "add", "acme", "--from", "-", "--yes", given=OKTA).code == 0
    told = run("connection", "add", "b", "--from", "-", "--yes", given=descriptor("https://cm.example/saml"))
    assert told.err.startswith("error: metadata/connections/cm.toml: connection cm would not be in force any more")
    assert not (folder / "b.toml").exists()


@pytest.mark.parametrize("absolute", [True, False])
def test_a_preview_writes_nothing_through_a_linked_folder(run, tmp_path, absolute):
    """A folder under metadata/ that is a link is tried as a copy too: the server never sees what nobody agreed to."""
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" if absolute else "../elsewhere"
    (tmp_path / "metadata" / "connections").symlink_to(target)
    (tmp_path / "okta.xml").write_text(OKTA)
    add = ("connection", "add", "acme", "--from", "okta.xml")
    assert run(*add, "--dry-run").code == 0
    assert run(*add, given="n\n").code == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert run(*add, "--yes").code == 0
    assert {path.name for path in (tmp_path / "elsewhere").iterdir()} == {"acme.toml", "acme.xml"}
    assert run("check").code == 0


def test_a_planted_link_is_not_written_through(tmp_path):
    """Whoever may write into a folder of ours gets nobody with more rights to write elsewhere."""
    victim, folder = tmp_path / "victim", tmp_path / "folder"
    victim.write_text("as it was")
    folder.mkdir()
    (folder / f".acme.toml.{os.getpid()}-{threading.get_ident()}.draft").symlink_to(victim)
    (folder / "acme.toml").symlink_to(victim)
    copies.replace_file(folder / "acme.toml", b"new")
    assert victim.read_text() == "as it was"
    assert not (folder / "acme.toml").is_symlink()
    assert (folder / "acme.toml").read_bytes() == b"new"
    assert [path.name for path in folder.iterdir()] == ["acme.toml"]
