"""G149, G151: for whom an Assertion is, and whether its subject is confirmed for us.

Each AudienceRestriction must name our entity id to the octet; a bearer confirmation must name our ACS, an end and the
request, and must not name a beginning (Profiles 4.1.4.2). One confirmation that holds is enough; those that do not hold
are as if they were not there.

These concern Responses alone; no run waits.
"""

from itertools import permutations

import pytest

from tests import idp
from tests.attacks.surfaces import RESPONSE, SIGNED_RESPONSE, recorded, someone
from tests.attacks.test_g_destination import DESTINATIONS

RESPONSES = pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE], ids=str)


def _restriction(*audiences):
    return (
        "".join(["<saml:AudienceRestriction>", *(f"<saml:Audience>{name}</saml:Audience>" for name in audiences)])
        + "</saml:AudienceRestriction>"
    )


def _conditions(*inside):
    """An edit that replaces what the Conditions hold."""

    def edit(root):
        old = root.find("{*}Assertion/{*}Conditions")
        new = idp.element(f"<saml:Conditions>{''.join(inside)}</saml:Conditions>")
        old.getparent().replace(old, new)

    return edit


def _no_conditions(root):
    old = root.find("{*}Assertion/{*}Conditions")
    old.getparent().remove(old)


OURS, OTHERS = idp.SP, "https://sp.example/saml"
ONE_TIME, PROXY = (
    "<saml:OneTimeUse/>",
    f'<saml:ProxyRestriction Count="0"><saml:Audience>{OURS}</saml:Audience></saml:ProxyRestriction>',
)
AUDIENCES = {
    "no-conditions": _no_conditions,
    "no-restriction": _conditions(),
    "one-time-use-only": _conditions(ONE_TIME),
    "proxy-only": _conditions(PROXY),
    "empty": _conditions(_restriction("")),
    "spaces": _conditions(_restriction("  ")),
    "other": _conditions(_restriction(OTHERS)),
    "list-without-us": _conditions(_restriction(OTHERS, "https://a.example", "https://b.example")),
    "other-connection": _conditions(_restriction(OURS.replace("/idp/", "/other-idp/"))),
    "acs": _conditions(_restriction(idp.ACS)),
    "issuer": _conditions(_restriction(idp.ENTITY_ID)),
    "origin": _conditions(_restriction("https://bridge.example")),
    "upper-case": _conditions(_restriction(OURS.upper())),
    "slash-behind": _conditions(_restriction(OURS + "/")),
    "space-before": _conditions(_restriction(" " + OURS)),
    "newline-behind": _conditions(_restriction(OURS + "\n")),
    "prefix": _conditions(_restriction(OURS[:-1])),
    "longer": _conditions(_restriction(OURS + ".evil.example")),
    "two-in-one": _conditions(_restriction(f"{OURS} {OTHERS}")),
    "comma": _conditions(_restriction(f"{OTHERS},{OURS}")),
    "wildcard": _conditions(_restriction("*")),
    "twice-second-other": _conditions(_restriction(OURS), _restriction(OTHERS)),
    "twice-first-other": _conditions(_restriction(OTHERS), _restriction(OURS)),
    "three-one-empty": _conditions(_restriction(OURS), _restriction(""), _restriction(OURS)),
    "many-without-us": _conditions(_restriction(*[f"https://{number}.example" for number in range(1_000)])),
}


@RESPONSES
@pytest.mark.parametrize("how", AUDIENCES)
def test_g149_audience(stage, surface, how):
    """G149: without an AudienceRestriction, and unless each of them names us to the octet, it is not for us."""
    stage.refused(surface.request(surface.hostile(stage, AUDIENCES[how])), "audience_mismatch")


CONDITION = '<saml:Condition xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:x="urn:x" xsi:type="{0}"/>'
MISSHAPEN = {
    "empty-restriction": "<saml:AudienceRestriction/>",
    "child-in-audience": _restriction(f"<saml:Audience>{OURS}</saml:Audience>"),
    "foreign-element": _restriction(OURS) + '<x:a xmlns:x="urn:x"/>',
    "abstract-condition": _restriction(OURS) + "<saml:Condition/>",
    "unknown-type": _restriction(OURS) + CONDITION.format("x:a"),
    "condition-of-a-known-type": _restriction(OURS)
    + CONDITION.format("saml:OneTimeUseType").replace("xmlns:x=", f'xmlns:saml="{idp.SAML}" xmlns:x='),
    "audience-beside": f"<saml:Audience>{OURS}</saml:Audience>",
}


