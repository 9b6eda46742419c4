"""The headless check: it drives every switch, finds every receipt true, and would find a lie."""

import json
import subprocess
import sys

import pytest

from saml_slo.demo import check
from saml_slo.demo.switches import POSITIONS, Switches


def test_every_receipt_is_true():
    """`saml-slo demo --check --json` finds what it expects in every case, prints it, and exits with 0."""
    command = [sys.executable, "-m", "saml_slo", "demo", "--check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)
    told = json.loads(done.stdout)
    assert [result for result in told["results"] if not result["ok"]] == []
    assert (told["ok"], done.returncode) == (True, 0)
    assert len(told["results"]) == len(check.CASES)


def test_no_position_is_forgotten():
    """Every position of every switch is in some case, and none of the cases is there twice."""
    for name, words in POSITIONS.items():
        assert {getattr(case.switches, name) for case in check.CASES} == set(words)
    assert len(set(check.CASES)) == len(check.CASES)


FAITHFUL = {
    "settled": True,
    "sessions": [
        {"kind": "session", "state": "confirmed", "ended": True},
        {
            "kind": "idp",
            "state": "confirmed",
            "ended": True,
            "endpoint_source": "metadata",
            "rung": "session_index",
            "session_indexes": 1,
        },
    ],
}


@pytest.mark.parametrize(
    ("lives", "change", "sentence"),
    [
        (False, {}, None),
        (True, {}, "the receipt claims an end that did not happen"),
        (False, {"state": "refused", "ended": False}, "there: refused, expected confirmed"),
        (False, {"endpoint_source": "login_url"}, "source: login_url, expected metadata"),
        (False, {"rung": "name_id"}, "rung: name_id, expected session_index"),
        (False, {"session_indexes": 3}, "SessionIndex values: 3, expected 1"),
    ],
)
def test_a_lie_is_told(monkeypatch, lives, change, sentence):
    """A receipt that differs from the facts makes its case fail, with a sentence that says in what."""
    receipt = json.loads(json.dumps(FAITHFUL))
    receipt["sessions"][1] |= change
    monkeypatch.setattr(check, "_settled_receipt", lambda *_: receipt)
    case = check.Case(switches=Switches(), state="confirmed")
    result = check._result(None, check._Done(case, "", [], lives))
    if sentence is None:
        assert result.wrong == ()
    else:
        assert sentence in result.wrong
    assert result.as_json()["ok"] is (sentence is None)


def test_a_missing_receipt_is_told(monkeypatch):
    """Where there is no receipt at all, everything is wrong, and nothing crashes."""
    monkeypatch.setattr(check, "_settled_receipt", lambda *_: {})
    done = check._Done(check.CASES[0], "", ["the sign-in ended elsewhere"], idp_session_lives=False)
    result = check._result(None, done)
    assert result.wrong[0] == "the sign-in ended elsewhere"
    assert any(sentence.startswith("here: None") for sentence in result.wrong)


def rows(shop="confirmed", news="sent", *, shop_lives=False, news_lives=False):
    """What a receipt says of both applications, and what is true."""
    return {
        "shop": check.Row(state=shop, ended=shop == "confirmed", lives=shop_lives),
        "news": check.Row(state=news, ended=news == "confirmed", lives=news_lives),
    }


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        (rows("timed_out", shop_lives=True), rows(), None),
        (rows("timed_out", shop_lives=True), rows("timed_out"), "the Shop at the end: timed_out, expected confirmed"),
        (rows("timed_out"), rows(), "the Shop's session lives at first: False, expected True"),
        (
            rows("timed_out", shop_lives=True),
            rows(shop_lives=True),
            "the receipt claims an end at shop that did not happen",
        ),
        (
            rows("timed_out", shop_lives=True),
            rows(news="confirmed", news_lives=True),
            "the receipt claims an end at news that did not happen",
        ),
    ],
)
def test_a_lie_about_an_application_is_told(first, last, sentence):
    """What a receipt says of Shop and News is held against their sessions, at first and at the end."""
    case = check.Case(switches=Switches(shop="down"), state="confirmed", shop="timed_out")
    wrong = check._wrong_of_applications(case, first, last)
    assert wrong == [] if sentence is None else sentence in wrong
