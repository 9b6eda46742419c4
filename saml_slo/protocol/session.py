"""What we remember of a person between sign-in and logout: Session, Login, and a sign-in that is under way.

Times are milliseconds since the epoch in UTC: these records are compared and stored more often than shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from saml_slo.protocol.messages import Attribute, NameId
from saml_slo.protocol.peer import Application

_LONGEST_CHECK = 300  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One upstream authentication (product S1), as the verified assertion stated it.

    `session_indexes` holds every AuthnStatement's index in document order, empty when none came. `idp_ends_at` is the
    earliest SessionNotOnOrAfter, None when there was none. `authn_instant` is the earliest of the statements.

    A login at a provider that does not speak SAML comes from the `application` that signed the person in (product A2),
    which alone may change it: it has no assertion, and `tokens` are those that the provider's sign-out needs, sealed
    (wire/sealed.py). `token_names` says which those are (`id_token`, `access_token`), for whoever decides without
    opening them.
    """

    connection: str
    name_id: NameId
    session_indexes: tuple[str, ...]
    authn_instant: int
    assertion_id: str
    assertion_not_on_or_after: int
    recorded_at: int
    idp_ends_at: int | None = None
    authn_context_class_refs: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    tokens: str | None = None
    token_names: tuple[str, ...] = ()
    application: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an application that came by the API calls a person and a session (product A2).

    `session` is the application's own session id, `user` its id of the person. `issuer`, `sub` and `sid` stand in its
    logout tokens, as it registered them.
    """

    session: str | None = None
    user: str | None = None
    issuer: str | None = None
    sub: str | None = None
    sid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One application's session that hangs on ours, with the NameID and SessionIndex that we gave it.

    `subject`: it was registered by the API; then the NameID is the user's id, or the session's where it has none, and
    the SessionIndex is the session's own id.
    """

    application: str
    name_id: NameId
    session_index: str
    since: int
    subject: Subject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The bridge's own session in one browser: its logins, and the moment at which it ends by itself (product S3).

    `absolute_ends_at` never moves; `idle_ends_at` moves on when the person is seen. `version` counts commits. `users`
    are the digests of the user ids (keys.Principal) whose indexes list this session beside those of its logins.
    """

    id: str
    logins: tuple[Login, ...]
    created_at: int
    absolute_ends_at: int
    idle_ends_at: int
    idle_lifetime: int
    participants: tuple[Participant, ...] = ()
    users: tuple[str, ...] = ()
    version: int = 1

    @property
    def hard_ends_at(self) -> int:
        """Return the earliest of absolute lifetime and every SessionNotOnOrAfter: being seen does not move it."""
        limits = [login.idp_ends_at for login in self.logins if login.idp_ends_at is not None]
        return min([self.absolute_ends_at, *limits])

    @property
    def ends_at(self) -> int:
        """Return the moment at which the session ends by itself: the hard limit or the idle one."""
        return min(self.hard_ends_at, self.idle_ends_at)


def limited(session: Session, application: Application, now: int) -> Session:
    """Return a session with the limits that hold once this application takes part in it (product S3).

    One session is one thing, so the strictest application counts for the whole: its `session_lifetime` runs from
    joining, its `idle_lifetime` from when the person is seen, and neither ever makes a session longer.
    """
    absolute, idle = session.absolute_ends_at, session.idle_lifetime
    if application.session_lifetime is not None:
        absolute = min(absolute, now + application.session_lifetime * 1000)
    if application.idle_lifetime is not None:
        idle = min(idle, application.idle_lifetime * 1000)
    ends = min(session.idle_ends_at, now + idle)
    return replace(session, absolute_ends_at=absolute, idle_lifetime=idle, idle_ends_at=ends)


def check_after(session: Session, now: int) -> int:
    """Return after how many seconds whoever relies on a living session should ask again: half of what it has left.

    At most five minutes, so that a logout is noticed by then where nobody is told of it.
    """
    return max(1, min(_LONGEST_CHECK, (session.ends_at - now) // 2000))


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSignIn:
    """An AuthnRequest of ours that waits for its answer.

    It rides in a signed cookie, so that requests which are never answered cost the store nothing and an answer is only
    good in the browser that asked (security M245, G147).
    `session` is the id of the session that this browser already had: the new login joins it (product S5). `client_id`
    is the application that the person is returned to, where the link named one.
    """

    request_id: str
    connection: str
    issued_at: int
    return_to: str | None = None
    session: str | None = None
    client_id: str | None = None
