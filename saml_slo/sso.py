"""The road of an application's sign-in on one page: AuthnRequest → our session, or a sign-in upstream → Response.

`receive` checks what an application asks for; the shell keeps that in a signed link, so that a request which is never
finished costs the store nothing. `go_on` is called with it as often as the browser comes by: it answers from our
session, or sends the browser through the IdP first. The participant is recorded before its Response leaves, so that a
logout that comes in between finds it, and a session that was ended meanwhile gives no Response.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from saml_slo.ending import Endings
from saml_slo.errors import MessageRefused, Reason
from saml_slo.naming import Naming
from saml_slo.peers.lookup import provider_of
from saml_slo.peers.registry import Registry
from saml_slo.protocol import status as codes
from saml_slo.protocol.envelope import HttpOut
from saml_slo.protocol.messages import AuthnRequest, IssuedAssertion, Response
from saml_slo.protocol.moments import instant_of, milliseconds
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import NameIdKind, ServiceProvider
from saml_slo.protocol.session import Login, Participant, Session, limited
from saml_slo.protocol.status import Status
from saml_slo.store import tokens
from saml_slo.store.sessions import Joined
from saml_slo.store.store import Store
from saml_slo.wire import bindings, checks, response_writer
from saml_slo.wire.authn_request_checks import assertion_consumer, name_id_kind
from saml_slo.wire.bindings.received import Received
from saml_slo.wire.keys import OurKeys

_ASSERTION_LIFETIME = timedelta(minutes=5)
_MAX_CONFLICTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSignOn:
    """What a verified AuthnRequest asked for. `issued_at` in milliseconds.

    `refused`: the second-level status of what cannot be done for anybody (Core 3.2.2.2), None: it can. `context_refs`
    are authentication context classes, compared by `comparison` (Core 3.3.2.2.1).
    """

    client_id: str
    request_id: str
    consumer: str
    relay_state: str | None
    refused: str | None
    name_id: NameIdKind
    force_authn: bool
    is_passive: bool
    context_refs: tuple[str, ...]
    comparison: str
    issued_at: int


@dataclass(frozen=True, slots=True)
class SignOnStep:
    """What happens next: the browser gets `out`, or the person has to sign in first.

    `connection` is the upstream IdP through which, None where they choose.
    """

    out: HttpOut | None
    connection: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleSignOn:
    """Answers AuthnRequests. `clock` returns aware UTC.

    `endpoint` is our single sign-on URL; `lifetime` is how many seconds a person may take to sign in.
    """

    registry: Registry
    store: Store
    endings: Endings
    our_keys: Callable[[], OurKeys]
    naming: Naming
    clock: Callable[[], datetime]
    endpoint: str
    lifetime: int

    def receive(self, received: Received) -> AskedSignOn:
        """Return what a verified AuthnRequest asks for."""
        if received.binding is Binding.SOAP:  # that would be the ECP profile, which our metadata does not offer
            raise MessageRefused(Reason.BINDING_MISMATCH, "an AuthnRequest comes by Redirect or in a form")
        provider = provider_of(self.registry, checks.claimed_issuer(received))
        verified = checks.verify_authn_request(received, provider, self.endpoint, self.clock())
        request = verified.message
        return AskedSignOn(
            client_id=provider.name,
            request_id=request.id,
            consumer=assertion_consumer(request, provider),
            relay_state=verified.relay_state,
            refused=_refused(request, provider),
            name_id=name_id_kind(request, provider) or provider.name_id,
            force_authn=request.force_authn,
            is_passive=request.is_passive,
            context_refs=request.authn_context_class_refs,
            comparison=request.authn_context_comparison,
            issued_at=milliseconds(self.clock()),
        )

    def go_on(self, asked: AskedSignOn, session_id: str | None) -> SignOnStep:
        """Answer from this browser's session, or say that a sign-in is needed first."""
        provider = self._provider(asked)
        if milliseconds(self.clock()) > asked.issued_at + self.lifetime * 1000:
            raise MessageRefused(Reason.EXPIRED, "the application's request is too old", got=asked.request_id[:80])
        if asked.refused is not None:
            blame = codes.REQUESTER if asked.refused == codes.INVALID_NAME_ID_POLICY else codes.RESPONDER
            return SignOnStep(self._refusal(asked, provider, blame, asked.refused))
        for _ in range(_MAX_CONFLICTS):
            now = milliseconds(self.clock())
            session = None if session_id is None else self.store.read_session(session_id, now)
            login = self._login(session, asked, provider) if isinstance(session, Session) else None
            if not isinstance(session, Session) or login is None:
                if asked.is_passive:
                    return SignOnStep(self._refusal(asked, provider, codes.RESPONDER, codes.NO_PASSIVE))
                return SignOnStep(None, provider.connection)
            participant = self._participant(session, login, asked, provider, now)
            if participant is None:
                return SignOnStep(self._refusal(asked, provider, codes.RESPONDER, codes.INVALID_NAME_ID_POLICY))
            # Recorded anew even where it is known: a session that was ended since it was read gives no Response.
            joined = self._joined(session, participant, provider, now)
            name = self.endings.principal(provider, participant.name_id)
            new = None
            if participant not in session.participants:
                new = Joined(provider.name, self.endings.principals(session), asked.request_id)
            if self.store.join_participant(joined, name, now, new):
                issued = self._success(joined, login, participant, asked)
                return SignOnStep(self._send(response_writer.response_about(issued, provider), asked, provider))
        return SignOnStep(None, provider.connection)

    def _provider(self, asked: AskedSignOn) -> ServiceProvider:
        provider = self.registry.service_provider(asked.client_id)
        registered = provider is not None and asked.consumer in [c.location for c in provider.assertion_consumers]
        if provider is None or not provider.enabled or not registered:
            raise MessageRefused(Reason.ISSUER_UNKNOWN, "the application was changed or removed meanwhile")
        return provider

    def _login(self, session: Session, asked: AskedSignOn, provider: ServiceProvider) -> Login | None:
        """Return the login that answers: the latest through the application's connection that gives what was asked.

        Only an assertion does. What an application told us of a sign-in elsewhere is for its logout alone.
        """
        fitting = [
            login
            for login in session.logins
            if login.assertion_id
            and provider.connection in (None, login.connection)
            and (login.recorded_at >= asked.issued_at or _good_enough(login, asked))
        ]
        return max(fitting, key=lambda login: login.recorded_at, default=None)

    # The participant ------------------------------------------------------------------------------------------------

    def _participant(
        self, session: Session, login: Login, asked: AskedSignOn, provider: ServiceProvider, now: int
    ) -> Participant | None:
        """Return the application's part in the session, the known one where it has one; None: no such name to give."""
        name_id = self.naming.name_id(
            session, login, asked.name_id, issuer=provider.our_entity_id, audience=provider.entity_id
        )
        if name_id is None:
            return None
        for known in session.participants:
            if (known.application, known.name_id) == (provider.name, name_id):
                return known
        return Participant(application=provider.name, name_id=name_id, session_index=tokens.new_message_id(), since=now)

    def _joined(self, session: Session, participant: Participant, provider: ServiceProvider, now: int) -> Session:
        # Sessions of its own that it registered by the API stay: it is told of each of them at the end.
        others = tuple(
            one for one in session.participants if one.application != provider.name or one.subject is not None
        )
        joined = replace(session, participants=(*others, participant), version=session.version + 1)
        application = self.registry.application(provider.name)
        return joined if application is None else limited(joined, application, now)

    # The answer -----------------------------------------------------------------------------------------------------

    def _success(self, session: Session, login: Login, participant: Participant, asked: AskedSignOn) -> IssuedAssertion:
        connection = self.registry.connection(login.connection)
        return IssuedAssertion(
            response_id=tokens.new_message_id(),
            assertion_id=tokens.new_message_id(),
            issued_at=self.clock(),
            lifetime=_ASSERTION_LIFETIME,
            recipient=asked.consumer,
            in_response_to=asked.request_id,
            name_id=participant.name_id,
            session_index=participant.session_index,
            authn_instant=instant_of(login.authn_instant),
            session_not_on_or_after=instant_of(session.hard_ends_at),
            authn_context_class_ref=next(iter(login.authn_context_class_refs), None),
            authenticating_authorities=() if connection is None else (connection.entity_id,),
            attributes=login.attributes,
        )

    def _refusal(self, asked: AskedSignOn, provider: ServiceProvider, code: str, nested: str) -> HttpOut:
        response = Response(
            id=tokens.new_message_id(),
            issue_instant=self.clock(),
            destination=asked.consumer,
            issuer=provider.our_entity_id,
            in_response_to=asked.request_id,
            status=Status(code, (nested,)),
        )
        return self._send(response, asked, provider)

    def _send(self, response: Response, asked: AskedSignOn, provider: ServiceProvider) -> HttpOut:
        key = self.our_keys().signing
        message = response_writer.write_response(response, key, provider)
        return bindings.encode(Binding.POST, message, asked.consumer, asked.relay_state, key, provider)


def _refused(request: AuthnRequest, provider: ServiceProvider) -> str | None:
    """Return the second-level status of a request that we can fulfil for nobody, None where we can."""
    if name_id_kind(request, provider) is None:
        return codes.INVALID_NAME_ID_POLICY
    if request.no_proxy:  # every sign-in here is an IdP's (Core 3.4.1.5.1)
        return codes.PROXY_COUNT_EXCEEDED
    if request.authn_context_decl_refs:  # declarations are private agreements, which cannot be handed on
        return codes.NO_AUTHN_CONTEXT
    return None


def _good_enough(login: Login, asked: AskedSignOn) -> bool:
    """Tell whether a login from before the request answers it.

    Whether another class is a better one only the IdP can judge: it is asked again, and its assertion says the class.
    """
    if asked.force_authn:
        return False
    if not asked.context_refs:
        return True
    return asked.comparison == "exact" and any(ref in login.authn_context_class_refs for ref in asked.context_refs)
