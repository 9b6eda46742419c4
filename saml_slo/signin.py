"""The road of a sign-in on one page: AuthnRequest → Response → recorded session.

`start` sends the browser to the IdP and hands the pending request to the shell, which keeps it in a signed cookie: a
request that is never answered costs the store nothing, and an answer is only good in the browser that asked.
`finish` takes the IdP's answer: decode → verify → correlate → record in one atomic step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from saml_slo.ending import Endings
from saml_slo.errors import MessageRefused, Reason, RequestRefused
from saml_slo.logout.transaction import Transaction
from saml_slo.peers.lookup import connection_named, peer_of
from saml_slo.peers.methods.query import with_query
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import HttpIn, HttpOut, Verified
from saml_slo.protocol.messages import Assertion, Attribute, AuthnRequest, NameId, Response
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection, Endpoint
from saml_slo.protocol.session import Login, PendingSignIn, Session
from saml_slo.store import tokens
from saml_slo.store.store import Ended, SignInMarks, Store
from saml_slo.wire import bindings, checks, writer
from saml_slo.wire.bindings.received import Received
from saml_slo.wire.keys import OurKeys

_MAX_LOGINS = 20
_MAX_INDEXES = 50
_MAX_ATTRIBUTE_CHARACTERS = 16_384


@dataclass(frozen=True, slots=True)
class Wish:
    """Where the person goes after a sign-in, and what an application asked of it (Core 3.4.1)."""

    return_to: str | None
    force_authn: bool = False
    context_refs: tuple[str, ...] = ()
    comparison: str = "exact"
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """Where to send the browser, and what to remember until it comes back."""

    out: HttpOut
    pending: PendingSignIn


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A recorded sign-in: its session, the cookie token that opens it (None: the browser has one), where to go next."""

    session: Session
    token: str | None
    connection: Connection
    return_to: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Signs people in through connections. `clock` returns aware UTC; lifetimes are seconds.

    `handle_secret` makes the handles by which applications name sessions of ours.
    """

    registry: Registry
    store: Store
    endings: Endings
    our_keys: Callable[[], OurKeys]
    clock: Callable[[], datetime]
    handle_secret: bytes
    session_lifetime: int
    idle_lifetime: int
    sign_in_lifetime: int

    def of_browser(self, session: str | None) -> tuple[str | None, Transaction | None]:
        """Return the id of the session that a browser has, None where it is over; and the logout that ended it."""
        found = None if session is None else self.store.read_session(session, milliseconds(self.clock()))
        if isinstance(found, Ended):
            return None, self.store.read_logout(found.logout_id) if found.logout_id else None
        return (None if found is None else found.id), None

    def start(self, name: str, wish: Wish, session: str | None) -> Started:
        """Return the signed AuthnRequest to a connection; `session` is the living one that the browser has, by its id.

        If that one is over when the answer comes, the answer is refused: the person signed out meanwhile.
        """
        connection = connection_named(self.registry, name)
        endpoint = _sign_on_endpoint(connection)
        now = self.clock()
        request = AuthnRequest(
            id=tokens.new_message_id(),
            issue_instant=now,
            destination=endpoint.location,
            issuer=connection.sp_entity_id,
            assertion_consumer_service_url=connection.acs_url,
            protocol_binding=Binding.POST,
            name_id_format=connection.name_id_format,
            allow_create=True,
            force_authn=wish.force_authn,
            authn_context_class_refs=wish.context_refs,
            authn_context_comparison=wish.comparison,
        )
        out = bindings.encode(
            endpoint.binding, writer.write(request), endpoint.location, None, self.our_keys().signing, connection
        )
        pending = PendingSignIn(
            request_id=request.id,
            connection=name,
            issued_at=milliseconds(now),
            return_to=wish.return_to,
            session=session,
            client_id=wish.client_id,
        )
        return Started(out, pending)

    def finish(self, name: str, request: HttpIn, pending: Mapping[str, PendingSignIn]) -> SignedIn:
        """Take the answer of an IdP and record the session. `pending` is what this browser has asked, by request id."""
        received = bindings.decode(request)
        comes_in_a_form(received)
        connection = peer_of(self.registry, name, checks.claimed_issuer(received))
        now = self.clock()
        verified = checks.verify_response(received, connection, self.our_keys().decryption, now)
        asked = correlate(verified, connection, pending, now, self.sign_in_lifetime)
        assertion = _assertion_of(verified)
        who = self.endings.principal(connection, _name_id_of(assertion))
        login = _login(connection, assertion, now)
        marks = SignInMarks(
            principal=who,
            assertion_id=assertion.id,
            request_id=None if asked is None else asked.request_id,
            asked_at=milliseconds(assertion.issue_instant) if asked is None else asked.issued_at,
            issued_at=milliseconds(assertion.issue_instant),
            session_indexes=login.session_indexes,
            hints=self.endings.hints(connection, login.session_indexes),
            connection=connection.name,
            response_id=verified.message.id,
            # The message is refused as too old after max_age; skew covers clocks, a minute covers Redis' own.
            lifetime=(connection.max_age + 2 * connection.skew + 60) * 1000,
        )
        session, token = self._record(connection, login, marks, asked, milliseconds(now))
        return SignedIn(
            session=session,
            token=token,
            connection=connection,
            return_to=None if asked is None else self._return_to(asked, session),
            request_id=None if asked is None else asked.request_id,
        )

    def _return_to(self, asked: PendingSignIn, session: Session) -> str | None:
        """Return where the person goes; an application with an API secret learns the handle of the session (A2)."""
        application = None if asked.client_id is None else self.registry.application(asked.client_id)
        if application is None or not application.api_secrets or asked.return_to is None:
            return asked.return_to
        handle = tokens.session_handle(self.handle_secret, session.id, application.client_id)
        url, hash_sign, fragment = asked.return_to.partition("#")
        return with_query(url, (("slo_session", handle),)) + hash_sign + fragment

    def _record(
        self, connection: Connection, login: Login, marks: SignInMarks, asked: PendingSignIn | None, now: int
    ) -> tuple[Session, str | None]:
        current = None
        if asked is not None and asked.session is not None:
            current = self.store.read_session(asked.session, now)
        if isinstance(current, Ended):
            raise MessageRefused(
                Reason.SESSION_ENDED,
                "this browser signed out after the sign-in was started",
                expected="a newer sign-in",
            )
        if current is not None:
            joined = _join(current, login)
            self.store.join_session(joined, marks, now)
            return joined, None
        token = tokens.new_session_token(marks.principal.shard)
        idle = (connection.idle_lifetime or self.idle_lifetime) * 1000
        session = Session(
            id=tokens.session_id_of(token) or "",
            logins=(login,),
            created_at=now,
            absolute_ends_at=now + (connection.session_lifetime or self.session_lifetime) * 1000,
            idle_ends_at=now + idle,
            idle_lifetime=idle,
        )
        self.store.open_session(session, marks, now)
        return session, token


def _sign_on_endpoint(connection: Connection) -> Endpoint:
    """Return where AuthnRequests go: Redirect if the metadata has it, else POST."""
    for binding in (Binding.REDIRECT, Binding.POST):
        for endpoint in connection.single_sign_on:
            if endpoint.binding is binding:
                return endpoint
    raise RequestRefused(
        "This connection has no sign-in endpoint that a browser can use",
        reason=Reason.METADATA_INVALID,
        expected="a SingleSignOnService with the HTTP-Redirect or HTTP-POST binding",
        setting=f"the metadata of connection {connection.name}",
    )


def comes_in_a_form(received: Received) -> None:
    """Refuse a Response by another binding than POST (Profiles 4.1.4.5): our metadata offers no other."""
    if received.binding is not Binding.POST:
        raise MessageRefused(Reason.BINDING_MISMATCH, "a Response comes in a form", got=received.binding.short)


def correlate(
    verified: Verified[Response],
    connection: Connection,
    pending: Mapping[str, PendingSignIn],
    now: datetime,
    lifetime: int,
) -> PendingSignIn | None:
    """Return the request that this answers; None for an unsolicited Response where the connection allows them.

    `pending` is what the browser has asked, good for `lifetime` seconds. InResponseTo is believed from the signed
    assertion; the Response's own must not differ (Profiles 4.1.4.2).
    """
    response = verified.message
    answers = {confirmation.in_response_to for confirmation in _assertion_of(verified).confirmations}
    answered = response.in_response_to
    if answered is None and answers == {None}:
        if connection.idp_initiated_sign_in:
            return None
        raise MessageRefused(
            Reason.UNSOLICITED,
            "nobody here asked for this sign-in",
            expected="an answer to a request of ours (idp_initiated_sign_in is off)",
        )
    asked = None if answered is None else pending.get(answered)
    expired = asked is not None and milliseconds(now) > asked.issued_at + lifetime * 1000
    if asked is None or expired or answered not in answers:
        raise MessageRefused(
            Reason.IN_RESPONSE_TO_MISMATCH,
            "this browser has no request that waits for this answer",
            expected="the ID of an AuthnRequest that this browser made and nobody answered yet",
            got=f"Response {answered!r:.80}, assertion {answers!r:.200}",
        )
    if asked.connection != connection.name:
        raise MessageRefused(
            Reason.ISSUER_MISMATCH,
            "another identity provider was asked",
            expected=asked.connection,
            got=connection.name,
        )
    return asked


def _assertion_of(verified: Verified[Response]) -> Assertion:
    assertion = verified.message.assertion
    if assertion is None:  # the checks refuse this; a road that nobody can take says so instead of assuming it
        raise MessageRefused(Reason.ASSERTION_COUNT, "the Response has no assertion")
    return assertion


def _name_id_of(assertion: Assertion) -> NameId:
    if assertion.name_id is None:
        raise MessageRefused(Reason.SUBJECT_INVALID, "the subject has no NameID")
    return assertion.name_id


def _login(connection: Connection, assertion: Assertion, now: datetime) -> Login:
    """Return what product S1 records of a verified assertion; a missing SessionIndex stays missing (S2)."""
    statements = assertion.authn_statements
    ends = [s.session_not_on_or_after for s in statements if s.session_not_on_or_after is not None]
    not_on_or_after = max(
        confirmation.not_on_or_after or now + timedelta(seconds=connection.max_age)
        for confirmation in assertion.confirmations
    )
    return Login(
        connection=connection.name,
        name_id=_name_id_of(assertion),
        session_indexes=_distinct(s.session_index for s in statements),
        authn_instant=milliseconds(min(s.authn_instant for s in statements)),
        assertion_id=assertion.id,
        assertion_not_on_or_after=milliseconds(not_on_or_after),
        recorded_at=milliseconds(now),
        idp_ends_at=milliseconds(min(ends)) if ends else None,
        authn_context_class_refs=_distinct(s.authn_context_class_ref for s in statements),
        attributes=_bounded(assertion.attributes),
    )


def _bounded(attributes: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    """Return the attributes that fit: a session is no place for somebody's photo or ten thousand groups (M244)."""
    kept, size = [], 0
    for attribute in attributes:
        size += len(attribute.name) + sum(len(value) for value in attribute.values)
        if size > _MAX_ATTRIBUTE_CHARACTERS:
            break
        kept.append(attribute)
    return tuple(kept)


def _join(session: Session, login: Login) -> Session:
    """Return the next version of a session with one login more.

    The same person at the same connection is one login: its indexes add up, so that a logout names every one of them.
    """
    logins = list(session.logins)
    for position, known in enumerate(logins):
        if (known.connection, known.name_id) == (login.connection, login.name_id):
            indexes = _distinct((*known.session_indexes, *login.session_indexes))[-_MAX_INDEXES:]
            logins[position] = replace(login, session_indexes=indexes)
            break
    else:
        if sum(known.application is None for known in logins) >= _MAX_LOGINS:  # applications have a limit of their own
            raise RequestRefused(
                "This browser is signed in through too many identity providers",
                reason=Reason.LIMIT_REACHED,
                expected=f"at most {_MAX_LOGINS} sign-ins in one browser",
                next_step="Sign out, then sign in again.",
            )
        logins.append(login)
    return replace(session, logins=tuple(logins), version=session.version + 1)


def _distinct(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value is not None))
