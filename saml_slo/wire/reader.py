"""Verified element → message. Reads direct children only: what stands deeper may have been planted there.

Every function takes an element that has passed its schema and, where it was signed, its signature; the text of an
element is `.text` and nothing else, which is whole because comments were refused and CDATA is merged by the parser.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache

from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol import messages
from saml_slo.protocol.names import SAML, SAMLP, NameIdFormat
from saml_slo.protocol.status import Status
from saml_slo.wire import instants

_ENTITY_FORMAT = [("Format", NameIdFormat.ENTITY.value)]
ASYNCHRONOUS = "{urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo}Asynchronous"


@cache
def samlp(name: str) -> str:
    """Return a name of the protocol namespace as lxml spells it."""
    return f"{{{SAMLP}}}{name}"


@cache
def saml(name: str) -> str:
    """Return a name of the assertion namespace as lxml spells it."""
    return f"{{{SAML}}}{name}"


def child_of(children: Iterable[_Element], tag: str) -> _Element | None:
    """Return the first child with this name, of an element or of the list of its children.

    Elements have few children: `find` takes five times as long.
    """
    for child in children:
        if child.tag == tag:
            return child
    return None


def children_of(children: Iterable[_Element], tag: str) -> list[_Element]:
    """Return every child with this name."""
    return [child for child in children if child.tag == tag]


def issuer(element: _Element) -> str | None:
    """Return the Issuer's text, None when it is absent; one with a Format other than entity is refused (Core 8.3.6)."""
    child = child_of(element, saml("Issuer"))
    if child is None:
        return None
    if child.items() not in ([], _ENTITY_FORMAT):
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
    holder = child_of(element, samlp("Status"))
    code = None if holder is None else child_of(holder, samlp("StatusCode"))
    if holder is None or code is None:
        raise MessageRefused(Reason.SCHEMA_VIOLATION, "the Status is missing")
    nested: list[str] = []
    inner = child_of(code, samlp("StatusCode"))
    while inner is not None and len(nested) < 4:  # noqa: PLR2004 - the specification defines two levels
        nested.append(inner.get("Value", ""))
        inner = child_of(inner, samlp("StatusCode"))
    text = child_of(holder, samlp("StatusMessage"))
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
    children = list(element)
    extensions = child_of(children, samlp("Extensions"))
    return messages.LogoutRequest(
        id=element.get("ID", ""),
        issue_instant=_required_instant(element, "IssueInstant"),
        destination=element.get("Destination"),
        issuer=issuer(element),
        name_id=name_id(name_id_element),
        session_indexes=tuple(child.text or "" for child in children_of(children, samlp("SessionIndex"))),
        not_on_or_after=_instant(element, "NotOnOrAfter"),
        reason=element.get("Reason"),
        asynchronous=extensions is not None and child_of(extensions, ASYNCHRONOUS) is not None,
    )


def authn_request(element: _Element) -> messages.AuthnRequest:
    """Return an AuthnRequest."""
    policy = child_of(element, samlp("NameIDPolicy"))
    context = child_of(element, samlp("RequestedAuthnContext"))
    scoping = child_of(element, samlp("Scoping"))
    index = element.get("AssertionConsumerServiceIndex")
    allow_create = None if policy is None else policy.get("AllowCreate")
    return messages.AuthnRequest(
        id=element.get("ID", ""),
        issue_instant=_required_instant(element, "IssueInstant"),
        destination=element.get("Destination"),
        issuer=issuer(element),
        assertion_consumer_service_url=element.get("AssertionConsumerServiceURL"),
        assertion_consumer_service_index=None if index is None else _index(index),
        protocol_binding=element.get("ProtocolBinding"),
        name_id_format=None if policy is None else policy.get("Format"),
        sp_name_qualifier=None if policy is None else policy.get("SPNameQualifier"),
        allow_create=None if allow_create is None else _boolean(allow_create),
        force_authn=_boolean(element.get("ForceAuthn")),
        is_passive=_boolean(element.get("IsPassive")),
        authn_context_class_refs=_texts(context, saml("AuthnContextClassRef")),
        authn_context_decl_refs=_texts(context, saml("AuthnContextDeclRef")),
        authn_context_comparison="exact" if context is None else context.get("Comparison", "exact"),
        no_proxy=scoping is not None and not _digits(scoping.get("ProxyCount", "1")),
    )


