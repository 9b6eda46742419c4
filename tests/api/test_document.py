"""The OpenAPI document is what the API does: schemathesis holds one against the other, with every check that it has."""

import logging
import subprocess
import sys
import threading
from contextlib import contextmanager

from werkzeug.serving import make_server

from tests.api.calling import SHOP_AND_BLOG, Caller
from tests.running import ORIGIN, running_bridge

# 410 is what the document promises of a session that is over, 422 of a key that is used: no schema can know of either.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 410, 422, 429]
"""


@contextmanager
def listening(app):
    """Serve an application on the loopback interface and yield its origin."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_schemathesis_finds_nothing(tmp_path, redis_url):
    """Examples at the edges of every schema, generated ones good and bad, and chains of calls: no check fails."""
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    with (
        running_bridge(tmp_path, redis_url, applications=SHOP_AND_BLOG, api_rate=1_000_000) as bridge,
        listening(bridge.app) as origin,
    ):
        authorization = Caller(bridge, "shop").authorization["Authorization"]
        found = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{origin}/api/v1/openapi.json", "--url", origin),
                *("-H", f"Authorization: {authorization}", "-H", "Host: bridge.example"),
                *("--checks", "all", "--mode", "all", "--max-examples", "25", "--generation-deterministic"),
                *("--no-color", "--warnings", "off"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
        )
        assert found.returncode == 0, found.stdout + found.stderr
        assert [line for line in bridge.log if line["event"] == "crashed"] == []


def test_every_path_of_the_document_is_served_and_the_other_way_round(bridge):
    """Nothing is documented that is not there, nothing under /api/v1 is there that is not documented."""
    document = bridge.browser().get("/api/v1/openapi.json", base_url=ORIGIN).get_json()
    documented = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    served = set()
    for rule in bridge.app.url_map.iter_rules():
        if rule.rule.startswith("/api/"):
            path = rule.rule.replace("<own_id:own_id>", "{id}").replace("<logout_id:logout_id>", "{id}")
            served |= {(method, path) for method in rule.methods - {"HEAD"}}
    assert documented == served
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": ORIGIN}]
