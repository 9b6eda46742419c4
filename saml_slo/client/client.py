"""The API of the bridge as Python: sessions of the application, and logouts (docs/applications.md)."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Literal, NoReturn, TypeVar

from saml_slo.client.answers import ApplicationSession, Logout, UnreadableError, application_session, logout
from saml_slo.client.errors import (
    Conflict,
    LimitReached,
    NotFound,
    RateLimited,
    Refused,
    SessionEnded,
    Unauthorised,
    Unavailable,
)
from saml_slo.client.exchange import Exchange, document
from saml_slo.delivery.back_channel import Answer

_CREDENTIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.[A-Za-z0-9_-]{43}")
_SESSION_ID = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._~-]{1,128}")  # . and .. are no segments of a path (RFC 3986 5.2.4)
_LOGOUT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_KEY = re.compile(r"[\x21-\x7e]{1,64}")
_RETRY_AFTER = re.compile(r"[0-9]{1,5}")
_DEFAULT_RETRY_AFTER = 5.0
LOGOUT_SECONDS = 30.0  # more than the bridge's patience with the other applications
_MAX_WORDS = 500
_Record = TypeVar("_Record", ApplicationSession, Logout)


@dataclass(frozen=True, slots=True)
class Provider:
    """The connection, not SAML, by which the application signed the person in, and what its sign-out needs."""

    connection: str
    id_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSubject:
    """What the application's logout tokens are to say of the session."""

    issuer: str | None = None
    sub: str | None = None
    sid: str | None = None


class Client:
    """The API of one bridge for one application. May be used by many threads at once; make one and keep it.

    `base_url` is the bridge's public address, `credential` the application's `<client_id>.<secret>`, `timeout` the
    seconds that a call may take in all, except `start_logout`, which says its own. A wrong argument is a ValueError
    before anything is sent; everything else that fails is a ClientError.
    """

    def __init__(self, base_url: str, credential: str, *, timeout: float = 5.0) -> None:
        if not _CREDENTIAL.fullmatch(credential):
            raise ValueError("credential is wrong: it is <client_id>.<secret>, with 43 characters after the last dot")
        self._exchange = Exchange(base_url, timeout=timeout)
        self._authorization = f"Bearer {credential}"

    def create_session(
        self,
        session_id: str,
        *,
        user: str | None = None,
        session: str | None = None,
        signed_in_at: datetime | None = None,
        expires_at: datetime | None = None,
        provider: Provider | None = None,
        subject: OidcSubject | None = None,
    ) -> ApplicationSession:
        """Register a session under the application's own id, or return what is known of it already.

        `user` is the application's id of the person, or `session` the handle of a session of the bridge: one of the
        two. `signed_in_at` is when the person proved who they are, now unless given; `expires_at` when the
        application ends the session itself. Raises SessionEnded when that session was ended before, or its person was
        logged out after `signed_in_at`.
        """
        if (user is None) == (session is None):
            raise ValueError("a session has either a user or the handle of a session")
        body: dict[str, str | None] = {
            "user": user,
            "session": session,
            "signed_in_at": _rfc3339(signed_in_at),
            "expires_at": _rfc3339(expires_at),
        }
        if provider is not None:
            body |= {
                "connection": provider.connection,
                "id_token": provider.id_token,
                "access_token": provider.access_token,
            }
        if subject is not None:
            body |= {"issuer": subject.issuer, "sub": subject.sub, "sid": subject.sid}
        said = {name: value for name, value in body.items() if value is not None}
        return _read(application_session, self._send("PUT", _session_path(session_id), said))

    def touch_session(self, session_id: str) -> ApplicationSession:
        """Say that the person is active, which moves the idle limit. Raises SessionEnded or NotFound if it is over."""
        return _read(application_session, self._send("POST", f"{_session_path(session_id)}/touch", {}))

    def read_session(self, session_id: str) -> ApplicationSession:
        """Return what is known of a session without moving anything. Raises as `touch_session` does."""
        return _read(application_session, self._send("GET", _session_path(session_id)))

    def end_session(self, session_id: str) -> None:
        """Say that the application ended the session itself: it is not told again, and nobody else is."""
        self._send("DELETE", _session_path(session_id))

    def start_logout(
        self,
        *,
        session: str | None = None,
        user: str | None = None,
        reason: Literal["user", "admin"] | None = None,
        idempotency_key: str | None = None,
        timeout: float = LOGOUT_SECONDS,
    ) -> Logout:
        """End everything that hangs on one session of the application (its own id or a handle), or on all of a user.

        `user` is the application's id of the person, or the name that the bridge gave it (X-Slo-User, a NameID).
        No browser is there, so whom only a browser can tell is `unreachable`; send the person to `logout_url` where
        there is one. The same key, at most 64 visible characters, starts one logout however often it is sent; one is
        made up unless given. With nothing to end, the answer has no sessions. The bridge answers when the other
        applications have, so this takes longer than other calls; when `timeout` is over, the logout has begun all the
        same, and asking again with the same key shows how far it is. While another call with the key is under way, this
        one asks again until `timeout` is over.
        """
        if (user is None) == (session is None):
            raise ValueError("a logout is of either a session or a user")
        key = secrets.token_urlsafe(24) if idempotency_key is None else idempotency_key
        if not _KEY.fullmatch(key):
            raise ValueError("idempotency_key is wrong: it has 1 to 64 visible characters of ASCII")
        if session is not None:
            _session_path(session)
        body = {"session": session, "user": user, "reason": reason}
        said = {name: value for name, value in body.items() if value is not None}
        headers, until = {"Idempotency-Key": key}, time.monotonic() + timeout
        while True:
            answer = self._sent("POST", "/api/v1/logouts", said, headers, timeout)
            pause, timeout = _retry_after(answer), until - time.monotonic()
            if not _is_under_way(answer) or pause >= timeout:
                return _read(logout, _checked(answer))
            time.sleep(pause)
            timeout -= pause

    def read_logout(self, logout_id: str) -> Logout:
        """Return the receipt of a logout that this application started. Raises NotFound for any other."""
        if not _LOGOUT_ID.fullmatch(logout_id):
            raise ValueError("logout_id is wrong: it is the id of an answer of start_logout")
        return _read(logout, self._send("GET", f"/api/v1/logouts/{logout_id}"))

    def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        timeout: float | None = None,
    ) -> Answer:
        """Return a good answer; raise what any other means."""
        return _checked(self._sent(method, path, body, headers, timeout))

    def _sent(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        headers: Mapping[str, str],
        timeout: float | None,
    ) -> Answer:
        sent = {"Authorization": self._authorization, **headers}
        return self._exchange.send(method, path, headers=sent, body=body, timeout=timeout)


