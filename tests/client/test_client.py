"""The client against canned answers: what is sent, what each answer means, and every way in which a bridge may fail."""

import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from saml_slo import client as c
from tests.client.serving import CREDENTIAL, SESSION, Canned, refusal, serving
from tests.delivery import servers
from tests.delivery.conftest import certificate, system_store  # noqa: F401 - a fixture

RECEIPT = {
    "id": "l1",
    "reference": "AB12",
    "settled": True,
    "summary": "Everything was signed out.",
    "receipt_url": "https://slo.example/logout/l1.x",
    "sessions": [
        {"kind": "application", "name": "Shop", "state": "confirmed", "ended": True, "reason": "r", "advice": ""},
        {
            "kind": "idp",
            "name": "Corp",
            "state": "timed_out",
            "ended": False,
            "reason": "r",
            "advice": "a",
            "rung": "x",
        },
    ],
}


def call(answer, ask, *more, **how):
    """Let a client ask a bridge that answers so; return what it got and what the bridge saw."""
    canned = Canned([answer, *more])
    with serving(canned) as origin:
        return ask(c.Client(origin, CREDENTIAL, **how)), canned.asked


def failing(answer, ask, *more, **how):
    """Let a client ask a bridge that answers so; return the error."""
    with pytest.raises(c.ClientError) as caught:
        call(answer, ask, *more, **how)
    return caught.value


def test_a_session_is_created():
    """Everything that is known is sent, what is not known is left out, and the answer is a record."""
    found, asked = call(
        (201, SESSION, {}),
        lambda client: client.create_session(
            "s1",
            user="alice",
            signed_in_at=datetime(2026, 11, 20, 10, 0, tzinfo=timezone(timedelta(hours=1))),
            provider=c.Provider("google", id_token="i.d.t"),
            subject=c.OidcSubject(sub="a", sid="s"),
        ),
    )
    assert found == c.ApplicationSession(
        id="s1",
        handle="h1",
        user="alice",
        ends_at=datetime(2026, 11, 20, 18, 0, tzinfo=UTC),
        idle_ends_at=datetime(2026, 11, 20, 10, 30, tzinfo=UTC),
        check_after=300,
        logout_url=SESSION["logout_url"],
    )
    ((method, path, body, environ),) = asked
    assert (method, path) == ("PUT", "/api/v1/sessions/s1")
    assert json.loads(body) == {
        "user": "alice",
        "signed_in_at": "2026-11-20T09:00:00Z",
        "connection": "google",
        "id_token": "i.d.t",
        "sub": "a",
        "sid": "s",
    }
    assert environ["HTTP_AUTHORIZATION"] == f"Bearer {CREDENTIAL}"
    assert environ["CONTENT_TYPE"] == "application/json"


@pytest.mark.parametrize(
    ("answer", "ask", "request_line"),
    [
        ((200, SESSION, {}), lambda c: c.touch_session("s1"), ("POST", "/api/v1/sessions/s1/touch", b"{}")),
        ((200, SESSION, {}), lambda c: c.read_session("s1"), ("GET", "/api/v1/sessions/s1", b"")),
        ((204, b"", {}), lambda c: c.end_session("s1"), ("DELETE", "/api/v1/sessions/s1", b"")),
        ((200, RECEIPT, {}), lambda c: c.read_logout("l1"), ("GET", "/api/v1/logouts/l1", b"")),
    ],
)
def test_every_other_call(answer, ask, request_line):
    """Each method of the client is one request of the API."""
    _, asked = call(answer, ask)
    assert [entry[:3] for entry in asked] == [request_line]


def test_a_logout_is_started():
    """The receipt is a record, and the request has a key that is new each time unless one is given."""
    (found, again), asked = call(
        (201, RECEIPT, {}),
        lambda client: (client.start_logout(user="alice", reason="admin"), client.start_logout(session="s1")),
    )
    assert (found.id, found.reference, found.settled, found.all_ended) == ("l1", "AB12", True, False)
    assert [(row.name, row.state, row.ended) for row in found.sessions] == [
        ("Shop", "confirmed", True),
        ("Corp", "timed_out", False),
    ]
    assert found.sessions[1].facts["rung"] == "x"
    assert again == found
    assert [json.loads(body) for _, _, body, _ in asked] == [{"user": "alice", "reason": "admin"}, {"session": "s1"}]
    keys = [environ["HTTP_IDEMPOTENCY_KEY"] for *_, environ in asked]
    assert len(set(keys)) == 2
    assert all(len(key) <= 64 for key in keys)


