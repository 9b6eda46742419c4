"""Webhooks: a signed JSON notice, in the form of the Standard Webhooks specification 1.0.

The signature covers the delivery's id, the time and the body, so a receiver refuses a replay by time and id. The id and
the event's own `timestamp` stay the same over all attempts of one delivery; each attempt has a `webhook-timestamp` and
an `attempt` id of its own (product T5).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from saml_slo.logout.events import PeerAnswered
from saml_slo.logout.transaction import Request, Target
from saml_slo.peers.methods.call import Call, Reply, meaning_of
from saml_slo.protocol.moments import instant_of
from saml_slo.protocol.peer import Application

TYPE = "session.ended"
# 410: "no longer interested", which is not asked again either ("Delivery success and failure").
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.GONE)

# Gives the 32 octets that an application's webhooks of one generation are signed with.
Secrets = Callable[[str, int], bytes]


@dataclass(frozen=True, slots=True)
class Event:
    """What a notice tells of: the logout that began at `at` (milliseconds), and why (the URI of LogoutRequests)."""

    at: int
    reason: str


def secret_text(secret: bytes) -> str:
    """Return a webhook's secret as an operator hands it to the application."""
    return "whsec_" + base64.b64encode(secret).decode()


def call(  # noqa: PLR0917 - what a message is made of
    target: Target, request: Request, application: Application, event: Event, now: datetime, secrets: Secrets
) -> Call:
    """Return the notice of one attempt at `now`."""
    subject = request.subject
    delivery = f"msg{(target.earlier or (target.id,))[0]}"
    body = json.dumps(
        {
            "type": TYPE,
            "timestamp": f"{instant_of(event.at):%Y-%m-%dT%H:%M:%SZ}",
            "data": {
                "client_id": application.client_id,
                "session": None if subject is None else subject.session,
                "user": None if subject is None else subject.user,
                "iss": None if subject is None else subject.issuer,
                "sub": None if subject is None else subject.sub,
                "sid": None if subject is None else subject.sid,
                "reason": event.reason.rpartition(":")[2],
                "attempt": target.id,
            },
        },
        separators=(",", ":"),
    ).encode()
    moment = str(int(now.timestamp()))
    generation = 1 if application.logout is None else application.logout.webhook_generation
    generations = range(generation, max(generation - 2, 0), -1)
    signatures = (_signature(secrets(application.client_id, n), delivery, moment, body) for n in generations)
    return Call(
        url=request.location,
        body=body,
        content_type="application/json",
        headers={"webhook-id": delivery, "webhook-timestamp": moment, "webhook-signature": " ".join(signatures)},
    )


def meaning(target: Target, reply: Reply) -> PeerAnswered:
    """Return what the answer to a notice means: 2xx is done, 400, 401, 403 and 410 are no."""
    return meaning_of(target.id, reply, _REFUSALS)


def _signature(secret: bytes, delivery: str, moment: str, body: bytes) -> str:
    mac = hmac.new(secret, f"{delivery}.{moment}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()
