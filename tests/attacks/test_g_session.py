"""G163, G164: versions that are not 2.0, and sessions that end when they should.

Decisions: SessionNotOnOrAfter ends our session at that very moment, without skew, where it is earlier than our own
lifetimes; one that has passed already opens no session.

The doors of applications have the same parser and bindings; test_g_applications.py knocks there.
"""

import pytest

from tests import idp
from tests.attacks.invariants import deliver
from tests.attacks.surfaces import (
    BOTH_SIGNED,
    RESPONSE,
    SIGNED_RESPONSE,
    SURFACES,
    answered,
    recorded,
    someone,
)

RESPONSES = pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE], ids=str)
HOUR, DAY = 3600, 86400

# G163 -----------------------------------------------------------------------------------------------------------------

VERSIONS = (
    "1.1",
    "1.0",
    "2.1",
    "3.0",
    "2",
    "2.00",
    "02.0",
    "2.0 ",
    " 2.0",
    "2.0\n",
    "2,0",
    "v2.0",
    "",
    " ",
    "\uff12.0",
    "2.0;",
    None,
)


def _version(version, element=None):
    def edit(root):
        found = root if element is None else root.find(element)
        if version is None:
            del found.attrib["Version"]
        else:
            found.set("Version", version)

    return edit


@pytest.mark.parametrize("surface", [*SURFACES, BOTH_SIGNED], ids=str)
@pytest.mark.parametrize("version", VERSIONS, ids=repr)
def test_g163_version(stage, surface, version):
    """G163: any Version but `2.0` to the letter, or none."""
    stage.refused(surface.request(surface.hostile(stage, _version(version))), "schema_violation")


@pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE, BOTH_SIGNED], ids=str)
@pytest.mark.parametrize("version", VERSIONS, ids=repr)
def test_g163_version_of_the_assertion(stage, surface, version):
    """G163: the same on the Assertion."""
    octets = surface.hostile(stage, _version(version, "{*}Assertion"))
    stage.refused(surface.request(octets), "schema_violation")


# G164 -----------------------------------------------------------------------------------------------------------------


def _statements(*texts):
    """An edit that replaces the AuthnStatements."""

    def edit(root):
        assertion = root.find("{*}Assertion")
        for old in assertion.findall("{*}AuthnStatement"):
            assertion.remove(old)
        for text in texts:
            assertion.append(idp.element(text))

    return edit


def _until(seconds, index="_s1"):
    end = seconds if isinstance(seconds, str) else idp.instant(seconds)
    return idp.authn_statement(index, f'SessionNotOnOrAfter="{end}"')


@RESPONSES
@pytest.mark.parametrize("seconds", [0, -1, -180, -HOUR, -10 * 365 * DAY])
def test_g164_a_session_that_is_over(stage, surface, seconds):
    """G164: SessionNotOnOrAfter that has passed, be it by nothing, opens no session; skew does not help."""
    stage.refused(surface.request(surface.hostile(stage, _statements(_until(seconds)))), "expired")


@RESPONSES
@pytest.mark.parametrize("position", [0, 1, 2])
def test_g164_one_of_several_that_is_over(stage, surface, position):
    """G164: one statement of three whose session is over makes the Assertion one of the past."""
    texts = [_until(HOUR, f"_s{number}") for number in range(3)]
    texts[position] = _until(-1, "_over")
    stage.refused(surface.request(surface.hostile(stage, _statements(*texts))), "expired")


@RESPONSES
@pytest.mark.parametrize("more", ["", "<saml:AttributeStatement><saml:Attribute Name='a'/></saml:AttributeStatement>"])
def test_g164_no_authn_statement(stage, surface, more):
    """G164: an Assertion that says of nobody that they authenticated."""
    octets = surface.hostile(stage, _statements(*([more] if more else [])))
    stage.refused(surface.request(octets), "subject_invalid")


