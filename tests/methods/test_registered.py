"""Sessions that applications registered by the API: by which names they hear of the end (product A2)."""

import json
import logging

import pytest

from tests.api.calling import Caller
from tests.api.calling import application as with_secret
from tests.methods.receiver import logout_token, until
from tests.running import ORIGIN

NAMES = {"user": "u-1", "issuer": "https://op.example", "sub": "248289761001", "sid": "08a5019c"}
PROVIDER = 'kind = "vendor_url"\nlogout_url = "https://www.facebook.example/logout.php"\n'
ID_TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1LTEifQ.an-id-token-of-a-person"
ACCESS_TOKEN = "EAAB-an-access-token-of-a-person"


def told_by(method, uri, more=""):
    """The file of an application that may call the API and is told by this method."""
    return with_secret("app", f'logout = "{method}"\nlogout_uri = "{uri}"\n{more}')


@pytest.fixture
def registered(run, receiver):
    """Give the test a bridge and an application of this method, which may call the API."""

    def start(method, more="", **settings):
        bridge = run(applications={"app": told_by(method, receiver.url(), more)}, **settings)
        return bridge, Caller(bridge, "app")

    return start


@pytest.mark.parametrize(
    ("given", "issuer", "names"),
    [
        (NAMES, NAMES["issuer"], {"sub": NAMES["sub"], "sid": NAMES["sid"]}),
        ({"user": "u-1", "sub": "248289761001"}, ORIGIN, {"sub": "248289761001"}),
        ({"user": "u-1", "sid": "08a5019c"}, ORIGIN, {"sid": "08a5019c"}),
        ({"user": "u-1"}, ORIGIN, {"sub": "u-1", "sid": "s-1"}),
    ],
)
def test_a_logout_token_has_the_names_that_it_registered(registered, receiver, given, issuer, names):
    """`iss`, `sub` and `sid` as registered; its own ids of person and session where it registered neither."""
    bridge, app = registered("oidc-backchannel")
    assert app.register("s-1", **given).status_code == 201
    began = app.logout(session="s-1").get_json()
    _, claims = logout_token(bridge, receiver.wait_for(1).token, audience="app", issuer=issuer)
    assert {name: claims[name] for name in ("sub", "sid") if name in claims} == names
    states = {row["name"]: row["state"] for row in began["sessions"]}
    assert states["app"] == "confirmed"


def test_a_webhook_has_all_that_it_registered(registered, receiver):
    """Its own ids under `session` and `user`, and the others beside them; what it left out is null."""
    _, app = registered("webhook")
    app.register("s-1", **NAMES)
    app.register("s-2", user="u-1")
    app.logout(user="u-1", reason="admin")
    receiver.wait_for(2)
    said = {got.document["data"]["session"]: got.document["data"] for got in receiver.got}
    for data in said.values():
        del data["attempt"]
    both = {"client_id": "app", "user": "u-1", "reason": "admin"}
    registered_names = {"iss": NAMES["issuer"], "sub": NAMES["sub"], "sid": NAMES["sid"]}
    assert said == {
        "s-1": {**both, "session": "s-1", **registered_names},
        "s-2": {**both, "session": "s-2", "iss": None, "sub": None, "sid": None},
    }
    assert len({got.headers["Webhook-Id"] for got in receiver.got}) == 2  # two deliveries, not one twice


@pytest.mark.parametrize(
    ("given", "state"), [({"sub": "a"}, "unsupported"), ({"sid": "b"}, "confirmed"), ({}, "confirmed")]
)
def test_an_application_that_needs_a_sid(registered, receiver, given, state):
    """`session_required` and no sid: it is not sent a token that it has to ignore, and the receipt says why."""
    _, app = registered("oidc-backchannel", "session_required = true\n")
    app.register("s-1", user="u-1", **given)
    began = app.logout(session="s-1").get_json()
    row = {row["name"]: row for row in began["sessions"]}["app"]
    assert row["state"] == state
    assert (row["reason"] == "It wants to be told by the id of your session (sid), and registered none.") == (
        state == "unsupported"
    )
    assert len(receiver.got) == (state == "confirmed")


def test_j225_tokens_of_a_provider_are_never_logged(registered, receiver, caplog, capfd):
    """J225, at debug: the tokens that an application handed over are in no log, no message and no key of Redis."""
    caplog.set_level(logging.DEBUG)
    bridge, app = registered("webhook", log_level="debug")
    (bridge.settings.metadata_dir / "connections" / "facebook.toml").write_text(PROVIDER)
    registry = bridge.app.extensions["saml_slo"].registry
    until(lambda: registry.refresh() or registry.upstream("facebook") is not None)
    given = {"user": "u-1", "connection": "facebook", "id_token": ID_TOKEN, "access_token": ACCESS_TOKEN}
    answer = app.register("s-1", **given)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    assert app.register("s-1", **{**given, "connection": "no-such"}).status_code >= 400
    began = app.logout(session="s-1")
    body = receiver.wait_for(1).body.decode()
    bridge.redis.config_set("rdbcompression", "no")  # or DUMP would hide what it compresses
    stored = repr(bridge.keyspace())
    bridge.redis.config_set("rdbcompression", "yes")
    assert "facebook" in stored
    written = json.dumps(bridge.log, default=str) + caplog.text + "".join(capfd.readouterr())
    said = answer.get_data(as_text=True) + began.get_data(as_text=True)
    for token in (ID_TOKEN, ACCESS_TOKEN, ID_TOKEN.rpartition(".")[2]):
        assert token not in written + body + stored + said
