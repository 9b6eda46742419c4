"""url, wsfed, oidc-frontchannel: where their frames go, and what may be said of applications that cannot answer."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from saml_slo.logout.transaction import Channel, Request
from saml_slo.peers.methods import oidc, wsfed
from saml_slo.peers.methods.query import with_query
from saml_slo.protocol.method import LogoutMethod, Method
from saml_slo.protocol.peer import Application, EndpointSource
from saml_slo.protocol.session import Subject
from tests.methods.receiver import application, rows, sweep
from tests.running import ORIGIN, sent
from tests.sp import Sp, frames, receipt

URI = "https://app.example/bye?tenant=7&q=a%2Fb"
METHODS = ("url", "wsfed", "oidc-frontchannel")
ASKS = Sp("asks", "other-idp", ("HTTP-Redirect",))


def opened(bridge, browser, location):
    """Open the one frame of a progress page; return where it goes."""
    (path,) = frames(bridge.get(browser, location).get_data(as_text=True))
    response = bridge.get(browser, path)
    assert response.status_code == 303
    assert response.headers["Referrer-Policy"] == "no-referrer"
    return response.headers["Location"]


def loaded(bridge, browser, location):
    """Tell the bridge that every frame came to rest, as the page's script does."""
    for path in frames(bridge.get(browser, location).get_data(as_text=True)):
        bridge.get(browser, path)
        target = path.rpartition("/")[2]
        told = browser.post(f"{location}/loaded", data={"target": target}, base_url=ORIGIN)
        assert told.status_code == 204


# Where it goes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "more", "added"),
    [
        ("url", "", []),
        ("wsfed", "", [("wa", "wsignoutcleanup1.0")]),
        ("oidc-frontchannel", "", []),
        ("oidc-frontchannel", "session_required = true\n", [("iss", ORIGIN), ("sid", "…")]),
    ],
)
def test_where_a_frame_goes(signed_in, method, more, added):
    """The operator's URI with its own query as it is, and behind it what the method adds: iss and sid, or neither."""
    app = application("app", method, URI, more)
    bridge, browser = signed_in(app)
    location = bridge.logout(browser).headers["Location"]
    frame = opened(bridge, browser, location)
    assert frame.startswith(URI)
    wanted = [(name, app.told.session_index if value == "…" else value) for name, value in added]
    assert parse_qsl(urlsplit(frame).query)[2:] == wanted


def test_the_page_may_hold_its_frame(signed_in):
    """The policy of the progress page names the application's origin and nobody else's."""
    bridge, browser = signed_in(application("app", "wsfed", URI))
    location = bridge.logout(browser).headers["Location"]
    policy = bridge.get(browser, location).headers["Content-Security-Policy"]
    assert "frame-src 'self' https://app.example" in policy.split("; ")


def request(location, subject=None):
    """A request of a frame."""
    return Request(
        channel=Channel.FRAME, location=location, source=EndpointSource.CONFIGURATION, patience=1, subject=subject
    )


@pytest.mark.parametrize(
    ("url", "becomes"),
    [
        ("https://a.example", "https://a.example?k=v%26%20%2F%C3%A9"),
        ("https://a.example/p", "https://a.example/p?k=v%26%20%2F%C3%A9"),
        ("https://a.example/p?", "https://a.example/p?k=v%26%20%2F%C3%A9"),
        ("https://a.example/p?x=1", "https://a.example/p?x=1&k=v%26%20%2F%C3%A9"),
        ("https://a.example/p?x=1&", "https://a.example/p?x=1&k=v%26%20%2F%C3%A9"),
    ],
)
def test_parameters_go_behind_the_query_that_is_there(url, becomes):
    """Nothing of the URI is touched, and a value cannot begin another parameter."""
    assert with_query(url, (("k", "v& /é"),)) == becomes
    assert with_query(url, ()) == url


@pytest.mark.parametrize(
    ("uri", "query"),
    [
        ("https://a.example/?wa=wsignoutcleanup1.0", "wa=wsignoutcleanup1.0"),
        ("https://a.example/?x=1&wa=wsignoutcleanup1.0", "x=1&wa=wsignoutcleanup1.0"),
        ("https://a.example/?realm=wa%3Dwsignoutcleanup1.0", "realm=wa%3Dwsignoutcleanup1.0&wa=wsignoutcleanup1.0"),
    ],
)
def test_an_operator_who_wrote_wa_already(uri, query):
    """`wa` stands there once: of two, frameworks take the first or both as one."""
    assert urlsplit(wsfed.frame(request(uri)).location).query == query


@pytest.mark.parametrize("hostile", ["a\r\nSet-Cookie: x=1", "a&sid=other", "a#f", "\0", "ü\u2028", "a b+c%41"])
def test_a_sid_stays_one_value(hostile):
    """Whatever an application registered as sid: one parameter, no line end in a header, and read back unchanged."""
    app = Application(
        client_id="app", logout=LogoutMethod(kind=Method.OIDC_FRONTCHANNEL, uri=URI, session_required=True)
    )
    where = oidc.frame(request(URI, Subject(issuer="https://op/", sid=hostile)), app, ORIGIN).location
    assert where.isascii()
    assert where.isprintable()
    assert parse_qsl(urlsplit(where).query)[2:] == [("iss", "https://op/"), ("sid", hostile)]


