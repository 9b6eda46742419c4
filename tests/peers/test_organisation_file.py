"""Organisations are files too: loaded, broken, replaced and removed as the others (product O1)."""

from dataclasses import fields

import pytest

from saml_slo.protocol.policy import Federated, Organisation, Propagation

KEYS = 'display_name = "Acme"\nfederated = "ask"\npropagation = "none"'


def refreshed(place, registry):
    """The registry a second later."""
    place.later()
    registry.refresh()
    return registry


def test_every_field_has_a_key(place):
    """The name is the file's; everything else is a key."""
    place.organisation("acme", KEYS)
    place.organisation("bare-2")
    registry = place.registry()
    acme = Organisation(name="acme", display_name="Acme", federated=Federated.ASK, propagation=Propagation.NONE)
    assert {field.name for field in fields(Organisation)} == {
        "name",
        *(line.partition(" = ")[0] for line in KEYS.splitlines()),
    }
    assert registry.organisations() == (acme, Organisation(name="bare-2"))
    assert registry.organisation("acme") == acme
    assert registry.organisation("bare-2").title == "bare-2"
    assert registry.organisation("none") is None


@pytest.mark.parametrize(
    ("name", "toml", "line", "words"),
    [
        ("acme", '\nfederated = "sometimes"', 2, "one of param, always, never, ask"),
        ("acme", 'propagation = "some"', 1, "one of all, same_organisation, none"),
        ("acme", 'federate = "ask"', 1, "Did you mean federated?"),
        ("acme", "display_name = 1", 1, "one line of text"),
        ("Acme", "", None, "cannot be the name of an organisation"),
    ],
)
def test_a_mistake_is_told_with_its_line(place, name, toml, line, words):
    """Unknown words, keys and names are refused where they stand."""
    place.organisation(name, toml)
    registry = place.registry()
    (problem,) = registry.problems()
    assert (problem.file, problem.line) == (place.folder / "organisations" / f"{name}.toml", line)
    assert words in problem.text
    assert registry.organisations() == ()


def test_changes_take_force_and_a_broken_one_does_not(place):
    """The last good version stays in force until the file is mended or removed."""
    place.organisation("acme", KEYS)
    registry = place.registry()
    place.organisation("acme", 'federated = "x"')
    assert refreshed(place, registry).organisation("acme").federated is Federated.ASK
    assert registry.problems()[0].in_force
    place.organisation("acme", 'federated = "never"')
    assert refreshed(place, registry).organisation("acme").federated is Federated.NEVER
    assert registry.problems() == ()
    (place.folder / "organisations" / "acme.toml").unlink()
    assert refreshed(place, registry).organisation("acme") is None


def test_an_organisation_that_is_not_there_is_told(place):
    """Who names it is in force as if it named none; the warning has the file and the line, and ends with the cause."""
    place.application("shop", '\norganisation = "acme"')
    place.connection("idp", 'skew = 1\norganisation = "acme"')
    registry = place.registry()
    assert registry.problems() == ()
    assert registry.application("shop").organisation is None
    assert registry.connection("idp").organisation is None
    assert registry.connection_of("https://idp.test") is registry.connection("idp")
    assert sorted((warning.file.name, warning.line) for warning in registry.warnings()) == [
        ("idp.toml", 2),
        ("shop.toml", 2),
    ]
    assert all("organisation acme is not there" in warning.text for warning in registry.warnings())
    place.organisation("acme")
    assert refreshed(place, registry).warnings() == ()
    assert registry.application("shop").organisation == registry.connection("idp").organisation == "acme"
