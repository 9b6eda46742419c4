"""Which policy holds for a logout: the application's that asks, its organisation's, or the tenant's (product L2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from saml_slo.logout.reach import LOCAL, Reach
from saml_slo.peers.registry import Registry
from saml_slo.protocol.method import Method
from saml_slo.protocol.peer import Application
from saml_slo.protocol.policy import Federated, Organisation, Propagation
from saml_slo.protocol.session import Login, Participant, Session

_BY_POLICY = "By the policy here a logout leaves that sign-in alone, so you are still signed in there."
_ALONE = "By policy this logout was not to reach other applications, so you are still signed in there."
_ELSEWHERE = "It belongs to another organisation, which by policy this logout does not reach."


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies in force; `federated` and `propagation` are the tenant's."""

    registry: Registry
    federated: Federated = Federated.PARAM
    propagation: Propagation = Propagation.ALL

    def reach(self, sessions: Sequence[Session], client_id: str | None, *, param: bool) -> Reach:
        """Return how far a logout goes. `client_id`: who asks. `param`: they want the session at the IdP to end too."""
        return Reach(
            asks=partial(self.asks, client_id=client_id, param=param),
            spares=partial(self.spares, client_id=client_id, sessions=tuple(sessions)),
            kept=_BY_POLICY if param else LOCAL,
            asker=client_id,
        )

    def must_ask(self, session: Session, client_id: str | None) -> bool:
        """Say whether the person is to choose, for some IdP of this session."""
        return any(self.federated_of(login, client_id) is Federated.ASK for login in session.logins)

    def asks(self, login: Login, client_id: str | None, *, param: bool) -> bool:
        """Say whether the IdP behind a login is asked; with `ask`, `param` is what the person chose."""
        policy = self.federated_of(login, client_id)
        return {Federated.ALWAYS: True, Federated.NEVER: False}.get(policy, param)

    def federated_of(self, login: Login, client_id: str | None) -> Federated:
        """Return the policy for an IdP: of the application that asks, of the IdP's organisation, or the tenant's."""
        application = self._application(client_id)
        if application is not None and application.federated is not None:
            return application.federated
        organisation = self._organisation(self._organisation_of(login))
        if organisation is not None and organisation.federated is not None:
            return organisation.federated
        return self.federated

    def spares(self, participant: Participant, client_id: str | None, sessions: Sequence[Session]) -> str:
        """Return why an application is left alone, empty when it is told.

        Who asks is told always. One that no organisation owns belongs to all of them.
        """
        if participant.application == client_id:
            return ""
        told = self._application(participant.application)
        if told is not None and told.logout is not None and told.logout.kind is Method.PROXY:
            return ""  # it asks us about each request, whatever the policy
        asker = self._application(client_id)
        home = self._home(asker, participant, sessions)
        policy = self._propagation(asker, home)
        if policy is Propagation.NONE:
            return _ALONE
        theirs = None if told is None else told.organisation
        if policy is Propagation.SAME_ORGANISATION and theirs not in (None, home):
            return _ELSEWHERE
        return ""

    def _propagation(self, asker: Application | None, home: str | None) -> Propagation:
        if asker is not None and asker.propagation is not None:
            return asker.propagation
        organisation = self._organisation(home)
        if organisation is not None and organisation.propagation is not None:
            return organisation.propagation
        return self.propagation

    def _home(self, asker: Application | None, participant: Participant, sessions: Sequence[Session]) -> str | None:
        """Return the organisation that a logout belongs to: of who asks, else of the session's first sign-in."""
        if asker is not None and asker.organisation is not None:
            return asker.organisation
        logins = (login for session in sessions if participant in session.participants for login in session.logins[:1])
        return next((self._organisation_of(login) for login in logins), None)

    def _application(self, client_id: str | None) -> Application | None:
        return None if client_id is None else self.registry.application(client_id)

    def _organisation_of(self, login: Login) -> str | None:
        found = self.registry.connection(login.connection) or self.registry.upstream(login.connection)
        return None if found is None else found.organisation

    def _organisation(self, name: str | None) -> Organisation | None:
        return None if name is None else self.registry.organisation(name)
