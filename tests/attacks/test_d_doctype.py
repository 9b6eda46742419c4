"""D094 to D101: document types. Whatever a DOCTYPE can do begins with a DOCTYPE, and there is none in a SAML message.

It is told by the parsed document, not by a search in the octets, which an encoding hides (CVE-2025-25291,
CVE-2025-23369 and every external entity). Nothing that a document names is ever fetched or opened: the stage's listener
and file stay untouched, also by the parser that has yet to see that there is a DOCTYPE.

The doors of applications have the same parser and bindings; test_d_applications.py knocks there.
"""

import pytest
from lxml import etree

from tests import idp
from tests.attacks.surfaces import BOTH_SIGNED, RESPONSE, everywhere, replaced

MALFORMED_OR_FORBIDDEN = ("xml_forbidden_construct", "xml_malformed")
PLAIN = {
    "bare": b"<!DOCTYPE x>",
    "empty-subset": b"<!DOCTYPE x []>",
    "root-name": b"<!DOCTYPE samlp:Response>",
    "element": b"<!DOCTYPE x [<!ELEMENT x ANY>]>",
    "attribute-typed-as-id": b"<!DOCTYPE x [<!ATTLIST saml:NameID Format ID #IMPLIED>]>",
    "attribute-default": b'<!DOCTYPE x [<!ATTLIST saml:Audience Format CDATA "urn:x">]>',
    "internal-entity": b'<!DOCTYPE x [<!ENTITY e "v">]>',
    "unparsed-entity": b'<!DOCTYPE x [<!NOTATION n SYSTEM "n"><!ENTITY e SYSTEM "v" NDATA n>]>',
    "comment-inside": b"<!DOCTYPE x [<!-- ]> -->]>",
    "newlines": b"<!DOCTYPE\n\tx\n>",
    "html5": b"<!DOCTYPE html>",
    "after-declaration": b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><!DOCTYPE x>',
    "after-bom": b"\xef\xbb\xbf<!DOCTYPE x>",
    "after-newline": b"\n<!DOCTYPE x>",
}

NEARLY = (b"<!doctype x>", b"<! DOCTYPE x>", b"<!DOCTYPE>", b"<!DOCTYPE x [", b"<!DOCTYPE x><!DOCTYPE y>")


@everywhere
@pytest.mark.parametrize("doctype", PLAIN)
def test_d094_any_doctype(stage, surface, doctype):
    """D094: a DOCTYPE that does nothing yet, before an otherwise genuine message, is refused."""
    octets = PLAIN[doctype] + surface.hostile(stage)
    stage.refused(surface.request(octets), "xml_forbidden_construct")


@everywhere
@pytest.mark.parametrize("written", NEARLY)
def test_d094_a_doctype_that_is_none(stage, surface, written):
    """D094: what only looks like one to a search in the octets is not well-formed."""
    stage.refused(surface.request(written + surface.hostile(stage)), *MALFORMED_OR_FORBIDDEN)


@everywhere
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037"])
def test_d094_a_doctype_in_another_encoding(stage, surface, encoding):
    """D094: UTF-16 hides the DOCTYPE from a search in the octets; only UTF-8 is read at all."""
    declared = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x>'
    octets = (declared + surface.hostile(stage).decode()).encode(encoding)
    stage.refused(surface.request(octets), "xml_malformed")


EXTERNAL = {
    "dtd-http": "<!DOCTYPE x SYSTEM 'URL/e.dtd'>",
    "dtd-file": "<!DOCTYPE x SYSTEM 'FILE'>",
    "dtd-public": "<!DOCTYPE x PUBLIC '-//W3C//DTD XHTML 1.0//EN' 'URL/e.dtd'>",
    "parameter-entity": "<!DOCTYPE x [<!ENTITY % xxe SYSTEM 'URL'> %xxe;]>",
    "parameter-entity-file": "<!DOCTYPE x [<!ENTITY % xxe SYSTEM 'FILE'> %xxe;]>",
    "out-of-band": "<!DOCTYPE x [<!ENTITY % f SYSTEM 'FILE'><!ENTITY % d SYSTEM 'URL'>%d;%f;]>",
    "declared-not-used": "<!DOCTYPE x [<!ENTITY xxe SYSTEM 'URL'>]>",
    "nested": "<!DOCTYPE x [<!ENTITY % a \"<!ENTITY &#x25; b SYSTEM 'URL'>\"> %a; %b;]>",
    "standalone-no": "<?xml version='1.0' standalone='no'?><!DOCTYPE x SYSTEM 'URL/e.dtd'>",
    "catalog": "<?oasis-xml-catalog catalog='URL'?><!DOCTYPE x SYSTEM 'e.dtd'>",
}


