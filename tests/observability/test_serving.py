"""`/metrics` of the production server: an address of its own, one page for all workers."""

import http.client
import os
import signal
from datetime import UTC, datetime

import pytest

from tests import idp
from tests.interop.ports import free_port
from tests.observability.numbers import Page
from tests.serving import PATIENCE, prepare, serving, wait_until
from tests.test_serve import run, sign_in


@pytest.fixture
def _now(monkeypatch):
    """Let the identity provider of tests.idp live in the time of the server's clock."""
    monkeypatch.setattr(idp, "NOW", datetime.now(UTC))


def ask(address, path="/metrics"):
    """Return status and body of a page of the metrics' address."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.usefixtures("_now")
def test_one_page_for_all_workers(tmp_path):
    """Each worker counts, and whoever is asked knows the sum; also of one that was killed, and after a new start none.

    The public origin has no such page.
    """
    listen = f"127.0.0.1:{free_port()}"  # the same for both servers
    with serving(tmp_path, metrics_listen="127.0.0.1:0", listen=listen) as server:
        address = next(line["metrics"] for line in server.log() if line.get("metrics"))
        browser = server.browser()
        assert browser.get("/metrics").status_code == 404
        by_worker = {}
        while len(by_worker) < 2:
            connection = browser.connect()
            browser.get("/healthz", connection=connection)
            by_worker[server.worker_of(connection)] = connection
        for connection in by_worker.values():
            sign_in(browser, connection)
            assert browser.get("/v2/logout", connection=connection).status_code == 303
        for _ in range(4):  # the kernel chooses the worker
            read = Page(ask(address)[1])
            assert read("slo_logouts_begun_total", initiator="person") == 2
            assert read("slo_sign_ins_total", connection="idp") == 2
            assert read("slo_redis_up") == 1
        assert ask(address, "/")[0] == 404
        before = server.workers()
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: set(server.workers()) - set(before) and len(server.workers()) == 2)
        assert Page(ask(address)[1])("slo_logouts_begun_total") == 2
        assert server.stop() == 0
    with serving(tmp_path, metrics_listen="127.0.0.1:0", listen=listen) as server:
        address = next(line["metrics"] for line in server.log() if line.get("metrics"))
        assert Page(ask(address)[1])("slo_logouts_begun_total") == 0


def test_an_address_for_metrics_that_is_taken_is_refused(tmp_path):
    """The start says which setting it is."""
    prepare(tmp_path)
    done = run(tmp_path, metrics_listen="127.0.0.1:http")
    assert done.returncode == 1
    assert "SLO_METRICS_LISTEN" in done.stderr
