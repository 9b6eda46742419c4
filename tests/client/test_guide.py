"""docs/applications.md is true: its calls are made, its answers come, its Python runs, its example is genuine."""

import json
import re
import shlex
import urllib.error
import urllib.request
from pathlib import Path

import flask
import pytest

from saml_slo.client import LogoutNotice, LogoutReceiver, MemoryReplayCache, SessionCheck, WebhookVerifier
from tests.client.notices import hook
from tests.client.serving import Clock
from tests.client.shop import SECRETS, running_place
from tests.running import ORIGIN

GUIDE = (Path(__file__).parents[2] / "docs" / "applications.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
EXAMPLE_SECRET = re.search(r"with the secret `(whsec_[^`]+)`", GUIDE)[1]


def blocks(kind):
    """Return the examples in one language."""
    return [text for language, text in BLOCKS if language == kind]


@pytest.fixture
def place(tmp_path, redis_url):
    """A bridge, a shop and a blog."""
    with running_place(tmp_path, redis_url) as running:
        yield running


def curl(command, **variables):
    """Do what curl does with the few options of the guide; return the status and the document."""
    command = command.replace("\\\n", " ")
    for name, value in variables.items():
        command = command.replace(f"${name}", value)
    words = iter(shlex.split(command))
    assert next(words) == "curl"
    method, headers, body, url = "GET", {}, None, None
    for word in words:
        match word:
            case "-sS":
                pass
            case "-X":
                method = next(words)
            case "-H":
                name, value = next(words).split(": ")
                headers[name] = value
            case "-d":
                body = next(words).encode()
            case _:
                assert url is None
                url = word
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - of our own example
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the same
            status, octets = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, octets = error.code, error.read()
    return status, json.loads(octets) if octets else None


def test_the_calls_of_the_guide(place):
    """Each curl command gets the status and the members that the guide shows."""
    variables = {"SLO": place.origin, "CREDENTIAL": f"shop.{SECRETS['shop']}"}
    answers = [curl(command, **variables) for command in blocks("sh")]
    assert [status for status, _ in answers] == [201, 200, 200, 201, 204, 404], answers
    registered, logout, refused = (json.loads(text) for text in blocks("json"))
    for said in (answers[0][1], answers[1][1], answers[2][1]):
        assert said.keys() == registered.keys()
    assert answers[0][1]["logout_url"].startswith(f"{ORIGIN}/v2/logout?session=")
    assert answers[3][1].keys() == logout.keys()
    assert {"kind", "name", "state", "ended", "reason", "advice"} <= answers[3][1]["sessions"][0].keys()
    assert answers[5][1].keys() <= refused.keys()
    assert answers[5][1]["reason"] == "session_unknown"


def test_the_python_of_the_guide(place, monkeypatch):
    """Every Python example runs, in its order, and the applications that they make are guarded and take notices."""
    monkeypatch.setenv("SLO", place.origin)
    monkeypatch.setenv("CREDENTIAL", f"shop.{SECRETS['shop']}")
    monkeypatch.setenv("WEBHOOK_SECRET", EXAMPLE_SECRET)
    made = {"wsgi_app": flask.Flask("behind"), "asgi_app": None}
    for text in blocks("python"):
        exec(compile(text, "docs/applications.md", "exec"), made)  # noqa: S102 - of our own examples
    assert made["receipt"].sessions
    assert made["receipt"].all_ended
    browser = made["app"].test_client()
    assert browser.post("/slo/logout", data=b"{}", content_type="application/json").status_code == 400
    with browser.session_transaction() as session:
        session["slo"] = made["slo_id"]
    assert browser.get("/").status_code == 404, "let through to an application without pages"
    made["on_logout"](LogoutNotice(id="1", session=made["slo_id"]))
    answer = browser.get("/")
    assert (answer.status_code, answer.location) == (302, "/sign-in")
    assert made["take_notice"].csrf_exempt
    place.bridge.clock.move(1)
    assert browser.post("/sign-in").location == "/"
    with browser.session_transaction() as session:
        assert place.shop.client.read_session(session["slo"]).user == "alice"
    assert browser.get("/").status_code == 404, "somebody is signed in again"
    away = browser.post("/sign-out").location
    assert away.startswith(f"{ORIGIN}/v2/logout?session=")
    assert away.endswith("&client_id=shop&returnTo=https://shop.example.com/signed-out")
    assert browser.post("/sign-out").location == "/"


def test_the_example_of_a_webhook_is_genuine(monkeypatch):
    """The webhook of the guide is verified by the client and by the function of the guide, at its time only."""
    (text,) = blocks("http")
    head, body = text.rstrip("\n").encode().split(b"\n\n")
    headers = dict(line.lower().split(": ", 1) for line in head.decode().split("\n")[1:])
    headers["webhook-signature"] = re.search(r"webhook-signature: (.*)", text)[1]
    moment = float(headers["webhook-timestamp"])
    notice = WebhookVerifier(EXAMPLE_SECRET, clock=Clock(moment)).verify(headers, body)
    assert (notice.session, notice.user, notice.reason) == ("web-8f14e45f", "alice", "user")
    by_hand = {}
    exec(next(text for text in blocks("python") if "is_genuine" in text), by_hand)  # noqa: S102 - of our own examples
    monkeypatch.setattr(by_hand["time"], "time", lambda: moment)
    assert by_hand["is_genuine"](EXAMPLE_SECRET, headers, body)
    assert not by_hand["is_genuine"](EXAMPLE_SECRET, headers, body + b" ")
    monkeypatch.setattr(by_hand["time"], "time", lambda: moment + 301)
    assert not by_hand["is_genuine"](EXAMPLE_SECRET, headers, body)


def test_the_replay_cache_of_the_guide(place):
    """The cache in Redis does what the one in memory does."""
    made = {}
    exec(next(text for text in blocks("python") if "class RedisReplayCache" in text), made)  # noqa: S102 - as above
    for cache in (made["RedisReplayCache"](place.bridge.redis), MemoryReplayCache()):
        assert not cache.contains("a")
        assert cache.add("a", 60.0)
        assert not cache.add("a", 60.0)
        assert cache.contains("a")
        cache.discard("a")
        assert not cache.contains("a")
        SessionCheck(None, ended=cache).mark_ended("s1")
        assert not SessionCheck(None, ended=cache).is_alive("s1")
        seen = []
        receiver = LogoutReceiver(
            seen.append, webhooks=WebhookVerifier(EXAMPLE_SECRET, clock=Clock(1_790_000_000)), replay_cache=cache
        )
        headers, body = hook(secrets=(bytes(range(32)),))
        assert [receiver.receive("POST", headers, body).status for _ in range(2)] == [204, 204]
        assert len(seen) == 1