def test_a_logout_that_is_under_way_is_asked_for_again():
    """The same key until its first call is done; when there is no time left for that, nobody knows."""
    busy = (409, refusal("call_in_progress"), {"Retry-After": "0"})
    with serving(canned := Canned([busy, busy, (200, RECEIPT, {})])) as origin:
        found = c.Client(origin, CREDENTIAL).start_logout(user="alice", timeout=600)
    assert found.id == "l1"
    assert len({environ["HTTP_IDEMPOTENCY_KEY"] for *_, environ in canned.asked}) == 1
    assert len(canned.asked) == 3
    busy = (409, refusal("call_in_progress"), {"Retry-After": "700"})
    error = failing(busy, lambda client: client.start_logout(user="alice", timeout=600))
    assert (type(error), error.reason) == (c.Unavailable, "call_in_progress")


def test_nothing_to_end_is_an_answer():
    """A logout with nothing to end has no sessions and no reference."""
    nothing = {"id": None, "reference": None, "settled": True, "summary": "", "receipt_url": None, "sessions": []}
    found, _ = call((200, nothing, {}), lambda client: client.start_logout(user="nobody"))
    assert (found.id, found.reference, found.sessions, found.all_ended) == (None, None, (), True)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((401, refusal("unauthorised"), {}), c.Unauthorised),
        ((403, b"<html>", {}), c.Unauthorised),
        ((404, refusal("session_unknown"), {}), c.NotFound),
        ((404, refusal("logout_unknown"), {}), c.NotFound),
        ((404, refusal("not_found"), {}), c.Unavailable),
        ((409, refusal("session_ended"), {}), c.SessionEnded),
        ((410, refusal("session_ended"), {}), c.SessionEnded),
        ((422, refusal("idempotency_conflict"), {}), c.Conflict),
        ((429, refusal("rate_limited"), {"Retry-After": "7"}), c.RateLimited),
        ((400, refusal("api_bad_request"), {}), c.Refused),
        ((409, refusal("limit_reached"), {}), c.LimitReached),
        ((409, refusal("a_word_from_later"), {}), c.Refused),
        ((404, refusal("connection_unknown"), {}), c.Refused),
        ((409, refusal("session_conflict"), {}), c.Conflict),
        ((409, refusal("call_in_progress"), {"Retry-After": "5"}), c.Unavailable),
        ((413, b"", {}), c.Refused),
        ((503, refusal("store_unavailable"), {}), c.Unavailable),
        ((500, b"Internal Server Error", {}), c.Unavailable),
        ((302, b"", {"Location": "/elsewhere"}), c.Unavailable),
        ((404, b"<h1>nginx</h1>", {}), c.Unavailable),
        ((410, b"", {}), c.Unavailable),
        ((404, {"error": "no route"}, {}), c.Unavailable),
        ((200, b"<html>", {}), c.Unavailable),
        ((200, [], {}), c.Unavailable),
        ((200, {**SESSION, "check_after": "soon"}, {}), c.Unavailable),
        ((200, {**SESSION, "ends_at": "2026-11-20T18:00:00"}, {}), c.Unavailable),
        ((200, {**SESSION, "handle": None}, {}), c.Unavailable),
        ((200, b"[" * 100_000, {"Content-Type": "application/json"}), c.Unavailable),
    ],
)
def test_every_answer_has_one_error(answer, kind):
    """What is no success is one error of the tree; that a session is over or unknown only the API itself can say."""
    assert type(failing(answer, lambda client: client.touch_session("s1"))) is kind


