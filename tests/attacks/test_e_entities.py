"""E112, E113: entities that grow (billion laughs) and entities that read files (XXE). Both need a DOCTYPE.

The stage's own limits apply to each (250 ms of CPU, 32 MB of memory), its listener and file stay untouched, and what a
file holds appears nowhere: not in the page, not in a header, not in the log.

The doors of applications have the same parser and bindings; test_e_applications.py knocks there.
"""

from itertools import product

import pytest

from tests.attacks.forge import thinned
from tests.attacks.surfaces import SURFACES, everywhere

REASONS = ("xml_forbidden_construct", "xml_malformed")
SECRET = "s3cret-0f-the-f1le"


def _laughs(levels, width, leaf="ha"):
    """Entities e0 to e<levels>, each `width` times the one before."""
    entities = [f'<!ENTITY e0 "{leaf}">']
    entities += [f'<!ENTITY e{level} "{f"&e{level - 1};" * width}">' for level in range(1, levels + 1)]
    return f"<!DOCTYPE x [{''.join(entities)}]>", f"&e{levels};"


def _quadratic(size, times):
    """One entity of `size` characters, used `times` times."""
    return f'<!DOCTYPE x [<!ENTITY e "{"A" * size}">]>', "&e;" * times


BOMBS = {
    "billion-laughs": _laughs(9, 10),
    "two-levels": _laughs(2, 100),
    "deep-and-narrow": _laughs(60, 2),
    "quadratic": _quadratic(60_000, 150),
    "quadratic-many": _quadratic(1_000, 20_000),
    "itself": ('<!DOCTYPE x [<!ENTITY a "&b;"><!ENTITY b "&a;">]>', "&a;"),
    "parameter-entities": (
        '<!DOCTYPE x [<!ENTITY % a "<!ENTITY b \'c\'>"><!ENTITY % d "&#37;a;&#37;a;"> %d; %d;]>',
        "&b;",
    ),
    "default-attribute": (f'<!DOCTYPE x [<!ATTLIST saml:Issuer a CDATA "{"A" * 60_000}">]>', "x"),
    "one-entity": ('<!DOCTYPE x [<!ENTITY e "https://idp.example/saml">]>', "&e;"),
}
PLACES = ("text", "attribute")


def _used(octets, doctype, reference, place):
    """Put a DOCTYPE in front and a reference into the Issuer or into an attribute."""
    if place == "text":
        changed = octets.replace(b"</saml:Issuer>", reference.encode() + b"</saml:Issuer>", 1)
    else:
        changed = octets.replace(b' Version="2.0"', b' Version="2.0" Consent="' + reference.encode() + b'"', 1)
    assert changed != octets
    return doctype.encode() + changed


@everywhere
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bomb", BOMBS)
def test_e112_bombs(stage, surface, bomb, place):
    """E112: a bomb is refused before it grows, whether it stands in a text or in an attribute."""
    octets = _used(surface.hostile(stage), *BOMBS[bomb], place)
    stage.refused(surface.request(octets), *REASONS)


FILES = {
    "file": "<!DOCTYPE x [<!ENTITY x SYSTEM 'FILE'>]>",
    "path": "<!DOCTYPE x [<!ENTITY x SYSTEM 'PATH'>]>",
    "hostname": "<!DOCTYPE x [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>",
    "directory": "<!DOCTYPE x [<!ENTITY x SYSTEM 'file:///etc/'>]>",
    "endless": "<!DOCTYPE x [<!ENTITY x SYSTEM 'file:///dev/zero'>]>",
    "public": "<!DOCTYPE x [<!ENTITY x PUBLIC 'x' 'FILE'>]>",
    "by-parameter-entity": "<!DOCTYPE x [<!ENTITY % p SYSTEM 'FILE'><!ENTITY x '%p;'>]>",
    "listener": "<!DOCTYPE x [<!ENTITY x SYSTEM 'URL'>]>",
    "jar": "<!DOCTYPE x [<!ENTITY x SYSTEM 'jar:FILE!/x'>]>",
    "php": "<!DOCTYPE x [<!ENTITY x SYSTEM 'php://filter/read=convert.base64-encode/resource=PATH'>]>",
    "subset-that-never-ends": "<!DOCTYPE x SYSTEM 'file:///dev/zero'><!-- -->",
}


@pytest.fixture
def secret(canary):
    """Let the canary's file hold something to be looked for."""
    before = canary.file.read_text()
    canary.file.write_text(SECRET)
    yield canary
    canary.file.write_text(before)


NAMED = thinned(list(product(FILES, ("Issuer", "NameID", "RelayState"), SURFACES)), 5)


@pytest.mark.parametrize(("how", "place", "surface"), NAMED, ids=["-".join(map(str, member)) for member in NAMED])
def test_e113_files(stage, secret, surface, how, place):
    """E113: an entity for a file, in a text that is read or in one that is echoed: refused, the file not opened."""
    doctype = FILES[how].replace("FILE", secret.file.as_uri()).replace("PATH", str(secret.file))
    doctype = doctype.replace("URL", secret.url)
    octets = surface.hostile(stage)
    name = place.encode() if place.encode() in octets else b"Issuer"
    octets = doctype.encode() + octets.replace(b"</saml:" + name, b"&x;</saml:" + name, 1)
    how = {"relay_state": f"{doctype}<x>&x;</x>"} if place == "RelayState" else {}
    refusal = stage.refused(surface.request(octets, **how), *REASONS)
    everything = refusal.response.get_data(as_text=True) + str(refusal.response.headers) + str(stage.bridge.log)
    assert SECRET not in everything


@everywhere
def test_e113_in_relay_state_alone(stage, canary, surface):
    """E113: RelayState is no XML: a bomb in it goes through a genuine exchange as the text that it is."""
    canary.touched()
    text = f"<!DOCTYPE x [<!ENTITY x SYSTEM '{canary.file.as_uri()}'>]><x>&x;</x>"
    surface.accepted(stage.bridge, request=lambda octets: surface.request(octets, relay_state=text))
    assert canary.touched() == []
