"""GET /console: what needs an operator."""

from __future__ import annotations

from flask import Blueprint, Response

from saml_slo.peers.registry import Registry
from saml_slo.web.console.door import Door, page


def blueprint(door: Door, registry: Registry) -> Blueprint:
    """Return the page."""
    pages = Blueprint("console", __name__)

    @pages.get("/console")
    @door.operators_only
    def overview() -> Response:
        return page(
            "overview.html",
            problems=registry.problems(),
            warnings=registry.warnings(),
            connections=len(registry.connections()) + len(registry.upstreams()),
            applications=len(registry.applications()),
        )

    return pages
