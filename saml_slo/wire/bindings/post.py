"""HTTP-POST (Bindings 3.5): base64 in a form field, the signature inside the XML."""

from __future__ import annotations

import base64
import zlib

from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.envelope import HttpIn, PostForm
from saml_slo.protocol.names import Binding, SignatureAlgorithm
from saml_slo.wire.bindings.received import (
    Received,
    decode_base64,
    decode_relay_state,
    percent_decoded,
    split_parameters,
    the_message,
)
from saml_slo.wire.keys import SigningKey
from saml_slo.wire.writer import Outgoing, to_signed_xml, to_xml
from saml_slo.wire.xml import MAX_MESSAGE_BYTES, parse_message

FORM = "application/x-www-form-urlencoded"
# Base64 takes 4 octets for 3, and a browser may percent-encode `+`, `/`, `=` and line breaks to three octets each.
MAX_BODY_BYTES = 2 * MAX_MESSAGE_BYTES


def decode(request: HttpIn) -> Received:
    """Return the message of a POST request, parsed and unverified."""
    media_type, _, parameters_of_type = request.content_type.partition(";")
    charset = parameters_of_type.strip().lower()
    if media_type.strip().lower() != FORM or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise MessageRefused(
            Reason.BINDING_MISMATCH, "not a form", expected=f"{FORM} in UTF-8", got=request.content_type[:80]
        )
    if len(request.body) > MAX_BODY_BYTES:
        raise MessageRefused(
            Reason.MESSAGE_TOO_LARGE, "the form is too large", expected=f"at most {MAX_BODY_BYTES} octets"
        )
    if split_parameters(request.query):
        raise MessageRefused(Reason.BINDING_AMBIGUOUS, "SAML parameters came in the URL of a POST")
    parameters = split_parameters(request.body)
    name, raw = the_message(parameters)
    return Received(
        root=_parse(decode_base64(percent_decoded(raw))),
        parameter=name,
        binding=Binding.POST,
        endpoint=request.endpoint,
        relay_state=decode_relay_state(parameters),
    )


def _parse(data: bytes) -> _Element:
    try:
        return parse_message(data)
    except MessageRefused as refused:
        if refused.reason is Reason.XML_MALFORMED and _looks_deflated(data):
            raise MessageRefused(
                Reason.DECODE_ERROR, "the message is compressed, which only the Redirect binding does"
            ) from refused
        raise


def _looks_deflated(data: bytes) -> bool:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, 16).lstrip().startswith(b"<")
    except zlib.error:
        return False


def encode(
    message: Outgoing, location: str, relay_state: str | None, key: SigningKey, wanted: SignatureAlgorithm
) -> PostForm:
    """Return an auto-submitting form that carries the message, signed unless what is in it is (`Outgoing.sign`)."""
    xml = to_signed_xml(message.element, key, wanted) if message.sign else to_xml(message.element)
    fields = {message.parameter: base64.b64encode(xml.encode()).decode()}
    if relay_state is not None:
        fields["RelayState"] = relay_state
    return PostForm(location, fields)
