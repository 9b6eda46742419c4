"""G138, G139: every time in every message, at its limit and a millisecond beyond it. Skew is 180 s, max_age 300 s here.

Decisions: `skew` widens every window on both sides but one: `max_age` (how old an IssueInstant may be) is what it says.
An Assertion's own IssueInstant is held to it too, because the Response around it may be unsigned. SessionNotOnOrAfter
is the end of a session and has no skew (test_g_session.py).

The doors of applications have the same parser and bindings; test_g_applications.py knocks there.
"""

from datetime import timedelta

import pytest

from tests import idp
from tests.attacks.surfaces import (
    ANSWER_POST,
    REQUEST_POST,
    REQUEST_REDIRECT,
    RESPONSE,
    SIGNED_RESPONSE,
    SURFACES,
    after,
    everywhere,
)

SKEW, MAX_AGE = 180, 300
MS = 0.001
HOUR, DAY, YEAR = 3600, 86400, 365 * 86400
RESPONSES = (RESPONSE, SIGNED_RESPONSE)
REQUESTS = (REQUEST_POST, REQUEST_REDIRECT)


def _instant(seconds):
    return (idp.NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _set(element, attribute, seconds):
    """An edit that sets a time of the first element of this name; the root is named `root`."""

    def edit(root):
        found = root if element == "root" else next(root.iter(f"{{*}}{element}"))
        if (element, attribute) == ("Conditions", "NotOnOrAfter"):
            found.set("NotBefore", _instant(-20 * YEAR))  # or the window would end before it begins
        found.set(attribute, seconds if isinstance(seconds, str) else _instant(seconds))

    return edit


# attribute → (surfaces, the last moment that is accepted, the first that is not, why)
EDGES = {
    "issued-ahead": ("root", "IssueInstant", SURFACES, SKEW, SKEW + MS, "not_yet_valid"),
    "issued-ago": ("root", "IssueInstant", SURFACES, -MAX_AGE, -MAX_AGE - MS, "expired"),
    "assertion-issued-ahead": ("Assertion", "IssueInstant", RESPONSES, SKEW, SKEW + MS, "not_yet_valid"),
    "assertion-issued-ago": ("Assertion", "IssueInstant", RESPONSES, -MAX_AGE, -MAX_AGE - MS, "expired"),
    "conditions-begin": ("Conditions", "NotBefore", RESPONSES, SKEW, SKEW + MS, "not_yet_valid"),
    "conditions-end": ("Conditions", "NotOnOrAfter", RESPONSES, -SKEW + MS, -SKEW, "expired"),
    "confirmation-ends": ("SubjectConfirmationData", "NotOnOrAfter", RESPONSES, -SKEW + MS, -SKEW, "expired"),
    "authenticated-ahead": ("AuthnStatement", "AuthnInstant", RESPONSES, SKEW, SKEW + MS, "not_yet_valid"),
    "request-ends": ("root", "NotOnOrAfter", REQUESTS, -SKEW + MS, -SKEW, "expired"),
}
ROWS = [pytest.param(surface, name, id=f"{surface}-{name}") for name, row in EDGES.items() for surface in row[2]]


@pytest.mark.parametrize(("surface", "name"), ROWS)
def test_g139_at_the_edge(stage, surface, name):
    """G138, G139: at the very edge of its window each time is accepted, a millisecond beyond it is refused."""
    element, attribute, _, last, first, reason = EDGES[name]
    surface.accepted(stage.bridge, _set(element, attribute, last))
    stage.refused(surface.request(surface.hostile(stage, _set(element, attribute, first))), reason)


BEYOND = {
    "one-second": lambda limit: limit + (1 if limit > 0 else -1),
    "one-hour": lambda limit: limit + (HOUR if limit > 0 else -HOUR),
    "a-day": lambda limit: limit + (DAY if limit > 0 else -DAY),
    "ten-years": lambda limit: limit + (10 * YEAR if limit > 0 else -10 * YEAR),
}


@pytest.mark.parametrize(("surface", "name"), ROWS)
@pytest.mark.parametrize("how", BEYOND)
def test_g138_g139_far_beyond(stage, surface, name, how):
    """G138, G139: a second, an hour, a day and ten years beyond the window are refused for the same reason."""
    element, attribute, _, _, first, reason = EDGES[name]
    stage.refused(surface.request(surface.hostile(stage, _set(element, attribute, BEYOND[how](first)))), reason)


@everywhere
@pytest.mark.parametrize(
    ("seconds", "reason"), [(MAX_AGE + 1, "expired"), (-SKEW - 1, "not_yet_valid"), (HOUR, "expired")]
)
def test_g139_the_clock_moves(stage, surface, seconds, reason):
    """G139: what was fresh is too old, or not yet valid, when the bridge's clock moved; when it is back it is fresh."""
    octets = surface.hostile(stage)
    stage.bridge.clock.move(seconds)
    try:
        stage.refused(surface.request(octets), reason)
    finally:
        stage.bridge.clock.move(-seconds)
    surface.accepted(stage.bridge)


@everywhere
@pytest.mark.parametrize("seconds", [MAX_AGE, 1, 0, -SKEW])
def test_g139_the_clock_moves_within_the_window(stage, surface, seconds):
    """G139: the control: a message that was under way for up to max_age, or from a clock ahead by the skew."""

    def request(octets):
        stage.bridge.clock.move(seconds)
        return surface.request(octets)

    try:
        surface.accepted(stage.bridge, request=request)
    finally:
        stage.bridge.clock.move(-seconds)


@everywhere
def test_g139_all_times_move_together(stage, surface):
    """G139: a message of yesterday or of tomorrow, consistent in itself, is refused as a whole."""
    stage.refused(surface.request(surface.hostile(stage, after(-DAY))), "expired")
    stage.refused(surface.request(surface.hostile(stage, after(DAY))), "not_yet_valid")


# What a time may look like --------------------------------------------------------------------------------------------

NO_TIMES = (
    "",
    " ",
    "now",
    "2026-11-20",
    "06:26:00Z",
    "2026-11-20T06:26Z",
    "2026-11-20T06:26:00",
    "2026-11-20 06:26:00Z",
    "2026-11-20T06:26:00z",
    "2026-11-20t06:26:00Z",
    "2026-11-20T06:26:00,5Z",
    "2026-11-20T06:26:00.Z",
    "2026-11-20T06:26:00.Z5",
    "2026-11-20T24:00:00Z",
    "2026-11-20T23:60:00Z",
    "2026-11-20T23:59:60Z",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-00-10T00:00:00Z",
    "2026-11-20T06:26:00+15:00",
    "2026-11-20T06:26:00+14:01",
    "2026-11-20T06:26:00+0000",
    "2026-11-20T06:26:00+00",
    "2026-11-20T06:26:00Z+00:00",
    "2026-11-20T06:26:00 Z",
    " 2026-11-20T06:26:00Z",
    "2026-11-20T06:26:00Z ",
    "2026-11-20T06:26:00Z\n",
    "-2026-11-20T06:26:00Z",
    "+2026-11-20T06:26:00Z",
    "0000-11-20T06:26:00Z",
    "12026-11-20T06:26:00Z",
    "226-11-20T06:26:00Z",
    "2026-W47-5T06:26:00Z",
    "2026-324T06:26:00Z",
    "20261120T062600Z",
    "1795155960",
    "1e400",
    "NaN",
    "infinity",
    "\u0662\u0660\u0662\u0666-11-20T06:26:00Z",
    "\uff12026-11-20T06:26:00Z",
    "2026\u201111-20T06:26:00Z",
    "9999-12-31T23:59:59-00:01",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+00:01",
    "0001-01-01T00:00:00+14:00",
    "2026-11-20T06:26:00." + "0" * 200 + "Z",
    "2" * 10_000,
    "2026-11-20T06:26:00Z; DROP",
    "<&>",
)


@pytest.mark.parametrize("surface", [RESPONSE, REQUEST_REDIRECT, ANSWER_POST], ids=str)
@pytest.mark.parametrize("text", NO_TIMES, ids=range(len(NO_TIMES)))
def test_g139_issued_at_no_time(stage, surface, text):
    """G139: what is no xs:dateTime with a zone, and what lies beyond what a clock can say, is a schema_violation."""
    octets = surface.hostile(stage, _set("root", "IssueInstant", text))
    stage.refused(surface.request(octets), "schema_violation")


PLACES = [
    ("Assertion", "IssueInstant"),
    ("Conditions", "NotBefore"),
    ("Conditions", "NotOnOrAfter"),
    ("SubjectConfirmationData", "NotOnOrAfter"),
    ("AuthnStatement", "AuthnInstant"),
    ("AuthnStatement", "SessionNotOnOrAfter"),
]


@pytest.mark.parametrize(("element", "attribute"), PLACES, ids="-".join)
@pytest.mark.parametrize(
    "text", ["", "2026-11-20T06:26:00", "2026-11-20T24:00:00Z", " 2026-11-20T06:26:00Z", "9999-12-31T23:59:59-14:00"]
)
def test_g139_no_times_inside(stage, element, attribute, text):
    """G139: the same in every timed attribute of an Assertion."""
    octets = RESPONSE.hostile(stage, _set(element, attribute, text))
    stage.refused(RESPONSE.request(octets), "schema_violation")


@pytest.mark.parametrize("surface", REQUESTS, ids=str)
@pytest.mark.parametrize("text", ["", "2026-11-20T06:30:00", "0001-01-01T00:00:00+14:00", "tomorrow"])
def test_g138_no_times_in_a_request(stage, surface, text):
    """G138: a NotOnOrAfter that cannot be read does not count as none."""
    stage.refused(surface.request(surface.hostile(stage, _set("root", "NotOnOrAfter", text))), "schema_violation")


ZONES = (
    "2026-11-20T11:56:00+05:30",
    "2026-11-19T16:26:00-14:00",
    "2026-11-20T20:26:00+14:00",
    "2026-11-20T06:26:00.0+00:00",
)


@everywhere
@pytest.mark.parametrize("text", ZONES)
def test_g139_times_of_other_zones(stage, surface, text):
    """G139: the control: the same moment, said in another zone, is the same moment."""
    surface.accepted(stage.bridge, _set("root", "IssueInstant", text))


@pytest.mark.parametrize("surface", REQUESTS, ids=str)
@pytest.mark.parametrize("text", [None, "9999-12-31T23:59:59Z", "2026-11-20T06:26:01Z"])
def test_g138_requests_that_have_not_expired(stage, surface, text):
    """G138: the control: a request without NotOnOrAfter, or with a late one, is as fresh as its IssueInstant."""
    surface.accepted(stage.bridge, None if text is None else _set("root", "NotOnOrAfter", text))


@pytest.mark.parametrize("surface", REQUESTS, ids=str)
def test_g138_a_late_end_does_not_help_an_old_request(stage, surface):
    """G138: NotOnOrAfter far in the future does not make an old IssueInstant young."""

    def edit(root):
        _set("root", "IssueInstant", -MAX_AGE - 1)(root)
        _set("root", "NotOnOrAfter", 10 * YEAR)(root)

    stage.refused(surface.request(surface.hostile(stage, edit)), "expired")


def test_g139_a_fresh_envelope_around_an_old_assertion(stage):
    """G139: whoever stole an Assertion can put it into a fresh unsigned Response; the Assertion's own time tells."""

    def edit(root):
        _set("Assertion", "IssueInstant", -MAX_AGE - 1)(root)
        _set("Conditions", "NotBefore", -HOUR)(root)
        _set("Conditions", "NotOnOrAfter", DAY)(root)
        _set("SubjectConfirmationData", "NotOnOrAfter", DAY)(root)

    stage.refused(RESPONSE.request(RESPONSE.hostile(stage, edit)), "expired")
