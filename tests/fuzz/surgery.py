"""Operations on a message's tree, the way attackers move things: each takes its choices as numbers and may do nothing.

Numbers are taken modulo what there is, so that hypothesis can shrink a whole operation to zeros.
"""

from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

from saml_slo.protocol.names import DS, SAML, SAMLP
from tests.fuzz.genuine import VICTIM, attackers_certificate, forged

TAGS = [
    *(
        f"{{{SAMLP}}}{name}"
        for name in ("Response", "LogoutRequest", "LogoutResponse", "Extensions", "Status", "SessionIndex")
    ),
    *(f"{{{SAML}}}{name}" for name in ("Assertion", "Issuer", "NameID", "Subject", "Advice", "EncryptedAssertion")),
    *(
        f"{{{DS}}}{name}"
        for name in ("Signature", "SignedInfo", "Reference", "Object", "KeyInfo", "Transform", "Manifest")
    ),
    *(f"{{http://schemas.xmlsoap.org/soap/envelope/}}{name}" for name in ("Envelope", "Header", "Body")),
    "Assertion",
    "{urn:oasis:names:tc:SAML:1.0:assertion}Assertion",
]
ATTRIBUTES = {
    "ID": ["_a1", "_a2", "_r1", "_r2", "_lr1", "_ls1", "_evil", "_new", ""],
    "Id": ["_a1", "_lr1", "_new"],
    "{http://www.w3.org/XML/1998/namespace}id": ["_a1", "_lr1", "_new"],
    "URI": [
        "",
        "#",
        "#_a1",
        "#_a2",
        "#_r1",
        "#_lr1",
        "#_evil",
        "#xpointer(/)",
        "#xpointer(id('_a1'))",
        "_a1",
        "/dev/null",
    ],
    "Algorithm": [
        "http://www.w3.org/2001/10/xml-exc-c14n#",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    ],
    "Format": ["urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", ""],
    "SPNameQualifier": ["https://other.example", ""],
    "Value": ["urn:oasis:names:tc:SAML:2.0:status:Success", "urn:oasis:names:tc:SAML:2.0:status:Requester"],
    "InResponseTo": ["_pending", "_q1"],
    "Version": ["2.0", "1.1"],
    "NotOnOrAfter": ["2036-11-20T06:26:00Z", "2016-11-20T06:26:00Z"],
    "PrefixList": ["saml samlp ds #default", "xs"],
    "IssueInstant": ["2026-11-20T06:26:01Z"],
}
TEXTS = [
    VICTIM,
    "",
    " ",
    "\n",
    "https://idp.example/saml",
    "_victims",
    "AAAA",
    attackers_certificate(),
    "alice@corp.test\n",
]


@dataclass
class Patient:
    """The message on the table; operations may give it another root."""

    root: etree._Element

    def pick(self, number):
        """One element of the message."""
        found = [element for element in self.root.iter() if isinstance(element.tag, str)]
        return found[number % len(found)]

    def pick_signature(self, number):
        """A signature or something in one, where there is one."""
        found = list(self.root.iter(f"{{{DS}}}*"))
        return found[number % len(found)] if found else self.pick(number)

    def put(self, element, parent, place):
        """Make an element a child of another, unless it would stand inside itself."""
        if parent is not element and element not in parent.iterancestors():
            parent.insert(place % (len(parent) + 1), element)


def move(patient, a, b, c):
    """Move an element to another place."""
    patient.put(patient.pick(a), patient.pick(b), c)


def move_signature(patient, a, b, c):
    """Move a signature, or a part of one."""
    patient.put(patient.pick_signature(a), patient.pick(b), c)


def copy(patient, a, b, c):
    """Copy an element to another place."""
    patient.put(deepcopy(patient.pick(a)), patient.pick(b), c)


def copy_message(patient, a, b, c):
    """Copy the whole message into itself."""
    patient.put(deepcopy(patient.root), patient.pick(b), c)


def delete(patient, a, b, c):
    """Take an element away, its text with it."""
    element = patient.pick(a)
    if element is not patient.root:
        element.getparent().remove(element)


def delete_signature(patient, a, b, c):
    """Take a whole signature away."""
    found = list(patient.root.iter(f"{{{DS}}}Signature"))
    if found and found[a % len(found)] is not patient.root:
        found[a % len(found)].getparent().remove(found[a % len(found)])


def swap(patient, a, b, c):
    """Exchange two elements that stand side by side."""
    element = patient.pick(a)
    following = element.getnext()
    if following is not None:
        following.addnext(element)


