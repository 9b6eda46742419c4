"""Flask: check sessions before each request, and a blueprint that takes logout notices."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Flask, Response, request
from flask.typing import ResponseReturnValue

from saml_slo.client.receiver import MAX_BYTES, LogoutReceiver
from saml_slo.client.session_check import SessionCheck


def guard_sessions(
    app: Flask | Blueprint,
    check: SessionCheck,
    *,
    session_id: Callable[[], str | None],
    on_ended: Callable[[], ResponseReturnValue],
    quiet: Callable[[], bool] = lambda: False,
) -> None:
    """Answer with `on_ended` where the session of a request has ended.

    `session_id` returns the id under which the application registered it, None where nobody is signed in; `on_ended`
    clears the application's own session and returns a response, for instance a redirect to its sign-in. `quiet` says of
    a request that a page makes it by itself, such as by polling: it is refused as any other once the session is over,
    and does not keep it from ending idle.
    """

    @app.before_request
    def check_session() -> ResponseReturnValue | None:
        chosen = session_id()
        return None if chosen is None or check.is_alive(chosen, quiet=quiet()) else on_ended()


def logout_blueprint(receiver: LogoutReceiver, path: str = "/slo/logout") -> Blueprint:
    """Return a blueprint that takes notices at `path`; leave it out of your protection against CSRF."""
    pages = Blueprint("saml_slo_logout", __name__)

    @pages.post(path)
    def take_notice() -> Response:
        request.max_content_length = MAX_BYTES  # more is answered 413
        headers = {name.lower(): value for name, value in request.headers}
        reply = receiver.receive(request.method, headers, request.get_data())
        return Response(reply.body, reply.status, list(reply.headers))

    return pages
