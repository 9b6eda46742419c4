"""Webhooks at the receiver: what is genuine gets through once, and nothing else does."""

import base64
import json

import pytest

from saml_slo.client import LogoutNotice, WebhookVerifier
from saml_slo.peers.methods.webhook import secret_text
from tests.client.notices import NOW, OLD_SECRET, SECRET, Receiving, form, hook, token

ORIGIN = "https://slo.example"


@pytest.fixture
def receiving():
    """A receiver that knows one secret."""
    return Receiving(ORIGIN, secrets=(secret_text(SECRET),))


def test_a_webhook_is_handed_on(receiving):
    """A genuine webhook is one notice with everything that it says, and 204."""
    headers, body = hook(iss="https://op.example", sub="a", sid="x")
    assert receiving.take(headers, body) == 204
    assert receiving.notices == [
        LogoutNotice(
            id="msg_1",
            session="s1",
            user="alice",
            issuer="https://op.example",
            sub="a",
            sid="x",
            reason="user",
        )
    ]


@pytest.mark.parametrize("known", [(SECRET,), (OLD_SECRET,), (OLD_SECRET, SECRET)])
def test_a_secret_can_be_changed(known):
    """Signed by two generations, a webhook is accepted with either secret; a receiver may know both."""
    receiving = Receiving(ORIGIN, secrets=[secret_text(secret) for secret in known])
    assert receiving.take(*hook(secrets=(SECRET, OLD_SECRET))) == 204


def changed(name, value):
    """Return a hook with another header."""
    headers, body = hook()
    return {**headers, name: value}, body


def without(name):
    """Return a hook without a header."""
    headers, body = hook()
    return {key: value for key, value in headers.items() if key != name}, body


MAC = hook()[0]["webhook-signature"].removeprefix("v1,")
BAD = {
    "another's secret": hook(secrets=(OLD_SECRET,)),
    "changed body": (hook()[0], hook(session="s2")[1]),
    "changed id": changed("webhook-id", "msg_2"),
    "changed time": changed("webhook-timestamp", str(NOW + 1)),
    "no id": without("webhook-id"),
    "no time": without("webhook-timestamp"),
    "no signature": without("webhook-signature"),
    "empty signature": changed("webhook-signature", ""),
    "empty mac": changed("webhook-signature", "v1,"),
    "unknown version": changed("webhook-signature", f"v1a,{MAC}"),
    "bare mac": changed("webhook-signature", MAC),
    "mac behind too many": changed("webhook-signature", "v1,x " * 100 + f"v1,{MAC}"),
    "signature not ASCII": changed("webhook-signature", "v1,ä"),
    "old": hook(at=NOW - 301),
    "of the future": hook(at=NOW + 301),
    "time with a sign": hook(at=f"+{NOW}"),
    "time with a fraction": hook(at=f"{NOW}.0"),
    "time in other digits": hook(at="".join(chr(0x0660 + int(digit)) for digit in str(NOW))),
    "id with a dot": hook(delivery="msg.1"),
    "no JSON": hook(body=b"session.ended"),
    "no object": hook(body=b"[]"),
    "deep": hook(body=b"[" * 50_000),
    "not UTF-8": hook(body=b'{"type":"\xff"}'),
    "another event": hook(kind="session.created"),
    "no data": hook(body=b'{"type":"session.ended","data":null}'),
    "a number for a session": hook(session=1),
    "nobody": hook(session=None, user=None),
    "another media type": changed("content-type", "text/plain"),
    "no media type": without("content-type"),
    "form": changed("content-type", "application/x-www-form-urlencoded"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_nothing_else_is(receiving, bad):
    """Whatever is not signed by our secret, just now, for this very body is 400, and nobody is told."""
    assert receiving.take(*bad) == 400
    assert receiving.notices == []
    assert json.loads(receiving.reply.body) == {"error": "invalid_request"}
    assert receiving.take(*hook()) == 204, "the control"


def test_time_has_a_tolerance(receiving):
    """Clocks may differ by five minutes."""
    for number, at in enumerate((NOW - 300, NOW + 300)):
        assert receiving.take(*hook(delivery=f"msg_{number}", at=at)) == 204


def test_a_delivery_is_acted_on_once(receiving):
    """A delivery whose answer was lost comes again with a new time: it is confirmed, and nobody is told twice."""
    assert receiving.take(*hook()) == 204
    receiving.clock.now += 60
    assert receiving.take(*hook()) == 204, "a replay, still in time"
    assert receiving.take(*hook(at=NOW + 60)) == 204, "the next attempt"
    assert len(receiving.notices) == 1
    receiving.clock.now += 300
    assert receiving.take(*hook()) == 400, "a replay, too late"


def test_a_receiver_takes_what_it_was_made_for():
    """Without a verifier for tokens, a token is refused."""
    receiving = Receiving(ORIGIN, secrets=(secret_text(SECRET),))
    receiving.receiver._logout_tokens = None
    assert receiving.take_token(token()) == 400
    assert receiving.take(*hook()) == 204


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", base64.b64encode(SECRET).decode(), "whsec_!!!!", "whsec_" + base64.b64encode(b"short").decode()],
)
def test_a_wrong_secret_is_told_at_the_start(secret):
    """A secret that can be none is an error at once, which does not show it."""
    with pytest.raises(ValueError, match="whsec_ and base64"):
        WebhookVerifier(secret)


def test_no_secret_is_no_verifier():
    """A verifier without a secret cannot be made."""
    with pytest.raises(ValueError, match="without a secret"):
        WebhookVerifier()


def test_a_form_is_not_a_webhook(receiving):
    """The two kinds do not mix: a signed body under the other's media type is refused."""
    headers, _ = hook()
    assert receiving.take({**headers, "content-type": "application/json"}, form("x.y.z")) == 400
