"""The heading of a receipt never says more than the states do."""

import re
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from saml_slo.logout.heading import KEPT
from saml_slo.logout.receipt import receipt
from saml_slo.logout.transaction import Channel, Kind, State
from saml_slo.protocol.method import Method
from tests.logout.made import ALL, GOING_ON, OURS, heading, logout, target

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


# The heading, with applications --------------------------------------------------------------------------------------

GONE, SENT, DEAD, WAIVED = State.CONFIRMED, State.SENT, State.TIMED_OUT, State.WAIVED
APPLICATIONS = {
    ((GONE,), ()): "You are signed out here and in your application.",
    ((GONE, GONE), ()): "You are signed out here and in your 2 applications.",
    ((GONE, GONE, DEAD), ()): (
        "You are signed out here and in 2 of 3 applications. You may still be signed in to the other one."
    ),
    ((GONE, DEAD, DEAD), ()): (
        "You are signed out here and in 1 of 3 applications. You may still be signed in to 2 of them."
    ),
    ((DEAD,), (KEPT,)): f"{HERE} You may still be signed in to your application and at your identity provider.",
    ((GONE, GONE), (KEPT,)): (
        "You are signed out here and in your 2 applications. You are still signed in at your identity provider."
    ),
    ((GONE, GONE), (GONE,)): "You are signed out here, in your 2 applications and at your identity provider.",
    ((GONE, DEAD), (GONE,)): (
        "You are signed out here, in 1 of 2 applications and at your identity provider. You may still be signed in to "
        "the other application."
    ),
    ((GONE, DEAD, DEAD), (GONE, DEAD)): (
        "You are signed out here, in 1 of 3 applications and at 1 of 2 identity providers. You may still be signed in "
        "to 2 of 3 applications and at the other identity provider."
    ),
    ((SENT, SENT, DEAD), (State.WAITING,)): f"{HERE} 2 of 3 applications have not answered yet.",
    ((SENT, GONE), (SENT,)): (
        "You are signed out here and in 1 of 2 applications. The other application and your identity provider have "
        "not answered yet."
    ),
    ((State.WAITING,), (State.WAITING,)): (
        f"{HERE} Your application and your identity provider have not been asked yet."
    ),
    ((State.PARTIAL,), (GONE,)): (
        "You are signed out here, in your application and at your identity provider. Not every session there could be "
        "ended."
    ),
    ((WAIVED, GONE), ()): "You are signed out here and in 1 of 2 applications.",
}


@pytest.mark.parametrize(("applications", "idps"), APPLICATIONS)
def test_the_heading_speaks_of_applications_in_words(applications, idps):
    """Applications and identity providers are counted apart, and told apart where both are spoken of."""
    assert heading(*idps, applications=applications) == APPLICATIONS[applications, idps]


def test_who_has_several_sessions_in_one_application_is_in_it_while_one_of_them_lives():
    """Peers are counted, not sessions: two sessions of one application are not two applications."""
    one = [target(state, kind=Kind.APPLICATION, peer="one") for state in (GONE, DEAD)]
    made = replace(logout(), targets=(OURS, *one))
    assert receipt(made).summary == f"{HERE} You may still be signed in to your application."


# The heading, with peers that cannot answer ---------------------------------------------------------------------------


def url(*, kind=Kind.APPLICATION, peer="url", **how):
    """An application that was told by a frame and has no way to answer."""
    how = {"channel": Channel.FRAME, "method": Method.URL, "awaited": False, **how}
    return target(State.SENT, kind=kind, peer=peer, **how)


def spa(state, peer="spa"):
    """An application in a state."""
    return target(state, kind=Kind.APPLICATION, peer=peer)


IDP = target(State.CONFIRMED)
CANNOT_ANSWER = {
    f"{HERE} Your application was told but cannot answer.": (url(),),
    f"{HERE} Your 2 applications were told but cannot answer.": (url(), url(peer="two")),
    "You are signed out here and in 1 of 2 applications. The other one was told but cannot answer.": (url(), spa(GONE)),
    "You are signed out here, in 1 of 2 applications and at your identity provider. The other application was told but "
    "cannot answer.": (url(), spa(GONE), IDP),
    "You are signed out here and in 1 of 3 applications. 1 of them was told but cannot answer, and you may still be "
    "signed in to the other one.": (url(), spa(GONE), spa(DEAD, "old")),
    f"{HERE} Your application was told but cannot answer, and you may still be signed in at your identity provider.": (
        url(),
        target(DEAD),
    ),
    f"{HERE} Your identity provider was told but cannot answer.": (url(kind=Kind.IDP, channel=Channel.WINDOW),),
    f"{HERE} Your application is still being told.": (url(awaited=True),),
    f"{HERE} 1 of 2 applications has not answered yet.": (url(awaited=True), spa(SENT)),
    "You are signed out here and in your application.": (url(trust_sent=True),),
    "You are signed out here and in 1 of 2 applications. The other one was told but cannot answer.\u200b": (
        url(trust_sent=True),
        url(peer="two"),
    ),
}


@pytest.mark.parametrize("told", CANNOT_ANSWER)
def test_who_cannot_answer_is_not_waited_for(told):
    """It was told, and that is all that anybody will know, unless the operator trusts it (product T1 `sent`)."""
    made = replace(logout(), targets=(OURS, *CANNOT_ANSWER[told]))
    assert receipt(made).summary == told.rstrip("\u200b")


def test_what_was_left_alone_is_told_beside_who_cannot_answer():
    """A local logout with an application that was told: both are in the heading."""
    made = replace(logout(KEPT), targets=(OURS, url()))
    assert receipt(made).summary == (
        f"{HERE} Your application was told but cannot answer, and you are still signed in at your identity provider."
    )


@given(st.lists(st.sampled_from([*State]), max_size=5), st.lists(st.sampled_from(ALL), max_size=4))
def test_the_heading_with_applications_never_says_more_than_the_states(applications, idps):
    """What it says of a kind in its first sentence ended; nothing that is not over goes without "still" or "yet"."""
    said = heading(*idps, applications=applications)
    first = said.partition(". ")[0]
    for word, noun, states in (("in", "application", applications), ("at", "identity provider", idps)):
        ended = [state for state in states if state != KEPT and state.counts_as_ended and state is not State.WAIVED]
        all_of_them = rf"\b{word} your ({len(states)} )?{noun}s?\b"
        some_of_them = rf"\b{word} {len(ended)} of {len(states)} {noun}s\b"
        assert bool(re.search(all_of_them, first)) == (bool(states) and ended == states)
        assert bool(re.search(some_of_them, first)) == (bool(ended) and ended != states)
        assert (noun in first) == bool(ended)
    over = [state for state in [*applications, *idps] if state != KEPT and state.counts_as_ended]
    assert ("still" in said or "yet" in said) == (len(over) < len(applications) + len(idps))