def test_iss_and_sid_come_together_or_not_at_all():
    """Front-Channel Logout 1.0 2: if either is there, both are."""
    app = Application(
        client_id="app", logout=LogoutMethod(kind=Method.OIDC_FRONTCHANNEL, uri=URI, session_required=True)
    )
    for subject in (None, Subject(issuer="https://op"), Subject(sub="a"), Subject(sid="")):
        assert oidc.frame(request(URI, subject), app, ORIGIN).location == URI
    optional = replace(app, logout=LogoutMethod(kind=Method.OIDC_FRONTCHANNEL, uri=URI))
    assert oidc.frame(request(URI, Subject(sid="s")), optional, ORIGIN).location == URI


# What may be said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_loaded_is_not_ended(signed_in, method):
    """A frame that came to rest proves nothing: `sent`, final, not ended; the summary does not claim it."""
    bridge, browser = signed_in(application("app", method, URI))
    location = bridge.logout(browser).headers["Location"]
    assert receipt(bridge, browser, location)["busy"]
    loaded(bridge, browser, location)
    row = rows(bridge, browser, location)["app"]
    told = receipt(bridge, browser, location)
    assert (row["state"], row["ended"], row["open"], row["answers"]) == ("sent", False, False, False)
    assert (row["method"], row["channel"]) == (method, method)
    assert told["settled"]
    assert told["summary"].startswith("You are signed out here. Your application was told but cannot answer")


@pytest.mark.parametrize("method", METHODS)
def test_patience_ends_the_waiting(signed_in, method):
    """Without a script nobody tells of the load: after the frame's patience it is `sent` for good, never timed out."""
    bridge, browser = signed_in(application("app", method, URI))
    location = bridge.logout(browser).headers["Location"]
    opened(bridge, browser, location)
    assert receipt(bridge, browser, location)["busy"]
    bridge.clock.move(6)
    row = rows(bridge, browser, location)["app"]
    assert (row["state"], row["open"], row["retry_at"]) == ("sent", False, None)
    bridge.clock.move(3600)
    assert rows(bridge, browser, location)["app"]["state"] == "sent"


@pytest.mark.parametrize("method", METHODS)
def test_one_that_no_page_opened_is_unreachable(signed_in, method):
    """The browser went away before the frame was opened: nobody claims that anything was sent."""
    bridge, browser = signed_in(application("app", method, URI))
    location = bridge.logout(browser).headers["Location"]
    bridge.clock.move(16)
    row = rows(bridge, browser, location)["app"]
    assert (row["state"], row["ended"]) == ("unreachable", False)


@pytest.mark.parametrize("method", METHODS)
def test_the_operators_trust_counts_once_it_was_sent(signed_in, method):
    """`trust_sent`: ended when it was sent and its time is over, and only then; the state stays what it is."""
    bridge, browser = signed_in(application("app", method, URI, "trust_sent = true\n"))
    location = bridge.logout(browser).headers["Location"]
    assert not receipt(bridge, browser, location)["sessions"][1]["ended"]
    loaded(bridge, browser, location)
    row = rows(bridge, browser, location)["app"]
    assert (row["state"], row["ended"], row["label"]) == ("sent", True, "Taken for signed out")
    assert "signed out here and in your application" in receipt(bridge, browser, location)["summary"]


@pytest.mark.parametrize(("more", "goes"), [("", False), ("trust_sent = true\n", True)])
def test_the_way_home(signed_in, more, goes):
    """returnTo: who was told and cannot answer is something to tell first, unless the operator trusts it."""
    home = "https://shop.example/bye"
    bridge, browser = signed_in(application("app", "url", URI, more), allowed_logout_urls=(home,))
    location = bridge.logout(browser, returnTo=home).headers["Location"]
    loaded(bridge, browser, location)
    onward = bridge.get(browser, f"{location}/next").headers["Location"]
    assert onward == (home if goes else location)


def codes_of(message):
    """The status codes of a message, from the top-level one inwards."""
    return [code.get("Value").rpartition(":")[2] for code in message.root.iter("{*}StatusCode")]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("more", "codes"), [("", ["Success", "PartialLogout"]), ("trust_sent = true\n", ["Success"])])
def test_a_requester_is_not_told_more_than_we_know(signed_in, method, more, codes):
    """L10: with an application that cannot answer the answer is PartialLogout, unless the operator trusts it."""
    bridge, browser = signed_in(ASKS, application("app", method, URI, more), federated="never")
    location = ASKS.start_logout(bridge, browser, ASKS.told).headers["Location"]
    loaded(bridge, browser, location)
    answer = sent(bridge.get(browser, f"{location}/next"))
    assert answer.location == "https://asks.example/slo"
    assert codes_of(answer) == codes


@pytest.mark.parametrize("method", METHODS)
def test_a_session_that_ended_by_itself_has_no_browser(signed_in, method):
    """L14: without a browser a frame is `unreachable` from the start, and trust changes nothing: nothing was sent."""
    bridge, browser = signed_in(application("app", method, URI, "trust_sent = true\n"), idle_lifetime=600)
    sweep(bridge, 700)
    (identifier,) = [key.decode().rpartition(":")[2] for key in bridge.redis.scan_iter("slo:*:logout:*")]
    found = bridge.app.extensions["saml_slo"].store.read_logout(identifier)
    (target,) = [target for target in found.targets if target.name == "app"]
    assert (target.state, target.counts_as_ended) == ("unreachable", False)
    assert target.reason == "It can only be asked through a browser."
    assert found.settled
    # Its own browser comes back while that is fresh: now it can be told after all.
    location = bridge.logout(browser).headers["Location"]
    loaded(bridge, browser, location)
    assert rows(bridge, browser, location)["app"]["state"] == "sent"
