"""Shop and News sign people in by a link of ours, and end sessions for those who may ask for it."""

import base64
import hashlib
import hmac
import json
import secrets
import time
import tomllib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from saml_slo.certs import load_secret
from saml_slo.client import ApplicationSession, Client, Unavailable
from saml_slo.demo import linked
from saml_slo.demo.linked import create_news, create_shop, enlist
from saml_slo.demo.places import Places
from saml_slo.demo.switches import Switches, write_whole
from saml_slo.peers.registry import Registry

CREATE = {"shop": create_shop, "news": create_news}
ORIGINS = {"shop": "http://shop.localhost:8003", "news": "http://news.localhost:8004"}


@pytest.fixture
def places(tmp_path):
    """The usual ports, a folder with the secret from which the bridge makes those of its webhooks."""
    found = Places(8000, 8001, 8002, 8003, 8004, tmp_path)
    found.certs_dir.mkdir()
    (found.certs_dir / "secret.key").write_text(secrets.token_hex(32))
    return found


@pytest.fixture
def registered(monkeypatch):
    """What was registered, as (id, handle), by a bridge that takes everything."""
    said = []

    def create_session(_, session_id, *, session):
        said.append((session_id, session))
        ends = datetime.now(UTC) + timedelta(hours=1)
        url = "http://bridge.localhost:8000/v2/logout?session=h"
        return ApplicationSession(
            id=session_id, handle=session, user=None, ends_at=ends, idle_ends_at=ends, check_after=300, logout_url=url
        )

    monkeypatch.setattr(Client, "create_session", create_session)
    return said


def browser_at(places, name):
    """A browser at one of the two."""
    return CREATE[name](places, f"{name}.{'s' * 43}").test_client()


def get(browser, name, path):
    """Open a page."""
    return browser.get(path, base_url=ORIGINS[name].replace("http:", "https:"))  # its jar knows no *.localhost


def sign_in(browser, name):
    """Begin a sign-in and come back from the bridge; returns where the bridge was asked to send the browser."""
    there = urlsplit(get(browser, name, "/sign-in").headers["Location"])
    assert f"{there.scheme}://{there.netloc}{there.path}" == "http://bridge.localhost:8000/login"
    query = parse_qs(there.query)
    assert query["client_id"] == [name]
    (back,) = query["returnTo"]
    assert back.startswith(f"{ORIGINS[name]}/signed-in?state=")
    return get(browser, name, f"{back.removeprefix(ORIGINS[name])}&slo_session=handle")


def is_signed_in(browser, name):
    """What the application says of this browser."""
    return get(browser, name, "/session.json").json["signed_in"]


@pytest.mark.parametrize("name", CREATE)
def test_a_sign_in_hangs_a_session_on_the_bridge_s(places, registered, name):
    """The handle that came back is registered under an id of the application's own, which is not the cookie."""
    browser = browser_at(places, name)
    assert not is_signed_in(browser, name)
    answer = sign_in(browser, name)
    assert is_signed_in(browser, name)
    ((own_id, handle),) = registered
    assert handle == "handle"
    assert own_id not in str(answer.headers)
    page = get(browser, name, "/").get_data(as_text=True)
    assert "/v2/logout?session=h&amp;returnTo=" in page


@pytest.mark.parametrize("name", CREATE)
def test_nobody_is_signed_in_by_a_stranger_s_link(places, registered, name):
    """A handle that this browser did not ask for is registered for nobody (login CSRF)."""
    browser = browser_at(places, name)
    assert get(browser, name, "/signed-in?slo_session=theirs").status_code == 400
    get(browser, name, "/sign-in")
    assert get(browser, name, "/signed-in?state=other&slo_session=theirs").status_code == 400
    assert get(browser, name, "/signed-in?state=%E2%82%AC&slo_session=theirs").status_code == 400
    assert (registered, is_signed_in(browser, name)) == ([], False)


def test_a_bridge_that_does_not_answer_is_told(places, monkeypatch):
    """Where the session could not be registered nobody is signed in: a logout would not reach it."""

    def create_session(*_, **__):
        raise Unavailable("The bridge gave no answer")

    monkeypatch.setattr(Client, "create_session", create_session)
    browser = browser_at(places, "shop")
    assert sign_in(browser, "shop").status_code == 502
    assert not is_signed_in(browser, "shop")


