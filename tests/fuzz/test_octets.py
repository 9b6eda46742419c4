"""Invariant: a document that is accepted says exactly what was signed, however its octets were mangled before parsing.

Snippets that parsers disagree about are put anywhere into signed messages, and stretches of them are cut or repeated:
what a tree can no longer show (entities, CDATA, doctypes, encodings, line ends, broken tags) is tried here.
"""

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests import idp
from tests.fuzz.genuine import acceptable, genuine, verifications

SNIPPETS = [
    b"<!---->",
    b"<!-- x -->",
    b"<?x y?>",
    b"<![CDATA[",
    b"]]>",
    b"<![CDATA[x]]>",
    b"<!DOCTYPE x [<!ENTITY e 'victim'>]>",
    b"<!DOCTYPE x>",
    b"&e;",
    b"&lt;",
    b"&#x76;",
    b"&#0;",
    b"&",
    b"<x/>",
    b"<x>",
    b"</x>",
    b"<saml:NameID>victim@corp.test</saml:NameID>",
    b"</saml:NameID><saml:NameID>",
    b"<samlp:SessionIndex>_victims</samlp:SessionIndex>",
    b' xmlns="urn:x"',
    b" xmlns:saml='urn:oasis:names:tc:SAML:1.0:assertion'",
    b' ID="_new"',
    b' xml:id="_a1"',
    b" xml:base='http://x/'",
    b" xml:space='default'",
    b"\r",
    b"\n",
    b"\t",
    b" ",
    b"\x00",
    b"\x0b",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\x8b",
    b"\xc3\xa9",
    b"\xef\xbb\xbf",
    b"\xff",
    b'<?xml version="1.0" encoding="UTF-8"?>',
    b'<?xml version="1.1"?>',
    b'<?xml version="1.0" encoding="UTF-7"?>',
    b"+ADw-",
    b"'",
    b'"',
    b">",
    b"<",
    b"/",
    b":",
    b"%",
]
edits = st.tuples(
    st.sampled_from(["insert", "overwrite", "cut", "repeat"]),
    st.integers(0, 10_000),
    st.integers(0, 200),
    st.sampled_from(SNIPPETS),
)


def edited(data, edit):
    """A message after one edit."""
    kind, at, length, snippet = edit
    at %= len(data) + 1
    if kind == "insert":
        return data[:at] + snippet + data[at:]
    if kind == "overwrite":
        return data[:at] + snippet + data[at + len(snippet) :]
    if kind == "cut":
        return data[:at] + data[at + length :]
    return data[: at + length] + data[at:]


@pytest.mark.parametrize("name", genuine())
@settings(max_examples=settings().max_examples * 3)
@given(st.lists(edits, min_size=1, max_size=3))
def test_no_edit_changes_what_is_believed(name, plan):
    """Whatever is done to its octets, a message is refused or says what was signed."""
    data = genuine()[name]
    parameter = idp.parameter_of(data)
    for edit in plan:
        data = edited(data, edit)
    for message in verifications(data, parameter, idp.CONNECTION):
        event("accepted")
        assert acceptable(message)
