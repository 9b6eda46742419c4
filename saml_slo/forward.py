"""The road of a sign-in to an application behind a reverse proxy, which asks us about each request (product A3).

The application's host and ours share no cookie. `start`, reached through the proxy, gives the browser a state cookie
for the application's host and sends it here; `sign_in`, on our own origin, finds our session, lets the application take
part in it and sends the browser back with a code; `callback`, through the proxy again, changes the code into a cookie
for the application's host. The code is sealed, lives a minute, is good once, and only in the browser that has the state
cookie to which it is bound: neither a stolen code nor one that was slipped to somebody signs anybody in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from saml_slo.ending import Endings
from saml_slo.errors import Reason, RequestRefused
from saml_slo.naming import Naming, email
from saml_slo.peers.registry import Registry
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.peer import Application, NameIdKind
from saml_slo.protocol.session import Login, Participant, Session, Subject, limited
from saml_slo.store import keys, tokens
from saml_slo.store.sessions import Joined
from saml_slo.store.store import Store
from saml_slo.wire.sealed import Sealer

CALLBACK = "/_slo/callback"  # where the proxy leads to us on the application's host; docs/forward-auth.md
OURS = "/_slo/"
_CODE_LIFETIME = 60_000
_MAX_CONFLICTS = 5
_MAX_LINK = 2000
# One slash, then visible ASCII without backslash: `//host`, `/\host` and `/<tab>/host` are other hosts to browsers.
_LINK = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_STATE = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE_HASH = re.compile(r"[A-Za-z0-9_-]{43}")
_CODE = re.compile(r"[A-Za-z0-9_-]+={0,2}")


@dataclass(frozen=True, slots=True)
class State:
    """What the state cookie holds: random characters, and the path to which the person wanted to go."""

    random: str
    link: str

    @property
    def hash(self) -> str:
        """Return what may be seen of it in URLs."""
        return _base64(hashlib.sha256(self.random.encode()).digest())


@dataclass(frozen=True, slots=True)
class ForwardStep:
    """Where the browser goes; None: the person has to sign in first, through `connection` where it is fixed."""

    location: str | None
    connection: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A person who comes back to an application: the cookie for its host, the state that is used up."""

    cookie: str
    state: State


