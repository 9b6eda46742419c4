"""Signed documents as strange as the parser lets them be, and mutants of them: what canonicalization has to get right.

Everything is chosen by a `random.Random`: hypothesis gives one whose choices it can shrink, a long run a seeded one.
"""

import re
from dataclasses import dataclass

from lxml import etree

from saml_slo.protocol.names import EXCLUSIVE_C14N, SAML
from tests.wire import libxmlsec

MORE = "http://www.w3.org/2001/04/xmldsig-more#"
SHA = "http://www.w3.org/2001/04/xmlenc#sha"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
INCLUSIVE_11 = "http://www.w3.org/2006/12/xml-c14n11"
# Elliptic curves are quick; RSA once in a while.
METHODS = [("p256", f"{MORE}ecdsa-sha256")] * 6 + [
    ("p256", f"{MORE}ecdsa-sha512"),
    ("p384", f"{MORE}ecdsa-sha384"),
    ("idp", f"{MORE}rsa-sha256"),
    ("idp", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
]
DIGESTS = [f"{SHA}256"] * 4 + [f"{SHA}512", f"{MORE}sha384", "http://www.w3.org/2000/09/xmldsig#sha1"]
C14N = [EXCLUSIVE_C14N] * 8 + [INCLUSIVE, INCLUSIVE_11]
PREFIX_LISTS = [
    None, None, None, "", "a", "xs", "#default", "#default a", "a b c xs", "xml", "nobody", "a a b ", "saml #default",
]  # fmt: skip
PREFIXES = ["a", "b", "c", "xs", "xsi", "saml"]
URIS = ["urn:a", "urn:b", "urn:a", "urn:d", "http://www.w3.org/2001/XMLSchema", SAML]
NAMES = ["A", "Bc", "d-e", "_f.g", "a1"]  # Python sorts attributes of other letters otherwise than C14N says
TEXTS = [
    "x", " ", "\n", "\t", "\r\n", "\r", "&#13;", "&#10;", "&#9;", "&#x20;", "&amp;", "&lt;", "&gt;", "'", "&apos;",
    "&quot;", "é", "e\u0301", "\u2028", "\x85", "\U0001f511", "a:x", "xs:string", "http://x/?a=b", "]]&gt;", "0",
]  # fmt: skip
ONLY_IN_TEXT = ['"', ">", "<![CDATA[<a>&amp; ]]>", "<![CDATA[]]>", "<![CDATA[\r\n]]>"]
IGNORED = ["<!-- c -->", "<?p i?>", "<!---->"]
XML_ATTRIBUTES = ["lang", "space", "base"]


@dataclass(frozen=True)
class Made:
    """A signed document and who signed it. `lenient`: comments may stand in it, and the metadata parser reads it."""

    octets: bytes
    signer: str
    lenient: bool


class _Writer:
    def __init__(self, chance, *, lenient, xml_attributes):
        self.chance = chance
        self.lenient = lenient
        self.xml_attributes = xml_attributes
        self.number = 0

    def text(self, most=3, *, attribute=False):
        """Return some text as it stands in a file."""
        pieces = TEXTS if attribute else TEXTS + ONLY_IN_TEXT + (IGNORED if self.lenient else [])
        return "".join(self.chance.choice(pieces) for _ in range(self.chance.randint(0, most)))

    def declarations(self, most):
        """Return some namespace declarations, None for the default one's prefix."""
        found = {}
        for _ in range(self.chance.randint(0, most)):
            prefix = self.chance.choice([*PREFIXES, None])
            found[prefix] = self.chance.choice([*URIS, ""] if prefix is None else URIS)
        return found

    def element(self, scope, depth, inside="", more=""):
        """Return an element in which `inside` stands before anything else."""
        declared = self.declarations(self.chance.choice([0, 0, 0, 1, 2, 4]))
        scope = {**scope, **declared}
        names = [None, *(prefix for prefix in scope if prefix)]
        prefix = self.chance.choice(names)
        name = (f"{prefix}:" if prefix else "") + self.chance.choice(NAMES)
        attributes = [f'xmlns{":" + prefix if prefix else ""}="{uri}"' for prefix, uri in declared.items()]
        expanded = set()
        for _ in range(self.chance.choice([0, 0, 1, 2, 4])):
            prefix, local = self.chance.choice(names), self.chance.choice(NAMES)
            if (scope.get(prefix) if prefix else None, local) not in expanded:
                expanded.add((scope.get(prefix) if prefix else None, local))
                attributes.append(f'{prefix + ":" if prefix else ""}{local}="{self.text(attribute=True)}"')
        if self.xml_attributes and self.chance.random() < 0.1:
            attributes.append(f'xml:{self.chance.choice(XML_ATTRIBUTES)}="{self.chance.choice(["", "de", "a/b"])}"')
        self.chance.shuffle(attributes)
        tag = f"<{name}{more}{''.join(' ' + attribute for attribute in attributes)}"
        content = inside or self.text()
        for _ in range(self.chance.choice([0, 1, 2, 3]) if depth else 0):
            content += self.element(scope, depth - 1) + self.text()
        return f"{tag}>{content}</{name}>" if content or self.chance.random() < 0.5 else f"{tag}/>"


PLACE = "<!--place-->"


def made(chance):
    """Return a document that libxmlsec has signed somewhere: an element at some depth, with something around it."""
    lenient = chance.random() < 0.3
    exclusive = [(EXCLUSIVE_C14N, chance.choice(PREFIX_LISTS)) for _ in range(2)]
    ways = [way if chance.random() < 0.8 else (chance.choice(C14N), way[1]) for way in exclusive]
    writer = _Writer(chance, lenient=lenient, xml_attributes=True)
    issuer = chance.choice(["", "", f'<saml:Issuer xmlns:saml="{SAML}">i</saml:Issuer>', f'<Issuer xmlns="{SAML}"/>'])
    before = issuer + chance.choice(["", "", "\n  ", "&#13;"])
    behind = chance.choice(["", "", "\n  ", "x", "\r\n"])
    # What stands around is declared at random too, so the target is written with what its ancestors declare.
    scopes, scope = [], {}
    for _ in range(chance.choice([0, 0, 1, 1, 2, 3])):
        declared = writer.declarations(3)
        scopes.append(declared)
        scope.update(declared)
    text = writer.element(
        dict(scope), chance.choice([0, 1, 2, 3]), f"{before}{PLACE}{behind}{writer.text()}", ' ID="_t"'
    )
    for declared in reversed(scopes):
        attributes = "".join(f' xmlns{":" + prefix if prefix else ""}="{uri}"' for prefix, uri in declared.items())
        if chance.random() < 0.05:
            attributes += ' xml:lang="fr"'
        text = f"<w{attributes}>{writer.text()}{text}{writer.text()}</w>"
    signer, method = chance.choice(METHODS)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=lenient, remove_pis=lenient)
    root = etree.fromstring(text.replace(PLACE, "").encode(), parser)
    (target,) = root.xpath("descendant-or-self::*[@ID]")
    signature = libxmlsec.sign(
        target,
        signer,
        1 if issuer else 0,
        method=method,
        digest=chance.choice(DIGESTS),
        canonicalization=ways[0],
        transform=ways[1],
        prefix=chance.choice(["ds", "ds", None, "a"]),
    )
    written = etree.tostring(signature, with_tail=False).decode()
    return Made(text.replace(PLACE, written).encode(), signer, lenient)


