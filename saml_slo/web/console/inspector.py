"""/console/inspector: what a captured message is, and whether we would accept it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from flask import Blueprint, Response, g, request

from saml_slo.errors import ConfigurationError, RequestRefused
from saml_slo.house import House
from saml_slo.inspection import Inspector, captured_in, compared
from saml_slo.inspection.report import printable
from saml_slo.web.console.door import Door, page
from saml_slo.web.console.shown import in_form

MAX_CAPTURE = 16 * 1024 * 1024  # a HAR file of a sign-in; larger ones are for the command line
_MAX_PASTED = 4 * 1024 * 1024
_MAX_REPORTS = 50


def blueprint(door: Door, house: House) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("console_inspector", __name__)

    @pages.get("/console/inspector")
    @door.operators_only
    def empty() -> Response:
        return _page()

    @pages.post("/console/inspector")
    @_roomy
    @door.operators_only
    def inspected() -> Response:
        reveal = in_form("reveal") == "yes"
        try:
            captures = captured_in(_given())
            inspector = Inspector(
                registry=house.registry,
                public_url=house.settings.public_url,
                keys=house.keys.current(),
                clock=house.clock,
            )
            peer = in_form("peer") or None
            reports = compared(inspector.inspect(one, peer=peer, reveal=reveal) for one in captures[:_MAX_REPORTS])
        except (RequestRefused, ConfigurationError) as error:
            response = _page(told=f"{error.message}. {error.next_step}".replace("..", "."))
            response.status_code = 400
            return response
        if reveal:
            house.store.note(g.operator, "message-revealed", "inspector")
        return _page(reports=reports, revealed=reveal, left=len(captures) - len(reports))

    return pages


def _page(**facts: object) -> Response:
    return page(
        "inspector.html",
        **{"reports": [], "told": "", "revealed": False, "left": 0, "printable": printable, **facts},
    )


def _given() -> bytes:
    """Return the file, or else what was pasted."""
    file = request.files.get("file")
    uploaded = b"" if file is None else file.read()
    return uploaded or request.form.get("message", "").encode(errors="replace")


def _roomy(view: Callable[[], Response]) -> Callable[[], Response]:
    """Let this form be larger than a message may be. The door reads none of it before it knows who is there."""

    @wraps(view)
    def seen() -> Response:
        request.max_content_length = MAX_CAPTURE
        request.max_form_memory_size = _MAX_PASTED
        return view()

    return seen
