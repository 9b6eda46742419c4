"""Twelve answers at one moment, by twelve threads of four processes: one final answer, a hundred times of a hundred."""

import json
import time
from multiprocessing import get_context

import pytest

from saml_slo.protocol.messages import NameId
from saml_slo.protocol.moments import milliseconds
from saml_slo.protocol.session import Login, Participant, Session
from saml_slo.store import keys, tokens
from saml_slo.store.store import SignInMarks
from tests import idp
from tests.faults import answering
from tests.running import running_bridge, sent
from tests.sp import SLO, Sp, frames

RUNS, PROCESSES = 100, 4
APPLICATIONS = [Sp(f"app{number}", "other-idp") for number in range(12)]
NOW = milliseconds(idp.NOW)


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with twelve front-channel applications."""
    with running_bridge(tmp_path, redis_url, sps=APPLICATIONS) as running:
        yield running


def open_session(bridge, number):
    """A person signed in at all twelve, written by the store itself; return their NameID as XML."""
    value = f"person{number}"
    name_id = NameId(value=value, format=idp.PERSISTENT, name_qualifier=idp.ENTITY_ID, sp_name_qualifier=idp.SP)
    endings = bridge.app.extensions["saml_slo"].sweeper.journey.endings
    connection = endings.registry.connection("idp")
    who = endings.principal(connection, name_id)
    token = tokens.new_session_token(who.shard)
    login = Login(
        connection="idp",
        name_id=name_id,
        session_indexes=("_s1",),
        authn_instant=NOW,
        assertion_id=f"_a{number}",
        assertion_not_on_or_after=NOW,
        recorded_at=NOW,
    )
    participants = tuple(
        Participant(application=sp.name, name_id=NameId(value=f"{value}-{sp.name}"), session_index="_i", since=NOW)
        for sp in APPLICATIONS
    )
    session = Session(
        id=tokens.session_id_of(token),
        logins=(login,),
        created_at=NOW,
        absolute_ends_at=NOW + 3_600_000,
        idle_ends_at=NOW + 3_600_000,
        idle_lifetime=3_600_000,
        participants=participants,
    )
    marks = SignInMarks(
        principal=who,
        assertion_id=f"_a{number}",
        request_id=None,
        asked_at=NOW,
        issued_at=NOW,
        session_indexes=("_s1",),
        lifetime=1000,
    )
    bridge.app.extensions["saml_slo"].store.open_session(session, marks, NOW)
    assert keys.session(session.id)
    return idp.NAME_ID.replace("alice@corp.test", value)


def answers(bridge, browser, location):
    """Open every frame of the progress page; return the twelve signed answers as query strings."""
    queries = []
    for sp, path in zip(APPLICATIONS, frames(bridge.get(browser, location).get_data(as_text=True)), strict=True):
        request = sent(bridge.get(browser, path))
        message = idp.logout_response(
            in_response_to=request.id,
            issuer=sp.entity_id,
            destination=SLO,
            signed=False,
            identifier=f"_ls{request.id[-8:]}",
        )
        queries.append(idp.query(message, signer=sp.signer))
    return queries


def test_one_final_answer_whatever_the_race(bridge):
    """The IdP that asked gets exactly one LogoutResponse, it says Success, and no answer of the twelve is lost."""
    settings = json.loads(bridge.settings.model_dump_json())
    with get_context("spawn").Pool(PROCESSES, answering.start, (settings,)) as pool:
        for number in range(RUNS):
            name_id = open_session(bridge, number)
            browser = bridge.browser()
            made = idp.logout_request(signed=False, name_id=name_id, identifier=f"_lr{number}")
            location = bridge.deliver(browser, idp.redirect(made)).headers["Location"]
            queries = answers(bridge, browser, location)
            moment, handle = time.monotonic() + 0.02, location.removeprefix("/logout/")
            work = [(moment, handle, queries[one::PROCESSES]) for one in range(PROCESSES)]
            told = [line for part in pool.map(answering.deliver, work) for line in part]
            final = [onward for _, onward in told if onward.startswith("https://idp.example/slo")]
            assert [status for status, _ in told] == [200] * 12, f"run {number}: {told}"
            assert len(final) == 1, f"run {number}: {len(final)} final answers"
            receipt = json.loads(bridge.get(browser, f"{location}.json").get_data(as_text=True))
            assert {row["state"] for row in receipt["sessions"]} == {"confirmed"}, f"run {number}"
