"""D111: genuine messages that look unusual and must be accepted; a strict reader that refuses them helps nobody.

Each form is what some identity provider really sends: carriage returns from Windows, single quotes, references instead
of characters, Extensions of its own, prefixes declared elsewhere, no KeyInfo.

The doors of applications have the same parser and bindings; test_d_applications.py knocks there.
"""

import re

import pytest
import xmlsec
from lxml import etree

from tests import idp
from tests.attacks.surfaces import (
    BOTH_SIGNED,
    RESPONSE,
    SIGNED_RESPONSE,
    SURFACES,
    by_post,
    everywhere,
    recorded,
    someone,
)
from tests.keys import pair

ALL = pytest.mark.parametrize("surface", [*SURFACES, BOTH_SIGNED], ids=str)
SHA256 = xmlsec.Transform.SHA256


def _indented(root):
    etree.indent(root, "    ")


def _milliseconds(digits):
    def edit(root):
        for element in root.iter():
            for name, value in element.items():
                if re.fullmatch(r"[-\d]+T[\d:]+Z", value):
                    element.set(name, value.replace("Z", f".{digits}Z"))

    return edit


def _zone(zone):
    def edit(root):
        root.set("IssueInstant", root.get("IssueInstant").replace("Z", zone))

    return edit


def _extensions(text):
    return lambda root: root.insert(1, idp.element(f"<samlp:Extensions>{text}</samlp:Extensions>"))


def _attributes(number):
    """Attributes in an AttributeStatement of the Assertion, or on an element of the Extensions."""

    def edit(root):
        assertion = root.find("{*}Assertion")
        if assertion is None:
            named = " ".join(f'a{count}="v"' for count in range(number))
            _extensions(f'<x:a xmlns:x="urn:x" {named}/>')(root)
            return
        values = "".join(
            f'<saml:Attribute Name="urn:oid:{count}" FriendlyName="f"><saml:AttributeValue>v</saml:AttributeValue>'
            f"</saml:Attribute>"
            for count in range(number)
        )
        assertion.append(idp.element(f"<saml:AttributeStatement>{values}</saml:AttributeStatement>"))

    return edit


EDITS = {
    "indented": _indented,
    "milliseconds": _milliseconds("123"),
    "tenths": _milliseconds("1"),
    "microseconds": _milliseconds("123456"),
    "ticks-of-windows": _milliseconds("1234567"),
    "nanoseconds": _milliseconds("123456789"),
    "zone-zero": _zone("+00:00"),
    "zone-minus-zero": _zone("-00:00"),
    "unknown-extension": _extensions('<x:a xmlns:x="urn:x" b="c">d<x:e/></x:a>'),
    "async-extension": _extensions('<a:Asynchronous xmlns:a="urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"/>'),
    "many-extensions": _extensions('<x:a xmlns:x="urn:x"/>' * 50),
    "40-attributes": _attributes(40),
    "issuer-format": lambda root: root.find("{*}Issuer").set(
        "Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
    ),
    "consent": lambda root: root.set("Consent", "urn:oasis:names:tc:SAML:2.0:consent:unspecified"),
    "unused-namespaces": lambda root: root.insert(
        1,
        idp.element(
            '<samlp:Extensions xmlns:xs="http://www.w3.org/2001/XMLSchema"><x:a xmlns:x="urn:x"/></samlp:Extensions>'
        ),
    ),
}


@ALL
@pytest.mark.parametrize("how", EDITS)
def test_d111_signed_like_this(stage, surface, how):
    """D111: a message that its sender made and signed in an unusual form is accepted."""
    surface.accepted(stage.bridge, EDITS[how])


CHANGES = {
    "crlf-everywhere": lambda octets: octets.replace(b"\n", b"\r\n"),
    "cr-everywhere": lambda octets: octets.replace(b"\n", b"\r"),
    "single-quotes": lambda octets: octets.replace(b'"', b"'"),
    "decimal-references": lambda octets: octets.replace(b"@corp", b"&#64;corp").replace(b"https://i", b"https:&#47;/i"),
    "hex-references": lambda octets: octets.replace(b"@corp", b"&#x40;corp").replace(b"https://i", b"https:/&#x2f;i"),
    "standalone-yes": lambda octets: b'<?xml version="1.0" standalone="yes"?>' + octets,
    "standalone-no": lambda octets: b"<?xml version='1.0' encoding='utf-8' standalone='no' ?>\r\n" + octets,
    "byte-order-mark": lambda octets: b"\xef\xbb\xbf" + octets,
    "byte-order-mark-and-declaration": lambda octets: b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>' + octets,
    "newline-at-the-end": lambda octets: octets + b"\r\n",
    "empty-elements-spelled-out": lambda octets: re.sub(rb"<([\w:]+)([^<>]*)/>", rb"<\1\2></\1>", octets),
    "greater-than-escaped": lambda octets: octets.replace(b"https://idp", b"https&#58;//idp"),
}


