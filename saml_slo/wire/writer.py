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

from saml_slo.protocol.messages import AuthnRequest, LogoutRequest, LogoutResponse, Message, NameId
from saml_slo.protocol.names import (
    DS,
    ENVELOPED_SIGNATURE,
    EXCLUSIVE_C14N,
    VERSION,
    DigestAlgorithm,
    SignatureAlgorithm,
)
from saml_slo.protocol.status import Status
from saml_slo.wire import instants
from saml_slo.wire.canonical import Element, canonical, escaped_attribute
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
    """A message ready for a binding: the form or query parameter that carries it, and its element, unsigned."""

    parameter: str
    element: Element


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
    algorithm = key.algorithm(wanted)
    digest_uri, digest = _DIGEST_OF[algorithm]
    unsigned = canonical(element)
    digest_value = _base64(digest(unsigned.encode()).digest())
    signed_info = _signed_info(element.attributes["ID"] or "", algorithm, digest_uri, digest_value)
    # It is signed as if it stood alone, declaring its namespace; in its place the parent does that.
    alone = signed_info.replace("<ds:SignedInfo>", f'<ds:SignedInfo xmlns:ds="{DS}">', 1)
    value = _base64(key.sign(algorithm, alone.encode(), plain_pair=True))
    signature = (
        f'<ds:Signature xmlns:ds="{DS}">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>'
        f"{_key_info(key.certificate)}</ds:Signature>"
    )
    # No attribute and no text can hold this end tag, because `<` is escaped there; the first one is the message's own.
    before, end_of_issuer, after = unsigned.partition(_END_OF_ISSUER)
    return f"{before}{end_of_issuer}{signature}{after}"


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


def _common(message: Message, **more: str | None) -> dict[str, str | None]:
    return {
        "ID": message.id,
        "Version": VERSION,
        "IssueInstant": instants.render(message.issue_instant),
        "Destination": message.destination,
        **more,
    }


def _issuer(message: Message) -> Element:
    return Element("saml:Issuer", {}, message.issuer or "")


def _authn_request(message: AuthnRequest) -> Element:
    policy: dict[str, str | None] = {
        "Format": message.name_id_format,
        "SPNameQualifier": message.sp_name_qualifier,
        "AllowCreate": None if message.allow_create is None else str(message.allow_create).lower(),
    }
    index = message.assertion_consumer_service_index
    return Element(
        "samlp:AuthnRequest",
        _common(
            message,
            AssertionConsumerServiceURL=message.assertion_consumer_service_url,
            AssertionConsumerServiceIndex=None if index is None else str(index),
            ProtocolBinding=message.protocol_binding,
            ForceAuthn="true" if message.force_authn else None,
            IsPassive="true" if message.is_passive else None,
        ),
        (
            _issuer(message),
            Element("samlp:NameIDPolicy", policy) if any(value is not None for value in policy.values()) else None,
            _requested_authn_context(message),
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
    expiry = message.not_on_or_after
    return Element(
        "samlp:LogoutRequest",
        _common(message, NotOnOrAfter=None if expiry is None else instants.render(expiry), Reason=message.reason),
        (
            _issuer(message),
            Element("samlp:Extensions", {}, (Element("aslo:Asynchronous"),)) if message.asynchronous else None,
            _name_id(message.name_id),
            *(Element("samlp:SessionIndex", {}, index) for index in message.session_indexes),
        ),
    )


def _logout_response(message: LogoutResponse) -> Element:
    return Element(
        "samlp:LogoutResponse",
        _common(message, InResponseTo=message.in_response_to),
        (_issuer(message), _status(message.status)),
    )


def _status(status: Status) -> Element:
    code: Element | None = None
    for value in (*reversed(status.nested), status.code):
        code = Element("samlp:StatusCode", {"Value": value}, () if code is None else (code,))
    text = None if status.message is None else Element("samlp:StatusMessage", {}, status.message)
    return Element("samlp:Status", {}, (code, text))


def _name_id(name_id: NameId) -> Element:
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
