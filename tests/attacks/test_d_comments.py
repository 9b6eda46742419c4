"""D086 to D089: text that says one thing to the signature and another to its reader (CVE-2017-11427, CVE-2018-0489).

Exclusive canonicalization drops comments, `.text` stops at them: whoever owns `victim@corp.test.attacker.test` puts one
in and is the victim, under a good signature. Comments and processing instructions are refused wherever they stand;
CDATA is text like any other and is read whole.

The doors of applications have the same parser and bindings; test_d_applications.py knocks there.
"""

import re

import pytest
import xmlsec
from lxml import etree

from saml_slo.errors import MessageRefused, Reason
from tests import idp
from tests.attacks.surfaces import RESPONSE, SURFACES, everywhere, recorded, replaced
from tests.encrypting import encrypt
from tests.keys import pair

SPLIT = "victim@corp.test.attacker.test"
CONSTRUCTS = {
    "comment": lambda: etree.Comment(""),
    "long-comment": lambda: etree.Comment(" <saml:NameID>x</saml:NameID> "),
    "pi": lambda: etree.ProcessingInstruction("x", "y"),
    "stylesheet": lambda: etree.ProcessingInstruction("xml-stylesheet", 'type="text/xsl" href="http://127.0.0.1:1/"'),
}


def _places():
    """Every surface with the local name of every element in its message, the signature's own included."""
    for surface in SURFACES:
        root = etree.fromstring(surface.seal(surface.draft("_q1")))
        for name in dict.fromkeys(etree.QName(element).localname for element in root.iter()):
            yield pytest.param(surface, name, id=f"{surface}-{name}")