@RESPONSES
@pytest.mark.parametrize("seconds", [181, HOUR, 10 * 365 * DAY])
@pytest.mark.parametrize("first", [True, False])
def test_g164_authenticated_in_the_future(stage, surface, seconds, first):
    """G164: an AuthnInstant ahead of our clock by more than the skew, in any statement."""
    late = idp.authn_statement("_late").replace(idp.instant(-5), idp.instant(seconds))
    texts = [late, idp.authn_statement()] if first else [idp.authn_statement(), late]
    stage.refused(surface.request(surface.hostile(stage, _statements(*texts))), "not_yet_valid")


def _ends_at(bridge, browser):
    return bridge.get(browser, "/session/status").get_json()["ends_at"]


@RESPONSES
@pytest.mark.parametrize("seconds", [1, 59, 300, 2 * HOUR])
def test_g164_the_session_ends_then(stage, surface, seconds):
    """G164: the session lives to the last millisecond before SessionNotOnOrAfter and not one longer, seen or not."""
    bridge = stage.bridge
    browser = surface.accepted(bridge, _statements(_until(seconds)))
    assert _ends_at(bridge, browser) == idp.instant(seconds)
    bridge.clock.move(seconds - 0.001)
    try:
        assert bridge.is_signed_in(browser)
        assert _ends_at(bridge, browser) == idp.instant(seconds)
        bridge.clock.move(0.001)
        assert not bridge.is_signed_in(browser)
        assert "Location" not in bridge.logout(browser, federated="").headers
        bridge.clock.move(-0.001)
    finally:
        bridge.clock.move(0.001 - seconds)


@RESPONSES
@pytest.mark.parametrize("end", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z", 10**9, DAY + 1])
def test_g164_a_session_longer_than_ours(stage, surface, end):
    """G164: an IdP that says year 9999 does not make our session longer than our own settings."""
    bridge = stage.bridge
    usual = _ends_at(bridge, surface.accepted(bridge))
    browser = surface.accepted(bridge, _statements(_until(end)))
    assert _ends_at(bridge, browser) == usual == idp.instant(8 * HOUR)


@RESPONSES
@pytest.mark.parametrize("order", [(600, 1200), (1200, 600), (600, 10**9)])
def test_g164_two_statements(stage, surface, order):
    """G164: two AuthnStatements are one login with both indexes; it ends with the earlier of the two sessions."""
    bridge = stage.bridge
    browser = surface.accepted(bridge, _statements(*[_until(seconds, f"_s{seconds}") for seconds in order]))
    assert _ends_at(bridge, browser) == idp.instant(600)
    request = recorded(bridge, browser)
    assert [index.text for index in request.findall("{*}SessionIndex")] == [f"_s{seconds}" for seconds in order]


@RESPONSES
def test_g164_a_second_sign_in_may_shorten_it(stage, surface):
    """G164: a login that joins an open session brings its own end with it."""
    bridge, browser, name_id = stage.bridge, stage.bridge.browser(), someone()
    assert deliver(browser, answered(bridge, browser, name_id, surface)).status_code == 303
    root = surface.draft(bridge.start_sign_in(browser).id, name_id)
    _statements(_until(60, "_s2"))(root)
    assert deliver(browser, surface.request(surface.seal(root))).status_code == 303
    assert _ends_at(bridge, browser) == idp.instant(60)


@RESPONSES
def test_g164_old_authentication(stage, surface):
    """G164: the control: when the person authenticated is for the IdP to say, even in the year 1."""
    old = idp.authn_statement().replace(idp.instant(-5), "0001-01-01T00:00:00Z")
    surface.accepted(stage.bridge, _statements(old))


@RESPONSES
@pytest.mark.parametrize("number", [50, 200])
def test_g164_many_statements(stage, surface, number):
    """G164: the control: an Assertion with many statements is taken, and a logout names no more than it can."""
    bridge = stage.bridge
    browser = surface.accepted(bridge, _statements(*[idp.authn_statement(f"_s{count}") for count in range(number)]))
    assert 1 <= len(recorded(bridge, browser).findall("{*}SessionIndex")) <= number
