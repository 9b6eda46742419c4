"""The receipt says what the states say, never more: line by line, and in what it advises."""

from dataclasses import replace

import pytest

from saml_slo.logout.answer import something_to_tell
from saml_slo.logout.engine import can_be_asked
from saml_slo.logout.heading import KEPT
from saml_slo.logout.receipt import receipt
from saml_slo.logout.transaction import Channel, Kind, State, Transaction
from saml_slo.protocol.peer import EndpointSource
from tests.logout.made import ALL, GOING_ON, LEFT, OURS, logout, target

# Line by line -------------------------------------------------------------------------------------------------------


def row_of(state, **how):
    """The line of one IdP."""
    if state == KEPT:
        return receipt(logout(KEPT)).rows[1]
    return receipt(Transaction(**{**fields(logout()), "targets": (OURS, target(state, **how))})).rows[1]


def fields(transaction):
    """A transaction as arguments."""
    return {name: getattr(transaction, name) for name in Transaction.__dataclass_fields__}


def test_ours_comes_first_then_the_idps_then_what_was_kept():
    """Every session is on the receipt, in the order in which it was dealt with."""
    rows = receipt(logout(State.REFUSED, KEPT, State.SENT)).rows
    assert [(row.kind, row.state) for row in rows] == [
        (Kind.SESSION, "confirmed"),
        (Kind.IDP, "refused"),
        (Kind.IDP, "sent"),
        (Kind.IDP, KEPT),
    ]


@pytest.mark.parametrize("state", ALL)
def test_every_state_has_a_word_and_a_sentence(state):
    """No state is told by a code word alone, even where nobody gave a reason."""
    row = row_of(state)
    assert row.state == state
    assert row.label[0].isupper()
    assert row.reason.endswith(".")


def test_no_two_states_share_their_word():
    """A person who reads out the word has named the state."""
    assert len({row_of(state).label for state in ALL}) == len(ALL)


@pytest.mark.parametrize("state", ALL)
def test_a_line_calls_ended_what_counts_as_ended(state):
    """`ended` follows the table of product T1; what was kept is no failure and has not ended."""
    assert row_of(state).ended == (state in ("confirmed", "answered", "partial", "waived"))


@pytest.mark.parametrize("state", ALL)
def test_whatever_is_not_over_comes_with_advice(state):
    """The person is told what to do about every session that may live on, and about no other."""
    assert bool(row_of(state).advice) == (state not in ("confirmed", "answered", "waived"))


def row_with(state, **how):
    """The line of one application in this state."""
    how = {"kind": Kind.APPLICATION, "channel": Channel.FRAME, **how}
    return receipt(replace(logout(), targets=(OURS, target(state, **how)))).rows[1]


@pytest.mark.parametrize("channel", [Channel.FRAME, Channel.BACK])
@pytest.mark.parametrize("state", GOING_ON)
def test_nobody_needs_to_press_while_we_are_at_it(channel, state):
    """The page or the server is asking right now: there is nothing to do, and no button."""
    row = row_with(state, channel=channel)
    assert (row.can_be_asked, row.advice) == (False, "")


@pytest.mark.parametrize("state", GOING_ON)
def test_who_comes_after_the_frames_comes_by_itself(state):
    """While applications are being told the IdP has no button: a press would take the window from the frames."""
    telling = target(state, kind=Kind.APPLICATION, channel=Channel.FRAME)
    for others, button in (((telling,), False), ((), True)):
        made = replace(logout(), targets=(OURS, *others, target(State.WAITING)))
        row = receipt(made).rows[-1]
        assert row.can_be_asked is button
        assert ("by itself" in row.advice) is not button


def test_a_frame_without_an_answer_can_be_asked_by_the_whole_window():
    """Cookies that the browser keeps from frames are the usual cause; the advice says what the button changes."""
    row = row_with(State.TIMED_OUT)
    assert row.can_be_asked
    assert "Ask again: your browser then goes there itself" in row.advice
    assert "Sign out there yourself".lower() in row.advice.lower()


@pytest.mark.parametrize(("state", "button"), [(State.TIMED_OUT, True), (State.REFUSED, False)])
def test_a_retry_of_the_back_channel_is_told(state, button):
    """The row says that we go on by ourselves, when and until when, and that it may still be alive until then (T5)."""
    row = row_with(state, channel=Channel.BACK, retry_at=5_000)
    assert (row.retry_at, row.retry_until) == (5_000, 90_000)
    assert row.advice.startswith("You may still be signed in there. We go on trying by ourselves")
    assert (row.can_be_asked, "Or ask again now." in row.advice) == (button, button)
    given_up = row_with(state, channel=Channel.BACK)
    assert (given_up.retry_at, given_up.retry_until) == (None, None)
    assert "go on trying" not in given_up.advice


