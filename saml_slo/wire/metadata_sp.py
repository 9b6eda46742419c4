"""A service provider's metadata: bytes in, the facts we use out (SAML V2.0 Metadata 2.4.4).

Trusted and read as an identity provider's is: see metadata.py and metadata_role.py. What differs: it must say where
Responses go, and it may come without a signing key. Such an application can be told of a logout; whatever it sends
itself must be signed (Profiles 4.4.3.1) and is therefore refused.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml.etree import _Element

from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import ConsumerEndpoint
from saml_slo.wire import metadata_role as reading
from saml_slo.wire.metadata_entity import Role, id_of, invalid, md, role_of, select_entity, shown
from saml_slo.wire.metadata_role import MAX_CERTIFICATES, RoleMetadata
from saml_slo.wire.metadata_signature import Signers

_INDEX = re.compile(r"[0-9]{1,5}")
_MAX_INDEX = 65535  # xs:unsignedShort


@dataclass(frozen=True, slots=True, kw_only=True)
class SpMetadata(RoleMetadata):
    """What one SPSSODescriptor says, endpoints and keys in document order.

    `assertion_consumers` are those with the binding HTTP-POST; exactly one has `is_default`, which is not what its
    attribute says but what the rule of Metadata 2.2.3 makes of all of them. `signing_certificates` may be empty.
    `encryption_certificates` are DER and have RSA keys.
    """

    assertion_consumers: tuple[ConsumerEndpoint, ...]
    encryption_certificates: tuple[bytes, ...]
    authn_requests_signed: bool
    want_assertions_signed: bool


def read_sp_metadata(
    data: bytes,
    entity_id: str | None = None,
    *,
    now: datetime | None = None,
    insecure_http: bool = False,
    signers: Signers | None = None,
) -> SpMetadata:
    """Return the facts of one service provider in a document of at most 4 MiB.

    The root is an EntityDescriptor, or an EntitiesDescriptor in which `entity_id` selects one; without `entity_id`
    there must be one service provider only. `now` (the clock's, when it is left out) is for validUntil and the dates
    of certificates. `insecure_http` allows http endpoints beyond this machine. With `signers`, one of them must have
    signed the document (metadata_signature.py).

    Raises ConfigurationError with Reason.METADATA_INVALID and, where it is known, the line.
    """
    now = now or datetime.now(UTC)
    entity = select_entity(reading.parse_document(data, signers), entity_id, Role.SP)
    role = role_of(entity, Role.SP)
    consumers, consumer_warnings = _consumers(role, insecure_http=insecure_http)
    signing, signing_warnings = reading.certificates(role, "signing", now)
    encryption, encryption_warnings = reading.certificates(role, "encryption", now)
    signs_requests = bool(reading.boolean(role, "AuthnRequestsSigned"))
    return SpMetadata(
        entity_id=id_of(entity),
        assertion_consumers=consumers,
        single_logout=reading.logout_endpoints(role, insecure_http=insecure_http),
        signing_certificates=signing,
        encryption_certificates=encryption,
        valid_until=reading.valid_until(role, now),
        cache_duration=reading.cache_duration(role),
        name_id_formats=reading.name_id_formats(role),
        authn_requests_signed=signs_requests,
        want_assertions_signed=bool(reading.boolean(role, "WantAssertionsSigned")),
        warnings=(
            *consumer_warnings,
            *signing_warnings,
            *encryption_warnings,
            *_without_signing_key(role, signing, signs_requests=signs_requests),
        ),
    )


def _without_signing_key(role: _Element, signing: tuple[bytes, ...], *, signs_requests: bool) -> list[str]:
    if signing:
        return []
    if signs_requests:
        raise invalid(
            "the service provider says that it signs its requests, and its signatures cannot be checked",
            role,
            expected=f"1 to {MAX_CERTIFICATES} certificates in KeyDescriptors with the use signing or none",
            got="0",
        )
    return ["the service provider has no signing key: it is told of logouts, and what it sends itself is refused"]


def _consumers(role: _Element, *, insecure_http: bool) -> tuple[tuple[ConsumerEndpoint, ...], list[str]]:
    found: list[ConsumerEndpoint] = []
    wishes: list[bool | None] = []
    warnings = []
    for element in role.iterchildren(md("AssertionConsumerService")):
        if element.get("Binding", "") != Binding.POST:
            continue  # artifacts, ECP, SAML 1.1: we answer by HTTP-POST only
        index = _index(element)
        if any(consumer.index == index for consumer in found):
            warnings.append(
                f"the AssertionConsumerService in line {element.sourceline} has the index {index} of an earlier one, "
                "which is meant where a request names that index"
            )
        found.append(ConsumerEndpoint(location=reading.location_of(element, insecure_http=insecure_http), index=index))
        wishes.append(reading.boolean(element, "isDefault"))
    if not found:
        raise invalid(
            "nobody can be signed in to this service provider",
            role,
            expected="an AssertionConsumerService with the binding HTTP-POST",
            got="none",
        )
    default = _default(wishes)
    return tuple(
        ConsumerEndpoint(location=consumer.location, index=consumer.index, is_default=number == default)
        for number, consumer in enumerate(found)
    ), warnings


def _default(wishes: list[bool | None]) -> int:
    """Return the place of the default: the first that says so, else the first that does not deny it, else the first."""
    for wish in (True, None):
        if wish in wishes:
            return wishes.index(wish)
    return 0


def _index(element: _Element) -> int:
    text = element.get("index", "").strip()
    if not _INDEX.fullmatch(text) or int(text) > _MAX_INDEX:
        raise invalid(
            "an AssertionConsumerService has no index that can be used",
            element,
            expected=f"a number from 0 to {_MAX_INDEX}",
            got=shown(text),
            next_step='Requests choose by it; where there is one only, write index="0".',
        )
    return int(text)
