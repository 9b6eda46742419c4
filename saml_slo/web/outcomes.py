"""Outcome → Flask response: a message on its way, the page of a logout, or the end of a frame."""

from __future__ import annotations

from flask import Response, render_template, request

from saml_slo.journey import Outcome
from saml_slo.logout.transaction import Kind, Transaction
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import Redirect
from saml_slo.protocol.peer import Connection
from saml_slo.web.respond import framing, origin_of, respond


def show(outcome: Outcome, registry: Registry, *, framed: bool = True, asker: Connection | None = None) -> Response:
    """Return what the browser gets; `framed`: it may stand in a frame of ours, or of an IdP that logs out by frames.

    That is the one that began this logout, or the `asker`, whose message was verified just now.
    """
    if outcome.out is not None:
        response = respond(outcome.out)
    elif outcome.frame_is_done and request.headers.get("Sec-Fetch-Dest", "iframe") in ("iframe", "frame"):
        response = Response(render_template("frame_done.html", handle=outcome.handle))
    elif outcome.handle is not None:
        response = respond(Redirect(f"/logout/{outcome.handle}"))
    else:
        response = Response(render_template("signed_out.html"))
    return framing(response, ancestors=idp_origins(registry, outcome.transaction, asker)) if framed else response


def idp_origins(registry: Registry, transaction: Transaction | None, asker: Connection | None = None) -> list[str]:
    """Return the origins of the identity provider that began a logout, and of the one that asks now, if in force.

    No others: a header with those of a thousand connections is one that no proxy passes on.
    """
    requester = None if transaction is None else transaction.requester
    began = registry.connection(requester.peer) if requester is not None and requester.kind is Kind.IDP else None
    endpoints = (
        endpoint
        for connection in (began, asker)
        if connection is not None and connection.enabled
        for endpoint in (*connection.single_logout, *connection.single_sign_on)
    )
    return sorted({origin_of(endpoint.location) for endpoint in endpoints})
