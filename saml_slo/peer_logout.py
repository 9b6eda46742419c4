"""A peer says: log out. The road of a LogoutRequest on one page: verified → whose sessions → end them → answer.

It needs no cookie (product L7, L8): sessions are found by the NameID and the SessionIndex values. The answer is owed
whatever happens; the same request again joins its logout and gets the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from saml_slo.errors import StoreUnavailable
from saml_slo.journey import Journey, Outcome, answer_way
from saml_slo.logout.answer import answer_to
from saml_slo.logout.engine import Step
from saml_slo.logout.events import BrowserReturned, ClockTicked, Event
from saml_slo.logout.messages import is_meant_by_application, is_meant_by_idp, is_named_by_index
from saml_slo.logout.plan import plan_for_idp, plan_logout
from saml_slo.logout.transaction import Initiator, Kind, Requester, Transaction
from saml_slo.peers.lookup import peer_of, provider_of
from saml_slo.policies import Policies
from saml_slo.protocol.envelope import Verified
from saml_slo.protocol.messages import LogoutRequest
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection, Peer
from saml_slo.protocol.session import Session
from saml_slo.store import keys, tokens
from saml_slo.store.store import Ending, Found
from saml_slo.wire import checks
from saml_slo.wire.bindings.received import Received

_MAX_CONFLICTS = 10
_LONGEST_WINDOW = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLogout:
    """Does what LogoutRequests say. An application's goes on to the IdP unless a policy says never (decision 14)."""

    journey: Journey
    policies: Policies

    def receive_from_idp(self, name: str, received: Received) -> Outcome:
        """Act on a LogoutRequest to the endpoint of a connection."""
        peer = peer_of(self.journey.registry, name, checks.claimed_issuer(received))
        return self._receive(peer, received, Kind.IDP)

    def receive_from_application(self, received: Received) -> Outcome:
        """Act on a LogoutRequest to our identity provider's endpoint."""
        peer = provider_of(self.journey.registry, checks.claimed_issuer(received))
        return self._receive(peer, received, Kind.APPLICATION)

    def _receive(self, peer: Peer, received: Received, kind: Kind) -> Outcome:
        keys, now = self.journey.our_keys(), self.journey.clock()
        verified = checks.verify_logout_request(received, peer, keys.decryption, now)
        if not verified.message.asynchronous:
            answer_way(peer, verified.binding)  # who cannot be answered is refused before anything ends
        step, is_new = self._ended(verified, kind)
        if verified.message.asynchronous:
            # SLO Async extension: the sender wants no answer, and may have nothing that takes one.
            return self.journey.carry_out(step)
        requester = _requester(verified, kind)
        if verified.binding is Binding.SOAP:
            transaction = step.transaction
            if step.deliver:
                transaction = self.journey.deliver(transaction, step.deliver)
            elif not is_new:
                transaction = self.journey.joined(transaction)
            return Outcome(self.journey.answer(requester, answer_to(transaction)), transaction)
        if not is_new and not _still_owed(step.transaction, requester):
            return Outcome(self.journey.answer(requester, answer_to(step.transaction)), step.transaction)
        return self.journey.carry_out(step)

    def _ended(self, verified: Verified[LogoutRequest], kind: Kind) -> tuple[Step, bool]:
        """Return the first step of the logout of this request, or the next one of the logout that it began before."""
        journey, request = self.journey, verified.message
        who = journey.endings.principal(verified.peer, request.name_id)
        hints = self._hints(verified)
        for _ in range(_MAX_CONFLICTS):
            now = journey.now()
            found = self._with_hinted(journey.store.find_principal(who, request.id, now), hints, now)
            if found.logout_id is None and kind is Kind.APPLICATION:
                found = self._joined(found, verified, who)
            if found.logout_id is None:
                step, ending = self._plan(verified, kind, who, found, now)
                ended = journey.store.end_sessions(ending, now)
                if ended is not None and ended.by_this_logout:
                    for session in ending.sessions:
                        journey.endings.unlist(session)
                    return journey.elsewhere(step, _EVENTS[verified.binding]), True
                continue  # somebody signed in or out meanwhile, or the same request was quicker: look again
            transaction = journey.store.read_logout(found.logout_id)
            if transaction is None:
                continue
            finished = journey.finish(transaction)
            if not _still_owed(finished.transaction, _requester(verified, kind)):
                return finished, False
            again: Event = ClockTicked() if verified.binding is Binding.SOAP else BrowserReturned(by_itself=True)
            after = journey.store.advance_logout(finished.transaction, [again], now)
            return replace(after, deliver=(*finished.deliver, *after.deliver)), False
        raise StoreUnavailable("the sessions changed under every attempt to end them", cause="conflict")

    def _hints(self, verified: Verified[LogoutRequest]) -> tuple[keys.Principal, ...]:
        """Return where sessions are listed that the SessionIndex alone names, and void assertions that come late."""
        peer, request = verified.peer, verified.message
        if not isinstance(peer, Connection):
            return ()
        hints = self.journey.endings.hints(peer, request.session_indexes)
        if hints:
            ttl = _validity(verified, self.journey.now())
            self.journey.store.end_indexes(hints, milliseconds(request.issue_instant), ttl)
        return hints

    def _with_hinted(self, found: Found, hints: tuple[keys.Principal, ...], now: int) -> Found:
        if not hints or found.logout_id is not None:
            return found
        sessions, ended_by = self.journey.store.find_by_index(hints, now)
        known = {session.id for session in found.sessions}
        return replace(
            found,
            sessions=(*found.sessions, *(session for session in sessions if session.id not in known)),
            was_here=found.was_here or bool(sessions or ended_by),
            ended_by=(*found.ended_by, *ended_by),
        )

    def _plan(
        self, verified: Verified[LogoutRequest], kind: Kind, who: keys.Principal, found: Found, now: int
    ) -> tuple[Step, Ending]:
        journey, request, peer = self.journey, verified.message, verified.peer
        sessions = tuple(session for session in found.sessions if self._is_meant(session, verified, kind, who))
        has_browser = verified.binding is not Binding.SOAP
        # The logout lives in the slot of what makes it atomic: an IdP's tombstone and mark are the principal's; an
        # application's request is recognised by the session that it ended.
        shard = sessions[0].id[:2] if sessions and kind is Kind.APPLICATION else who.shard
        logout_id = tokens.new_logout_id(shard)
        waits = has_browser and not request.asynchronous
        planner = journey.planner(logout_id, now, has_browser=has_browser, requester_waits=waits)
        if kind is Kind.IDP:
            plan = plan_for_idp(planner, sessions, shard, peer.name, self.policies.reach(sessions, None, param=True))
        else:
            reach = self.policies.reach(sessions, peer.name, param=True)
            plan = plan_logout(planner, sessions, shard, reach, besides=peer.name)
        begun = journey.transaction(
            logout_id,
            plan,
            now,
            requester=_requester(verified, kind) if waits else None,
            unknown_principal=not found.was_here,
            others_remain=not sessions and self._others_remain(found),
            initiator=Initiator.IDP if kind is Kind.IDP else Initiator.APPLICATION,
        )
        step = journey.first_step(begun, _EVENTS[verified.binding], now)
        return step, self._ending(verified, kind, who, found, sessions, step.transaction, now)

    def _ending(  # noqa: PLR0917 - what one commit is made of
        self,
        verified: Verified[LogoutRequest],
        kind: Kind,
        who: keys.Principal,
        found: Found,
        sessions: tuple[Session, ...],
        transaction: Transaction,
        now: int,
    ) -> Ending:
        journey, request = self.journey, verified.message
        if kind is Kind.IDP:
            stones = keys.issued_before(who, milliseconds(request.issue_instant), request.session_indexes)
        else:
            principals = [one for session in sessions for one in journey.endings.principals(session)]
            stones = tuple(keys.asked_before(one, now) for one in dict.fromkeys(principals))
        marked = transaction.id.startswith(who.shard) and (kind is Kind.IDP or not sessions)
        return Ending(
            transaction=transaction,
            sessions=tuple(session for session in sessions if session.id.startswith(transaction.id[:2])),
            tombstones=stones,
            ended_ttl=max([_validity(verified, now), *(journey.endings.window(session, now) for session in sessions)]),
            mark=who.asked(request.id) if marked else None,
            known=found.known if kind is Kind.IDP else None,
        )

    def _others_remain(self, found: Found) -> bool:
        """Say whether the logout that ended the principal's sessions left one at an application (product L10)."""
        for logout_id in found.ended_by[:1]:
            before = self.journey.store.read_logout(logout_id)
            if before is not None:
                return any(t.kind is Kind.APPLICATION and not t.counts_as_ended for t in before.targets)
        return False

    def _joined(self, found: Found, verified: Verified[LogoutRequest], who: keys.Principal) -> Found:
        """Return which logout ended the application's session before, when no living session is meant any more."""
        if any(self._is_meant(session, verified, Kind.APPLICATION, who) for session in found.sessions):
            return found
        return replace(found, logout_id=next(iter(found.ended_by), None))

    def _is_meant(self, session: Session, verified: Verified[LogoutRequest], kind: Kind, who: keys.Principal) -> bool:
        """Say whether the request is about a session; the index is a hint, the session itself is the truth."""
        peer, endings = verified.peer, self.journey.endings
        if kind is Kind.APPLICATION:
            theirs = [one for one in session.participants if one.application == peer.name]
            return is_meant_by_application(
                verified.message, [one for one in theirs if endings.principal(peer, one.name_id) == who]
            )
        logins = [login for login in session.logins if login.connection == peer.name]
        if isinstance(peer, Connection) and peer.match_session_index and is_named_by_index(verified.message, logins):
            return True
        return is_meant_by_idp(
            verified.message, [login for login in logins if endings.principal(peer, login.name_id) == who]
        )


