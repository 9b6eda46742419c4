"""Which of our endpoints a message belongs to: by the URL it was sent to, its Destination, or its kind and Issuer."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from saml_slo.errors import ConfigurationError, Reason
from saml_slo.peers.application_file import idp_entity_id
from saml_slo.peers.lookup import connection_at
from saml_slo.peers.registry import Registry
from saml_slo.protocol.peer import Connection

_PATH = re.compile(r"/saml/(?:sp/(?P<name>[a-z0-9-]{1,63})/(?P<sp>acs|slo)|idp/(?P<idp>sso|slo))/?")


class Door(StrEnum):
    """One kind of endpoint that takes messages."""

    ACS = "acs"
    SLO = "slo"
    IDP_SSO = "idp_sso"
    IDP_SLO = "idp_slo"


@dataclass(frozen=True, slots=True)
class Place:
    """One endpoint of ours. `connection` is the name in its URL, empty for those that all applications share."""

    door: Door
    endpoint: str
    connection: str = ""
    note: str = ""


class Places:
    """Finds the endpoint of a message among those of one installation; `public_url` is ours, without a slash."""

    def __init__(self, registry: Registry, public_url: str) -> None:
        self._registry = registry
        self._origin = public_url
        self._idp = idp_entity_id(public_url)

    def is_ours(self, issuer: str | None) -> bool:
        """Say whether an Issuer is one of our own entity ids: then we sent the message."""
        return issuer is not None and issuer in {
            self._idp,
            *(connection.sp_entity_id for connection in self._registry.connections()),
        }

    def find(self, kind: str, issuer: str | None, urls: tuple[str, ...], peer: str | None) -> Place | None:
        """Return where a message belongs, None where nothing says so.

        `urls` are where it was sent and its Destination, empty ones left out by themselves. `peer` is a name that
        somebody gave. Raises ConfigurationError where that is no name of ours, or where two peers have the entity id.
        """
        if peer is not None:
            return self._of_peer(kind, peer)
        for url in urls:
            if (place := self.at(url)) is not None:
                return place
        return self._of_issuer(kind, issuer)

    def closest(self, issuer: str | None) -> str:
        """Return the known entity id that looks most like this one, empty where none does."""
        known = [peer.entity_id for peer in (*self._registry.connections(), *self._registry.service_providers())]
        return next(iter(difflib.get_close_matches((issuer or "")[:500], known, 1, 0.92)), "")

    def at(self, url: str) -> Place | None:
        """Return which endpoint of ours a URL is, also where its origin is not the one that we have now."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        found = _PATH.fullmatch(parts.path)
        if found is None:
            return None
        origin = f"{parts.scheme}://{parts.netloc}".lower()
        note = ""
        if parts.netloc and origin != self._origin:
            note = f"It was sent to {origin}, and SLO_PUBLIC_URL is {self._origin}."
        if found["idp"]:
            return self._at_idp(Door.IDP_SSO if found["idp"] == "sso" else Door.IDP_SLO, note)
        if connection_at(self._registry, found["name"]) is None and note:
            return None  # another site whose paths look like ours
        return Place(Door(found["sp"]), f"{self._origin}{parts.path.rstrip('/')}", found["name"], note)

    def _of_peer(self, kind: str, name: str) -> Place:
        connection = self._registry.connection(name)
        provider = self._registry.service_provider(name)
        if connection is not None and (kind != "AuthnRequest" or provider is None):
            return _at_connection(connection, kind)
        if provider is not None:
            return self._at_idp(Door.IDP_SSO if kind == "AuthnRequest" else Door.IDP_SLO)
        known = [peer.name for peer in (*self._registry.connections(), *self._registry.service_providers())]
        raise ConfigurationError(
            "there is no such peer here that speaks SAML",
            expected=", ".join(known)[:500] or "a connection or an application, of which there are none",
            got=ascii(name),
            reason=Reason.CONNECTION_UNKNOWN,
            setting="--peer",
            next_step="`saml-slo check` lists those in force.",
        )

    def _of_issuer(self, kind: str, issuer: str | None) -> Place | None:
        connection = None if issuer is None else self._registry.connection_of(issuer)
        provider = None if issuer is None else self._registry.service_provider_of(issuer)
        if kind == "AuthnRequest":
            return self._at_idp(Door.IDP_SSO)
        if kind == "Response" or provider is None:
            return None if connection is None else _at_connection(connection, kind)
        if connection is None:
            return self._at_idp(Door.IDP_SLO)
        raise ConfigurationError(
            "a connection and an application both have this entity id, and the message does not say where it was sent",
            expected=f"--peer {connection.name} or --peer {provider.name}",
            got=issuer or "",
            reason=Reason.ISSUER_UNKNOWN,
            setting="--peer",
            next_step="Say whose message it is.",
        )

    def _at_idp(self, door: Door, note: str = "") -> Place:
        return Place(door, f"{self._origin}/saml/idp/{door.removeprefix('idp_')}", "", note)


def _at_connection(connection: Connection, kind: str) -> Place:
    """Return the endpoint of ours that a connection knows; those of a federation share theirs."""
    door, endpoint = (Door.ACS, connection.acs_url) if kind == "Response" else (Door.SLO, connection.slo_url)
    found = _PATH.fullmatch(urlsplit(endpoint).path)
    return Place(door, endpoint, connection.name if found is None else found["name"])
