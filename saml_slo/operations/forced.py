"""A logout that an operator forces: what will end and how, and then the same engine without a browser (L14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saml_slo.house import House
from saml_slo.logout.plan import plan_logout
from saml_slo.logout.transaction import Initiator, Kept, Kind, State, Target, Transaction
from saml_slo.operations.whom import Found, Whom, find
from saml_slo.protocol.names import REASON_ADMIN, REASON_GLOBAL_TIMEOUT, REASON_USER
from saml_slo.protocol.session import Session
from saml_slo.remote_logout import Order
from saml_slo.store import tokens

REASONS = {"admin": REASON_ADMIN, "user": REASON_USER, "global-timeout": REASON_GLOBAL_TIMEOUT}
_FORESEEN = {State.CONFIRMED: "ends", State.SENT: "ends", State.WAITING: "is asked"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One session as the logout would begin with it.

    `outlook`: `ends` (ours), `is asked`, `stays` (on purpose), or the state in which it would stand at once because
    there is no way to ask it. `method` and `channel` say how it is asked, empty where it is not; times in milliseconds.
    """

    kind: Kind
    name: str
    peer: str
    since: int
    outlook: str
    method: str = ""
    channel: str = ""
    endpoint: str = ""
    source: str = ""
    reason: str = ""


def preview(house: House, sessions: Sequence[Session], *, federated: bool = True) -> tuple[Planned, ...]:
    """Return what a logout of these sessions would do now, in its order. Nothing is stored or sent."""
    if not sessions:
        return ()
    shard, now = sessions[0].id[:2], house.journey.now()
    reach = house.policies.reach(sessions, None, param=federated)
    planner = house.journey.planner(tokens.new_logout_id(shard), now, has_browser=False)
    plan = plan_logout(planner, sessions, shard, reach)
    return (*map(_planned, plan.targets), *map(_kept, plan.kept))


def end(
    house: House, whom: Whom, *, reason: str = REASON_ADMIN, federated: bool = True, by: str = ""
) -> Transaction | None:
    """End the sessions and tell whom they concern, as far as that goes without a browser; None: there was none.

    Waits for the back channel, for its patience at most. `reason` is the URI of the LogoutRequests, `by` the operator
    for the audit trail. What opens while it is at it is found and ended as well.
    """

    def read() -> Sequence[Session]:
        return find(house, whom).sessions

    found: Found = find(house, whom)
    order = Order(initiator=Initiator.OPERATOR, reason=reason, who=found.who, federated=federated, by=by)
    return house.remote.end(read, order)


def _planned(target: Target) -> Planned:
    request = target.request
    return Planned(
        kind=target.kind,
        name=target.name,
        peer=target.peer,
        since=target.since,
        outlook=_FORESEEN.get(target.state, str(target.state)),
        method="" if request is None else str(request.method),
        channel="" if request is None else str(request.channel),
        endpoint="" if request is None else request.location,
        source="" if request is None else str(request.source),
        reason="" if target.kind is Kind.SESSION else target.reason,
    )


def _kept(kept: Kept) -> Planned:
    return Planned(
        kind=kept.kind, name=kept.name, peer=kept.peer, since=kept.since, outlook="stays", reason=kept.reason
    )