@ALL
@pytest.mark.parametrize("how", CHANGES)
def test_d111_written_like_this(stage, surface, how):
    """D111: the same document in another spelling, which canonicalization takes away again, is accepted."""
    surface.accepted(stage.bridge, _indented, change=CHANGES[how])


def test_d111_crlf_is_really_there():
    """D111: the messages above do contain what they are named for."""
    root = RESPONSE.draft("_q1")
    _indented(root)
    octets = RESPONSE.seal(root)
    assert octets.count(b"\n") > 15
    for change in CHANGES.values():
        assert change(octets) != octets


# Signatures in other forms --------------------------------------------------------------------------------------------


def _sign(parent, *, prefix, key_info):
    """Sign like tests.idp.sign, with another prefix (None: the default namespace) or another KeyInfo (None: none)."""
    key = pair("idp")
    template = xmlsec.template
    signature = template.create(parent, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256, ns=prefix)
    reference = template.add_reference(signature, SHA256, uri=f"#{parent.get('ID')}")
    template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    if key_info == "name":
        template.add_key_name(template.ensure_key_info(signature), "key-1")
    elif key_info == "subject":
        template.x509_data_add_subject_name(template.add_x509_data(template.ensure_key_info(signature)))
    parent.insert(1, signature)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key.key_pem, xmlsec.KeyFormat.PEM)
    context.key.load_cert_from_memory(key.certificate_pem, xmlsec.KeyFormat.PEM)
    context.register_id(parent, "ID")
    context.sign(signature)


@pytest.mark.parametrize(
    "surface", [surface for surface in (*SURFACES, BOTH_SIGNED) if surface.binding == "post"], ids=str
)
@pytest.mark.parametrize("key_info", [None, "name", "subject"])
@pytest.mark.parametrize("prefix", ["ds", "dsig", None])
def test_d111_signatures_like_this(stage, surface, key_info, prefix):
    """D111: no KeyInfo, a KeyName or a subject's name in it, and any prefix or none: the key comes from metadata."""
    change = _signed_again(surface, prefix, key_info)
    surface.accepted(stage.bridge, change=change)


def _signed_again(surface, prefix, key_info):
    """A change that takes the usual signatures away and signs again in another form."""

    def change(octets):
        root = etree.fromstring(octets)
        for signature in list(root.iter(f"{{{idp.DS}}}Signature")):
            signature.getparent().remove(signature)
        if "assertion" in surface.signs:
            _sign(root.find("{*}Assertion"), prefix=prefix, key_info=key_info)
        if "root" in surface.signs:
            _sign(root, prefix=prefix, key_info=key_info)
        return etree.tostring(root)

    return change


@by_post
def test_d111_the_signatures_prefix_on_the_root(stage, surface):
    """D111: `xmlns:ds` declared on the root instead of on the Signature."""

    def change(octets):
        declaration = b' xmlns:ds="%s"' % idp.DS.encode()
        assert declaration in octets
        return re.sub(rb"^(<samlp:\w+)", rb"\1" + declaration, octets.replace(declaration, b""), count=1)

    surface.accepted(stage.bridge, change=change)


@everywhere
@pytest.mark.parametrize("style", ["protocol", "assertion", "both"])
def test_d111_default_namespaces(stage, surface, style):
    """D111: the protocol's, the assertion's or both namespaces as the default one, signed as written."""

    def change(octets):
        root = surface.message_in(octets)
        for signature in list(root.iter(f"{{{idp.DS}}}Signature")):
            signature.getparent().remove(signature)
        text = etree.tostring(root).decode()
        if style in {"protocol", "both"}:
            text = text.replace("xmlns:samlp=", "xmlns=").replace("<samlp:", "<").replace("</samlp:", "</")
        if style in {"assertion", "both"}:
            # Each element declares its own, as they do who build a message from parts.
            text = re.sub(r"<saml:(\w+)", rf'<\1 xmlns="{idp.SAML}"', text).replace("</saml:", "</")
        root = etree.fromstring(text)
        return surface.seal(root)

    surface.accepted(stage.bridge, change=change)


@pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE], ids=str)
@pytest.mark.parametrize("how", [*CHANGES])
def test_d111_what_is_recorded_is_the_same(stage, surface, how):
    """D111: however it was written, the name that is recorded is the same to the octet."""
    name_id = someone()
    browser = surface.accepted(stage.bridge, change=CHANGES[how], name_id=name_id)
    assert recorded(stage.bridge, browser).find("{*}NameID").text == idp.element(name_id).text