@RESPONSES
@pytest.mark.parametrize("how", MISSHAPEN)
def test_g149_conditions_that_are_none(stage, surface, how):
    """G149: a condition that is not understood makes the Assertion invalid (Core 2.5.1), as does a misshapen one."""
    stage.refused(surface.request(surface.hostile(stage, _conditions(MISSHAPEN[how]))), "schema_violation")


@RESPONSES
@pytest.mark.parametrize(
    "inside",
    [
        [_restriction(OURS)],
        [_restriction(OTHERS, OURS)],
        [_restriction(OURS), _restriction(OTHERS, OURS)],
        [ONE_TIME, _restriction(OURS), PROXY],
        [_restriction(OURS, OURS)],
        [_restriction(*[f"https://{number}.example" for number in range(200)], OURS)],
    ],
    ids=["us", "list", "twice", "with-others", "us-twice", "long-list"],
)
def test_g149_audiences_that_name_us(stage, surface, inside):
    """G149: the control: we are named in every restriction; OneTimeUse is what we do anyway."""
    surface.accepted(stage.bridge, _conditions(*inside))


@RESPONSES
@pytest.mark.parametrize("how", [*DESTINATIONS, "missing"])
def test_g149_recipient(stage, surface, how):
    """G149: a Recipient that is missing or is not our ACS to the letter."""

    def edit(root):
        data = next(root.iter("{*}SubjectConfirmationData"))
        if how == "missing":
            del data.attrib["Recipient"]
        else:
            data.set("Recipient", DESTINATIONS[how](idp.ACS))

    reasons = ("recipient_mismatch", *(("schema_violation",) if how in {"bracket", "empty-port"} else ()))
    stage.refused(surface.request(surface.hostile(stage, edit)), *reasons)


# G151: SubjectConfirmation --------------------------------------------------------------------------------------------

CM = "urn:oasis:names:tc:SAML:2.0:cm:"
GOOD = {"Recipient": idp.ACS, "NotOnOrAfter": idp.instant(300)}


def _confirmation(method=idp.BEARER, *, inside="", answers="ASKED", **data):
    """A SubjectConfirmation as text; without data its Data is absent, and `answers` of None leaves InResponseTo out."""
    if not data:
        return f'<saml:SubjectConfirmation Method="{method}">{inside}</saml:SubjectConfirmation>'
    attributes = " ".join(f'{name}="{value}"' for name, value in data.items())
    answer = "" if answers is None else f' InResponseTo="{answers}"'
    return (
        f'<saml:SubjectConfirmation Method="{method}">{inside}<saml:SubjectConfirmationData {attributes}{answer}/>'
        f"</saml:SubjectConfirmation>"
    )


def _confirmed_by(*confirmations):
    """An edit that replaces the confirmations; ASKED in them becomes the id of the request that is answered."""

    def edit(root):
        subject = root.find("{*}Assertion/{*}Subject")
        for old in subject.findall("{*}SubjectConfirmation"):
            subject.remove(old)
        for text in confirmations:
            subject.append(idp.element(text.replace("ASKED", root.get("InResponseTo"))))

    return edit


INVALID = {
    "holder-of-key": _confirmation(CM + "holder-of-key", **GOOD),
    "sender-vouches": _confirmation(CM + "sender-vouches", **GOOD),
    "saml-1-bearer": _confirmation("urn:oasis:names:tc:SAML:1.0:cm:bearer", **GOOD),
    "unknown-method": _confirmation("urn:x", **GOOD),
    "empty-method": _confirmation("", **GOOD),
    "method-with-space": _confirmation(idp.BEARER + " ", **GOOD),
    "method-in-capitals": _confirmation(idp.BEARER.upper(), **GOOD),
    "no-data": _confirmation(),
    "no-end": _confirmation(Recipient=idp.ACS),
    "beginning": _confirmation(**GOOD, NotBefore=idp.instant(-60)),
    "beginning-ahead": _confirmation(**GOOD, NotBefore=idp.instant(60)),
}
MISMATCHED = {
    "over": (_confirmation(Recipient=idp.ACS, NotOnOrAfter=idp.instant(-180)), "expired"),
    "over-long-ago": (_confirmation(Recipient=idp.ACS, NotOnOrAfter=idp.instant(-(10**8))), "expired"),
    "no-recipient": (_confirmation(NotOnOrAfter=idp.instant(300)), "recipient_mismatch"),
    "other-recipient": (_confirmation(Recipient=idp.SLO, NotOnOrAfter=idp.instant(300)), "recipient_mismatch"),
}
BAD = {**{name: (text, "subject_invalid") for name, text in INVALID.items()}, **MISMATCHED}


