"""The hardened parser: each rule of its docstring, and each limit to the last unit."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saml_slo.errors import MessageRefused, Reason
from saml_slo.wire import xml
from saml_slo.wire.xml import check_ids, parse_message, parse_metadata
from tests.cost import costs_little


def refusal_of(data):
    """The reason for which a message is refused."""
    with pytest.raises(MessageRefused) as refused:
        parse_message(data)
    return refused.value.reason


def nested(levels):
    """An element inside an element inside an element."""
    return b"<a>" * levels + b"</a>" * levels


def attributes(number):
    """An element with so many attributes."""
    return b"<a " + b" ".join(b'x%d=""' % index for index in range(number)) + b"/>"


def sized(octets):
    """A message of exactly so many octets."""
    return b"<a>" + b"x" * (octets - 7) + b"</a>"


def tagged(tags):
    """A message with exactly so many `<`."""
    return b"<a>" + b"<b/>" * (tags - 2) + b"</a>"


def declaring(namespaces):
    """A message with exactly so many namespace declarations, on many elements."""
    return b"<a>" + b'<b xmlns="u:1"/>' * namespaces + b"</a>"


@pytest.mark.parametrize(
    ("largest", "beyond", "reason"),
    [
        (sized(xml.MAX_MESSAGE_BYTES), sized(xml.MAX_MESSAGE_BYTES + 1), Reason.MESSAGE_TOO_LARGE),
        (nested(xml.MAX_DEPTH), nested(xml.MAX_DEPTH + 1), Reason.XML_MALFORMED),
        (attributes(xml.MAX_ATTRIBUTES), attributes(xml.MAX_ATTRIBUTES + 1), Reason.XML_FORBIDDEN_CONSTRUCT),
        (tagged(xml.MAX_TAGS), tagged(xml.MAX_TAGS + 1), Reason.XML_FORBIDDEN_CONSTRUCT),
        (
            declaring(xml.MAX_NAMESPACE_DECLARATIONS),
            declaring(xml.MAX_NAMESPACE_DECLARATIONS + 1),
            Reason.XML_FORBIDDEN_CONSTRUCT,
        ),
    ],
    ids=["octets", "depth", "attributes", "tags", "namespaces"],
)
def test_a_limit_holds_to_the_unit(largest, beyond, reason):
    """The largest message is read, one unit more is refused."""
    assert parse_message(largest).tag == "a"
    assert refusal_of(beyond) == reason


def test_the_limits_are_those_that_were_promised():
    """A quarter of a megabyte, 64 levels and 64 attributes: real messages of 40 attributes and 1,500 values pass."""
    assert (xml.MAX_MESSAGE_BYTES, xml.MAX_DEPTH, xml.MAX_ATTRIBUTES) == (262_144, 64, 64)
    assert (xml.MAX_TAGS, xml.MAX_NAMESPACE_DECLARATIONS) == (8_192, 2_048)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"null",
        b"{}",
        b"<!DOCTYPE html>",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a/>text",
        b"text<a/>",
        b' <?xml version="1.0"?><a/>',
        b'<a x="1" x="2"/>',
        b'<a xmlns:p="u:1" xmlns:q="u:1" p:x="" q:x=""/>',
        b"<p:a/>",
        b"<a p:x=''/>",
        b"<a>&nbsp;</a>",
        b"<a>&#0;</a>",
        b"<a>&#xFFFE;</a>",
        b"<a>\x00</a>",
        b"<a>\x01</a>",
        b"<a>\xff</a>",
        b"<a>\xed\xa0\x80</a>",  # a lone surrogate
        b"<a>\xc0\xbc</a>",  # an overlong `<`
        b"<a>\xef\xbf\xbe</a>",  # U+FFFE
        "<a>ü</a>".encode("latin-1"),
        '<?xml version="1.0" encoding="iso-8859-1"?><a>ü</a>'.encode("latin-1"),
        b'<?xml version="1.0" encoding="utf-16"?><a/>',
        b'<?xml version="1.0" encoding="UTF-7"?><a>+ADw-</a>',
        b"\xef\xbb\xbf<?xml version='1.0' encoding='ascii'?><a/>",
        '<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16"),
        "<a/>".encode("utf-16-le"),
        "<a/>".encode("utf-32"),
        b'<?xml version="1.1"?><a/>',
        b'<?xml version="1.2"?><a/>',
        b'<?xml version="2.0"?><a/>',
        b"<a><![CDATA[</a>",
        b"<a b=</>",
        b"<x::y/>",
    ],
)
def test_what_is_not_one_document_is_refused(data):
    """Anything but exactly one well-formed UTF-8 document of XML 1.0 is malformed (D109)."""
    assert refusal_of(data) == Reason.XML_MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE a><a/>",
        b"<!DOCTYPE a [<!ELEMENT a ANY>]><a/>",
        b"<!DOCTYPE a [<!ATTLIST a x ID #IMPLIED>]><a x='_1'/>",
        b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:9/e.dtd'><a/>",
        b"<!DOCTYPE a PUBLIC '-//x//y' 'file:///etc/hostname'><a/>",
        b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><a>&x;</a>",
        b"<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://127.0.0.1:9/e.dtd'> %x;]><a/>",
        b"<a><!-- c --></a>",
        b"<a>x<!---->y</a>",
        b"<!-- c --><a/>",
        b"<a/><!-- c -->",
        b"<a><?p i?></a>",
        b"<?p i?><a/>",
        b"<a/><?p i?>",
        b"<?xml-stylesheet href='x'?><a/>",
    ],
)
def test_a_forbidden_construct_is_refused(data):
    """DOCTYPE, entity, comment and processing instruction are refused wherever they stand, outside the root too."""
    assert refusal_of(data) in {Reason.XML_FORBIDDEN_CONSTRUCT, Reason.XML_MALFORMED}


@pytest.mark.parametrize("data", [b"<!DOCTYPE a><a/>", b"<a>x<!---->y</a>", b"<a><?p i?></a>"])
def test_a_well_formed_forbidden_construct_is_called_so(data):
    """What XML allows and SAML does not has a reason of its own."""
    assert refusal_of(data) == Reason.XML_FORBIDDEN_CONSTRUCT


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"<a>x</a>", "x"),
        (b'<?xml version="1.0"?><a>x</a>', "x"),
        (b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<a>x</a>\n', "x"),
        (b"<?xml version='1.0' encoding='utf-8'?><a>\xc3\xbc</a>", "ü"),
        (b'\xef\xbb\xbf<?xml version="1.0" encoding="Utf-8"?><a>x</a>', "x"),
        (b"<a>x\r\ny\rz</a>", "x\ny\nz"),
        (b"<a>x&#xD;&#10;&lt;&amp;&#x1F600;</a>", "x\r\n<&\U0001f600"),
        (b"<a>victim<![CDATA[@corp]]>.test</a>", "victim@corp.test"),
        (b"<a><![CDATA[<b/>]]></a>", "<b/>"),
        (b"<a>x<![CDATA[]]>y</a>", "xy"),
    ],
)
def test_a_text_is_whole(data, text):
    """Line ends, references, CDATA and a byte order mark are what XML says; the text is one and never truncated."""
    assert parse_message(data).text == text


@pytest.mark.parametrize("first", ["ID", "Id", "iD", "id"])
@pytest.mark.parametrize("second", ["ID", "id", "xml:id", "p:Id"])
def test_an_id_comes_once(first, second):
    """Two equal IDs are refused, whatever the letter case and the namespace of the attributes (D107)."""
    data = f'<a xmlns:p="u:1" {first}="_1"><b {second}="_1"/></a>'
    assert refusal_of(data.encode()) == Reason.DUPLICATE_ID
    other = data.replace('"_1"/>', '"_2"/>')
    assert parse_message(other.encode()).get(first) == "_1"


def test_one_element_may_not_have_an_id_twice():
    """An element's two ID attributes are two."""
    assert refusal_of(b'<a ID="_1" Id="_1"/>') == Reason.DUPLICATE_ID


