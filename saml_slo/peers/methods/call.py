"""A message from server to server, and an answer that says nothing but its HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from saml_slo.logout.events import Happening, PeerAnswered


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One POST to a peer."""

    url: str
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def meaning_of_status(request_id: str, status: int, refusals: tuple[HTTPStatus, ...]) -> PeerAnswered:
    """Return what the HTTP status of an answer to a signed call means (product T1).

    2xx confirms: TLS has proved who answers, and the signature to whom. `refusals` are the statuses by which a peer
    says no; any other one is no answer, and the call is repeated.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return PeerAnswered(request_id, Happening.CONFIRMED, f"It confirmed our signed call (HTTP status {status}).")
    if status in refusals:
        return PeerAnswered(request_id, Happening.REFUSED, f"It refused our signed call (HTTP status {status}).")
    return PeerAnswered(
        request_id, Happening.DEADLINE, f"It gave an answer that cannot be used (HTTP status {status})."
    )