@dataclass(frozen=True, slots=True)
class Person:
    """Who uses an application behind a proxy. `session` is the handle by which the application may name the session."""

    user: str
    session: str
    connection: str | None
    email: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Signs people in to applications behind proxies. `origin` is our public one; `clock` returns aware UTC.

    `handle_secret` makes session handles, `cookie_secret` the cookies of applications' hosts: who knows a handle, which
    stands in URLs, has no cookie.
    """

    registry: Registry
    store: Store
    endings: Endings
    naming: Naming
    sealer: Sealer
    handle_secret: bytes
    cookie_secret: bytes
    clock: Callable[[], datetime]
    origin: str

    def application(self, client_id: str) -> Application:
        """Return the application behind a proxy, or refuse the request in words."""
        application = self.registry.application(client_id)
        if application is None or not application.proxy_origins:
            raise RequestRefused(
                "There is no such application behind a proxy",
                reason=Reason.APPLICATION_UNKNOWN,
                expected="the client_id of an application that has proxy_origins",
                got=repr(client_id[:80]),
                setting="metadata/applications/<client_id>.toml",
                next_step="Correct the client_id in the configuration of the proxy, or add proxy_origins.",
            )
        return application

    @staticmethod
    def origin_of(application: Application, host: str | None) -> str:
        """Return the origin at which the proxy was asked: always a listed one, whatever the header `host` says."""
        origins = application.proxy_origins
        if len(origins) == 1:
            return origins[0]
        wanted = (host or "").lower()
        for origin in origins:
            default = ":443" if origin.startswith("https:") else ":80"
            if wanted.removesuffix(default) == urlsplit(origin).netloc:
                return origin
        raise RequestRefused(
            "The proxy does not say at which of the application's hosts it was asked",
            reason=Reason.BAD_REQUEST,
            expected="X-Forwarded-Host with the host of an entry of proxy_origins",
            got=ascii(host)[:100],
            setting=f"proxy_origins in metadata/applications/{application.client_id}.toml",
            next_step="Let the proxy send X-Forwarded-Host, or add the origin to the list.",
        )

    # Through the proxy: away ----------------------------------------------------------------------------------------

    def start(self, client_id: str, host: str | None, wanted: Iterable[str | None]) -> tuple[str, State]:
        """Return where to send the browser, and the state to give it; `wanted`: where it wants to go, best first."""
        origin = self.origin_of(self.application(client_id), host)
        link = next((text for text in wanted if text), "/")
        state = State(secrets.token_urlsafe(32), link if _is_link(link) else "/")
        query = urlencode({"state": state.hash, "origin": origin})
        return f"{self.origin}/forward/{client_id}/sign-in?{query}", state

    def start_url(self, client_id: str, host: str | None, wanted: str | None) -> str:
        """Return the address of `start` at the application's host, for a proxy that passes our redirects on."""
        origin = self.origin_of(self.application(client_id), host)
        query = urlencode({"to": wanted if _is_link(wanted) else "/"})
        return f"{origin}{OURS}start?{query}"

    # On our own origin ----------------------------------------------------------------------------------------------

    def sign_in(self, client_id: str, session_id: str | None, state: str | None, origin: str | None) -> ForwardStep:
        """Let an application take part in this browser's session, or say that a sign-in is needed first."""
        application = self.application(client_id)
        if origin not in application.proxy_origins or not _STATE_HASH.fullmatch(state or ""):
            raise RequestRefused(
                "This sign-in was not begun at the application",
                reason=Reason.BAD_REQUEST,
                expected="the link that this server made there",
                next_step="Go to the application and sign in there.",
            )
        for _ in range(_MAX_CONFLICTS):
            now = milliseconds(self.clock())
            session = None if session_id is None else self.store.read_session(session_id, now)
            name_id = self._latest_name(session, application) if isinstance(session, Session) else None
            if not isinstance(session, Session) or name_id is None:
                return ForwardStep(None, application.connection)
            if self._joined(session, name_id, application, now):
                code = json.dumps([session.id, now + _CODE_LIFETIME, secrets.token_urlsafe(16)])
                sealed = self.sealer.seal(code, _context(client_id, origin, state))
                return ForwardStep(f"{origin}{CALLBACK}?{urlencode({'code': sealed})}")
        return ForwardStep(None, application.connection)

    def _joined(self, session: Session, name_id: NameId, application: Application, now: int) -> bool:
        handle = self.handle(session.id, application)
        parts = _parts(session, name_id, application, handle, now)
        joined = replace(session, participants=parts, version=session.version + 1)
        # Hints, so that where the application asks for a logout it can name the person and this session as we did.
        secret, client_id = self.endings.principal_secret, application.client_id
        self.store.list_by_name(keys.named(secret, client_id, name_id.value), joined, now)
        who = keys.application_session(secret, client_id, handle)
        new = None
        if parts != session.participants:
            new = Joined(application.client_id, self.endings.principals(session))
        return self.store.join_participant(limited(joined, application, now), who, now, new)

    def _latest_name(self, session: Session, application: Application) -> NameId | None:
        """Return the name by the latest login through the application's connection, or of all where people choose."""
        fitting = [login for login in session.logins if application.connection in (None, login.connection)]
        latest_first = sorted(fitting, key=lambda login: login.recorded_at, reverse=True)
        names = (self._name_id(session, login, application) for login in latest_first)
        return next((name for name in names if name is not None), None)

    def _name_id(self, session: Session, login: Login, application: Application) -> NameId | None:
        provider = application.provider
        audience = f"{self.origin}/forward/{application.client_id}" if provider is None else provider.entity_id
        issuer = f"{self.origin}/saml/idp/metadata"
        return self.naming.name_id(session, login, NameIdKind.PERSISTENT, issuer=issuer, audience=audience)

    # Through the proxy: back ----------------------------------------------------------------------------------------

    def callback(
        self, client_id: str, host: str | None, code: str | None, states: Iterable[State], cookie: str | None
    ) -> Arrival | State:
        """Take a code; `states` and `cookie` are what the browser has for the application's host.

        Returns the state alone where the browser has this session's cookie already: somebody loaded the page again.
        """
        application = self.application(client_id)
        origin = self.origin_of(application, host)
        state, session, expires, nonce = self._opened(code or "", client_id, origin, states)
        if self.session_of(application, cookie) == session:
            return state
        now = milliseconds(self.clock())
        if now >= expires:
            raise _refused(Reason.EXPIRED, "This sign-in took too long to come back", "a code younger than a minute")
        if not self.store.take_code(session, nonce, 2 * _CODE_LIFETIME):
            raise _refused(Reason.REPLAYED, "This sign-in was used before", "a code that nobody used")
        return Arrival(tokens.session_handle(self.cookie_secret, session, client_id), state)

    def _opened(self, code: str, client_id: str, origin: str, states: Iterable[State]) -> tuple[State, str, int, str]:
        for state in states if _CODE.fullmatch(code) else ():
            text = self.sealer.open(code, _context(client_id, origin, state.hash))
            if text is not None:
                session, expires, nonce = json.loads(text)
                return state, session, expires, nonce
        raise _refused(
            Reason.IN_RESPONSE_TO_MISMATCH,
            "This browser has not begun this sign-in, or began it too long ago",
            "the browser that was sent away by the application, with its cookies",
        )

    # Each request ---------------------------------------------------------------------------------------------------

    def session_of(self, application: Application, cookie: str | None) -> str | None:
        """Return the session that a cookie of this application's host names, None when it is none of its own."""
        return tokens.session_id_of_handle(self.cookie_secret, cookie, application.client_id)

    def session_of_handle(self, application: Application, handle: str | None) -> str | None:
        """Return the session that a handle of this application names, None when it is none of its own."""
        return tokens.session_id_of_handle(self.handle_secret, handle, application.client_id)

    def handle(self, session_id: str, application: Application) -> str:
        """Return the handle by which an application names a session."""
        return tokens.session_handle(self.handle_secret, session_id, application.client_id)

    def person(self, session: Session, application: Application) -> Person | None:
        """Return who uses an application in a living session; None: it takes no part in it."""
        participant = self.participant(session, application)
        if participant is None:
            return None
        login = self._login_of(participant, session, application)
        return Person(
            user=user_of(participant),
            session=self.handle(session.id, application),
            connection=None if login is None else login.connection,
            email=None if login is None else email(login),
        )

    def participant(self, session: Session, application: Application) -> Participant | None:
        """Return the application's part in a session: the one that began through the proxy where there are several."""
        parts = [part for part in session.participants if part.application == application.client_id]
        if len(parts) > 1:
            handle = self.handle(session.id, application)
            parts.sort(key=lambda part: part.subject is None or part.subject.session != handle)
        return parts[0] if parts else None

    def _login_of(self, participant: Participant, session: Session, application: Application) -> Login | None:
        """Return the login by which a person came to the application: the one whose name the participant has."""
        if len(session.logins) == 1:
            return session.logins[0]
        for login in session.logins:
            if self._name_id(session, login, application) == participant.name_id:
                return login
        return None

    def logout_url(self, application: Application, session_id: str | None, query: dict[str, str]) -> str:
        """Return the address that ends the session behind a cookie of the application's host; `query`: what it adds."""
        asked = {"client_id": application.client_id, **query}
        if session_id is not None:  # our own cookie may be gone, and then the session would live on
            asked["session"] = self.handle(session_id, application)
        return f"{self.origin}/v2/logout?{urlencode(asked)}"


