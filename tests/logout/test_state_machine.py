"""The engine as a whole, driven by hypothesis: whatever happens in whatever order, it keeps its promises.

Same input, same output; at most one answer to the requester; answered only when nobody is waited for any more, and
then at the next look; PartialLogout exactly when a target does not count as ended; final states stay (L10, T1).
"""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from saml_slo.logout.answer import answer_to
from saml_slo.logout.commands import AnswerRequester, AskPeer, CloseFrame, ReturnUser, ShowProgress, ShowReceipt
from saml_slo.logout.engine import TRANSITIONS, advance
from saml_slo.logout.events import (
    BrowserReturned,
    ClockTicked,
    FrameOpened,
    Happening,
    OperatorDecided,
    PeerAnswered,
    PersonRetries,
)
from saml_slo.logout.transaction import Channel, Kind, Request, Requester, State, Target, Transaction
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import EndpointSource
from saml_slo.protocol.status import PARTIAL_LOGOUT, SUCCESS

ANSWERS = (Happening.CONFIRMED, Happening.ANSWERED, Happening.PARTIAL, Happening.REFUSED)
FINAL = {State.CONFIRMED, State.ANSWERED, State.PARTIAL, State.UNSUPPORTED, State.WAIVED}
START = 1_000_000


def made(number, channel):
    """A target reached by a channel; None: no way to ask it."""
    request = None
    if channel is not None:
        request = Request(
            channel=channel,
            binding=Binding.SOAP if channel is Channel.BACK else Binding.REDIRECT,
            location="https://peer.example/slo",
            source=EndpointSource.METADATA,
            name_id=NameId(value="alice"),
            session_indexes=("_s1",),
            patience=5_000,
            retry_until=START + 3_600_000,
        )
    return Target(
        id=f"_{number}",
        kind=Kind.APPLICATION,
        name=f"app {number}",
        peer=f"app{number}",
        since=0,
        state=State.UNSUPPORTED if channel is None else State.WAITING,
        changed_at=START,
        deadline=START + 15_000,
        request=request,
    )


class Logout(RuleBasedStateMachine):
    """One logout from its first step on."""

    @initialize(
        channels=st.lists(st.sampled_from([Channel.BACK, Channel.FRAME, Channel.WINDOW, None]), max_size=5),
        requested=st.booleans(),
    )
    def begin(self, channels, requested):
        """Begin with some targets, asked for by a peer or by a person."""
        requester = Requester(
            kind=Kind.APPLICATION, peer="asker", request_id="_lr", binding=Binding.REDIRECT, relay_state=None
        )
        self.now, self.ids, self.answers = START, 0, []
        self.transaction = Transaction(
            id="3f",
            secret="s",
            reference="R",
            started_at=START,
            targets=tuple(made(number, channel) for number, channel in enumerate(channels)),
            return_to=None if requested else "https://app.example/",
            requester=requester if requested else None,
        )
        self.apply(BrowserReturned())

    def apply(self, event):
        """Advance by one event, twice, and look at what came out."""
        before = self.transaction
        step = advance(before, [event], self.now)
        assert step == advance(before, [event], self.now)
        for old, new in zip(before.targets, step.transaction.targets, strict=True):
            assert old.state not in FINAL or replace(new, changed_at=old.changed_at) == old
        self.transaction, self.command = step.transaction, step.command
        for target in step.deliver:
            assert target.channel is Channel.BACK
            assert target.state is State.SENT
        self.check_command(step.command)

    def check_command(self, command):
        """Each command is given only when it may be."""
        targets = self.transaction.targets
        if isinstance(command, AnswerRequester):
            self.answers.append(command)
            assert not any(t.is_open for t in targets)
            ended = all(t.counts_as_ended and t.state is not State.PARTIAL for t in targets)
            assert command.status.code == SUCCESS
            assert (PARTIAL_LOGOUT in command.status.nested) == (not ended)
            assert command.status == answer_to(self.transaction)
        elif isinstance(command, ReturnUser):
            assert all(t.counts_as_ended for t in targets)
        elif isinstance(command, AskPeer):
            assert command.target.state is State.SENT
        elif isinstance(command, ShowProgress):
            assert any(t.is_open for t in targets)
        else:
            assert command is None or isinstance(command, (CloseFrame, ShowReceipt))

    def fresh(self):
        """A message ID that was never used."""
        self.ids += 1
        return f"_fresh{self.ids}"

    @rule(seconds=st.sampled_from([0, 1, 5, 6, 16, 60, 4_000]))
    def time_passes(self, seconds):
        """The sweeper looks, some time later."""
        self.now += seconds * 1000
        self.apply(ClockTicked(tuple(self.fresh() for _ in self.transaction.targets)))

    @rule(by_itself=st.booleans())
    def browser_comes(self, by_itself):
        """The browser comes by; an answer that is owed is given as soon as nobody is waited for."""
        owed = self.transaction.requester is not None and not self.transaction.requester.answered
        self.apply(BrowserReturned(by_itself=by_itself))
        nothing_left = not any(t.is_open for t in self.transaction.targets)
        if owed and nothing_left and not isinstance(self.command, AskPeer):
            assert isinstance(self.command, AnswerRequester)

    @precondition(lambda self: self.transaction.targets)
    @rule(data=st.data(), happening=st.sampled_from(ANSWERS))
    def peer_answers(self, data, happening):
        """Some peer answers its first or its latest message, whether it was asked or not."""
        target = data.draw(st.sampled_from(self.transaction.targets))
        request_id = data.draw(st.sampled_from([target.id, *target.earlier]))
        self.apply(PeerAnswered(request_id, happening, "why"))

    @precondition(lambda self: self.transaction.targets)
    @rule(data=st.data())
    def frame_is_opened(self, data):
        """The progress page opens some frame."""
        self.apply(FrameOpened(data.draw(st.sampled_from(self.transaction.targets)).id))

    @precondition(lambda self: self.transaction.targets)
    @rule(data=st.data())
    def person_asks_again(self, data):
        """The person presses a button."""
        target = data.draw(st.sampled_from(self.transaction.targets))
        self.apply(PersonRetries(target.id, self.fresh()))

    @precondition(lambda self: any(t.retry_at is not None for t in self.transaction.targets))
    @rule(data=st.data(), again=st.booleans())
    def operator_decides(self, data, again):
        """An operator makes a delivery that waits due now, or gives it up."""
        waiting = [target for target in self.transaction.targets if target.retry_at is not None]
        target = data.draw(st.sampled_from(waiting))
        if target.state is not State.REFUSED or again:
            self.apply(OperatorDecided(target.id, again))

    @invariant()
    def at_most_one_answer(self):
        """The requester is answered once."""
        assert len(getattr(self, "answers", ())) <= 1

    @invariant()
    def the_sweeper_knows_when_to_look(self):
        """As long as something may still happen by itself there is a moment to look."""
        if hasattr(self, "transaction"):
            waits = any(t.is_open or t.retry_at is not None for t in self.transaction.targets)
            assert (self.transaction.due_at is not None) == waits


TestLogout = Logout.TestCase
TestLogout.settings = settings(max_examples=150, stateful_step_count=25, deadline=None, derandomize=True)


def test_every_pair_of_the_table_is_decided():
    """Each of the states and happenings has its row and column."""
    assert set(TRANSITIONS) == set(State)
    assert all(set(row) == set(Happening) for row in TRANSITIONS.values())
