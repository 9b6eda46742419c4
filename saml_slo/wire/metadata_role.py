"""What the metadata of both roles has in common: validity, keys, endpoints (SAML V2.0 Metadata 2.2, 2.4.1, 2.4.2).

Read from one role of one entity only, so that a key or endpoint of another role or another entity never counts. The
order of elements is not enforced: real files break the schema there (samlify's among them). Identity, keys, endpoints
and validity decide trust; each of them must be understood, or the document is refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from lxml.etree import _Element

from saml_slo.errors import ConfigurationError, MessageRefused, Reason
from saml_slo.protocol.names import DS, Binding
from saml_slo.protocol.peer import Endpoint
from saml_slo.wire import instants, xml
from saml_slo.wire.certificates import CertificateRefusedError, Use, read_certificate
from saml_slo.wire.metadata_entity import invalid, md, shown
from saml_slo.wire.metadata_signature import Signers, verify_metadata
from saml_slo.wire.url import UrlRefusedError, parse_endpoint

MAX_METADATA_BYTES = 4 * 1024 * 1024
MAX_CERTIFICATES = 16  # each one may be tried on a message that anybody can send

_DURATION = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,9})Y)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})(?:\.[0-9]+)?S)?)?"
)
_DURATION_SECONDS = (365 * 86400, 30 * 86400, 86400, 3600, 60, 1)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_CERTIFICATES = "/".join(f"{{{DS}}}{name}" for name in ("KeyInfo", "X509Data", "X509Certificate"))
_WEB_PAGE = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+)?html\b", re.IGNORECASE | re.DOTALL)
_LINE = re.compile(r"\bline ([0-9]+), column")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleMetadata:
    """What both roles say, endpoints and keys in document order.

    `single_logout` holds Redirect, POST and SOAP endpoints; other bindings are left out. Certificates are DER.
    `valid_until` is the earliest of the role, the entity and everything around them, `cache_duration` the shortest, in
    seconds. `warnings` are sentences about what works and deserves a look.
    """

    entity_id: str
    single_logout: tuple[Endpoint, ...]
    signing_certificates: tuple[bytes, ...]
    valid_until: datetime | None
    cache_duration: int | None
    name_id_formats: tuple[str, ...]
    warnings: tuple[str, ...]


def parse_document(data: bytes, signers: Signers | None = None, *, limit: int = MAX_METADATA_BYTES) -> _Element:
    """Return the root of a document of at most `limit` bytes, or refuse it as metadata with the line of the mistake.

    With `signers` one of them must have signed it; what is read afterwards is read from the tree that was verified.
    """
    try:
        root = xml.parse_metadata(data, limit)
    except MessageRefused as error:
        if _WEB_PAGE.match(data):
            raise ConfigurationError(
                "the metadata cannot be read: this is a web page",
                reason=Reason.METADATA_INVALID,
                expected="an XML document with an EntityDescriptor",
                next_step="Look on it for a link to the metadata (federation metadata, IdP metadata), and take that.",
            ) from None
        line = _LINE.search(error.got)
        raise ConfigurationError(
            f"the metadata cannot be read: {error.message}",
            reason=Reason.METADATA_INVALID,
            line=int(line[1]) if line else None,
            expected=error.expected,
            got=error.got,
            next_step="Download the file again and save it unchanged.",
        ) from None
    if signers is not None:
        verify_metadata(root, signers)
    return root


def logout_endpoints(role: _Element, *, insecure_http: bool) -> tuple[Endpoint, ...]:
    """Return every SingleLogoutService with a binding that we speak."""
    return tuple(endpoints(role, "SingleLogoutService", tuple(Binding), insecure_http=insecure_http))


def endpoints(role: _Element, name: str, bindings: tuple[Binding, ...], *, insecure_http: bool) -> Iterator[Endpoint]:
    """Yield the endpoints of one service that have one of these bindings; one bad URL refuses the document."""
    for element in role.iterchildren(md(name)):
        binding = element.get("Binding", "")
        if binding in bindings:
            response_location = element.get("ResponseLocation")
            if response_location is not None:
                _check_location(element, response_location, insecure_http=insecure_http)
            location = location_of(element, insecure_http=insecure_http)
            yield Endpoint(binding=Binding(binding), location=location, response_location=response_location)


def location_of(element: _Element, *, insecure_http: bool) -> str:
    """Return the Location of an endpoint, refusing one that could not be sent to safely (security K227, K228)."""
    location = element.get("Location", "")
    _check_location(element, location, insecure_http=insecure_http)
    return location


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


def certificates(role: _Element, use: Use, now: datetime) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Return the certificates for one use, each once, and what is odd about them.

    A KeyDescriptor without `use` is for both (Metadata 2.4.1.1); not to count it turned checks off (CVE-2026-16443).
    What is odd about it is told once, with the signing keys. Encryption keys that are not RSA are told and left out.
    """
    found: dict[bytes, tuple[str, ...]] = {}
    warnings = []
    for descriptor in _keys(role, use):
        tell = use == "signing" or descriptor.get("use") == use
        elements = descriptor.findall(_CERTIFICATES)
        if not elements and tell:
            warnings.append(f"the {use} key in line {descriptor.sourceline} has no certificate and is not used")
        for element in elements:
            try:
                certificate = read_certificate("".join(element.itertext()), now, use=use)
            except CertificateRefusedError as error:
                raise invalid(str(error), element, expected=error.expected, got=error.got) from None
            if use == "signing" or certificate.is_rsa:
                found[certificate.der] = certificate.warnings if tell else ()
            elif tell:
                warnings.append(f"the encryption key in line {element.sourceline} is not RSA and is not used")
    if len(found) > MAX_CERTIFICATES:
        raise invalid(
            f"there are too many {use} keys", role, expected=f"at most {MAX_CERTIFICATES}", got=str(len(found))
        )
    warnings.extend(warning for certificate_warnings in found.values() for warning in certificate_warnings)
    return tuple(found), tuple(warnings)


def _keys(role: _Element, wanted: str) -> Iterator[_Element]:
    for descriptor in role.iterchildren(md("KeyDescriptor")):
        use = descriptor.get("use")
        if use not in (None, "signing", "encryption"):
            raise invalid("a key has an unknown use", descriptor, expected="signing or encryption", got=shown(use))
        if use in (None, wanted):
            yield descriptor


def valid_until(role: _Element, now: datetime) -> datetime | None:
    """Return when the role's metadata ends, None where nothing says so; refuse what has ended."""
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
                next_step="Download a fresh copy from where this one came.",
            )
        earliest = min(end, earliest or end)
    return earliest


def cache_duration(role: _Element) -> int | None:
    """Return after how many seconds the role's metadata should be fetched again, None where nothing says so."""
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


def name_id_formats(role: _Element) -> tuple[str, ...]:
    """Return the formats that the role names, as written."""
    return tuple("".join(element.itertext()).strip() for element in role.iterchildren(md("NameIDFormat")))


def boolean(element: _Element, attribute: str) -> bool | None:
    """Return an XML boolean, None where the attribute is absent."""
    text = element.get(attribute)
    if text is None:
        return None
    if text.strip() not in _BOOLEANS:
        raise invalid(f"{attribute} is not a boolean", element, expected="true or false", got=shown(text))
    return _BOOLEANS[text.strip()]
