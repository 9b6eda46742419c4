"""A federation's aggregate: one signed document with thousands of entities; in bytes, out what we use of each.

Runs in a child process (renewal/child.py), because the tree of 10,000 entities takes a quarter of a gibibyte. What is
kept of an entity is a small metadata document of its own, which the same strict reader reads when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from lxml import etree
from lxml.etree import _Element

from saml_slo.errors import ConfigurationError, MessageRefused
from saml_slo.protocol.names import DS, MD, SAML
from saml_slo.wire import instants
from saml_slo.wire.metadata_entity import Role, check_entity_id, invalid, md
from saml_slo.wire.metadata_role import cache_duration, parse_document, valid_until
from saml_slo.wire.metadata_signature import Signers

MAX_AGGREGATE_BYTES = 256 * 1024 * 1024
_MAX_NESTING = 5

_ENTITY, _GROUP, _EXTENSIONS = md("EntityDescriptor"), md("EntitiesDescriptor"), md("Extensions")
_ROLES = frozenset(map(md, Role))
_IDP = md(Role.IDP)
_OF_ROLE = frozenset(
    map(
        md,
        ("KeyDescriptor", "SingleLogoutService", "SingleSignOnService", "AssertionConsumerService", "NameIDFormat"),
    )
)
_REGISTRATION = "{urn:oasis:names:tc:SAML:metadata:rpi}RegistrationInfo"
_ATTRIBUTES = "{urn:oasis:names:tc:SAML:metadata:attribute}EntityAttributes"
_CATEGORY = "http://macedir.org/entity-category"
_PREFIXES = {"md": MD, "ds": DS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entities are kept: those that match every list that is not empty, each by any of its entries."""

    entity_ids: frozenset[str] = frozenset()
    registration_authorities: frozenset[str] = frozenset()
    entity_categories: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """What one aggregate says: its own validity, how many entities it has, and those that are kept, by entity id.

    Each of `entities` is an EntityDescriptor in UTF-8 with its keys, endpoints and NameID formats, and the earliest
    validUntil and shortest cacheDuration of all that stood around it. `ambiguous`: entity ids that were there twice,
    or cannot be used; none of them is kept.
    """

    valid_until: datetime | None
    cache_duration: int | None
    total: int
    entities: dict[str, bytes]
    ambiguous: tuple[str, ...]


def read_aggregate(data: bytes, signers: Signers, wanted: Wanted, *, now: datetime) -> Aggregate:
    """Return what an aggregate of at most 256 MiB says; one of `signers` must have signed it as a whole.

    Raises ConfigurationError with Reason.METADATA_INVALID. A single EntityDescriptor is an aggregate of one.
    """
    root = parse_document(data, signers, limit=MAX_AGGREGATE_BYTES)
    entities: dict[str, bytes] = {}
    ambiguous: dict[str, None] = {}
    seen: set[str] = set()
    around = _Around(now)
    total = 0
    for entity in _entities(root, 1):
        total += 1
        entity_id = entity.get("entityID", "")
        if entity_id in seen or check_entity_id(entity_id):
            ambiguous[entity_id] = None
            entities.pop(entity_id, None)
            continue
        seen.add(entity_id)
        if not _is_wanted(entity, entity_id, wanted):
            continue
        try:
            kept = _kept(entity, around)
        except (ConfigurationError, MessageRefused):  # its validity cannot be read: one member's mistake is its own
            ambiguous[entity_id] = None
            continue
        if kept is not None:
            entities[entity_id] = kept
    return Aggregate(
        valid_until=valid_until(root, now),
        cache_duration=cache_duration(root),
        total=total,
        entities=entities,
        ambiguous=tuple(ambiguous),
    )


def _entities(group: _Element, depth: int) -> Iterator[_Element]:
    if group.tag == _ENTITY:
        yield group
        return
    if depth > _MAX_NESTING:
        raise invalid("EntitiesDescriptor is nested too deep", group, expected=f"at most {_MAX_NESTING} levels")
    for child in group:
        if child.tag == _ENTITY:
            yield child
        elif child.tag == _GROUP:
            yield from _entities(child, depth + 1)


def _is_wanted(entity: _Element, entity_id: str, wanted: Wanted) -> bool:
    if wanted.entity_ids and entity_id not in wanted.entity_ids:
        return False
    if not (wanted.registration_authorities or wanted.entity_categories):
        return True
    extensions = entity.find(_EXTENSIONS)
    if extensions is None:
        return False
    if wanted.registration_authorities:
        authorities = {info.get("registrationAuthority") for info in extensions.iterchildren(_REGISTRATION)}
        if wanted.registration_authorities.isdisjoint(authorities):
            return False
    return not wanted.entity_categories or not wanted.entity_categories.isdisjoint(_categories(extensions))


def _categories(extensions: _Element) -> Iterator[str]:
    for attributes in extensions.iterchildren(_ATTRIBUTES):
        for attribute in attributes.iterchildren(f"{{{SAML}}}Attribute"):
            if attribute.get("Name") == _CATEGORY:
                yield from ("".join(value.itertext()).strip() for value in attribute)


def _kept(entity: _Element, around: _Around) -> bytes | None:
    """Return what we use of an entity as a document of its own; None where it has neither of our roles, or expired.

    The tree is changed: it was verified, and is thrown away.
    """
    roles = [child for child in entity if child.tag in _ROLES]
    if not roles:
        return None
    validity = around.of(entity)
    if validity is None:
        return None
    small = etree.Element(_ENTITY, nsmap=_PREFIXES)
    for name, value in (("entityID", entity.get("entityID", "")), *validity.items()):
        small.set(name, value)
    for role in roles:
        for child in role:
            # Nothing is encrypted to an identity provider.
            if child.tag not in _OF_ROLE or (child.get("use") == "encryption" and role.tag == _IDP):
                role.remove(child)
        small.append(role)
    etree.cleanup_namespaces(small)
    return etree.tostring(small, encoding="utf-8")


class _Around:
    """validUntil and cacheDuration as they hold for entities by all that stands around them, asked once for a group."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._of_group: dict[_Element | None, dict[str, str] | None] = {}

    def of(self, entity: _Element) -> dict[str, str] | None:
        """Return the two attributes as an entity of its own has to have them; None where it has expired."""
        if "validUntil" in entity.attrib or "cacheDuration" in entity.attrib:
            return self._found(entity)
        group = entity.getparent()
        if group not in self._of_group:
            self._of_group[group] = self._found(entity)
        return self._of_group[group]

    def _found(self, entity: _Element) -> dict[str, str] | None:
        found = {}
        named = [element for element in (entity, *entity.iterancestors()) if element.get("validUntil") is not None]
        if named:
            end = min(instants.parse(element.get("validUntil", "").strip()) for element in named)
            if end <= self._now:
                return None
            found["validUntil"] = instants.render(end)
        duration = cache_duration(entity)
        if duration is not None:
            found["cacheDuration"] = f"PT{duration}S"
        return found
