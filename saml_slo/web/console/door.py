"""Who may pass: an operator's session by a cookie that no other site can send, and a token in every form (group J)."""

from __future__ import annotations

import hashlib
import hmac
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Response, g, render_template, request

from saml_slo.errors import Reason, RequestRefused
from saml_slo.protocol.envelope import Redirect
from saml_slo.web.parameters import single
from saml_slo.web.respond import every_header, respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from saml_slo.operators import OperatorAccounts

COOKIE = "__Host-slo-console"
# Where one can go from every page, in the order of the navigation.
PLACES = (
    ("/console", "Overview"),
    ("/console/connections", "Connections"),
    ("/console/applications", "Applications"),
    ("/console/sessions", "Sessions"),
    ("/console/logouts", "Logouts"),
    ("/console/deliveries", "Deliveries"),
    ("/console/expiry", "Expiry"),
    ("/console/inspector", "Inspector"),
    ("/console/audit", "Audit"),
)
SIGN_IN = "/console/sign-in"


class Door:
    """Lets operators in. `key` (32 bytes) makes the tokens of forms; `origin` is our public URL."""

    def __init__(self, accounts: OperatorAccounts, *, key: bytes, origin: str) -> None:
        self.accounts = accounts
        self._key = key
        self._origin = origin

    def operators_only(self, view: Callable[..., Response]) -> Callable[..., Response]:
        """Return a view that only an operator sees; a form must bring the token of its page.

        Others are sent to the sign-in, and back to the page that they wanted.
        """

        @wraps(view)
        def guarded(**arguments: Any) -> Response:  # noqa: ANN401 - the parts of a path
            token = request.cookies.get(COOKIE)
            operator = self.accounts.operator(token)
            if operator is None:
                wanted = request.full_path.rstrip("?") if request.method == "GET" else "/console"
                return respond(Redirect(f"{SIGN_IN}?to={quote(wanted, safe='')}"))
            g.operator, g.form_token = operator, self.form_token(token or "")
            if request.method != "GET":
                self.check_form(token or "")
            return view(**arguments)

        return guarded

    def form_token(self, session: str) -> str:
        """Return the token that a form of this session brings; `session` is the cookie's, or what stands for it."""
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def check_form(self, session: str) -> None:
        """Refuse a form that is not of a page of ours, shown in this session."""
        given = single(request.form, "form_token") or ""
        ours = request.headers.get("Origin", self._origin) == self._origin
        if not ours or not hmac.compare_digest(given.encode(), self.form_token(session).encode()):
            raise RequestRefused(
                "This form was not sent from a page of the console, or its session is over",
                reason=Reason.CSRF_REJECTED,
                expected="the token of a page that was shown in this session",
                next_step="Open the page again and repeat what you did.",
            )

    @staticmethod
    def let_in(response: Response, token: str) -> Response:
        """Give the browser its session."""
        response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="Strict")
        return response

    @staticmethod
    def show_out(response: Response) -> Response:
        """Take the session from the browser."""
        response.set_cookie(COOKIE, "", max_age=0, path="/", secure=True, httponly=True, samesite="Strict")
        return response


def page(template: str, **facts: Any) -> Response:  # noqa: ANN401 - what a template shows
    """Return a page of the console for the operator who is there."""
    text = render_template(
        f"console/{template}",
        operator=g.operator,
        form_token=g.form_token,
        here=request.path,
        places=PLACES,
        **facts,
    )
    return enclosed(Response(text))


def enclosed(response: Response) -> Response:
    """Let the forms of a page lead to ourselves alone. Pages of a logout cannot have this: see respond.py.

    Without any referrer a browser would name no Origin either (`null`), by which a form of ours is known.
    """
    headers = every_header(https=False)
    response.headers["Content-Security-Policy"] = f"{headers['Content-Security-Policy']}; form-action 'self'"
    response.headers["Referrer-Policy"] = "strict-origin"
    response.headers["X-Frame-Options"] = headers["X-Frame-Options"]
    return response
