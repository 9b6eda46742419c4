"""The pages of the identity provider: sign-in with one click, single sign-on, single logout, and the switches."""

from __future__ import annotations

import secrets
import socket
import time
import traceback
from base64 import b64decode
from collections import OrderedDict
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request
from lxml import etree
from saml2.s_utils import decode_base64_and_inflate
from werkzeug.exceptions import HTTPException

from saml_slo.demo.idp import USERS, IdentityProvider, IdpSession, Incoming, Outgoing
from saml_slo.demo.places import Places
from saml_slo.demo.shared import small_app
from saml_slo.demo.switches import Switches

COOKIE = "idp-session"
_RELOAD_SECONDS = 1.1  # the bridge looks at its metadata files at most once a second


def create_idp(places: Places, switches: Switches) -> Flask:
    """Return the identity provider as a WSGI application."""
    app = small_app(places)
    pages = _Pages(IdentityProvider(places, switches), places)
    both = ("GET", "POST")
    for path, view, methods in (
        ("/", pages.home, ("GET",)),
        ("/session.json", pages.session, ("GET",)),
        ("/metadata", pages.metadata, ("GET",)),
        ("/sso", pages.sso, both),
        ("/slo", pages.slo, both),
        ("/sign-in", pages.sign_in, ("POST",)),
        ("/sign-out", pages.sign_out, ("POST",)),
        ("/switches", pages.turn, ("POST",)),
    ):
        app.add_url_rule(path, view.__name__, view, methods=methods)
    app.register_error_handler(Exception, _cannot)
    return app


def _cannot(error: Exception) -> Response | HTTPException:
    """Say in words what pysaml2, or the network on the way to the bridge's metadata, thinks of a message."""
    if isinstance(error, HTTPException):
        return error
    traceback.print_exception(error)
    return Response(render_template("demo/cannot.html", error=error, kind=type(error).__name__), status=400)


class _Pages:
    """One method for each address."""

    def __init__(self, idp: IdentityProvider, places: Places) -> None:
        self._idp = idp
        self._places = places
        # AuthnRequests whose person has not said yet who they are; the oldest are forgotten.
        self._asking: OrderedDict[str, tuple[Any, str | None]] = OrderedDict()

    def home(self) -> str:
        """Show who is signed in here, and what came and went."""
        return render_template("demo/idp.html", session=self._session(), users=USERS, idp=self._idp)

    def session(self) -> Response:
        """Say the same to programs."""
        found = self._session()
        return jsonify(
            user=None if found is None else found.user,
            sessions=len(self._idp.sessions),
            indexes=[] if found is None else found.indexes,
            events=list(self._idp.events),
        )

    def metadata(self) -> Response:
        """Give the metadata as the switches want it."""
        return Response(self._idp.metadata(), mimetype="application/samlmetadata+xml")

    def sso(self) -> Response:
        """Take an AuthnRequest; where the metadata names no SingleLogoutService, a LogoutRequest comes here too."""
        incoming = _incoming()
        with self._idp.lock:
            if _root_of(incoming) == "LogoutRequest":
                return self._logout(incoming)
            message = self._idp.read_authn_request(incoming)
            found = self._session()
            if found is not None and message.force_authn != "true":
                return _respond(self._idp.answer_sign_in(message, found, incoming.relay_state))
            handle = secrets.token_urlsafe(12)
            self._asking[handle] = (message, incoming.relay_state)
            while len(self._asking) > 100:
                self._asking.popitem(last=False)
        return Response(render_template("demo/choose.html", handle=handle, users=USERS))

    def sign_in(self) -> Response:
        """Sign in whoever was clicked, and answer the request that asked for it, if any did."""
        user = request.form.get("user", "")
        if user not in USERS:
            abort(400, "There is no such user.")
        with self._idp.lock:
            found = self._idp.begin_session(user)
            message, relay_state = self._asking.pop(request.form.get("handle", ""), (None, None))
            out = None if message is None else self._idp.answer_sign_in(message, found, relay_state)
        response = _go("/") if out is None else _respond(out)
        # SameSite=None, as every identity provider needs it: requests come by POST from other sites too.
        response.set_cookie(COOKIE, found.id, secure=True, httponly=True, samesite="None")
        return response

    def sign_out(self) -> Response:
        """End the session in this browser and tell nobody."""
        with self._idp.lock:
            self._idp.sessions.pop(request.cookies.get(COOKIE, ""), None)
        return _go("/")

    def slo(self) -> Response:
        """Take a LogoutRequest."""
        with self._idp.lock:
            return self._logout(_incoming())

    def turn(self) -> Response:
        """Turn the switches as a form says."""
        try:
            wanted = Switches.of(request.form)
        except ValueError as error:
            abort(400, str(error))
        with self._idp.lock:
            changed = self._idp.turn(wanted)
        if changed:
            time.sleep(_RELOAD_SECONDS)
        return _go(f"{self._places.start}#switches")

    def _session(self) -> IdpSession | None:
        return self._idp.sessions.get(request.cookies.get(COOKIE, ""))

    def _logout(self, incoming: Incoming) -> Response:
        out = self._idp.answer_logout(self._idp.read_logout_request(incoming), incoming)
        if out is not None:
            return _respond(out)
        if self._idp.switches.answer == "hangup":
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return Response(render_template("demo/silent.html"))


def _go(location: str) -> Response:
    return Response(status=303, headers={"Location": location})


def _incoming() -> Incoming:
    by_post = request.method == "POST"
    parameters = request.form if by_post else request.args
    if "SAMLRequest" not in parameters:
        abort(400, "There is no SAMLRequest here.")
    return Incoming(binding="post" if by_post else "redirect", parameters=parameters)


def _root_of(incoming: Incoming) -> str:
    """Return the name of the message, before anybody verified it: it only says who is to."""
    encoded = incoming.parameters["SAMLRequest"]
    xml = b64decode(encoded) if incoming.binding == "post" else decode_base64_and_inflate(encoded)
    return etree.QName(etree.fromstring(xml)).localname


def _respond(out: Outgoing) -> Response:
    if out.fields is None:
        return _go(out.location)
    return Response(render_template("post_form.html", action=out.location, fields=out.fields))