def user_of(participant: Participant) -> str:
    """Return what an application calls the person: the id that it registered, or the name that we gave it."""
    return (participant.subject.user if participant.subject else None) or participant.name_id.value


def _parts(
    session: Session, name_id: NameId, application: Application, handle: str, now: int
) -> tuple[Participant, ...]:
    """Return the participants with the application among them, under the handle; what it has besides stays.

    One that takes part by SAML is told by SAML, so it needs no second part.
    """
    parts = []
    for part in session.participants:
        if part.application == application.client_id:
            through_proxy = part.subject is not None and part.subject.session == handle
            if part.subject is None or (through_proxy and part.name_id == name_id):
                return session.participants
            if through_proxy:
                continue
        parts.append(part)
    user = name_id.value
    new = Participant(
        application=application.client_id,
        name_id=name_id,
        session_index=tokens.new_message_id(),
        since=now,
        # Whatever its logout method is, it is told of what its headers named.
        subject=Subject(session=handle, user=user, sub=user, sid=handle),
    )
    return (*parts, new)


def _is_link(text: str | None) -> bool:
    """Say whether a text is a path of the application's that a redirect may lead to, and none of ours there."""
    return text is not None and len(text) <= _MAX_LINK and bool(_LINK.fullmatch(text)) and not text.startswith(OURS)


def state_to_cookie(state: State) -> str:
    """Return a state as the value of its cookie."""
    return f"{state.random}.{_base64(state.link.encode())}"


def state_of_cookie(value: str) -> State | None:
    """Return the state that a cookie holds, None when it is none of ours."""
    random, _, link = value.partition(".")
    try:
        text = base64.urlsafe_b64decode(link + "=" * (-len(link) % 4)).decode("ascii")
    except ValueError:
        return None
    return State(random, text) if _STATE.fullmatch(random) and _is_link(text) else None


def _context(client_id: str, origin: str, state_hash: str | None) -> str:
    return f"code\0{client_id}\0{origin}\0{state_hash}"


def _base64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _refused(reason: Reason, message: str, expected: str) -> RequestRefused:
    return RequestRefused(
        message, reason=reason, expected=expected, next_step="Open the application again; you may still be signed in."
    )
