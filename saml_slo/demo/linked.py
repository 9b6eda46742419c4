"""Two applications that do not speak SAML: Shop, told by a signed webhook, and News, told by a plain URL in a frame.

Both sign people in by a link, `/login?client_id=…`, which brings back a handle (`slo_session`), and by the API they
hang a session of their own on the bridge's session of that handle. From then on the bridge tells them of its end. They
rely on that alone, so that one sees what comes of a notice that does not arrive; a real application would ask now and
then as well (`saml_slo.client.SessionCheck`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import socket
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Flask, Response, abort, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from saml_slo.certs import load_secret
from saml_slo.client import ApplicationSession, Client, ClientError, LogoutNotice, LogoutReceiver, WebhookVerifier
from saml_slo.demo.places import NEWS, SHOP, Places
from saml_slo.demo.shared import small_app
from saml_slo.demo.switches import read_switches, write_whole
from saml_slo.peers.methods.webhook import secret_text

_SLOW_SECONDS = 8


class _Way(NamedTuple):
    """How an application is told."""

    method: str
    path: str
    title: str
    sentence: str


WAYS: Mapping[str, _Way] = {
    SHOP: _Way(
        "webhook", "/slo/logout", "Shop", "It is told by a signed webhook, and the receipt says what it answers."
    ),
    NEWS: _Way(
        "url",
        "/slo/gone",
        "News",
        "It is told by a page in a frame. Whether the browser lets its cookie in there, nobody can see from outside: "
        "the receipt says no more than “sent”.",
    ),
}


def enlist(places: Places) -> dict[str, str]:
    """Write the files of both applications, as an operator would, and return the credential of each for the API."""
    credentials = {}
    for client_id, (method, path, title, _) in WAYS.items():
        secret = secrets.token_urlsafe(32)
        origin = _origin(places, client_id)
        facts = {
            "display_name": title,
            "logout": method,
            "logout_uri": f"{origin}{path}",
            "allowed_logout_urls": [f"{origin}/*"],
            "api_secrets": [hashlib.sha256(secret.encode()).hexdigest()],
        }
        lines = (f"{key} = {json.dumps(value)}\n" for key, value in facts.items())  # JSON of these is TOML
        write_whole(places.metadata_dir / "applications" / f"{client_id}.toml", "".join(lines))
        credentials[client_id] = f"{client_id}.{secret}"
    return credentials


def _origin(places: Places, client_id: str) -> str:
    return places.shop if client_id == SHOP else places.news


class _Desk:
    """The sessions of one application by the value of their cookie, and what it was told, the newest first."""

    def __init__(self, cookie: str) -> None:
        self.cookie = cookie
        self.sessions: dict[str, ApplicationSession] = {}
        self.notices: deque[str] = deque(maxlen=12)

    def session(self) -> ApplicationSession | None:
        return self.sessions.get(request.cookies.get(self.cookie, ""))

    def end(self, own_id: str | None) -> bool:
        """End the session that was registered under this id; say whether there was one."""
        found = [token for token, session in list(self.sessions.items()) if session.id == own_id]
        for token in found:
            self.sessions.pop(token, None)
        return bool(found)

    def note(self, sentence: str) -> None:
        self.notices.appendleft(f"{datetime.now(UTC):%H:%M:%S} {sentence}")


def _create(places: Places, client_id: str, credential: str) -> tuple[Flask, _Desk]:
    """Return an application with its pages and its sign-in; how it is told is the caller's to add."""
    app, way, origin = small_app(places), WAYS[client_id], _origin(places, client_id)
    client, desk = Client(places.bridge, credential), _Desk(f"{client_id}-session")
    state_cookie = f"{client_id}-state"

    @app.get("/")
    def home() -> str:
        session = desk.session()
        back = urlencode({"returnTo": f"{origin}/"})
        out = "" if session is None else f"{session.logout_url}&{back}"
        return render_template("demo/linked.html", way=way, signed_in=session is not None, out=out, desk=desk)

    @app.get("/session.json")
    def as_json() -> Response:
        return jsonify(signed_in=desk.session() is not None, notices=list(desk.notices))

    @app.post("/sign-out")
    def sign_out() -> AnyResponse:
        """End the session of this browser and tell nobody."""
        desk.sessions.pop(request.cookies.get(desk.cookie, ""), None)
        return redirect("/", 303)

    @app.get("/sign-in")
    def sign_in() -> AnyResponse:
        state = secrets.token_urlsafe(16)  # only the browser that began a sign-in may end it
        back = f"{origin}/signed-in?{urlencode({'state': state})}"
        response = redirect(f"{places.bridge}/login?{urlencode({'client_id': client_id, 'returnTo': back})}", 303)
        response.set_cookie(state_cookie, state, secure=True, httponly=True, samesite="Lax")
        return response

    @app.get("/signed-in")
    def signed_in() -> AnyResponse:
        state, handle = request.args.get("state", ""), request.args.get("slo_session", "")
        asked = request.cookies.get(state_cookie, "")
        if not (asked and handle and hmac.compare_digest(state.encode(), asked.encode())):
            abort(400, "This browser did not begin that sign-in.")
        try:
            session = client.create_session(secrets.token_urlsafe(16), session=handle)
        except ClientError as error:
            abort(502, f"The bridge did not register the session: {error}")
        token = secrets.token_urlsafe(16)
        desk.sessions[token] = session
        response = redirect("/", 303)
        # A frame of another site gets no cookie but with SameSite=None; a webhook comes without any browser.
        samesite = "None" if client_id == NEWS else "Lax"
        response.set_cookie(desk.cookie, token, secure=True, httponly=True, samesite=samesite)
        response.delete_cookie(state_cookie)
        return response

    return app, desk


def create_shop(places: Places, credential: str) -> Flask:
    """Return the Shop as a WSGI application."""
    app, desk = _create(places, SHOP, credential)

    def on_logout(notice: LogoutNotice) -> None:
        ended = "session ended" if desk.end(notice.session) else "there was no such session any more"
        desk.note(f"a signed webhook came (reason: {notice.reason}): {ended}")

    @cache
    def receiver() -> LogoutReceiver:
        """Return the receiver; the bridge's keys are there once it sends anything. `saml-slo secret webhook shop`."""
        secret = secret_text(load_secret(places.certs_dir).webhook(SHOP, 1))
        return LogoutReceiver(on_logout, webhooks=WebhookVerifier(secret))

    @app.post(WAYS[SHOP].path)
    def take_notice() -> Response:
        position = read_switches(places.switches_file).shop
        if position == "down":
            desk.note("a notice came and got no answer: the Shop is down")
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return Response()
        if position == "refuses":
            desk.note("a notice came and was refused")
            return Response(status=403)
        if position == "slow":
            time.sleep(_SLOW_SECONDS)
        headers = {name.lower(): value for name, value in request.headers}
        reply = receiver().receive(request.method, headers, request.get_data())
        return Response(reply.body, reply.status, list(reply.headers))

    return app


def create_news(places: Places, credential: str) -> Flask:
    """Return the News as a WSGI application."""
    app, desk = _create(places, NEWS, credential)

    @app.get(WAYS[NEWS].path)
    def gone() -> str:
        """End the session of the cookie that came along and no other: nothing here is signed."""
        session = desk.session()
        if read_switches(places.switches_file).news == "ignores":
            desk.note("a frame came and was ignored")
        elif session is None:
            desk.note("a frame came without a cookie of a session: nothing to end")
        else:
            desk.end(session.id)
            desk.note("a frame came with the cookie: session ended")
        return "You are signed out of the News."

    return app
