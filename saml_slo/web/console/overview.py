"""GET /console: what needs an operator."""

from __future__ import annotations

from flask import Blueprint, Response

from saml_slo.house import House
from saml_slo.operations import deliveries, listing
from saml_slo.web.console.door import Door, page

_MOST = 10  # of each kind of news; the rest is a click away


def blueprint(door: Door, house: House) -> Blueprint:
    """Return the page."""
    pages = Blueprint("console", __name__)
    registry = house.registry

    @pages.get("/console")
    @door.operators_only
    def overview() -> Response:
        now = house.clock()
        # An application whose waiver is over is blind, and told as such.
        soon = [
            one
            for one in listing.endings(house)
            if one.at <= now + listing.SOON and not (one.what == listing.WAIVER and one.at <= now)
        ]
        found = deliveries.page(house)
        return page(
            "overview.html",
            keys=house.keys.problem(),
            problems=registry.problems()[:_MOST],
            warnings=registry.warnings()[:_MOST],
            more=max(0, len(registry.problems()) - _MOST) + max(0, len(registry.warnings()) - _MOST),
            blind=listing.blind(house, now.date()),
            soon=soon,
            waiting=listing.waiting_metadata(house),
            backlog=house.store.backlog(house.journey.now()),
            deliveries=f"{len(found.deliveries)}{'+' if found.next_shard or found.cut else ''}",
            connections=len(registry.connections()) + len(registry.upstreams()),
            applications=len(registry.applications()),
            now=now,
            most=_MOST,
        )

    return pages