@pytest.mark.parametrize("name", ["AssertionID", "IDs", "ad", "InResponseTo", "x"])
def test_other_attributes_may_repeat(name):
    """Only attributes called ID are IDs."""
    assert parse_message(f'<a {name}="_1"><b {name}="_1"/></a>'.encode()).get(name) == "_1"


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "' or '1'='1",
        "&quot;]",
        "_a b",
        "1abc",
        "-a",
        ".a",
        "*",
        "../x",
        "a:b",
        "a/b",
        "_a\n",
        "_a&#10;",
        "&#160;",
        "_" + "x" * 1_024,
    ],
)
def test_an_id_is_an_ncname(value):
    """An ID that is no NCName is refused wherever it stands: it may end in keys, paths and queries (D108)."""
    assert refusal_of(f'<a><b id="{value}"/></a>'.encode()) == Reason.SCHEMA_VIOLATION


@pytest.mark.parametrize("value", ["_", "a", "A1", "_4f-0.x", "Zürich", "_" + "x" * 1_023])
def test_an_ncname_is_an_id(value):
    """NCNames of up to 1,024 characters pass."""
    assert parse_message(f'<a ID="{value}"/>'.encode()).get("ID") == value


def test_ids_are_looked_for_in_the_whole_document():
    """check_ids sees the document of the element it is given, not only what is below it."""
    root = parse_message(b'<a ID="_1"><b/><c ID="_2"/></a>')
    root[0].set("Id", "_2")
    with pytest.raises(MessageRefused):
        check_ids(root[1])


