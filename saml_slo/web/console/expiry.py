"""/console/expiry: certificates, metadata and waivers, those that end soonest first."""

from __future__ import annotations

from flask import Blueprint, Response

from saml_slo.house import House
from saml_slo.operations import listing
from saml_slo.web.console.door import Door, page
from saml_slo.web.console.shown import slice_of


def blueprint(door: Door, house: House) -> Blueprint:
    """Return the page."""
    pages = Blueprint("console_expiry", __name__)

    @pages.get("/console/expiry")
    @door.operators_only
    def expiry() -> Response:
        now = house.clock()
        return page("expiry.html", shown=slice_of(listing.endings(house)), now=now, soon=now + listing.SOON)

    return pages
