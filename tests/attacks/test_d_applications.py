"""Group D at the doors of applications: single sign-on and their logout. The same parser, asked by other senders."""

from urllib.parse import quote

import pytest
from lxml import etree

from tests import idp
from tests.attacks.application_surfaces import ONE, at_each_door, by_post, each, open_application_stage
from tests.attacks.test_d_doctype import EXTERNAL, PLAIN, _naming
from tests.attacks.test_d_ids import HOSTILE
from tests.attacks.test_d_malformed import MALFORMED

NOT_XML = ("xml_malformed", "xml_forbidden_construct")
# These change the Issuer by its octets, which is another one here, or by nothing that an AuthnRequest has.
NODES = {
    "empty-comment": b"<!---->",
    "comment": b"<!-- x -->",
    "pi": b"<?x y?>",
    "two-comments": b"<!--x--><!--y-->",
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory, redis_url, canary):
    """A stage with applications."""
    with open_application_stage(tmp_path_factory.mktemp("stage"), redis_url, canary) as stage:
        yield stage


@at_each_door
@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("place", ["Issuer", "NameID", "SessionIndex", "DigestValue"])
def test_d086_d087_d088_a_node_in_a_text(stage, surface, node, place):
    """D086 to D088: where a reader of texts would stop short, nobody reads on; the signature would bear a comment."""
    octets = surface.hostile(stage)
    root = etree.fromstring(octets)
    found = next(root.iter(f"{{*}}{place}"), None)
    if found is None:
        place, found = "Issuer", next(root.iter("{*}Issuer"))
    text = found.text
    marked = f">{text}<".encode()
    cut = len(marked) // 2
    stage.refused(
        surface.request(octets.replace(marked, marked[:cut] + NODES[node] + marked[cut:], 1)),
        "xml_forbidden_construct",
        browser=stage.alice,
    )


@each(PLAIN)
def test_d094_any_doctype(stage, surface, name):
    """D094: no DOCTYPE at any of these doors either."""
    octets = PLAIN[name] + surface.hostile(stage)
    stage.refused(surface.request(octets), "xml_forbidden_construct", browser=stage.alice)


@each(EXTERNAL, 3)
def test_d095_external_subset(stage, canary, surface, name):
    """D095: what a document names elsewhere is neither fetched nor opened."""
    octets = _naming(canary, EXTERNAL[name]) + surface.hostile(stage)
    stage.refused(surface.request(octets), *NOT_XML, browser=stage.alice)


@at_each_door
def test_d099_a_doctype_that_hides_a_message(stage, surface):
    """D099, CVE-2025-25291: two readers of one DOCTYPE would see two messages; here nobody sees one."""
    original, forged = surface.hostile(stage), surface.hostile(stage, lambda root: root.set("ID", "_evil"))
    document = b"<!DOCTYPE response SYSTEM 'x\"><!--'>" + forged + b"<![CDATA[-->" + original + b"<!--]]>-->"
    stage.refused(surface.request(document), *NOT_XML, browser=stage.alice)


@each(MALFORMED)
def test_d109_malformed(stage, surface, name):
    """D109: what is no XML is a 400 with a reason; never a 500, never half a message."""
    octets = surface.hostile(stage)
    broken = MALFORMED[name](octets)
    if broken == octets:  # it looks for the identity provider's name
        broken = MALFORMED[name](octets.replace(b"https://one", b"https://idp", 1))
    stage.refused(surface.request(broken), "xml_malformed", "decode_error", browser=stage.alice)


@each(HOSTILE)
def test_d108_hostile_ids(stage, surface, name):
    """D108: an ID that means something to XPath, a path, a header or a key is no ID."""
    octets = surface.hostile_with(stage, lambda root: root.set("ID", HOSTILE[name]))
    stage.refused(surface.request(octets), "schema_violation", browser=stage.alice)


@at_each_door
@pytest.mark.parametrize("attribute", ["ID", "Id", "id", "{http://www.w3.org/XML/1998/namespace}id"])
def test_d107_one_id_twice(stage, surface, attribute):
    """D107: a second element under the ID of the message, in whatever way it is written."""

    def twin(root):
        root.insert(1, idp.element('<samlp:Extensions><x:a xmlns:x="urn:x"/></samlp:Extensions>'))
        root[1][0].set(attribute, root.get("ID"))

    stage.refused(surface.request(surface.hostile_with(stage, twin)), "duplicate_id", browser=stage.alice)


@by_post
def test_d102_a_namespace_that_cannot_be_canonical(stage, surface):
    """D102, CVE-2025-66475: a relative namespace with the digest of nothing is no signature."""
    octets = surface.hostile(stage)
    root = etree.fromstring(octets)
    digest = next(root.iter("{*}DigestValue"))
    nothing = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    broken = octets.replace(digest.text.encode(), nothing.encode(), 1).replace(
        b" Version=", b' xmlns:ex="1" Version=', 1
    )
    stage.refused(
        surface.request(broken), "signature_invalid", "xml_forbidden_construct", "xml_malformed", browser=stage.alice
    )


@at_each_door
@pytest.mark.parametrize("how", ["crlf", "single-quotes", "character-reference", "milliseconds", "extensions"])
def test_d111_controls(stage, surface, how):
    """D111: ways to write a genuine message that real applications have are accepted."""

    def edit(root):
        if how == "milliseconds":
            root.set("IssueInstant", root.get("IssueInstant").replace("Z", ".123Z"))
        if how == "extensions":
            root.insert(1, idp.element('<samlp:Extensions><x:a xmlns:x="urn:x" ID="_other"/></samlp:Extensions>'))

    def change(octets):
        if how == "crlf":
            return octets.replace(b"><", b">\r\n<", 1) if surface.binding == "redirect" else octets
        if how == "single-quotes":
            return octets.replace(b'Version="2.0"', b"Version='2.0'")
        if how == "character-reference":
            return octets.replace(f">{ONE.entity_id}<".encode(), f">&#x68;{ONE.entity_id[1:]}<".encode())
        return octets

    surface.accepted(stage.bridge, edit, change=change)


@at_each_door
def test_j213_nothing_is_reflected(stage, surface):
    """J213 at these doors: nothing of a message stands on the page that refuses it."""
    script = "<svg onload=alert(1)>"
    octets = surface.hostile(stage, lambda root: root.set("Destination", f"https://{quote(script)}/"))
    octets = octets.replace(b"</saml:Issuer>", b"&lt;svg onload=alert(1)></saml:Issuer>", 1)
    refusal = stage.refused(
        surface.request(octets), "issuer_unknown", "schema_violation", "destination_mismatch", browser=stage.alice
    )
    assert b"svg onload" not in refusal.response.get_data()
