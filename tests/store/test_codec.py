"""What is stored comes back whole: no field of a record is forgotten, also one that was added last."""

from dataclasses import MISSING, fields, replace

import pytest

from saml_slo.logout.transaction import Channel, Request, State
from saml_slo.protocol.messages import Attribute, NameId
from saml_slo.protocol.method import Method
from saml_slo.protocol.names import Binding, NameIdFormat
from saml_slo.protocol.peer import EndpointSource
from saml_slo.protocol.session import Login, Participant, Session, Subject
from saml_slo.store import codec
from tests.logout.made import logout

NAME = NameId(
    value="alice",
    format=NameIdFormat.PERSISTENT,
    name_qualifier="https://idp.example",
    sp_name_qualifier="https://bridge.example",
    sp_provided_id="42",
)
SUBJECT = Subject(session="s", user="u", issuer="https://app.example", sub="sub", sid="sid")
LOGIN = Login(
    connection="facebook",
    name_id=NAME,
    session_indexes=("_s1", "_s2"),
    authn_instant=1,
    assertion_id="_a",
    assertion_not_on_or_after=2,
    recorded_at=3,
    idp_ends_at=4,
    authn_context_class_refs=("urn:x",),
    attributes=(Attribute(name="mail", name_format="urn:y", friendly_name="m", values=("a", "b")),),
    tokens="sealed",
    token_names=("access_token",),
    application="shop",
)
SAML = Request(
    channel=Channel.WINDOW,
    location="https://idp.example/slo",
    source=EndpointSource.METADATA,
    patience=5,
    retry_until=6,
    binding=Binding.POST,
    name_id=NAME,
    session_indexes=("_s1",),
    hint="It asks again.",
)
ELSEWHERE = Request(
    channel=Channel.FRAME,
    location="https://id.example/out",
    source=EndpointSource.PRESET,
    patience=5,
    retry_until=6,
    method=Method.VENDOR_URL,
    answers=False,
    returns=False,
    trust_sent=True,
    subject=SUBJECT,
    tokens="sealed",
    hint="It asks again.",
)


def defaults(*records):
    """The fields that have their default in every one of these records of a kind."""
    known = [field for field in fields(records[0]) if field.default is not MISSING]
    return [field.name for field in known if all(getattr(record, field.name) == field.default for record in records)]


def test_the_records_here_have_something_in_every_field():
    """Whoever adds a field gives it a value in this file, or this test says so."""
    assert defaults(LOGIN) == defaults(SUBJECT) == defaults(NAME) == defaults(SAML, ELSEWHERE) == []


def test_a_session_comes_back():
    """Every login, participant and user."""
    participant = Participant(application="shop", name_id=NAME, session_index="_x", since=7, subject=SUBJECT)
    session = Session(
        id="3f00",
        logins=(LOGIN, replace(LOGIN, tokens=None, token_names=())),
        created_at=1,
        absolute_ends_at=2_000,
        idle_ends_at=1_000,
        idle_lifetime=500,
        participants=(participant, replace(participant, subject=None)),
        users=("d1", "d2"),
        version=3,
    )
    assert codec.decode_session(session.id, codec.encode_session(session)) == session


@pytest.mark.parametrize("request_", [SAML, ELSEWHERE], ids=["saml", "elsewhere"])
def test_a_logout_comes_back(request_):
    """Every target, with everything that its request says."""
    made = logout(State.SENT, State.CONFIRMED)
    transaction = replace(made, targets=tuple(replace(target, request=request_) for target in made.targets))
    assert codec.decode_logout(transaction.id, codec.encode_logout(transaction)) == transaction
