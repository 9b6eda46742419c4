"""Providers that do not speak SAML: the URL at which a browser is signed out there (product P)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from saml_slo.peers.methods.query import with_query
from saml_slo.protocol.upstream import Upstream

_PLACE = re.compile(r"\{([a-z_]+)\}")
PLACES = ("return_to", "state", "id_token", "access_token", "client_id", "user", "sid")
# What a provider may be unable to do without; where to return to is always known.
NEEDS = ("id_token", "access_token", "client_id", "user", "sid")


def places_of(template: str) -> tuple[str, ...]:
    """Return the names that stand in braces in a template."""
    return tuple(_PLACE.findall(template))


def wants(upstream: Upstream, name: str) -> bool:
    """Say whether something of this name would be sent to the provider."""
    return any(name in places_of(template) for _, template in upstream.parameters)


def missing(upstream: Upstream, known: Mapping[str, str]) -> tuple[str, ...]:
    """Return what the provider's sign-out needs and is not known."""
    return tuple(name for name in upstream.needs if not known.get(name))


def sign_out_url(upstream: Upstream, url: str, known: Mapping[str, str]) -> str:
    """Return the URL of a sign-out; a parameter with something that is not known is left out."""
    parameters = []
    for name, template in upstream.parameters:
        if all(known.get(place) for place in places_of(template)):
            parameters.append((name, _PLACE.sub(lambda match: known[match[1]], template)))
    return with_query(url, parameters)
