"""Which entity of a metadata document is meant, and its one descriptor of a role (SAML V2.0 Metadata 2.3, 2.4).

Also the words in which metadata is refused: every refusal is a ConfigurationError with the line of the element.
"""

from collections.abc import Iterator
from enum import StrEnum

from lxml.etree import _Element

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.protocol.names import MD, SAMLP

MAX_ENTITY_ID_CHARS = 1024  # Core 8.3.6
_MAX_NESTING = 5  # of EntitiesDescriptor; the aggregates of federations have one or two
_SHOWN_CHARS = 200


class Role(StrEnum):
    """The two roles that we deal with, by the name of their element."""

    IDP = "IDPSSODescriptor"
    SP = "SPSSODescriptor"

    @property
    def words(self) -> str:
        """Return what people call it."""
        return "identity provider" if self is Role.IDP else "service provider"

    @property
    def other(self) -> "Role":
        """Return the other side's role."""
        return Role.SP if self is Role.IDP else Role.IDP


def check_entity_id(text: str) -> str | None:
    """Return what is wrong with an entity id, None when nothing is: 1 to 1,024 visible characters (security K233)."""
    if not 1 <= len(text) <= MAX_ENTITY_ID_CHARS:
        return f"it has {len(text)} characters"
    if not text.isprintable() or any(character.isspace() for character in text):
        return "it has a space, a line end or an invisible character in it"
    return None


def md(name: str) -> str:
    """Return a name of the metadata namespace as lxml writes it."""
    return f"{{{MD}}}{name}"


def shown(text: str) -> str:
    """Return a value from a file as one short line of ASCII, so that look-alike and invisible characters show."""
    return ascii(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…")


def invalid(
    message: str, element: _Element, *, expected: str = "", got: str = "", next_step: str = ""
) -> ConfigurationError:
    """Return the error that refuses a document because of this element."""
    return ConfigurationError(
        message,
        reason=Reason.METADATA_INVALID,
        line=element.sourceline,
        expected=expected,
        got=got,
        next_step=next_step,
    )


def select_entity(root: _Element, entity_id: str | None, role: Role) -> _Element:
    """Return the EntityDescriptor with this id, or the only one with this role when no id is given."""
    if root.tag == md("EntityDescriptor"):
        found = id_of(root)
        if entity_id is not None and found != entity_id:
            raise invalid("the metadata is of another entity", root, expected=shown(entity_id), got=shown(found))
        return root
    if root.tag != md("EntitiesDescriptor"):
        raise invalid(
            "this is not SAML 2.0 metadata",
            root,
            expected="an EntityDescriptor or EntitiesDescriptor",
            got=shown(str(root.tag)),
            next_step=f"Ask the {role.words} for its metadata document.",
        )
    entities = list(_entities(root, 1))
    if entity_id is not None:
        chosen = [entity for entity in entities if entity.get("entityID") == entity_id]
    else:
        chosen = [entity for entity in entities if entity.find(md(role)) is not None]
    if len(chosen) != 1:
        raise invalid(
            f"the metadata does not describe exactly one such {role.words}",
            root,
            expected=f"one {role.words}" if entity_id is None else f"one with the entity id {shown(entity_id)}",
            got=f"{len(chosen)} among {len(entities)} entities",
            next_step="Name the one that is meant with the key entity_id.",
        )
    return chosen[0]


def _entities(group: _Element, depth: int) -> Iterator[_Element]:
    if depth > _MAX_NESTING:
        raise invalid("EntitiesDescriptor is nested too deep", group, expected=f"at most {_MAX_NESTING} levels")
    yield from group.iterchildren(md("EntityDescriptor"))
    for inner in group.iterchildren(md("EntitiesDescriptor")):
        yield from _entities(inner, depth + 1)


def id_of(entity: _Element) -> str:
    """Return the entityID, refusing one that could be mistaken for another."""
    entity_id = entity.get("entityID", "")
    if wrong := check_entity_id(entity_id):
        raise invalid(
            f"the entityID cannot be used: {wrong}",
            entity,
            expected=f"1 to {MAX_ENTITY_ID_CHARS} visible characters",
            got=shown(entity_id),
        )
    return entity_id


def role_of(entity: _Element, role: Role) -> _Element:
    """Return the one descriptor of a role, which speaks SAML 2.0; roles of other kinds beside it are left alone."""
    found = list(entity.iterchildren(md(role)))
    if len(found) != 1:
        only_other = not found and entity.find(md(role.other)) is not None
        raise invalid(
            f"the metadata is not that of one {role.words}",
            found[1] if found else entity,
            expected=f"one {role}",
            got=f"an {role.other}" if only_other else f"{len(found)} of them",
            next_step=f"This is the metadata of the other side, the {role.other.words}." if only_other else "",
        )
    protocols = found[0].get("protocolSupportEnumeration", "")
    if SAMLP not in protocols.split():
        raise invalid(f"the {role.words} does not speak SAML 2.0", found[0], expected=SAMLP, got=shown(protocols))
    return found[0]
