"""The engine: every pair of the table is decided, one answer to the browser, the same input gives the same output."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saml_slo.logout.commands import AskPeer, ReturnUser, ShowReceipt
from saml_slo.logout.engine import GIVEN_UP, TRANSITIONS, advance
from saml_slo.logout.events import BrowserReturned, ClockTicked, Happening, OperatorDecided, PeerAnswered, PersonRetries
from saml_slo.logout.transaction import Channel, Kind, Request, State, Target, Transaction
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import EndpointSource

NOW = 1_000_000
PATIENCE = 60_000
DEADLINE = NOW + PATIENCE
REQUEST = Request(
    channel=Channel.WINDOW,
    patience=PATIENCE,
    binding=Binding.REDIRECT,
    location="https://idp.example/slo",
    source=EndpointSource.METADATA,
    name_id=NameId(value="alice"),
    session_indexes=("_s1",),
)
FINAL = {State.CONFIRMED, State.ANSWERED, State.PARTIAL, State.REFUSED, State.UNSUPPORTED, State.WAIVED}
ANSWERS = (Happening.CONFIRMED, Happening.ANSWERED, Happening.PARTIAL, Happening.REFUSED)


def target(identifier, state, *, kind=Kind.IDP):
    """A target in a state; one that can be asked unless it is unsupported or our own session."""
    request = None if kind is Kind.SESSION or state is State.UNSUPPORTED else REQUEST
    return Target(
        id=identifier,
        kind=kind,
        name=identifier,
        peer=identifier,
        deadline=DEADLINE,
        since=0,
        state=state,
        changed_at=NOW,
        request=request,
    )


def transaction(*states, return_to="https://app.example/out"):
    """A logout with our own session and one IdP in each of these states."""
    idps = (target(f"idp{number}", state) for number, state in enumerate(states))
    ours = target("ours", State.CONFIRMED, kind=Kind.SESSION)
    return Transaction(
        id="3f",
        secret="s",
        reference="R",
        started_at=NOW,
        targets=(ours, *idps),
        return_to=return_to,
    )


def states(step):
    """The states of the IdPs after a step."""
    return [found.state for found in step.transaction.targets if found.kind is Kind.IDP]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("happening", Happening)
def test_every_pair_is_decided(state, happening):
    """The table decides every (state, happening) pair, and a final state never changes."""
    after = TRANSITIONS[state][happening]
    assert isinstance(after, State)
    if state in FINAL and (state, happening) != (State.REFUSED, Happening.ASKED):  # the back channel tries again
        assert after is state


@pytest.mark.parametrize("happening", ANSWERS)
def test_an_answer_counts_when_it_was_asked_for_even_late(happening):
    """An answer moves a target that was asked, in time or late, and never one that was not asked."""
    for state in (State.SENT, State.TIMED_OUT):
        assert TRANSITIONS[state][happening].value == happening.value
    for state in (State.WAITING, State.UNREACHABLE):
        assert TRANSITIONS[state][happening] is state


def test_idps_are_asked_one_after_the_other_in_order():
    """The browser is sent to the first IdP, after its answer to the second, then to the return URL."""
    first = advance(transaction(State.WAITING, State.WAITING), [BrowserReturned()], NOW)
    assert isinstance(first.command, AskPeer)
    assert first.command.target.id == "idp0"
    assert states(first) == [State.SENT, State.WAITING]
    second = advance(first.transaction, [PeerAnswered("idp0", Happening.CONFIRMED)], NOW)
    assert isinstance(second.command, AskPeer)
    assert second.command.target.id == "idp1"
    last = advance(second.transaction, [PeerAnswered("idp1", Happening.CONFIRMED)], NOW)
    assert last.command == ReturnUser("https://app.example/out")


@pytest.mark.parametrize(
    "state",
    [State.SENT, State.REFUSED, State.TIMED_OUT, State.UNSUPPORTED, State.PARTIAL],
    ids=lambda state: state.value,
)
def test_whoever_has_something_to_be_told_sees_the_receipt(state):
    """A return URL is not followed as long as some target did not end as asked."""
    assert advance(transaction(state), [BrowserReturned()], NOW).command == ShowReceipt()


def test_a_browser_that_comes_back_by_itself_goes_on_to_the_next_idp():
    """An IdP that never returned the browser does not stop the others."""
    step = advance(transaction(State.SENT, State.WAITING), [BrowserReturned()], NOW)
    assert isinstance(step.command, AskPeer)
    assert step.command.target.id == "idp1"


def test_deadline_times_out_what_was_asked_and_gives_up_what_needs_the_browser():
    """At the deadline, not before, asked targets are timed_out and waiting ones unreachable."""
    before = advance(transaction(State.SENT, State.WAITING), [ClockTicked()], DEADLINE - 1)
    assert states(before) == [State.SENT, State.WAITING]
    after = advance(transaction(State.SENT, State.WAITING), [ClockTicked()], DEADLINE)
    assert states(after) == [State.TIMED_OUT, State.UNREACHABLE]
    assert after.command is None


def test_an_unreachable_idp_is_asked_when_the_browser_comes_back_late():
    """A browser that returns after the deadline still goes to the IdPs that wait for it."""
    step = advance(transaction(State.UNREACHABLE), [BrowserReturned()], DEADLINE + 1)
    assert isinstance(step.command, AskPeer)
    assert states(step) == [State.SENT]


def test_a_late_answer_still_changes_a_timed_out_target():
    """An answer after the deadline counts (product T1)."""
    step = advance(transaction(State.TIMED_OUT), [PeerAnswered("idp0", Happening.CONFIRMED)], DEADLINE + 1)
    assert states(step) == [State.CONFIRMED]


def test_a_retry_has_a_fresh_id_and_an_answer_to_any_attempt_counts():
    """Asking again sends a new message; the answer to the first one is still matched (product T5)."""
    step = advance(transaction(State.TIMED_OUT), [PersonRetries("idp0", "fresh")], NOW)
    assert isinstance(step.command, AskPeer)
    assert step.command.target.id == "fresh"
    late = advance(step.transaction, [PeerAnswered("idp0", Happening.CONFIRMED)], NOW)
    assert states(late) == [State.CONFIRMED]


def test_every_question_has_the_whole_patience():
    """The deadline moves with each question: an IdP that is asked late, or again, is not timed out at once."""
    first = advance(transaction(State.WAITING, State.WAITING), [BrowserReturned()], DEADLINE - 1)
    second = advance(first.transaction, [PeerAnswered("idp0", Happening.CONFIRMED)], DEADLINE + 1)
    assert states(advance(second.transaction, [ClockTicked()], DEADLINE + 2)) == [State.CONFIRMED, State.SENT]
    retried = advance(transaction(State.TIMED_OUT), [PersonRetries("idp0", "fresh")], DEADLINE + 1)
    assert states(advance(retried.transaction, [ClockTicked()], DEADLINE + 2)) == [State.SENT]


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_retry_of_what_needs_none_changes_nothing(state):
    """A target that is final or has no way to be asked is not asked again."""
    before = transaction(state)
    step = advance(before, [PersonRetries("idp0", "fresh")], NOW)
    assert step.transaction == before
    assert step.command == ShowReceipt()


def waiting_delivery(state):
    """A logout with one back-channel delivery that failed and waits for its next attempt."""
    before = transaction(state)
    failed = replace(
        before.targets[1],
        retry_at=NOW + 60_000,
        reason="No answer.",
        request=replace(REQUEST, channel=Channel.BACK, binding=Binding.SOAP, retry_until=NOW + 3_600_000),
    )
    return before.with_target(before.targets[1], failed)


@pytest.mark.parametrize("state", [State.TIMED_OUT, State.REFUSED])
def test_an_operator_makes_a_waiting_delivery_due_now(state):
    """Its next attempt is due at once, under a fresh id; nothing else about it changes."""
    step = advance(waiting_delivery(state), [OperatorDecided("idp0", again=True)], NOW)
    assert (states(step), step.transaction.due_at, step.deliver) == ([state], NOW, ())
    retried = advance(step.transaction, [ClockTicked(("fresh",))], NOW)
    assert [target.id for target in retried.deliver] == ["fresh"]


@pytest.mark.parametrize("state", [State.TIMED_OUT, State.REFUSED])
def test_an_operator_gives_a_waiting_delivery_up(state):
    """Its state stays what is known of it, the receipt says who gave up, and nothing more happens by itself."""
    step = advance(waiting_delivery(state), [OperatorDecided("idp0", again=False)], NOW)
    assert states(step) == [state]
    assert step.transaction.targets[1].reason == f"No answer. {GIVEN_UP}"
    assert step.transaction.settled
    late = advance(step.transaction, [PeerAnswered("idp0", Happening.CONFIRMED)], NOW)
    assert states(late) == [State.CONFIRMED if state is State.TIMED_OUT else State.REFUSED]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("again", [True, False])
def test_an_operator_decides_nothing_about_what_does_not_wait(state, again):
    """Only a delivery that waits for its next attempt can be hurried or given up."""
    before = transaction(state)
    assert advance(before, [OperatorDecided("idp0", again)], NOW).transaction == before


_EVENTS = st.lists(
    st.one_of(
        st.builds(
            PeerAnswered,
            st.sampled_from(["idp0", "idp1", "idp2", "ours", "nobody"]),
            st.sampled_from(ANSWERS),
            st.just("why"),
        ),
        st.just(BrowserReturned()),
        st.just(ClockTicked()),
    ),
    max_size=6,
)


@given(
    before=st.lists(st.sampled_from(State), max_size=3),
    events=_EVENTS,
    now=st.integers(NOW, DEADLINE + 100_000),
    return_to=st.sampled_from([None, "https://app.example/out"]),
)
def test_whatever_happens_the_engine_keeps_its_promises(before, events, now, return_to):
    """Same input, same output; final states stay; the browser, if there, gets exactly one thing to do.

    It is returned only when every target counts as ended; without a browser nobody is asked.
    """
    start = transaction(*before, return_to=return_to)
    step = advance(start, events, now)
    assert step == advance(start, events, now)
    for old, new in zip(start.targets, step.transaction.targets, strict=True):
        assert old.state not in FINAL or replace(new, changed_at=old.changed_at) == old
    answered = {event.request_id for event in events if isinstance(event, PeerAnswered)} & {"idp0", "idp1", "idp2"}
    came = any(isinstance(event, BrowserReturned) for event in events)
    came |= any(found.channel is Channel.WINDOW and found.id in answered for found in start.targets)
    assert (step.command is not None) == came
    if isinstance(step.command, ReturnUser):
        assert all(found.counts_as_ended for found in step.transaction.targets)
    if isinstance(step.command, AskPeer):
        assert step.command.target.state is State.SENT
        assert step.command.target in step.transaction.targets