@RESPONSES
@pytest.mark.parametrize("how", BAD)
def test_g151_one_confirmation(stage, surface, how):
    """G151: a confirmation that is no bearer's, lacks what it must have or has what it must not have."""
    text, reason = BAD[how]
    stage.refused(surface.request(surface.hostile(stage, _confirmed_by(text))), reason)


@RESPONSES
def test_g151_no_confirmation(stage, surface):
    """G151: a subject that nobody confirms."""
    stage.refused(surface.request(surface.hostile(stage, _confirmed_by())), "subject_invalid")


@RESPONSES
def test_g151_all_that_do_not_hold(stage, surface):
    """G151: many that do not hold do not make one that does, in whatever order."""
    texts = [text for text, _ in BAD.values()]
    reasons = {reason for _, reason in BAD.values()}
    for confirmations in (texts, texts[::-1], texts * 5):
        stage.refused(surface.request(surface.hostile(stage, _confirmed_by(*confirmations))), *reasons)


@RESPONSES
@pytest.mark.parametrize("how", BAD)
@pytest.mark.parametrize("order", ["good-last", "good-first"])
def test_g151_two_confirmations(stage, surface, how, order):
    """G151: the control: beside one that does not hold, one that does is enough, first or second."""
    both = [BAD[how][0], _confirmation(**GOOD)]
    surface.accepted(stage.bridge, _confirmed_by(*(both if order == "good-last" else both[::-1])))


@pytest.mark.parametrize("order", list(permutations(("right", "wrong", "none"))), ids="-".join)
def test_g151_only_confirmations_that_hold_are_believed(stage, order):
    """G151: the request that is answered is read from a confirmation that holds, never from one that does not."""
    wrong = _confirmation(**GOOD, answers="_nobody")
    none = _confirmation(**GOOD, answers=None)
    right_but_over = _confirmation(Recipient=idp.ACS, NotOnOrAfter=idp.instant(-180))
    texts = {"right": right_but_over, "wrong": wrong, "none": none}
    edit = _confirmed_by(*(texts[name] for name in order))
    stage.refused(RESPONSE.request(RESPONSE.hostile(stage, edit)), "in_response_to_mismatch")


@RESPONSES
def test_g151_what_else_a_confirmation_may_hold(stage, surface):
    """G151: the control: an Address, and content that says something to others."""
    surface.accepted(stage.bridge, _confirmed_by(_confirmation(**GOOD, Address="192.0.2.1")))


# Whom the subject names -----------------------------------------------------------------------------------------------


def _named(*texts):
    """An edit that replaces the NameID of the subject."""

    def edit(root):
        subject = root.find("{*}Assertion/{*}Subject")
        subject.remove(subject.find("{*}NameID"))
        for position, text in enumerate(texts):
            subject.insert(position, idp.element(text))

    return edit


NAMES = {
    "none": ((), ("subject_invalid",)),
    "empty": (("<saml:NameID/>",), ("subject_invalid",)),
    "spaces": (("<saml:NameID> \n\t</saml:NameID>",), ("subject_invalid",)),
    "base-id": (("<saml:BaseID/>",), ("schema_violation", "subject_invalid")),
    "two": ((idp.NAME_ID, idp.NAME_ID), ("schema_violation",)),
    "child": (("<saml:NameID>a<saml:NameID>b</saml:NameID></saml:NameID>",), ("schema_violation",)),
    "issuer": (("<saml:Issuer>a</saml:Issuer>",), ("schema_violation",)),
}


@RESPONSES
@pytest.mark.parametrize("how", NAMES)
def test_g151_subjects_without_a_name(stage, surface, how):
    """G151: a subject that names nobody, or two."""
    texts, reasons = NAMES[how]
    stage.refused(surface.request(surface.hostile(stage, _named(*texts))), *reasons)


@RESPONSES
def test_g151_no_subject(stage, surface):
    """G151: an Assertion without a Subject speaks of nobody."""

    def edit(root):
        subject = root.find("{*}Assertion/{*}Subject")
        subject.getparent().remove(subject)

    stage.refused(surface.request(surface.hostile(stage, edit)), "subject_invalid")


@RESPONSES
def test_g151_a_name_inside_a_confirmation_is_not_the_subjects(stage, surface):
    """G151: SubjectConfirmation may name who confirms; that is not who signs in (Core 2.4.1.1)."""
    name_id = someone()
    confirmed = _confirmed_by(_confirmation(**GOOD, inside="<saml:NameID>victim@corp.test</saml:NameID>"))
    browser = surface.accepted(stage.bridge, confirmed, name_id=name_id)
    assert recorded(stage.bridge, browser).find("{*}NameID").text == idp.element(name_id).text
