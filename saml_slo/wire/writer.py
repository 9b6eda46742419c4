"""Message → XML, signed where asked. What is written is canonical from the start (canonical.py).

Element and attribute choices that peers depend on: no RelayState or qualifier is ever written empty where it was absent;
NameID goes out byte-exact; every logout message has a Destination (SimpleSAMLphp, AD FS); Signature follows Issuer.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from saml_slo.protocol.messages import AuthnRequest, LogoutRequest, LogoutResponse, Message, NameId
from saml_slo.protocol.names import (
    ENVELOPED_SIGNATURE,
    EXCLUSIVE_C14N,
    VERSION,
    DigestAlgorithm,
    SignatureAlgorithm,
)
from saml_slo.wire import instants
from saml_slo.wire.canonical import Element, canonical

if TYPE_CHECKING:
    from saml_slo.protocol.status import Status
    from saml_slo.wire.keys import SigningKey

_DIGEST_OF = {
    "SHA256": (DigestAlgorithm.SHA256, hashlib.sha256),
    "SHA384": (DigestAlgorithm.SHA384, hashlib.sha384),
    "SHA512": (DigestAlgorithm.SHA512, hashlib.sha512),
}


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
    digest_uri, digest = _DIGEST_OF[algorithm.name.rpartition("_")[2]]
    digest_value = base64.b64encode(digest(canonical(element).encode()).digest()).decode()
    signed_info = _signed_info(f"#{element.attributes['ID']}", algorithm, digest_uri, digest_value)
    value = key.sign(algorithm, canonical(signed_info).encode(), plain_pair=True)
    signature = Element(
        "ds:Signature",
        {},
        (
            signed_info,
            Element("ds:SignatureValue", {}, base64.b64encode(value).decode()),
            Element(
                "ds:KeyInfo",
                {},
                (Element("ds:X509Data", {}, (Element("ds:X509Certificate", {}, _certificate(key)),)),),
            ),
        ),
    )
    issuer, *rest = element.content
    return canonical(replace(element, content=(issuer, signature, *rest)))  # type: ignore[arg-type]


def _certificate(key: SigningKey) -> str:
    return base64.b64encode(key.certificate).decode()


def _signed_info(uri: str, algorithm: SignatureAlgorithm, digest: DigestAlgorithm, value: str) -> Element:
    return Element(
        "ds:SignedInfo",
        {},
        (
            Element("ds:CanonicalizationMethod", {"Algorithm": EXCLUSIVE_C14N}),
            Element("ds:SignatureMethod", {"Algorithm": algorithm}),
            Element(
                "ds:Reference",
                {"URI": uri},
                (
                    Element(
                        "ds:Transforms",
                        {},
                        (
                            Element("ds:Transform", {"Algorithm": ENVELOPED_SIGNATURE}),
                            Element("ds:Transform", {"Algorithm": EXCLUSIVE_C14N}),
                        ),
                    ),
                    Element("ds:DigestMethod", {"Algorithm": digest}),
                    Element("ds:DigestValue", {}, value),
                ),
            ),
        ),
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
            Element("samlp:NameIDPolicy", policy) if any(policy.values()) else None,
            Element(
                "samlp:RequestedAuthnContext",
                {"Comparison": "exact"},
                tuple(Element("saml:AuthnContextClassRef", {}, ref) for ref in message.authn_context_class_refs),
            )
            if message.authn_context_class_refs
            else None,
        ),
    )


def _logout_request(message: LogoutRequest) -> Element:
    expiry = message.not_on_or_after
    return Element(
        "samlp:LogoutRequest",
        _common(
            message, NotOnOrAfter=None if expiry is None else instants.render(expiry), Reason=message.reason
        ),
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
