"""Group C, structure: a Signature holds SignedInfo, SignatureValue, KeyInfo, once each, and no more (C076 to C080).

Where the class goes on, every place is tried: each element doubled, left out, moved or filled with what was planted.
AuthnRequests are no door of surfaces.py yet: when they are, `everywhere` knocks there as well.
"""

from copy import deepcopy

import pytest
from lxml import etree

from tests import idp
from tests.attacks.forge import DS, draft, follow, in_turn, named, path_of, sign, sign_again, slots, x509
from tests.attacks.invariants import VICTIM_NAME_ID
from tests.attacks.surfaces import SURFACES, everywhere

PROFILE, SCHEMA, FORBIDDEN = "signature_profile_violation", "schema_violation", "xml_forbidden_construct"


def ds(signature, name):
    """The first element of this name in a Signature."""
    return next(signature.iter(f"{{{DS}}}{name}"))


def doubled(name, *, before, change=None):
    """Put a second one beside an element of the Signature; `change` makes it another."""

    def surgery(signature):
        element = ds(signature, name)
        copy = deepcopy(element)
        if change is not None:
            change(copy)
        (element.addprevious if before else element.addnext)(copy)

    return surgery


def valued(text):
    """Give the SignatureValue another text; {} in it is the right one."""

    def surgery(signature):
        value = ds(signature, "SignatureValue")
        value.text = text.format(value.text)

    return surgery


def split(signature):
    """Put a blank in the middle of the SignatureValue."""
    value = ds(signature, "SignatureValue")
    value.text = f"{value.text[:100]} {value.text[100:]}"


def evil_digest(signed_info):
    """Make a SignedInfo that vouches for another content."""
    ds(signed_info, "DigestValue").text = "AAAA"


def evil_text(element):
    """Change what a value says."""
    element.text = "AAAA"


SURGERIES = {
    "C076-second-signed-info": doubled("SignedInfo", before=False),
    "C076-second-signed-info-first": doubled("SignedInfo", before=True),
    "C076-evil-signed-info-second": doubled("SignedInfo", before=False, change=evil_digest),
    "C076-evil-signed-info-first": doubled("SignedInfo", before=True, change=evil_digest),
    "C076-second-value": doubled("SignatureValue", before=False),
    "C076-evil-value-first": doubled("SignatureValue", before=True, change=evil_text),
    "C076-evil-value-second": doubled("SignatureValue", before=False, change=evil_text),
    "C076-second-digest-value": doubled("DigestValue", before=False),
    "C076-evil-digest-value-first": doubled("DigestValue", before=True, change=evil_text),
    "C076-evil-digest-value-second": doubled("DigestValue", before=False, change=evil_text),
    "C076-second-key-info": doubled("KeyInfo", before=False),
    "C076-empty-value": valued(""),
    "C076-white-value": valued(" \n "),
    "C076-split-value": split,
    "C076-junk-before-value": valued("!{}"),
    "C076-junk-after-value": valued("{}%"),
    "C076-second-padding": valued("{}="),
    "C076-value-after-value": valued("{0}{0}"),
    "C076-url-alphabet": valued("-_{}"),
    "C076-nul-escape": valued("{}\\0"),
    "C076-no-break-space": valued("\xa0{}"),
}


@everywhere
@pytest.mark.parametrize("surgery", SURGERIES.values(), ids=SURGERIES)
def test_c076_duplicated_internals(stage, surface, surgery):
    """C076: two of anything in a Signature, or a value that is no base64, is refused whichever of the two is good."""
    root, target = draft(surface, stage)
    surgery(sign(target, key_info=x509("idp")))
    stage.refused(surface.request(root), PROFILE)