def test_a_logout_that_is_tried_again_is_not_settled():
    """Something more happens by itself, though nobody need wait for it."""
    found = receipt(replace(logout(), targets=(OURS, target(State.TIMED_OUT, channel=Channel.BACK, retry_at=5_000))))
    assert (found.settled, found.open, found.busy) == (False, False, False)


def test_an_application_that_partly_ended_is_no_identity_provider():
    """The advice does not speak of applications that were opened through it."""
    assert "Applications" not in row_with(State.PARTIAL).advice
    assert "Applications" in row_of(State.PARTIAL).advice


def test_the_rung_is_told_of_identity_providers_alone():
    """An application gets the SessionIndex that we gave it; where there is none, no IdP withheld it."""
    assert "SessionIndex" not in row_with(State.CONFIRMED, indexes=()).reason


@pytest.mark.parametrize("state", ALL)
def test_advice_speaks_of_a_button_only_where_there_is_one(state):
    """To ask again is advised exactly where the person may have it asked again."""
    row = row_of(state)
    assert row.can_be_asked == (state in ("waiting", "sent", "timed_out", "unreachable"))
    assert row.can_be_asked == any(words in row.advice for words in ("sk again", "ask it now", "Press the button"))


def test_without_a_request_nobody_is_asked_again():
    """There is no button where there is nothing to send."""
    assert not can_be_asked(target(State.UNSUPPORTED))
    assert not can_be_asked(target(State.UNREACHABLE, kind=Kind.SESSION))


def test_a_reason_of_its_own_goes_before_the_usual_one():
    """What happened to this target is told instead of what is true of all in its state."""
    assert row_of(State.REFUSED, reason="It refused: Responder.").reason == "It refused: Responder."
    assert row_of(State.REFUSED).reason == "It refused."
    assert receipt(logout(KEPT)).rows[1].reason == LEFT.reason


@pytest.mark.parametrize("state", [state for state in State if state not in (State.UNSUPPORTED, State.WAIVED)])
def test_a_request_by_name_alone_is_told(state):
    """Without a SessionIndex other devices may be signed out too (L4); said when the request may have worked."""
    told = "other devices" in row_of(state, indexes=()).reason
    assert told == (state in ("sent", "confirmed", "answered", "partial", "timed_out"))
    assert "other devices" not in row_of(state).reason


@pytest.mark.parametrize("state", [state for state in State if state not in (State.UNSUPPORTED, State.WAIVED)])
def test_a_login_url_is_told_as_what_it_is(state):
    """A request to the login URL that had no success says that it may not have been understood (product L3)."""
    told = "login URL" in row_of(state, source=EndpointSource.LOGIN_URL).reason
    assert told == (state in ("waiting", "sent", "refused", "timed_out"))
    assert "login URL" not in row_of(state).reason


@pytest.mark.parametrize(
    ("indexes", "rung"), [((), "name_id"), (("a",), "session_index"), (("a", "b"), "session_index")]
)
def test_a_line_says_how_the_peer_is_asked(indexes, rung):
    """Channel, address, where the address is from, the rung of the ladder and the number of indexes are facts."""
    row = row_of(State.SENT, indexes=indexes, source=EndpointSource.OPERATOR)
    assert (row.channel, row.endpoint, row.endpoint_source) == ("redirect", "https://idp.example/slo", "operator")
    assert (row.rung, row.session_indexes) == (rung, len(indexes))


def test_where_nobody_is_asked_there_are_no_such_facts():
    """Our own session, one without a way to ask, and one that was kept have no channel, address or rung."""
    for row in receipt(logout(State.UNSUPPORTED, KEPT)).rows:
        assert (row.channel, row.endpoint, row.endpoint_source, row.rung, row.session_indexes) == (None,) * 5


def test_times_and_codes_are_those_of_the_logout():
    """The receipt carries its reference code, its beginning, and when each session began and changed."""
    found = receipt(logout(State.SENT, KEPT))
    assert (found.reference, found.started_at, found.return_to) == ("K7QX-3M9P", 3_000, "https://app.example/bye")
    assert [(row.since, row.changed_at) for row in found.rows] == [(1_000, 2_000), (1_000, 2_000), (1_000, 3_000)]


@pytest.mark.parametrize("state", ALL)
def test_a_receipt_is_settled_when_nothing_more_happens_by_itself(state):
    """Only `waiting` and `sent` keep a receipt open."""
    assert receipt(logout(state)).settled == (state not in ("waiting", "sent"))


@pytest.mark.parametrize("state", ALL)
def test_the_person_must_see_what_did_not_end_as_asked(state):
    """A browser goes straight on to the return URL only when all went as asked; what was kept was asked for."""
    assert something_to_tell(logout(state)) == (state not in ("confirmed", "answered", "waived", KEPT))
