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
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
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
