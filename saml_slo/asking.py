"""How a peer is asked: the LogoutRequest of a target, through the browser or by the back channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import structlog

from saml_slo.delivery.back_channel import Answer, BackChannel
from saml_slo.delivery.failure import DeliveryFailed
from saml_slo.delivery.fan_out import Job, fan_out
from saml_slo.errors import MessageRefused
from saml_slo.logout.events import Happening, PeerAnswered
from saml_slo.logout.messages import logout_request, meaning_of
from saml_slo.logout.transaction import Kind, Target
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import HttpOut, SoapBody
from saml_slo.protocol.peer import Peer
from saml_slo.wire import bindings, checks, writer
from saml_slo.wire.bindings import soap
from saml_slo.wire.keys import OurKeys

_log = structlog.get_logger("saml_slo.logout")
_SOAP_HEADERS = {"SOAPAction": '"http://www.oasis-open.org/committees/security"'}  # Bindings 3.2.3.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Builds and sends LogoutRequests. `clock` returns aware UTC."""

    registry: Registry
    our_keys: OurKeys
    back_channel: BackChannel
    clock: Callable[[], datetime]

    def peer(self, target: Target) -> Peer | None:
        """Return whom a target is about; None when it was removed from the configuration."""
        if target.kind is Kind.IDP:
            return self.registry.connection(target.peer)
        return self.registry.service_provider(target.peer)

    def by_browser(self, target: Target) -> HttpOut | None:
        """Return the signed LogoutRequest to send through the browser; None when the peer is gone."""
        peer = self.peer(target)
        if peer is None or target.request is None:
            return None
        message = writer.write(logout_request(target.id, target.request, peer, self.clock()))
        # The RelayState is our opaque handle: the message's own ID. It is never followed when it comes back.
        return bindings.encode(
            target.request.binding, message, target.request.location, target.id, self.our_keys.signing, peer
        )

    def by_back_channel(self, targets: Sequence[Target]) -> Iterator[PeerAnswered]:
        """Send a SOAP LogoutRequest to each target, all at once; yield what became of each as it is known."""
        asked: dict[str, tuple[Target, Peer]] = {}
        jobs = []
        for target in targets:
            peer, request = self.peer(target), target.request
            if peer is None or request is None:
                yield PeerAnswered(target.id, Happening.DEADLINE, "It was removed from the configuration.")
                continue
            message = writer.write(logout_request(target.id, request, peer, self.clock()))
            out = bindings.encode(request.binding, message, request.location, None, self.our_keys.signing, peer)
            if isinstance(out, SoapBody):
                asked[target.id] = (target, peer)
                jobs.append(
                    Job(
                        key=target.id,
                        url=request.location,
                        body=out.xml.encode(),
                        content_type="text/xml; charset=utf-8",
                        headers=_SOAP_HEADERS,
                        patience=request.patience / 1000,
                    )
                )
        budget = max((job.patience for job in jobs), default=0.0)
        for outcome in fan_out(self.back_channel, jobs, budget=budget):
            target, peer = asked[outcome.job.key]
            yield self._meaning(target, peer, outcome.result)

    def _meaning(self, target: Target, peer: Peer, result: Answer | DeliveryFailed) -> PeerAnswered:
        """Return what a SOAP answer means; whatever is not a verified answer to this very message is none."""
        if isinstance(result, DeliveryFailed):
            return PeerAnswered(target.id, Happening.DEADLINE, f"{result.sentence}.")
        try:
            received = soap.decode_answer(result.body, result.content_type)
            verified = checks.verify_logout_response(received, peer, self.clock())
        except MessageRefused as refused:
            _log.warning(
                "answer_refused",
                peer=peer.name,
                reason=refused.reason,
                message=refused.message,
                got=refused.got[:300],
                http_status=result.status,
            )
            http = "" if result.status == HTTPStatus.OK else f", HTTP status {result.status}"
            sentence = f"It gave an answer that cannot be used ({refused.reason}{http})."
            return PeerAnswered(target.id, Happening.DEADLINE, sentence)
        if verified.message.in_response_to != target.id:
            return PeerAnswered(target.id, Happening.DEADLINE, "It answered another message than ours.")
        return meaning_of(verified.message, signed=verified.signed)
