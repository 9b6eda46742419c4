"""Group G at the doors of applications: time, addressing, issuer, correlation, replay."""

import pytest
from lxml import etree

from tests import idp
from tests.attacks.application_surfaces import (
    ONE,
    SURFACES,
    TWO,
    asked_of_one,
    at_each_door,
    each,
    open_application_stage,
    signed_in,
    told_about,
)
from tests.attacks.invariants import deliver
from tests.attacks.surfaces import someone
from tests.attacks.test_g_destination import DESTINATIONS
from tests.attacks.test_g_status import STATES, _status
from tests.running import sent
from tests.sp import SLO, SSO, receipt

SKEW, MAX_AGE = 180, 300
REQUESTS = tuple(surface for surface in SURFACES if surface.kind == "LogoutRequest")
ANSWERS = tuple(surface for surface in SURFACES if surface.kind == "LogoutResponse")
requests = pytest.mark.parametrize("surface", REQUESTS, ids=str)
answers = pytest.mark.parametrize("surface", ANSWERS, ids=str)


@pytest.fixture(scope="module")
def stage(tmp_path_factory, redis_url, canary):
    """A stage with applications."""
    with open_application_stage(tmp_path_factory.mktemp("stage"), redis_url, canary) as stage:
        yield stage


def times(name, seconds):
    """An edit that sets one of the message's own times."""
    return lambda root: root.set(name, idp.instant(seconds))


# G138 to G140: time ---------------------------------------------------------------------------------------------------


@at_each_door
@pytest.mark.parametrize(
    ("last", "beyond", "reason"),
    [
        (SKEW, (1, 3600, 10 * 365 * 86400), "not_yet_valid"),
        (-MAX_AGE, (-1, -3600, -10 * 365 * 86400), "expired"),
    ],
)
def test_g139_g140_the_window(stage, surface, last, beyond, reason):
    """G139, G140: at the edge of its window a message is accepted, beyond it never; the skew widens both sides."""
    surface.accepted(stage.bridge, times("IssueInstant", last))
    for more in beyond:
        octets = surface.hostile(stage, times("IssueInstant", last + more))
        stage.refused(surface.request(octets), reason, browser=stage.alice)


@requests
@pytest.mark.parametrize("seconds", [0, -1, -3600, -10 * 365 * 86400])
def test_g138_a_request_that_is_over(stage, surface, seconds):
    """G138: NotOnOrAfter counts, with the skew on the sender's side; nobody is logged out after it."""
    surface.accepted(stage.bridge, times("NotOnOrAfter", -SKEW + 1))
    octets = surface.hostile(stage, times("NotOnOrAfter", -SKEW + seconds))
    stage.refused(surface.request(octets), "expired", browser=stage.alice)


@at_each_door
@pytest.mark.parametrize("text", ["", "now", "2026-11-20", "2026-11-20T06:26:00", "2026-W47-5T06:26:00Z", "9" * 5000])
def test_g139_what_is_no_time(stage, surface, text):
    """G139: a time without a zone, of a week, or of no calendar is no time."""
    octets = surface.hostile(stage, lambda root: root.set("IssueInstant", text))
    stage.refused(surface.request(octets), "schema_violation", browser=stage.alice)


@at_each_door
@pytest.mark.parametrize("version", ["1.1", "2.1", "2.0 ", "", None])
def test_g163_another_version(stage, surface, version):
    """G163: 2.0 and nothing else."""

    def edit(root):
        del root.attrib["Version"]
        if version is not None:
            root.set("Version", version)

    octets = surface.hostile(stage, edit)
    stage.refused(surface.request(octets), "schema_violation", "xml_structure", browser=stage.alice)


# G142, G143: to whom and from whom ------------------------------------------------------------------------------------

OURS = {
    "the-other-door": lambda url: SLO if url == SSO else SSO,
    "a-connections-door": lambda _: idp.SLO,
    "our-metadata": lambda _: "https://bridge.example/saml/idp/metadata",
}
ELSEWHERE = {name: make for name, make in DESTINATIONS.items() if make(SLO) != SLO and name != "acs-or-slo"} | OURS


@each(ELSEWHERE, 3)
def test_g142_destination(stage, surface, name):
    """G142: a Destination that is not this very door, to the letter, is refused."""
    octets = surface.hostile(stage, lambda root: root.set("Destination", ELSEWHERE[name](surface.endpoint)))
    reasons = ("destination_mismatch", *(("schema_violation",) if name in {"bracket", "empty-port"} else ()))
    stage.refused(surface.request(octets), *reasons, browser=stage.alice)


@pytest.mark.parametrize("surface", [one for one in SURFACES if one.binding != "soap"], ids=str)
def test_g142_no_destination(stage, surface):
    """G142: what is signed and comes by a browser says where it is to go."""
    octets = surface.hostile(stage, lambda root: root.attrib.pop("Destination"))
    stage.refused(surface.request(octets), "destination_mismatch", browser=stage.alice)


@at_each_door
@pytest.mark.parametrize(
    "issuer",
    ["", " ", "https://nobody.example/saml", "one", idp.ENTITY_ID, "https://bridge.example/saml/idp/metadata"]
    + [made(ONE.entity_id) for made in (str.upper, "{} ".format, " {}".format, "{}/".format, "{}\n".format)]
    + [ONE.entity_id.replace("https", "http"), f"{ONE.entity_id} {TWO.entity_id}", "x" * 10_000],
)
def test_g143_an_issuer_that_is_nobody(stage, surface, issuer):
    """G143: the entity id to the octet, or nobody; an identity provider is no application, and neither are we."""
    octets = surface.hostile(stage, lambda root: setattr(root[0], "text", issuer))
    stage.refused(surface.request(octets), "issuer_unknown", browser=stage.alice)


