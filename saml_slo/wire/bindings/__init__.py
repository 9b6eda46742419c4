"""Bindings: one codec per file (Bindings 3.4 Redirect, 3.5 POST).

Bytes in, `Received` out; a message in, `HttpOut` out.
A codec decodes and parses, it trusts nothing: what it returns still has to pass wire/checks.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import Binding
from saml_slo.wire.bindings import post, redirect

if TYPE_CHECKING:
    from saml_slo.protocol.envelope import HttpIn, HttpOut
    from saml_slo.protocol.peer import Connection
    from saml_slo.wire.bindings.received import Received
    from saml_slo.wire.keys import SigningKey
    from saml_slo.wire.writer import Outgoing

_BY_METHOD = {"GET": redirect, "POST": post}
_BY_BINDING = {Binding.REDIRECT: redirect, Binding.POST: post}


def decode(request: HttpIn) -> Received:
    """Return the message in a request; the method tells the binding (GET Redirect, POST POST)."""
    codec = _BY_METHOD.get(request.method)
    if codec is None:
        raise MessageRefused(
            Reason.BINDING_MISMATCH, "no binding uses this method", expected="GET or POST", got=request.method[:20]
        )
    return codec.decode(request)


def encode(
    binding: Binding, message: Outgoing, location: str, relay_state: str | None, key: SigningKey, peer: Connection
) -> HttpOut:
    """Return a signed message to `location`, ready to send through the browser."""
    return _BY_BINDING[binding].encode(message, location, relay_state, key, peer.signature_algorithm)
