"""/console/first, /console/sign-in, /console/sign-out: how an operator gets in and out."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from saml_slo.errors import Reason, RequestRefused
from saml_slo.protocol.envelope import Redirect
from saml_slo.web.console.door import COOKIE, Door, enclosed
from saml_slo.web.parameters import single
from saml_slo.web.respond import respond

_BEFORE = "before"  # stands for the session of who has none yet, in the token of a form


def blueprint(door: Door) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("console_sign_in", __name__)
    accounts = door.accounts

    @pages.get("/console/first")
    def first() -> Response:
        secret = single(request.args, "link") or ""
        if not accounts.is_link(secret):
            raise RequestRefused(
                "This link was used before, replaced, or is older than an hour",
                reason=Reason.NOT_FOUND,
                expected="the newest link of `saml-slo console link`",
                next_step="Make a new one on the server.",
            )
        return enclosed(
            Response(render_template("console/first.html", link=secret, form_token=door.form_token(secret)))
        )

    @pages.post("/console/first")
    def enrol() -> Response:
        secret = single(request.form, "link") or ""
        door.check_form(secret)
        token = accounts.enrol(secret, _text("name"), _text("password"))
        return door.let_in(respond(Redirect("/console")), token)

    @pages.get("/console/sign-in")
    def sign_in() -> Response:
        return _sign_in_page(_wanted(single(request.args, "to")))

    @pages.post("/console/sign-in")
    def signed_in() -> Response:
        door.check_form(_BEFORE)
        wanted = _wanted(single(request.form, "to"))
        token = accounts.sign_in(_text("name"), _text("password"), request.remote_addr or "")
        if token is None:
            response = _sign_in_page(wanted, wrong=True)
            response.status_code = 401
            return response
        return door.let_in(respond(Redirect(wanted)), token)

    @pages.post("/console/sign-out")
    def sign_out() -> Response:
        token = request.cookies.get(COOKIE, "")
        door.check_form(token)
        accounts.sign_out(token)
        return door.show_out(respond(Redirect("/console/sign-in")))

    def _sign_in_page(wanted: str, *, wrong: bool = False) -> Response:
        token = door.form_token(_BEFORE)
        return enclosed(Response(render_template("console/sign_in.html", to=wanted, wrong=wrong, form_token=token)))

    return pages


def _text(name: str) -> str:
    return single(request.form, name) or ""


def _wanted(to: str | None) -> str:
    """Return a page of the console to go to, and never anything else."""
    inside = to is not None and (to == "/console" or to.startswith("/console/"))
    return to if to is not None and inside and to.isascii() and to.isprintable() and "\\" not in to else "/console"
