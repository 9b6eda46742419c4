"""SOAP (Bindings 3.2): the message is the one child of the Body, signed inside the XML, answered in the response.

Headers are not looked at: whatever stands there is not what was asked (security B035).
"""

from __future__ import annotations

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.envelope import HttpIn, SoapBody
from saml_slo.protocol.names import SOAP_ENVELOPE, Binding, SignatureAlgorithm
from saml_slo.wire.bindings.received import REQUEST, RESPONSE, Received
from saml_slo.wire.keys import SigningKey
from saml_slo.wire.writer import Outgoing, to_signed_xml
from saml_slo.wire.xml import parse_message

MEDIA_TYPE = "text/xml"


def decode(request: HttpIn) -> Received:
    """Return the message in a SOAP request, parsed and unverified."""
    envelope = parse_message(request.body)
    bodies = [child for child in envelope if child.tag == f"{{{SOAP_ENVELOPE}}}Body"]
    if envelope.tag != f"{{{SOAP_ENVELOPE}}}Envelope" or len(bodies) != 1 or len(bodies[0]) != 1:
        raise MessageRefused(
            Reason.UNEXPECTED_MESSAGE_TYPE,
            "not a SOAP 1.1 envelope with one message in its Body",
            expected="Envelope/Body/message",
            got=str(envelope.tag)[:100],
        )
    root = bodies[0][0]
    return Received(
        root=root,
        parameter=REQUEST if str(root.tag).endswith("Request") else RESPONSE,
        binding=Binding.SOAP,
        endpoint=request.endpoint,
    )


def encode(
    message: Outgoing, location: str, relay_state: str | None, key: SigningKey, wanted: SignatureAlgorithm
) -> SoapBody:
    """Return an envelope with the signed message; SOAP has no RelayState, and the connection is the location."""
    del location, relay_state
    body = to_signed_xml(message.element, key, wanted)
    return SoapBody(f'<soap:Envelope xmlns:soap="{SOAP_ENVELOPE}"><soap:Body>{body}</soap:Body></soap:Envelope>')
