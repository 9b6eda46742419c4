"""Outcome → Flask response: a message on its way, the page of a logout, or the end of a frame."""

from __future__ import annotations

from flask import Response, render_template, request

from saml_slo.journey import Outcome
from saml_slo.peers.registry import Registry
from saml_slo.protocol.envelope import Redirect
from saml_slo.web.respond import framing, origin_of, respond


def show(outcome: Outcome, registry: Registry, *, framed: bool = True) -> Response:
    """Return what the browser gets; `framed`: it may stand in a frame of ours, or of an IdP that logs out by frames."""
    if outcome.out is not None:
        response = respond(outcome.out)
    elif outcome.frame_is_done and request.headers.get("Sec-Fetch-Dest", "iframe") in ("iframe", "frame"):
        response = Response(render_template("frame_done.html", handle=outcome.handle))
    elif outcome.handle is not None:
        response = respond(Redirect(f"/logout/{outcome.handle}"))
    else:
        response = Response(render_template("signed_out.html"))
    return framing(response, ancestors=idp_origins(registry)) if framed else response


def idp_origins(registry: Registry) -> list[str]:
    """Return the origins of the identity providers that are in force."""
    endpoints = (
        endpoint
        for connection in registry.connections()
        if connection.enabled
        for endpoint in (*connection.single_logout, *connection.single_sign_on)
    )
    return sorted({origin_of(endpoint.location) for endpoint in endpoints})
