"""The receipt says what the states say, never more: in its heading, line by line, and in what it advises."""

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from saml_slo.logout.answer import something_to_tell
from saml_slo.logout.engine import can_be_asked
from saml_slo.logout.receipt import KEPT, receipt
from saml_slo.logout.transaction import Channel, Kept, Kind, Request, State, Target, Transaction
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import EndpointSource

ALL = [*State, KEPT]
GOING_ON = (State.WAITING, State.SENT)


def target(state, *, kind=Kind.IDP, reason="", source=EndpointSource.METADATA, indexes=("_s1",)):
    """A target in a state; one that there is no way to ask has no request."""
    request = Request(
        channel=Channel.WINDOW,
        patience=60_000,
        binding=Binding.REDIRECT,
        location="https://idp.example/slo",
        source=source,
        name_id=NameId(value="alice@corp.test"),
        session_indexes=indexes,
    )
    no_request = kind is Kind.SESSION or state in (State.UNSUPPORTED, State.WAIVED)
    return Target(
        id="_m1",
        kind=kind,
        name="Example Ltd",
        peer="idp",
        since=1_000,
        state=state,
        changed_at=2_000,
        reason=reason,
        request=None if no_request else request,
    )


OURS = target(State.CONFIRMED, kind=Kind.SESSION)
LEFT = Kept(name="Example Ltd", peer="idp", since=1_000, reason="It was left alone.")


def logout(*states, ours=(OURS,)):
    """A logout of our session, with an IdP in each of these states or kept."""
    return Transaction(
        id="3f",
        secret="secret",
        reference="K7QX-3M9P",
        started_at=3_000,
        targets=(*ours, *(target(state) for state in states if state != KEPT)),
        kept=(LEFT,) * states.count(KEPT),
        return_to="https://app.example/bye",
    )


def heading(*states):
    """The heading of such a logout."""
    return receipt(logout(*states)).summary


# The heading --------------------------------------------------------------------------------------------------------

HERE = "You are signed out here."
ONE = {
    State.WAITING: f"{HERE} Your identity provider has not been asked yet.",
    State.SENT: f"{HERE} Your identity provider has not answered yet.",
    State.CONFIRMED: "You are signed out here and at your identity provider.",
    State.ANSWERED: "You are signed out here and at your identity provider.",
    State.REFUSED: f"{HERE} You may still be signed in at your identity provider.",
    State.PARTIAL: "You are signed out here and at your identity provider. Not every session there could be ended.",
    State.TIMED_OUT: f"{HERE} You may still be signed in at your identity provider.",
    State.UNREACHABLE: f"{HERE} You may still be signed in at your identity provider.",
    State.UNSUPPORTED: f"{HERE} You are still signed in at your identity provider.",
    State.WAIVED: HERE,
    KEPT: f"{HERE} You are still signed in at your identity provider.",
}
# States that the heading cannot tell apart, because they leave the person in the same place.
GROUPS = {
    "gone": (State.CONFIRMED, State.ANSWERED),
    "partial": (State.PARTIAL,),
    "sent": (State.SENT,),
    "waiting": (State.WAITING,),
    "unsure": (State.REFUSED, State.TIMED_OUT, State.UNREACHABLE),
    "left": (State.UNSUPPORTED, KEPT),
    "waived": (State.WAIVED,),
}
GROUP_OF = {state: group for group, states in GROUPS.items() for state in states}
BOTH = "You are signed out here and at your 2 identity providers."
HALF = "You are signed out here and at 1 of 2 identity providers."
TWO = {
    "gone gone": BOTH,
    "gone partial": f"{BOTH} Not every session there could be ended.",
    "gone sent": f"{HALF} The other one has not answered yet.",
    "gone waiting": f"{HALF} The other one has not been asked yet.",
    "gone unsure": f"{HALF} You may still be signed in at the other one.",
    "gone left": f"{HALF} You are still signed in at the other one.",
    "gone waived": HALF,
    "partial partial": f"{BOTH} Not every session there could be ended.",
    "partial sent": f"{HALF} The other one has not answered yet.",
    "partial waiting": f"{HALF} The other one has not been asked yet.",
    "partial unsure": f"{HALF} You may still be signed in at the other one.",
    "partial left": f"{HALF} You are still signed in at the other one.",
    "partial waived": f"{HALF} Not every session there could be ended.",
    "sent sent": f"{HERE} Your 2 identity providers have not answered yet.",
    "sent waiting": f"{HERE} 1 of 2 identity providers has not answered yet.",
    "sent unsure": f"{HERE} 1 of 2 identity providers has not answered yet.",
    "sent left": f"{HERE} 1 of 2 identity providers has not answered yet.",
    "sent waived": f"{HERE} 1 of 2 identity providers has not answered yet.",
    "waiting waiting": f"{HERE} Your 2 identity providers have not been asked yet.",
    "waiting unsure": f"{HERE} 1 of 2 identity providers has not been asked yet.",
    "waiting left": f"{HERE} 1 of 2 identity providers has not been asked yet.",
    "waiting waived": f"{HERE} 1 of 2 identity providers has not been asked yet.",
    "unsure unsure": f"{HERE} You may still be signed in at your 2 identity providers.",
    "unsure left": f"{HERE} You may still be signed in at your 2 identity providers.",
    "unsure waived": f"{HERE} You may still be signed in at 1 of 2 identity providers.",
    "left left": f"{HERE} You are still signed in at your 2 identity providers.",
    "left waived": f"{HERE} You are still signed in at 1 of 2 identity providers.",
    "waived waived": HERE,
}