DECLARATIONS = [
    b' xmlns="urn:d"', b' xmlns=""', b' xmlns:a="urn:a"', b' xmlns:a="urn:b"', b' xmlns:xs="urn:x"',
    b' xmlns:r="relative"', b' xml:lang="de"', b' xml:base="x"', b' xml:space="preserve"', b' ID="_u"', b' y="z"',
]  # fmt: skip
SNIPPETS = [
    *DECLARATIONS, b" ", b"\n", b"\t", b"\r", b"&#13;", b"&#10;", b"&#9;", b"a", b"A", b"0", b"=", b"<y/>", b"<a:y/>",
    b'<y xmlns=""/>', b"<!-- -->", b"<?p?>", b"<![CDATA[x]]>", b"\xc3\xa9", b"&amp;", b"#default", b"PrefixList",
]  # fmt: skip
EXCLUSIVE, INCLUSIVE_10 = b"2001/10/xml-exc-c14n#", b"TR/2001/REC-xml-c14n-20010315"
SWAPS = [
    (b"a:", b"c:"), (b"urn:a", b"urn:b"), (b"urn:d", b"urn:a"), (b"xmlns:a", b"xmlns:z"), (b"ds:", b"a:"),
    (b'PrefixList="', b'PrefixList="b '), (b"#default", b"b"), (b"sha256", b"sha512"), (b"sha384", b"sha256"),
    (b"ecdsa", b"rsa"), (b"exc-c14n#", b"exc-c14n"), (EXCLUSIVE, INCLUSIVE_10), (INCLUSIVE_10, b"2006/12/xml-c14n11"),
    (b"2006/12/xml-c14n11", EXCLUSIVE), (b' xmlns=""', b""), (b"><", b"> <"), (b'="', b"='"), (b"\n", b"\r\n"),
    (b"&#13;", b"&#xD;"), (b"&#10;", b"\n"), (b"/>", b"></a>"), (b"</", b"<y/></"), (b"x", b"&#120;"), (b" ", b"  "),
    (b"PrefixList", b"prefixList"), (b"_t", b"_u"), (b"xmlns:ds", b"xmlns:a"),
]  # fmt: skip


def _flip(chance, octets, at):
    return octets[:at] + bytes([octets[at] ^ 1 << chance.randrange(7)]) + octets[at + 1 :]


def _insert(chance, octets, at):
    return octets[:at] + chance.choice(SNIPPETS) + octets[at:]


def _declare(chance, octets, at):
    """Put an attribute or a declaration behind the name of an element."""
    start = re.compile(rb"<[A-Za-z_][^\s/>]*").search(octets, at)
    return octets if start is None else octets[: start.end()] + chance.choice(DECLARATIONS) + octets[start.end() :]


def _cut(chance, octets, at):
    return octets[:at] + octets[at + chance.choice([1, 1, 2, 5, 20]) :]


def _repeat(chance, octets, at):
    return octets[: at + chance.choice([1, 2, 5, 60])] + octets[at:]


def _swap(chance, octets, at):
    """Write one thing for another, from somewhere on or everywhere."""
    at = 0 if chance.random() < 0.5 else at
    old, new = chance.choice([swap for swap in SWAPS if swap[0] in octets[at:]] or [(b"\0", b"")])
    return octets[:at] + octets[at:].replace(old, new, chance.choice([1, -1]))


CHANGES = [_flip, _insert, _declare, _declare, _cut, _repeat, _swap, _swap, _swap]


def mutant(chance, octets):
    """Return the same with something changed: an octet, a stretch, a declaration, a name, an algorithm."""
    return chance.choice(CHANGES)(chance, octets, chance.randrange(len(octets)))
