"""Peers that can be told and cannot answer, and pages that keep the browser: what their rows say."""

from dataclasses import replace

import pytest

from saml_slo.logout.receipt import receipt
from saml_slo.logout.transaction import Channel, Kept, Kind, State
from saml_slo.protocol.method import CANNOT_ANSWER, Method
from tests.logout.made import LEFT, OURS, logout, target


def told(**how):
    """The receipt of a logout with one application, in a frame, that cannot answer."""
    how = {"kind": Kind.APPLICATION, "channel": Channel.FRAME, "method": Method.URL, "awaited": False, **how}
    state = how.pop("state", State.SENT)
    return receipt(replace(logout(), targets=(OURS, target(state, **how))))


@pytest.mark.parametrize("method", CANNOT_ANSWER)
def test_it_was_told_and_that_is_all(method):
    """Nothing waits for it any more, it does not count as ended, and the row says how to be sure."""
    found = told(method=method)
    row = found.rows[1]
    assert (row.state, row.label, row.ended, row.open) == ("sent", "Asked, cannot answer", False, False)
    assert row.reason == "It was told and has no way to answer."
    assert row.advice.startswith("To be sure, open its page in a new window.")
    assert (row.can_be_asked, row.own_window) == (True, True)
    assert (row.method, row.channel, row.rung, row.session_indexes) == (method, method, None, None)
    assert (found.settled, found.open, found.busy, found.troubled) == (True, False, False, True)


def test_while_its_frame_loads_it_is_being_told():
    """Until its page came to rest nobody claims that it was told, and nobody says that it did not answer."""
    found = told(awaited=True)
    row = found.rows[1]
    assert (row.label, row.open, row.can_be_asked, row.advice) == ("Being told", True, False, "")
    assert "answered" not in row.reason
    assert (found.settled, found.busy) == (False, True)


def test_the_operator_may_trust_it():
    """Then it counts as ended, in the operator's name, and nothing is asked of the person."""
    found = told(trust_sent=True)
    row = found.rows[1]
    assert (row.state, row.label, row.ended) == ("sent", "Taken for signed out", True)
    assert "as your operator decided" in row.reason
    assert (row.can_be_asked, row.advice, found.troubled) == (False, "", False)


def test_trust_is_for_what_was_sent():
    """Before its frame came to rest nothing is taken for anything."""
    row = told(trust_sent=True, awaited=True).rows[1]
    assert (row.label, row.ended) == ("Being told", False)


def test_a_provider_that_brings_people_back_is_asked_again_in_this_window():
    """It cannot prove that it signed anybody out, but nobody is lost there."""
    row = told(kind=Kind.IDP, channel=Channel.WINDOW, method=Method.OIDC).rows[1]
    assert (row.can_be_asked, row.own_window) == (True, False)
    assert row.advice.startswith("To be sure, ask again")


# Pages that keep the browser ----------------------------------------------------------------------------------------


def provider(state, *, return_to="https://app.example/bye", **how):
    """The receipt of a logout with one provider whose sign-out page keeps the browser."""
    how = {"channel": Channel.WINDOW, "method": Method.VENDOR_URL, "returns": False, **how}
    made = replace(logout(), targets=(OURS, target(state, **how)), return_to=return_to)
    return receipt(made)


def test_before_the_hop_the_row_says_that_there_is_no_way_back():
    """Nobody waits for the person, so the browser goes there at the end; they are told before."""
    found = provider(State.WAITING, return_to=None)
    assert found.rows[1].advice.endswith("Its page does not bring you back.")
    assert found.moves_on


@pytest.mark.parametrize("state", [State.WAITING, State.UNREACHABLE])
def test_with_somewhere_to_go_the_person_decides(state):
    """The browser is not sent there by itself: the row has a button that opens a window, and the way on stays."""
    found = provider(state)
    row = found.rows[1]
    assert (row.can_be_asked, row.own_window) == (True, True)
    assert row.reason == "Its sign-out page does not bring you back, so you were not sent there."
    assert row.advice.startswith("You may still be signed in there: sign out at its page, in a window")
    assert (found.moves_on, found.goes_on, found.busy) == (False, False, False)
    assert (row.open, found.open, found.settled) == (False, False, True)
    assert found.troubled


def test_after_the_window_was_opened_it_was_told():
    """Nobody hears what became of it."""
    row = provider(State.SENT, awaited=False).rows[1]
    assert (row.label, row.own_window) == ("Asked, cannot answer", True)


def test_its_button_does_not_wait_for_frames():
    """A window of its own takes nothing from the frames of the others."""
    frame = target(State.WAITING, kind=Kind.APPLICATION, channel=Channel.FRAME)
    page = target(State.WAITING, channel=Channel.WINDOW, method=Method.VENDOR_URL, returns=False)
    rows = receipt(replace(logout(), targets=(OURS, frame, page))).rows
    assert [row.can_be_asked for row in rows] == [False, False, True]


def test_an_application_that_a_policy_spares_is_kept():
    """Propagation: its row says why it was left alone, and what to do; it is no identity provider."""
    spared = Kept(name="Wiki", peer="wiki", since=1_000, reason="It belongs to another.", kind=Kind.APPLICATION)
    found = receipt(replace(logout(), kept=(spared, LEFT)))
    row = found.rows[1]
    assert (row.kind, row.state, row.reason) == (Kind.APPLICATION, "kept", "It belongs to another.")
    assert row.advice == "If you want to be signed out there as well, sign out there yourself."
    assert found.summary.endswith("You are still signed in to your application and at your identity provider.")
