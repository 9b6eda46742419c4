"""The log: one JSON object a line, and one id for a request and for a logout through every line that is about them."""

import io
import json
import threading
from contextlib import contextmanager

import pytest
import structlog

from saml_slo.app import configure_logging
from saml_slo.lines import about_logout, apart, carrying, request_begins, request_ends
from tests import idp
from tests.observability.test_metrics import confirm
from tests.running import ORIGIN, running_bridge
from tests.serving import wait_until
from tests.sp import SoapEndpoint, Sp


@contextmanager
def real_log(level="debug"):
    """The log as the server writes it; gives what reads its lines."""
    text = io.StringIO()
    configure_logging(level)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(text), cache_logger_on_first_use=False)
    yield lambda: [json.loads(line) for line in text.getvalue().splitlines()]


def test_every_line_of_a_logout_has_its_id(tmp_path, redis_url):
    """The request that begins it, deliveries in threads, the sweeper's retry, a peer's late answer: one id and code."""
    with SoapEndpoint(signer="idp-next", entity_id="https://back.example/saml") as endpoint:
        back = Sp("back", "idp-next", ("SOAP",), soap_url=endpoint.url)
        dead = Sp("dead", "idp-next", ("SOAP",), soap_url="https://127.0.0.1:1/slo")
        with (
            running_bridge(tmp_path, redis_url, sps=(back, dead), back_channel_allow=("127.0.0.1",)) as bridge,
            real_log() as lines,
        ):
            endpoint.clock = bridge.clock
            house = bridge.app.extensions["saml_slo"]
            browser = bridge.browser()
            back.sign_in(bridge, browser)
            dead.sign_in(bridge, browser)
            asked = bridge.logout(browser, federated="")
            bridge.get(browser, asked.headers["Location"])
            bridge.clock.move(6)
            house.sweeper.sweep()
            wait_until(lambda: sum(line["event"] == "delivery_failed" for line in lines()) == 2)
            bridge.sign_in(bridge.browser(), identifier="_other")
            found = lines()
    (begun,) = [line for line in found if line["event"] == "logout_begun"]
    about = [line for line in found if line["event"].startswith(("logout_", "delivery_"))]
    assert {"delivery_failed", "logout_went_on", "logout_deadline_passed"} <= {line["event"] for line in about}
    assert {(line["logout"], line["reference"]) for line in about} == {(begun["logout"], begun["reference"])}
    first = [line for line in about if line.get("request") == begun["request"]]
    assert "delivery_failed" in [line["event"] for line in first]  # in another thread, for the same request
    assert any("request" not in line for line in about if line["event"] == "delivery_failed")  # the sweeper's
    assert "logout" not in found[-1]
    assert found[-1]["event"] == "sign_in"


@pytest.mark.parametrize(
    ("setting", "header", "taken"),
    [
        ("X-Request-Id", "abc-123", True),
        ("X-Request-Id", "a b\n", False),
        ("X-Request-Id", "x" * 129, False),
        ("", "abc-123", False),
    ],
)
def test_a_proxys_id_is_taken_where_it_is_trusted(tmp_path, redis_url, setting, header, taken):
    """The id of a request is the proxy's where SLO_REQUEST_ID_HEADER says so and it looks like one, else our own."""
    with running_bridge(tmp_path, redis_url, request_id_header=setting) as bridge, real_log() as lines:
        browser = bridge.browser()
        for _ in range(2):
            environment = {"HTTP_X_REQUEST_ID": header}
            browser.get("/v2/logout?client_id=nobody", base_url=ORIGIN, environ_overrides=environment)
        first, second = (line["request"] for line in lines() if line["event"] == "request_refused")
    assert ((first, second) == (header, header)) is taken
    assert taken or first != second


def test_lines_of_a_thread_are_about_what_began_it():
    """What is carried along is a copy, and what is done apart leaves nothing behind."""
    seen = []

    def look():
        seen.append(dict(structlog.contextvars.get_contextvars()))
        about_logout("other", "OTHER")

    request_begins("r1")
    about_logout("l1", "L1")
    thread = threading.Thread(target=carrying(look))
    thread.start()
    thread.join()
    apart(look)
    expected = {"request": "r1", "logout": "l1", "reference": "L1"}
    assert seen == [expected, expected]
    assert structlog.contextvars.get_contextvars() == expected
    request_ends()
    assert structlog.contextvars.get_contextvars() == {}


def test_no_line_of_a_sign_in_or_logout_knows_who_it_was(bridge):
    """NameIDs are digests in the trail and nothing at all in the log, at debug too."""
    with real_log() as lines:
        browser = bridge.browser()
        bridge.sign_in(browser)
        confirm(bridge, browser, bridge.logout(browser, federated=""))
        text = json.dumps(lines())
    assert "logout_begun" in text
    assert "alice" not in text
    assert idp.NAME_ID not in text
