"""How a session is ended wherever it lives: its principals, and what happens in other slots than its logout's.

The roads (bridge.py, peer_logout.py, worker.py) share this; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from saml_slo.logout.engine import Step
from saml_slo.logout.events import Event, Happening, Joined, PeerAnswered
from saml_slo.logout.transaction import Kind, State, Target, Transaction
from saml_slo.peers.registry import Registry
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.peer import Connection, Peer
from saml_slo.protocol.session import Session
from saml_slo.store import keys
from saml_slo.store.store import Store

_DEFAULT_WINDOW = 300_000  # product L12: five minutes where no LogoutRequest says until when
_ENDED = "Our own session was ended."

Late = Callable[[Transaction, Session], tuple[Target, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """Knows the principals behind sessions. `principal_secret` keys their digests; `clock` returns aware UTC.

    `longest_session` is for how many milliseconds a session may live at most, by the tenant's setting.
    """

    registry: Registry
    store: Store
    principal_secret: bytes
    clock: Callable[[], datetime]
    longest_session: int

    def principal(self, peer: Peer, name_id: NameId) -> keys.Principal:
        """Return the principal of a NameID between a peer and us, whoever of the two issued it."""
        return keys.principal(self.principal_secret, peer, name_id)

    def principals(self, session: Session) -> tuple[keys.Principal, ...]:
        """Return the principals whose indexes list a session: its user ids, and its logins at connections in force."""
        found = [keys.Principal(digest) for digest in session.users]
        for login in session.logins:
            connection = self.registry.connection(login.connection)
            if connection is not None:
                found.append(self.principal(connection, login.name_id))
        return tuple(dict.fromkeys(found))

    def hints(self, connection: Connection, session_indexes: Iterable[str]) -> tuple[keys.Principal, ...]:
        """Return where a connection's sessions are listed by SessionIndex; only where that alone names them (L7)."""
        if not connection.match_session_index:
            return ()
        return tuple(keys.idp_session(self.principal_secret, connection, index) for index in session_indexes)

    def window(self, session: Session, now: int) -> int:
        """Return for how many milliseconds it is remembered that a session ended (product L12).

        As long as its tombstones count, and as long as it could have lived: a LogoutRequest about it that comes until
        then is about a session that is gone, not about a stranger (product L7). Of a user, as long as any session could
        live: what an application registers late names a sign-in of its own, from before this logout or after it.
        """
        connections = (self.registry.connection(login.connection) for login in session.logins)
        windows = [(c.logout_request_lifetime + c.skew) * 1000 for c in connections if c is not None]
        if session.users:
            windows.append(self.longest_session)
        return max([_DEFAULT_WINDOW, session.hard_ends_at - now, *windows])

    def unlist(self, session: Session) -> None:
        """Take an ended session off the indexes that do not share its slot."""
        self.store.unlist(session.id, [who for who in self.principals(session) if who.shard != session.id[:2]])

    def finish(self, transaction: Transaction, late: Late) -> Step:
        """End the sessions of a logout that live in other slots; whatever was ended before stays ended.

        `late` returns the targets of applications that came to a session after the logout was planned. The step says
        which of them are to be told now.
        """
        now = milliseconds(self.clock())
        events: list[Event] = []
        for target in transaction.targets:
            if target.session is None or target.state not in (State.SENT, State.TIMED_OUT):
                continue
            session = self.store.read_any_session(target.session)
            if session is not None:
                ttl = self.window(session, now)
                ended = self.store.end_foreign_session(session, self.principals(session), transaction.id, ttl)
                self.unlist(session)
                if ended is not None:
                    events.append(Joined(late(transaction, ended)))
            reason = _ENDED if target.kind is Kind.SESSION else target.reason
            events.append(PeerAnswered(target.id, Happening.CONFIRMED, reason))
        return self.store.advance_logout(transaction, events, now) if events else Step(transaction, None)
