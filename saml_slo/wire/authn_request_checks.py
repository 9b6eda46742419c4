"""Checks on what an AuthnRequest asks for: nothing is answered that the application may not have, nor anywhere else.

Decisions: IsPassive together with ForceAuthn is legal (Core 3.4.1), and can only be answered with NoPassive; whoever
answers does that, and ProxyCountExceeded where Scoping forbids to ask the IdP behind us. AllowCreate is not looked at,
because no identifier of ours has to be created. Conditions, Consent, AttributeConsumingServiceIndex and the rest of
Scoping are hints that we may leave alone (Core 3.4.1); their size is bounded by the parser.

An application without a certificate in its metadata may not sign: what cannot be checked is refused.
"""

from __future__ import annotations

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.messages import AuthnRequest
from saml_slo.protocol.names import Binding, NameIdFormat
from saml_slo.protocol.peer import NameIdKind, ServiceProvider
from saml_slo.wire import reader
from saml_slo.wire.inspection import AuthnRequestInspection
from saml_slo.wire.reader import child_of, saml

# What an application is told at most, by its setting `name_id`: each step tells more than the one before.
_DISCLOSURE = (NameIdKind.TRANSIENT, NameIdKind.PERSISTENT, NameIdKind.EMAIL)
_KIND_OF = {
    NameIdFormat.TRANSIENT: NameIdKind.TRANSIENT,
    NameIdFormat.PERSISTENT: NameIdKind.PERSISTENT,
    NameIdFormat.EMAIL: NameIdKind.EMAIL,
}


def signed_where_required(inspection: AuthnRequestInspection) -> None:
    """Refuse an unsigned request where the application's metadata says that it signs (AuthnRequestsSigned)."""
    if inspection.peer.requests_signed and not inspection.root_signed:
        raise MessageRefused(
            Reason.SIGNATURE_MISSING, "the AuthnRequest is not signed", expected="a signature (requests_signed)"
        )


def read_authn_request(inspection: AuthnRequestInspection) -> None:
    """Read the AuthnRequest; it must not ask for one particular person, whom we could not promise (Core 3.4.1.1)."""
    if child_of(inspection.root, saml("Subject")) is not None:
        raise MessageRefused(
            Reason.SUBJECT_INVALID, "the AuthnRequest asks for one particular person", expected="no Subject"
        )
    inspection.message = reader.authn_request(inspection.root)


def consumer_is_registered(inspection: AuthnRequestInspection) -> None:
    """Require that the answer is wanted by POST and at a URL of the application's metadata."""
    assertion_consumer(inspection.read, inspection.peer)


def name_is_for_the_sender(inspection: AuthnRequestInspection) -> None:
    """Refuse to name a person as another service provider knows them (NameIDPolicy/@SPNameQualifier, Core 3.4.1.1)."""
    qualifier, own = inspection.read.sp_name_qualifier, inspection.peer.entity_id
    if qualifier is not None and qualifier != own:
        raise MessageRefused(
            Reason.SUBJECT_INVALID, "the name is wanted as for another application", expected=own, got=qualifier[:200]
        )


def assertion_consumer(request: AuthnRequest, provider: ServiceProvider) -> str:
    """Return the URL that gets the Response: the registered one that is asked for, to the letter, or the default.

    Raises MessageRefused; then nothing may be sent anywhere (G161, CVE-2023-45683).
    """
    url, index = request.assertion_consumer_service_url, request.assertion_consumer_service_index
    if request.protocol_binding not in (None, Binding.POST):
        raise MessageRefused(
            Reason.BINDING_MISMATCH,
            "the answer is wanted by another binding",
            expected=Binding.POST,
            got=repr(request.protocol_binding)[:200],
        )
    if url is not None and index is not None:
        raise MessageRefused(
            Reason.SCHEMA_VIOLATION, "AssertionConsumerServiceURL and -Index exclude each other", got=f"{url!r:.200}"
        )
    for consumer in provider.assertion_consumers:
        if url == consumer.location or index == consumer.index:
            return consumer.location
    if url is not None or index is not None or not provider.assertion_consumers:
        raise MessageRefused(
            Reason.RECIPIENT_MISMATCH,
            "the answer is wanted where the application's metadata has no AssertionConsumerService",
            expected=" or ".join(f"{c.location} ({c.index})" for c in provider.assertion_consumers)[:500],
            got=repr(index if url is None else url)[:200],
        )
    defaults = [consumer for consumer in provider.assertion_consumers if consumer.is_default]
    return (defaults or provider.assertion_consumers)[0].location


def name_id_kind(request: AuthnRequest, provider: ServiceProvider) -> NameIdKind | None:
    """Return how this answer tells the application who the person is; None: answer it InvalidNameIDPolicy.

    The application may ask for less than its setting `name_id` tells (transient instead of persistent instead of
    e-mail), never for more (Core 3.4.1.1).
    """
    wanted = request.name_id_format
    if wanted is None or wanted == NameIdFormat.UNSPECIFIED:
        return provider.name_id
    kind = _KIND_OF.get(NameIdFormat(wanted)) if wanted in set(NameIdFormat) else None
    if kind is None or _DISCLOSURE.index(kind) > _DISCLOSURE.index(provider.name_id):
        return None
    return kind