def test_an_error_has_the_words_of_the_bridge():
    """The text is what the bridge said, what to do next, and the reference code."""
    error = failing((429, refusal("rate_limited"), {"Retry-After": "7"}), lambda client: client.read_session("s1"))
    assert (error.status, error.reason, error.reference, error.next_step) == (429, "rate_limited", "AB", "Do so.")
    assert error.retry_after == 7
    assert str(error) == "It is so. Do so. [reference AB]"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: c.Client("http://slo.example", CREDENTIAL),
        lambda: c.Client("https://slo.example/api", CREDENTIAL),
        lambda: c.Client("slo.example", CREDENTIAL),
        lambda: c.Client("https://slo.example", "shop"),
        lambda: c.Client("https://slo.example", f"shop.{'s' * 43}\r\nX: y"),
        lambda: c.Client("https://slo.example", CREDENTIAL, timeout=0),
        *(
            lambda name=name: c.Client("https://slo.example", CREDENTIAL).touch_session(name)
            for name in ("", ".", "..", "a/b", "a?b", "ä", "s" * 129, "a\n")
        ),
        lambda: c.Client("https://slo.example", CREDENTIAL).create_session("s1"),
        lambda: c.Client("https://slo.example", CREDENTIAL).create_session("s1", user="a", session="h"),
        lambda: c.Client("https://slo.example", CREDENTIAL).create_session(
            "s1",
            user="a",
            expires_at=datetime(2026, 1, 1),  # noqa: DTZ001 - naive, as it should not be
        ),
        lambda: c.Client("https://slo.example", CREDENTIAL).start_logout(),
        lambda: c.Client("https://slo.example", CREDENTIAL).start_logout(user="a", idempotency_key="a b"),
        lambda: c.Client("https://slo.example", CREDENTIAL).read_logout("../sessions/s1"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_sent(wrong):
    """Whatever cannot be right is a ValueError that says so, and no host is asked."""
    with pytest.raises(ValueError, match=r"wrong|either|time zone"):
        wrong()


def test_secrets_are_not_shown():
    """Neither the client nor the tokens of a provider show a secret where they are printed."""
    shown = repr(c.Client("https://slo.example", CREDENTIAL)) + repr(c.Provider("google", "i.d.t", "a.t"))
    assert not any(secret in shown for secret in ("s" * 43, "i.d.t", "a.t"))


def broken_then(server, connection):
    """Break the first connection after the request, answer on the second."""
    server.request(connection)
    if server.connections == 1:
        return
    body = json.dumps(RECEIPT).encode()
    head = f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    server.send(connection, head.encode() + body)


def test_a_broken_connection_is_tried_once_more():
    """A logout whose connection broke is sent again with the same key, so that it is one logout."""
    with servers.serving(broken_then) as server:
        found = c.Client(server.url(""), CREDENTIAL).start_logout(user="alice")
    assert found.id == "l1"
    keys = {line for head, _ in server.requests for line in head.split("\r\n") if line.startswith("Idempotency-Key")}
    assert (len(server.requests), len(keys)) == (2, 1)


def always_broken(server, connection):
    """Take the request and close."""
    server.request(connection)


def drip(server, connection):
    """Give an answer an octet at a time."""
    server.request(connection)
    server.drip(connection, b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000)


def garbage(server, connection):
    """Answer with no HTTP."""
    server.request(connection)
    server.send(connection, b"\x16\x03\x01 no HTTP at all\r\n\r\n")


def huge(server, connection):
    """Answer without an end."""
    server.request(connection)
    server.send(connection, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        server.send(connection, b" " * 65536)


@pytest.mark.parametrize(
    ("talk", "reason", "connections"),
    [(always_broken, "protocol", 2), (drip, "timeout", 1), (garbage, "protocol", 2), (huge, "too_large", 1)],
)
def test_a_bridge_that_fails_holds_nobody(talk, reason, connections):
    """Whatever a broken bridge does, the call ends within its timeout as Unavailable, after at most two tries."""
    begun = time.monotonic()
    with servers.serving(talk) as server, pytest.raises(c.Unavailable) as caught:
        c.Client(server.url(""), CREDENTIAL).start_logout(user="alice", timeout=3.0)
    assert time.monotonic() - begun < 30
    assert (caught.value.reason, server.connections) == (reason, connections)
    assert server.octets_sent < 8_000_000


def test_nobody_is_there():
    """A bridge that is down is Unavailable at once."""
    with servers.serving(always_broken) as server:
        pass
    with pytest.raises(c.Unavailable, match="could not be reached"):
        c.Client(server.url(""), CREDENTIAL).touch_session("s1")


def test_a_credential_goes_to_the_bridge_alone(monkeypatch):
    """A redirect is not followed, and a proxy of the environment is not used."""
    elsewhere = Canned([(200, SESSION, {})])
    with serving(elsewhere) as other:
        monkeypatch.setenv("http_proxy", other)
        monkeypatch.setenv("ALL_PROXY", other)
        error = failing((307, b"", {"Location": f"{other}/x"}), lambda client: client.touch_session("s1"))
    assert (error.reason, elsewhere.asked) == ("redirect", [])


def test_tls_is_verified(tmp_path, system_store):  # noqa: F811 - the fixture
    """Without a certificate that the system trusts for this name, no credential leaves."""
    tls = servers.server_context(certificate("localhost", self_signed=True), tmp_path)
    with servers.serving(always_broken, tls=tls) as server, pytest.raises(c.Unavailable) as caught:
        c.Client(server.url("", "localhost", "https"), CREDENTIAL).touch_session("s1")
    assert (caught.value.reason, server.requests) == ("tls", [])


def test_many_threads_share_a_client():
    """Calls at the same time do not mix."""

    def echo(environ, start_response):
        name = environ["PATH_INFO"].split("/")[4]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({**SESSION, "id": name}).encode()]

    found = {}
    with serving(echo) as origin:
        client = c.Client(origin, CREDENTIAL, timeout=20)

        def ask(name):
            found[name] = client.read_session(name).id

        threads = [threading.Thread(target=ask, args=(f"s{number}",)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {f"s{number}": f"s{number}" for number in range(16)}


def test_it_brings_nothing_of_the_bridge_along():
    """An application that imports the client loads no web framework, no Redis, no XML and no settings."""
    code = "import sys, saml_slo.client, saml_slo.client.wsgi, saml_slo.client.asgi; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"flask", "django", "redis", "lxml", "xmlsec", "saml2", "pydantic", "structlog", "click"}
