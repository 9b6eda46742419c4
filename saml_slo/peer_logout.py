"""A peer says: log out. The road of a LogoutRequest on one page: verified → whose sessions → end them → answer.

It needs no cookie (product L7): sessions are found by the principal and the SessionIndex values. The answer is owed
whatever happens; the same request again gets the same answer, after finishing what a crash may have cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from saml_slo.ending import Endings
from saml_slo.errors import MessageRefused, Reason, StoreUnavailable
from saml_slo.logout.messages import answer_to, selects
from saml_slo.logout.plan import plan_requested_logout
from saml_slo.logout.transaction import Transaction
from saml_slo.peers.lookup import peer_of
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import HttpOut, Verified
from saml_slo.protocol.messages import LogoutRequest, LogoutResponse
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection
from saml_slo.protocol.session import Session, milliseconds
from saml_slo.store import keys, tokens
from saml_slo.store.store import Ending, Found, Store
from saml_slo.wire import bindings, checks, writer
from saml_slo.wire.bindings.received import Received
from saml_slo.wire.keys import OurKeys

_MAX_CONFLICTS = 10
_FOREIGN_LEASE = 5_000  # milliseconds until the sweeper finishes what this request did not


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLogout:
    """Does what LogoutRequests say. `clock` returns aware UTC."""

    registry: Registry
    store: Store
    endings: Endings
    our_keys: OurKeys
    clock: Callable[[], datetime]

    def receive(self, name: str, received: Received) -> HttpOut | None:
        """Act on a LogoutRequest to the endpoint of a connection; return the answer, None if none is wanted."""
        connection = peer_of(self.registry, name, checks.claimed_issuer(received))
        verified = checks.verify_logout_request(received, connection, self.our_keys.decryption, self.clock())
        transaction = self.endings.finish(self._ended(verified))
        # SLO Async extension: the sender wants no answer, and may have nothing that takes one.
        return None if verified.message.asynchronous else self._answer(verified, transaction)

    def _ended(self, verified: Verified[LogoutRequest]) -> Transaction:
        """Return the logout of this request: begun now, or before by the same request."""
        request = verified.message
        who = self.endings.principal(_connection_of(verified), request.name_id)
        for _ in range(_MAX_CONFLICTS):
            now = milliseconds(self.clock())
            found = self.store.find_principal(who, request.id, now)
            if found.logout_id is None:
                ending = self._plan(verified, who, found, now)
                ended = self.store.end_sessions(ending, now)
                if ended is not None and ended.by_this_logout:
                    for session in ending.sessions:
                        self.endings.unlist(session)
                    return ending.transaction
                continue  # somebody signed in or out meanwhile, or the same request was quicker: look again
            transaction = self.store.read_logout(found.logout_id)
            if transaction is not None:
                return transaction
        raise StoreUnavailable("the sessions changed under every attempt to end them", cause="conflict")

    def _plan(self, verified: Verified[LogoutRequest], who: keys.Principal, found: Found, now: int) -> Ending:
        request, connection = verified.message, _connection_of(verified)
        sessions = tuple(session for session in found.sessions if self._is_meant(session, verified, who))
        logout_id = tokens.new_logout_id(who.shard)
        connections = {known.name: known for known in self.registry.connections()}
        plan = plan_requested_logout(
            sessions, connection.name, connections, tokens.new_logout_message_ids(logout_id), now, shard=who.shard
        )
        transaction = Transaction(
            id=logout_id,
            secret=tokens.new_receipt_secret(),
            reference=tokens.new_reference(),
            started_at=now,
            deadline=now + _FOREIGN_LEASE,
            patience=_FOREIGN_LEASE,
            targets=plan.targets,
            kept=plan.kept,
            unknown_principal=not found.was_here,
        )
        valid = connection.logout_request_lifetime * 1000
        if request.not_on_or_after is not None:
            valid = max(milliseconds(request.not_on_or_after) - now, 0)
        return Ending(
            transaction=transaction,
            sessions=tuple(session for session in sessions if session.id.startswith(who.shard)),
            tombstones=keys.issued_before(who, milliseconds(request.issue_instant), request.session_indexes),
            due_at=transaction.deadline,
            ended_ttl=max(
                min(valid, 86_400_000) + connection.skew * 1000,
                (connection.max_age + connection.skew) * 1000,
                *(self.endings.window(session, now) for session in sessions),
            ),
            mark=who.asked(request.id),
            known=tuple(session.id for session in found.sessions),
        )

    def _is_meant(self, session: Session, verified: Verified[LogoutRequest], who: keys.Principal) -> bool:
        """Say whether the request is about a session; the index is a hint, the session itself is the truth."""
        logins = [
            login
            for login in session.logins
            if login.connection == verified.peer.name
            and self.endings.principal(_connection_of(verified), login.name_id) == who
        ]
        return selects(verified.message, logins)

    def _answer(self, verified: Verified[LogoutRequest], transaction: Transaction) -> HttpOut:
        """Return the signed LogoutResponse (Core 3.7.2): by the binding of the request where the metadata offers it."""
        connection = _connection_of(verified)
        binding, location = _answer_way(connection, verified.binding)
        response = LogoutResponse(
            id=tokens.new_message_id(),
            issue_instant=self.clock(),
            destination=location or None,
            issuer=connection.sp_entity_id,
            in_response_to=verified.message.id,
            status=answer_to(transaction),
        )
        return bindings.encode(
            binding,
            writer.write(response),
            location,
            verified.relay_state,
            self.our_keys.signing,
            connection,
        )


def _connection_of(verified: Verified[LogoutRequest]) -> Connection:
    if not isinstance(verified.peer, Connection):
        msg = "LogoutRequests of applications come with the second step"
        raise TypeError(msg)
    return verified.peer


def _answer_way(connection: Connection, binding: Binding) -> tuple[Binding, str]:
    """Return the binding and location of the answer: SOAP answers in place, the others at an endpoint of the peer's."""
    if binding is Binding.SOAP:
        return binding, ""
    by_preference = sorted(connection.single_logout, key=lambda endpoint: endpoint.binding is not binding)
    for endpoint in by_preference:
        if endpoint.binding in (Binding.REDIRECT, Binding.POST):
            return endpoint.binding, endpoint.answer_location
    raise MessageRefused(
        Reason.BINDING_MISMATCH,
        "the peer asks by a binding for which its metadata has no endpoint that takes the answer",
        expected="a SingleLogoutService with HTTP-Redirect or HTTP-POST in its metadata",
        got=binding.short,
    )
