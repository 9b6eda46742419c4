"""B038, signed metadata: what the pinned signer did not sign never counts, and the last good version stays in force."""

import copy

import pytest
from lxml import etree

from tests.attacks import forge
from tests.keys import pair
from tests.metadata.signing import document, signed, signer_file
from tests.peers.conftest import Place
from tests.wire.idp_metadata import MD, entities, entity, key_descriptor, role

TOML = 'metadata_signer = "signer.crt"\nentity_id = "https://idp.test/metadata"\n'
EVIL_ENDPOINT = "https://evil.test/slo"


def evil(identifier="_evil"):
    """The metadata of the same entity with the attacker's key and endpoint, unsigned."""
    text = entity(role(keys=key_descriptor(pair("attacker").certificate)), attributes=f'ID="{identifier}"')
    return document(text.replace("https://idp.test/slo", EVIL_ENDPOINT))


def genuine(*, wrapped=False):
    """The genuine document, signed; `wrapped` in a signed aggregate."""
    text = entities(entity(), attributes='ID="_all"') if wrapped else None
    return etree.fromstring(signed(text).encode())


def group(*inside, **attributes):
    """An unsigned EntitiesDescriptor."""
    root = etree.fromstring(entities().encode())
    root.attrib.update(attributes)
    root.extend(inside)
    return root


def in_extensions(signed_one):
    """(c) The evil one as root, the signed one in its Extensions."""
    root = evil()
    extensions = etree.Element(f"{{{MD}}}Extensions")
    extensions.append(signed_one)
    root.insert(0, extensions)
    return root


def with_signature_of(signed_one, *, identifier="_evil", keep="object"):
    """(d) The evil one as root with the genuine Signature, which holds the document it is over."""
    root = evil(identifier)
    signature = copy.deepcopy(signed_one[0])
    root.insert(0, signature)
    original = copy.deepcopy(signed_one)
    original.remove(original[0])
    if keep == "object":
        held = etree.SubElement(signature, f"{{{forge.DS}}}Object")
        held.append(original)
    elif keep == "key_info":
        signature[-1].append(original)
    else:
        root.append(original)
    return root


def evil_in_object(wrapped):
    """The genuine document, with the evil one hidden in its Signature, which the signature does not cover."""
    root = genuine(wrapped=wrapped)
    held = etree.SubElement(root[0], f"{{{forge.DS}}}Object")
    held.append(evil())
    return root


def evil_in_key_info(wrapped):
    """The same in KeyInfo."""
    root = genuine(wrapped=wrapped)
    root[0][-1].append(evil())
    return root


def evil_beside(place, *, signed_group):
    """An aggregate of the genuine entity, into which the evil one was put after signing (or only one was signed)."""
    root = genuine(wrapped=True) if signed_group else group(genuine(), ID="_all")
    root.insert(place if place >= 0 else len(root), evil())
    return root


CASES = {
    "a: evil before the signed entity": lambda: evil_beside(0, signed_group=False),
    "b: evil after the signed entity": lambda: evil_beside(-1, signed_group=False),
    "c: signed one in Extensions": lambda: in_extensions(genuine()),
    "c: signed group in Extensions": lambda: in_extensions(genuine(wrapped=True)),
    "d: signed one in ds:Object": lambda: with_signature_of(genuine()),
    "d: with the signed ID": lambda: with_signature_of(genuine(), identifier="_metadata"),
    "d: in KeyInfo": lambda: with_signature_of(genuine(), keep="key_info"),
    "d: as last child": lambda: with_signature_of(genuine(), keep="child"),
    "evil in a signed group, before": lambda: evil_beside(1, signed_group=True),
    "evil in a signed group, after": lambda: evil_beside(-1, signed_group=True),
    "the signature moved to an entity": lambda: group(genuine(), evil(), ID="_all"),
    "unsigned": evil,
    "signed by somebody else": lambda: etree.fromstring(signed(etree.tostring(evil()).decode(), "attacker").encode()),
}


@pytest.fixture
def pinned(tmp_path):
    """A connection whose metadata must be signed by `idp`, in force, and its registry."""
    place = Place(tmp_path)
    place.write("connections/signer.crt", signer_file("idp"))
    place.connection("idp", TOML, xml=signed())
    registry = place.registry()
    assert registry.problems() == ()
    return place, registry


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_wrapped_metadata_is_a_failed_load(pinned, case):
    """B038: the load fails with metadata_invalid, the version before stays in force, and the alarm says so."""
    place, registry = pinned
    before = registry.connection("idp")
    place.write("connections/idp.xml", etree.tostring(case()).decode())
    place.later()
    registry.refresh()
    (problem,) = registry.problems()
    assert (str(problem.reason), problem.in_force) == ("metadata_invalid", True)
    assert place.reported == [problem]
    assert registry.connection("idp") is before
    # Nor after a restart, when there is no version before.
    assert place.registry().connections() == ()


@pytest.mark.parametrize("hidden", [evil_in_object, evil_in_key_info])
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_hides_in_the_signature_is_never_read(pinned, hidden, wrapped):
    """What stands in the Signature is covered by nothing: it refuses the document, or nobody sees it."""
    place, registry = pinned
    place.write("connections/idp.xml", etree.tostring(hidden(wrapped)).decode())
    place.later()
    registry.refresh()
    connection = registry.connection("idp")
    assert EVIL_ENDPOINT not in [endpoint.location for endpoint in connection.single_logout]
    assert pair("attacker").certificate not in connection.signing_certificates


def test_the_control_is_taken(pinned):
    """The genuine document in a signed group counts, so that it was the wrapping that was refused."""
    place, registry = pinned
    text = entities(entity().replace("idp.test/slo", "new.test/slo"), entity(entity_id="https://x.test"))
    place.write("connections/idp.xml", signed(text))
    place.later()
    registry.refresh()
    assert registry.problems() == ()
    assert registry.connection("idp").single_logout[0].location == "https://new.test/slo"


def test_another_signer_counts_as_soon_as_it_is_pinned(pinned):
    """The signer's file is looked at like the others: one that is replaced counts without a restart."""
    place, registry = pinned
    place.write("connections/idp.xml", signed(signer="other-idp"))
    place.later()
    registry.refresh()
    assert registry.problems()[0].in_force
    place.write("connections/signer.crt", signer_file("idp", "other-idp"))
    place.later()
    registry.refresh()
    assert registry.problems() == ()


def test_an_application_is_held_to_its_signer_too(tmp_path):
    """The same key in an application's file does the same."""
    place = Place(tmp_path)
    place.write("applications/signer.pem", signer_file("idp"))
    place.application("shop", 'metadata_signer = "signer.pem"', entity_id="https://shop.test")
    (problem,) = place.registry().problems()
    assert "not signed" in problem.text
    text = (place.folder / "applications" / "shop.xml").read_text(encoding="utf-8")
    place.write("applications/shop.xml", signed(text))
    assert place.registry().service_provider("shop")
