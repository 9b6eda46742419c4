"""Applications that call the API: their files, their secrets, and one call after the other."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import timedelta

from saml_slo.store import tokens
from tests.running import ORIGIN


def secret(client_id):
    """The API secret of an application."""
    return hashlib.sha256(client_id.encode()).hexdigest()[:43]


def application(client_id, toml='logout = "url"\nlogout_uri = "https://shop.example/out"\n'):
    """The file of an application that may call the API."""
    return f'api_secrets = ["{hashlib.sha256(secret(client_id).encode()).hexdigest()}"]\n{toml}'


BY_URL = 'logout = "url"\nlogout_uri = "https://shop.example/out"\n'
SHOP_AND_BLOG = {"shop": application("shop"), "blog": application("blog")}


@dataclass
class Caller:
    """One application at the API of a bridge; `calls` is the last answer of each call."""

    bridge: object
    client_id: str
    calls: list = field(default_factory=list)

    @property
    def authorization(self):
        """The header by which it is known."""
        return {"Authorization": f"Bearer {self.client_id}.{secret(self.client_id)}"}

    def call(self, method, path, body=None, *, headers=(), data=None, content_type="application/json"):
        """Call, and return the answer; `data` goes out as it is."""
        octets = data if data is not None else None if body is None else json.dumps(body).encode()
        answer = self.bridge.browser().open(
            f"/api/v1/{path}",
            method=method,
            data=octets,
            content_type=content_type if octets is not None else None,
            headers={**self.authorization, **dict(headers)},
            base_url=ORIGIN,
        )
        self.calls.append((method, path, answer.status_code))
        return answer

    def register(self, own_id, **body):
        """Register a session."""
        return self.call("PUT", f"sessions/{own_id}", body)

    def read(self, own_id):
        """Ask whether it is alive."""
        return self.call("GET", f"sessions/{own_id}")

    def touch(self, own_id):
        """Say that the person is active."""
        return self.call("POST", f"sessions/{own_id}/touch")

    def leave(self, own_id):
        """Say that it ended the session itself."""
        return self.call("DELETE", f"sessions/{own_id}")

    def logout(self, key=None, **body):
        """Begin a logout."""
        return self.call("POST", "logouts", body, headers={} if key is None else {"Idempotency-Key": key})

    def is_alive(self, own_id):
        """Whether a session of its own is alive."""
        status = self.read(own_id).status_code
        assert status in (200, 404, 410), status
        return status == 200


def refused(answer, status, reason):
    """Assert that a call was refused so, in the form that every refusal has; return its body."""
    assert answer.status_code == status, (answer.status_code, answer.get_data(as_text=True))
    body = answer.get_json()
    assert body["reason"] == reason, body
    assert {"error", "description", "reference", "reason"} <= body.keys()
    return body


def at(bridge, seconds=0):
    """The bridge's time and some seconds, as RFC 3339."""
    return (bridge.clock.now + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def handle_of_browser(bridge, client_id="shop"):
    """The handle by which an application names the one session of a browser."""
    (name,) = bridge.redis.scan_iter("slo:*:session:*")
    secret = bridge.app.extensions["saml_slo"].secret.derive("handle")
    return tokens.session_handle(secret, name.decode().rpartition(":")[2], client_id)


def stored(bridge):
    """Every living session in the store."""
    store, now = bridge.app.extensions["saml_slo"].store, int(bridge.clock.now.timestamp() * 1000)
    ids = [name.decode().rpartition(":")[2] for name in bridge.redis.scan_iter("slo:*:session:*")]
    found = [store.read_session(identifier, now) for identifier in ids]
    return [session for session in found if hasattr(session, "participants")]
