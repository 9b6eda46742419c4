"""A logout without anybody's browser: the API, an operator and a timeout use the same engine (product L14).

Applications and IdPs that can only be asked through a browser are `unreachable`; if the session's own browser comes
back while the logout is fresh, it resumes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from saml_slo.errors import StoreUnavailable
from saml_slo.journey import Journey
from saml_slo.logout.engine import Step
from saml_slo.logout.events import ClockTicked
from saml_slo.logout.plan import plan_logout
from saml_slo.logout.reach import EXPIRED, Reach
from saml_slo.logout.transaction import Initiator, Transaction
from saml_slo.policies import Policies
from saml_slo.protocol.names import REASON_GLOBAL_TIMEOUT, REASON_USER
from saml_slo.protocol.session import Session
from saml_slo.store import keys, tokens
from saml_slo.store.sessions import WAS_HERE_LIFETIME
from saml_slo.store.store import Ending

_MAX_CONFLICTS = 10
# For how many milliseconds a session that ended by itself is still told of: its applications may think it alive.
_TELL_FOR = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who ends sessions, and why. `reason` is the URI that LogoutRequests give.

    `who` is the user whose sessions they are, where one is named: a session that opens meanwhile is noticed.
    `federated`: the IdPs are asked as well, as far as that goes without a browser. `logout_id`: chosen before, by
    whoever must find the logout again; its shard is `who`'s or the first session's. `until` (milliseconds): from then
    on somebody else may begin it under that id. `by`: the operator, for the audit trail.
    """

    initiator: Initiator
    reason: str = REASON_USER
    client_id: str | None = None
    who: keys.Principal | None = None
    federated: bool = True
    logout_id: str | None = None
    until: int | None = None
    by: str = ""


class OvertakenError(Exception):
    """Somebody else began this logout under its id, or may have, because it was so slow; nothing was done, look again.

    Who signed in since has nothing to do with it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteLogout:
    """Ends sessions for those who have no browser here."""

    journey: Journey
    policies: Policies

    def end(self, find: Callable[[], Sequence[Session]], order: Order) -> Transaction | None:
        """End the sessions that `find` reads, tell whom they concern, and return the logout; None: there was nothing.

        Waits for the back channel, for its patience at most. `find` is called again when a session moved on. Raises
        OvertakenError where the order has a logout_id that others may have too.
        """
        stale: tuple[str, ...] = ()
        for _ in range(_MAX_CONFLICTS):
            sessions = tuple(find())
            if order.until is not None and self.journey.now() >= order.until:
                raise OvertakenError
            if not sessions:
                return None
            reach = self.policies.reach(sessions, order.client_id, param=order.federated)
            step = self._commit(sessions, order, reach, stale)
            if step is not None:
                return self.journey.deliver(step.transaction, step.deliver) if step.deliver else step.transaction
            if order.logout_id is not None and self.journey.store.read_logout(order.logout_id) is not None:
                raise OvertakenError
            if order.who is not None:
                stale = self.journey.store.stale_entries(order.who, self.journey.now())
        raise StoreUnavailable("the sessions changed under every attempt to end them", cause="conflict")

    def expire(self, session: Session) -> Transaction | None:
        """End a session whose time is over and tell its applications in the background; None: it was seen meanwhile.

        An IdP is never asked: our timeout says nothing about its session.
        """
        order = Order(initiator=Initiator.TIMEOUT, reason=REASON_GLOBAL_TIMEOUT)
        step = self._commit((session,), order, EXPIRED)
        if step is None:
            return None
        if step.deliver:
            self.journey.start_deliveries(step.transaction, step.deliver)
        return step.transaction

    def _commit(
        self, sessions: tuple[Session, ...], order: Order, reach: Reach, stale: tuple[str, ...] = ()
    ) -> Step | None:
        """Return the committed first step of a logout; None when a session moved on since it was read.

        `stale`: what else the index of `order.who` lists and cannot live any more.
        """
        journey, endings, now = self.journey, self.journey.endings, self.journey.now()
        logout_id = order.logout_id
        if logout_id is None:
            logout_id = tokens.new_logout_id(sessions[0].id[:2] if order.who is None else order.who.shard)
        shard = logout_id[:2]
        timeout = order.initiator is Initiator.TIMEOUT
        planner = journey.planner(logout_id, now, has_browser=False, retry_at_least=_TELL_FOR if timeout else 0)
        begun = journey.transaction(
            logout_id,
            plan_logout(planner, sessions, shard, reach),
            now,
            client_id=order.client_id,
            initiator=order.initiator,
            reason=order.reason,
        )
        step = journey.first_step(begun, [ClockTicked()], now)
        principals = [who for session in sessions for who in endings.principals(session)]
        if order.who is not None:
            principals.insert(0, order.who)  # its index is the one that is held against `known`
        bury = keys.expired_at if timeout else keys.asked_before
        ending = Ending(
            transaction=step.transaction,
            sessions=tuple(session for session in sessions if session.id.startswith(shard)),
            tombstones=tuple(bury(who, now) for who in dict.fromkeys(principals)),
            ended_ttl=max(WAS_HERE_LIFETIME, *(endings.window(session, now) for session in sessions)),
            known=None if order.who is None else (*(session.id for session in sessions), *stale),
            expired=timeout,
            by=order.by,
        )
        ended = journey.store.end_sessions(ending, now)
        if ended is None or not ended.by_this_logout:
            return None
        for session in ending.sessions:
            endings.unlist(session)
        return journey.elsewhere(step, [ClockTicked()])
