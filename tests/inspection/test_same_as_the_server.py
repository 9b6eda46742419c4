"""What inspect says of a message is what the running server does with it: the same reason for the same octets."""

import pytest

from saml_slo.inspection import Inspector, captured_in
from tests import idp
from tests.inspection.test_verdicts import REFUSED
from tests.running import running_bridge


@pytest.fixture(scope="module")
def bridge(tmp_path_factory, redis_url):
    """One running bridge for all of them: a refused message changes nothing."""
    with running_bridge(tmp_path_factory.mktemp("bridge"), redis_url, bindings=("Redirect", "POST")) as running:
        yield running


def _inspected(bridge, octets):
    house = bridge.app.extensions["saml_slo"]
    origin = house.settings.public_url
    inspector = Inspector(registry=house.registry, public_url=origin, keys=house.keys.current(), clock=bridge.clock)
    (captured,) = captured_in(octets)
    return captured, inspector.inspect(captured)


def _delivered(bridge, captured, endpoint):
    """Deliver the capture to the endpoint that inspect named; return the reason in the log, empty when it was taken."""
    bridge.log.clear()
    path = endpoint.removeprefix("https://bridge.example")
    if captured.method == "GET":
        bridge.browser().get(f"{path}?{captured.query.decode()}", base_url="https://bridge.example")
    else:
        bridge.browser().post(
            path, data=captured.body, content_type=captured.content_type, base_url="https://bridge.example"
        )
    return next(iter(bridge.reasons()), "")


@pytest.mark.parametrize("name", REFUSED)
def test_the_server_refuses_for_the_same_reason(bridge, name):
    """Every broken message of the table has the reason word in the server's log that inspect gave."""
    captured, report = _inspected(bridge, REFUSED[name][0]())
    assert _delivered(bridge, captured, report.endpoint) == report.failed.reason


@pytest.mark.parametrize(
    "message",
    [
        b"<samlp:LogoutRequest",
        b"\x00\x01",
        b"<!DOCTYPE x><x/>",
        idp.octets(idp.logout_request()).replace(b'Version="2.0"', b'Version="2.1"'),
        idp.octets(idp.logout_request()).replace(b"<saml:NameID", b"<!-- c --><saml:NameID", 1),
        idp.octets(idp.logout_request()).replace(b'ID="_lr1"', b'ID="1lr"'),
        idp.octets(idp.logout_request(extensions=f"<samlp:Extensions>{idp.NAME_ID}</samlp:Extensions>")),
    ],
    ids=lambda octets: repr(octets[:24]),
)
def test_what_cannot_be_read_is_refused_for_the_same_reason(bridge, message):
    """Malformed and forbidden documents too: inspect asks the same decoder and the same checks."""
    form = idp.post(message, parameter="SAMLRequest").body
    captured, report = _inspected(bridge, form)
    assert report.verdict in ("refused", "accepted")
    expected = "" if report.failed is None else report.failed.reason
    assert _delivered(bridge, captured, report.endpoint or idp.SLO) == expected


def test_what_inspect_accepts_the_server_takes(bridge):
    """A good LogoutRequest about nobody: no refusal in the log."""
    captured, report = _inspected(bridge, idp.post(idp.logout_request(identifier="_good")).body)
    assert report.verdict == "accepted"
    assert _delivered(bridge, captured, report.endpoint) == ""
