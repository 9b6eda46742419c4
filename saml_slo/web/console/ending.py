"""/console/sessions/end: a logout that an operator forces, after a look at what it will do."""

from __future__ import annotations

from flask import Blueprint, Response, g

from saml_slo.errors import ConfigurationError
from saml_slo.house import House
from saml_slo.operations import forced
from saml_slo.operations.whom import find
from saml_slo.protocol.envelope import Redirect
from saml_slo.web.console.door import Door, page
from saml_slo.web.console.sessions import refused, search_page
from saml_slo.web.console.shown import asked, in_form, moment, whom
from saml_slo.web.respond import respond


def blueprint(door: Door, house: House) -> Blueprint:
    """Return the preview, and what does it."""
    pages = Blueprint("console_ending", __name__)

    @pages.post("/console/sessions/end")
    @door.operators_only
    def preview() -> Response:
        about, federated = asked(), in_form("local") != "yes"
        try:
            result = find(house, whom(house, about))
        except ConfigurationError as error:
            return refused(house, about, error)
        if not result.sessions:
            return search_page(house, about, sessions=[], tried=result.tried, total=0, searched=True)
        return page(
            "ending.html",
            about=about,
            planned=forced.preview(house, result.sessions, federated=federated),
            total=len(result.sessions),
            federated=federated,
            reasons=tuple(forced.REASONS),
            moment=moment,
        )

    @pages.post("/console/sessions/end/now")
    @door.operators_only
    def end() -> Response:
        about = asked()
        reason = forced.REASONS.get(in_form("reason"), forced.REASONS["admin"])
        federated = in_form("local") != "yes"
        try:
            done = forced.end(house, whom(house, about), reason=reason, federated=federated, by=g.operator)
        except ConfigurationError as error:
            return refused(house, about, error)
        if done is None:
            return search_page(
                house, about, told="Nothing was left to end: the sessions ended by themselves meanwhile."
            )
        return respond(Redirect(f"/console/logouts/{done.reference}"))

    return pages
