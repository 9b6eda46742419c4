"""Group C, references: the one Reference is `#` and the ID of the element that it stands in (C061 to C068, C078).

The identity provider's own key signs exactly what each of them names, so that nothing but the Reference is wrong.
AuthnRequests are no door of surfaces.py yet: when they are, `everywhere` knocks there as well.
"""

import pytest
from lxml import etree

from tests import idp
from tests.attacks.forge import (
    DEEP,
    DS,
    ENVELOPED,
    EXCLUSIVE,
    SHA256,
    canonical,
    draft,
    follow,
    in_turn,
    path_of,
    reference,
    sign,
)
from tests.attacks.surfaces import SURFACES, everywhere

PROFILE, DUPLICATE = "signature_profile_violation", "duplicate_id"


def refused(stage, surface, uri, *reasons, **how):
    """Sign the right element under this URI, in which {id}, {url} and {file} stand for what they say."""
    root, target = draft(surface, stage)
    if uri is not None:
        uri = uri.format(id=target.get("ID"), name=target.get("ID")[1:], url=stage.canary.url, file=stage.canary.file)
    sign(target, uri=uri, **how)
    stage.refused(surface.request(root), *(reasons or (PROFILE,)))


URIS = {
    "C061": "",
    "C062-no-uri": None,
    "C062-hash": "#",
    "C064-xpointer-root": "#xpointer(/)",
    "C064-xpointer-id": "#xpointer(id('{id}'))",
    "C064-xpointer-id-quot": "#xpointer(id(&quot;{id}&quot;))",
    "C064-fragment-in-fragment": "#{id}#x",
    "C064-two-hashes": "##{id}",
    "C064-no-hash": "{id}",
    "C064-space-before": " #{id}",
    "C064-percent": "#%5F{name}",
    "C065-http": "{url}",
    "C065-http-fragment": "{url}#{id}",
    "C065-ftp": "ftp://127.0.0.1/x",
    "C065-file": "file://{file}",
    "C065-file-hostname": "file:///etc/hostname",
    "C065-path": "{file}",
    "C065-path-hostname": "/etc/hostname",
    "C065-relative": "../../../../../../../../etc/hostname",
    "C065-localhost": "file://localhost{file}",
}
# The rest of the class: what a URI parser, an XPointer reader or a comparison of another kind would take.
MORE_URIS = {
    "space-after": "#{id} ",
    "space-inside": "# {id}",
    "tab-before": "&#9;#{id}",
    "newline-after": "#{id}&#10;",
    "no-break-space": "&#160;#{id}",
    "zero-width": "#{id}&#8203;",
    "byte-order-mark": "&#65279;#{id}",
    "full-width-hash": "&#65283;{id}",
    "percent-hash": "%23{id}",
    "percent-underscore": "#%5f{name}",
    "upper-case": "#_A1",
    "prefix": "#{id}x",
    "truncated": "#_",
    "other-id": "#_other",
    "query": "?#{id}",
    "empty-path": "./#{id}",
    "own-endpoint": "https://bridge.example/saml/sp/idp/acs#{id}",
    "xpointer-shorthand": "#xpointer({id})",
    "xpointer-element": "#element({id})",
    "xpointer-element-root": "#element(/1)",
    "xpointer-element-path": "#element({id}/1)",
    "xpointer-descendant": "#xpointer(//*)",
    "xpointer-name": "#xpointer(//*[@ID='{id}'])",
    "xpointer-union": "#xpointer(/|id('{id}'))",
    "xpointer-xmlns": "#xmlns(a=urn:x)xpointer(id('{id}'))",
    "xpointer-here": "#xpointer(here()/../../..)",
    "xpath1": "#xpath1(/)",
    "data": "data:text/xml,&lt;x/&gt;",
    "cid": "cid:{id}",
    "urn": "urn:{id}",
    "http-upper": "HTTP://127.0.0.1/x",
    "https": "https://127.0.0.1/x",
    "double-slash": "//127.0.0.1/x",
    "file-short": "file:{file}",
    "file-upper": "FILE://{file}",
    "gopher": "gopher://127.0.0.1/x",
    "jar": "jar:file://{file}!/x",
    "php": "php://filter/resource={file}",
    "ftp-file": "ftp://localhost{file}",
    "proc": "/proc/self/environ",
    "dev-zero": "/dev/zero",
    "stdin": "-",
    "catalog": "-//OASIS//DTD",
    "backslash": "\\\\127.0.0.1\\x",
    "long": "#" + "x" * 50_000,
    "many-hashes": "#" * 5_000,
}


