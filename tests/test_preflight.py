"""Unsaved work (product A5): what an application is asked, what its answer means, and that none can stop a logout."""

import json
from datetime import UTC, datetime

import pytest

from saml_slo.delivery.back_channel import Answer
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.preflight import MAX_ANSWER_BYTES, MOST_AT_ONCE, Busy, read
from tests.idp import NAME_ID
from tests.preflight import Editor
from tests.running import ORIGIN, running_bridge
from tests.sp import Sp
from tests.wire.test_jws import verified

NOW = datetime(2026, 11, 20, 6, 26, tzinfo=UTC)
UNTIL = "2026-11-20T12:30:00Z"


def told(body, *, status=200, content_type="application/json"):
    """What an answer with this body means."""
    octets = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return read(Answer(status=status, content_type=content_type, body=octets), "Invoices", NOW)


def test_a_clear_answer_is_believed():
    """Who says that it is busy, until when and why, is listed with that."""
    assert told({"busy": True, "until": UNTIL, "message": "unsaved draft"}) == Busy(
        "Invoices", datetime(2026, 11, 20, 12, 30, tzinfo=UTC), "unsaved draft"
    )
    assert told({"busy": True}, content_type="application/json; charset=utf-8") == Busy("Invoices", None, "")


ODD = {
    "not busy": {"busy": False},
    "nothing": {},
    "a word for yes": {"busy": "true"},
    "a number for yes": {"busy": 1},
    "a list": [{"busy": True}],
    "null": None,
    "a key that nobody knows": {"busy": True, "priority": "high"},
    "twice": '{"busy": false, "busy": true}',
    "no JSON": "busy",
    "no text": b"\xff\xfe{}",
    "deep": "[" * 4000,
    "a message too long": {"busy": True, "message": "x" * 201},
    "a message that is none": {"busy": True, "message": ["x"]},
    "a time that is over": {"busy": True, "until": "2026-11-20T06:25:59Z"},
    "a time far away": {"busy": True, "until": "2026-11-22T06:26:00Z"},
    "a time without a zone": {"busy": True, "until": "2026-11-20T12:30:00"},
    "a time that is none": {"busy": True, "until": "soon"},
    "a number for a time": {"busy": True, "until": 1_795_000_000},
    "null for a time": {"busy": True, "until": None},
    "too much": b'{"busy": true}' + b" " * MAX_ANSWER_BYTES,
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_whatever_is_odd_is_not_busy(body):
    """Nothing but a clear yes may stand between a person and their logout."""
    assert told(body) is None


@pytest.mark.parametrize("how", [{"status": 500}, {"status": 201}, {"content_type": "text/html"}, {"content_type": ""}])
def test_another_kind_of_answer_is_not_busy(how):
    """An error page with the right words in it is no answer."""
    assert told({"busy": True}, **how) is None


def test_no_answer_is_not_busy():
    """A dead application has nothing to save."""
    assert read(DeliveryFailed(Why.TIMEOUT, "too slow"), "Invoices", NOW) is None


def test_characters_that_cannot_be_seen_are_left_out():
    """A message cannot turn the page around it, or end its line."""
    assert told({"busy": True, "message": "a\u202eb\nc\x00d"}).message == "abcd"


# At a running bridge --------------------------------------------------------------------------------------------------


def test_the_application_is_asked_by_a_signed_token(tmp_path, redis_url):
    """Who asks, whom, about which person and which session of theirs, for a minute; every time another id."""
    with Editor({"busy": True}) as editor:
        wiki = Sp("wiki", "idp-next", more=editor.toml)
        with running_bridge(tmp_path, redis_url, sps=(wiki,), back_channel_allow=("127.0.0.1",)) as bridge:
            browser = bridge.browser()
            known = wiki.sign_in(bridge, browser)
            for _ in range(2):
                assert bridge.logout(browser).status_code == 200
            keys = bridge.get(browser, "/.well-known/jwks.json").get_json()
            first, second = (verified(token, keys) for token in editor.asked)
            now = int(bridge.clock().timestamp())
            assert first[0]["typ"] == "logout-preflight+jwt"
            assert first[1] == {
                "iss": ORIGIN,
                "aud": "wiki",
                "sub": known.name_id,
                "sid": known.session_index,
                "iat": now,
                "exp": now + 60,
                "jti": first[1]["jti"],
            }
            assert first[1]["jti"] != second[1]["jti"]
            assert bridge.is_signed_in(browser)


@pytest.mark.parametrize(
    "how", [{"answer": {"busy": False}}, {"answer": {"busy": True}, "status": 500}, {"slow": True}]
)
def test_a_logout_is_held_up_by_nobody_who_does_not_say_so(tmp_path, redis_url, how):
    """Not busy, broken or silent: the session ends with the first request, within the patience."""
    slow = how.pop("slow", False)
    with Editor(**how) as editor:
        if slow:
            editor.answering.clear()
        wiki = Sp("wiki", "idp-next", more=editor.toml)
        settings = {"back_channel_allow": ("127.0.0.1",), "preflight_timeout": 0.3}
        with running_bridge(tmp_path, redis_url, sps=(wiki,), **settings) as bridge:
            browser = bridge.browser()
            wiki.sign_in(bridge, browser)
            assert bridge.logout(browser).status_code == 303
            assert not bridge.is_signed_in(browser)
            assert len(editor.asked) == 1


def test_who_cannot_be_asked_a_question_does_not_wait_for_one(tmp_path, redis_url):
    """A LogoutRequest of an application ends everything at once: nobody's page stands in its way."""
    with Editor({"busy": True}) as editor:
        wiki, other = Sp("wiki", "idp-next", more=editor.toml), Sp("other", "other-idp")
        with running_bridge(tmp_path, redis_url, sps=(wiki, other), back_channel_allow=("127.0.0.1",)) as bridge:
            browser = bridge.browser()
            wiki.sign_in(bridge, browser)
            told_other = other.sign_in(bridge, browser)
            other.start_logout(bridge, browser, told_other)
            assert not bridge.is_signed_in(browser)
            assert editor.asked == []


def test_questions_leave_room_for_everybody_else(tmp_path, redis_url):
    """While many wait for applications that do not answer, nobody else is kept waiting; later ones are asked again."""
    with Editor({"busy": True}) as editor:
        wiki = Sp("wiki", "idp-next", more=editor.toml)
        with running_bridge(tmp_path, redis_url, sps=(wiki,), back_channel_allow=("127.0.0.1",)) as bridge:
            preflight = bridge.app.extensions["saml_slo"].bridge.questions.preflight
            one, other = bridge.browser(), bridge.browser()
            wiki.sign_in(bridge, one)
            bridge.sign_in(other, name_id=NAME_ID.replace("alice", "bob"), identifier="_bob")
            wiki.sign_in(bridge, other)
            for _ in range(MOST_AT_ONCE):
                assert preflight._places.acquire(blocking=False)
            assert bridge.logout(one).status_code == 303
            assert not bridge.is_signed_in(one)
            assert editor.asked == []
            for _ in range(MOST_AT_ONCE):
                preflight._places.release()
            for _ in range(2):
                assert bridge.logout(other).status_code == 200
            assert bridge.is_signed_in(other)
            assert len(editor.asked) == 2
            assert preflight._places.acquire(blocking=False), "a question gives its place back"
