"""Verified element → message. Reads direct children only: what stands deeper may have been planted there.

Every function takes an element that has passed its schema and, where it was signed, its signature; the text of an
element is `.text` and nothing else, which is whole because comments were refused and CDATA is merged by the parser.
"""

from __future__ import annotations

from datetime import datetime

from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol import messages
from saml_slo.protocol.names import SAML, SAMLP, NameIdFormat
from saml_slo.protocol.status import Status
from saml_slo.wire import instants

ASYNCHRONOUS = "{urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo}Asynchronous"


def samlp(name: str) -> str:
    """Return a name of the protocol namespace as lxml spells it."""
    return f"{{{SAMLP}}}{name}"


def saml(name: str) -> str:
    """Return a name of the assertion namespace as lxml spells it."""
    return f"{{{SAML}}}{name}"


def issuer(element: _Element) -> str | None:
    """Return the Issuer's text, None when it is absent; one with a Format other than entity is refused (Core 8.3.6)."""
    child = element.find(saml("Issuer"))
    if child is None:
        return None
    if child.get("Format", NameIdFormat.ENTITY) != NameIdFormat.ENTITY or set(child.attrib) - {"Format"}:
        raise MessageRefused(
            Reason.SCHEMA_VIOLATION, "the Issuer is not an entity id", got=str(dict(child.attrib))[:200]
        )
    return child.text or ""


def name_id(element: _Element) -> messages.NameId:
    """Return a NameID byte-exact; absent attributes are None."""
    return messages.NameId(
        value=element.text or "",
        format=element.get("Format"),
        name_qualifier=element.get("NameQualifier"),
        sp_name_qualifier=element.get("SPNameQualifier"),
        sp_provided_id=element.get("SPProvidedID"),
    )


def status(element: _Element) -> Status:
    """Return the Status of a response, its nested codes outermost first; more than four levels are cut."""
    holder = element.find(samlp("Status"))
    code = None if holder is None else holder.find(samlp("StatusCode"))
    if holder is None or code is None:
        raise MessageRefused(Reason.SCHEMA_VIOLATION, "the Status is missing")
    nested: list[str] = []
    inner = code.find(samlp("StatusCode"))
    while inner is not None and len(nested) < 4:  # noqa: PLR2004 - the specification defines two levels
        nested.append(inner.get("Value", ""))
        inner = inner.find(samlp("StatusCode"))
    text = holder.find(samlp("StatusMessage"))
    return Status(
        code=code.get("Value", ""), nested=tuple(nested), message=None if text is None else (text.text or "")[:1000]
    )


def response(element: _Element, verified_assertion: _Element | None) -> messages.Response:
    """Return a Response with the assertion that was verified (decrypted, where it came encrypted)."""
    return messages.Response(
        id=element.get("ID", ""),
        issue_instant=_required_instant(element, "IssueInstant"),
        destination=element.get("Destination"),
        issuer=issuer(element),
        in_response_to=element.get("InResponseTo"),
        status=status(element),
        assertion=None if verified_assertion is None else assertion(verified_assertion),
    )


def logout_response(element: _Element) -> messages.LogoutResponse:
    """Return a LogoutResponse."""
    return messages.LogoutResponse(
        id=element.get("ID", ""),
        issue_instant=_required_instant(element, "IssueInstant"),
        destination=element.get("Destination"),
        issuer=issuer(element),
        in_response_to=element.get("InResponseTo"),
        status=status(element),
    )


def logout_request(element: _Element, name_id_element: _Element) -> messages.LogoutRequest:
    """Return a LogoutRequest about the NameID given (decrypted, where it came encrypted)."""
    extensions = element.find(samlp("Extensions"))
    return messages.LogoutRequest(
        id=element.get("ID", ""),
        issue_instant=_required_instant(element, "IssueInstant"),
        destination=element.get("Destination"),
        issuer=issuer(element),
        name_id=name_id(name_id_element),
        session_indexes=tuple(child.text or "" for child in element.findall(samlp("SessionIndex"))),
        not_on_or_after=_instant(element, "NotOnOrAfter"),
        reason=element.get("Reason"),
        asynchronous=extensions is not None and extensions.find(ASYNCHRONOUS) is not None,
    )


