"""Verify a webhook of the bridge (Standard Webhooks specification 1.0)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from saml_slo.client.errors import NoticeRefused
from saml_slo.client.exchange import json_object
from saml_slo.client.notice import LogoutNotice

EVENT = "session.ended"
TOLERANCE_SECONDS = 300  # as the specification's own libraries have it
_SECRET_OCTETS = range(24, 65)  # "Signature scheme" of the specification
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")  # without a dot, which parts what is signed
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_MAX_SIGNATURES = 8


class WebhookVerifier:
    """Makes a `LogoutNotice` of a webhook, if one of the secrets signed it within the last five minutes.

    `secrets` are texts as `whsec_…`: one, or two while the secret is being changed. `clock` returns Unix time.
    """

    def __init__(self, *secrets: str, clock: Callable[[], float] = time.time) -> None:
        if not secrets:
            raise ValueError("a webhook cannot be verified without a secret")
        self._secrets = tuple(_octets(secret) for secret in secrets)
        self._clock = clock

    def verify(self, headers: Mapping[str, str], body: bytes) -> LogoutNotice:
        """Return what a webhook says, or raise NoticeRefused. The names of `headers` are in lower case."""
        delivery, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not _ID.fullmatch(delivery):
            raise NoticeRefused("webhook-id is missing or no id")
        if not _TIMESTAMP.fullmatch(moment):
            raise NoticeRefused("webhook-timestamp is missing or no number")
        self._check_signature(headers.get("webhook-signature", ""), f"{delivery}.{moment}.".encode() + body)
        if abs(self._clock() - int(moment)) > TOLERANCE_SECONDS:
            raise NoticeRefused(f"webhook-timestamp is not within {TOLERANCE_SECONDS} seconds of our clock")
        return _notice(delivery, json_object(body))

    def _check_signature(self, header: str, signed: bytes) -> None:
        given = [text.encode() for text in header.split(" ")[:_MAX_SIGNATURES] if text.startswith("v1,")]
        made = [
            b"v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()) for secret in self._secrets
        ]
        if not any(hmac.compare_digest(ours, theirs) for ours in made for theirs in given):
            raise NoticeRefused("webhook-signature is not by any of our secrets")


def _notice(delivery: str, document: dict[str, Any] | None) -> LogoutNotice:
    if document is None or document.get("type") != EVENT or not isinstance(document.get("data"), dict):
        raise NoticeRefused(f"the body is no {EVENT} event")
    data = document["data"]
    names = {"session": "session", "user": "user", "issuer": "iss", "sub": "sub", "sid": "sid", "reason": "reason"}
    said = {ours: data.get(theirs) for ours, theirs in names.items()}
    if not all(value is None or isinstance(value, str) for value in said.values()):
        raise NoticeRefused("the event names a session in a form that is not known")
    notice = LogoutNotice(id=delivery, **said)
    if not notice.names_somebody:
        raise NoticeRefused("the event names neither a session nor a user")
    return notice


def _octets(secret: str) -> bytes:
    try:
        octets = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not secret.startswith("whsec_") or len(octets) not in _SECRET_OCTETS:
        raise ValueError("a webhook's secret is wrong: it is whsec_ and base64, as the operator gave it")
    return octets
