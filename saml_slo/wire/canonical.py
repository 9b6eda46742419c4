"""Write XML in its exclusive canonical form from the start (XML-EXC-C14N), so that signing needs no canonicalizer.

An element is a plain tuple tree; `canonical()` serialises it with namespaces declared where they are first used,
attributes sorted, and characters escaped as Canonical XML 1.0 section 2.3 says. What we digest is thus, byte for byte,
what we send (tests compare it with lxml's own canonicalizer).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from saml_slo.protocol.names import DS, SAML, SAMLP, XENC

PREFIXES = {
    "samlp": SAMLP,
    "saml": SAML,
    "ds": DS,
    "xenc": XENC,
    "aslo": "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo",
}

_NO_ATTRIBUTES: Mapping[str, str | None] = MappingProxyType({})


class Canonical(NamedTuple):
    """A signed element, written already. No prefix that it uses may be declared around it: it declares its own."""

    text: str


class Element(NamedTuple):
    """`name` is `prefix:Local`; attributes have no namespace; None values are left out; content is text or children."""

    name: str
    attributes: Mapping[str, str | None] = _NO_ATTRIBUTES
    content: str | Sequence[Element | Canonical | None] = ()


def canonical(element: Element) -> str:
    """Return the exclusive canonical form of an element and everything in it."""
    parts: list[str] = []
    _write(element, frozenset(), parts)
    return "".join(parts)


def _write(element: Element, declared: frozenset[str], parts: list[str]) -> None:
    name, attributes, content = element
    prefix, opening, declaration, closing = _tags(name)
    parts.append(opening)
    if prefix not in declared:
        parts.append(declaration)
        declared |= {prefix}
    for attribute in sorted(attributes):
        value = attributes[attribute]
        if value is not None:
            parts.append(f' {attribute}="{escaped_attribute(value)}"')
    parts.append(">")
    if isinstance(content, str):
        parts.append(_escaped_text(content))
    else:
        for child in content:
            if isinstance(child, Element):
                _write(child, declared, parts)
            elif child is not None:
                parts.append(child.text)
    parts.append(closing)


@cache
def _tags(name: str) -> tuple[str, str, str, str]:
    prefix = name.partition(":")[0]
    return prefix, f"<{name}", f' xmlns:{prefix}="{PREFIXES[prefix]}"', f"</{name}>"


# Replacing what is rarely there takes a fifth of the time of str.translate. The ampersand goes first.
def _escaped_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def escaped_attribute(value: str) -> str:
    """Return the value of an attribute as canonical XML writes it between double quotes."""
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return escaped.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")