def _commented(place, text):
    """Put a comment or PI before, into, in place of or after a value; the evil one goes around it."""

    def surgery(value):
        node = etree.Comment("x") if text == "comment" else etree.PI("x", "y")
        good = value.text
        if place == "before":
            value.text = None
            value.append(node)
            node.tail = good
        elif place == "middle":
            value.text = good[:20]
            value.append(node)
            node.tail = good[20:]
        elif place == "after":
            value.append(node)
        elif place == "evil-before":
            value.text = "AAAA"
            value.append(node)
            node.tail = good
        elif place == "evil-after":
            value.append(node)
            node.tail = "AAAA"
        else:
            value.text = None
            value.append(etree.Comment(good))

    return surgery


COMMENTED = {
    f"C077-{text}-{place}-{name}": (name, place, text)
    for name in ("DigestValue", "SignatureValue")
    for place in ("before", "middle", "after", "evil-before", "evil-after", "instead")
    for text in ("comment", "pi")
}


@pytest.mark.parametrize(("surface", "row"), in_turn(COMMENTED) + in_turn(COMMENTED, SURFACES[3:] + SURFACES[:3]))
def test_c077_comment_in_a_value(stage, surface, row):
    """C077: a comment or PI in a value is refused, whether the signature was made over it or not."""
    name, place, text = row
    for again in (False, True):
        root, target = draft(surface, stage)
        signature = sign(target)
        _commented(place, text)(ds(signature, name))
        if again and name == "DigestValue":
            sign_again(signature)
        stage.refused(surface.request(root), FORBIDDEN)


@everywhere
def test_c077_generated_comment_anywhere_in_a_signature(stage, surface):
    """C077: a comment at any other place of a Signature is refused as well."""
    root, target = draft(surface, stage)
    places = slots(sign(target, key_info=x509("idp")))
    for path, index in places:
        root, target = draft(surface, stage)
        signature = sign(target, key_info=x509("idp"))
        follow(signature, path).insert(index, etree.Comment("x"))
        stage.refused(surface.request(root), FORBIDDEN)


class _Template:
    """A stage for the time at which tests are collected: its messages have the same shape."""

    class asked:  # noqa: N801 - it stands for an attribute
        id = "_q1"

    pending = asked


def _places():
    """Every place of every surface's message at which its Signature does not belong."""
    for number, surface in enumerate(SURFACES):
        root, target = draft(surface, _Template)
        for path, index in slots(root):
            if (path, index) != (path_of(target), 1):
                yield pytest.param(number, path, index, id=f"C079-{surface}-{named(root, path, index)}")


@pytest.mark.parametrize(("number", "path", "index"), list(_places()))
def test_c079_signature_at_a_wrong_place(stage, number, path, index):
    """C079: the IdP's good signature, over the right element, stands at every other place of the document: refused."""
    surface = SURFACES[number]
    root, target = draft(surface, stage)
    place = follow(root, path)
    signature = sign(target)
    target.remove(signature)
    place.insert(index, signature)
    # A Signature first in an element without an Issuer is at its place, but is over another element.
    stage.refused(surface.request(root), PROFILE)


@everywhere
@pytest.mark.parametrize(
    "signers",
    [
        pytest.param(("idp", "attacker"), id="C080-genuine-first"),
        pytest.param(("attacker", "idp"), id="C080-attacker-first"),
        pytest.param(("idp", "idp"), id="C080-genuine-twice"),
        pytest.param(("idp",) * 5, id="C080-five"),
    ],
)
@pytest.mark.parametrize("place", ["beside", "last"])
def test_c080_two_signatures(stage, surface, signers, place):
    """C080: two Signatures on one element are refused, were both good."""
    root, target = draft(surface, stage)
    unsigned = deepcopy(target)
    signatures = [sign(deepcopy(unsigned), signer=signer) for signer in signers]
    for signature in reversed(signatures[1:]):
        target.insert(1, signature) if place == "beside" else target.append(signature)
    target.insert(1, signatures[0])
    stage.refused(surface.request(root), PROFILE)


# What is planted in a Signature is not covered by it ------------------------------------------------------------------