def _naming(canary, text):
    """The text with the canary's listener and file in the places of URL and FILE, as octets."""
    return text.replace("URL", canary.url).replace("FILE", canary.file.as_uri()).encode()


@everywhere
@pytest.mark.parametrize("how", EXTERNAL)
def test_d095_external_subset(stage, canary, surface, how):
    """D095: a DTD or parameter entity elsewhere is refused, and nobody went to look for it."""
    octets = _naming(canary, EXTERNAL[how]) + surface.hostile(stage)
    stage.refused(surface.request(octets), *MALFORMED_OR_FORBIDDEN)


XSI = "http://www.w3.org/2001/XMLSchema-instance"
XI = "http://www.w3.org/2001/XInclude"
NAMED = {
    "schema-location": f'<x:a xmlns:x="urn:x" xmlns:xsi="{XSI}" xsi:schemaLocation="urn:x URL"/>',
    "no-namespace-schema": f'<x:a xmlns:x="urn:x" xmlns:xsi="{XSI}" xsi:noNamespaceSchemaLocation="URL"/>',
    "xinclude": f'<xi:include xmlns:xi="{XI}" href="URL"/>',
    "xinclude-file": f'<xi:include xmlns:xi="{XI}" href="FILE" parse="text"/>',
    "xml-base": '<x:a xmlns:x="urn:x" xml:base="URL"/>',
    "namespace": '<x:a xmlns:x="URL"/>',
}


@everywhere
@pytest.mark.parametrize("how", NAMED)
def test_d095_urls_that_only_stand_there(stage, canary, surface, how):
    """D095: schema locations, XInclude and the like in signed Extensions are content: accepted, and not followed."""
    extensions = f"<samlp:Extensions>{_naming(canary, NAMED[how]).decode()}</samlp:Extensions>"
    canary.touched()
    surface.accepted(stage.bridge, lambda root: root.insert(1, idp.element(extensions)))
    assert canary.touched() == []


@everywhere
@pytest.mark.parametrize("end", [b"<!--]]>-->", b"]]>", b"-->"])
def test_d099_cve_2025_25291(stage, surface, end):
    """D099: a system identifier that opens a comment for one parser and none for another, around a forged message."""
    original = surface.hostile(stage)
    forged = original.replace(b"alice@corp.test", b"victim@corp.test")
    inside, close = forged.rsplit(b"</", 1)
    octets = b"<!DOCTYPE response SYSTEM 'x\"><!--'>" + inside + b"<![CDATA[-->" + original + end + b"</" + close
    stage.refused(surface.request(octets), *MALFORMED_OR_FORBIDDEN)


@pytest.mark.parametrize("surface", [RESPONSE, BOTH_SIGNED], ids=str)
@pytest.mark.parametrize("subset", [b'[<!ENTITY idViaEntity "_r1">]', b"[<!ENTITY idViaEntity SYSTEM 'x'>]", None])
def test_d101_cve_2025_23369(stage, surface, subset):
    """D101: the root's ID comes from an entity: a look-up by ID misses the root and finds the original inside."""
    original = etree.fromstring(surface.hostile(stage))
    forged = etree.fromstring(etree.tostring(original).replace(b"alice@corp.test", b"victim@corp.test"))
    signature = next(forged.iter(f"{{{idp.DS}}}Signature"))
    held = etree.SubElement(signature, f"{{{idp.DS}}}Object")
    held.append(original)
    octets = replaced(etree.tostring(forged), b'ID="_r1"', b'ID="&idViaEntity;"', times=2)
    octets = octets.replace(b'ID="_a-', b'ID="&#x50;_a-', 1)
    doctype = b"" if subset is None else b"<!DOCTYPE x " + subset + b">"
    stage.refused(surface.request(doctype + octets), *MALFORMED_OR_FORBIDDEN)


@everywhere
@pytest.mark.parametrize("reference", [b"&e;", b"&nbsp;", b"%e;", b"&#0;", b"&#xD800;", b"&#x110000;", b"&amp", b"&"])
def test_d101_references_to_nothing(stage, surface, reference):
    """D101: without a DOCTYPE there are five entities and the characters of XML; `%e;` is text, so an Issuer."""
    octets = surface.hostile(stage).replace(idp.ENTITY_ID.encode() + b"</saml:Issuer>", reference + b"</saml:Issuer>")
    reasons = ("issuer_unknown", "signature_invalid") if reference == b"%e;" else ("xml_malformed",)
    stage.refused(surface.request(octets), *reasons)
