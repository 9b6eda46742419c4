"""GET /: whether this browser is signed in, where one can sign in, how to sign out, and this browser's last logout."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, Response, render_template, request

from saml_slo.bridge import Bridge
from saml_slo.peers.registry import Registry
from saml_slo.protocol.moments import milliseconds
from saml_slo.store.store import Store
from saml_slo.web.cookies import Cookies


def blueprint(
    registry: Registry, store: Store, bridge: Bridge, cookies: Cookies, clock: Callable[[], datetime]
) -> Blueprint:
    """Return the page."""
    pages = Blueprint("home", __name__)

    @pages.get("/")
    def home() -> Response:
        identifier = cookies.session(request)
        session = None if identifier is None else store.touch_session(identifier, milliseconds(clock()))
        enabled = [connection for connection in registry.connections() if connection.enabled]
        titles = {connection.name: connection.title for connection in registry.connections()}
        logins = [] if session is None else [titles.get(login.connection, login.connection) for login in session.logins]
        handle = cookies.logout(request)
        left = None if session is not None or handle is None else bridge.read_receipt(handle)
        return Response(
            render_template(
                "home.html",
                session=session,
                logins=logins,
                connections=enabled,
                is_leaving=left is not None and bridge.is_running(left),
                handle=None if left is None else handle,
            )
        )

    return pages