@everywhere
@pytest.mark.parametrize("uri", URIS.values(), ids=URIS)
def test_reference_uri(stage, surface, uri):
    """C061, C062, C064, C065: any other URI is refused before anything is looked up, fetched or opened."""
    refused(stage, surface, uri)


@pytest.mark.parametrize(("surface", "uri"), in_turn(MORE_URIS))
def test_generated_reference_uri(stage, surface, uri):
    """The same for every other spelling of a Reference."""
    refused(stage, surface, uri)


@everywhere
@pytest.mark.parametrize(
    "attributes",
    [f' Type="{DS}Object"', f' Type="{DS}Manifest"', f' Type="{DS}SignatureProperties"', ' Type=""', ' Id="_ref1"'],
)
def test_generated_reference_attributes(stage, surface, attributes):
    """C078: a Reference has a URI and no other attribute, so that no Type changes what its digest is over."""
    refused(stage, surface, "#{id}", attributes=attributes)


@everywhere
@pytest.mark.parametrize("spelling", ["uri", "Uri", "x:URI", "href", "xlink:href"])
def test_generated_reference_attribute_names(stage, surface, spelling):
    """C062: an attribute that is nearly URI is not URI."""
    root, target = draft(surface, stage)
    namespaces = ' xmlns:x="urn:x" xmlns:xlink="http://www.w3.org/1999/xlink"'
    attribute = f'{namespaces} {spelling}="#{target.get("ID")}"'
    sign(target, references=[reference(canonical(target), None, attributes=attribute)])
    stage.refused(surface.request(root), PROFILE)


# C063: a signature that stands in one element and is over another ----------------------------------------------------

SPELLINGS = ("ID", "Id", "id", "{http://www.w3.org/XML/1998/namespace}id", "{urn:x}ID")


def _inner_elements():
    """Every element of every surface's message but the one that is to be signed, as a path."""
    for number, surface in enumerate(SURFACES):
        root, target = draft(surface, _Template)
        for element in root.iter("*"):
            if element is not target:
                name = etree.QName(element).localname
                yield number, path_of(element), f"C063-{surface}-{name}-{len(path_of(element))}"


def _spelled():
    """Each of them with its ID called ID, and in one other way in turn."""
    for turn, (number, path, name) in enumerate(_inner_elements()):
        for spelling in SPELLINGS if DEEP else (SPELLINGS[0], SPELLINGS[1 + turn % 4]):
            yield pytest.param(number, path, spelling, id=f"{name}-{spelling}")


class _Template:
    """A stage for the time at which tests are collected: its messages have the same shape."""

    class asked:  # noqa: N801 - it stands for an attribute
        id = "_q1"

    pending = asked


@pytest.mark.parametrize(("number", "path", "spelling"), list(_spelled()))
def test_c063_signature_over_another_element(stage, number, path, spelling):
    """C063: the IdP's good signature over any other element of the document, whatever its ID attribute is called."""
    surface = SURFACES[number]
    root, target = draft(surface, stage)
    signed = follow(root, path)
    attribute = spelling
    if signed.get(spelling) is None:
        signed.set(spelling, "_e1")
    sign(signed, into=target, uri=f"#{signed.get(attribute)}")
    stage.refused(surface.request(root), PROFILE)


@everywhere
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_c063_signed_extension(stage, surface, spelling):
    """C063: a signed child of Extensions (of the Assertion: of Advice) does not sign what is around it."""
    root, target = draft(surface, stage)
    name = f"{{{idp.SAML}}}Advice" if target is not root else f"{{{idp.SAMLP}}}Extensions"
    holder = etree.Element(name)
    before = target.find(f"{{{idp.SAML}}}Conditions") if target is not root else target[0]
    before.addnext(holder)
    signed = etree.SubElement(holder, "{urn:x}signed")
    signed.set(spelling, "_e1")
    sign(signed, into=target, uri="#_e1")
    stage.refused(surface.request(root), PROFILE)