def _session_path(session_id: str) -> str:
    if not _SESSION_ID.fullmatch(session_id):
        raise ValueError("session_id is wrong: it has 1 to 128 characters out of A-Z a-z 0-9 . _ ~ -")
    return f"/api/v1/sessions/{session_id}"


def _rfc3339(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone could mean anything: use an aware datetime")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read(reading: Callable[[dict[str, Any]], _Record], answer: Answer) -> _Record:
    said = document(answer)
    if said is None:
        raise _not_the_api(answer)
    try:
        return reading(said)
    except UnreadableError as error:
        raise Unavailable(
            f"The bridge's answer is not what this client understands, at {error}", status=answer.status
        ) from None


def _checked(answer: Answer) -> Answer:
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        _raise(answer)
    return answer


def _is_under_way(answer: Answer) -> bool:
    return answer.status == HTTPStatus.CONFLICT and (document(answer) or {}).get("reason") == "call_in_progress"


def _raise(answer: Answer) -> NoReturn:
    """Raise what an answer means that is no success; of a 404, 409 or 410 only what the API itself says of it."""
    status, said = answer.status, document(answer) or {}
    words = {name: _said(said, name) for name in ("reason", "reference", "next_step")}
    message = _said(said, "description") or _said(said, "error") or f"The bridge answered with HTTP status {status}"
    match status, words["reason"]:
        case ((401 | 403), _):
            raise Unauthorised(message, status=status, **words)
        case ((404 | 409 | 410), "") | (404, "not_found"):  # of a proxy, or of a bridge at another address
            raise _not_the_api(answer)
        case ((409 | 410), "session_ended"):
            raise SessionEnded(message, status=status, **words)
        case 404, ("session_unknown" | "logout_unknown"):
            raise NotFound(message, status=status, **words)
        case 409, "call_in_progress":  # nobody knows yet what comes of it
            raise Unavailable(message, status=status, **words)
        case 409, "limit_reached":
            raise LimitReached(message, status=status, **words)
        case (409, "session_conflict") | (422, "idempotency_conflict"):
            raise Conflict(message, status=status, **words)
        case 429, _:
            raise RateLimited(message, retry_after=_retry_after(answer), status=status, **words)
        case _ if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Refused(message, status=status, **words)
        case _:
            raise Unavailable(message, status=status, **words)


def _not_the_api(answer: Answer) -> Unavailable:
    return Unavailable(
        f"What answered with HTTP status {answer.status} is not the API of a bridge",
        status=answer.status,
        next_step="See that base_url is the bridge's public address and that a proxy in between lets /api/v1/ through.",
    )


def _said(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    return value[:_MAX_WORDS] if isinstance(value, str) else ""


def _retry_after(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if _RETRY_AFTER.fullmatch(text) else _DEFAULT_RETRY_AFTER