@at_each_door
@pytest.mark.parametrize("name", ["Format", "NameQualifier", "SPNameQualifier", "SPProvidedID", "{urn:x}a"])
def test_g143_an_issuer_with_more_to_it(stage, surface, name):
    """G143: an Issuer is an entity id and says nothing else."""
    octets = surface.hostile(stage, lambda root: root[0].set(name, idp.PERSISTENT))
    stage.refused(surface.request(octets), "schema_violation", browser=stage.alice)


@at_each_door
@pytest.mark.parametrize("second", [ONE.entity_id, TWO.entity_id])
def test_g143_two_issuers(stage, surface, second):
    """G143: one sender."""
    more = idp.element(f"<saml:Issuer>{second}</saml:Issuer>")
    octets = surface.hostile(stage, lambda root: root.insert(1, more))
    reasons = ("schema_violation", "signature_profile_violation", "xml_structure")
    stage.refused(surface.request(octets), *reasons, browser=stage.alice)


@requests
def test_g144_another_applications_person(stage, surface):
    """G144, H172: `two` asks as itself, by what `one` was told: nobody is signed out, of no application."""
    bridge = stage.bridge
    browser, told = signed_in(bridge)
    asked = TWO.start_logout(bridge, bridge.browser(), told, binding=surface.binding)
    root = etree.fromstring(asked.data)[0][0] if surface.binding == "soap" else sent(asked).root
    assert root.tag.endswith("}LogoutResponse")
    assert next(root.iter("{*}StatusCode")).get("Value") != idp.SUCCESS
    assert bridge.is_signed_in(browser)
    assert bridge.is_signed_in(stage.alice)


# G155: replay ---------------------------------------------------------------------------------------------------------


@requests
@pytest.mark.parametrize("again_by", ["the same octets", "the same id"])
def test_g155_the_same_request_twice(stage, surface, again_by):
    """G155: what was asked for once is answered again and ends nothing that is newer, whoever delivers it."""
    bridge, name_id = stage.bridge, someone()
    old = bridge.browser()
    assert bridge.sign_in(old, name_id=name_id, sign_response=True).status_code == 303
    told = told_about(bridge, old)
    root = surface.draft(bridge, told)
    first = surface.seal(root)
    deliver(bridge.browser(), surface.request(first))
    assert not bridge.is_signed_in(old)
    bridge.clock.move(2)
    try:
        new = bridge.browser()
        assert bridge.sign_in(new, name_id=name_id, sign_response=True, identifier=f"_again-{root.get('ID')}")
        told_about(bridge, new)
        again = first
        if again_by == "the same id":
            for signature in root.findall("{*}Signature"):
                root.remove(signature)
            again = surface.seal(root)
        answer = deliver(bridge.browser(), surface.request(again))
        assert answer.status_code in (200, 303)
        assert bridge.is_signed_in(new)
    finally:
        bridge.clock.move(-2)


# G158, G160: answers --------------------------------------------------------------------------------------------------


@answers
@pytest.mark.parametrize("how", ["unknown", "missing", "another participant's", "an identity provider's", "used up"])
def test_g158_an_answer_that_nobody_waits_for(stage, surface, how):
    """G158: an answer counts for a message that this very application was sent and has not answered."""
    bridge = stage.bridge
    if how == "another participant's":
        browser, _ = signed_in(bridge, TWO)
        value = asked_of_one(bridge, browser).id
    elif how == "an identity provider's":
        value = stage.pending.id
    elif how == "used up":
        browser, _ = signed_in(bridge)
        value = asked_of_one(bridge, browser).id
        root = surface.draft(bridge, answers=value)
        deliver(browser, surface.request(surface.seal(root)))
        bridge.log.clear()
    else:
        value = {"unknown": "_" + "0" * 50, "missing": None}[how]

    def edit(root):
        del root.attrib["InResponseTo"]
        if value is not None:
            root.set("InResponseTo", value)

    octets = surface.hostile(stage, edit)
    stage.refused(surface.request(octets, relay_state="https://evil.example/"), "unsolicited", browser=stage.alice)


@answers
@pytest.mark.parametrize("name", STATES)
def test_g160_what_a_status_comes_to(stage, surface, name):
    """G160: each status is the state that product T1 says, and never more."""
    codes, state = STATES[name]
    bridge = stage.bridge
    browser, _ = signed_in(bridge)
    asked = asked_of_one(bridge, browser)
    root = surface.draft(bridge, answers=asked.id)
    root.replace(root.find("{*}Status"), _status(*codes))
    bridge.log.clear()
    deliver(browser, surface.request(surface.seal(root)))
    assert bridge.reasons() == []
    handle = browser.get_cookie("__Host-slo-logout", domain="bridge.example").value
    rows = receipt(bridge, browser, f"/logout/{handle}")["sessions"]
    assert [row["state"] for row in rows if row["name"] == "one"] == [state]


@answers
def test_g158_an_answer_of_another_application(stage, surface):
    """G158: `two` answers, signed by itself, for what `one` was asked."""
    octets = surface.hostile(stage, lambda root: setattr(root[0], "text", TWO.entity_id), signer=TWO.signer)
    how = {"signer": TWO.signer} if surface.binding == "redirect" else {}
    stage.refused(surface.request(octets, **how), "unsolicited", browser=stage.alice)