@everywhere
@pytest.mark.parametrize("spelling", SPELLINGS[1:])
def test_generated_second_id_of_the_signed_element(stage, surface, spelling):
    """C063: a second ID attribute on the signed element is not what a Reference may name, nor may it be the same."""
    for value, reasons in (("_other", (PROFILE,)), (None, (DUPLICATE,))):
        root, target = draft(surface, stage)
        target.set(spelling, value or target.get("ID"))
        sign(target, uri=f"#{target.get(spelling)}")
        stage.refused(surface.request(root), *reasons)


@everywhere
@pytest.mark.parametrize("spelling", SPELLINGS[1:])
def test_generated_no_id_but_another(stage, surface, spelling):
    """C063: an element whose ID attribute is called otherwise has no ID (and no schema allows it)."""
    root, target = draft(surface, stage)
    target.set(spelling, target.attrib.pop("ID"))
    sign(target, uri=f"#{target.get(spelling)}")
    stage.refused(surface.request(root), PROFILE)


# C067, C068, C078: how many, and to what ------------------------------------------------------------------------------


def _genuine(target):
    return reference(canonical(target), f"#{target.get('ID')}")


SEVERAL = {
    "C067-other-id-second": lambda target: [_genuine(target), reference(b"x", "#_other")],
    "C067-other-id-first": lambda target: [reference(b"x", "#_other"), _genuine(target)],
    "C067-empty-second": lambda target: [_genuine(target), reference(canonical(target), "")],
    "C067-empty-first": lambda target: [reference(canonical(target), ""), _genuine(target)],
    "C067-duplicate": lambda target: [_genuine(target), _genuine(target)],
    "C067-three": lambda target: [_genuine(target)] * 3,
    "C067-none": lambda _: [" "],
    "C067-nested": lambda target: [
        reference(canonical(target), f"#{target.get('ID')}", inside=_genuine(target) + _genuine(target))
    ],
    "C068-1000-complete": lambda _: [_complete("#_other")] * 950,
}


def _complete(uri):
    return (
        f'<ds:Reference URI="{uri}"><ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>AAAA</ds:DigestValue>'
        "</ds:Reference>"
    )


@everywhere
@pytest.mark.parametrize("references", SEVERAL.values(), ids=SEVERAL)
def test_c067_several_references(stage, surface, references):
    """C067, C068: none, two or a thousand References are refused, whatever they are to, before a digest is computed."""
    root, target = draft(surface, stage)
    sign(target, references=references(target))
    stage.refused(surface.request(root), PROFILE)


@everywhere
@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        pytest.param("<ds:Reference/>", (PROFILE, "xml_forbidden_construct"), id="C068-5000-bare"),
        pytest.param(_genuine(etree.fromstring('<x ID="_x"/>')), ("message_too_large",), id="C068-5000-complete"),
    ],
)
def test_c068_five_thousand_references(stage, surface, text, reasons):
    """C068: 5,000 References cost nothing; complete ones are over the limit of a message."""
    root, target = draft(surface, stage)
    sign(target, references=[text] * 5_000)
    stage.refused(surface.request(root), *reasons)


MANIFEST = (
    '<ds:Object><ds:Manifest Id="_m1"><ds:Reference URI="#{id}"><ds:Transforms>'
    f'<ds:Transform Algorithm="{ENVELOPED}"/>'
    f'<ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms><ds:DigestMethod Algorithm="{SHA256}"/>'
    "<ds:DigestValue>AAAA</ds:DigestValue></ds:Reference></ds:Manifest></ds:Object>"
)


@everywhere
@pytest.mark.parametrize("kind", [f' Type="{DS}Manifest"', ""], ids=["C078", "C078-no-type"])
def test_c078_manifest(stage, surface, kind):
    """C078: a good Reference to a Manifest whose own digests are wrong signs nothing."""
    root, target = draft(surface, stage)
    holder = idp.element(MANIFEST.format(id=target.get("ID")))
    over = reference(canonical(holder[0]), "#_m1", transforms=(EXCLUSIVE,), attributes=kind)
    sign(target, references=[over]).append(holder)
    stage.refused(surface.request(root), PROFILE)
