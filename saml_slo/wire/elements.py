"""The elements that several messages share, as they are written (Core 2.2.3, 2.2.5, 3.2.1, 3.2.2.1)."""

from __future__ import annotations

from datetime import datetime

from saml_slo.protocol.messages import Message, NameId
from saml_slo.protocol.names import VERSION
from saml_slo.protocol.status import Status
from saml_slo.wire import instants
from saml_slo.wire.canonical import Element


def common_attributes(message: Message, **more: str | None) -> dict[str, str | None]:
    """Return the attributes that every request and response has, and `more`."""
    return {
        "ID": message.id,
        "Version": VERSION,
        "IssueInstant": instants.render(message.issue_instant),
        "Destination": message.destination,
        **more,
    }


def issuer_element(issuer: str | None) -> Element:
    """Return an Issuer."""
    return Element("saml:Issuer", {}, issuer or "")


def status_element(status: Status) -> Element:
    """Return a Status with its codes nested in their order."""
    code: Element | None = None
    for value in (*reversed(status.nested), status.code):
        code = Element("samlp:StatusCode", {"Value": value}, () if code is None else (code,))
    text = None if status.message is None else Element("samlp:StatusMessage", {}, status.message)
    return Element("samlp:Status", {}, (code, text))


def name_id_element(name_id: NameId) -> Element:
    """Return a NameID, byte-exact; a qualifier that is absent is not written empty."""
    return Element(
        "saml:NameID",
        {
            "Format": name_id.format,
            "NameQualifier": name_id.name_qualifier,
            "SPNameQualifier": name_id.sp_name_qualifier,
            "SPProvidedID": name_id.sp_provided_id,
        },
        name_id.value,
    )


def instant_attribute(instant: datetime | None) -> str | None:
    """Return an instant as an attribute has it, None where there is none."""
    return None if instant is None else instants.render(instant)
