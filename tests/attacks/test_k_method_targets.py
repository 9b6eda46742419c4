"""K228, I208, J225 on the calls of step 3: where they may go, what gets into them, and what the log must not know."""

import base64
import json
import logging
import socket
from datetime import UTC, datetime

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from saml_slo.certs import load_secret
from saml_slo.errors import ConfigurationError
from saml_slo.logout.transaction import Channel, Kind, Request, State, Target
from saml_slo.peers.application_file import read_application
from saml_slo.peers.methods import oidc, webhook
from saml_slo.protocol.method import LogoutMethod, Method
from saml_slo.protocol.peer import Application, EndpointSource
from saml_slo.protocol.session import Subject
from tests import idp
from tests.attacks.invariants import ORIGIN
from tests.keys import pair
from tests.methods.receiver import Receiver, application, rows, sweep
from tests.running import running_bridge

METHODS = ("oidc-backchannel", "webhook")
EVERY_METHOD = (*METHODS, "oidc-frontchannel", "wsfed", "url")
LISTED = ("127.0.0.1",)


@pytest.fixture
def receiver():
    """An honest endpoint on loopback."""
    with Receiver() as running:
        yield running


@pytest.fixture
def look_up(monkeypatch):
    """Let names of a test lead to the addresses that an attacker's name server gives."""
    table, real = {}, socket.getaddrinfo

    def getaddrinfo(host, port, *rest, **more):
        if host not in table:
            return real(host, port, *rest, **more)
        family = socket.AF_INET6 if ":" in table[host] else socket.AF_INET
        where = (table[host], port, 0, 0) if family == socket.AF_INET6 else (table[host], port)
        return [(family, socket.SOCK_STREAM, 6, "", where)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return table


# Where a call may go -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", EVERY_METHOD)
@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/logout",
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "https://0.0.0.0/",
        "https://user:password@app.example/",
        "https://127.0.0.1@app.example/",
        "https://app.example\\@127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://[::1]/",
        "https://localhost./",
        "https://app.example/#f",
        "https://app.example/%0d%0aHost:%20evil",
        "https://app.example/a b",
        "//app.example/logout",
        "/logout",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "unix:/run/redis.sock",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "https://app.example:99999/",
        "https://",
        f"{ORIGIN}/v2/logout",
        f"{ORIGIN}/saml/idp/slo",
        "https://BRIDGE.example:443/v2/logout?federated",
    ],
)
def test_k228_a_file_cannot_name_it(tmp_path, method, url):
    """K227, K228: no call or frame is configured to a place that is none, is in clear, or is our own."""
    path = tmp_path / "app.toml"
    path.write_text(f"logout = {json.dumps(method)}\nlogout_uri = {json.dumps(url)}\n")
    with pytest.raises(ConfigurationError) as refused:
        read_application(path, public_url=ORIGIN, now=datetime.now(UTC))
    assert "logout_uri" in str(refused.value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("10.0.0.5", "private"),
        ("192.168.1.1", "private"),
        ("172.20.0.1", "private"),
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("fd00:ec2::254", "a cloud's platform service"),
        ("::ffff:10.0.0.1", "private"),
        ("fe80::1", "link-local"),
        ("0.0.0.9", "unspecified"),
    ],
)
def test_k228_a_name_that_leads_inside_is_not_called(tmp_path, redis_url, look_up, canary, method, address, kind):  # noqa: PLR0917
    """Whatever the name server of an application says: nothing is opened, and the receipt names no address."""
    look_up["app.example"] = address
    canary.touched()
    app = application("app", method, f"https://app.example:{canary.port}/logout")
    with running_bridge(tmp_path, redis_url, sps=(app,)) as bridge:
        browser = bridge.browser()
        app.sign_in(bridge, browser)
        row = rows(bridge, browser, bridge.logout(browser).headers["Location"])["app"]
    assert row["state"] == "timed_out"
    assert row["reason"].startswith(
        f"It could not be asked: the address of app.example is {kind}, and not listed in SLO_BACK_CHANNEL_ALLOW"
    )
    assert address not in row["reason"]
    assert canary.touched() == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("uri", "allowed", "words"),
    [
        ("https://10.0.0.1/", LISTED, "the address of 10.0.0.1 is private"),
        ("https://127.0.0.1:@/", (), "the address of 127.0.0.1 is loopback"),
        ("http://127.0.0.1:@/", (), "the address of 127.0.0.1 is loopback"),
        ("http://app.example:@/", LISTED, "http without TLS is only for hosts that are listed"),
    ],
)
def test_k228_what_is_not_listed_is_not_called(tmp_path, redis_url, look_up, canary, uri, allowed, words, method):  # noqa: PLR0917
    """An address inside, or http, needs the operator's word in SLO_BACK_CHANNEL_ALLOW; the file alone opens nothing."""
    look_up["app.example"] = "93.184.216.34"
    canary.touched()
    app = application("app", method, uri.replace("@", str(canary.port)), "insecure_http = true\n")
    with running_bridge(tmp_path, redis_url, sps=(app,), back_channel_allow=allowed) as bridge:
        browser = bridge.browser()
        app.sign_in(bridge, browser)
        row = rows(bridge, browser, bridge.logout(browser).headers["Location"])["app"]
    assert (row["state"], row["ended"]) == ("timed_out", False)
    assert row["reason"].startswith(f"It could not be asked: {words}")
    assert canary.touched() == []


