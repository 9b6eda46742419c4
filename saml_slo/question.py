"""What a person is asked before a logout ends anything: the choice of policy `ask` (product L2), and unsaved work (A5).

Only a person in their browser is asked. Logouts by identity providers, applications, the API and timeouts go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saml_slo.journey import Journey
from saml_slo.logout.plan import Plan, plan_logout
from saml_slo.logout.transaction import Kind
from saml_slo.policies import Policies
from saml_slo.preflight import Busy, Preflight
from saml_slo.protocol.session import Session
from saml_slo.store import tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What stands before a logout. Nothing has ended, and nobody but the applications in `busy` knows of it.

    `plan` is what would end, at most. `choice`: the person decides about the identity providers in `at_choice`, names
    of connections. `busy` are the applications with unsaved work.
    """

    plan: Plan
    choice: bool
    at_choice: tuple[str, ...]
    busy: tuple[Busy, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Finds out whether there is anything to ask."""

    journey: Journey
    policies: Policies
    preflight: Preflight

    def before(
        self, sessions: Sequence[Session], client_id: str | None, present: Sequence[str], *, federated: bool
    ) -> Question | None:
        """Return what to ask before these sessions end, None for nothing. `present`: which are in this browser."""
        choice = any(self.policies.must_ask(session, client_id) for session in sessions)
        reach = self.policies.reach(sessions, client_id, param=federated or choice)
        told = [one for session in sessions for one in session.participants if not reach.spares(one)]
        busy = self.preflight.busy(told)
        if not choice and not busy:
            return None
        shard = sessions[0].id[:2]
        planner = self.journey.planner(
            tokens.new_logout_id(shard), self.journey.now(), has_browser=True, present=frozenset(present)
        )
        plan = plan_logout(planner, sessions, shard, reach)
        asked = {target.peer for target in plan.targets if target.kind is Kind.IDP}
        here = self.policies.reach(sessions, client_id, param=False)
        logins = [login for session in sessions for login in session.logins]
        spared = dict.fromkeys(login.connection for login in logins if not here.asks(login))
        return Question(
            plan=plan, choice=choice, at_choice=tuple(name for name in spared if choice and name in asked), busy=busy
        )
