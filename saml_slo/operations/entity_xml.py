"""SAML metadata of somebody else, written from facts that came in another form (SAML V2.0 Metadata 2.3 to 2.4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from saml_slo.protocol.names import DS, MD, SAMLP
from saml_slo.wire.metadata_entity import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One endpoint as metadata has it; `binding` is a URI, whether or not we speak it."""

    binding: str
    location: str
    response_location: str = ""
    index: int | None = None
    is_default: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One certificate, base64 of its DER without armour; `use` is signing, encryption or empty for both."""

    certificate: str
    use: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is written: `services` are pairs of an element's name and an endpoint, in schema order."""

    entity_id: str
    role: Role
    keys: Sequence[Key]
    services: Sequence[tuple[str, Place]]
    name_id_formats: Sequence[str] = ()
    valid_until: datetime | None = None


def write_entity(facts: Facts) -> bytes:
    """Return the UTF-8 document; what is in it is checked by whoever reads it."""
    until = "" if facts.valid_until is None else f' validUntil="{facts.valid_until:%Y-%m-%dT%H:%M:%SZ}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<md:EntityDescriptor xmlns:md="{MD}" xmlns:ds="{DS}" entityID="{escape(facts.entity_id)}"{until}>',
        f'  <md:{facts.role} protocolSupportEnumeration="{SAMLP}">',
        *(_key(key) for key in facts.keys),
        *(_service(name, place) for name, place in facts.services if name == "SingleLogoutService"),
        *(f"    <md:NameIDFormat>{escape(text)}</md:NameIDFormat>" for text in facts.name_id_formats),
        *(_service(name, place) for name, place in facts.services if name != "SingleLogoutService"),
        f"  </md:{facts.role}>",
        "</md:EntityDescriptor>",
        "",
    ]
    return "\n".join(lines).encode()


def _key(key: Key) -> str:
    use = f' use="{key.use}"' if key.use else ""
    certificate = f"<ds:X509Certificate>{escape(key.certificate)}</ds:X509Certificate>"
    return (
        f"    <md:KeyDescriptor{use}><ds:KeyInfo><ds:X509Data>{certificate}</ds:X509Data></ds:KeyInfo>"
        "</md:KeyDescriptor>"
    )


def _service(name: str, place: Place) -> str:
    attributes = f'Binding="{escape(place.binding)}" Location="{escape(place.location)}"'
    if place.response_location:
        attributes += f' ResponseLocation="{escape(place.response_location)}"'
    if place.index is not None:
        attributes += f' index="{place.index}"'
    if place.is_default is not None:
        attributes += f' isDefault="{str(place.is_default).lower()}"'
    return f"    <md:{name} {attributes}/>"
