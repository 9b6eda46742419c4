"""The road of a session that an application registers by the API: of a user of its own, or bound to one of ours.

`register` opens or joins, `touch` and `read` answer whether it is alive, `leave` ends it without telling anybody. An
application knows a session by its own id alone: that leads to ours through a hint (store/registered.py), which counts
only where the session says that the application takes part in it under that id. Logouts begin in remote_logout.py, with
the sessions that `of_own_id` and `of_user` find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from saml_slo.errors import Reason, RequestRefused, StoreUnavailable
from saml_slo.peers.registry import Registry
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.peer import Application
from saml_slo.protocol.session import Participant, Session
from saml_slo.protocol.upstream import Upstream
from saml_slo.registration import Lifetimes, Registering, Registration, part_of
from saml_slo.store import keys, tokens
from saml_slo.store.sessions import WAS_HERE_LIFETIME, Joined
from saml_slo.store.store import Ended, Store
from saml_slo.wire.sealed import Sealer

MAX_PARTICIPANTS = 50
_MAX_CONFLICTS = 5


@dataclass(frozen=True, slots=True)
class Alive:
    """A living session and the application's part in it. `created`: by this call."""

    session: Session
    participant: Participant
    created: bool = False


@dataclass(frozen=True, slots=True)
class Over:
    """The session is over; `reference` is that of the logout which ended it, where one did and is remembered."""

    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationSessions:
    """Registers sessions for applications. `principal_secret` keys digests, `handle_secret` makes handles.

    `tenant` are the lifetimes of every session here; `clock` returns aware UTC.
    """

    registry: Registry
    store: Store
    sealer: Sealer
    principal_secret: bytes
    handle_secret: bytes
    tenant: Lifetimes
    clock: Callable[[], datetime]

    def now(self) -> int:
        """Return the time in milliseconds."""
        return milliseconds(self.clock())

    def handle(self, application: Application, session: Session) -> str:
        """Return the handle by which this application, and nobody else, names a session of ours."""
        return tokens.session_handle(self.handle_secret, session.id, application.client_id)

    # Register ---------------------------------------------------------------------------------------------------------

    def register(self, application: Application, said: Registration) -> Alive | Over:
        """Record an application's session; the same again changes nothing.

        Over: that session was ended, or its user logged out after it began. Raises RequestRefused: limit_reached,
        session_conflict, connection_unknown, api_bad_request, or session_unknown for a handle that is none of theirs.
        """
        registering = Registering(
            application=application,
            said=said,
            provider=None if said.connection is None else self._provider(said.connection),
            tenant=self.tenant,
            sealer=self.sealer,
            now=self.now(),
        )
        return self._join(registering) if said.user is None else self._open(registering, said.user)

    def _provider(self, name: str) -> Upstream:
        found = self.registry.upstream(name)
        if found is not None and found.enabled:
            return found
        if self.registry.connection(name) is not None:
            raise RequestRefused(
                "connection names an identity provider that speaks SAML: its people sign in here",
                reason=Reason.API_BAD_REQUEST,
                expected="the name of a connection of another kind",
                setting="connection",
                next_step="Send the person to /login, and bind your session to ours by its handle.",
            )
        raise RequestRefused(
            "connection names no provider that is in force",
            reason=Reason.CONNECTION_UNKNOWN,
            expected="the name of a connection that is in force",
            setting="connection",
            next_step="Correct it, or ask the operator whether the connection's file was loaded.",
        )

    def _open(self, registering: Registering, user: str) -> Alive | Over:
        """Open the session of a user, or find it open. Two round trips; one more where something about it changed."""
        now, said = registering.now, registering.said
        who = keys.user(self.principal_secret, registering.application.user_space, user)
        own = self._own(registering.application, said.own_id)
        new = registering.opened(keys.registered_session_id(who, own), who.digest)
        if new.ends_at <= now or not self._claim(own, new, registering):
            return Over()
        for _ in range(_MAX_CONFLICTS):
            try:
                found = self.store.register_session(new, who, registering.since(None), now)
            except RequestRefused:
                self.store.forget_own_session(own, (new.id,))
                raise
            if not isinstance(found, Session):
                return self._over(found)
            if found is new:
                return _alive(new, registering, created=True)
            done = self._commit(found, self._as_found(registering, found).renewed(found), registering)
            if done is not None:
                return done
        raise _moving()

    def _as_found(self, registering: Registering, session: Session) -> Registering:
        """Return a registration that holds to the limits of every provider of a session, named again or not."""
        tenant = registering.tenant
        for login in session.logins:
            tenant = tenant.stricter(self.registry.upstream(login.connection))
        return replace(registering, tenant=tenant)

    def _join(self, registering: Registering) -> Alive | Over:
        """Bind to a session of ours. Three round trips; one where nothing is new."""
        application, said, now = registering.application, registering.said, registering.now
        identifier = self.of_handle(application, said.handle)
        if identifier is None:
            raise RequestRefused(
                "There is no session of this handle",
                reason=Reason.SESSION_UNKNOWN,
                expected="a handle as this application got it",
                setting="session",
                next_step="Use the handle that came with the session; those of other applications are of no use here.",
            )
        own = self._own(application, said.own_id)
        for _ in range(_MAX_CONFLICTS):
            session = self.store.read_session(identifier, now)
            if not isinstance(session, Session):
                return self._over(session)
            joined = registering.bound(session)
            if registering.part_in(session) is None:
                if len(session.participants) >= MAX_PARTICIPANTS:
                    raise _too_many_parts()
                if joined.ends_at <= now or not self._claim(own, joined, registering):
                    return Over()
            done = self._commit(session, joined, registering)
            if done is not None:
                return done
        raise _moving()

    def _claim(self, own: keys.Principal, session: Session, registering: Registering) -> bool:
        """Write the hint; False: the application ended the session of this id. Refuses an id that is another's."""
        for _ in range(_MAX_CONFLICTS):
            others = self.store.claim_own_session(own, session, registering.now)
            if others is None:
                return False
            if not others:
                return True
            for identifier in others:
                if self._part_for_good(identifier, registering.application, registering.said.own_id):
                    raise RequestRefused(
                        "This id belongs to another session, of another user or another browser",
                        reason=Reason.SESSION_CONFLICT,
                        expected="an id of its own for each session",
                        next_step="End the other session first, or give a session that changes its user a new id.",
                    )
            self.store.forget_own_session(own, others)
        raise _moving()

    def _part_for_good(
        self, identifier: str, application: Application, own_id: str
    ) -> tuple[Session, Participant] | None:
        """Return a session that an id leads to, and the application's part in it; None: it has none, and gets none.

        Another registration of the id may have looked before us and be about to write: what it read has moved on then,
        so that it looks again.
        """
        for _ in range(_MAX_CONFLICTS):
            now = self.now()
            session = self.store.read_session(identifier, now)
            if isinstance(session, Ended) or (session is None and self.store.void_session(identifier, now)):
                return None
            if session is None:
                continue
            part = part_of(session, application, own_id)
            if part is not None:
                return session, part
            if self.store.replace_session(replace(session, version=session.version + 1), now) is not False:
                return None
        raise _moving()

    def _commit(self, before: Session, changed: Session, registering: Registering) -> Alive | Over | None:
        """Store what changed; None: the session moved on and must be read again."""
        created = registering.part_in(before) is None
        if changed == before:
            return _alive(before, registering)
        if changed.ends_at <= registering.now:
            return Over()
        changed = replace(changed, version=before.version + 1)
        joined = None
        if created:
            principals = tuple(map(keys.Principal, changed.users))
            joined = Joined(registering.application.client_id, principals)
        done = self.store.replace_session(changed, registering.now, joined=joined)
        if done is None:
            return Over()
        return _alive(changed, registering, created=created) if done else None

    # Look, touch, leave -----------------------------------------------------------------------------------------------

    def read(self, application: Application, own_id: str) -> Alive | Over | None:
        """Return an application's session, moving nothing; None: it was never registered. Two round trips."""
        return self._look(application, own_id, self.store.read_session)

    def touch(self, application: Application, own_id: str) -> Alive | Over | None:
        """Return the same, and move the idle limit on: the person is active. Two round trips."""
        return self._look(
            application,
            own_id,
            lambda identifier, now: self.store.touch_own_session(identifier, application.client_id, own_id, now),
        )

    def _look(
        self, application: Application, own_id: str, look: Callable[[str, int], Session | Ended | None]
    ) -> Alive | Over | None:
        now, hinted, ended = self.now(), False, None
        for identifier in self.store.find_own_session(self._own(application, own_id), now):
            found, hinted = look(identifier, now), True
            part = part_of(found, application, own_id) if isinstance(found, Session) else None
            if isinstance(found, Session) and part is not None:
                return Alive(found, part)
            ended = found if isinstance(found, Ended) else ended
        return self._over(ended) if hinted else None

    def leave(self, application: Application, own_id: str) -> None:
        """End an application's session, because it did so itself: nobody is told, and it cannot come back late."""
        now = self.now()
        for identifier in self.store.leave_own_session(self._own(application, own_id), now):
            if not any(self._left(identifier, application, own_id, now) for _ in range(_MAX_CONFLICTS)):
                raise _moving()

    def _left(self, identifier: str, application: Application, own_id: str, now: int) -> bool:
        """Take an application out of a session, and end one of which nothing is left; False: it moved on meanwhile."""
        found = self._part_for_good(identifier, application, own_id)  # a registration under way comes too late now
        if found is None:
            return True
        session, part = found
        others = tuple(one for one in session.participants if one is not part)
        if not others and not any(login.assertion_id for login in session.logins):
            return self.store.withdraw_session(session, now, application.client_id)
        changed = replace(session, participants=others, version=session.version + 1)
        return self.store.replace_session(changed, now, left=application.client_id) is not False

    # Whom a logout is about -------------------------------------------------------------------------------------------

    def user(self, application: Application, user: str) -> keys.Principal:
        """Return the principal of a user id of the application's own space; nobody names another space's people."""
        return keys.user(self.principal_secret, application.user_space, user)

    def of_user(self, application: Application, user: str) -> tuple[Session, ...]:
        """Return the living sessions of a person, by the application's id of them or by the name that we gave it.

        One round trip; one more for each way in which the application is told names: SAML, and the headers of a proxy.
        """
        now = self.now()
        found = {one.id: one for one in self.store.sessions_of(self.user(application, user), now)}
        for who in self._named(application, user):
            for session in self.store.sessions_of(who, now):
                if any(
                    (part.application, part.name_id.value) == (application.client_id, user)
                    for part in session.participants
                ):
                    found.setdefault(session.id, session)
        return tuple(found.values())

    def _named(self, application: Application, name: str) -> Iterator[keys.Principal]:
        """Yield where sessions are listed by the name that we gave an application; hints alone."""
        if application.provider is not None:
            yield keys.principal(self.principal_secret, application.provider, NameId(value=name))
        if application.proxy_origins:
            yield keys.named(self.principal_secret, application.client_id, name)

    def of_own_id(self, application: Application, own_id: str) -> tuple[Session, ...]:
        """Return the living session that an application knows by this id or handle; empty where there is none."""
        found = self.read(application, own_id)
        if found is None:
            identifier = self.of_handle(application, own_id)
            session = None if identifier is None else self.store.read_session(identifier, self.now())
            return (session,) if isinstance(session, Session) else ()
        return (found.session,) if isinstance(found, Alive) else ()

    def of_handle(self, application: Application, text: str | None) -> str | None:
        """Return the id of our session where a text is a handle that this application got; None: it is none."""
        return tokens.session_id_of_handle(self.handle_secret, text, application.client_id)

    def bury(self, who: keys.Principal) -> None:
        """Refuse what the user signed in to before now: they were logged out, though no session was found."""
        self.store.bury(keys.asked_before(who, self.now()), max(WAS_HERE_LIFETIME, self.tenant.absolute))

    def _own(self, application: Application, own_id: str) -> keys.Principal:
        return keys.application_session(self.principal_secret, application.client_id, own_id)

    def _over(self, ended: Ended | None) -> Over:
        logout = None if ended is None or not ended.logout_id else self.store.read_logout(ended.logout_id)
        return Over(None if logout is None else logout.reference)


def _alive(session: Session, registering: Registering, *, created: bool = False) -> Alive | Over:
    part = registering.part_in(session)
    return Over() if part is None else Alive(session, part, created)


def _too_many_parts() -> RequestRefused:
    return RequestRefused(
        "Too many applications take part in this session",
        reason=Reason.LIMIT_REACHED,
        expected=f"at most {MAX_PARTICIPANTS}",
        next_step="End a session that is no longer used.",
    )


def _moving() -> StoreUnavailable:
    return StoreUnavailable("the session changed under every attempt to record it", cause="conflict")
