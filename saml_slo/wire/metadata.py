"""An identity provider's metadata: bytes in, the facts we use out (SAML V2.0 Metadata 2.4.3).

The document's own signature is not verified here: a file that an operator has put under metadata/ is trusted because
of who put it there. Metadata that comes over the network needs more than this module gives.

Read from the one IDPSSODescriptor of the one entity only, so that a key or endpoint of another role or another entity
never counts. The order of elements is not enforced: real files break the schema there (samlify's among them). Identity,
keys, endpoints and validity decide trust; each of them must be understood, or the document is refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml.etree import _Element

from saml_slo.errors import ConfigurationError, MessageRefused, Reason
from saml_slo.protocol.names import DS, Binding
from saml_slo.protocol.peer import Endpoint
from saml_slo.wire import instants, xml
from saml_slo.wire.certificates import CertificateRefusedError, read_certificate
from saml_slo.wire.metadata_entity import id_of, idp_role, invalid, md, select_entity, shown
from saml_slo.wire.url import UrlRefusedError, parse_endpoint

MAX_METADATA_BYTES = 4 * 1024 * 1024
_MAX_SIGNING_CERTIFICATES = 16  # each one may be tried on a message that anybody can send

_DURATION = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,9})Y)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})(?:\.[0-9]+)?S)?)?"
)
_DURATION_SECONDS = (365 * 86400, 30 * 86400, 86400, 3600, 60, 1)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_CERTIFICATES = "/".join(f"{{{DS}}}{name}" for name in ("KeyInfo", "X509Data", "X509Certificate"))
_LINE = re.compile(r"\bline ([0-9]+), column")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdpMetadata:
    """What one IDPSSODescriptor says, endpoints and keys in document order.

    `single_sign_on` holds Redirect and POST endpoints, `single_logout` SOAP ones as well; other bindings are left out.
    `signing_certificates` are DER. `valid_until` is the earliest of the role, the entity and everything around them,
    `cache_duration` the shortest, in seconds. `warnings` are sentences about what works and deserves a look.
    """

    entity_id: str
    single_sign_on: tuple[Endpoint, ...]
    single_logout: tuple[Endpoint, ...]
    signing_certificates: tuple[bytes, ...]
    valid_until: datetime | None
    cache_duration: int | None
    name_id_formats: tuple[str, ...]
    want_authn_requests_signed: bool
    warnings: tuple[str, ...]


def read_idp_metadata(
    data: bytes, entity_id: str | None = None, *, now: datetime | None = None, insecure_http: bool = False
) -> IdpMetadata:
    """Return the facts of one identity provider in a document of at most 4 MiB.

    The root is an EntityDescriptor, or an EntitiesDescriptor in which `entity_id` selects one; without `entity_id`
    there must be one identity provider only. `now` (the clock's, when it is left out) is for validUntil and the dates
    of certificates. `insecure_http` allows http endpoints beyond this machine.

    Raises ConfigurationError with Reason.METADATA_INVALID and, where it is known, the line.
    """
    now = now or datetime.now(UTC)
    entity = select_entity(_parse(data), entity_id)
    role = idp_role(entity)
    certificates, warnings = _signing_certificates(role, now)
    return IdpMetadata(
        entity_id=id_of(entity),
        single_sign_on=_sign_on_endpoints(role, insecure_http=insecure_http),
        single_logout=tuple(_endpoints(role, "SingleLogoutService", tuple(Binding), insecure_http=insecure_http)),
        signing_certificates=certificates,
        valid_until=_valid_until(role, now),
        cache_duration=_cache_duration(role),
        name_id_formats=tuple("".join(element.itertext()).strip() for element in role.iterchildren(md("NameIDFormat"))),
        want_authn_requests_signed=_wants_signed_requests(role),
        warnings=warnings,
    )


def _parse(data: bytes) -> _Element:
    try:
        return xml.parse_metadata(data, MAX_METADATA_BYTES)
    except MessageRefused as error:
        line = _LINE.search(error.got)
        raise ConfigurationError(
            f"the metadata cannot be read: {error.message}",
            reason=Reason.METADATA_INVALID,
            line=int(line[1]) if line else None,
            expected=error.expected,
            got=error.got,
            next_step="Download the file again from the identity provider and save it unchanged.",
        ) from None


def _sign_on_endpoints(role: _Element, *, insecure_http: bool) -> tuple[Endpoint, ...]:
    # SOAP at a SingleSignOnService means ECP, which is another profile and not for browsers.
    bindings = (Binding.REDIRECT, Binding.POST)
    endpoints = tuple(_endpoints(role, "SingleSignOnService", bindings, insecure_http=insecure_http))
    if not endpoints:
        raise invalid(
            "nobody can sign in through this identity provider",
            role,
            expected="a SingleSignOnService with the binding HTTP-Redirect or HTTP-POST",
            got="none",
        )
    return endpoints


def _endpoints(role: _Element, name: str, bindings: tuple[Binding, ...], *, insecure_http: bool) -> Iterator[Endpoint]:
    for element in role.iterchildren(md(name)):
        binding = element.get("Binding", "")
        if binding in bindings:
            location, response_location = element.get("Location", ""), element.get("ResponseLocation")
            _check_location(element, location, insecure_http=insecure_http)
            if response_location is not None:
                _check_location(element, response_location, insecure_http=insecure_http)
            yield Endpoint(binding=Binding(binding), location=location, response_location=response_location)


def _check_location(element: _Element, location: str, *, insecure_http: bool) -> None:
    try:
        parse_endpoint(location, insecure_http=insecure_http)
    except UrlRefusedError as error:
        plain = not insecure_http and location.lower().startswith("http:")
        raise invalid(
            f"the URL of an endpoint cannot be used: {error}",
            element,
            expected="an absolute https URL without user name and fragment",
            got=shown(location),
            next_step="The key insecure_http = true allows http beyond this machine." if plain else "",
        ) from None


def _signing_certificates(role: _Element, now: datetime) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    found: dict[bytes, tuple[str, ...]] = {}
    warnings = []
    for descriptor in _signing_keys(role):
        elements = descriptor.findall(_CERTIFICATES)
        if not elements:
            warnings.append(f"the signing key in line {descriptor.sourceline} has no certificate and is not used")
        for element in elements:
            try:
                certificate = read_certificate("".join(element.itertext()), now)
            except CertificateRefusedError as error:
                raise invalid(str(error), element, expected=error.expected, got=error.got) from None
            found[certificate.der] = certificate.warnings
    if not 1 <= len(found) <= _MAX_SIGNING_CERTIFICATES:
        raise invalid(
            "the identity provider's signatures cannot be checked",
            role,
            expected=f"1 to {_MAX_SIGNING_CERTIFICATES} certificates in KeyDescriptors with the use signing or none",
            got=str(len(found)),
        )
    warnings.extend(warning for certificate_warnings in found.values() for warning in certificate_warnings)
    return tuple(found), tuple(warnings)


def _signing_keys(role: _Element) -> Iterator[_Element]:
    for descriptor in role.iterchildren(md("KeyDescriptor")):
        use = descriptor.get("use")
        if use not in (None, "signing", "encryption"):
            raise invalid("a key has an unknown use", descriptor, expected="signing or encryption", got=shown(use))
        # Without `use` a key is for both (Metadata 2.4.1.1); not to count it turned checks off (CVE-2026-16443).
        if use != "encryption":
            yield descriptor


def _valid_until(role: _Element, now: datetime) -> datetime | None:
    earliest = None
    for element, text in _inherited(role, "validUntil"):
        try:
            end = instants.parse(text)
        except MessageRefused as error:
            raise invalid("validUntil is not a time", element, expected=error.expected, got=error.got) from None
        if end <= now:
            raise invalid(
                "the metadata has expired",
                element,
                expected=f"validUntil after {instants.render(now)}",
                got=shown(text),
                next_step="Download a fresh copy from the identity provider.",
            )
        earliest = min(end, earliest or end)
    return earliest


def _cache_duration(role: _Element) -> int | None:
    shortest = None
    for element, text in _inherited(role, "cacheDuration"):
        match = _DURATION.fullmatch(text)
        if match is None:
            raise invalid("cacheDuration is not a duration", element, expected="such as PT6H or P1D", got=shown(text))
        counts = (int(count or 0) for count in match.groups())
        seconds = sum(count * unit for count, unit in zip(counts, _DURATION_SECONDS, strict=True))
        shortest = seconds if shortest is None else min(seconds, shortest)
    return shortest


def _inherited(role: _Element, attribute: str) -> Iterator[tuple[_Element, str]]:
    """Yield the attribute wherever the role has it from: itself, its entity, every EntitiesDescriptor around."""
    for element in (role, *role.iterancestors()):
        text = element.get(attribute)
        if text is not None:
            yield element, text.strip()


def _wants_signed_requests(role: _Element) -> bool:
    text = role.get("WantAuthnRequestsSigned", "false").strip()
    if text not in _BOOLEANS:
        raise invalid("WantAuthnRequestsSigned is not a boolean", role, expected="true or false", got=shown(text))
    return _BOOLEANS[text]
