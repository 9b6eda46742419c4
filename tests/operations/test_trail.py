"""`saml-slo receipt` and `saml-slo audit`: from a code, a person, a peer or a message to what happened."""

import json
from dataclasses import replace

import pytest

from saml_slo.operations import trail
from saml_slo.store.happened import LogoutBegun
from tests import idp
from tests.api.calling import Caller, application
from tests.observability.test_audit import EXAMPLES
from tests.observability.test_metrics import confirm
from tests.running import running_bridge, sent
from tests.sp import Sp

SHOP = Sp("front", "idp-next", ())


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with a SAML application and one that registers sessions by the API."""
    waived = application("shop", 'logout = "none"\nwaived_until = 2026-12-31\nwaiver = "Soon."\n')
    with running_bridge(tmp_path, redis_url, sps=(SHOP,), applications={"shop": waived}) as running:
        yield running


@pytest.fixture
def ended(bridge):
    """A logout that the identity provider refused: its request, and its receipt's address and facts."""
    browser = bridge.browser()
    SHOP.sign_in(bridge, browser)
    response = bridge.logout(browser, federated="")
    request = sent(response)
    landed = confirm(bridge, browser, response, status=idp.SUCCEEDED.replace("Success", "Responder"))
    return request, landed.headers["Location"], bridge.receipt(browser, landed)


def test_a_reference_code_shows_the_receipt(ended, run):
    """Every session with its state, how it was asked and why; then the trail; by code, handle, address or id."""
    request, location, receipt = ended
    code = receipt["reference"]
    told = run("receipt", code.lower())
    assert told.code == 0
    for words in (code, "idp (idp)", "refused", "saml redirect at https://idp.example/slo (metadata)", "front"):
        assert words in " ".join(told.out.split()), words
    shown = run("receipt", code, "--json").json
    assert shown["receipt"] == receipt
    assert [entry["what"] for entry in shown["trail"]] == ["logout_begun", "logout_went_on"]
    assert shown["log"] == []
    handle = location.removeprefix("/logout/")
    for same in (handle, f"https://bridge.example{location}", handle.partition(".")[0]):
        assert run("receipt", same, "--json").json == shown
    assert handle.partition(".")[2] not in told.out
    assert idp.NAME_ID not in told.out
    assert request.id


def test_when_the_receipt_is_over_the_trail_is_there(bridge, ended, run):
    """After 24 hours the page is gone; what happened is still found."""
    _, location, receipt = ended
    logout_id = location.removeprefix("/logout/").partition(".")[0]
    bridge.redis.delete(f"slo:{{{logout_id[:2]}}}:logout:{logout_id}")
    told = run("receipt", receipt["reference"])
    assert told.code == 0
    assert f"The receipt of logout {logout_id} is over" in told.out
    assert "idp refused" in told.out


def test_the_code_of_a_refused_request_leads_into_the_log(bridge, run, tmp_path):
    """It stands in no store: the command says so and how to look, and looks itself where it is given the log."""
    browser = bridge.browser()
    page = bridge.deliver(browser, idp.post(idp.response(idp.assertion(), sign_assertion=False), endpoint=idp.ACS))
    (line,) = [line for line in bridge.log if line.get("reference")]
    code = line["reference"]
    assert code in page.get_data(as_text=True)
    told = run("receipt", code)
    assert told.code == 1
    assert f"""jq 'select(.reference == "{code}")' the-server.log""" in told.out
    log = tmp_path / "server.log"
    log.write_text("not ours\n" + json.dumps({"reference": "other"}) + "\n" + json.dumps(line | {"got": "\x1b[31mred"}))
    told = run("receipt", code, "--log", str(log))
    assert told.code == 0
    assert "signature_missing" in told.out
    assert "expected:" in told.out
    assert "next:      Let the peer sign" in told.out  # the log has what was wrong; what to do is known here
    assert "\x1b" not in told.out
    assert run("receipt", code, "--log", str(log), "--json").json["log"][0]["reason"] == "signature_missing"


def test_a_shell_cannot_be_tricked_by_a_code(run):
    """What somebody dictates ends up quoted in the command that is proposed."""
    assert "'; rm -rf ~'" in run("receipt", "; rm -rf ~").out


def test_the_trail_is_found_by_person_peer_message_and_code(bridge, ended, run):
    """Each way leads to the whole logout; a person may be named as the identity provider or an application does."""
    request, _, receipt = ended
    Caller(bridge, "shop").call("PUT", "sessions/s-1", {"user": "u-1"})

    def words(*arguments):
        told = run("audit", "find", *arguments, "--json")
        assert told.code == 0, arguments
        return [entry["what"] for entry in told.json["entries"]]

    logout = ["logout_begun", "logout_went_on"]
    everything = ["sign_in", "application_joined", *logout]
    assert words("--connection", "idp", "--name-id", "alice@corp.test") == everything
    assert words("--connection", "idp") == ["sign_in", *logout]
    assert words("--application", "front") == ["application_joined", *logout]
    assert words("--message", request.id) == logout
    assert words("--reference", receipt["reference"]) == logout
    assert words("--user", "u-1") == words("--application", "shop") == ["session_registered"]
    shown = run("audit", "find", "--reference", receipt["reference"]).out
    assert f"logout {receipt['reference']} of 1 session, begun by the person (user): our session signed out" in shown
    assert "idp refused" in shown


def test_who_is_not_in_the_trail_is_code_1(run):
    """Nothing found is told as that; a wrong combination is usage."""
    assert run("audit", "find", "--connection", "idp", "--name-id", "nobody").code == 1
    assert run("audit", "find", "--reference", "nonsense").code == 1
    assert run("audit", "find").code == 2
    assert run("audit", "find", "--name-id", "x").code == 2
    assert run("audit", "find", "--message", "x", "--reference", "y").code == 2


def test_an_export_is_one_object_a_line_in_the_order_of_time(bridge, ended, run):
    """From a time on, until another; people are digests."""
    told = run("audit", "export", "--since", "1h", "--json")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [line["what"] for line in lines] == ["sign_in", "application_joined", "logout_begun", "logout_went_on"]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert "alice" not in told.out
    assert run("audit", "export", "--since", "2020-01-01", "--until", "2020-01-02").out == ""
    assert "begun by the person" in run("audit", "export").out
    assert run("audit", "export", "--since", "yesterday").code == 2
    assert run("audit", "export", "--since", "999999d").code == 2


def test_a_logout_that_named_nobody_says_so():
    """Nobody reads "all ended" of a request in which nobody was known: it ended nothing."""
    (begun,) = (record for record in EXAMPLES if isinstance(record, LogoutBegun))
    words = trail.sentence(replace(begun, sessions=0, targets=()))
    assert words.endswith("nothing ended, because nobody whom it names has a session here")


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.WORD)
def test_every_record_has_a_sentence(record):
    """No entry of the trail is shown as something that only its writer reads."""
    words = trail.sentence(record)
    assert words
    assert "None" not in words
    assert "(" not in words.replace("(admin)", "")
