"""Whose keys a message may be verified with.

At the endpoints of a connection: that connection, if the message claims to be from there. At endpoints that several
share (all applications ours as an identity provider, the connections of a federation those of the federation): the one
that the message claims to be from.
"""

from __future__ import annotations

from saml_slo.errors import MessageRefused, Reason, RequestRefused
from saml_slo.peers.registry import Registry
from saml_slo.protocol.peer import Connection, ServiceProvider


def connection_named(registry: Registry, name: str) -> Connection:
    """Return the enabled connection of one of our endpoints, or refuse the request in words."""
    connection = registry.connection(name)
    if connection is None or not connection.enabled:
        raise RequestRefused(
            "There is no such connection here" if connection is None else "This connection is disabled",
            reason=Reason.CONNECTION_UNKNOWN,
            expected="the name of a connection that is in force",
            got=repr(name[:80]),
            setting="" if connection is None else f"metadata/connections/{name}.toml",
            next_step="Check the link, or ask the operator whether the connection's file was loaded.",
        )
    return connection


def connection_at(registry: Registry, name: str) -> Connection | None:
    """Return the connection of one of our endpoints, enabled or not; of a federation's the first of its connections.

    All of those have the same endpoints and the same name of ours; nothing else about it may be used.
    """
    return registry.connection(name) or next(iter(registry.members(name)), None)


def peer_of(registry: Registry, name: str, claimed_issuer: str | None) -> Connection:
    """Return the connection whose keys a message at its endpoint must be verified with.

    Each connection has its own endpoints, so a message of another known IdP is a mix-up (CVE-2026-49284) and one of
    nobody we know is refused before any cryptography. A Response may leave its Issuer out; the assertion may not, and
    is held against the connection after verification.
    """
    if members := registry.members(name):
        return _member(registry, members, claimed_issuer)
    connection = registry.connection(name)
    if connection is None or not connection.enabled:
        raise MessageRefused(Reason.ISSUER_UNKNOWN, "this endpoint's connection is not in force", got=name[:80])
    if claimed_issuer is None or claimed_issuer == connection.entity_id:
        return connection
    known = registry.connection_of(claimed_issuer) is not None
    raise MessageRefused(
        Reason.ISSUER_MISMATCH if known else Reason.ISSUER_UNKNOWN,
        "the message is from another identity provider" if known else "the message is from nobody we know",
        expected=connection.entity_id,
        got=repr(claimed_issuer[:200]),
    )


def _member(registry: Registry, members: tuple[Connection, ...], claimed_issuer: str | None) -> Connection:
    """Return the member of a federation that a message claims to be from; the claim only chooses the keys.

    A Response that answers a sign-in is held against the connection that was asked, so that one member cannot answer
    for another (signin.py).
    """
    if claimed_issuer is None:
        raise MessageRefused(
            Reason.ISSUER_UNKNOWN, "the message does not say who sent it", expected="an Issuer", got="none"
        )
    for connection in members:
        if connection.entity_id == claimed_issuer and connection.enabled:
            return connection
    known = registry.connection_of(claimed_issuer) is not None
    raise MessageRefused(
        Reason.ISSUER_MISMATCH if known else Reason.ISSUER_UNKNOWN,
        "the message is from no connection of this federation that is in force",
        expected=f"one of {len(members)} identity providers",
        got=repr(claimed_issuer[:200]),
    )


def provider_of(registry: Registry, claimed_issuer: str | None) -> ServiceProvider:
    """Return the application whose keys a message at our endpoints as an identity provider must be verified with.

    The claim only chooses the keys: a message that names another application than its own fails its signature. One of
    nobody we know, or of nobody at all (a request and an answer of Core 3.2 need an Issuer here), is refused before any
    cryptography.
    """
    provider = None if claimed_issuer is None else registry.service_provider_of(claimed_issuer)
    if provider is not None and provider.enabled:
        return provider
    if claimed_issuer is None:
        raise MessageRefused(
            Reason.ISSUER_UNKNOWN, "the message does not say who sent it", expected="an Issuer", got="none"
        )
    raise MessageRefused(
        Reason.ISSUER_UNKNOWN,
        "the message is from no application that we know" if provider is None else "this application is not in force",
        expected="the entity id of an application that is in force",
        got=repr(claimed_issuer[:200]),
    )
