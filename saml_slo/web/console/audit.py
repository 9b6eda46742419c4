"""/console/audit: what verified parties and operators did, the newest first, or found by an index."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flask import Blueprint, Response

from saml_slo.errors import ConfigurationError
from saml_slo.house import House
from saml_slo.operations import trail
from saml_slo.operations.trail import Sought
from saml_slo.store.happened import LogoutBegun, TargetsChanged
from saml_slo.store.trails import Entry
from saml_slo.web.console.door import Door, page
from saml_slo.web.console.shown import ON_A_PAGE, asked, in_query, moment, sentence, whom

_PLACE = re.compile(r"(\d{1,15})-([0-9a-f]{2})-(\d{1,15})")
_MOST = 200


def blueprint(door: Door, house: House) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("console_audit", __name__)

    @pages.get("/console/audit")
    @door.operators_only
    def entries() -> Response:
        given = {name: in_query(name) for name in ("connection", "application", "q")}
        if given["q"]:
            found = trail.find(house, Sought(reference=given["q"])) or trail.find(house, Sought(message=given["q"]))
            return _found(found, **given)
        if given["connection"] or given["application"]:
            sought = Sought(
                connection=given["connection"] or None, application=given["application"] or None, most=ON_A_PAGE
            )
            return _found(trail.find(house, sought), **given)
        place = _PLACE.fullmatch(in_query("before"))
        before = None if place is None else (int(place[1]), place[2], int(place[3]))
        newest = house.store.latest(ON_A_PAGE, before)
        older = newest[-1] if len(newest) == ON_A_PAGE else None
        return _page(
            newest,
            older="" if older is None else f"{older.at}-{older.shard}-{older.number}",
            is_first=before is None,
            **given,
        )

    @pages.post("/console/audit")
    @door.operators_only
    def of_person() -> Response:
        about = asked()
        try:
            return _found(trail.find(house, Sought(whom=whom(house, about), most=ON_A_PAGE)), about=about)
        except ConfigurationError as error:
            response = _page((), about=about, told=sentence(error), searched=True)
            response.status_code = 400
            return response

    return pages


def _found(entries: Iterable[Entry], **facts: object) -> Response:
    newest = sorted(entries, key=lambda entry: entry.order, reverse=True)
    return _page(newest[:_MOST], searched=True, cut=len(newest) > _MOST, **facts)


def _page(entries: Iterable[Entry], **facts: object) -> Response:
    shown = [
        {
            "at": moment(entry.at),
            "what": trail.sentence(entry.happened),
            "reference": entry.happened.reference if isinstance(entry.happened, LogoutBegun | TargetsChanged) else "",
            "session": getattr(entry.happened, "session", ""),
        }
        for entry in entries
    ]
    defaults = {"about": None, "told": "", "older": "", "is_first": True, "searched": False, "cut": False}
    nothing = {"connection": "", "application": "", "q": ""}
    return page("audit.html", **{**defaults, **nothing, "entries": shown, **facts})