def _planted(octets, name, construct):
    """Put a node into the middle of the first such element's text, or first into one without text."""
    root = etree.fromstring(octets)
    element = next(root.iter(f"{{*}}{name}"))
    text = element.text or ""
    node = construct()
    element.text, node.tail = text[: len(text) // 2], text[len(text) // 2 :]
    element.insert(0, node)
    return etree.tostring(root)


def _named_split(root):
    for name_id in root.iter("{*}NameID"):
        name_id.text = SPLIT


@everywhere
@pytest.mark.parametrize("construct", [b"<!---->", b"<!-- a -->", b"<!--x--><!--y-->"])
def test_d086_a_comment_in_the_name_id(stage, surface, construct):
    """D086: `victim@corp.test<!---->.attacker.test`, signed by the IdP as one name, is refused at every door."""
    octets = surface.hostile(stage, _named_split)
    if b"NameID" not in octets:
        octets = replaced(octets, b"<samlp:Status>", b"<samlp:Status>" + construct)
    octets = octets.replace(SPLIT.encode(), b"victim@corp.test" + construct + b".attacker.test")
    stage.refused(surface.request(octets), "xml_forbidden_construct")


def test_d086_the_signature_does_not_see_the_comment(stage):
    """The attack is real: xmlsec finds the commented assertion's signature good, and `.text` is cut."""
    octets = _planted(RESPONSE.hostile(stage), "NameID", CONSTRUCTS["comment"])
    assertion = etree.fromstring(octets).find("{*}Assertion")
    context = xmlsec.SignatureContext(None)
    context.key = xmlsec.Key.from_memory(pair("idp").certificate_pem, xmlsec.KeyFormat.CERT_PEM)
    context.register_id(assertion, "ID")
    context.verify(assertion.find("{*}Signature"))
    assert assertion.find("{*}Subject/{*}NameID").text == "alice@c"


@pytest.mark.parametrize(("surface", "name"), list(_places()))
@pytest.mark.parametrize("construct", ["comment", "pi"])
def test_d087_d088_anywhere(stage, surface, name, construct):
    """D087, D088: in each element of each message, of the signature too, a comment or PI is refused."""
    octets = _planted(surface.hostile(stage), name, CONSTRUCTS[construct])
    stage.refused(surface.request(octets), "xml_forbidden_construct")


@everywhere
@pytest.mark.parametrize("construct", ["long-comment", "stylesheet"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_d087_d088_outside_the_root(stage, surface, construct, place):
    """D087, D088: before or behind the root element they are refused as well; nothing is fetched for a stylesheet."""
    octets, node = surface.hostile(stage), etree.tostring(CONSTRUCTS[construct]())
    octets = node + octets if place == "before" else octets + node
    stage.refused(surface.request(octets), "xml_forbidden_construct")


@everywhere
@pytest.mark.parametrize("inside", ["Extensions", "AttributeValue"])
def test_d087_in_content_that_we_do_not_read(stage, surface, inside):
    """D087: where the message only carries something through, comments are refused just the same."""
    if inside == "AttributeValue" and surface.kind != "Response":
        inside = "Extensions"

    def edit(root):
        if inside == "Extensions":
            more = '<samlp:Extensions><x:a xmlns:x="urn:x">b<!--c-->d</x:a></samlp:Extensions>'
            root.insert(1, idp.element(more))
        else:
            attribute = (
                '<saml:Attribute Name="mail"><saml:AttributeValue>b<!--c-->d</saml:AttributeValue></saml:Attribute>'
            )
            statement = idp.element(f"<saml:AttributeStatement>{attribute}</saml:AttributeStatement>")
            root.find("{*}Assertion").append(statement)

    stage.refused(surface.request(surface.hostile(stage, edit)), "xml_forbidden_construct")


@pytest.mark.parametrize("construct", [b"<!---->", b"<?x y?>"])
@pytest.mark.parametrize("what", ["assertion", "subject"])
def test_d086_behind_encryption(stage, construct, what):
    """D086: alice encrypts her own signed assertion or name to us with a comment inside; that is one decrypt_failed."""
    root = RESPONSE.draft(stage.asked.id)
    _named_split(root)
    assertion = root.find("{*}Assertion")
    if what == "assertion":
        idp.sign(assertion)
    inner = assertion if what == "assertion" else assertion.find("{*}Subject/{*}NameID")
    plain = etree.tostring(inner, with_tail=False).replace(SPLIT.encode(), b"victim@corp.test" + construct + b".evil")
    assert construct in plain
    name = "EncryptedAssertion" if what == "assertion" else "EncryptedID"
    inner.getparent().replace(inner, encrypt(plain, name))
    if what == "subject":
        idp.sign(assertion)
    stage.refused(idp.post(root, endpoint=idp.ACS), "decrypt_failed")


CDATA = {
    "tail": lambda text: text[:2] + b"<![CDATA[" + text[2:] + b"]]>",
    "head": lambda text: b"<![CDATA[" + text[:2] + b"]]>" + text[2:],
    "whole": lambda text: b"<![CDATA[" + text + b"]]>",
    "many": lambda text: b"".join(b"<![CDATA[%c]]>" % octet for octet in text),
    "empty": lambda text: text[:2] + b"<![CDATA[]]>" + text[2:],
    "reference": lambda text: b"&#x%x;" % text[0] + text[1:2] + b"&#%d;" % text[2] + text[3:],
}


def _texts():
    """Every surface with the local name of every element that has a text of its own."""
    for surface in SURFACES:
        root = surface.draft("_q1")
        for name in dict.fromkeys(etree.QName(element).localname for element in root.iter() if element.text):
            yield pytest.param(surface, name, id=f"{surface}-{name}")


def _spelled(octets, name, spell):
    """Spell the text of every element of this name in another way."""
    pattern = rb"(<(?:\w+:)?%s\b[^>]*>)([^<]+)(</)" % name.encode()
    changed, times = re.subn(pattern, lambda found: found[1] + spell(found[2]) + found[3], octets)
    assert times, name
    return changed


@pytest.mark.parametrize(("surface", "name"), list(_texts()))
@pytest.mark.parametrize("how", CDATA)
def test_d089_cdata_is_text(stage, surface, name, how):
    """D089: a CDATA section anywhere in a text, put in after signing, changes nothing: the whole text is used."""
    surface.accepted(stage.bridge, change=lambda octets: _spelled(octets, name, CDATA[how]))


@pytest.mark.parametrize("how", CDATA)
def test_d089_the_name_is_never_cut(stage, how):
    """D089: what is recorded of a NameID in CDATA is the whole name, and a logout sends it so to the IdP."""
    name = f"{how}.{SPLIT}"
    browser = RESPONSE.accepted(
        stage.bridge,
        name_id=idp.NAME_ID.replace("alice@corp.test", name),
        change=lambda octets: _spelled(octets, "NameID", CDATA[how]),
    )
    assert recorded(stage.bridge, browser).find("{*}NameID").text == name


@pytest.mark.parametrize("name", ["DigestValue", "SignatureValue", "X509Certificate"])
@pytest.mark.parametrize("how", CDATA)
def test_d089_cdata_in_the_signature(stage, name, how):
    """D089: in the signature's own values CDATA is text as well, and cannot make them say something else to anyone."""
    octets = _spelled(RESPONSE.hostile(stage), name, CDATA[how])
    forged = octets.replace(b"alice@corp.test", b"victim@corp.test")
    stage.refused(RESPONSE.request(forged), "signature_invalid", "signature_profile_violation")
    RESPONSE.accepted(stage.bridge, change=lambda octets: _spelled(octets, name, CDATA[how]))


def test_d086_the_rule_is_the_parsers():
    """Nothing in the checks is needed to refuse a comment: the message does not get as far as an element tree."""
    with pytest.raises(MessageRefused) as refused:
        idp.check(idp.post(b"<a><!----></a>", parameter="SAMLResponse"))
    assert refused.value.reason is Reason.XML_FORBIDDEN_CONSTRUCT
