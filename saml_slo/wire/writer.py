"""Message → XML, signed where asked. What is written is canonical from the start (canonical.py).

Element and attribute choices that peers depend on: no RelayState or qualifier is ever written empty where it was
absent; NameID goes out byte-exact; every logout message has a Destination (SimpleSAMLphp, AD FS); Signature follows
Issuer.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from saml_slo.protocol.messages import AuthnRequest, LogoutRequest, LogoutResponse
from saml_slo.protocol.names import (
    DS,
    ENVELOPED_SIGNATURE,
    EXCLUSIVE_C14N,
    DigestAlgorithm,
    SignatureAlgorithm,
)
from saml_slo.wire.canonical import Element, canonical, escaped_attribute
from saml_slo.wire.elements import common_attributes, instant_attribute, issuer_element, name_id_element, status_element
from saml_slo.wire.keys import SigningKey

_DIGESTS = {
    "SHA1": (DigestAlgorithm.SHA1, hashlib.sha1),  # reachable only through insecure_sha1
    "SHA256": (DigestAlgorithm.SHA256, hashlib.sha256),
    "SHA384": (DigestAlgorithm.SHA384, hashlib.sha384),
    "SHA512": (DigestAlgorithm.SHA512, hashlib.sha512),
}
_DIGEST_OF: dict[SignatureAlgorithm, tuple[DigestAlgorithm, Callable[[bytes], hashlib._Hash]]] = {
    algorithm: _DIGESTS[algorithm.name.rpartition("_")[2]] for algorithm in SignatureAlgorithm
}
_END_OF_ISSUER = "</saml:Issuer>"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready for a binding: the form or query parameter that carries it, and its element, unsigned.

    `sign` False: the binding leaves it as it is, because the assertion inside is signed (Profiles 4.1.3.5).
    """

    parameter: str
    element: Element
    sign: bool = True


def write(message: AuthnRequest | LogoutRequest | LogoutResponse) -> Outgoing:
    """Return the element of a message and the parameter that carries it."""
    if isinstance(message, AuthnRequest):
        return Outgoing("SAMLRequest", _authn_request(message))
    if isinstance(message, LogoutRequest):
        return Outgoing("SAMLRequest", _logout_request(message))
    return Outgoing("SAMLResponse", _logout_response(message))


def to_xml(element: Element) -> str:
    """Return an element as text, unsigned."""
    return canonical(element)


def to_signed_xml(element: Element, key: SigningKey, wanted: SignatureAlgorithm) -> str:
    """Return an element as text with an enveloped signature after its Issuer (Core 5.4).

    The digest uses the hash of the signature algorithm. The certificate goes along for the operators who read
    messages; verifiers take keys from metadata.
    """
    unsigned = canonical(element)
    signature = signature_over(unsigned.encode(), element.attributes["ID"] or "", key, wanted)
    # No attribute and no text can hold this end tag, because `<` is escaped there; the first one is the message's own.
    before, end_of_issuer, after = unsigned.partition(_END_OF_ISSUER)
    return f"{before}{end_of_issuer}{signature}{after}"


def signature_over(octets: bytes, identifier: str, key: SigningKey, wanted: SignatureAlgorithm) -> str:
    """Return the ds:Signature over an element: its exclusive canonical form, and its ID."""
    algorithm = key.algorithm(wanted)
    digest_uri, digest = _DIGEST_OF[algorithm]
    digest_value = _base64(digest(octets).digest())
    signed_info = _signed_info(identifier, algorithm, digest_uri, digest_value)
    # It is signed as if it stood alone, declaring its namespace; in its place the parent does that.
    alone = signed_info.replace("<ds:SignedInfo>", f'<ds:SignedInfo xmlns:ds="{DS}">', 1)
    value = _base64(key.sign(algorithm, alone.encode(), plain_pair=True))
    return (
        f'<ds:Signature xmlns:ds="{DS}">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>'
        f"{_key_info(key.certificate)}</ds:Signature>"
    )


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@lru_cache(maxsize=16)
def _key_info(certificate: bytes) -> str:
    return (
        f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{_base64(certificate)}</ds:X509Certificate>"
        "</ds:X509Data></ds:KeyInfo>"
    )


def _signed_info(identifier: str, algorithm: SignatureAlgorithm, digest: DigestAlgorithm, value: str) -> str:
    return (
        "<ds:SignedInfo>"
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{algorithm}"></ds:SignatureMethod>'
        f'<ds:Reference URI="#{escaped_attribute(identifier)}"><ds:Transforms>'
        f'<ds:Transform Algorithm="{ENVELOPED_SIGNATURE}"></ds:Transform>'
        f'<ds:Transform Algorithm="{EXCLUSIVE_C14N}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{digest}"></ds:DigestMethod><ds:DigestValue>{value}</ds:DigestValue>'
        "</ds:Reference></ds:SignedInfo>"
    )


def _authn_request(message: AuthnRequest) -> Element:
    policy: dict[str, str | None] = {
        "Format": message.name_id_format,
        "SPNameQualifier": message.sp_name_qualifier,
        "AllowCreate": None if message.allow_create is None else str(message.allow_create).lower(),
    }
    index = message.assertion_consumer_service_index
    return Element(
        "samlp:AuthnRequest",
        common_attributes(
            message,
            AssertionConsumerServiceURL=message.assertion_consumer_service_url,
            AssertionConsumerServiceIndex=None if index is None else str(index),
            ProtocolBinding=message.protocol_binding,
            ForceAuthn="true" if message.force_authn else None,
            IsPassive="true" if message.is_passive else None,
        ),
        (
            issuer_element(message.issuer),
            Element("samlp:NameIDPolicy", policy) if any(value is not None for value in policy.values()) else None,
            _requested_authn_context(message),
            Element("samlp:Scoping", {"ProxyCount": "0"}) if message.no_proxy else None,
        ),
    )


def _requested_authn_context(message: AuthnRequest) -> Element | None:
    classes = (Element("saml:AuthnContextClassRef", {}, ref) for ref in message.authn_context_class_refs)
    declarations = (Element("saml:AuthnContextDeclRef", {}, ref) for ref in message.authn_context_decl_refs)
    references = (*classes, *declarations)
    if not references:
        return None
    return Element("samlp:RequestedAuthnContext", {"Comparison": message.authn_context_comparison}, references)


def _logout_request(message: LogoutRequest) -> Element:
    return Element(
        "samlp:LogoutRequest",
        common_attributes(message, NotOnOrAfter=instant_attribute(message.not_on_or_after), Reason=message.reason),
        (
            issuer_element(message.issuer),
            Element("samlp:Extensions", {}, (Element("aslo:Asynchronous"),)) if message.asynchronous else None,
            name_id_element(message.name_id),
            *(Element("samlp:SessionIndex", {}, index) for index in message.session_indexes),
        ),
    )


def _logout_response(message: LogoutResponse) -> Element:
    return Element(
        "samlp:LogoutResponse",
        common_attributes(message, InResponseTo=message.in_response_to),
        (issuer_element(message.issuer), status_element(message.status)),
    )
