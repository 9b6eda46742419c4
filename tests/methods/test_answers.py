"""What the answers to our calls mean, when we call again, and how the receipt changes (product T1, T5)."""

import threading
from datetime import timedelta
from email.utils import format_datetime

import pytest

from saml_slo.peers.methods.call import Reply, meaning_of
from tests import idp
from tests.methods.receiver import application, logout_token, rows, sweep, until
from tests.sp import receipt

METHODS = ("oidc-backchannel", "webhook")
PAGE = b"<!DOCTYPE html><title>Log in</title>"


def answer(status, body=b"", content_type="", **headers):
    """An answer, as Receiver wants it."""
    return (status, content_type, body, {name.replace("_", "-"): value for name, value in headers.items()})


# status, body and type; for which methods; the state; how the sentence goes on.
ANSWERS = [
    (answer(200), METHODS, "confirmed", "It confirmed our signed call (HTTP status 200)."),
    (answer(204), METHODS, "confirmed", "It confirmed our signed call (HTTP status 204)."),
    (answer(202, b"{}", "application/json"), METHODS, "confirmed", "It confirmed"),
    (answer(200, b"", "text/html; charset=utf-8"), METHODS, "confirmed", "It confirmed"),
    (answer(200, b"OK", "text/html; charset=utf-8"), METHODS, "confirmed", "It confirmed"),
    (
        answer(200, PAGE, "text/html"),
        METHODS,
        "timed_out",
        "It answered with a page for people, which confirms nothing",
    ),
    (answer(200, b"\xef\xbb\xbf\n " + PAGE, "TEXT/HTML;charset=x"), METHODS, "timed_out", "It answered with a page"),
    (answer(200, PAGE, "application/xhtml+xml"), METHODS, "timed_out", "It answered with a page"),
    (answer(400, b'{"error":"invalid_request"}', "application/json"), METHODS, "refused", "It refused our signed call"),
    (answer(401), ("webhook",), "refused", "It refused our signed call (HTTP status 401)."),
    (answer(403), ("webhook",), "refused", "It refused our signed call (HTTP status 403)."),
    (answer(410), ("webhook",), "refused", "It refused our signed call (HTTP status 410)."),
    (answer(501), ("oidc-backchannel",), "refused", "It refused our signed call (HTTP status 501)."),
    (answer(401), ("oidc-backchannel",), "timed_out", "It gave an answer that cannot be used (HTTP status 401)."),
    (answer(404), METHODS, "timed_out", "It gave an answer that cannot be used (HTTP status 404)."),
    (answer(500), METHODS, "timed_out", "It gave an answer that cannot be used (HTTP status 500)."),
    (answer(504), METHODS, "timed_out", "It gave an answer that cannot be used (HTTP status 504)."),
    (answer(302, Location="/"), METHODS, "timed_out", "127.0.0.1 answered with a redirect, which is not followed."),
]
CASES = [(method, given, (state, words)) for given, methods, state, words in ANSWERS for method in methods]


@pytest.mark.parametrize(("method", "given", "meaning"), CASES)
def test_each_answer_has_one_meaning(signed_in, receiver, method, given, meaning):
    """Only 2xx that is no page for people confirms; what says no is refused; all else is no answer."""
    (state, words), receiver.answer = meaning, given
    bridge, browser = signed_in(application("app", method, receiver.url()))
    location = bridge.logout(browser).headers["Location"]
    row = rows(bridge, browser, location)["app"]
    assert (row["state"], row["ended"]) == (state, state == "confirmed")
    assert row["reason"].startswith(words)
    assert (row["retry_at"] is None) == (state == "confirmed" or given[0] == 410)
    settled = receipt(bridge, browser, location)["settled"]
    assert settled == (row["retry_at"] is None)
    assert len(receiver.got) == 1


@pytest.mark.parametrize("method", METHODS)
def test_silence_is_no_answer(signed_in, receiver, method):
    """One that says nothing is `timed_out` at its deadline; the logout of everybody else is long done."""
    receiver.gate = threading.Event()
    bridge, browser = signed_in(application("app", method, receiver.url()), back_channel_timeout=2)
    row = rows(bridge, browser, bridge.logout(browser).headers["Location"])["app"]
    receiver.gate.set()
    assert row["state"] == "timed_out"
    assert row["reason"] in {"127.0.0.1 did not answer in time.", "the time for all of them was over."}
    assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [400, 503])
def test_a_failure_is_mended_later(signed_in, receiver, method, status):
    """It is called again by itself; when it confirms, the same receipt says so and is settled."""
    receiver.answer = answer(status)
    bridge, browser = signed_in(application("app", method, receiver.url()))
    location = bridge.logout(browser).headers["Location"]
    before = rows(bridge, browser, location)["app"]
    assert not before["ended"]
    assert "may still be signed in" in receipt(bridge, browser, location)["summary"]
    receiver.answer = answer(200)
    assert sweep(bridge, 6) == 1
    until(lambda: rows(bridge, browser, location)["app"]["state"] == "confirmed")
    after = receipt(bridge, browser, location)
    assert after["settled"]
    assert after["summary"].startswith("You are signed out here and in your application.")
    assert len(receiver.got) == 2
    assert sweep(bridge, 3600) == 0
    assert len(receiver.got) == 2


