"""README.md, the first page that anybody reads, says what is so."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from saml_slo.logout.receipt import receipt
from saml_slo.logout.transaction import Channel, Kind, State
from saml_slo.protocol.method import Method
from tests.logout.made import OURS, logout, target

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)", README))))
def test_every_make_target_exists(target):
    """What a reader is told to type is there."""
    assert re.search(rf"^{target}:.*## ", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_receipt_is_one_that_people_get():
    """The heading and the lines of the example are the words of the program for such a logout."""
    shop = target(State.TIMED_OUT, kind=Kind.APPLICATION, peer="shop", channel=Channel.BACK, retry_at=9_000)
    news = target(
        State.SENT, kind=Kind.APPLICATION, peer="news", channel=Channel.FRAME, method=Method.URL, awaited=False
    )
    told = receipt(replace(logout(), targets=(OURS, target(State.CONFIRMED), shop, news)))
    example = " ".join(README.split("```text")[1].split("```")[0].split())
    assert told.summary in example
    for name, row in zip(("Shop", "News"), told.rows[2:], strict=True):
        assert f"{name} {row.label} {row.reason}" in example
    assert told.rows[2].advice in example
