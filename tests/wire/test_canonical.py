"""canonical.py writes, octet for octet, what a canonicalizer makes of it."""

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from saml_slo.wire.canonical import PREFIXES, Element, canonical
from tests.wire.made import texts

names = st.builds("{}:{}".format, st.sampled_from(sorted(PREFIXES)), st.sampled_from(["A", "Bc", "d-e", "_f.g"]))
attributes = st.dictionaries(
    st.sampled_from(["ID", "Id", "Destination", "a", "B", "a-b", "a.b", "_", "a1"]), st.none() | texts, max_size=5
)
leaves = st.builds(Element, names, attributes, texts)
elements = st.recursive(
    leaves,
    lambda inner: st.builds(Element, names, attributes, st.lists(inner | st.none(), max_size=4).map(tuple)),
    max_leaves=8,
)


def exclusive_c14n(text):
    """What lxml's exclusive canonicalization makes of a text."""
    return etree.tostring(etree.fromstring(text), method="c14n", exclusive=True).decode()


@given(elements)
def test_the_text_is_canonical_from_the_start(element):
    """Whatever is written is its own exclusive canonical form."""
    text = canonical(element)
    assert exclusive_c14n(text) == text


@given(elements)
def test_every_element_is_canonical_where_it_stands(element):
    """A part taken out of the document is canonical too: nothing is declared that the part does not use."""
    root = etree.fromstring(canonical(element))
    for part in root.iter():
        written = etree.tostring(part, method="c14n", exclusive=True, with_tail=False).decode()
        assert exclusive_c14n(written) == written


@given(elements)
def test_the_content_is_what_was_put_in(element):
    """Names, attributes and texts come back from a parser as they went in."""
    assert_same(element, etree.fromstring(canonical(element)))


def assert_same(element, parsed):
    """Compare an element with what a parser read."""
    prefix, _, name = element.name.partition(":")
    assert parsed.tag == f"{{{PREFIXES[prefix]}}}{name}"
    assert dict(parsed.attrib) == {name: value for name, value in element.attributes.items() if value is not None}
    if isinstance(element.content, str):
        assert (parsed.text or "") == element.content
        return
    assert not parsed.text
    for child, inside in zip([c for c in element.content if c is not None], parsed, strict=True):
        assert_same(child, inside)
