"""GET /session/status: is the session of this browser alive? One Redis round trip (product A3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify, request

from saml_slo.protocol.session import milliseconds
from saml_slo.store.store import Store
from saml_slo.web.cookies import Cookies


def blueprint(store: Store, cookies: Cookies, clock: Callable[[], datetime]) -> Blueprint:
    """Return the endpoint: 200 with the moment at which the session ends, 401 when there is none.

    Seeing a session moves its idle limit on.
    """
    pages = Blueprint("status", __name__)

    @pages.get("/session/status")
    def status() -> Response:
        identifier = cookies.session(request)
        session = None if identifier is None else store.touch_session(identifier, milliseconds(clock()))
        if session is None:
            response = jsonify(active=False)
            response.status_code = 401
            return response
        ends = datetime.fromtimestamp(session.ends_at / 1000, UTC)
        return jsonify(
            active=True,
            connections=[login.connection for login in session.logins],
            ends_at=ends.isoformat(timespec="seconds").replace("+00:00", "Z"),
        )

    return pages
