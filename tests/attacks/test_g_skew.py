"""G140: skew widens a window on both sides; a sign that is wrong narrows it (OIOSAML.Net#33).

The connection says `skew = 60` and, in the second half, `skew = 0` and the shortest and longest `max_age`.

The doors of applications have the same parser and bindings; test_g_applications.py knocks there.
"""

import pytest

from tests import idp
from tests.attacks.invariants import open_stage
from tests.attacks.surfaces import (
    REQUEST_POST,
    REQUEST_REDIRECT,
    RESPONSE,
    SIGNED_RESPONSE,
    SURFACES,
    everywhere,
)

POLICIES = {
    "60": {"skew": 60, "max_age": 300},
    "0": {"skew": 0, "max_age": 30},
    "600": {"skew": 600, "max_age": 3600},
}


@pytest.fixture(scope="module", params=POLICIES)
def stage(request, tmp_path_factory, redis_url, canary):
    """A stage whose connection has another skew; its controls are the usual ones."""
    policy = POLICIES[request.param]
    toml = "".join(f"{name} = {value}\n" for name, value in policy.items())
    folder = tmp_path_factory.mktemp("stage")
    with open_stage(folder, redis_url, canary, toml=toml, bindings=("Redirect", "POST")) as opened:
        opened.policy = policy
        yield opened


def _set(element, attribute, seconds):
    """An edit that sets one time; the other end of the same window is moved out of its way."""

    def edit(root):
        for conditions in root.iter("{*}Conditions"):
            if element == "Conditions":
                conditions.set("NotBefore", idp.instant(-3600))
                conditions.set("NotOnOrAfter", idp.instant(3600))
        found = root if element == "root" else next(root.iter(f"{{*}}{element}"))
        found.set(attribute, idp.instant(seconds))

    return edit


RESPONSES = (RESPONSE, SIGNED_RESPONSE)
ENDS = [
    pytest.param(surface, *place, id=f"{surface}-{'-'.join(place)}")
    for surfaces, place in (
        (RESPONSES, ("Conditions", "NotOnOrAfter")),
        (RESPONSES, ("SubjectConfirmationData", "NotOnOrAfter")),
        ((REQUEST_POST, REQUEST_REDIRECT), ("root", "NotOnOrAfter")),
    )
    for surface in surfaces
]
BEGINS = [
    pytest.param(surface, *place, id=f"{surface}-{'-'.join(place)}")
    for surfaces, place in (
        (SURFACES, ("root", "IssueInstant")),
        (RESPONSES, ("Assertion", "IssueInstant")),
        (RESPONSES, ("Conditions", "NotBefore")),
        (RESPONSES, ("AuthnStatement", "AuthnInstant")),
    )
    for surface in surfaces
]


@pytest.mark.parametrize(("surface", "element", "attribute"), ENDS)
def test_g140_after_the_end(stage, surface, element, attribute):
    """G140: a second less than the skew after the end is accepted, the skew itself and a second more are not."""
    skew = stage.policy["skew"]
    surface.accepted(stage.bridge, _set(element, attribute, 1 - skew))
    for beyond in (0, 1):
        octets = surface.hostile(stage, _set(element, attribute, -skew - beyond))
        stage.refused(surface.request(octets), "expired")


@pytest.mark.parametrize(("surface", "element", "attribute"), BEGINS)
def test_g140_before_the_beginning(stage, surface, element, attribute):
    """G140: up to the skew ahead of our clock is accepted, a second more is not."""
    skew = stage.policy["skew"]
    for within in (skew, max(0, skew - 1)):
        surface.accepted(stage.bridge, _set(element, attribute, within))
    octets = surface.hostile(stage, _set(element, attribute, skew + 1))
    stage.refused(surface.request(octets), "not_yet_valid")


@everywhere
def test_g140_max_age_is_not_widened(stage, surface):
    """G140: how old a message may be is max_age to the second, whatever the skew."""
    most = stage.policy["max_age"]
    surface.accepted(stage.bridge, _set("root", "IssueInstant", -most))
    octets = surface.hostile(stage, _set("root", "IssueInstant", -most - 1))
    stage.refused(surface.request(octets), "expired")


@everywhere
def test_g140_the_clock_is_what_is_compared(stage, surface):
    """G140: the same with the bridge's clock moved: a message from a clock that is ahead by the skew, and by more."""
    skew = stage.policy["skew"]
    stage.bridge.clock.move(-skew - 1)
    try:
        octets = surface.hostile(stage)
        stage.refused(surface.request(octets), "not_yet_valid")
    finally:
        stage.bridge.clock.move(skew + 1)

    def request(octets):
        stage.bridge.clock.move(-skew)
        return surface.request(octets)

    try:
        surface.accepted(stage.bridge, request=request)
    finally:
        stage.bridge.clock.move(skew)


def _window(begins, ends):
    def edit(root):
        conditions = next(root.iter("{*}Conditions"))
        conditions.set("NotBefore", idp.instant(begins))
        conditions.set("NotOnOrAfter", idp.instant(ends))

    return edit


@pytest.mark.parametrize(("begins", "ends"), [(10, -10), (0, 0), (1, 0), (60, 59)])
def test_g140_a_window_that_is_empty(stage, begins, ends):
    """G140: an Assertion that ends before it begins is valid at no time; skew must not open it (Core 2.5.1.2)."""
    octets = RESPONSE.hostile(stage, _window(begins, ends))
    stage.refused(RESPONSE.request(octets), "expired", "not_yet_valid")


def test_g140_the_shortest_window(stage):
    """G140: the control: a window of one second around our clock."""
    RESPONSE.accepted(stage.bridge, _window(0, 1))
