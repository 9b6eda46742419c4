"""D107, D108: two elements with one ID, and IDs that mean something to XPath, to a file system or to a log.

Whoever looks up the signed element by its ID may find another one (signature wrapping), and whoever builds a selector
from an ID runs what the sender wrote (CVE-2024-45409). Equal values are refused in every attribute whose local name is
`id`, in whatever case and namespace, and each value has to be an NCName of at most 1,024 characters.

The doors of applications have the same parser and bindings; test_d_applications.py knocks there.
"""

from itertools import combinations

import pytest
from lxml import etree

from saml_slo.wire.xml import MAX_ID_CHARACTERS
from tests import idp
from tests.attacks.surfaces import (
    ANSWER_REDIRECT,
    REQUEST_POST,
    REQUEST_REDIRECT,
    REQUEST_SOAP,
    RESPONSE,
    SIGNED_RESPONSE,
    SURFACES,
    everywhere,
)

XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
WSU_ID = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}Id"
_SIX = "".join(f"<x:{name} xmlns:x='urn:x'/>" for name in "abcdef")
EXTENSIONS = f"<samlp:Extensions>{_SIX}</samlp:Extensions>"


def _with_extensions(root):
    root.insert(1, idp.element(EXTENSIONS))


def _carriers(root):
    """Every place that can have an ID in a message with those Extensions: label → (element, attribute)."""
    places = {"root": (root, "ID")}
    if root.getparent() is not None:  # a SOAP envelope and its Body
        places["envelope"] = (root.getroottree().getroot(), "Id")
        places["body"] = (root.getparent(), WSU_ID)
    for child, attribute in zip(
        next(root.iter("{*}Extensions")), ("ID", "Id", "id", "iD", XML_ID, WSU_ID), strict=True
    ):
        places[f"extension-{etree.QName(attribute).localname}-{etree.QName(child).localname}"] = (child, attribute)
    assertion = root.find("{*}Assertion")
    if assertion is not None:
        places["assertion"] = (assertion, "ID")
        places["name-id"] = (next(root.iter("{*}NameID")), "ID")
    signature = next(root.iter("{*}Signature"), None)
    if signature is not None:
        for name in ("SignedInfo", "Reference", "SignatureValue", "KeyInfo", "Object"):
            found = next(signature.iter(f"{{*}}{name}"), None)
            places[name] = (etree.SubElement(signature, f"{{{idp.DS}}}Object") if found is None else found, "Id")
        places["Signature"] = (signature, "Id")
    return places


def _labels(surface):
    root = surface.draft("_q1")
    _with_extensions(root)
    return list(_carriers(surface.message_in(surface.seal(root))))


PAIRS = [
    pytest.param(surface, first, second, id=f"{surface}-{first}-{second}")
    for surface in (RESPONSE, REQUEST_POST, REQUEST_SOAP, ANSWER_REDIRECT)
    for first, second in combinations(_labels(surface), 2)
]


@pytest.mark.parametrize(("surface", "first", "second"), PAIRS)
def test_d107_every_pair(stage, surface, first, second):
    """D107: wherever two equal IDs stand, in the message or in its signature, the message is refused for that."""
    root = surface.message_in(surface.hostile(stage, _with_extensions))
    places = _carriers(root)
    element, attribute = places[first]
    value = element.get(attribute) or "_lr1"
    element.set(attribute, value)
    other, attribute = places[second]
    other.set(attribute, value)
    stage.refused(surface.request(etree.tostring(root.getroottree())), "duplicate_id")


@everywhere
def test_d107_different_ids_are_fine(stage, surface):
    """D107: the control: six elements in Extensions with an ID each, all different, are accepted."""

    def edit(root):
        _with_extensions(root)
        for number, (label, (element, attribute)) in enumerate(_carriers(root).items()):
            if label.startswith("extension"):
                element.set(attribute, f"_e{number}")

    surface.accepted(stage.bridge, edit)


@pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE], ids=str)
def test_d107_the_assertion_twice_over(stage, surface):
    """D107: the Response and its Assertion with one ID, as in the wrapping attacks, and each with the other's."""
    root = etree.fromstring(surface.hostile(stage))
    root.set("ID", root.find("{*}Assertion").get("ID"))
    stage.refused(surface.request(etree.tostring(root)), "duplicate_id")


HOSTILE = {
    "xpath": "' or '1'='1",
    "bracket": '"]',
    "xpath-union": "_a'] | //*['",
    "space": "_a b",
    "space-before": " _a",
    "space-behind": "_a ",
    "digit-first": "1abc",
    "hyphen-first": "-abc",
    "dot-first": ".abc",
    "10-kB": "_" + "a" * 10_000,
    "one-too-long": "_" + "a" * MAX_ID_CHARACTERS,
    "empty": "",
    "newline": "_a\nb",
    "header": "_a\r\nSet-Cookie: x=y",
    "tab": "_a\tb",
    "star": "*",
    "path": "../x",
    "slash": "_a/b",
    "colon": "a:b",
    "hash": "#_a",
    "redis-tag": "_{00}",
    "redis-glob": "_a?[b]",
    "html": "<script>alert(1)</script>",
    "no-break-space": "_a\u00a0b",
    "right-to-left": "_a\u202eb",
    "zero-width": "_a\u200bb",
    "emoji": "\U0001f511",
    "arabic-digit-first": "\u0661abc",
    "percent": "_a%0ab",
    "template": "_${7*7}",
}


@everywhere
@pytest.mark.parametrize("value", HOSTILE)
def test_d108_on_the_root(stage, surface, value):
    """D108: an ID that is no NCName is refused, and no part of it becomes a key, a path, a header or a selector."""
    root = surface.message_in(surface.hostile(stage))
    root.set("ID", HOSTILE[value])
    stage.refused(surface.request(etree.tostring(root.getroottree())), "schema_violation")


@pytest.mark.parametrize("surface", [RESPONSE, REQUEST_REDIRECT], ids=str)
@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("attribute", ["ID", XML_ID, WSU_ID], ids=["ID", "xml-id", "wsu-Id"])
def test_d108_elsewhere(stage, surface, value, attribute):
    """D108: the same where the ID belongs to something that we do not read."""

    def edit(root):
        root.insert(1, idp.element(EXTENSIONS))
        root[1][0].set(attribute, HOSTILE[value])

    stage.refused(surface.request(surface.hostile(stage, edit)), "schema_violation")


@pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE], ids=str)
@pytest.mark.parametrize("value", HOSTILE)
def test_d108_on_the_assertion(stage, surface, value):
    """D108: the Assertion's ID is what the replay mark is made from."""
    root = etree.fromstring(surface.hostile(stage))
    root.find("{*}Assertion").set("ID", HOSTILE[value])
    stage.refused(surface.request(etree.tostring(root)), "schema_violation")


@pytest.mark.parametrize("surface", [s for s in SURFACES if not s.kind.endswith("Request")], ids=str)
@pytest.mark.parametrize("value", [name for name in HOSTILE if name not in ("10-kB", "one-too-long")])
def test_d108_in_response_to(stage, surface, value):
    """D108: InResponseTo is looked up; one that is no NCName is refused before anybody asks the store for it."""
    octets = surface.hostile(stage, lambda root: root.set("InResponseTo", HOSTILE[value]))
    accepted_spelling = value in ("space-before", "space-behind")  # the type of the attribute collapses them
    reasons = ("in_response_to_mismatch", "unsolicited") if accepted_spelling else ("schema_violation",)
    stage.refused(surface.request(octets), *reasons)


@everywhere
@pytest.mark.parametrize("value", ["_" + "a" * (MAX_ID_CHARACTERS - 1), "é", "_", "a.b-c_d", "日本"])
def test_d108_unusual_ids_are_ids(stage, surface, value):
    """D108: the control: an NCName up to the limit, of whatever alphabet, is accepted."""
    value = value[: MAX_ID_CHARACTERS - 1] + surface.binding[0]  # three surfaces take LogoutRequests: each its own
    surface.accepted(stage.bridge, lambda root: root.set("ID", value))
