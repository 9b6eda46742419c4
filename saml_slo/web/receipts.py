"""/logout/<handle>: what a logout really did, as a page, as JSON and as a signed JWS (product T2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, render_template, request

from saml_slo.bridge import Bridge
from saml_slo.errors import Reason, RequestRefused
from saml_slo.journey import Outcome
from saml_slo.logout.receipt import Receipt, receipt
from saml_slo.logout.transaction import Kind, Transaction
from saml_slo.peers.registry import Registry
from saml_slo.protocol.moments import in_words, instant_of, iso
from saml_slo.web.outcomes import idp_origins, show
from saml_slo.web.parameters import single
from saml_slo.web.respond import framing, origin_of
from saml_slo.wire.jws import sign_claims
from saml_slo.wire.keys import OurKeys

_TYPE = "logout-receipt+jwt"
_OF_THE_PAGE = ("id", "can_be_asked", "is_frame", "is_back", "own_window")


def blueprint(
    bridge: Bridge, registry: Registry, *, keys: Callable[[], OurKeys], clock: Callable[[], datetime], origin: str
) -> Blueprint:
    """Return the pages; a handle that opens nothing is a 404 whether it never was or is over."""
    pages = Blueprint("receipts", __name__)

    @pages.get("/logout/<handle>")
    def page(handle: str) -> Response:
        transaction = _find(bridge, handle)
        found = receipt(transaction)
        host = None if found.return_to is None else urlsplit(found.return_to).hostname
        response = Response(
            render_template("receipt.html", receipt=found, handle=handle, return_host=host, moment=_moment)
        )
        frames = {origin_of(row.endpoint) for row in found.rows if row.endpoint and row.is_frame}
        # An IdP that logs out by frames shows this page in one of its own; nobody else may.
        asked_by_idp = transaction.requester is not None and transaction.requester.kind is Kind.IDP
        ancestors = idp_origins(registry, transaction) if asked_by_idp else None
        return framing(response, ancestors=ancestors, frames=sorted(frames))

    @pages.get("/logout/<handle>.json")
    def as_json(handle: str) -> Response:
        return jsonify(facts_of(receipt(_find(bridge, handle))))

    @pages.get("/logout/<handle>.jws")
    def as_jws(handle: str) -> Response:
        found = receipt(_find(bridge, handle))
        claims = {"iss": origin, "iat": int(clock().timestamp()), **facts_of(found)}
        response = Response(sign_claims(claims, keys().signing, _TYPE), mimetype="application/jwt")
        response.headers["Content-Disposition"] = f'attachment; filename="logout-{found.reference}.jws"'
        return response

    @pages.get("/logout/<handle>/next")
    def go_on(handle: str) -> Response:
        return _shown(bridge.go_on(handle), registry)

    @pages.get("/logout/<handle>/frame/<target>")
    def frame(handle: str, target: str) -> Response:
        return _shown(bridge.open_frame(handle, target), registry)

    @pages.post("/logout/<handle>/ask")
    def ask_again(handle: str) -> Response:
        return _shown(bridge.ask_again(handle, single(request.form, "target") or ""), registry)

    @pages.post("/logout/<handle>/loaded")
    def loaded(handle: str) -> Response:
        # The progress page tells that a frame came to rest whose application cannot tell it (product T1).
        if bridge.loaded(handle, single(request.form, "target") or "") is None:
            raise _no_receipt()
        return Response(status=204)

    return pages


def _shown(outcome: Outcome | None, registry: Registry) -> Response:
    if outcome is None:
        raise _no_receipt()
    return show(outcome, registry)


def _find(bridge: Bridge, handle: str) -> Transaction:
    transaction = bridge.read_receipt(handle)
    if transaction is None:
        raise _no_receipt()
    return transaction


def _no_receipt() -> RequestRefused:
    return RequestRefused(
        "There is no receipt here, or it is over",
        reason=Reason.NOT_FOUND,
        expected="the link of a logout of the last 24 hours",
        next_step="Sign out again if you are not sure.",
    )


def _moment(moment: int) -> str:
    return in_words(instant_of(moment))


def facts_of(found: Receipt) -> dict[str, Any]:
    """Return the receipt for programs: times as ISO 8601 in UTC, absent facts as null."""
    rows = []
    for row in found.rows:
        facts = asdict(row)
        for name in _OF_THE_PAGE:
            del facts[name]
        for moment in ("since", "changed_at", "retry_at", "retry_until"):
            facts[moment] = None if facts[moment] is None else iso(facts[moment])
        rows.append(facts)
    return {
        "reference": found.reference,
        "started_at": iso(found.started_at),
        "initiator": found.initiator,
        "reason": found.reason,
        "summary": found.summary,
        "settled": found.settled,
        "open": found.open,
        "busy": found.busy,
        "return_to": found.return_to,
        "sessions": rows,
    }
