"""`saml-slo deliveries`: notices that failed are listed from the due times, hurried, or given up in words."""

import pytest

from saml_slo.logout.engine import GIVEN_UP
from saml_slo.operations import deliveries
from tests.operations.conftest import commands
from tests.running import running_bridge
from tests.sp import SoapEndpoint, Sp

LOCAL = {"back_channel_allow": ("127.0.0.1",)}


@pytest.fixture
def endpoint():
    """An application's SOAP endpoint."""
    with SoapEndpoint(signer="idp-next", entity_id="https://back.example/saml") as running:
        yield running


@pytest.fixture
def bridge(tmp_path, redis_url, endpoint):
    """A bridge with that application."""
    back = Sp("back", "idp-next", ("SOAP", "HTTP-Redirect"), soap_url=endpoint.url)
    with running_bridge(tmp_path, redis_url, sps=(back,), **LOCAL) as running:
        endpoint.clock, running.back = running.clock, back
        yield running


@pytest.fixture
def failed(bridge, endpoint):
    """A logout whose notice to the application failed; gives what reads its receipt."""
    browser = bridge.browser()
    bridge.back.sign_in(bridge, browser)
    endpoint.fail = True
    response = bridge.logout(browser)
    bridge.receipt(browser, response)
    endpoint.fail = False

    def row():
        rows = bridge.receipt(browser, response)["sessions"]
        return next(row for row in rows if row["name"] == "back")

    return row


def trail(bridge):
    """Every text of the audit trail."""
    entries = [entry for key in bridge.redis.scan_iter("slo:*:audit") for entry in bridge.redis.xrange(key)]
    return [b" ".join(fields.values()) for _, fields in entries]


def waiting(run):
    """The ids of what waits."""
    return [one["id"] for one in run("deliveries", "list", "--json").json["deliveries"]]


def test_what_waits_is_listed_with_its_reason_and_times(run, failed):
    """T5: application, attempts, last reason, next attempt and until when."""
    told = run("deliveries", "list", "--json")
    assert told.code == 0
    (one,) = told.json["deliveries"]
    assert (one["peer"], one["method"], one["attempts"], one["state"]) == ("back", "soap", 1, "timed_out")
    assert "HTTP status 500" in one["reason"]
    assert one["next_at"] == failed()["retry_at"]
    assert one["until"] == failed()["retry_until"]
    assert (told.json["next"], told.json["incomplete_shards"]) == (None, [])
    assert one["id"] in run("deliveries", "list").out
    assert run("deliveries", "list", "--peer", "other", "--json").json["deliveries"] == []


def test_pages_are_whole_shards_and_lead_to_the_next(bridge, run, failed, monkeypatch):
    """A page ends at a shard's end and says where the next begins; a shard that was not read whole is named."""
    (one,) = run("deliveries", "list", "--json").json["deliveries"]
    page = run("deliveries", "list", "--limit", "1", "--json").json
    assert [found["id"] for found in page["deliveries"]] == [one["id"]]
    assert page["next"] is not None
    assert run("deliveries", "list", "--after", page["next"], "--json").json["deliveries"] == []
    shard = one["logout"][:2]
    bridge.redis.zadd(f"slo:{{{shard}}}:waiting", {f"{shard}{0:024x}": 1})
    monkeypatch.setattr(deliveries, "LOOK_AT", 1)
    assert run("deliveries", "list", "--json").json["incomplete_shards"] == [shard]
    assert run("deliveries", "list", "--after", "nonsense").code == 2


def test_a_retry_tries_at_once(run, endpoint, failed):
    """The application is asked again now, and the receipt has its answer."""
    (one,) = waiting(run)
    told = run("deliveries", "retry", one, "--json")
    assert told.code == 0
    assert [row["state"] for row in told.json["deliveries"]] == ["confirmed"]
    assert len(endpoint.asked) == 2
    assert failed()["state"] == "confirmed"
    assert waiting(run) == []


def test_a_retry_that_fails_again_waits_longer_and_is_code_1(run, endpoint, failed):
    """It goes on waiting, with one attempt more."""
    endpoint.fail = True
    told = run("deliveries", "retry", *waiting(run), "--json")
    assert told.code == 1
    assert told.json["deliveries"][0]["next_at"] is not None
    (one,) = run("deliveries", "list", "--json").json["deliveries"]
    assert one["attempts"] == 2


def test_what_is_dropped_is_never_asked_again_and_the_receipt_says_who_gave_up(bridge, run, endpoint, failed):
    """The state stays what is known; nothing is due any more."""
    (one,) = waiting(run)
    assert run("deliveries", "drop", one, given="n\n").code == 1
    assert waiting(run) == [one]
    assert run("deliveries", "drop", one, "--yes", SUDO_USER="olga").code == 0
    assert any(b"delivery-dropped" in text and b"olga" in text for text in trail(bridge))
    row = failed()
    assert (row["state"], row["ended"], row["retry_at"]) == ("timed_out", False, None)
    assert GIVEN_UP in row["reason"]
    bridge.clock.move(10_000)
    bridge.app.extensions["saml_slo"].sweeper.sweep()
    assert len(endpoint.asked) == 1
    assert waiting(run) == []


def test_what_does_not_wait_is_told_and_the_rest_is_done(run, failed):
    """Of two ids one is nonsense: the other is dropped, and the code is 3."""
    (one,) = waiting(run)
    told = run("deliveries", "drop", one, "_nonsense", "--yes", "--json")
    assert told.code == 3
    assert [row["done"] for row in told.json["deliveries"]] == [True, False]
    again = run("deliveries", "drop", one, "--yes", "--json")
    assert again.code == 1
    assert "does not wait for another attempt" in again.json["deliveries"][0]["reason"]


@pytest.fixture
def run(bridge, monkeypatch):
    """Run a command beside this bridge."""
    return commands(bridge, monkeypatch)
