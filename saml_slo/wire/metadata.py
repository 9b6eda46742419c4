"""An identity provider's metadata: bytes in, the facts we use out (SAML V2.0 Metadata 2.4.3).

A file that an operator has put under metadata/ is trusted because of who put it there, unless its TOML names a signer
(metadata_signature.py); metadata that comes over the network is trusted because of its signer, or of TLS.

What both roles have in common, and how strictly it is read, stands in metadata_role.py.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from lxml.etree import _Element

from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Endpoint
from saml_slo.wire import metadata_role as reading
from saml_slo.wire.metadata_entity import Role, id_of, invalid, role_of, select_entity
from saml_slo.wire.metadata_role import MAX_CERTIFICATES, RoleMetadata
from saml_slo.wire.metadata_signature import Signers


@dataclass(frozen=True, slots=True, kw_only=True)
class IdpMetadata(RoleMetadata):
    """What one IDPSSODescriptor says; `single_sign_on` holds its Redirect and POST endpoints in document order."""

    single_sign_on: tuple[Endpoint, ...]
    want_authn_requests_signed: bool


def read_idp_metadata(
    data: bytes,
    entity_id: str | None = None,
    *,
    now: datetime | None = None,
    insecure_http: bool = False,
    signers: Signers | None = None,
) -> IdpMetadata:
    """Return the facts of one identity provider in a document of at most 4 MiB.

    The root is an EntityDescriptor, or an EntitiesDescriptor in which `entity_id` selects one; without `entity_id`
    there must be one identity provider only. `now` (the clock's, when it is left out) is for validUntil and the dates
    of certificates. `insecure_http` allows http endpoints beyond this machine. With `signers`, one of them must have
    signed the document (metadata_signature.py).

    Raises ConfigurationError with Reason.METADATA_INVALID and, where it is known, the line.
    """
    now = now or datetime.now(UTC)
    entity = select_entity(reading.parse_document(data, signers), entity_id, Role.IDP)
    role = role_of(entity, Role.IDP)
    certificates, warnings = reading.certificates(role, "signing", now)
    if not certificates:
        raise invalid(
            "the identity provider's signatures cannot be checked",
            role,
            expected=f"1 to {MAX_CERTIFICATES} certificates in KeyDescriptors with the use signing or none",
            got="0",
        )
    return IdpMetadata(
        entity_id=id_of(entity),
        single_sign_on=_sign_on_endpoints(role, insecure_http=insecure_http),
        single_logout=reading.logout_endpoints(role, insecure_http=insecure_http),
        signing_certificates=certificates,
        valid_until=reading.valid_until(role, now),
        cache_duration=reading.cache_duration(role),
        name_id_formats=reading.name_id_formats(role),
        want_authn_requests_signed=bool(reading.boolean(role, "WantAuthnRequestsSigned")),
        warnings=warnings,
    )


def _sign_on_endpoints(role: _Element, *, insecure_http: bool) -> tuple[Endpoint, ...]:
    # SOAP at a SingleSignOnService means ECP, which is another profile and not for browsers.
    bindings = (Binding.REDIRECT, Binding.POST)
    endpoints = tuple(reading.endpoints(role, "SingleSignOnService", bindings, insecure_http=insecure_http))
    if not endpoints:
        raise invalid(
            "nobody can sign in through this identity provider",
            role,
            expected="a SingleSignOnService with the binding HTTP-Redirect or HTTP-POST",
            got="none",
        )
    return endpoints