def wrap(patient, a, b, c):
    """Put an element around another one."""
    element, around = patient.pick(a), etree.Element(TAGS[b % len(TAGS)])
    if element is patient.root:
        patient.root = around
    else:
        element.getparent().replace(element, around)
    around.append(element)


def unwrap(patient, a, b, c):
    """Replace an element by what it holds."""
    element = patient.pick(a)
    if element is patient.root:
        inside = [child for child in element if isinstance(child.tag, str)]
        patient.root = inside[c % len(inside)] if inside else element
        return
    for child in reversed(element):
        element.addnext(child)
    element.getparent().remove(element)


def rename(patient, a, b, c):
    """Give an element another name."""
    patient.pick(a).tag = TAGS[b % len(TAGS)]


def set_attribute(patient, a, b, c):
    """Set an attribute to something that means something."""
    name = list(ATTRIBUTES)[b % len(ATTRIBUTES)]
    patient.pick(a).set(name, ATTRIBUTES[name][c % len(ATTRIBUTES[name])])


def change_attribute(patient, a, b, c):
    """Give an attribute that an element has another value, or the one of another element."""
    element, other = patient.pick(a), patient.pick(b)
    if element.attrib:
        name = list(element.attrib)[c % len(element.attrib)]
        values = [other.get(name), *ATTRIBUTES.get(name, ["x"])]
        element.set(name, values[(a + b + c) % len(values)] or "")


def drop_attribute(patient, a, b, c):
    """Take an attribute away."""
    element = patient.pick(a)
    if element.attrib:
        del element.attrib[list(element.attrib)[b % len(element.attrib)]]


def write(patient, a, b, c):
    """Give an element another text."""
    patient.pick(a).text = TEXTS[b % len(TEXTS)]


def split(patient, a, b, c):
    """Break a text in two with something that readers overlook."""
    element = patient.pick(a)
    text = element.text or ""
    node = [
        lambda: etree.Comment("x"),
        lambda: etree.ProcessingInstruction("x", "y"),
        lambda: etree.Element("{urn:x}x"),
        lambda: etree.Element(f"{{{SAML}}}NameID"),
    ][b % 4]()
    at = c % (len(text) + 1)
    element.text, node.tail = text[:at], text[at:]
    element.insert(0, node)


def quote(patient, a, b, c):
    """Write a text as CDATA."""
    element = patient.pick(a)
    if element.text and not len(element):
        element.text = etree.CDATA(element.text.replace("]]>", ""))


def plant(patient, a, b, c):
    """Put in a fragment that names the victim, or another genuine message."""
    patient.put(etree.fromstring(forged()[a % len(forged())]), patient.pick(b), c)


def adopt(patient, a, b, c):
    """Send a forgery that holds the message somewhere in it, the signature taken along or not."""
    message = patient.root
    patient.root = etree.fromstring(forged()[a % len(forged())])
    signature = message.find(f"{{{DS}}}Signature")
    if c % 2 and signature is not None:
        patient.root.insert(1, signature if c % 4 == 1 else deepcopy(signature))
    patient.put(message, patient.pick(b), c)


def declare(patient, a, b, c):
    """Declare namespaces anew around an element."""
    element = patient.pick(a)
    maps = [{None: SAMLP}, {"saml": SAML, "x": "urn:x"}, {"saml2": SAML}, {None: ""}, {"ds": DS}]
    try:
        again = etree.Element(element.tag, dict(element.attrib), nsmap={**element.nsmap, **maps[b % len(maps)]})
    except ValueError:
        return
    again.text, again.tail = element.text, element.tail
    again.extend(list(element))
    if element is patient.root:
        patient.root = again
    else:
        element.getparent().replace(element, again)


def space(patient, a, b, c):
    """Put white space between elements."""
    element = patient.pick(a)
    element.tail = (element.tail or "") + ["\n", " ", "\r\n\t", "&"][b % 4] if element is not patient.root else None


OPERATIONS = [
    move, move_signature, copy, copy_message, delete, delete_signature, swap, wrap, unwrap, rename, set_attribute,
    change_attribute, drop_attribute, write, split, quote, plant, adopt, declare, space,
]  # fmt: skip


def written(root, way):
    """The tree as text, in one of the ways in which XML may be written."""
    return [
        lambda: etree.tostring(root),
        lambda: etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8", standalone=True),
        lambda: etree.tostring(root, method="c14n"),
        lambda: etree.tostring(root).replace(b"\n", b"\r\n"),
        lambda: etree.tostring(root, encoding="ascii").replace(b"'", b"&#39;"),
    ][way % 5]()
