"""Whose keys a message may be verified with: the connection of the endpoint, if the message claims to be from there."""

from __future__ import annotations

from saml_slo.errors import MessageRefused, Reason, RequestRefused
from saml_slo.peers.registry import Registry
from saml_slo.protocol.peer import Connection


def connection_named(registry: Registry, name: str) -> Connection:
    """Return the enabled connection of one of our endpoints, or refuse the request in words."""
    connection = registry.connection(name)
    if connection is None or not connection.enabled:
        raise RequestRefused(
            "There is no such connection here" if connection is None else "This connection is disabled",
            reason=Reason.CONNECTION_UNKNOWN,
            expected="the name of a connection that is in force",
            got=repr(name[:80]),
            setting=f"metadata/connections/{name[:80]}.toml",
            next_step="Check the link, or ask the operator whether the connection's file was loaded.",
        )
    return connection


def peer_of(registry: Registry, name: str, claimed_issuer: str | None) -> Connection:
    """Return the connection whose keys a message at its endpoint must be verified with.

    Each connection has its own endpoints, so a message of another known IdP is a mix-up (CVE-2026-49284) and one of
    nobody we know is refused before any cryptography. A Response may leave its Issuer out; the assertion may not, and
    is held against the connection after verification.
    """
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
