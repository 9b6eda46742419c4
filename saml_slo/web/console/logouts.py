"""/console/logouts: logouts found by code, message, person or peer, and one of them as it went."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from flask import Blueprint, Response

from saml_slo.errors import ConfigurationError
from saml_slo.house import House
from saml_slo.logout.receipt import LABELS
from saml_slo.operations import trail
from saml_slo.operations.trail import Sought
from saml_slo.protocol.envelope import Redirect
from saml_slo.store import tokens
from saml_slo.store.happened import LogoutBegun, TargetsChanged
from saml_slo.store.trails import Entry
from saml_slo.web.console.door import Door, page
from saml_slo.web.console.shown import ON_A_PAGE, asked, in_query, moment, nothing_here, sentence, whom
from saml_slo.web.respond import respond

_LOOKED_AT = 200  # entries of the audit in which the latest logouts are looked for


def blueprint(door: Door, house: House) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("console_logouts", __name__)

    @pages.get("/console/logouts")
    @door.operators_only
    def search() -> Response:
        code, connection, application = in_query("q"), in_query("connection"), in_query("application")
        if code:
            return _by_code(house, code)
        if connection or application:
            sought = Sought(connection=connection or None, application=application or None, most=ON_A_PAGE)
            entries = trail.find(house, sought)
            return _list(entries, f"Logouts with {connection or application}", peer=connection or application)
        return _list(house.store.latest(_LOOKED_AT), "Logouts")

    @pages.post("/console/logouts")
    @door.operators_only
    def of_person() -> Response:
        about = asked()
        try:
            entries = trail.find(house, Sought(whom=whom(house, about), most=ON_A_PAGE))
        except ConfigurationError as error:
            response = _list((), "Logouts of a person", about=about, told=sentence(error))
            response.status_code = 400
            return response
        return _list(entries, "Logouts of a person", about=about)

    @pages.get("/console/logouts/<code>")
    @door.operators_only
    def one(code: str) -> Response:
        found = trail.look_up(house, code)
        if found.logout_id is None:
            raise nothing_here("logout", "the reference code of a logout of the time for which the audit is kept")
        return page(
            "logout.html",
            reference=tokens.reference_of(found.logout_id),
            found=found,
            labels=LABELS,
            told=trail.sentence,
            moment=moment,
            begun=_begun(found.entries),
        )

    return pages


def _by_code(house: House, code: str) -> Response:
    """Go to the one logout that a code or a message leads to, or say where else a code may be looked for."""
    found = trail.look_up(house, code)
    entries = found.entries
    if found.logout_id is None:
        entries = trail.find(house, Sought(message=code))
    codes = {one.happened.reference for one in entries if isinstance(one.happened, LogoutBegun | TargetsChanged)}
    if found.receipt is not None:
        codes = {found.receipt.reference}
    if len(codes) == 1:
        return respond(Redirect(f"/console/logouts/{codes.pop()}"))
    if entries and not codes:  # a message of a sign-in
        return respond(Redirect(f"/console/audit?{urlencode({'q': code})}"))
    return _list(entries, "Logouts of a message", code=code)


def _list(entries: Iterable[Entry], heading: str, **facts: object) -> Response:
    newest = sorted(entries, key=lambda entry: entry.order, reverse=True)
    begun = [entry for entry in newest if isinstance(entry.happened, LogoutBegun)]
    now: dict[str, str] = {}
    for entry in newest:  # the first that is met is the latest
        if isinstance(entry.happened, LogoutBegun | TargetsChanged) and entry.happened.rest is not None:
            now.setdefault(entry.happened.reference, str(entry.happened.rest))
    defaults = {"about": None, "told": "", "code": "", "peer": ""}
    shown = begun[:ON_A_PAGE]
    return page(
        "logouts.html", **{**defaults, "heading": heading, "logouts": shown, "rest": now, "moment": moment, **facts}
    )


def _begun(entries: Iterable[Entry]) -> LogoutBegun | None:
    return next((entry.happened for entry in entries if isinstance(entry.happened, LogoutBegun)), None)
