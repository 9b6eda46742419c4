"""GET /session/status: is this session alive? One Redis round trip, with its rate limit inside (product A3).

Three may ask. Our own page: by our cookie. A reverse proxy, for each request of an application behind it: with
`client_id` and the cookie of the application's host. An application's server: with its API secret and the handle in
`session`. Each look counts as activity of the person and moves the idle limit on, unless it has the parameter `quiet`,
whatever its value: what a page asks by itself is no sign of anybody. Only the last of the three gets an answer that it
may keep for a while: a browser or a proxy would go on with it after a logout.

This is asked more often than everything else together, so `FrontDoor` answers it before Flask is: at less than half
the cost. Whatever is not an answer (a foreign Host, another method, a refusal, an error) goes on to Flask, which tells
it as it tells everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog
from flask import Blueprint, Request, Response, request

from saml_slo.errors import Reason
from saml_slo.forward import Forward, Person, user_of
from saml_slo.peers.registry import Registry
from saml_slo.protocol.moments import instant_of, milliseconds
from saml_slo.protocol.session import Session, check_after
from saml_slo.store.store import Store
from saml_slo.web.api.auth import authenticated
from saml_slo.web.cookies import Cookies
from saml_slo.web.forward import navigates, proxied_host
from saml_slo.web.parameters import single
from saml_slo.web.respond import every_header

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/session/status"
_ERROR = "saml_slo.status_error"  # in the environment of a request: what the front door leaves to Flask
_SAFE_IN_HEADERS = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_log = structlog.get_logger("saml_slo.web")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: `status` as HTTP has it, a JSON document or nothing, and headers of its own."""

    status: str
    document: Mapping[str, object] | None
    headers: Mapping[str, str]

    @property
    def body(self) -> bytes:
        """Return the document as octets."""
        return b"" if self.document is None else json.dumps(self.document).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Answers the three who ask. `clock` returns aware UTC.

    `rate`: how many checks one application, or one browser by our own cookie, may make in a second. `checked` counts
    the answers: alive, over or limited.
    """

    store: Store
    registry: Registry
    forward: Forward
    cookies: Cookies
    clock: Callable[[], datetime]
    rate: int
    checked: Callable[[str], None]

    def answer(self, asked: Request) -> Answer:
        """Return the answer: 200 while the session lives, else 401. Raises SloError for what is to be told in full."""
        now = milliseconds(self.clock())
        handle, client_id = single(asked.args, "session"), single(asked.args, "client_id")
        try:
            # By what is asked, not by what came along: a proxy may pass the application's own Authorization on.
            if client_id is not None:
                answer = self._of_proxy(asked, client_id, now)
            else:
                answer = self._of_browser(asked, now) if handle is None else self._of_server(asked, handle, now)
        except _TooManyError as error:
            self.checked("limited")
            return error.answer()
        self.checked("alive" if answer.document and answer.document["active"] else "over")
        return answer

    def _of_browser(self, asked: Request, now: int) -> Answer:
        session = self._look(asked, self.cookies.session(asked), None, now)
        return _NOBODY if session is None else _alive(session, check_after(session, now))

    def _of_server(self, asked: Request, handle: str, now: int) -> Answer:
        application = authenticated(asked, self.registry)
        identifier = self.forward.session_of_handle(application, handle)
        session = self._look(asked, identifier, application.client_id, now)
        if session is None:
            return _NOBODY
        keep = check_after(session, now)
        participant = self.forward.participant(session, application)
        user = None if participant is None else user_of(participant)
        return _alive(session, keep, user, {"Cache-Control": f"private, max-age={keep}"})

    def _of_proxy(self, asked: Request, client_id: str, now: int) -> Answer:
        application = self.forward.application(client_id)
        identifier = self.forward.session_of(application, self.cookies.application(asked))
        session = self._look(asked, identifier, client_id, now)
        person = None if session is None else self.forward.person(session, application)
        if session is None or person is None:
            return self._sent_away(asked, client_id) if "redirect" in asked.args and navigates(asked) else _NOBODY
        return _alive(session, 0, person.user, _headers(person))

    def _sent_away(self, asked: Request, client_id: str) -> Answer:
        """Return the redirect that proxies other than nginx pass on to the browser instead of a 401."""
        url = self.forward.start_url(client_id, proxied_host(asked), asked.headers.get("X-Forwarded-Uri"))
        return Answer("302 Found", None, {"Location": url})

    def _look(self, asked: Request, identifier: str | None, client_id: str | None, now: int) -> Session | None:
        """Return the living session; one round trip, none where there is nothing to look for."""
        if identifier is None:
            return None
        found = self.store.check_session(identifier, client_id or identifier, now, quiet="quiet" in asked.args)
        if found.count > self.rate:
            if found.count == self.rate + 1:  # one line a second, not one for each check that is too many
                _log.warning("rate_limited", reason=Reason.RATE_LIMITED, client_id=client_id, most=self.rate)
            raise _TooManyError(f"at most {self.rate} in a second")
        return found.session


class FrontDoor:
    """Answers status checks, and lets every other request in.

    `hosts` are the values of Host that are ours, `refresh` reads files that changed. The headers that every response
    carries are made once.
    """

    def __init__(
        self,
        inner: WSGIApplication,
        checks: Checks,
        *,
        hosts: frozenset[str],
        https: bool,
        refresh: Callable[[], None],
    ) -> None:
        """Take what stands behind the door."""
        self._inner = inner
        self._checks = checks
        self._hosts = hosts
        self._refresh = refresh
        self._headers = {**every_header(https=https), "Content-Type": "application/json"}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a status check, or let a request in."""
        if (
            environ["PATH_INFO"] != PATH
            or environ["REQUEST_METHOD"] != "GET"
            or environ.get("HTTP_HOST", "").lower() not in self._hosts
        ):
            return self._inner(environ, start_response)
        try:
            self._refresh()
            answer = self._checks.answer(Request(environ))
        except Exception as error:  # noqa: BLE001 - Flask's handlers say what it is, and log it
            environ[_ERROR] = error
            return self._inner(environ, start_response)
        body = answer.body
        headers = {**self._headers, **answer.headers, "Content-Length": str(len(body))}
        start_response(answer.status, list(headers.items()))
        return [body]


