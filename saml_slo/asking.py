"""How a peer is asked: the message of a target, through the browser or by the back channel.

What each kind of peer is sent and what its answer means is in peers/methods/; here is which of them, with the clock,
the keys and the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from saml_slo.delivery.back_channel import Answer, BackChannel
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.delivery.fan_out import Job, Outcome, fan_out_together
from saml_slo.logout.events import Happening, PeerAnswered
from saml_slo.logout.transaction import Kind, Request, Requester, Target, Transaction
from saml_slo.peers.methods import oidc, saml, upstream, webhook, wsfed
from saml_slo.peers.methods.call import Call, Reply
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import HttpOut, Redirect
from saml_slo.protocol.method import Method
from saml_slo.protocol.peer import Peer
from saml_slo.protocol.session import Login
from saml_slo.wire.keys import OurKeys
from saml_slo.wire.sealed import Sealer

_log = structlog.get_logger("saml_slo.logout")
_REMOVED = "It was removed from the configuration."
_NOT_EVEN_ASKED = (Why.EGRESS, Why.LOCAL)  # the other failures name the host and what it did
_BROKE = "An error of this program kept us from asking it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Builds and sends what peers are asked. `clock` returns aware UTC, `origin` is our public URL.

    `sealer` opens the tokens of logins, `webhook_secrets` gives what an application's webhooks are signed with.
    `delivered` hears how each call went.
    """

    registry: Registry
    our_keys: Callable[[], OurKeys]
    back_channel: BackChannel
    clock: Callable[[], datetime]
    origin: str
    sealer: Sealer
    webhook_secrets: webhook.Secrets
    delivered: Callable[[Target, Outcome], None]

    def peer(self, one: Target | Requester) -> Peer | None:
        """Return the SAML side of whom a target is about, or of who asked; None when it has none (any more)."""
        if one.kind is Kind.IDP:
            return self.registry.connection(one.peer)
        return self.registry.service_provider(one.peer)

    # Through the browser ---------------------------------------------------------------------------------------------

    def by_browser(self, target: Target, reason: str) -> HttpOut | None:
        """Return what to send through the browser; None when the peer is gone. `reason` is the URI of the logout's."""
        request = target.request
        if request is None:
            return None
        if request.method is Method.SAML:
            peer = self.peer(target)
            if peer is None:
                return None
            return saml.message(target, request, peer, reason, self.clock(), self.our_keys().signing)
        return self._sign_out(target, request) if target.kind is Kind.IDP else self._frame(target, request)

    def _frame(self, target: Target, request: Request) -> HttpOut | None:
        """Return where the frame of an application goes that speaks no SAML."""
        application = self.registry.application(target.peer)
        if application is None:
            return None
        match request.method:
            case Method.OIDC_FRONTCHANNEL:
                return oidc.frame(request, application, self.origin)
            case Method.WSFED:
                return wsfed.frame(request)
            case _:
                return Redirect(request.location)

    def _sign_out(self, target: Target, request: Request) -> HttpOut | None:
        """Return where a provider that speaks no SAML signs a person out."""
        provider = self.registry.upstream(target.peer)
        if provider is None:
            return Redirect(request.location) if self.registry.connection(target.peer) else None
        known = self._known(target, request)
        if upstream.missing(provider, known):
            return None  # its tokens cannot be opened any more, or the configuration changed: no broken redirect
        return Redirect(upstream.sign_out_url(provider, request.location, known))

    def _known(self, target: Target, request: Request) -> dict[str, str]:
        provider = self.registry.upstream(target.peer)
        tokens = {} if request.tokens is None else self.open_tokens(target.peer, request.tokens)
        return tokens | {
            "return_to": f"{self.origin}/logout/return",
            "state": target.id,
            "client_id": "" if provider is None else provider.client_id or "",
            "user": "" if request.name_id is None else request.name_id.value,
            "sid": next(iter(request.session_indexes), ""),
        }

    def open_tokens(self, connection: str, sealed: str) -> dict[str, str]:
        """Return the tokens of a login by name; none when they cannot be opened any more."""
        text = self.sealer.open(sealed, connection)
        names = ("id_token", "access_token")
        return {} if text is None else dict(zip(names, text.split("\n"), strict=False))

    def with_access_token(self, login: Login, access_token: str) -> Login:
        """Return a login whose sealed tokens hold this access token."""
        known = {} if login.tokens is None else self.open_tokens(login.connection, login.tokens)
        text = f"{known.get('id_token', '')}\n{access_token}"
        names = (*(name for name in login.token_names if name != "access_token"), "access_token")
        return replace(login, tokens=self.sealer.seal(text, login.connection), token_names=names)

    # By the back channel ---------------------------------------------------------------------------------------------

    def by_back_channel(self, transaction: Transaction, targets: Sequence[Target]) -> Iterator[list[PeerAnswered]]:
        """Call each of these targets of a logout, all at once; yield what became of each as it is known.

        What comes while the caller is busy is yielded together: a commit of each alone would cost a large logout the
        square of its size (security M244).
        """
        asked: dict[str, Target] = {}
        jobs, unasked = [], []
        for target in targets:
            try:
                call = self._call(transaction, target)
            except Exception:  # noqa: BLE001 - a mistake of ours costs one delivery, never its neighbours
                _log.exception("message_not_built", peer=target.peer, logout=transaction.id)
                unasked.append(PeerAnswered(target.id, Happening.DEADLINE, _BROKE))
                continue
            if call is None or target.request is None:
                unasked.append(PeerAnswered(target.id, Happening.DEADLINE, _REMOVED))
                continue
            asked[target.id] = target
            jobs.append(
                Job(
                    key=target.id,
                    url=call.url,
                    body=call.body,
                    content_type=call.content_type,
                    headers=call.headers,
                    patience=target.request.patience / 1000,
                )
            )
        budget = max((job.patience for job in jobs), default=0.0)
        outcomes = fan_out_together(self.back_channel, jobs, budget=budget)
        if unasked:
            yield unasked
        for came in outcomes:
            for outcome in came:
                self.delivered(asked[outcome.job.key], outcome)
            yield [self._meaning(asked[outcome.job.key], outcome.result) for outcome in came]

    def _call(self, transaction: Transaction, target: Target) -> Call | None:
        request, now, key = target.request, self.clock(), self.our_keys().signing
        if request is None:
            return None
        if request.method is Method.SAML:
            peer = self.peer(target)
            return None if peer is None else saml.call(target, request, peer, transaction.reason, now, key)
        application = self.registry.application(target.peer)
        if application is None:
            return None
        if request.method is Method.WEBHOOK:
            event = webhook.Event(transaction.started_at, transaction.reason)
            return webhook.call(target, request, application, event, now, self.webhook_secrets)
        return oidc.call(target, request, application, self.origin, now, key)

    def _meaning(self, target: Target, result: Answer | DeliveryFailed) -> PeerAnswered:
        if isinstance(result, DeliveryFailed):
            # Of a redirect the query stays out of the log: some put there what they were sent.
            detail = result.detail.partition("?")[0]
            _log.warning("delivery_failed", peer=target.peer, why=result.why, detail=detail, sent=result.sent)
            unsaid = "It could not be asked: " if result.why in _NOT_EVEN_ASKED else ""
            return PeerAnswered(target.id, Happening.DEADLINE, f"{unsaid}{result.sentence}.")
        method = Method.SAML if target.request is None else target.request.method
        if method is not Method.SAML:
            return self._meaning_of_reply(target, method, result)
        peer = self.peer(target)
        if peer is None:
            return PeerAnswered(target.id, Happening.DEADLINE, _REMOVED)
        return saml.meaning(target, peer, result.status, result.content_type, result.body, self.clock())

    def _meaning_of_reply(self, target: Target, method: Method, answer: Answer) -> PeerAnswered:
        reply = Reply(
            status=answer.status,
            content_type=answer.content_type,
            body=answer.body,
            headers=answer.headers,
            at=self.clock(),
        )
        event = webhook.meaning(target, reply) if method is Method.WEBHOOK else oidc.meaning(target, reply)
        if event.happening is not Happening.CONFIRMED:
            _log.warning("call_not_confirmed", peer=target.peer, method=method, http_status=answer.status)
        return event