LAUGHS = "<!DOCTYPE a [<!ENTITY e0 'ha'>" + "".join(
    f"<!ENTITY e{level} '{f'&e{level - 1};' * 10}'>" for level in range(1, 10)
)


@pytest.mark.parametrize(
    "data",
    [
        (LAUGHS + "]><a>&e9;</a>").encode(),
        (f"<!DOCTYPE a [<!ENTITY x '{'y' * 60_000}'>]><a>{'&x;' * 150}</a>").encode(),
        nested(300),
        nested(10_000),
        nested(37_000),
        attributes(5_000),
        attributes(20_000),
        tagged(60_000),
        b"<a " + b" ".join(b'xmlns:p%d="u:%d"' % (n, n) for n in range(11_000)) + b"/>",
        b"<a>" + b"&#x41;" * 43_000 + b"</a>",
        b"<" * 262_144,
        b"<?xml " + b"encoding" * 32_000,
        b"<?xml " + b" encoding='" * 23_000,
    ],
    ids=lambda data: f"{data[:12]!r}, {len(data)} octets",
)
def test_hostile_documents_cost_little(data):
    """No document, accepted or not, takes a quarter of a second or 32 MB (E112 to E115)."""
    with costs_little(), suppress(MessageRefused):
        parse_message(data)


def test_size_is_looked_at_before_anything_else():
    """100 MB of anything are refused without a look inside."""
    data = b"<" * 100_000_000
    with costs_little():
        assert refusal_of(data) == Reason.MESSAGE_TOO_LARGE


@given(st.binary(max_size=200) | st.text("<>/a\"'=&;!-[]?x:# \n", max_size=60).map(str.encode))
def test_nothing_but_a_refusal_is_raised(data):
    """Any octets give an element or a refusal, never another error."""
    try:
        parse_message(data)
    except MessageRefused:
        return


def test_metadata_may_carry_comments_and_be_larger():
    """Metadata keeps the same rules but for comments and instructions, which are dropped, and its own limit."""
    root = parse_metadata(b"<!-- c --><a>x<!-- c -->y<?p i?>z<b/></a>", 100)
    assert "".join(root.itertext()) == "xyz"
    assert parse_metadata(sized(1_000_000), 1_000_000).tag == "a"
    assert parse_metadata(tagged(xml.MAX_TAGS * 4), 1_000_000).tag == "a"
    for data, limit in ((sized(101), 100), (b"<!DOCTYPE a><a/>", 100), (b'<a ID="_1"><b ID="_1"/></a>', 100)):
        with pytest.raises(MessageRefused):
            parse_metadata(data, limit)
