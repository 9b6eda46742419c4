"""What is counted: every logout with its outcome, every target, refusals, deliveries, what is due and what expires."""

import re
from itertools import chain
from pathlib import Path

import pytest

from saml_slo.reporting import metrics as counting
from saml_slo.reporting.metrics import Metrics
from saml_slo.store.connect import CAUSES
from tests import idp
from tests.observability.numbers import measuring
from tests.running import running_bridge, sent
from tests.serving import wait_until
from tests.sp import SoapEndpoint, Sp


def confirm(bridge, browser, response, **answer):
    """Let the IdP answer the logout that a response asks for."""
    request = sent(response)
    message = idp.logout_response(in_response_to=request.id, signed=False, **answer)
    return bridge.deliver(browser, idp.redirect(message, relay_state=request.id))


def test_a_logout_is_counted_from_its_beginning_to_its_rest(bridge):
    """By who began it and how it ended, with the result of each session; a sign-in and its session too."""
    page = measuring(bridge)
    browser = bridge.browser()
    bridge.sign_in(browser)
    assert page()("slo_sign_ins_total", connection="idp") == 1
    assert page()("slo_sessions_opened_total", how="sign_in") == 1
    assert page()("slo_due_entries") == 1
    response = bridge.logout(browser, federated="")
    read = page()
    assert read("slo_logouts_begun_total", initiator="person") == 1
    assert read("slo_sessions_ended_total", how="logout") == 1
    assert read("slo_targets_total", kind="session", state="confirmed") == 1
    assert read("slo_logouts_settled_total") == 0
    confirm(bridge, browser, response)
    read = page()
    assert read("slo_targets_total", kind="idp", peer="idp", method="saml", state="confirmed") == 1
    assert read("slo_logouts_settled_total", initiator="person", outcome="ended") == 1
    assert read("slo_logouts_settled_total") == 1


def test_a_logout_that_nobody_answers_is_partial(bridge):
    """The deadline makes it `timed_out` and the logout `partial`; until then it is due, and then overdue."""
    page = measuring(bridge)
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.logout(browser, federated="")
    bridge.clock.move(90)
    read = page()
    assert read("slo_overdue_entries") == 1
    assert 25 <= read("slo_overdue_seconds") <= 90
    assert read("slo_redis_up") == 1
    bridge.app.extensions["saml_slo"].sweeper.sweep()
    read = page()
    assert read("slo_overdue_entries") == 0
    assert read("slo_targets_total", peer="idp", state="timed_out") == 1
    assert read("slo_logouts_settled_total", outcome="partial") == 1


def test_a_session_that_expires_is_counted(bridge):
    """By itself, without a logout."""
    page = measuring(bridge)
    bridge.sign_in(bridge.browser())
    bridge.clock.move(9 * 3600)
    bridge.app.extensions["saml_slo"].sweeper.sweep()
    assert page()("slo_sessions_ended_total", how="expired") == 1


def test_failures_of_redis_are_counted_from_0(bridge):
    """Each cause is there before it happens: an increase shows in series alone that were there before."""
    page = measuring(bridge)()
    shown = {dict(labels)["cause"] for name, labels in page.values if name == "slo_store_failures_total"}
    assert shown == {*CAUSES}
    assert page("slo_store_failures_total") == 0
    house = Path(counting.__file__).parents[1]
    given = (re.findall(r'cause="(\w+)"', file.read_text(encoding="utf-8")) for file in house.rglob("*.py"))
    assert {*chain.from_iterable(given)} <= shown


def test_calls_to_peers_are_timed(tmp_path, redis_url):
    """Each delivery by method and outcome, and by peer; a failure by why."""
    with SoapEndpoint(signer="idp-next", entity_id="https://back.example/saml") as endpoint:
        back = Sp("back", "idp-next", ("SOAP",), soap_url=endpoint.url)
        dead = Sp("dead", "idp-next", ("SOAP",), soap_url="https://127.0.0.1:1/slo")
        with running_bridge(tmp_path, redis_url, sps=(back, dead), back_channel_allow=("127.0.0.1",)) as bridge:
            page = measuring(bridge)
            endpoint.clock = bridge.clock
            browser = bridge.browser()
            back.sign_in(bridge, browser)
            dead.sign_in(bridge, browser)
            bridge.logout(browser)
            wait_until(lambda: page()("slo_delivery_seconds_count") == 2)
            read = page()
            assert read("slo_applications_joined_total", application="back") == 1
            assert read("slo_delivery_seconds_count", method="saml", outcome="answered") == 1
            assert read("slo_delivery_seconds_count", outcome="refused") == 1
            assert read("slo_peer_delivery_seconds_count", kind="application", peer="back") == 1
            assert read("slo_targets_total", peer="back", state="confirmed") == 1


