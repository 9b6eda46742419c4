"""The real bridge with a start page at /demo, and some addresses that only the demo has.

`/demo/whoami?returnTo=…` sends the browser back to the demo's application, and nowhere else, with `signed_in=yes` or
`no`. That is no protocol, and `create_app` does not have it. `/demo/receipt` leads to the receipt of this browser's
last sign-out, `/demo/console` into the console: until it has an operator, with a fresh first-run link.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Blueprint, Flask, current_app, render_template, request
from werkzeug.wrappers import Response

from saml_slo.app import create_app
from saml_slo.config import Settings
from saml_slo.demo.places import CONNECTION, Places
from saml_slo.demo.switches import POSITIONS, read_switches
from saml_slo.errors import Reason, RequestRefused
from saml_slo.house import House
from saml_slo.protocol.envelope import Redirect
from saml_slo.web.cookies import Cookies
from saml_slo.web.parameters import single
from saml_slo.web.respond import respond


def create_demo_bridge(settings: Settings, *, places: Places) -> Flask:
    """Return the bridge as `create_app` makes it, and the demo's pages beside it."""
    app = create_app(settings)
    app.register_blueprint(_pages(places))
    return app


def _pages(places: Places) -> Blueprint:
    pages = Blueprint("demo", __name__, url_prefix="/demo", template_folder=str(Path(__file__).parent / "templates"))

    @pages.get("")
    def start() -> str:
        return render_template(
            "demo/start.html",
            places=places,
            connection=CONNECTION,
            signed_in=_signed_in(),
            switches=read_switches(places.switches_file),
            positions=POSITIONS,
        )

    @pages.get("/receipt")
    def receipt() -> Response:
        """Show what became of the last sign-out of this browser, also where it went so well that nobody asked."""
        handle = Cookies.logout(request)
        return respond(Redirect(places.start if handle is None else f"/logout/{quote(handle, safe='')}"))

    @pages.get("/console")
    def console() -> Response:
        """Lead to the console. A link of the start of the demo would be over after an hour, so it is made here."""
        house: House = current_app.extensions["saml_slo"]
        first = not house.store.has_operators()
        return respond(Redirect(f"/console/first?link={house.operators.new_link()}" if first else "/console"))

    @pages.get("/whoami")
    def whoami() -> Response:
        back = single(request.args, "returnTo") or ""
        if not _is_ours(back, places):
            raise RequestRefused(
                "The demo answers its own application only",
                reason=Reason.RETURN_URL_NOT_ALLOWED,
                expected=f"a URL that begins with {places.application}/?",
                got=ascii(back[:200]),
                setting="returnTo",
                next_step=f"Open {places.application}/",
            )
        return respond(Redirect(f"{back}&signed_in={'yes' if _signed_in() else 'no'}"))

    return pages


def _signed_in() -> bool:
    """Ask the session probe, as an application would."""
    answer: Any = current_app.view_functions["status.status"]()
    return bool(answer.status_code == HTTPStatus.OK)


def _is_ours(url: str, places: Places) -> bool:
    return (
        url.isascii() and url.isprintable() and url.startswith(f"{places.application}/?") and bool(urlsplit(url).query)
    )
