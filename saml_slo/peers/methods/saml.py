"""SAML: a signed LogoutRequest by Redirect, POST or SOAP, and the LogoutResponse that comes back."""

from __future__ import annotations

from datetime import datetime

import structlog

from saml_slo.errors import MessageRefused
from saml_slo.logout.events import Happening, PeerAnswered
from saml_slo.logout.messages import logout_request, meaning_of
from saml_slo.logout.transaction import Request, Target
from saml_slo.peers.methods.call import Call
from saml_slo.protocol.envelope import HttpOut, SoapBody
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Peer
from saml_slo.wire import bindings, checks, writer
from saml_slo.wire.bindings import soap
from saml_slo.wire.keys import SigningKey

_log = structlog.get_logger("saml_slo.logout")
_HEADERS = {"SOAPAction": '"http://www.oasis-open.org/committees/security"'}  # Bindings 3.2.3.1


def message(target: Target, request: Request, peer: Peer, reason: str, now: datetime, key: SigningKey) -> HttpOut:  # noqa: PLR0917 - what a message is made of
    """Return the signed LogoutRequest of a target."""
    binding = request.binding or Binding.REDIRECT
    xml = writer.write(logout_request(target.id, request, peer, now, reason))
    # The RelayState is our opaque handle: the message's own ID. It is never followed when it comes back.
    relay_state = None if binding is Binding.SOAP else target.id
    return bindings.encode(binding, xml, request.location, relay_state, key, peer)


def call(target: Target, request: Request, peer: Peer, reason: str, now: datetime, key: SigningKey) -> Call | None:  # noqa: PLR0917 - what a message is made of
    """Return the LogoutRequest as a call by SOAP; None where it is to go through a browser."""
    out = message(target, request, peer, reason, now, key)
    if not isinstance(out, SoapBody):
        return None
    return Call(url=request.location, body=out.xml.encode(), content_type="text/xml; charset=utf-8", headers=_HEADERS)


def meaning(target: Target, peer: Peer, status: int, content_type: str, body: bytes, now: datetime) -> PeerAnswered:  # noqa: PLR0917 - what an answer is made of
    """Return what a SOAP answer means; whatever is not a verified answer to this very message is none."""
    try:
        received = soap.decode_answer(body, content_type)
        verified = checks.verify_logout_response(received, peer, now)
    except MessageRefused as refused:
        _log.warning(
            "answer_refused",
            peer=peer.name,
            reason=refused.reason,
            message=refused.message,
            got=refused.got[:300],
            http_status=status,
        )
        http = "" if status == 200 else f", HTTP status {status}"  # noqa: PLR2004 - as everybody knows it
        sentence = f"It gave an answer that cannot be used ({refused.reason}{http})."
        return PeerAnswered(target.id, Happening.DEADLINE, sentence)
    if verified.message.in_response_to != target.id:
        return PeerAnswered(target.id, Happening.DEADLINE, "It answered another message than ours.")
    return meaning_of(verified.message, signed=verified.signed)
