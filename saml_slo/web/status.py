"""GET /session/status: is this session alive? One Redis round trip, with its rate limit inside (product A3).

Three may ask. Our own page: by our cookie. A reverse proxy, for each request of an application behind it: with
`client_id` and the cookie of the application's host. An application's server: with its API secret and the handle in
`session`. Seeing a session moves its idle limit on. Only the last gets an answer that it may keep for a while: a
browser or a proxy would go on with it after a logout.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import structlog
from flask import Blueprint, Response, jsonify, request

from saml_slo.errors import Reason
from saml_slo.forward import Forward, Person, user_of
from saml_slo.peers.registry import Registry
from saml_slo.protocol.session import Session, check_after, milliseconds
from saml_slo.store.store import Store
from saml_slo.web.api.auth import authenticated
from saml_slo.web.cookies import Cookies
from saml_slo.web.forward import navigates, nobody, proxied_host
from saml_slo.web.parameters import single

_SAFE_IN_HEADERS = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_ANSWERS = {200: "alive", 429: "limited"}
_log = structlog.get_logger("saml_slo.web")


def blueprint(
    *,
    store: Store,
    registry: Registry,
    forward: Forward,
    cookies: Cookies,
    clock: Callable[[], datetime],
    rate: int,
    checked: Callable[[str], None],
) -> Blueprint:
    """Return the endpoint: 200 while the session lives, else 401.

    `rate`: how many checks one application, or one browser by our own cookie, may make in a second. `checked`
    counts the answers: alive, over or limited.
    """
    pages = Blueprint("status", __name__)
    checks = _Checks(store, registry, forward, cookies, rate)

    @pages.get("/session/status")
    def status() -> Response:
        try:
            response = answer()
        except _TooManyError as error:
            response = error.response()
        checked(_ANSWERS.get(response.status_code, "over"))
        return response

    def answer() -> Response:
        now = milliseconds(clock())
        handle, client_id = single(request.args, "session"), single(request.args, "client_id")
        # By what is asked, not by what came along: a proxy may pass the application's own Authorization on.
        if client_id is not None:
            return checks.of_proxy(client_id, now)
        return checks.of_browser(now) if handle is None else checks.of_server(handle, now)

    return pages


@dataclass(frozen=True, slots=True)
class _Checks:
    """Answers the three who ask; `now` in milliseconds."""

    store: Store
    registry: Registry
    forward: Forward
    cookies: Cookies
    rate: int

    def of_browser(self, now: int) -> Response:
        session = self._look(self.cookies.session(request), None, now)
        return nobody() if session is None else _alive(session, check_after(session, now))

    def of_server(self, handle: str, now: int) -> Response:
        application = authenticated(request, self.registry)
        session = self._look(self.forward.session_of_handle(application, handle), application.client_id, now)
        if session is None:
            return nobody()
        keep = check_after(session, now)
        headers = {"Cache-Control": f"private, max-age={keep}"}
        participant = self.forward.participant(session, application)
        return _alive(session, keep, None if participant is None else user_of(participant), headers)

    def of_proxy(self, client_id: str, now: int) -> Response:
        application = self.forward.application(client_id)
        session = self._look(self.forward.session_of(application, self.cookies.application(request)), client_id, now)
        person = None if session is None else self.forward.person(session, application)
        if session is None or person is None:
            return self._sent_away(client_id) if "redirect" in request.args and navigates() else nobody()
        return _alive(session, 0, person.user, _headers(person))

    def _sent_away(self, client_id: str) -> Response:
        """Return the redirect that proxies other than nginx pass on to the browser instead of a 401."""
        url = self.forward.start_url(client_id, proxied_host(), request.headers.get("X-Forwarded-Uri"))
        return Response(status=302, headers={"Location": url})

    def _look(self, identifier: str | None, client_id: str | None, now: int) -> Session | None:
        """Return the living session; one round trip, none where there is nothing to look for."""
        if identifier is None:
            return None
        found = self.store.check_session(identifier, client_id or identifier, now)
        if found.count > self.rate:
            if found.count == self.rate + 1:  # one line a second, not one for each check that is too many
                _log.warning("rate_limited", reason=Reason.RATE_LIMITED, client_id=client_id, most=self.rate)
            raise _TooManyError(f"at most {self.rate} in a second")
        return found.session


class _TooManyError(Exception):
    """Somebody used this second up, and learns nothing more in it."""

    def response(self) -> Response:
        response = jsonify(
            error="Too many status checks",
            reason=Reason.RATE_LIMITED,
            expected=str(self),
            next_step="Keep an answer for as long as its check_after says, or raise SLO_STATUS_RATE.",
        )
        response.status_code = 429
        response.headers["Retry-After"] = "1"
        return response


def _alive(session: Session, keep: int, user: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer about a living session; `keep`: for how many seconds it may be relied on."""
    body = {
        "active": True,
        "connections": [login.connection for login in session.logins],
        "ends_at": _instant(session.ends_at),
        "idle_ends_at": _instant(session.idle_ends_at),
        "check_after": keep,
    }
    if user is not None:
        body["user"] = user
    return Response(json.dumps(body), headers=headers, mimetype="application/json")


def _headers(person: Person) -> dict[str, str]:
    """Return what the application behind the proxy is told."""
    return {
        "X-Slo-User": _visible(person.user),
        "X-Slo-Session": person.session,
        "X-Slo-Connection": _visible(person.connection),
        "X-Slo-Email": _visible(person.email),
    }


def _instant(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _visible(value: str | None) -> str:
    """Return a value as a header may hold it: what is not visible ASCII is percent-encoded, as UTF-8."""
    return quote(value or "", safe=_SAFE_IN_HEADERS)