@pytest.mark.parametrize("method", METHODS)
def test_it_is_tried_until_the_session_would_have_ended(signed_in, receiver, method):
    """Retries back off, and end with the application's session: what is over need not be ended."""
    receiver.answer = answer(500)
    bridge, browser = signed_in(application("app", method, receiver.url()), session_lifetime=3600)
    location = bridge.logout(browser).headers["Location"]
    rows(bridge, browser, location)
    moments = []
    while (row := rows(bridge, browser, location)["app"])["retry_at"] is not None:
        count = len(receiver.got)
        moments.append(bridge.clock.now)
        sweep(bridge, 60)
        if len(moments) > 70:
            break
        rows(bridge, browser, location)
        until(lambda count=count: len(receiver.got) >= count)
    assert row["state"] == "timed_out"
    assert 5 <= len(receiver.got) <= 10
    assert receipt(bridge, browser, location)["settled"]


def test_gone_is_meant_for_ever(signed_in, receiver):
    """A webhook's 410 says that nobody wants it any more: it is not sent again (Standard Webhooks 1.0)."""
    receiver.answer = answer(410)
    bridge, browser = signed_in(application("app", "webhook", receiver.url()))
    location = bridge.logout(browser).headers["Location"]
    assert rows(bridge, browser, location)["app"]["state"] == "refused"
    sweep(bridge, 3600)
    assert len(receiver.got) == 1


def test_who_is_busy_says_when_to_come_again(signed_in, receiver):
    """Retry-After holds the next attempt back (Standard Webhooks 1.0, RFC 9110 10.2.3)."""
    receiver.answer = answer(429, Retry_After="120")
    bridge, browser = signed_in(application("app", "webhook", receiver.url()))
    location = bridge.logout(browser).headers["Location"]
    assert rows(bridge, browser, location)["app"]["retry_at"] == idp.instant(120).replace("Z", ".000Z")
    sweep(bridge, 100)
    assert len(receiver.got) == 1
    sweep(bridge, 21)
    receiver.wait_for(2)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("", 0),
        ("7", 7_000),
        ("86400", 3_600_000),
        ("9" * 40, 3_600_000),
        (format_datetime(idp.NOW + timedelta(seconds=90), usegmt=True), 90_000),
        (format_datetime(idp.NOW - timedelta(days=9), usegmt=True), 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600_000),
        ("-5", 0),
        ("soon", 0),
        ("१२", 0),
        ("Mon, 99 Foo 2026", 0),
        ("0x10", 0),
        ("," * 64_000, 0),
    ],
)
def test_retry_after(text, milliseconds):
    """Seconds or a date; an hour at most, so that nobody talks us out of trying; what is neither is nothing."""
    reply = Reply(status=503, content_type="", body=b"", headers={"retry-after": text}, at=idp.NOW)
    assert meaning_of("_1", reply, ()).wait == milliseconds


@pytest.mark.parametrize("method", METHODS)
def test_the_person_may_ask_again(signed_in, receiver, method):
    """The button on the receipt sends a fresh message at once, and the answer counts."""
    receiver.answer = answer(500)
    bridge, browser = signed_in(application("app", method, receiver.url()))
    location = bridge.logout(browser).headers["Location"]
    rows(bridge, browser, location)
    receiver.answer = answer(200)
    handle = location.removeprefix("/logout/")
    transaction = bridge.app.extensions["saml_slo"].bridge.read_receipt(handle)
    (target,) = [target for target in transaction.targets if target.name == "app"]
    browser.post(f"{location}/ask", data={"target": target.id}, base_url="https://bridge.example")
    assert rows(bridge, browser, location)["app"]["state"] == "confirmed"
    assert len(receiver.got) == 2


def test_an_answer_after_the_deadline_changes_no_receipt_by_itself(signed_in, receiver):
    """Its connection is gone, so nobody hears it (security F45, F46): the next attempt is answered 2xx and counts."""
    receiver.gate = threading.Event()
    bridge, browser = signed_in(application("app", "oidc-backchannel", receiver.url()), back_channel_timeout=2)
    location = bridge.logout(browser).headers["Location"]
    assert rows(bridge, browser, location)["app"]["state"] == "timed_out"
    receiver.gate.set()
    assert rows(bridge, browser, location)["app"]["state"] == "timed_out"
    sweep(bridge, 6)
    until(lambda: rows(bridge, browser, location)["app"]["state"] == "confirmed")
    logout_token(bridge, receiver.wait_for(2).token, audience="app")


def test_one_that_was_removed_is_told_as_such(signed_in, receiver):
    """An application whose file is gone by the time of a retry is not called; the receipt says why."""
    receiver.answer = answer(500)
    bridge, browser = signed_in(application("app", "webhook", receiver.url()))
    location = bridge.logout(browser).headers["Location"]
    rows(bridge, browser, location)
    for file in (bridge.settings.metadata_dir / "applications").iterdir():
        file.unlink()
    registry = bridge.app.extensions["saml_slo"].registry
    until(lambda: registry.refresh() or registry.application("app") is None)  # it looks once a second
    sweep(bridge, 6)
    until(lambda: "removed" in rows(bridge, browser, location)["app"]["reason"])
    assert len(receiver.got) == 1
