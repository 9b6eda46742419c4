"""The client in real applications: the same promises in Flask, Django, WSGI and ASGI."""

import pytest

from saml_slo.client import NotFound, SessionCheck, SessionEnded
from saml_slo.client.asgi import LogoutApp, SessionGuard
from saml_slo.client.receiver import MAX_BYTES
from saml_slo.peers.methods.webhook import secret_text
from tests.client.applications import BUILDERS, NOTICES, asgi_session, converse, octets
from tests.client.notices import FORM, SECRET, Receiving, form, hook, jwks, token
from tests.client.serving import Canned, serving


class Check(SessionCheck):
    """A check that asks nobody: alive is what is listed."""

    def __init__(self, *alive):
        super().__init__(self)
        self.alive = alive
        self.asked = []

    def touch_session(self, session_id):
        """Stand for a client."""
        self.asked.append("touch")
        return self.answer(session_id)

    def read_session(self, session_id):
        """Stand for a client, asked quietly."""
        self.asked.append("read")
        return self.answer(session_id)

    def answer(self, session_id):
        """Return a session that is alive."""
        if session_id == "unknown":
            raise NotFound("unknown")
        if session_id not in self.alive:
            raise SessionEnded("over")
        return type("Session", (), {"check_after": 300})


@pytest.fixture
def receiving():
    """A receiver of both kinds."""
    with serving(Canned([(200, jwks("bridge"), {})])) as origin:
        yield Receiving(origin, secrets=(secret_text(SECRET),))


@pytest.fixture
def check():
    """The check of the applications: one session is alive."""
    return Check("alive")


@pytest.fixture(params=BUILDERS)
def ask(request, check, receiving):
    """A real application with one session that is alive."""
    return BUILDERS[request.param](check, receiving.receiver)


@pytest.mark.parametrize(
    ("session", "status"), [(None, 200), ("alive", 200), ("ended", 401), ("unknown", 401), ("../x", 401)]
)
def test_an_ended_session_does_not_get_in(ask, session, status):
    """Whoever is not signed in, or whose session is alive, sees the page; whose session has ended does not."""
    got, _, body = ask("GET", "/page", {} if session is None else {"X-Session": session}, b"")
    assert got == status
    assert (body == b"page") is (status == 200)


def test_a_request_that_the_page_makes_by_itself_is_checked_quietly(ask, check):
    """S3: polling is refused once the session is over, and is no sign of the person while it lives."""
    polling = {"X-Session": "alive", "X-Poll": "1"}
    assert [ask("GET", "/page", polling, b"")[0] for _ in range(2)] == [200, 200]
    assert ask("GET", "/page", {"X-Session": "alive"}, b"")[0] == 200
    assert ask("GET", "/page", {"X-Session": "ended", "X-Poll": "1"}, b"")[0] == 401
    assert check.asked == ["read", "touch", "read"]


def test_both_kinds_of_notice_come_in(ask, receiving):
    """A webhook and a logout token are verified, acted on and confirmed, without a CSRF token and uncached."""
    headers, body = hook()
    status, answered, _ = ask("POST", NOTICES, headers, body)
    assert (status, answered["Cache-Control"]) == (204, "no-store")
    status, answered, _ = ask("POST", NOTICES, FORM, form(token()))
    assert (status, answered["Cache-Control"]) == (200, "no-store")
    assert [notice.id for notice in receiving.notices] == ["msg_1", "_t1"]


def test_a_notice_that_is_wrong_is_refused(ask, receiving):
    """What is invalid is 400, a failure is 500, a GET is 405, too much is 413; none is cached."""
    headers, body = hook()
    status, answered, _ = ask("POST", NOTICES, headers, body + b" ")
    assert (status, answered["Cache-Control"]) == (400, "no-store")
    assert ask("POST", NOTICES, FORM, form(token(typ="logout-receipt+jwt")))[0] == 400
    assert ask("GET", NOTICES, headers, b"")[0] == 405
    assert ask("POST", NOTICES, headers, b"x" * (MAX_BYTES + 1))[0] == 413

    def fail(_notice):
        raise RuntimeError("database")

    receiving.act = fail
    assert ask("POST", NOTICES, headers, body)[0] == 500
    assert receiving.notices == []


def test_a_websocket_of_an_ended_session_does_not_open():
    """ASGI: a WebSocket whose session has ended is closed before it opens; another one gets through."""

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})

    guarded = SessionGuard(app, Check("alive"), session_id=asgi_session)
    for session, sent in (
        ("alive", {"type": "websocket.accept"}),
        ("ended", {"type": "websocket.close", "code": 1008}),
    ):
        scope = {"type": "websocket", "path": "/", "headers": octets({"x-session": session})}
        assert converse(guarded, scope, [{"type": "websocket.connect"}]) == [sent]


def test_the_lifespan_goes_through():
    """ASGI: what is no request reaches the application, without a question."""

    async def app(scope, receive, send):
        await send({"type": "lifespan.startup.complete"})

    guarded = SessionGuard(app, Check(), session_id=asgi_session)
    assert converse(guarded, {"type": "lifespan"}, [{}]) == [{"type": "lifespan.startup.complete"}]


def test_a_sender_that_goes_away_is_left(receiving):
    """ASGI: a request that breaks off is not acted on and not answered; a WebSocket is no notice."""
    app = LogoutApp(receiving.receiver)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    assert converse(app, scope, [{"type": "http.disconnect"}]) == []
    with pytest.raises(ValueError, match="websocket"):
        converse(app, {"type": "websocket"}, [{}])
    assert receiving.notices == []