def test_refusals_are_counted_by_reason_and_family(bridge):
    """A message that fails a check, a link that is wrong, a page that is not there."""
    page = measuring(bridge)
    browser = bridge.browser()
    bridge.deliver(browser, idp.post(idp.response(idp.assertion(), sign_assertion=False), endpoint=idp.ACS))
    bridge.logout(browser, returnTo="https://evil.example/")
    bridge.get(browser, "/nothing/here")
    read = page()
    assert read("slo_refused_total", reason="signature_missing", family="saml") == 1
    assert read("slo_refused_total", reason="return_url_not_allowed", family="logout") == 1
    assert read("slo_refused_total", reason="not_found", family="other") == 1
    assert read("slo_refused_total") == 3


def test_status_checks_are_counted_by_their_answer(bridge):
    """Alive or over."""
    page = measuring(bridge)
    browser = bridge.browser()
    assert not bridge.is_signed_in(browser)
    bridge.sign_in(browser)
    assert bridge.is_signed_in(browser)
    read = page()
    assert read("slo_status_checks_total", answer="over") == 1
    assert read("slo_status_checks_total", answer="alive") == 1


def test_what_is_going_to_expire_is_shown(bridge):
    """Seconds until the certificates of each peer, and ours, are over."""
    read = measuring(bridge)()
    assert read("slo_certificate_expiry_seconds", kind="idp", peer="idp") > 0
    assert read("slo_certificate_expiry_seconds", kind="(ours)", peer="signing") > 0
    assert read("slo_peers_in_force", kind="idp") == 2
    assert ("slo_configuration_problems", ()) in read.values


def test_a_page_without_redis_says_so(bridge):
    """A store that does not answer is a number too, and the rest of the page is there."""
    page = measuring(bridge)
    bridge.app.extensions["saml_slo"].store.backlog = _unavailable
    read = page()
    assert ("slo_redis_up", ()) in read.values
    assert read("slo_redis_up") == 0
    assert read("slo_peers_in_force", kind="idp") == 2


def _unavailable(_now):
    from saml_slo.errors import StoreUnavailable  # noqa: PLC0415 - the one place that needs it

    raise StoreUnavailable("gone")


def test_strangers_cannot_make_labels(bridge):
    """Whatever a message says, the labels are our words and the names of configured peers."""
    page = measuring(bridge)
    browser = bridge.browser()
    for path in ("/login?connection=made-up", "/v2/logout?client_id=made-up", "/saml/sp/made-up/slo?SAMLRequest=x"):
        bridge.get(browser, path)
    assert page()("slo_refused_total") == 3
    assert "made-up" not in page().text


def test_peers_beyond_a_number_share_a_series(monkeypatch):
    """A registry of thousands of peers does not become thousands of series without an end."""
    monkeypatch.setattr(counting, "_PEERS", 2)
    metrics = Metrics()
    assert [metrics.peer(name) for name in ("a", "b", "c", "a", "d")] == ["a", "b", "(others)", "a", "(others)"]


def test_a_report_that_breaks_fails_no_logout(bridge, monkeypatch):
    """What was committed stays committed; the log has the error."""
    measuring(bridge)
    browser = bridge.browser()
    bridge.sign_in(browser)
    monkeypatch.setattr(bridge.app.extensions["saml_slo"].reporter.metrics, "logouts_begun", None)
    assert bridge.logout(browser).status_code in (200, 303)
    assert not bridge.is_signed_in(browser)
    assert any(line["event"] == "report_failed" for line in bridge.log)


@pytest.mark.parametrize("name", ["saml", "idp", "login", "logout", "receipts", "forward", "status"])
def test_every_family_is_a_part_of_the_web(bridge, name):
    """The families of refusals are those of the blueprints."""
    assert name in bridge.app.blueprints


def test_every_metric_is_documented(bridge):
    """docs/observability.md lists each one with its labels, and nothing else."""
    page = measuring(bridge)
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.logout(browser)
    families = {family.name: family for family in page().families}
    document = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(slo_[a-z_]+)` \|([^|]*)\|", document, flags=re.MULTILINE))
    assert {name.removesuffix("_total") for name in listed} == families.keys()
    for name, labels in listed.items():
        has = {label for sample in families[name.removesuffix("_total")].samples for label in sample.labels}
        assert has - {"le"} <= set(re.findall(r"`(\w+)`", labels)), name
