"""SOAP (Bindings 3.2): the message is the one child of the Body, signed inside the XML, answered in the response.

Headers are not looked at: whatever stands there is not what was asked (security B035). A peer asks us (`decode`,
`encode`) or is asked by us (`encode`, `decode_answer`).
"""

from __future__ import annotations

import re

from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.envelope import HttpIn, SoapBody
from saml_slo.protocol.names import SOAP_ENVELOPE, Binding, SignatureAlgorithm
from saml_slo.wire.bindings.received import REQUEST, RESPONSE, Received, split_parameters
from saml_slo.wire.keys import SigningKey
from saml_slo.wire.reader import child_of, children_of
from saml_slo.wire.writer import Outgoing, to_signed_xml
from saml_slo.wire.xml import parse_message

MEDIA_TYPE = "text/xml"
_OTHER_CHARSET = re.compile(r"""\bcharset\s*=\s*(?!"?utf-8"?\s*(?:;|$))""", re.IGNORECASE)
# SOAP 1.1 says text/xml; what answers a POST of ours is not chosen by its type, so the others that mean XML do no harm.
_ANSWER_TYPES = frozenset({MEDIA_TYPE, "application/xml", "application/soap+xml"})


def decode(request: HttpIn) -> Received:
    """Return the message in a SOAP request, parsed and unverified."""
    if _OTHER_CHARSET.search(request.content_type):
        raise MessageRefused(Reason.BINDING_MISMATCH, "not UTF-8", expected="utf-8", got=request.content_type[:80])
    if split_parameters(request.query):
        raise MessageRefused(Reason.BINDING_AMBIGUOUS, "SAML parameters came in the URL of a SOAP request")
    root = _message(request.body)
    return _received(root, request.endpoint)


def encode(
    message: Outgoing, location: str, relay_state: str | None, key: SigningKey, wanted: SignatureAlgorithm
) -> SoapBody:
    """Return an envelope with the signed message; SOAP has no RelayState, and the connection is the location."""
    del location, relay_state
    body = to_signed_xml(message.element, key, wanted)
    return SoapBody(f'<soap:Envelope xmlns:soap="{SOAP_ENVELOPE}"><soap:Body>{body}</soap:Body></soap:Envelope>')


def decode_answer(body: bytes, content_type: str) -> Received:
    """Return the message in the HTTP response to a request of ours, parsed and unverified; a Fault is refused.

    `content_type` is the header as it came, empty where there was none; the HTTP status is not asked for.
    """
    if content_type.partition(";")[0].strip().lower() not in _ANSWER_TYPES:
        raise MessageRefused(
            Reason.BINDING_MISMATCH, "the answer is no SOAP", expected=MEDIA_TYPE, got=repr(content_type)[:80]
        )
    root = _message(body)
    if root.tag == _soap("Fault"):
        raise MessageRefused(
            Reason.STATUS_NOT_SUCCESS,
            "the peer answered with a SOAP fault",
            expected="a LogoutResponse",
            got=f"{_text(root, 'faultcode')!r:.100} {_text(root, 'faultstring')!r:.200}",
        )
    return _received(root, "")


def _soap(name: str) -> str:
    return f"{{{SOAP_ENVELOPE}}}{name}"


def _message(body: bytes) -> _Element:
    """Return the one child of the Body. It stays in the envelope, whose namespace declarations it may use (lasso)."""
    envelope = parse_message(body)
    bodies = children_of(envelope, _soap("Body"))
    if envelope.tag != _soap("Envelope") or len(bodies) != 1 or len(bodies[0]) != 1:
        raise MessageRefused(
            Reason.UNEXPECTED_MESSAGE_TYPE,
            "not a SOAP 1.1 envelope with one message in its Body",
            expected="Envelope/Body/message",
            got=str(envelope.tag)[:100],
        )
    return bodies[0][0]


def _received(root: _Element, endpoint: str) -> Received:
    parameter = REQUEST if str(root.tag).endswith("Request") else RESPONSE
    return Received(root=root, parameter=parameter, binding=Binding.SOAP, endpoint=endpoint)


def _text(fault: _Element, name: str) -> str:
    child = child_of(fault, name)
    return "" if child is None else child.text or ""
