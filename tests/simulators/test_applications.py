"""Every vendor's application passes its own rules in a whole logout, and its row on the receipt is right.

There are no presets for applications: three of the four are content with an empty file, and the fourth needs one key.
"""

import pytest
from lxml import etree

from tests import idp
from tests.running import running_bridge
from tests.simulators import rules
from tests.simulators.applications import Cognito, NodeSaml, Samlify, SimpleSamlPhpSp
from tests.simulators.message import Breach, Message
from tests.sp import frames, receipt

BY_CONNECTION = 'connection = "idp"\n'
# Vendor, the bindings of its SingleLogoutService, and the rule that an empty file breaks; "" where it breaks none.
VENDORS = {
    SimpleSamlPhpSp: (("HTTP-Redirect", "HTTP-POST"), ""),
    NodeSaml: (("HTTP-POST",), "signed_response"),
    Samlify: (("HTTP-Redirect",), ""),
    Cognito: (("HTTP-POST",), ""),
}


@pytest.fixture
def meet(tmp_path, redis_url):
    """Run a bridge with one application; return the application, signed in to by a browser, and what it was told."""
    stack = []

    def meeting(vendor, more):
        application = vendor("app", bindings=VENDORS[vendor][0], more=BY_CONNECTION + more)
        running = running_bridge(tmp_path, redis_url, sps=[application])
        bridge = running.__enter__()
        stack.append(running)
        browser = bridge.browser()
        return application, browser, application.meet(bridge, browser)

    yield meeting
    for running in stack:
        running.__exit__(None, None, None)


def frame(application, browser):
    """Log out, open the application's frame, and return (the page's path, the message in the frame)."""
    bridge = application.bridge
    location = bridge.logout(browser).headers["Location"]
    (path,) = frames(bridge.get(browser, location).get_data(as_text=True))
    return location, Message.of(bridge.get(browser, path))


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.__name__)
def test_a_whole_logout(meet, vendor):
    """L9: asked in a frame by the binding of its metadata, every rule kept, its session over and `confirmed`."""
    application, browser, _ = meet(vendor, vendor.needs)
    location, message = frame(application, browser)
    assert message.binding.upper() in VENDORS[vendor][0][0].upper()
    assert application.bridge.deliver(browser, application.receive(message)).status_code == 200
    row = next(
        row for row in receipt(application.bridge, browser, location)["sessions"] if row["kind"] == "application"
    )
    assert (row["state"], row["ended"]) == ("confirmed", True)
    assert not any(session.alive for session in application.sessions)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.__name__)
def test_an_empty_file(meet, vendor):
    """What goes wrong where the file does not know the vendor: node-saml refuses the sign-in, others are content."""
    rule = VENDORS[vendor][1]
    assert bool(rule) == bool(vendor.needs)
    if rule:
        with pytest.raises(Breach) as refused:
            meet(vendor, "")
        assert refused.value.rule == rule
    else:
        application, browser, _ = meet(vendor, "")
        application.receive(frame(application, browser)[1])


def test_cognito_asks_and_is_answered_by_post(meet):
    """L8: asked by Redirect, answered by the POST that its metadata offers, signed and for its Destination."""
    application, browser, told = meet(Cognito, "")
    response = application.start_logout(application.bridge, browser, told, binding="redirect", relay_state="cognito")
    asked = Message.of(response)  # the identity provider comes before the answer
    answer = idp.logout_response(in_response_to=asked.id, signed=False)
    message = Message.of(application.bridge.deliver(browser, idp.redirect(answer)))
    application.take_answer(message)
    assert message.relay_state == "cognito"
    assert not application.bridge.is_signed_in(browser)


@pytest.mark.parametrize("field", ["name", "index"])
def test_simplesamlphp_would_lie_about_another_name_or_index(meet, field):
    """The emulator's teeth: with a NameID or SessionIndex that is not the assertion's, the session would be kept."""
    application, browser, _ = meet(SimpleSamlPhpSp, "")
    _, message = frame(application, browser)
    if field == "name":
        message.root.find("{*}NameID").set("SPNameQualifier", "another")
    else:
        message.root.find("{*}SessionIndex").text = "_other"
    with pytest.raises(Breach) as refused:
        application.meant(message)
    assert refused.value.rule in ("same_name_id", "known_session_index")
    assert all(session.alive for session in application.sessions)


def test_samlify_would_not_start_with_another_flag(meet):
    """The emulator's teeth: our metadata says that requests need no signature, as samlify's own does."""
    application, _, _ = meet(Samlify, "")
    application.authn_requests_signed = True
    metadata = application.bridge.browser().get("/saml/idp/metadata", base_url="https://bridge.example").data
    with pytest.raises(Breach):
        application.read_metadata(etree.fromstring(metadata))


def test_node_saml_would_refuse_what_is_too_late(meet):
    """The emulator's teeth: NotOnOrAfter has passed, or there is no SessionIndex to read."""
    application, browser, _ = meet(NodeSaml, NodeSaml.needs)
    _, message = frame(application, browser)
    message.root.remove(message.root.find("{*}SessionIndex"))
    message.root.set("NotOnOrAfter", idp.instant(-1))
    for rule in (rules.with_session_index, rules.time_window):
        assert rule in application.rules
        with pytest.raises(Breach):
            rule(application, message)
