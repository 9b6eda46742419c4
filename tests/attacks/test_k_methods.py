"""K236, F40 to F46 on the calls of step 3: what a hostile receiver of tokens or webhooks answers confirms nothing.

One person is signed in at every hostile application, by both methods, and at an honest one, and logs out once. Each
test looks at what the receipt says of one of them.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.delivery.servers import serving
from tests.methods.receiver import Receiver, application
from tests.running import running_bridge
from tests.sp import receipt

METHODS = {"t": "oidc-backchannel", "w": "webhook"}
MEGABYTE = 1024 * 1024
UNUSABLE = "It gave an answer that cannot be used"
NO_WEB_SERVER = "127.0.0.1 did not answer as a web server does"
TOO_MUCH = "127.0.0.1 answered with more than is read"
PAGE = b"<html><body>You are <b>signed out</b><script>steal()</script></body></html>"
PATIENCE = 8.0  # seconds: less than the budget of all, and enough for sixty servers in this process on a busy machine


def http(body=b"", content_type="application/json", status=b"200 OK", more=b""):
    """A whole HTTP answer."""
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n"
    return head % (status, content_type.encode(), len(body), more) + body


def redirect(status):
    """An answer that leads to the trap; `@` stands for it."""
    return b"HTTP/1.1 %s\r\nLocation: @\r\nContent-Length: 0\r\n\r\n" % status


# What it answers, and how the sentence of the receipt begins. `@` becomes the canary's URL.
# Whoever reads to the deadline hears of the answer itself, or that the time was over: which comes first is chance.
BUSY = ("127.0.0.1 ", "the time for all of them was over")
LATE = ("127.0.0.1 did not answer in time", "the time for all of them was over")
ANSWERS = {
    "found": (redirect(b"302 x"), "127.0.0.1 answered with a redirect, which is not followed"),
    "see-other": (redirect(b"303 x"), "127.0.0.1 answered with a redirect, which is not followed"),
    "temporary": (redirect(b"307 x"), "127.0.0.1 answered with a redirect, which is not followed"),
    "permanent": (redirect(b"308 x"), "127.0.0.1 answered with a redirect, which is not followed"),
    "use-proxy": (redirect(b"305 x"), "127.0.0.1 answered with a redirect, which is not followed"),
    "refresh": (http(PAGE, "text/html", more=b"Refresh: 0; url=@\r\n"), "It answered with a page for people"),
    "page": (http(PAGE, "text/html; charset=utf-8"), "It answered with a page for people"),
    "xhtml": (http(PAGE, "application/xhtml+xml"), "It answered with a page for people"),
    "error-that-says-ok": (http(b'{"status":"ok"}', status=b"500 OK"), f"{UNUSABLE} (HTTP status 500)."),
    "ok-in-the-reason": (http(status=b"404 200 OK"), f"{UNUSABLE} (HTTP status 404)."),
    "switching": (b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "127.0.0.1 "),
    "endless-hints": (b"HTTP/1.1 103 x\r\nLink: <a>\r\n\r\n" * 100_000, BUSY),
    "gzip": (http(b"\x1f\x8b\x08", more=b"Content-Encoding: gzip\r\n"), "127.0.0.1 answered in a compressed form"),
    "ten-megabytes": (b"HTTP/1.1 200 x\r\nContent-Length: 10485760\r\n\r\n" + b" " * MEGABYTE, TOO_MUCH),
    "endless-chunks": (b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 800_000, BUSY),
    "endless-head": (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000, TOO_MUCH),
    "long-header": (b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * MEGABYTE, TOO_MUCH),
    "cut-off": (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{", "127.0.0.1 "),
    "no-head": (b"HTTP/1.1 200 OK\r\n", "127.0.0.1 "),
    "close": (b"", "127.0.0.1 "),
    "http-0.9": (b'{"status":"ok"}', NO_WEB_SERVER),
    "not-http": (b"\0\xff garbage\r\n\r\n", NO_WEB_SERVER),
    "two-lengths": (b"HTTP/1.1 200 x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n", NO_WEB_SERVER),
    "status-of-four": (b"HTTP/1.1 2000 OK\r\n\r\n", NO_WEB_SERVER),
    "nul-in-header": (b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", NO_WEB_SERVER),
    "drip-body": (None, LATE),
    "drip-head": (None, LATE),
    "hang": (None, LATE),
    "garbage-tls": (None, "127.0.0.1 did not agree on a secure connection"),
}
# Statuses that no octets of an attacker make more than they are: the control that this group can pass at all.
REFUSED = {"refused": http(b'{"error":"invalid_request"}', status=b"400 x")}
NAMES = [f"{short}-{name}" for short in METHODS for name in (*ANSWERS, *REFUSED)]


def hostile(name, stack, canary):
    """The URL of a server that answers like this."""

    def talk(server, connection):
        if name == "garbage-tls":
            server.send(connection, b"\x16\x03\x01garbage" * 100)
            return
        server.request(connection)
        if name == "hang":
            server.hang(connection)
        if name == "drip-body":
            server.send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            server.drip(connection, b" " * 1000)
        if name == "drip-head":
            server.drip(connection, b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200)
        octets = REFUSED.get(name) or ANSWERS[name][0]
        server.send(connection, octets.replace(b"@", canary.url.encode()))

    server = stack.enter_context(serving(talk))
    return server, server.url("/hook?x=1", scheme="https" if name == "garbage-tls" else "http")


@dataclass
class After:
    """One logout afterwards: the receipt, the page, how long it took, what was logged, and who was called."""

    rows: dict
    page: str
    seconds: float
    log: list
    touched: list
    good: list
    servers: dict


@pytest.fixture(scope="module")
def after(tmp_path_factory, redis_url, canary):
    """A person signs in everywhere, logs out once, and everybody has had their say."""
    with ExitStack() as stack:
        good = [stack.enter_context(Receiver()) for _ in METHODS]
        servers, apps = {}, []
        for receiver, (short, method) in zip(good, METHODS.items(), strict=True):
            for name in (*ANSWERS, *REFUSED):
                servers[f"{short}-{name}"], url = hostile(name, stack, canary)
                apps.append(application(f"{short}-{name}", method, url))
            apps.append(application(f"{short}-good", method, receiver.url()))
        folder = tmp_path_factory.mktemp("bridge")
        how = {"back_channel_allow": ("127.0.0.1",), "back_channel_timeout": PATIENCE}
        bridge = stack.enter_context(running_bridge(folder, redis_url, sps=apps, **how))
        browser = bridge.browser()
        for app in apps:
            app.sign_in(bridge, browser)
        canary.touched()
        began = time.monotonic()
        location = bridge.logout(browser).headers["Location"]
        assert not bridge.is_signed_in(browser)
        while (found := receipt(bridge, browser, location))["busy"]:
            assert time.monotonic() < began + 120
            time.sleep(0.05)
        seconds = time.monotonic() - began
        page = bridge.get(browser, location).get_data(as_text=True)
        rows = {row["name"]: row for row in found["sessions"]}
        yield After(rows, page, seconds, list(bridge.log), canary.touched(), good, servers)


@pytest.mark.parametrize("name", NAMES)
def test_k236_a_hostile_answer_confirms_nothing(after, name):
    """K236: the state is none that counts as ended, the receipt says in a sentence what came, and we try again."""
    row, (_, _, kind) = after.rows[name], name.partition("-")
    state, words = ("refused", "It refused our signed call") if kind in REFUSED else ("timed_out", ANSWERS[kind][1])
    assert (row["state"], row["ended"]) == (state, False), row
    assert row["reason"].startswith(words), row
    assert row["reason"].endswith(".")
    assert row["retry_at"]


def test_k236_others_are_told(after):
    """The honest applications were called once and confirmed, whatever their neighbours did."""
    for short, receiver in zip(METHODS, after.good, strict=True):
        assert after.rows[f"{short}-good"]["state"] == "confirmed"
        assert len(receiver.got) == 1


def test_k236_in_bounded_time(after):
    """Sixty hostile applications cost no more than the deadline of one that hangs."""
    assert after.seconds < 60


def test_k236_nothing_is_followed(after):
    """No redirect, no Refresh: the trap is untouched, and nobody was called twice."""
    assert after.touched == []
    assert {server.connections for server in after.servers.values()} == {1}


def test_every_message_says_whom_it_is_for(after):
    """Host is the host and port of the application's own URL, once, and nothing of anybody's session is a header."""
    for name, server in after.servers.items():
        if not server.requests:
            assert name.endswith("garbage-tls")
            continue
        head, body = server.requests[0]
        lines = [line.partition(":") for line in head.split("\r\n")[1:]]
        headers = [(key.lower(), value.strip()) for key, _, value in lines]
        assert [value for key, value in headers if key == "host"] == [f"127.0.0.1:{server.port}"]
        assert head.startswith("POST /hook?x=1 HTTP/1.1\r\n")
        assert not {"cookie", "authorization", "proxy-authorization", "referer"} & {key for key, _ in headers}
        assert [value for key, value in headers if key == "content-length"] == [str(len(body))]


def test_k236_the_log_says_why_and_the_page_reflects_nothing(after):
    """One line for each that failed, with its name; nothing that a peer wrote stands on the page."""
    told = {line["peer"] for line in after.log if line["event"] in ("delivery_failed", "call_not_confirmed")}
    assert told == set(NAMES)
    assert not [line for line in after.log if line["event"] in ("deliveries_failed", "delivery_broke", "crashed")]
    for written in ("steal", "signed out</b>", "invalid_request"):
        assert written not in after.page
