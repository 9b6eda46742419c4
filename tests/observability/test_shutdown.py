"""SIGTERM under load: every request is answered or was never begun, and every delivery is made up for."""

import http.client
import json
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from saml_slo.certs import load_secret
from saml_slo.store import tokens
from tests import idp
from tests.api.calling import application, secret
from tests.serving import HOST, PATIENCE, serving, wait_until
from tests.test_serve import sign_in

CLIENTS = 20


class Receiver:
    """An application's server that takes its time over each webhook, and notes whose session each is about."""

    def __init__(self):
        self.told, self.seconds = [], 1.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.told.append(told["data"]["session"])
                time.sleep(receiver.seconds)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        """Where it is told."""
        return f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver():
    """A receiver for one test."""
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def call(port, method, path, body=None):
    """Call the API; return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"Host": HOST, "Authorization": f"Bearer shop.{secret('shop')}", "Content-Type": "application/json"}
    try:
        connection.request(method, f"/api/v1/{path}", None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def until_refused(attempt, number, begin, answered):
    """One client: log out at a moment of its own; note the status, or nothing where the server was not there."""
    begin.wait()
    time.sleep(number * 0.05)
    with suppress(OSError, http.client.HTTPException):
        answered[number] = attempt()


def ended(browser):
    """Log a browser out; return the status."""
    return browser.get("/v2/logout").status_code


@pytest.fixture
def _now(monkeypatch):
    """Let the identity provider of tests.idp live in the time of the server's clock."""
    monkeypatch.setattr(idp, "NOW", datetime.now(UTC))


@pytest.mark.usefixtures("_now")
def test_sigterm_while_twenty_log_out_loses_no_request(tmp_path, receiver):
    """Ten browsers and ten calls of the API, SIGTERM in their midst, then a restart.

    Who got no answer is still signed in, who got one is out, and the application heard of each session that ended.
    """
    applications = tmp_path / "metadata" / "applications"
    applications.mkdir(parents=True)
    hook = f'logout = "webhook"\nlogout_uri = "{receiver.url}"\ninsecure_http = true\n'
    (applications / "shop.toml").write_text(application("shop", hook))
    settings = {"back_channel_allow": "127.0.0.1", "back_channel_timeout": 3}
    with serving(tmp_path, **settings) as server:
        callers, browsers, begin, answered = CLIENTS // 2, {}, threading.Event(), {}
        attempts = {}
        for number in range(CLIENTS):
            if number < callers:
                assert call(server.port, "PUT", f"sessions/s-{number}", {"user": f"u-{number}"}) == 201
                body = {"user": f"u-{number}"}
                attempts[number] = lambda body=body: call(server.port, "POST", "logouts", body)
            else:
                browsers[number] = server.browser()
                sign_in_as(browsers[number], number)
                attempts[number] = lambda browser=browsers[number]: ended(browser)
        threads = [
            threading.Thread(target=until_refused, args=(attempt, number, begin, answered))
            for number, attempt in attempts.items()
        ]
        for thread in threads:
            thread.start()
        begin.set()
        wait_until(lambda: len(receiver.told) >= 3)
        assert server.stop() == 0
        for thread in threads:
            thread.join()
    assert set(answered.values()) <= {201, 303}
    assert answered
    receiver.seconds = 0
    with serving(tmp_path, **settings) as server:
        for number in attempts:
            if number in browsers:
                browsers[number].port = server.port
                is_out = browsers[number].get("/session/status").status_code == 401
            else:
                is_out = call(server.port, "GET", f"sessions/s-{number}") == 410
            assert is_out == (number in answered), number
        out = {f"s-{number}" for number in answered if number not in browsers}
        wait_until(lambda: out <= set(receiver.told))
        assert not {f"s-{number}" for number in range(callers)} - out & set(receiver.told)


def sign_in_as(browser, number):
    """Sign a person of their own in."""
    sign_in(browser, name_id=idp.NAME_ID.replace("alice", f"person{number}"))


@pytest.mark.usefixtures("_now")
def test_a_delivery_that_is_under_way_ends_within_its_patience(tmp_path, receiver):
    """A browser that was answered does not wait for a slow application, but the process that tells it does."""
    applications = tmp_path / "metadata" / "applications"
    applications.mkdir(parents=True)
    hook = f'logout = "webhook"\nlogout_uri = "{receiver.url}"\ninsecure_http = true\n'
    (applications / "shop.toml").write_text(application("shop", hook))
    receiver.seconds = 2.5
    with serving(tmp_path, back_channel_allow="127.0.0.1", back_channel_timeout=15) as server:
        browser = server.browser()
        sign_in(browser)
        session = tokens.session_id_of(browser.cookies["__Host-slo"])
        key = load_secret(tmp_path / "certs").derive("handle")
        body = {"session": tokens.session_handle(key, session, "shop")}
        assert call(server.port, "PUT", "sessions/s-1", body) == 201
        assert browser.get("/v2/logout").status_code == 303  # after a second, to the page that shows the progress
        wait_until(lambda: receiver.told == ["s-1"])
        assert server.stop() == 0
        found = server.log()
    assert ["application shop: confirmed"] in [line.get("results") for line in found]
    assert receiver.told == ["s-1"]