def authn_request(element: _Element) -> messages.AuthnRequest:
    """Return an AuthnRequest."""
    policy = element.find(samlp("NameIDPolicy"))
    context = element.find(samlp("RequestedAuthnContext"))
    index = element.get("AssertionConsumerServiceIndex")
    allow_create = None if policy is None else policy.get("AllowCreate")
    return messages.AuthnRequest(
        id=element.get("ID", ""),
        issue_instant=_required_instant(element, "IssueInstant"),
        destination=element.get("Destination"),
        issuer=issuer(element),
        assertion_consumer_service_url=element.get("AssertionConsumerServiceURL"),
        assertion_consumer_service_index=None if index is None else int(index),
        protocol_binding=element.get("ProtocolBinding"),
        name_id_format=None if policy is None else policy.get("Format"),
        sp_name_qualifier=None if policy is None else policy.get("SPNameQualifier"),
        allow_create=None if allow_create is None else _boolean(allow_create),
        force_authn=_boolean(element.get("ForceAuthn")),
        is_passive=_boolean(element.get("IsPassive")),
        authn_context_class_refs=()
        if context is None
        else tuple(child.text or "" for child in context.findall(saml("AuthnContextClassRef"))),
    )


def assertion(element: _Element) -> messages.Assertion:
    """Return an Assertion."""
    subject = element.find(saml("Subject"))
    identifier = None if subject is None else subject.find(saml("NameID"))
    return messages.Assertion(
        id=element.get("ID", ""),
        issue_instant=_required_instant(element, "IssueInstant"),
        issuer=issuer(element) or "",
        name_id=None if identifier is None else name_id(identifier),
        confirmations=()
        if subject is None
        else tuple(_confirmation(child) for child in subject.findall(saml("SubjectConfirmation"))),
        conditions=_conditions(element.find(saml("Conditions"))),
        authn_statements=tuple(_authn_statement(child) for child in element.findall(saml("AuthnStatement"))),
        attributes=tuple(
            _attribute(child)
            for holder in element.findall(saml("AttributeStatement"))
            for child in holder.findall(saml("Attribute"))
        ),
    )


def _confirmation(element: _Element) -> messages.SubjectConfirmation:
    method = element.get("Method", "")
    data = element.find(saml("SubjectConfirmationData"))
    if data is None:
        return messages.SubjectConfirmation(method=method)
    return messages.SubjectConfirmation(
        method=method,
        has_data=True,
        recipient=data.get("Recipient"),
        not_before=_instant(data, "NotBefore"),
        not_on_or_after=_instant(data, "NotOnOrAfter"),
        in_response_to=data.get("InResponseTo"),
    )


def _conditions(element: _Element | None) -> messages.Conditions | None:
    if element is None:
        return None
    known = {saml("AudienceRestriction"), saml("OneTimeUse"), saml("ProxyRestriction")}
    for child in element:
        if child.tag not in known:  # Core 2.5.1: an assertion with a condition that is not understood is not valid
            raise MessageRefused(Reason.SCHEMA_VIOLATION, "an unknown Condition", got=str(child.tag)[:200])
    return messages.Conditions(
        not_before=_instant(element, "NotBefore"),
        not_on_or_after=_instant(element, "NotOnOrAfter"),
        audience_restrictions=tuple(
            tuple(audience.text or "" for audience in restriction.findall(saml("Audience")))
            for restriction in element.findall(saml("AudienceRestriction"))
        ),
    )


def _authn_statement(element: _Element) -> messages.AuthnStatement:
    context = element.find(saml("AuthnContext"))
    reference = None if context is None else context.find(saml("AuthnContextClassRef"))
    return messages.AuthnStatement(
        authn_instant=_required_instant(element, "AuthnInstant"),
        session_index=element.get("SessionIndex"),
        session_not_on_or_after=_instant(element, "SessionNotOnOrAfter"),
        authn_context_class_ref=None if reference is None else reference.text,
    )


def _attribute(element: _Element) -> messages.Attribute:
    return messages.Attribute(
        name=element.get("Name", ""),
        name_format=element.get("NameFormat"),
        friendly_name=element.get("FriendlyName"),
        values=tuple("".join(value.itertext()) for value in element.findall(saml("AttributeValue"))),
    )


def _instant(element: _Element, name: str) -> datetime | None:
    text = element.get(name)
    return None if text is None else instants.parse(text)


def _required_instant(element: _Element, name: str) -> datetime:
    return instants.parse(element.get(name, ""))


def _boolean(text: str | None) -> bool:
    return text in ("true", "1")
