"""Every page of the console, behind its door."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint

from saml_slo.house import House
from saml_slo.web.console import (
    audit,
    deliveries,
    ending,
    expiry,
    inspector,
    logouts,
    overview,
    peers,
    sessions,
    sign_in,
)
from saml_slo.web.console.door import Door


def blueprints(house: House) -> Iterator[Blueprint]:
    """Yield the pages."""
    door = Door(house.operators, key=house.secret.derive("console"), origin=house.settings.public_url)
    yield sign_in.blueprint(door)
    for part in (overview, peers, sessions, ending, logouts, deliveries, inspector, audit, expiry):
        yield part.blueprint(door, house)
