"""Bindings: one codec per file (Bindings 3.2 SOAP, 3.4 Redirect, 3.5 POST).

Bytes in, `Received` out; a message in, `HttpOut` out.
A codec decodes and parses, it trusts nothing: what it returns still has to pass wire/checks.py.
"""

from __future__ import annotations

from collections.abc import Callable

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.envelope import HttpIn, HttpOut
from saml_slo.protocol.names import Binding, SignatureAlgorithm
from saml_slo.protocol.peer import Peer
from saml_slo.wire.bindings import post, redirect, soap
from saml_slo.wire.bindings.received import Received
from saml_slo.wire.keys import SigningKey
from saml_slo.wire.writer import Outgoing

_ENCODERS: dict[Binding, Callable[[Outgoing, str, str | None, SigningKey, SignatureAlgorithm], HttpOut]] = {
    Binding.REDIRECT: redirect.encode,
    Binding.POST: post.encode,
    Binding.SOAP: soap.encode,
}


def decode(request: HttpIn) -> Received:
    """Return the message in a request; the method tells the binding: GET Redirect, POST of XML SOAP, POST else POST."""
    if request.method == "GET":
        return redirect.decode(request)
    if request.method == "POST":
        is_xml = request.content_type.partition(";")[0].strip().lower() == soap.MEDIA_TYPE
        return soap.decode(request) if is_xml else post.decode(request)
    raise MessageRefused(
        Reason.BINDING_MISMATCH, "no binding uses this method", expected="GET or POST", got=request.method[:20]
    )


def encode(  # noqa: PLR0917 - six things, in the order in which a message is sent
    binding: Binding, message: Outgoing, location: str, relay_state: str | None, key: SigningKey, peer: Peer
) -> HttpOut:
    """Return a signed message to `location`, ready to send through the browser."""
    return _ENCODERS[binding](message, location, relay_state, key, peer.signature_algorithm)
