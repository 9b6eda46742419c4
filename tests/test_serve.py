"""The production server, tried from outside: real processes, real sockets, real signals."""

import ctypes
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import pytest
import redis

from saml_slo.serve.server import _is_true_here
from saml_slo.wire.bindings.post import MAX_BODY_BYTES
from tests import idp
from tests.running import sent
from tests.serving import (
    COMMAND,
    HOST,
    PATIENCE,
    children,
    command_of,
    environment,
    is_alive,
    prepare,
    read_log,
    serving,
    threads_of,
    wait_until,
)

HEAD = f"Host: {HOST}\r\nConnection: close\r\n".encode()
LIBC = ctypes.CDLL(None)  # tgkill(2), which gives a signal to one thread of another process
FORM = HEAD + b"Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests that leave it as it is."""
    with serving(tmp_path_factory.mktemp("serve")) as running:
        yield running


@pytest.fixture
def _now(monkeypatch):
    """Let the identity provider of tests.idp live in the time of the server's clock."""
    monkeypatch.setattr(idp, "NOW", datetime.now(UTC))


def status(octets):
    """The status code of a raw answer."""
    return int(octets.split(b" ", 2)[1])


def sign_in(browser, connection=None, **assertion):
    """Sign in through the connection `idp`, by one connection."""
    request = sent(browser.get("/login?connection=idp", connection=connection))
    made = idp.assertion(identifier=f"_a{request.id[1:9]}", **assertion)
    for data in made.iter("{*}SubjectConfirmationData"):
        data.set("InResponseTo", request.id)
    response = idp.response(made)
    response.set("InResponseTo", request.id)
    body = idp.post(response, endpoint=idp.ACS).body
    assert browser.post("/saml/sp/idp/acs", body, connection=connection).status_code == 303


@pytest.mark.usefixtures("_now")
def test_workers_share_every_session(server):
    """Who signed in at one worker is signed in, and can sign out, at the other."""
    browser = server.browser()
    by_worker = {}
    while len(by_worker) < 2:
        connection = browser.connect()
        browser.get("/healthz", connection=connection)
        by_worker[server.worker_of(connection)] = connection
    one, other = by_worker.values()

    sign_in(browser, one)
    assert browser.get("/session/status", connection=other).status_code == 200
    assert browser.get("/v2/logout", connection=other).status_code == 303
    assert browser.get("/session/status", connection=one).status_code == 401


@pytest.mark.usefixtures("_now")
def test_the_query_arrives_octet_by_octet(server):
    """A Redirect signature holds for a query in lower-case percent-encoding, with + and without needless escapes."""
    browser = server.browser()
    sign_in(browser)
    request = sent(browser.get("/v2/logout?federated"))

    def like_ad_fs(value, safe):
        return re.sub("%..", lambda escape: escape[0].lower(), quote(value, safe="/ ")).replace(" ", "+")

    answer = idp.logout_response(in_response_to=request.id, signed=False)
    query = idp.redirect(answer, relay_state="a b/c=d", quoted=like_ad_fs).query.decode()
    assert "RelayState=a+b/c%3dd&" in query
    landed = browser.get(f"/saml/sp/idp/slo?{query}")
    receipt = browser.get(urlsplit(landed.headers["Location"]).path + ".json").get_data(as_text=True)
    assert receipt.count('"confirmed"') == 2


def test_a_long_query_is_answered_by_the_application(server):
    """A SAML redirect of 60 kB reaches the application, which says what is wrong with it."""
    answer = server.browser().get(f"/saml/sp/idp/slo?SAMLRequest={'a' * 60_000}")
    assert answer.status_code == 400
    assert "Reference code" in answer.get_data(as_text=True)