def assertion(element: _Element) -> messages.Assertion:
    """Return an Assertion."""
    children = list(element)
    subject = child_of(children, saml("Subject"))
    identifier = None if subject is None else child_of(subject, saml("NameID"))
    return messages.Assertion(
        id=element.get("ID", ""),
        issue_instant=_required_instant(element, "IssueInstant"),
        issuer=issuer(element) or "",
        name_id=None if identifier is None else name_id(identifier),
        confirmations=()
        if subject is None
        else tuple(_confirmation(child) for child in children_of(subject, saml("SubjectConfirmation"))),
        conditions=_conditions(child_of(children, saml("Conditions"))),
        authn_statements=tuple(_authn_statement(child) for child in children_of(children, saml("AuthnStatement"))),
        attributes=tuple(
            _attribute(child)
            for holder in children_of(children, saml("AttributeStatement"))
            for child in children_of(holder, saml("Attribute"))
        ),
    )


def _confirmation(element: _Element) -> messages.SubjectConfirmation:
    method = element.get("Method", "")
    data = child_of(element, saml("SubjectConfirmationData"))
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


_CONDITIONS = frozenset(saml(name) for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction"))


def _conditions(element: _Element | None) -> messages.Conditions | None:
    if element is None:
        return None
    for child in element:
        if child.tag not in _CONDITIONS:  # Core 2.5.1: an assertion with a condition not understood is not valid
            raise MessageRefused(Reason.SCHEMA_VIOLATION, "an unknown Condition", got=str(child.tag)[:200])
    return messages.Conditions(
        not_before=_instant(element, "NotBefore"),
        not_on_or_after=_instant(element, "NotOnOrAfter"),
        audience_restrictions=tuple(
            tuple(audience.text or "" for audience in children_of(restriction, saml("Audience")))
            for restriction in children_of(element, saml("AudienceRestriction"))
        ),
    )


def _authn_statement(element: _Element) -> messages.AuthnStatement:
    context = child_of(element, saml("AuthnContext"))
    reference = None if context is None else child_of(context, saml("AuthnContextClassRef"))
    return messages.AuthnStatement(
        authn_instant=_required_instant(element, "AuthnInstant"),
        session_index=element.get("SessionIndex"),
        session_not_on_or_after=_instant(element, "SessionNotOnOrAfter"),
        authn_context_class_ref=None if reference is None else reference.text,
        authenticating_authorities=_texts(context, saml("AuthenticatingAuthority")),
    )


def _attribute(element: _Element) -> messages.Attribute:
    return messages.Attribute(
        name=element.get("Name", ""),
        name_format=element.get("NameFormat"),
        friendly_name=element.get("FriendlyName"),
        values=tuple(_all_text(value) for value in children_of(element, saml("AttributeValue"))),
    )


def _texts(element: _Element | None, tag: str) -> tuple[str, ...]:
    return () if element is None else tuple(child.text or "" for child in children_of(element, tag))


def _all_text(element: _Element) -> str:
    return "".join(element.itertext()) if len(element) else element.text or ""


def _instant(element: _Element, name: str) -> datetime | None:
    text = element.get(name)
    return None if text is None else instants.parse(text)


def _required_instant(element: _Element, name: str) -> datetime:
    return instants.parse(element.get(name, ""))


def _index(text: str) -> int:
    return int(_digits(text) or "0")


def _digits(text: str) -> str:
    # The schema lets through a sign, blanks around the number and any number of zeros, at which int() stops.
    return text.strip().lstrip("+-0")


def _boolean(text: str | None) -> bool:
    return text in ("true", "1")
