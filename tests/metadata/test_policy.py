"""A changed key or endpoint: told as a difference, taken or asked about by policy, and there is a way back."""

import pytest

from saml_slo.errors import ConfigurationError
from saml_slo.renewal.choices import Choices
from tests.keys import pair
from tests.metadata.signing import signed, signer_file
from tests.metadata.test_renewal import DAY, HOUR, document, until
from tests.wire.idp_metadata import endpoint, entity, key_descriptor, role

NEW = "https://idp.test/new"


@pytest.fixture
def asking(node, publisher):
    """A node that asks before it takes a change."""
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"\nmetadata_changes = "ask"')
    node.look()
    return node


@pytest.fixture
def changed(asking, publisher):
    """The same, after the logout URL has moved."""
    publisher.documents["/idp.xml"] = document(NEW)
    asking.look(DAY)
    return asking


def test_a_change_waits_and_says_what_changed(changed):
    """The copy in force stays, and the problem names the old place and the new one."""
    assert changed.location() == "https://idp.test/slo"
    problems = changed.problems()
    assert "waits until you accept it" in problems
    assert f"SingleLogoutService by redirect: now '{NEW}', was 'https://idp.test/slo'" in problems


def test_http_without_a_signer_asks_by_itself(node, publisher):
    """What anybody on the way could have changed is never taken by itself, unless the file says so."""
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"')
    node.look()
    publisher.documents["/idp.xml"] = document(NEW)
    node.look(DAY)
    assert "waits until you accept it" in node.problems()


def test_what_was_only_made_anew_is_taken_without_asking(asking, publisher):
    """A later validUntil is no change: otherwise the copy would expire while nobody had to decide anything."""
    publisher.documents["/idp.xml"] = document(attributes=until(asking.now, 30 * DAY))
    asking.look(DAY)
    assert asking.problems() == ""
    assert asking.registry.connection_file("idp").valid_until is not None


def test_accepting_lets_it_count(changed):
    """After the operator's yes it is in force, on every node, and the problem is gone."""
    state = Choices(renewal=changed.renewal).accept("connections", "idp")
    assert (state.pending, state.previous != "") == ("", True)
    assert (changed.location(), changed.problems()) == (NEW, "")
    changed.look(DAY)
    assert changed.location() == NEW


def test_going_back(changed, publisher):
    """The copy before counts again, and what is published now waits, until the operator accepts it after all."""
    choices = Choices(renewal=changed.renewal)
    choices.accept("connections", "idp")
    choices.go_back("connections", "idp")
    assert changed.location() == "https://idp.test/slo"
    assert "waits until you accept it" in changed.problems()
    publisher.documents["/idp.xml"] = document(NEW, attributes='cacheDuration="PT1H"')
    changed.connection(f'metadata_url = "{publisher.url()}"\nmetadata_changes = "auto"')
    changed.look(DAY)
    assert changed.location() == "https://idp.test/slo", "the way back holds with the policy auto too"
    choices.accept("connections", "idp")
    assert (changed.location(), changed.problems()) == (NEW, "")


def test_nothing_to_choose_is_said(asking):
    """Without anything that waits, or an earlier copy, or a URL, there is nothing to choose."""
    choices = Choices(renewal=asking.renewal)
    for choose in (choices.accept, choices.go_back):
        with pytest.raises(ConfigurationError):
            choose("connections", "idp")
        with pytest.raises(ConfigurationError, match="not fetched from anywhere"):
            choose("connections", "none")
    # The lease was given back.
    assert choices.refresh("connections", "idp").failures == 0


def test_refresh_looks_now(asking, publisher):
    """An operator need not wait for the day to be over."""
    asked = len(publisher.asked)
    publisher.documents["/idp.xml"] = document(NEW)
    assert Choices(renewal=asking.renewal).refresh("connections", "idp").changes
    assert len(publisher.asked) == asked + 1
    assert list(Choices(renewal=asking.renewal).all()) == [("connections", "idp")]


def test_a_publisher_that_takes_it_back_takes_the_question_back(changed, publisher):
    """When what is published is again what is in force, nothing waits."""
    publisher.documents["/idp.xml"] = document(attributes='cacheDuration="PT1H"')
    changed.look(DAY)
    assert changed.problems() == ""


def test_what_waits_is_verified_again_when_it_is_accepted(node, publisher):
    """A signer that was pinned meanwhile holds for what waited before."""
    publisher.documents["/idp.xml"] = document()
    node.connection(f'metadata_url = "{publisher.url()}"')
    node.look()
    publisher.documents["/idp.xml"] = document("https://evil.test/slo")
    node.look(DAY)
    node.place.write("connections/signer.crt", signer_file("idp"))
    node.connection(f'metadata_url = "{publisher.url()}"\nmetadata_signer = "signer.crt"')
    with pytest.raises(ConfigurationError, match="not signed"):
        Choices(renewal=node.renewal).accept("connections", "idp")


@pytest.fixture
def pinned(node, publisher):
    """A node whose metadata is signed and valid for ten days."""
    node.place.write("connections/signer.crt", signer_file("idp"))
    publisher.documents["/idp.xml"] = signed(document(attributes=until(node.now, 10 * DAY)))
    node.connection(f'metadata_url = "{publisher.url()}"\nmetadata_signer = "signer.crt"')
    node.look()
    return node


def test_a_signed_rollover_is_followed(pinned, publisher):
    """Signed metadata with another key is taken by itself: that is what it is signed for."""
    places = endpoint("SingleLogout", NEW) + endpoint("SingleSignOn", "https://idp.test/sso")
    keys = key_descriptor(pair("idp").certificate, pair("idp-next").certificate)
    publisher.documents["/idp.xml"] = signed(
        entity(role(keys=keys, endpoints=places), attributes=f'ID="_b" {until(pinned.now, 12 * DAY)}')
    )
    pinned.look(DAY)
    assert pinned.problems() == ""
    assert pinned.registry.connection("idp").signing_certificates == (
        pair("idp").certificate,
        pair("idp-next").certificate,
    )


def test_k235_older_signed_metadata_is_not_taken_by_itself(pinned, publisher):
    """Who can only replay what was signed once cannot bring a withdrawn key back."""
    older = until(pinned.now, 5 * DAY)
    publisher.documents["/idp.xml"] = signed(document("https://old.test/slo", attributes=older))
    pinned.look(DAY)
    assert pinned.location() == "https://idp.test/slo"
    assert "older than the one in force" in pinned.problems()


def test_another_entity_is_not_taken_by_itself(pinned, publisher):
    """Nor who publishes somebody else under the address, whatever the policy."""
    publisher.documents["/idp.xml"] = signed(
        document(entity_id="https://other.test", attributes=until(pinned.now, 20 * DAY))
    )
    pinned.look(DAY)
    assert pinned.registry.connection("idp").entity_id == "https://idp.test/metadata"
    assert "it is of another entity" in pinned.problems()


def test_a_change_is_asked_about_even_when_the_copy_has_expired(node, publisher):
    """A publisher that waits until the copy is over does not get around the question."""
    publisher.documents["/idp.xml"] = document(attributes=until(node.now, 2 * HOUR))
    node.connection(f'metadata_url = "{publisher.url()}"\nmetadata_changes = "ask"')
    node.look()
    publisher.documents["/idp.xml"] = document(NEW, attributes=until(node.now, 9 * DAY))
    node.look(3 * HOUR)
    assert "waits until you accept it" in node.problems()
    assert not node.registry.connection("idp").enabled
