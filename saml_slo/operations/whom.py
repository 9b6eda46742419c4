"""Whose sessions an operator means: found by an index, each look-up flat in the number of sessions stored (S4)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field

from saml_slo.errors import ConfigurationError
from saml_slo.house import House
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import NameIdFormat
from saml_slo.protocol.peer import Application, Connection
from saml_slo.protocol.session import Session
from saml_slo.store import keys

_SHORT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Whom:
    """One of: a user id, a NameID of a connection or application, an application's own session id, a session's id.

    `user` is looked up in the space of `application`, or in every space that an application has. `format` and the
    qualifiers are those of a connection's NameID; absent ones are tried as their defaults, every known format in turn.
    """

    user: str | None = None
    connection: str | None = None
    application: str | None = None
    name_id: str | None = None
    own_id: str | None = None
    session: str | None = None
    format: str | None = None
    name_qualifier: str | None = None
    sp_name_qualifier: str | None = None

    @property
    def problem(self) -> str:
        """Say what is wrong with the combination, nothing where it names somebody."""
        named = [part for part in (self.user, self.name_id, self.own_id, self.session) if part is not None]
        if len(named) != 1:
            return "name one of a user, a NameID, an own id and a session"
        if self.name_id is not None and (self.connection is None) == (self.application is None):
            return "a NameID belongs to a connection or to an application: name one of them"
        if self.own_id is not None and self.application is None:
            return "an own id belongs to an application: name it"
        if self.connection is not None and self.name_id is None:
            return "of a connection the NameID has to be named: sessions are found by index, never by a scan"
        if self.application is not None and self.session is not None:
            return "a session has one id, whichever application takes part in it"
        more = (self.format, self.name_qualifier, self.sp_name_qualifier)
        return "format and qualifiers belong to a NameID of a connection" if any(more) and not self.connection else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The living sessions, in the order in which they began. `tried`: where was looked, in words.

    `who`: the one principal whose index lists all of them, None where there is no such one.
    """

    sessions: tuple[Session, ...]
    tried: tuple[str, ...]
    who: keys.Principal | None = field(default=None)


def find(house: House, whom: Whom) -> Found:
    """Return the living sessions of whom an operator means.

    One or two round trips for each place that is tried. Raises ConfigurationError for a connection or application that
    is not here, or a combination that names nobody.
    """
    if whom.problem:
        raise ConfigurationError(whom.problem)
    now = house.journey.now()
    if whom.session is not None:
        session = house.store.read_session(whom.session, now)
        return Found(sessions=(session,) if isinstance(session, Session) else (), tried=(f"session {whom.session}",))
    if whom.own_id is not None:
        application = _application(house, whom.application or "")
        found = house.application_sessions.of_own_id(application, whom.own_id)
        return Found(sessions=found, tried=(f"own id at application {application.client_id}",))
    tried: list[str] = []
    holders: list[keys.Principal] = []
    sessions: dict[str, Session] = {}
    for words, who in _principals(house, whom):
        tried.append(words)
        listed = house.store.sessions_of(who, now)
        if listed:
            holders.append(who)
            sessions.update((session.id, session) for session in listed)
    if not tried:
        tried.append("a user id (no application registers any here; a NameID is found with its connection)")
    ordered = tuple(sorted(sessions.values(), key=lambda session: session.created_at))
    return Found(sessions=ordered, tried=tuple(tried), who=holders[0] if len(holders) == 1 else None)


def principals(house: House, whom: Whom) -> tuple[keys.Principal, ...]:
    """Return the principals that a user or a NameID may be; raises ConfigurationError as `find` does."""
    return tuple(who for _, who in _principals(house, whom))


def digest_of(house: House, value: str) -> str:
    """Return what stands for a NameID or user id that is not shown: equal for equal ones, and no way back."""
    return hmac.new(house.secret.derive("principal"), value.encode(), hashlib.sha256).hexdigest()[:_SHORT]


def _principals(house: House, whom: Whom) -> Iterator[tuple[str, keys.Principal]]:
    if whom.user is not None:
        yield from _of_user(house, whom.user, whom.application)
    elif whom.connection is not None:
        yield from _of_connection(house, _connection(house, whom.connection), whom)
    else:
        application = _application(house, whom.application or "")
        if application.provider is None:
            raise ConfigurationError(
                f"application {application.client_id} does not speak SAML, so it knows no NameID",
                next_step="Name a user or an own id of it.",
            )
        name_id = NameId(value=whom.name_id or "")
        yield (
            f"NameID at application {application.client_id}",
            house.journey.endings.principal(application.provider, name_id),
        )


def _of_user(house: House, user: str, client_id: str | None) -> Iterator[tuple[str, keys.Principal]]:
    applications = house.registry.applications() if client_id is None else (_application(house, client_id),)
    for space in dict.fromkeys(application.user_space for application in applications):
        secret = house.journey.endings.principal_secret
        yield f"user id in the space {space}", keys.user(secret, space, user)


def _of_connection(house: House, connection: Connection, whom: Whom) -> Iterator[tuple[str, keys.Principal]]:
    formats = [*NameIdFormat] if whom.format is None else [whom.format]
    if whom.format is None and connection.name_id_format is not None:
        formats.insert(0, connection.name_id_format)
    for name_id_format in dict.fromkeys(map(str, formats)):
        name_id = NameId(
            value=whom.name_id or "",
            format=name_id_format,
            name_qualifier=whom.name_qualifier,
            sp_name_qualifier=whom.sp_name_qualifier,
        )
        short = name_id_format.rpartition(":")[2]
        yield (
            f"NameID of the format {short} at connection {connection.name}",
            house.journey.endings.principal(connection, name_id),
        )


def _connection(house: House, name: str) -> Connection:
    found = house.registry.connection(name)
    if found is None:
        other = house.registry.upstream(name) is not None
        raise ConfigurationError(
            f"connection {name} does not speak SAML, so it gives no NameID" if other else f"no connection {name} here",
            next_step="Name the user." if other else "`saml-slo connection list` lists them.",
        )
    return found


def _application(house: House, client_id: str) -> Application:
    found = house.registry.application(client_id)
    if found is None:
        raise ConfigurationError(
            f"there is no application {client_id} here", next_step="`saml-slo application list` lists them."
        )
    return found
