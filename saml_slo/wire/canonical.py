"""Write XML in its exclusive canonical form from the start (XML-EXC-C14N), so that signing needs no canonicalizer.

An element is a plain tuple tree; `canonical()` serialises it with namespaces declared where they are first used,
attributes sorted, and characters escaped as Canonical XML 1.0 section 2.3 says. What we digest is thus, byte for byte,
what we send (tests compare it with lxml's own canonicalizer).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from saml_slo.protocol.names import DS, EXCLUSIVE_C14N, SAML, SAMLP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIXES = {
    "samlp": SAMLP,
    "saml": SAML,
    "ds": DS,
    "ec": EXCLUSIVE_C14N,
    "aslo": "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo",
}

_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)


@dataclass(frozen=True, slots=True)
class Element:
    """`name` is `prefix:Local`; attributes have no namespace; None values are left out; content is text or children."""

    name: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    content: str | Sequence[Element | None] = ()


def canonical(element: Element) -> str:
    """Return the exclusive canonical form of an element and everything in it."""
    parts: list[str] = []
    _write(element, frozenset(), parts)
    return "".join(parts)


def _write(element: Element, declared: frozenset[str], parts: list[str]) -> None:
    prefix = element.name.partition(":")[0]
    parts.append(f"<{element.name}")
    if prefix not in declared:
        parts.append(f' xmlns:{prefix}="{PREFIXES[prefix]}"')
        declared = declared | {prefix}
    parts.extend(
        f' {name}="{value.translate(_ATTRIBUTE)}"'
        for name, value in sorted(element.attributes.items())
        if value is not None
    )
    parts.append(">")
    if isinstance(element.content, str):
        parts.append(element.content.translate(_TEXT))
    else:
        for child in element.content:
            if child is not None:
                _write(child, declared, parts)
    parts.append(f"</{element.name}>")