def test_a_head_beyond_the_limit_is_refused(server):
    """A request line of 1 MB or a megabyte of headers gets a 4xx, and the workers go on."""
    before = set(server.workers())
    browser = server.browser()
    assert status(browser.raw(b"GET /?" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n")) == 431
    assert status(browser.raw(b"GET /?" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n")) == 414
    assert status(browser.raw(b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n")) == 431
    assert browser.get("/healthz").status_code == 200
    assert set(server.workers()) == before


def test_head_is_for_load_balancers_only(server):
    """HEAD asks for health and never runs a page."""
    browser = server.browser()
    assert browser.request("HEAD", "/healthz").status_code == 200
    assert browser.request("HEAD", "/v2/logout").status_code == 405


def test_of_two_hosts_none_counts(server):
    """A second Host header cannot be smuggled past the check of the first."""
    answer = server.browser().raw(b"GET / HTTP/1.1\r\n" + HEAD + b"Host: evil.test\r\n\r\n")
    assert status(answer) == 400


def test_a_chunked_form_is_read(server):
    """A body without Content-Length is a body like any other."""
    chunks = b"5\r\nfeder\r\n6\r\nated=1\r\n0\r\n\r\n"
    answer = server.browser().raw(
        b"POST /v2/logout HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    )
    assert status(answer) == 303
    assert b"location: /v2/logout?federated=1\r\n" in answer


def test_a_body_beyond_the_limit_is_refused(server):
    """A body over the limit is a 413, whether its length is declared or not, and however long it goes on."""
    browser = server.browser()
    assert browser.post("/saml/sp/idp/slo", b"a" * (MAX_BODY_BYTES + 1)).status_code == 413
    endless = b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % 2_000_000 + b"a" * 2_000_000
    for path in (b"/saml/sp/idp/slo", b"/v2/logout"):
        assert status(browser.raw(b"POST " + path + b" HTTP/1.1\r\n" + FORM + endless)) == 413
    declared = b"Content-Length: 1000000000\r\n\r\n"
    assert status(browser.raw(b"POST /saml/sp/idp/slo HTTP/1.1\r\n" + FORM + declared)) == 413


def test_half_a_body_is_no_request(server):
    """A form that was cut off on its way is refused, not acted on as far as it came."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        connection.sendall(b"POST /v2/logout HTTP/1.1\r\n" + FORM + b"Content-Length: 20\r\n\r\nfederated=1")
        connection.shutdown(socket.SHUT_WR)
        assert status(connection.recv(65536)) == 400


def test_a_second_server_on_the_same_data_is_refused(server, tmp_path):
    """A second owner of the data directory is told who the first is and what to do, with exit code 1."""
    prepare(tmp_path)
    done = run(tmp_path, data_dir=server.folder / "var")
    assert done.returncode == 1
    assert f"process {server.process.pid} owns the Redis there" in done.stderr
    assert "SLO_REDIS_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_server_on_the_same_port_is_refused(server, tmp_path):
    """A port that another server of ours listens on is taken, although the workers share it among themselves."""
    prepare(tmp_path)
    done = run(tmp_path, listen=f"127.0.0.1:{server.port}")
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{server.port}" in done.stderr
    assert "SLO_LISTEN" in done.stderr


@pytest.mark.parametrize("listen", ["8000", "127.0.0.1:http", "127.0.0.1:70000", ":8000", "no-such-host.invalid:80"])
def test_an_address_that_is_none_is_refused(tmp_path, listen):
    """What cannot be listened on is named, with the setting."""
    prepare(tmp_path)
    done = run(tmp_path, listen=listen)
    assert done.returncode == 1
    assert "SLO_LISTEN" in done.stderr


def run(folder, **settings):
    """Run a server that will not start."""
    return subprocess.run(
        COMMAND,
        env=environment(folder, **settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_log_says_which_redis_and_that_it_is_not_for_production(server):
    """Who starts without SLO_REDIS_URL reads which server holds the sessions, and what production wants."""
    (line,) = [line for line in server.log() if line["event"] == "embedded_redis"]
    assert "edis" in line["server"] or "alkey" in line["server"]
    assert "SLO_REDIS_URL" in line["message"]


def test_sigterm_lets_requests_finish_and_leaves_nothing(tmp_path):
    """SIGTERM during a request: it is answered, new ones are not taken, Redis stops last, the exit code is 0."""
    with serving(tmp_path) as server:
        browser = server.browser()
        under_way = browser.connect()
        browser.get("/healthz", connection=under_way)
        everybody = [*server.workers(), server.redis_pid()]
        pausing = redis.Redis(unix_socket_path=str(tmp_path / "var" / "redis" / "redis.sock"))
        pausing.client_pause(3000)
        under_way.request("GET", "/readyz", headers={"Host": HOST})
        wait_until(lambda: server.has_taken(under_way))
        server.process.send_signal(signal.SIGTERM)
        assert under_way.getresponse().status == 200
        assert server.process.wait(PATIENCE) == 0
        assert not any(map(is_alive, everybody))
        assert server.log()[-1]["event"] == "stopped"
        with pytest.raises(ConnectionRefusedError):
            browser.connect()


def test_ctrl_c_at_a_terminal_ends_it_cleanly(tmp_path):
    """SIGINT for everybody of the terminal's group: no worker dies before its time, the exit code is 0."""
    command = (sys.executable, "-c", "import os; os.setpgrp(); from saml_slo.cli import main; main(['serve'])")
    with serving(tmp_path, command=command) as server:
        everybody = [*server.workers(), server.redis_pid()]
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.process.wait(PATIENCE) == 0
        assert not any(map(is_alive, everybody))
        assert [line["event"] for line in server.log() if line["level"] in ("error", "warning")] == []


@pytest.mark.parametrize("who", ["a worker", "the parent"])
def test_sigterm_is_heard_whichever_thread_takes_it(tmp_path, who):
    """The kernel may give it to any thread, Python acts on it in the main one alone: that one does not sleep on."""
    with serving(tmp_path) as server:
        target = server.process.pid if who == "the parent" else server.workers()[0]
        others = [int(thread) for thread in threads_of(target) if int(thread) != target]
        assert any(LIBC.tgkill(target, thread, signal.SIGTERM) == 0 for thread in others)
        if who == "the parent":
            assert server.process.wait(PATIENCE) == 0
        wait_until(lambda: not is_alive(target))


def test_a_worker_that_starts_is_told_to_stop(tmp_path):
    """A worker without a handler of its own yet ends at once: its parent's would swallow the signal."""
    slow = "import time; from granian.server import mp; mp.load_env = lambda _: time.sleep(60); "
    slow += "from saml_slo.serve import server; server.serve(server.Settings())"
    prepare(tmp_path)
    with (tmp_path / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            (sys.executable, "-c", slow), stderr=stderr, stdin=subprocess.DEVNULL, env=environment(tmp_path)
        )
    try:
        wait_until(lambda: len([pid for pid in children(process.pid) if "redis" not in command_of(pid)]) == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
    assert [line["event"] for line in read_log(tmp_path) if line["level"] in ("error", "warning")] == []


def test_a_worker_that_is_gone_is_not_called_one_that_refused_to_stop():
    """Granian says so of a worker that its other thread has just buried; operators read it of one that lives."""
    gone, end = os.pipe()
    lives, other_end = os.pipe()
    os.close(end)
    try:
        workers = [SimpleNamespace(inner=SimpleNamespace(sentinel=sentinel)) for sentinel in (gone, lives)]
        said = [f"Killing worker-{number} after it refused to gracefully stop" for number in (1, 2)]
        records = [logging.LogRecord("_granian", logging.WARNING, "", 0, words, None, None) for words in said]
        assert [_is_true_here(SimpleNamespace(wrks=workers), record) for record in records] == [False, True]
    finally:
        for descriptor in (gone, lives, other_end):
            os.close(descriptor)


def test_what_dies_is_replaced_or_takes_its_own_along(tmp_path):
    """A killed worker is replaced; a killed parent leaves neither workers nor Redis behind."""
    with serving(tmp_path) as server:
        first = set(server.workers())
        os.kill(min(first), signal.SIGKILL)
        wait_until(lambda: len(set(server.workers()) - {min(first)}) == 2)
        wait_until(server.answers)

        everybody = children(server.process.pid)
        assert len(everybody) == 3
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(map(is_alive, everybody)))


def test_a_body_that_does_not_arrive_costs_nobody_else(tmp_path):
    """Silent and dripping senders are cut off; meanwhile pages are answered, and forms are again afterwards."""
    hurried = "from saml_slo.serve import bodies, server; bodies._BODY_SECONDS, bodies._BODIES = 6, 4; "
    hurried += "server.serve(server.Settings())"
    with serving(tmp_path, command=(sys.executable, "-c", hurried)) as server:
        browser = server.browser()
        slow = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(24)]
        for connection in slow:
            connection.sendall(b"POST /v2/logout HTTP/1.1\r\n" + FORM + b"Content-Length: 20\r\n\r\nfederated=1")
        assert [browser.get("/healthz").status_code for _ in range(8)] == [200] * 8
        answers = []
        for number, connection in enumerate(slow):
            try:
                while number % 2 and time.sleep(0.1) is None:
                    connection.sendall(b"&")
            except (BrokenPipeError, ConnectionResetError):
                pass
            try:
                answers.append(connection.recv(65536)[:12])
            except ConnectionResetError:
                answers.append(b"")
            connection.close()
        # Beyond four at a time a worker says at once that it has no room for more.
        assert set(answers) <= {b"", b"HTTP/1.1 503", b"HTTP/1.1 400", b"HTTP/1.1 303"}
        assert b"" in answers
        wait_until(lambda: browser.post("/v2/logout", {"federated": ""}).status_code == 303)
        assert any(line["event"] == "slow_bodies" for line in server.log())


def test_a_redis_that_is_away_is_no_reason_not_to_start(tmp_path):
    """With a named Redis that does not answer, the server starts, says so, and is not ready."""
    with serving(tmp_path, redis_url=f"unix://{tmp_path}/nobody.sock") as server:
        assert any(line["event"] == "redis_unavailable" for line in server.log())
        assert server.browser().get("/readyz").status_code == 503
        assert len(children(server.process.pid)) == 2