def notify(browser, places, own_id, *, secret=None):
    """Send the Shop a webhook as the bridge signs it, or as whoever has another secret."""
    body = json.dumps({"type": "session.ended", "data": {"session": own_id, "user": None, "reason": "user"}}).encode()
    key = load_secret(places.certs_dir).webhook("shop", 1) if secret is None else secret
    delivery, moment = f"msg_{secrets.token_hex(4)}", str(int(time.time()))
    signed = hmac.new(key, f"{delivery}.{moment}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "webhook-id": delivery,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }
    return browser.post("/slo/logout", data=body, content_type="application/json", headers=headers).status_code


def test_a_webhook_of_the_bridge_ends_its_session_and_no_other(places, registered):
    """Signed with the secret of `saml-slo secret webhook shop`; the notice is shown."""
    browser = browser_at(places, "shop")
    sign_in(browser, "shop")
    other = browser.application.test_client()
    sign_in(other, "shop")
    assert notify(browser, places, registered[0][0]) == 204
    assert (is_signed_in(browser, "shop"), is_signed_in(other, "shop")) == (False, True)
    (notice,) = get(browser, "shop", "/session.json").json["notices"]
    assert notice.endswith("a signed webhook came (reason: user): session ended")


def test_a_forged_webhook_ends_nothing(places, registered):
    """With another secret, or none, it is refused."""
    browser = browser_at(places, "shop")
    sign_in(browser, "shop")
    assert notify(browser, places, registered[0][0], secret=b"x" * 32) == 400
    assert browser.post("/slo/logout", json={"type": "session.ended"}).status_code == 400
    assert is_signed_in(browser, "shop")


@pytest.mark.parametrize(("position", "status"), [("refuses", 403), ("slow", 204)])
def test_the_shop_does_what_its_switch_says(places, registered, monkeypatch, position, status):
    """It refuses and keeps the session, or ends it too late for anybody to wait."""
    slept = []
    monkeypatch.setattr(linked.time, "sleep", slept.append)
    write_whole(places.switches_file, Switches(shop=position).dump())
    browser = browser_at(places, "shop")
    sign_in(browser, "shop")
    assert notify(browser, places, registered[0][0]) == status
    refused = position == "refuses"
    assert is_signed_in(browser, "shop") is refused
    assert slept == ([] if refused else [8])


def test_a_frame_ends_the_session_of_its_cookie_alone(places, registered):
    """Without a cookie nothing ends, with one that session and no other: nothing about a frame is signed."""
    browser = browser_at(places, "news")
    sign_in(browser, "news")
    other = browser.application.test_client()
    sign_in(other, "news")
    browser.application.test_client().get("/slo/gone")
    assert is_signed_in(browser, "news")
    get(browser, "news", "/slo/gone")
    assert (is_signed_in(browser, "news"), is_signed_in(other, "news")) == (False, True)
    assert len(get(browser, "news", "/session.json").json["notices"]) == 2


def test_a_frame_may_be_ignored(places, registered):
    """Then the page loads all the same, and the session lives."""
    write_whole(places.switches_file, Switches(news="ignores").dump())
    browser = browser_at(places, "news")
    sign_in(browser, "news")
    assert get(browser, "news", "/slo/gone").status_code == 200
    assert is_signed_in(browser, "news")


@pytest.mark.parametrize("name", CREATE)
def test_a_session_may_be_ended_without_telling_anybody(places, registered, name):
    """The way out where a notice did not arrive."""
    browser = browser_at(places, name)
    sign_in(browser, name)
    browser.post("/sign-out", base_url=ORIGINS[name].replace("http:", "https:"))
    assert not is_signed_in(browser, name)


def test_their_files_are_an_operator_s(places):
    """Both are in force as written; no credential is in a file, only its digest."""
    credentials = enlist(places)
    (places.metadata_dir / "connections").mkdir()
    registry = Registry(places.metadata_dir, places.bridge)
    assert registry.problems() == ()
    assert [found.logout.kind for found in registry.applications()] == ["url", "webhook"]
    for name, credential in credentials.items():
        text = (places.metadata_dir / "applications" / f"{name}.toml").read_text()
        secret = credential.removeprefix(f"{name}.")
        assert secret not in text
        assert tomllib.loads(text)["api_secrets"] == [hashlib.sha256(secret.encode()).hexdigest()]
