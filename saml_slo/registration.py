"""What an application's registration makes of a session of ours: its part, and the login that it brought (product A2).

Says which facts are recorded and which limits follow; application_sessions.py reads and commits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from saml_slo.errors import Reason, RequestRefused
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.method import Method
from saml_slo.protocol.peer import Application
from saml_slo.protocol.session import Login, Participant, Session, Subject, limited
from saml_slo.protocol.upstream import Upstream
from saml_slo.wire.sealed import Sealer

_OIDC = (Method.OIDC_BACKCHANNEL, Method.OIDC_FRONTCHANNEL)
_TOKENS = ("id_token", "access_token")
MAX_PROVIDERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What an application says about a session of its own: of its `user`, or bound to ours by `handle`.

    `signed_in_at` and `expires_at` in milliseconds. `connection` is the provider, not SAML, by which the application
    signed the person in, with the tokens that the provider's sign-out may need. `issuer`, `sub` and `sid` stand in the
    application's logout tokens. What a later registration of the same session leaves out stays as it was.
    """

    own_id: str
    user: str | None = None
    handle: str | None = field(default=None, repr=False)
    signed_in_at: int | None = None
    expires_at: int | None = None
    connection: str | None = None
    id_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    issuer: str | None = None
    sub: str | None = None
    sid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long a session lives by itself, in milliseconds: in all, and since the person was seen."""

    absolute: int
    idle: int

    def stricter(self, party: Application | Upstream | None) -> Lifetimes:
        """Return these lifetimes, or the party's own where they are shorter."""
        if party is None:
            return self
        return Lifetimes(
            absolute=min(self.absolute, _milliseconds(party.session_lifetime, self.absolute)),
            idle=min(self.idle, _milliseconds(party.idle_lifetime, self.idle)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registering:
    """One registration at a moment (`now`, milliseconds), applied to sessions; nothing is stored.

    `tenant` are the lifetimes that hold for everybody; `provider` is the one that `said.connection` names.
    """

    application: Application
    said: Registration
    provider: Upstream | None
    tenant: Lifetimes
    sealer: Sealer
    now: int

    def part_in(self, session: Session) -> Participant | None:
        """Return the part that the application has in a session under this id."""
        return part_of(session, self.application, self.said.own_id)

    def opened(self, identifier: str, user_digest: str) -> Session:
        """Return the new session of a user."""
        lifetimes, since = self._lifetimes(), self.since(None)
        empty = Session(
            id=identifier,
            logins=(),
            created_at=self.now,
            absolute_ends_at=self._expiry(since + lifetimes.absolute),
            idle_ends_at=self.now + lifetimes.idle,
            idle_lifetime=lifetimes.idle,
            users=(user_digest,),
        )
        return self._recorded(empty)

    def renewed(self, session: Session) -> Session:
        """Return the session of a user, registered again: nobody else has part in it, so its limits are anew."""
        known = self.part_in(session)
        if known is None or len(session.participants) > 1:
            return self.bound(session)
        lifetimes, since = self._lifetimes(), self.since(known)
        ends = self._expiry(since + lifetimes.absolute)
        if self.said.expires_at is None and since <= known.since:
            ends = min(ends, session.absolute_ends_at)
        return replace(
            self._recorded(session),
            absolute_ends_at=ends,
            idle_lifetime=lifetimes.idle,
            idle_ends_at=session.idle_ends_at - max(session.idle_lifetime - lifetimes.idle, 0),
        )

    def bound(self, session: Session) -> Session:
        """Return a session of ours with the application's part in it, and with the stricter limits of both."""
        joined = limited(self._recorded(session), self.application, self.now)
        if self.provider is None:
            return replace(joined, absolute_ends_at=self._expiry(joined.absolute_ends_at))
        lifetimes = self.tenant.stricter(self.provider)
        idle = min(joined.idle_lifetime, lifetimes.idle)
        ends = min(joined.absolute_ends_at, self.since(self.part_in(session)) + lifetimes.absolute)
        return replace(
            joined,
            absolute_ends_at=self._expiry(ends),
            idle_lifetime=idle,
            idle_ends_at=min(joined.idle_ends_at, self.now + idle),
        )

    def since(self, known: Participant | None) -> int:
        """Return when the person signed in at the application; a clock that is ahead is not believed."""
        if self.said.signed_in_at is not None:
            return min(self.said.signed_in_at, self.now)
        return self.now if known is None else known.since

    def _lifetimes(self) -> Lifetimes:
        return self.tenant.stricter(self.provider).stricter(self.application)

    def _expiry(self, latest: int) -> int:
        return latest if self.said.expires_at is None else min(latest, self.said.expires_at)

    def _recorded(self, session: Session) -> Session:
        known = self.part_in(session)
        user = self.said.user or _user_of(session, self.application)
        part = Participant(
            application=self.application.client_id,
            name_id=NameId(value=user or self.said.own_id),
            session_index=self.said.own_id,  # where it is told by SAML: by its own names for the person and the session
            since=self.since(known),
            subject=self._subject(user, None if known is None else known.subject),
        )
        parts = (*session.participants, part)
        if known is not None:
            parts = tuple(part if one is known else one for one in session.participants)
        logins = session.logins if self.provider is None else self._logins(session, self.provider, part)
        return replace(session, participants=parts, logins=logins)

    def _subject(self, user: str | None, known: Subject | None) -> Subject:
        """Return what the application calls the person and the session.

        A logout token needs a `sub` or a `sid` (Back-Channel Logout 1.0 2.4): without either, it names what we know.
        """
        said, known = self.said, known or Subject()
        sub, sid = said.sub or known.sub, said.sid or known.sid
        logout = self.application.logout
        if sub is None and sid is None and logout is not None and logout.kind in _OIDC:
            sub, sid = user, said.own_id
        return Subject(session=said.own_id, user=user, issuer=said.issuer or known.issuer, sub=sub, sid=sid)

    def _logins(self, session: Session, provider: Upstream, part: Participant) -> tuple[Login, ...]:
        """Return the logins with this application's own at this provider, as it told of it last.

        What another one brought stays as it is: whoever could change that could keep the person signed in there.
        """
        theirs = [login for login in session.logins if login.application == self.application.client_id]
        known = next((login for login in theirs if login.connection == provider.name), None)
        if known is None and len(theirs) >= MAX_PROVIDERS:
            raise RequestRefused(
                "This application brought too many providers to this session",
                reason=Reason.LIMIT_REACHED,
                expected=f"at most {MAX_PROVIDERS} providers of one application in one session",
                next_step="Name the provider by which you signed this person in, and no other.",
            )
        held = {} if known is None else self._opened(known)
        brought = {"id_token": self.said.id_token, "access_token": self.said.access_token}
        token_of = {name: brought[name] or held.get(name, "") for name in _TOKENS}
        sealed = None if known is None else known.tokens
        if any(token_of.values()) and token_of != held:
            sealed = self.sealer.seal("\n".join(token_of.values()), provider.name)  # as asking.py opens them
        indexes = () if known is None else known.session_indexes
        login = Login(
            connection=provider.name,
            name_id=part.name_id,
            session_indexes=indexes if self.said.sid is None else (self.said.sid,),
            authn_instant=part.since,
            assertion_id="",
            assertion_not_on_or_after=part.since,
            recorded_at=part.since if known is None else known.recorded_at,
            tokens=sealed,
            token_names=tuple(name for name, token in token_of.items() if token),
            application=self.application.client_id,
        )
        if known is None:
            return (*session.logins, login)
        return tuple(login if one is known else one for one in session.logins)

    def _opened(self, login: Login) -> dict[str, str]:
        text = None if login.tokens is None else self.sealer.open(login.tokens, login.connection)
        return {} if text is None else dict(zip(_TOKENS, text.split("\n"), strict=False))


def part_of(session: Session, application: Application, own_id: str) -> Participant | None:
    """Return the application's part in a session under its own session id, None where it has none."""
    for participant in session.participants:
        subject = participant.subject
        if participant.application == application.client_id and subject is not None and subject.session == own_id:
            return participant
    return None


def _user_of(session: Session, application: Application) -> str | None:
    """Return whose session it is by what the same application registered before, None where it did not say."""
    users = (
        participant.subject.user
        for participant in session.participants
        if participant.application == application.client_id and participant.subject is not None
    )
    return next(filter(None, users), None)


def _milliseconds(seconds: int | None, otherwise: int) -> int:
    return otherwise if seconds is None else seconds * 1000
