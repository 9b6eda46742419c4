"""/console/deliveries: notices that failed and wait for their next attempt; try one now, or give it up."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, g

from saml_slo.errors import ConfigurationError
from saml_slo.house import House
from saml_slo.logout.transaction import Target
from saml_slo.operations import deliveries
from saml_slo.protocol.envelope import Redirect
from saml_slo.store import tokens
from saml_slo.store.keys import SHARDS
from saml_slo.web.console.door import Door, page
from saml_slo.web.console.shown import ON_A_PAGE, in_form, in_query, moment, sentence
from saml_slo.web.respond import respond


def blueprint(door: Door, house: House) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("console_deliveries", __name__)

    @pages.get("/console/deliveries")
    @door.operators_only
    def waiting() -> Response:
        return _page(house)

    @pages.post("/console/deliveries/retry")
    @door.operators_only
    def retry() -> Response:
        return _act(house, deliveries.retry, "delivery-retried")

    @pages.post("/console/deliveries/drop")
    @door.operators_only
    def drop() -> Response:
        return _act(house, deliveries.drop, "delivery-dropped")

    return pages


def _page(house: House, told: str = "") -> Response:
    after, peer = in_query("after"), in_query("peer")
    found = deliveries.page(house, after=after if after in SHARDS else SHARDS[0], limit=ON_A_PAGE, peer=peer or None)
    return page("deliveries.html", found=found, peer=peer, told=told, moment=moment, is_first=after not in SHARDS[1:])


def _act(house: House, act: Callable[[House, str], Target], action: str) -> Response:
    """Do it, and show the logout that the delivery is of."""
    identifier = in_form("id")
    try:
        target = act(house, identifier)
    except ConfigurationError as error:
        response = _page(house, sentence(error))
        response.status_code = 409
        return response
    house.store.note(g.operator, action, f"{target.peer} {identifier}")
    logout_id = tokens.logout_id_of_message(identifier)
    where = "/console/deliveries" if logout_id is None else f"/console/logouts/{tokens.reference_of(logout_id)}"
    return respond(Redirect(where))
