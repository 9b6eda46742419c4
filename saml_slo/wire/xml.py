"""The one hardened parser. Whatever comes from outside becomes an element tree here or is refused here.

Rules, with the attack that each one stops:

* a byte cap before parsing (CVE-2025-54572), UTF-8 only, XML 1.0 only
* no DOCTYPE, told by the parsed document and not by a byte search (UTF-16 hides it), hence no entities (billion laughs,
  XXE, CVE-2025-25291, CVE-2025-23369)
* no comments or processing instructions in protocol messages (CVE-2017-11427: text that stops at a comment)
* caps on depth, on tags, on namespace declarations and on attributes per element, which together bound what
  canonicalization costs before a signature is known to be good
* no two ID attributes with one value, whatever the attribute's case (signature wrapping), and each an NCName
  (CVE-2024-45409) of bounded length
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable

from lxml import etree
from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason

MAX_MESSAGE_BYTES = 256 * 1024
MAX_DEPTH = 64
MAX_ATTRIBUTES = 64
MAX_TAGS = 8_192  # room for 4,000 attribute values, of which 1,000 declare their type as Shibboleth and Okta do
MAX_NAMESPACE_DECLARATIONS = 2_048
MAX_ID_CHARACTERS = 1_024
_TOO_SHORT_FOR_A_FLOOD = min(MAX_TAGS * len("<a>"), MAX_NAMESPACE_DECLARATIONS * len("xmlns"))

_DECLARED_ENCODING = re.compile(rb"^(?:\xef\xbb\xbf)?<\?xml[^>]*?\bencoding\s*=\s*[\"']([^\"']*)[\"']")
_NCNAME = re.compile(r"[^\W\d][\w.\-]*")
# What libxml2 itself checks of `xml:id`, by the numbers of its errors; check_ids says the same of every other ID.
_PARSER_CHECKS: dict[object, Reason] = {
    etree.ErrorTypes.DTD_ID_REDEFINED: Reason.DUPLICATE_ID,
    etree.ErrorTypes.DTD_XMLID_VALUE: Reason.SCHEMA_VIOLATION,
}

_TOO_DEEP = etree.XPath("boolean(/*" + "/*" * MAX_DEPTH + ")")
_ID_NAMES = frozenset({"ID", "Id", "iD", "id"})


class _Parsers(threading.local):
    """The parsers of one thread; lxml lets one thread at a time use a parser, and making one takes two microseconds."""

    def __init__(self) -> None:
        self.message = _parser(remove_comments=False)
        self.metadata = _parser(remove_comments=True)
        # libxml2 calls the default namespace by an empty prefix, and lxml passes on to the canonicalizer only prefixes
        # that were seen in this thread. Where it never was, a signature whose PrefixList has #default would be refused.
        etree.fromstring(b'<x xmlns=""/>', self.message)


def _parser(*, remove_comments: bool) -> etree.XMLParser:
    # Not collect_ids=False: lxml 6.1 says so to libxml2 in the very flag that loads external subsets and parameter
    # entities, and whatever local file a DOCTYPE names is opened before the DOCTYPE can be refused.
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=remove_comments,
        remove_pis=remove_comments,
    )


_PARSERS = _Parsers()


def parse_message(data: bytes) -> _Element:
    """Return the root element of one protocol message, or raise MessageRefused with the rule that it breaks."""
    root = _parse(data, MAX_MESSAGE_BYTES, _PARSERS.message)
    # Counted in the octets, where each shows: exclusive C14N costs elements times declarations.
    if len(data) > _TOO_SHORT_FOR_A_FLOOD and (
        data.count(b"<") > MAX_TAGS or data.count(b"xmlns") > MAX_NAMESPACE_DECLARATIONS
    ):
        raise MessageRefused(
            Reason.XML_FORBIDDEN_CONSTRUCT,
            "the message has too many elements or namespace declarations",
            expected=f"at most {MAX_TAGS} tags and {MAX_NAMESPACE_DECLARATIONS} declarations",
        )
    _check_shape(root)
    return root


def parse_metadata(data: bytes, limit: int) -> _Element:
    """Return the root of a metadata document of at most `limit` bytes; comments are common there and are dropped."""
    root = _parse(data, limit, _PARSERS.metadata)
    _check_shape(root, "*")
    return root


def _parse(data: bytes, limit: int, parser: etree.XMLParser) -> _Element:
    if len(data) > limit:
        raise MessageRefused(
            Reason.MESSAGE_TOO_LARGE, "the XML is too large", expected=f"at most {limit} bytes", got=str(len(data))
        )
    declared = _DECLARED_ENCODING.match(data)
    if declared and declared[1].lower() != b"utf-8":
        raise MessageRefused(
            Reason.XML_MALFORMED, "the document is not UTF-8", expected="encoding UTF-8", got=repr(declared[1][:40])
        )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = _PARSER_CHECKS.get(getattr(error, "code", None), Reason.XML_MALFORMED)
        raise MessageRefused(reason, "the XML cannot be parsed", got=str(error)[:200]) from None
    info = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None or info.externalDTD is not None:
        raise MessageRefused(Reason.XML_FORBIDDEN_CONSTRUCT, "a DOCTYPE is not allowed")
    if info.xml_version != "1.0":
        raise MessageRefused(Reason.XML_MALFORMED, "not XML 1.0", expected="1.0", got=str(info.xml_version)[:10])
    return root


def _check_shape(root: _Element, tag: str | None = None) -> None:
    """Look at every element once. In Python: XPath takes longer over messages of this size, and names no rule.

    `tag` "*" passes over comments and processing instructions, where the parser has dropped them already.
    """
    if root.getprevious() is not None or root.getnext() is not None:
        raise _comments()
    ids: list[tuple[_Element, str]] = []
    nodes = 0
    for element in root.iter(tag):
        nodes += 1
        if tag is None and not isinstance(element.tag, str):
            raise _comments()
        attributes = element.keys()
        if not attributes:
            continue
        if len(attributes) > MAX_ATTRIBUTES:
            raise MessageRefused(
                Reason.XML_FORBIDDEN_CONSTRUCT,
                "an element has too many attributes",
                expected=f"at most {MAX_ATTRIBUTES}",
            )
        for name in attributes:
            if name[-2:] in _ID_NAMES:
                ids.append((element, name))  # noqa: PERF401 - the loop around it does more
    if nodes > MAX_DEPTH and _TOO_DEEP(root):
        raise MessageRefused(Reason.XML_MALFORMED, "the XML is nested too deep", expected=f"at most {MAX_DEPTH} levels")
    _check_ids(ids)


def check_ids(*inside: _Element) -> None:
    """Refuse two equal IDs and IDs that are not NCNames anywhere in the documents of these elements together.

    An ID is an attribute of any namespace whose local name is `id` in any case. Called again after decryption, because
    a decrypted assertion joins the IDs of its surroundings.
    """
    roots = [element.getroottree().getroot() for element in inside]
    _check_ids(
        (element, name)
        for root in roots
        for element in root.iter()
        for name in element.attrib
        if name[-2:] in _ID_NAMES
    )


def _check_ids(attributes: Iterable[tuple[_Element, str]]) -> None:
    seen: set[str] = set()
    for element, name in attributes:
        if name.rpartition("}")[2] not in _ID_NAMES:
            continue  # it only ends so
        value = element.get(name, "")
        if value in seen:
            raise MessageRefused(Reason.DUPLICATE_ID, "two elements have the same ID", got=repr(value[:80]))
        if len(value) > MAX_ID_CHARACTERS or not _NCNAME.fullmatch(value):
            raise MessageRefused(Reason.SCHEMA_VIOLATION, "an ID is not an NCName, or too long", got=repr(value[:80]))
        seen.add(value)


def _comments() -> MessageRefused:
    return MessageRefused(Reason.XML_FORBIDDEN_CONSTRUCT, "comments and processing instructions are not allowed")
