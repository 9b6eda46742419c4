"""Response and Assertion → XML: what we tell applications as their identity provider (Profiles 4.1.4.2).

The assertion is always signed, and encrypted after that where the application wants it; the Response around it is
signed too where the application wants that, and always when it says no. What is written is canonical from the start.

AttributeValue carries no xsi:type: exclusive canonicalization drops the declaration of a prefix that only a value uses,
which some verifiers trip over, and an untyped value is text to every peer.
"""

from __future__ import annotations

from datetime import timedelta

from saml_slo.protocol.messages import (
    Assertion,
    Attribute,
    AuthnStatement,
    Conditions,
    IssuedAssertion,
    Response,
    SubjectConfirmation,
)
from saml_slo.protocol.names import AUTHN_CONTEXT_UNSPECIFIED, CONFIRMATION_BEARER, VERSION
from saml_slo.protocol.peer import ServiceProvider
from saml_slo.protocol.status import SUCCESS, Status
from saml_slo.wire import instants
from saml_slo.wire.canonical import Canonical, Element
from saml_slo.wire.elements import (
    common_attributes,
    instant_attribute,
    issuer_element,
    name_id_element,
    status_element,
)
from saml_slo.wire.encryption_writer import encrypted_assertion
from saml_slo.wire.keys import SigningKey
from saml_slo.wire.writer import Outgoing, to_signed_xml

_BEFORE = timedelta(seconds=60)  # an application whose clock is a little behind must not find the assertion too early


def response_about(issued: IssuedAssertion, provider: ServiceProvider) -> Response:
    """Return the Response that signs a person in to an application; `provider.attributes` choose what it hears."""
    until = issued.issued_at + issued.lifetime
    wanted = provider.attributes
    return Response(
        id=issued.response_id,
        issue_instant=issued.issued_at,
        destination=issued.recipient,
        issuer=provider.our_entity_id,
        in_response_to=issued.in_response_to,
        status=Status(SUCCESS),
        assertion=Assertion(
            id=issued.assertion_id,
            issue_instant=issued.issued_at,
            issuer=provider.our_entity_id,
            name_id=issued.name_id,
            confirmations=(
                SubjectConfirmation(
                    method=CONFIRMATION_BEARER,
                    has_data=True,
                    recipient=issued.recipient,
                    not_on_or_after=until,
                    in_response_to=issued.in_response_to,
                ),
            ),
            conditions=Conditions(
                not_before=issued.issued_at - _BEFORE,
                not_on_or_after=until,
                audience_restrictions=((provider.entity_id,),),
            ),
            authn_statements=(
                AuthnStatement(
                    authn_instant=issued.authn_instant,
                    session_index=issued.session_index,
                    session_not_on_or_after=issued.session_not_on_or_after,
                    authn_context_class_ref=issued.authn_context_class_ref or AUTHN_CONTEXT_UNSPECIFIED,
                    authenticating_authorities=issued.authenticating_authorities,
                ),
            ),
            attributes=tuple(a for a in issued.attributes if wanted is None or a.name in wanted),
        ),
    )


def write_response(response: Response, key: SigningKey, provider: ServiceProvider) -> Outgoing:
    """Return a Response, ready for the POST binding: its assertion signed, and encrypted where the provider says so."""
    assertion: Element | Canonical | None = None
    if response.assertion is not None:
        signed = to_signed_xml(_assertion(response.assertion), key, provider.signature_algorithm)
        certificates = provider.encryption_certificates
        assertion = encrypted_assertion(signed, certificates) if provider.encrypt_assertion else Canonical(signed)
    element = Element(
        "samlp:Response",
        common_attributes(response, InResponseTo=response.in_response_to),
        (issuer_element(response.issuer), status_element(response.status), assertion),
    )
    return Outgoing("SAMLResponse", element, sign=provider.sign_response or assertion is None)


def _assertion(assertion: Assertion) -> Element:
    return Element(
        "saml:Assertion",
        {"ID": assertion.id, "Version": VERSION, "IssueInstant": instants.render(assertion.issue_instant)},
        (
            issuer_element(assertion.issuer),
            _subject(assertion),
            None if assertion.conditions is None else _conditions(assertion.conditions),
            *(_authn_statement(statement) for statement in assertion.authn_statements),
            Element("saml:AttributeStatement", {}, tuple(_attribute(a) for a in assertion.attributes))
            if assertion.attributes
            else None,
        ),
    )


def _subject(assertion: Assertion) -> Element | None:
    if assertion.name_id is None and not assertion.confirmations:
        return None
    name_id = None if assertion.name_id is None else name_id_element(assertion.name_id)
    return Element("saml:Subject", {}, (name_id, *(_confirmation(c) for c in assertion.confirmations)))


def _confirmation(confirmation: SubjectConfirmation) -> Element:
    data = Element(
        "saml:SubjectConfirmationData",
        {
            "Recipient": confirmation.recipient,
            "NotBefore": instant_attribute(confirmation.not_before),
            "NotOnOrAfter": instant_attribute(confirmation.not_on_or_after),
            "InResponseTo": confirmation.in_response_to,
        },
    )
    content = (data,) if confirmation.has_data else ()
    return Element("saml:SubjectConfirmation", {"Method": confirmation.method}, content)


def _conditions(conditions: Conditions) -> Element:
    return Element(
        "saml:Conditions",
        {
            "NotBefore": instant_attribute(conditions.not_before),
            "NotOnOrAfter": instant_attribute(conditions.not_on_or_after),
        },
        tuple(
            Element("saml:AudienceRestriction", {}, tuple(Element("saml:Audience", {}, name) for name in audiences))
            for audiences in conditions.audience_restrictions
        ),
    )


def _authn_statement(statement: AuthnStatement) -> Element:
    reference = statement.authn_context_class_ref or AUTHN_CONTEXT_UNSPECIFIED
    authorities = (Element("saml:AuthenticatingAuthority", {}, name) for name in statement.authenticating_authorities)
    return Element(
        "saml:AuthnStatement",
        {
            "AuthnInstant": instants.render(statement.authn_instant),
            "SessionIndex": statement.session_index,
            "SessionNotOnOrAfter": instant_attribute(statement.session_not_on_or_after),
        },
        (
            Element(
                "saml:AuthnContext",
                {},
                (Element("saml:AuthnContextClassRef", {}, reference), *authorities),
            ),
        ),
    )


def _attribute(attribute: Attribute) -> Element:
    return Element(
        "saml:Attribute",
        {"Name": attribute.name, "NameFormat": attribute.name_format, "FriendlyName": attribute.friendly_name},
        tuple(Element("saml:AttributeValue", {}, value) for value in attribute.values),
    )
