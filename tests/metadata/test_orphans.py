"""Copies whose peer was removed: they stay for a day, because folders are exchanged, and then they go."""

import pytest

from tests.metadata.test_renewal import DAY, document


@pytest.fixture
def fetched(node, publisher):
    """A node with one connection by URL, and everything that may be kept of it."""
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"\nmetadata_changes = "auto"')
    node.look()
    publisher.documents["/idp.xml"] = document("https://idp.test/new")
    node.look(DAY)
    (node.copies / "federations").mkdir()
    (node.copies / "federations" / "edu.cache").write_bytes(b"x")
    (node.place.folder / "federations").mkdir(exist_ok=True)
    return node


def kept(node):
    """Every file among the copies."""
    return sorted(str(path.relative_to(node.copies)) for path in node.copies.rglob("*") if path.is_file())


def test_what_is_named_by_no_file_for_a_day_goes(fetched):
    """The document, the one before and what is known of it; a federation's cache too."""
    here = ["connections/idp.json", "connections/idp.xml", "connections/previous/idp.xml"]
    assert kept(fetched) == [*here, "federations/edu.cache"]
    fetched.look()
    fetched.look(DAY)
    assert kept(fetched) == here
    path = fetched.place.folder / "connections" / "idp.toml"
    path.unlink()
    fetched.look()
    fetched.look(DAY - 1)
    assert kept(fetched) == here
    fetched.look(1)
    assert kept(fetched) == []


def test_a_file_that_comes_back_keeps_its_copy(fetched):
    """The day counts from the last time that it was there."""
    path = fetched.place.folder / "connections" / "idp.toml"
    text = path.read_text()
    path.unlink()
    fetched.look()
    fetched.look(DAY - 1)
    path.write_text(text)
    fetched.look()
    path.unlink()
    fetched.look(DAY - 1)
    assert "connections/idp.xml" in kept(fetched)


def test_a_folder_that_is_away_or_a_broken_file_takes_no_copy_with_it(fetched):
    """Nothing is known then about what should be there; and the last good copy of a broken file is still in force."""
    folder = fetched.place.folder / "connections"
    (folder / "idp.toml").write_text("nonsense =")
    fetched.look()
    fetched.look(2 * DAY)
    folder.rename(folder.with_name("away"))
    fetched.look()
    fetched.look(2 * DAY)
    assert "connections/idp.xml" in kept(fetched)