def blueprint(checks: Checks) -> Blueprint:
    """Return the endpoint behind the front door: it tells what went wrong there."""
    pages = Blueprint("status", __name__)

    @pages.get(PATH)
    def status() -> Response:
        error = request.environ.get(_ERROR)
        if error is not None:
            raise error
        answer = checks.answer(request)  # under a spelling of our Host that only Flask takes for ours
        return Response(answer.body, answer.status, answer.headers, mimetype="application/json")

    return pages


class _TooManyError(Exception):
    """Somebody used this second up, and learns nothing more in it."""

    def answer(self) -> Answer:
        document = {
            "error": "Too many status checks",
            "reason": str(Reason.RATE_LIMITED),
            "expected": str(self),
            "next_step": "Keep an answer for as long as its check_after says, or raise SLO_STATUS_RATE.",
        }
        return Answer("429 Too Many Requests", document, {"Retry-After": "1"})


_NOBODY = Answer("401 Unauthorized", {"active": False}, {})


def _alive(session: Session, keep: int, user: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the answer about a living session; `keep`: for how many seconds it may be relied on."""
    document: dict[str, object] = {
        "active": True,
        "connections": list(dict.fromkeys(login.connection for login in session.logins)),
        "ends_at": _instant(session.ends_at),
        "idle_ends_at": _instant(session.idle_ends_at),
        "check_after": keep,
    }
    if user is not None:
        document["user"] = user
    return Answer("200 OK", document, headers or {})


def _headers(person: Person) -> dict[str, str]:
    """Return what the application behind the proxy is told."""
    return {
        "X-Slo-User": _visible(person.user),
        "X-Slo-Session": person.session,
        "X-Slo-Connection": _visible(person.connection),
        "X-Slo-Email": _visible(person.email),
    }


def _instant(moment: int) -> str:
    return instant_of(moment).isoformat(timespec="seconds").replace("+00:00", "Z")


def _visible(value: str | None) -> str:
    """Return a value as a header may hold it: what is not visible ASCII is percent-encoded, as UTF-8."""
    return quote(value or "", safe=_SAFE_IN_HEADERS)