# Who asks by SOAP has no browser here; the engine then hands out deliveries only.
_EVENTS: dict[Binding, tuple[Event, ...]] = {
    Binding.REDIRECT: (BrowserReturned(),),
    Binding.POST: (BrowserReturned(),),
    Binding.SOAP: (ClockTicked(),),
}


def _validity(verified: Verified[LogoutRequest], now: int) -> int:
    """Return for how many milliseconds a LogoutRequest, and what it says of assertions before it, counts (L12)."""
    request, peer = verified.message, verified.peer
    valid = peer.logout_request_lifetime * 1000
    if request.not_on_or_after is not None:
        valid = max(milliseconds(request.not_on_or_after) - now, 0)
    return max(min(valid, _LONGEST_WINDOW) + peer.skew * 1000, (peer.max_age + peer.skew) * 1000)


def _still_owed(transaction: Transaction, requester: Requester) -> bool:
    """Say whether this logout is the one that the requester began, and it has not had its answer yet."""
    waiting = transaction.requester
    return (
        waiting is not None
        and not waiting.answered
        and (waiting.kind, waiting.peer, waiting.request_id) == (requester.kind, requester.peer, requester.request_id)
    )


def _requester(verified: Verified[LogoutRequest], kind: Kind) -> Requester:
    return Requester(
        kind=kind,
        peer=verified.peer.name,
        request_id=verified.message.id,
        binding=verified.binding,
        relay_state=verified.relay_state,
    )
