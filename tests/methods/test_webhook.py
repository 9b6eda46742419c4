"""webhook: the signed notice, as the Standard Webhooks specification 1.0 has it."""

import base64
import re

import pytest

from saml_slo.certs import load_secret
from saml_slo.peers.methods.webhook import secret_text
from tests import idp
from tests.methods.receiver import application, rows, sweep, webhook_is_signed_by


def secret(bridge, generation=1, client_id="hook"):
    """The secret of an application, as `saml-slo secret webhook` prints it."""
    return secret_text(load_secret(bridge.settings.certs_dir).webhook(client_id, generation))


def test_the_message_that_leaves(signed_in, receiver):
    """A POST with JSON and the three headers; what it says of the event is what the specification recommends."""
    hook = application("hook", "webhook", receiver.url("/hooks?of=slo"))
    bridge, browser = signed_in(hook)
    location = bridge.logout(browser).headers["Location"]
    row = rows(bridge, browser, location)["hook"]
    assert (row["state"], row["reason"]) == ("confirmed", "It confirmed our signed call (HTTP status 204).")
    (got,) = receiver.got
    assert (got.method, got.path, got.query) == ("POST", "/hooks", "of=slo")
    assert (got.headers["Content-Type"], got.headers["Host"]) == ("application/json", receiver.host)
    assert re.fullmatch(r"msg_[0-9a-f]{50}", got.headers["Webhook-Id"])  # no dot, which parts what is signed
    assert got.headers["Webhook-Timestamp"] == str(int(idp.NOW.timestamp()))
    attempt = got.document["data"].pop("attempt")
    assert got.headers["Webhook-Id"] == f"msg{attempt}"
    assert got.document | {"data": None} == {
        "type": "session.ended",
        "timestamp": idp.NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data": None,
    }
    assert got.document["data"] | {"attempt": None} == {
        "client_id": "hook",
        "session": None,
        "user": None,
        "iss": None,
        "sub": hook.told.name_id,
        "sid": hook.told.session_index,
        "reason": "user",
        "attempt": None,
    }
    assert len(got.body) < 20_000


def test_anybody_with_the_secret_can_verify_it(signed_in, receiver):
    """The signature is HMAC-SHA256 over id, time and the octets of the body; another application's secret is wrong."""
    bridge, browser = signed_in(application("hook", "webhook", receiver.url()))
    bridge.logout(browser)
    got = receiver.wait_for(1)
    assert webhook_is_signed_by(got, secret(bridge))
    assert not webhook_is_signed_by(got, secret(bridge, client_id="other"))
    assert not webhook_is_signed_by(got, secret(bridge, generation=2))


@pytest.mark.parametrize("header", ["Webhook-Id", "Webhook-Timestamp"])
def test_what_is_signed_cannot_be_changed(signed_in, receiver, header):
    """Neither the id nor the time of a notice that somebody caught can be made new."""
    bridge, browser = signed_in(application("hook", "webhook", receiver.url()))
    bridge.logout(browser)
    got = receiver.wait_for(1)
    got.headers[header] += "1"
    assert not webhook_is_signed_by(got, secret(bridge))


def test_a_secret_is_long_enough_and_looks_like_one(run):
    """24 to 64 octets in base64 behind whsec_, one of its own for each application and generation."""
    bridge = run()
    texts = {secret(bridge, generation, name) for generation in (1, 2) for name in ("hook", "other")}
    assert len(texts) == 4
    for text in texts:
        assert 24 <= len(base64.b64decode(text.removeprefix("whsec_"), validate=True)) <= 64


def test_the_id_stays_and_the_attempt_is_fresh(signed_in, receiver):
    """The delivery's id and the event's time stay over all attempts; attempt and time of sending are new (T5)."""
    receiver.answer = (500, "", b"", {})
    bridge, browser = signed_in(application("hook", "webhook", receiver.url()))
    location = bridge.logout(browser).headers["Location"]
    for seconds in (6, 16):
        rows(bridge, browser, location)  # the attempt has come to its end
        assert sweep(bridge, seconds) == 1
    receiver.wait_for(3)
    first, second, third = receiver.got
    assert len({got.headers["Webhook-Id"] for got in receiver.got}) == 1
    assert len({got.document["timestamp"] for got in receiver.got}) == 1
    assert len({got.document["data"]["attempt"] for got in receiver.got}) == 3
    begun = int(first.headers["Webhook-Timestamp"])
    assert [int(got.headers["Webhook-Timestamp"]) - begun for got in (second, third)] == [6, 22]
    assert all(webhook_is_signed_by(got, secret(bridge)) for got in receiver.got)


@pytest.mark.parametrize(("generation", "signers"), [(1, [1]), (2, [2, 1]), (7, [7, 6])])
def test_a_secret_is_rolled(signed_in, receiver, generation, signers):
    """The generation of the file signs, and the one before it: whoever has either can verify; older ones cannot."""
    more = f"webhook_generation = {generation}\n"
    bridge, browser = signed_in(application("hook", "webhook", receiver.url(), more))
    bridge.logout(browser)
    got = receiver.wait_for(1)
    able = [number for number in (7, 6, 5, 2, 1) if webhook_is_signed_by(got, secret(bridge, number))]
    assert able == signers
    assert got.headers["Webhook-Signature"].count("v1,") == len(signers)


def test_a_timeout_gives_its_reason(signed_in, receiver):
    """A session that ends by itself is told with the reason global-timeout."""
    bridge, _ = signed_in(application("hook", "webhook", receiver.url()), idle_lifetime=600)
    sweep(bridge, 700)
    assert receiver.wait_for(1).document["data"]["reason"] == "global-timeout"
