"""One logout over an application of each kind: one receipt, right line by line (product L9, T1)."""

from datetime import UTC, datetime, timedelta

import pytest

from saml_slo.protocol.method import APPLICATION_METHODS
from tests import idp
from tests.methods.receiver import Receiver, application, logout_token, rows, sweep, until, webhook_is_signed_by
from tests.methods.test_frames import loaded
from tests.methods.test_webhook import secret
from tests.running import sent
from tests.sp import SoapEndpoint, Sp, frames, receipt

WAIVED_UNTIL = max(idp.NOW, datetime.now(UTC)).date() + timedelta(days=30)
WAIVER = f'waived_until = {WAIVED_UNTIL}\nwaiver = "Replaced in spring"\n'
URI = "https://{0}.example/bye"
NAMES = ("soap", "frame", "token", "hook", "oidc", "wsfed", "url", "proxy", "none")


@pytest.fixture
def soap():
    """The SOAP endpoint of an application that speaks SAML."""
    with SoapEndpoint(signer="idp-next", entity_id="https://soap.example/saml") as running:
        yield running


@pytest.fixture
def hook():
    """The webhook's receiver."""
    with Receiver() as running:
        yield running


@pytest.fixture
def everybody(signed_in, soap, receiver, hook):
    """A bridge, and a person who is signed in at one application of each kind."""
    apps = (
        Sp("soap", "idp-next", ("SOAP",), soap_url=soap.url),
        Sp("frame", "other-idp", ("HTTP-Redirect",)),
        application("token", "oidc-backchannel", receiver.url()),
        application("hook", "webhook", hook.url()),
        application("oidc", "oidc-frontchannel", URI.format("oidc"), "session_required = true\n"),
        application("wsfed", "wsfed", URI.format("wsfed")),
        application("url", "url", URI.format("url")),
        application("proxy", "proxy", more='proxy_origins = ["https://wiki.example"]\n'),
        application("none", "none", more=WAIVER),
    )
    bridge, browser = signed_in(*apps)
    soap.clock = bridge.clock
    kinds = {app.name: bridge.app.extensions["saml_slo"].registry.application(app.name) for app in apps}
    methods = {"saml" if found.logout is None else str(found.logout.kind) for found in kinds.values()}
    assert methods == set(APPLICATION_METHODS)
    return bridge, browser


def through_the_browser(bridge, browser, location):
    """Do what the progress page does: the SAML frame answers, the others come to rest; then the IdP."""
    (path,) = [path for path in frames(bridge.get(browser, location).get_data(as_text=True)) if is_saml(bridge, path)]
    Sp("frame", "other-idp").answer(bridge, browser, sent(bridge.get(browser, path)))
    loaded(bridge, browser, location)
    until(lambda: not receipt(bridge, browser, location)["busy"])
    request = sent(bridge.get(browser, f"{location}/next"))
    message = idp.logout_response(in_response_to=request.id, signed=False)
    return bridge.deliver(browser, idp.redirect(message))


def is_saml(bridge, path):
    """Say whether a frame goes to the application that speaks SAML, by the receipt's own target."""
    handle, _, target = path.removeprefix("/logout/").partition("/frame/")
    transaction = bridge.app.extensions["saml_slo"].bridge.read_receipt(handle)
    return transaction.target(target).name == "frame"


