"""Logout notices as the bridge makes them, and receivers that keep what they were told."""

import hashlib
import json
from urllib.parse import urlencode

from saml_slo.client import LogoutReceiver, LogoutTokenVerifier, WebhookVerifier
from saml_slo.peers.methods import webhook
from saml_slo.wire.jws import key_set, sign_claims
from tests.client.serving import Clock
from tests.keys import pair

NOW = 1_790_000_000
SECRET = hashlib.sha256(b"this generation").digest()
OLD_SECRET = hashlib.sha256(b"the one before").digest()
ISSUER = "https://slo.example"
DATA = {
    "client_id": "shop",
    "session": "s1",
    "user": "alice",
    "iss": None,
    "sub": None,
    "sid": None,
    "reason": "user",
    "attempt": "_a1",
}
FORM = {"content-type": "application/x-www-form-urlencoded"}
EVENTS = {"http://schemas.openid.net/event/backchannel-logout": {}}


def hook(*, secrets=(SECRET,), delivery="msg_1", at=NOW, kind="session.ended", body=None, **data):
    """Return headers and body of a webhook."""
    said = {"type": kind, "timestamp": "2026-11-20T10:00:00Z", "data": {**DATA, **data}}
    octets = json.dumps(said).encode() if body is None else body
    signatures = " ".join(webhook._signature(secret, delivery, str(at), octets) for secret in secrets)
    headers = {
        "content-type": "application/json",
        "webhook-id": delivery,
        "webhook-timestamp": str(at),
        "webhook-signature": signatures,
    }
    return headers, octets


def token(*, key="bridge", typ="logout+jwt", without=(), **claims):
    """Return a logout token."""
    said = {
        "iss": ISSUER,
        "aud": "shop",
        "iat": NOW,
        "exp": NOW + 120,
        "jti": "_t1",
        "events": EVENTS,
        "sub": "alice",
        "sid": "s1",
        **claims,
    }
    return sign_claims({name: value for name, value in said.items() if name not in without}, pair(key).signing, typ)


def form(text):
    """Return the body that brings a token."""
    return urlencode({"logout_token": text}).encode()


def jwks(*names):
    """Return the key set that has these keys."""
    return key_set([pair(name).certificate for name in names])


class Receiving:
    """A receiver with both verifiers, its clock, and the notices that it handed on. `act` may be replaced."""

    def __init__(
        self, origin, *, audience="shop", secrets=("whsec_" + "A" * 44,), issuers=(ISSUER,), clock=None, **how
    ):
        self.clock = clock or Clock(NOW)
        self.notices = []
        self.act = self.notices.append
        self.tokens = LogoutTokenVerifier(origin, audience, issuers=issuers, clock=self.clock)
        self.receiver = LogoutReceiver(
            self.on_logout,
            webhooks=WebhookVerifier(*secrets, clock=self.clock),
            logout_tokens=self.tokens,
            **how,
        )

    def on_logout(self, notice):
        """Act on a notice."""
        self.act(notice)

    def take(self, headers, body, method="POST"):
        """Give the receiver a request; return the status."""
        self.reply = self.receiver.receive(method, headers, body)
        assert ("Cache-Control", "no-store") in self.reply.headers
        return self.reply.status

    def take_token(self, text):
        """Give it a token."""
        return self.take(FORM, form(text))