@pytest.mark.parametrize("method", METHODS)
def test_f50_a_name_that_moves_inside_between_two_attempts(tmp_path, redis_url, look_up, receiver, method):
    """F50: each attempt judges the addresses of its own look-up; the Host header names the host, whoever answers."""
    look_up["app.internal.example"] = "127.0.0.1"
    port = receiver.host.partition(":")[2]
    app = application("app", method, f"http://app.internal.example:{port}/logout", "insecure_http = true\n")
    receiver.answer = (500, "", b"", {})
    with running_bridge(tmp_path, redis_url, sps=(app,), back_channel_allow=("app.internal.example",)) as bridge:
        browser = bridge.browser()
        app.sign_in(bridge, browser)
        location = bridge.logout(browser).headers["Location"]
        rows(bridge, browser, location)
        look_up["app.internal.example"] = "169.254.169.254"
        sweep(bridge, 6)
        row = rows(bridge, browser, location)["app"]
    assert [got.headers["Host"] for got in receiver.got] == [f"app.internal.example:{port}"]
    assert row["state"] == "timed_out"
    assert "link-local" in row["reason"]


# What gets into a message --------------------------------------------------------------------------------------------

HOSTILE = [
    "a\r\nX-Injected: 1",
    "a\nb",
    '","type":"session.kept',
    "\0\x1b[31m",
    "a.b.c",
    "\u2028\u202e",
    "😀",
    "%0d%0a",
]


def parts(subject):
    """A target, its request and its application, for a subject that an application registered."""
    request = Request(
        channel=Channel.BACK,
        location="https://a.example",
        source=EndpointSource.CONFIGURATION,
        patience=1,
        subject=subject,
    )
    target = Target(id="_1", kind=Kind.APPLICATION, name="a", peer="a", since=1, state=State.SENT, changed_at=1)
    return target, request, Application(client_id="a", logout=LogoutMethod(kind=Method.WEBHOOK))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_i208_a_webhook_says_it_and_no_more(hostile):
    """Whatever an application registered is one JSON string in the body; no header has anything of it."""
    subject = Subject(session=hostile, user=hostile, issuer=hostile, sub=hostile, sid=hostile)
    event = webhook.Event(1, "urn:oasis:names:tc:SAML:2.0:logout:user")
    call = webhook.call(*parts(subject), event, idp.NOW, lambda *_: b"k" * 32)
    said = json.loads(call.body)
    assert said["type"] == "session.ended"
    assert {said["data"][name] for name in ("session", "user", "iss", "sub", "sid")} == {hostile}
    assert b"\n" not in call.body
    for name, value in call.headers.items():
        assert f"{name}{value}".isprintable()
        assert hostile not in value