def test_one_receipt_that_is_right_line_by_line(everybody, receiver, hook, soap):
    """Every application is on it once, with what is known of it and no more; then one more thing becomes known."""
    bridge, browser = everybody
    hook.answer = (503, "", b"", {})
    location = bridge.logout(browser, federated="").headers["Location"]
    assert not bridge.is_signed_in(browser)
    through_the_browser(bridge, browser, location)
    told = receipt(bridge, browser, location)
    lines = [
        (row["name"], row["kind"], row["method"], row["channel"], row["state"], row["ended"])
        for row in told["sessions"]
    ]
    assert lines == [
        ("This browser", "session", None, None, "confirmed", True),
        # Those without a message first known, the back channel, the frames; within each in the order of sign-in.
        ("soap", "application", "saml", "soap", "confirmed", True),
        ("token", "application", "oidc-backchannel", "oidc-backchannel", "confirmed", True),
        ("hook", "application", "webhook", "webhook", "timed_out", False),
        ("frame", "application", "saml", "redirect", "confirmed", True),
        ("oidc", "application", "oidc-frontchannel", "oidc-frontchannel", "sent", False),
        ("wsfed", "application", "wsfed", "wsfed", "sent", False),
        ("url", "application", "url", "url", "sent", False),
        ("proxy", "application", None, None, "confirmed", True),
        ("none", "application", None, None, "waived", True),
        ("idp", "idp", "saml", "redirect", "confirmed", True),
    ]
    reasons = {row["name"]: row["reason"] for row in told["sessions"]}
    assert reasons["token"] == "It confirmed our signed call (HTTP status 204)."
    assert reasons["hook"] == "It gave an answer that cannot be used (HTTP status 503)."
    assert reasons["url"] == reasons["wsfed"] == reasons["oidc"] == "It was told and has no way to answer."
    assert reasons["proxy"] == "It asks us about each request, and is refused from now on."
    assert reasons["none"] == f"Until {WAIVED_UNTIL} it is not to be told: Replaced in spring."
    assert told["summary"].startswith("You are signed out here, in 4 of 9 applications and at your identity provider.")
    assert (told["settled"], told["open"], told["busy"]) == (False, False, False)

    # Exactly one message each, and each is what its reader takes.
    assert len(soap.asked) == len(receiver.got) == len(hook.got) == 1
    logout_token(bridge, receiver.got[0].token, audience="token")
    assert webhook_is_signed_by(hook.got[0], secret(bridge))

    # The one that was down comes back: the retry goes through, and this same receipt changes.
    hook.answer = (204, "", b"", {})
    sweep(bridge, 6)
    until(lambda: rows(bridge, browser, location)["hook"]["state"] == "confirmed")
    told = receipt(bridge, browser, location)
    assert told["settled"]
    assert told["summary"].startswith("You are signed out here, in 5 of 9 applications and at your identity provider.")
    assert len(soap.asked) == len(receiver.got) == 1  # nobody else heard twice


def test_the_page_names_each_in_words(everybody):
    """What a person reads: every application with the word for its state, and no claim beyond it."""
    bridge, browser = everybody
    location = bridge.logout(browser, federated="").headers["Location"]
    through_the_browser(bridge, browser, location)
    labels = {row["name"]: row["label"] for row in receipt(bridge, browser, location)["sessions"]}
    assert labels == {
        "This browser": "Signed out",
        **dict.fromkeys(("soap", "token", "hook", "frame", "proxy", "idp"), "Signed out"),
        **dict.fromkeys(("oidc", "wsfed", "url"), "Asked, cannot answer"),
        "none": "Not asked on purpose",
    }
    page = bridge.get(browser, location).get_data(as_text=True)
    assert all(f">{label}<" in page or label in page for label in labels.values())


def test_our_own_session_ends_before_anybody_is_told(everybody, receiver):
    """L5, and the promise of `proxy`: by the time that the first message leaves, we answer for nobody any more."""
    bridge, browser = everybody
    alive = []
    receiver.answer = lambda _: alive.append(bridge.is_signed_in(browser)) or (204, "", b"", {})
    bridge.logout(browser)
    receiver.wait_for(1)
    until(lambda: alive)
    assert alive == [False]


def test_without_a_browser(everybody, receiver, hook, soap):
    """L14: a timeout tells the back channel; frames are `unreachable`, the proxied one is ended, the waived waived."""
    bridge, _ = everybody
    sweep(bridge, 13 * 3600)
    (identifier,) = [key.decode().rpartition(":")[2] for key in bridge.redis.scan_iter("slo:*:logout:*")]
    store = bridge.app.extensions["saml_slo"].store

    def states():
        return {target.name: str(target.state) for target in store.read_logout(identifier).targets}

    until(lambda: all(states()[name] == "confirmed" for name in ("soap", "token", "hook")))
    found = states()
    assert {name: found[name] for name in NAMES} == {
        **dict.fromkeys(("soap", "token", "hook", "proxy"), "confirmed"),
        **dict.fromkeys(("frame", "oidc", "wsfed", "url"), "unreachable"),
        "none": "waived",
    }
    assert len(soap.asked) == len(receiver.got) == len(hook.got) == 1


@pytest.mark.parametrize(("days", "state"), [(0, "waived"), (-1, "unsupported")])
def test_a_waiver_ends_with_its_day(signed_in, days, state):
    """Waived on its last day, `unsupported` on the next: then it counts as alive, and the page says so."""
    last = idp.NOW.date() + timedelta(days=days)
    more = f'waived_until = {last}\nwaiver = "Replaced in spring."\n'
    bridge, browser = signed_in(application("none", "none", more=more))
    location = bridge.logout(browser).headers["Location"]
    row = rows(bridge, browser, location)["none"]
    assert (row["state"], row["ended"]) == (state, state == "waived")
    told = {
        "waived": f"Until {last} it is not to be told: Replaced in spring.",
        "unsupported": "It was not to be told until a day that is over.",
    }
    assert row["reason"] == told[state]
    assert ("signed in to your application" in receipt(bridge, browser, location)["summary"]) == (state != "waived")