def test_without_an_idp_the_heading_speaks_of_here_only():
    """A session without an upstream login is signed out here, and that is all that is said."""
    assert heading() == HERE


@pytest.mark.parametrize("state", ALL)
def test_the_heading_for_one_idp(state):
    """Each state of the only IdP has its heading."""
    assert heading(state) == ONE[state]


@pytest.mark.parametrize(("first", "second"), list(product(ALL, ALL)))
def test_the_heading_for_two_idps(first, second):
    """Each pair of states has its heading, in whatever order they signed in."""
    groups = sorted((GROUP_OF[first], GROUP_OF[second]), key=list(GROUPS).index)
    assert heading(first, second) == TWO[" ".join(groups)]


def test_the_heading_counts_and_names_the_most_open_end():
    """With more than two it counts; what is still going on comes before what went wrong."""
    ended, sent, refused = State.CONFIRMED, State.SENT, State.REFUSED
    assert heading(ended, refused, refused, State.WAIVED) == (
        "You are signed out here and at 1 of 4 identity providers. You may still be signed in at 2 of them."
    )
    assert heading(ended, ended, sent, sent, refused) == (
        "You are signed out here and at 2 of 5 identity providers. 2 of them have not answered yet."
    )
    assert heading(refused, refused, KEPT, sent) == f"{HERE} 1 of 4 identity providers has not answered yet."


@pytest.mark.parametrize(
    "ours", [(), (target(State.SENT, kind=Kind.SESSION),), (OURS, target(State.TIMED_OUT, kind=Kind.SESSION))]
)
def test_nobody_is_called_signed_out_while_a_session_of_ours_may_live(ours):
    """Unless every session of ours has ended, the heading claims nothing, whatever the IdP did."""
    assert receipt(logout(State.CONFIRMED, ours=ours)).summary == "You are not signed out yet."


@given(st.lists(st.sampled_from(ALL), max_size=6))
@example([State.CONFIRMED, KEPT])
@example([State.ANSWERED, State.WAIVED])
def test_the_heading_never_says_more_than_the_states(states):
    """It says "at your identity providers" only when all of them ended; a number is the number of those that did."""
    said = heading(*states)
    ended = [state for state in states if state != KEPT and state.counts_as_ended and state is not State.WAIVED]
    if "signed out here and at your" in said:
        assert ended == states
    elif "signed out here and at" in said:
        assert f"and at {len(ended)} of {len(states)} identity providers" in said
    else:
        assert not ended
    if set(states) - set(ended) - {State.WAIVED}:
        assert "still" in said or "yet" in said
    assert (" not " in said and "yet" in said) == any(state in GOING_ON for state in states)


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