@pytest.mark.parametrize("hostile", HOSTILE)
def test_i208_a_logout_token_says_it_and_no_more(hostile):
    """The same of a token: what comes out of it is what went in, and the form has one field."""
    subject = Subject(issuer=hostile, sub=hostile, sid=hostile)
    call = oidc.call(*parts(subject), ORIGIN, idp.NOW, pair("bridge").signing)
    assert call.headers == {}
    assert call.body.count(b"=") == 1
    assert not {b"&", b"\r", b"\n"} & {bytes([octet]) for octet in call.body}
    key = RSAKey.import_key(pair("bridge").key.public_key())
    claims = jwt.decode(call.body.decode().partition("=")[2], key, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["sub"], claims["sid"]) == (hostile,) * 3
    assert claims["aud"] == "a"


# What the log must not know ------------------------------------------------------------------------------------------


def test_j225_nothing_secret_is_logged(tmp_path, redis_url, receiver, caplog, capfd):
    """J225, at debug: no token, signature or secret, whether a call is confirmed, refused, echoed or breaks."""
    caplog.set_level(logging.DEBUG)

    def echo(got):
        where = f"https://evil.example/login?{got.body.decode('ascii')}"
        return (302, "text/plain", got.body, {"Location": where}) if len(receiver.got) < 3 else (400, "", got.body, {})

    receiver.answer = echo
    apps = [application(method, method, receiver.url()) for method in METHODS]
    with running_bridge(tmp_path, redis_url, sps=apps, back_channel_allow=LISTED, log_level="debug") as bridge:
        browser = bridge.browser()
        for app in apps:
            app.sign_in(bridge, browser)
        location = bridge.logout(browser).headers["Location"]
        rows(bridge, browser, location)
        sweep(bridge, 6)
        receiver.wait_for(4)
        page = bridge.get(browser, location).get_data(as_text=True) + bridge.get(browser, f"{location}.json").get_data(
            as_text=True
        )
        secret = load_secret(bridge.settings.certs_dir)
        written = json.dumps(bridge.log, default=str) + caplog.text + "".join(capfd.readouterr())
    derived = secret.webhook("webhook", 1)
    forbidden = {secret.value.hex(), derived.hex(), base64.b64encode(derived).decode(), "BEGIN PRIVATE", "whsec_"}
    for got in receiver.got:
        forbidden.add(got.headers.get("Webhook-Signature", "v1,").removeprefix("v1,") or "logout_token")
        forbidden |= set(got.token.split(".")) if b"logout_token" in got.body else {got.body.decode()}
    assert len(forbidden) > 8
    assert [text for text in forbidden if text in written] == []
    assert [text for text in forbidden if text in page] == []
    assert {line["peer"] for line in bridge.log if line["event"] == "delivery_failed"} == set(METHODS)


def test_j225_a_message_that_cannot_be_made_is_told_without_it(tmp_path, redis_url, receiver, monkeypatch):
    """An error of ours while a message is made costs that one delivery, and its neighbours leave."""
    apps = [application(method, method, receiver.url()) for method in METHODS]

    def broken(*_):
        raise ValueError("broken")

    monkeypatch.setattr(webhook, "call", broken)
    with running_bridge(tmp_path, redis_url, sps=apps, back_channel_allow=LISTED) as bridge:
        browser = bridge.browser()
        for app in apps:
            app.sign_in(bridge, browser)
        told = rows(bridge, browser, bridge.logout(browser).headers["Location"])
        log = list(bridge.log)
    assert told["oidc-backchannel"]["state"] == "confirmed"
    assert told["webhook"]["state"] == "timed_out"
    assert told["webhook"]["reason"] == "An error of this program kept us from asking it."
    assert [line["peer"] for line in log if line["event"] == "message_not_built"] == ["webhook"]