PLANTED = {
    "name-id": VICTIM_NAME_ID,
    "subject": f"<saml:Subject>{VICTIM_NAME_ID}{idp.bearer()}</saml:Subject>",
    "issuer": "<saml:Issuer>https://evil.example/</saml:Issuer>",
    "statement": idp.authn_statement("_evil"),
    "status": idp.SUCCEEDED,
    "session-index": "<samlp:SessionIndex>_evil</samlp:SessionIndex>",
    "object": f"<ds:Object>{VICTIM_NAME_ID}</ds:Object>",
    "signature": "<ds:Signature/>",
    "properties": "<ds:Object><ds:SignatureProperties/></ds:Object>",
    "foreign": '<x:x xmlns:x="urn:x"/>',
    "no-namespace": "<x/>",
    "text": None,
}


def _plantings():
    """Every place in a Signature, each on one surface in turn; but no text in leaves of KeyInfo, which hold text."""
    _root, target = draft(SURFACES[0], _Template)
    signature = sign(target, key_info=f"<ds:KeyName>idp</ds:KeyName>{x509('idp')}")
    number = 0
    for path, index in slots(signature):
        element = follow(signature, path)
        leaf = etree.QName(element).localname in ("KeyName", "X509Certificate")
        for what, text in PLANTED.items():
            if text is None and leaf:
                continue
            number += 1
            surface = SURFACES[number % len(SURFACES)]
            yield pytest.param(surface, path, index, text, id=f"{surface}-{named(signature, path, index)}-{what}")


@pytest.mark.parametrize(("surface", "path", "index", "text"), list(_plantings()))
def test_generated_planting_in_a_signature(stage, surface, path, index, text):
    """An element or text that no signer writes there is refused at every place of a Signature, signed anew or not."""
    root, target = draft(surface, stage)
    signature = sign(target, key_info=f"<ds:KeyName>idp</ds:KeyName>{x509('idp')}")
    place = follow(signature, path)
    if text is not None:
        place.insert(index, idp.element(text))
    elif index == 0:
        place.text = (place.text or "") + "!"
    else:
        place[index - 1].tail = "x"
    if path[:1] == (0,):
        sign_again(signature)
    # In a KeyName, or in X509Data, the schema knows what may be there as well as we do.
    stage.refused(surface.request(root), PROFILE, *([SCHEMA] if path[:1] == (2,) else []))


PARTS = ("CanonicalizationMethod", "SignatureMethod", "Reference", "Transforms", "Transform", "DigestMethod")
SHAPES = {f"{name}-{how}": (name, how) for name in PARTS for how in ("removed", "doubled", "last")}


@pytest.mark.parametrize(("surface", "row"), in_turn(SHAPES))
def test_generated_shape_of_signed_info(stage, surface, row):
    """A part of SignedInfo that is missing, twice there or out of order is refused before the value is looked at."""
    name, how = row
    root, target = draft(surface, stage)
    signature = sign(target)
    element = ds(signature, name)
    parent = element.getparent()
    if how == "removed":
        parent.remove(element)
    elif how == "doubled":
        element.addnext(deepcopy(element))
    elif parent[-1] is element:
        parent.insert(0, element)
    else:
        parent.append(element)
    signature[1].text = "AAAA"
    stage.refused(surface.request(root), PROFILE)


ATTRIBUTED = ("CanonicalizationMethod", "SignatureMethod", "Transforms", "Transform", "DigestMethod", "DigestValue")


@pytest.mark.parametrize("attribute", ["Id", "x", "URI", "{urn:x}x", "HMACOutputLength", "PrefixList"])
@pytest.mark.parametrize(("surface", "name"), in_turn({name: name for name in ATTRIBUTED}))
def test_generated_attributes_in_signed_info(stage, surface, name, attribute):
    """An attribute that no element of SignedInfo has is refused, though the IdP signed it so."""
    root, target = draft(surface, stage)
    signature = sign(target)
    ds(signature, name).set(attribute, "_v1")
    sign_again(signature)
    stage.refused(surface.request(root), *([SCHEMA] if name in ("Transforms", "DigestValue") else [PROFILE]))
