"""G143 to G145: from whom a message is, and what becomes of one that is from somebody else.

Decisions: Issuer is the connection's entity id to the octet; a Response may leave it out, its Assertion may not. Each
connection has endpoints of its own, so whose keys count is never a question that the message answers.

The doors of applications have the same parser and bindings; test_g_applications.py knocks there.
"""

from dataclasses import replace

import pytest
from lxml import etree

from tests import idp
from tests.attacks.invariants import VICTIM_NAME_ID
from tests.attacks.surfaces import (
    BOTH_SIGNED,
    ENVELOPE,
    RESPONSE,
    SIGNED_RESPONSE,
    SURFACES,
    everywhere,
)
from tests.running import OTHER_ENTITY_ID, sent

ALL = pytest.mark.parametrize("surface", [*SURFACES, BOTH_SIGNED], ids=str)
OTHER = {
    name: url.replace("/sp/idp/", "/sp/other-idp/")
    for name, url in (("acs", idp.ACS), ("slo", idp.SLO), ("sp", idp.SP))
}
UNKNOWN, SCHEMA = "issuer_unknown", "schema_violation"


def _text(text):
    return lambda issuer: setattr(issuer, "text", text)


def _attribute(name, value):
    return lambda issuer: issuer.set(name, value)


ISSUERS = {
    "empty": (_text(""), UNKNOWN),
    "space": (_text(" "), UNKNOWN),
    "newline": (_text("\n"), UNKNOWN),
    "unknown": (_text("https://evil.example/saml"), UNKNOWN),
    "other-connection": (_text(OTHER_ENTITY_ID), "issuer_mismatch"),
    "space-before": (_text(" " + idp.ENTITY_ID), UNKNOWN),
    "space-behind": (_text(idp.ENTITY_ID + " "), UNKNOWN),
    "newline-behind": (_text(idp.ENTITY_ID + "\n"), UNKNOWN),
    "upper-case": (_text(idp.ENTITY_ID.upper()), UNKNOWN),
    "slash-behind": (_text(idp.ENTITY_ID + "/"), UNKNOWN),
    "http": (_text(idp.ENTITY_ID.replace("https", "http")), UNKNOWN),
    "our-own": (_text(idp.SP), UNKNOWN),
    "no-break-space": (_text(idp.ENTITY_ID + "\u00a0"), UNKNOWN),
    "two-in-one": (_text(f"{idp.ENTITY_ID} {OTHER_ENTITY_ID}"), UNKNOWN),
    "connection-name": (_text("idp"), UNKNOWN),
    "very-long": (_text("a" * 10_000), UNKNOWN),
    "html": (_text("<script>alert(1)</script>"), UNKNOWN),
    "log-lines": (_text('x\r\n{"event":"signed_in"}'), UNKNOWN),
    "format-unspecified": (_attribute("Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"), SCHEMA),
    "format-persistent": (_attribute("Format", idp.PERSISTENT), SCHEMA),
    "format-empty": (_attribute("Format", ""), SCHEMA),
    "name-qualifier": (_attribute("NameQualifier", "a"), SCHEMA),
    "sp-name-qualifier": (_attribute("SPNameQualifier", idp.SP), SCHEMA),
    "sp-provided-id": (_attribute("SPProvidedID", "a"), SCHEMA),
    "child": (lambda issuer: etree.SubElement(issuer, f"{{{idp.SAML}}}Issuer"), SCHEMA),
    "foreign-attribute": (_attribute("{urn:x}a", "b"), SCHEMA),
}


@ALL
@pytest.mark.parametrize("how", ISSUERS)
def test_g143_issuer(stage, surface, how):
    """G143: an Issuer that is not the connection's entity id to the octet, or is no entity id, is refused."""
    change, reason = ISSUERS[how]
    octets = surface.hostile(stage, lambda root: change(root.find("{*}Issuer")))
    stage.refused(surface.request(octets), reason)


@pytest.mark.parametrize("surface", [RESPONSE, SIGNED_RESPONSE], ids=str)
@pytest.mark.parametrize("how", ISSUERS)
@pytest.mark.parametrize("response_issuer", ["present", "absent"])
def test_g143_issuer_of_the_assertion(stage, surface, how, response_issuer):
    """G143: the same for the Assertion's own Issuer, also where the Response has none (Profiles 4.1.4.2)."""
    change, reason = ISSUERS[how]
    if surface is SIGNED_RESPONSE and response_issuer == "absent":
        surface = RESPONSE

    def edit(root):
        change(root.find("{*}Assertion/{*}Issuer"))
        if response_issuer == "absent":
            root.remove(root.find("{*}Issuer"))

    # A stranger in the Assertion is found after its signature was verified with the connection's keys: a mismatch.
    stage.refused(surface.request(surface.hostile(stage, edit)), "issuer_mismatch" if reason == UNKNOWN else reason)


@everywhere
@pytest.mark.parametrize("second", ["same", "other"])
def test_g143_two_issuers(stage, surface, second):
    """G143: two Issuers, equal or not."""

    def edit(root):
        text = idp.ENTITY_ID if second == "same" else OTHER_ENTITY_ID
        root.insert(1, idp.element(f"<saml:Issuer>{text}</saml:Issuer>"))

    stage.refused(surface.request(surface.hostile(stage, edit)), SCHEMA, "signature_profile_violation", "xml_structure")


@pytest.mark.parametrize("surface", [s for s in SURFACES if s.kind != "Response"], ids=str)
def test_g143_no_issuer(stage, surface):
    """G143: a logout message without an Issuer is from nobody."""
    root = surface.draft(stage.pending.id)
    root.remove(root.find("{*}Issuer"))
    octets = surface.seal(root)
    if surface.binding != "redirect":  # the Signature was put where it belongs, behind an Issuer that is not there
        root.insert(0, root.find("{*}Signature"))
        octets = ENVELOPE % etree.tostring(root) if surface.binding == "soap" else etree.tostring(root)
    stage.refused(surface.request(octets), SCHEMA, "signature_profile_violation")


def test_g143_no_issuer_in_the_assertion(stage):
    """G143: an Assertion without an Issuer is from nobody."""

    def edit(root):
        assertion = root.find("{*}Assertion")
        assertion.remove(assertion.find("{*}Issuer"))
        assertion.insert(0, assertion.find("{*}Subject"))

    stage.refused(SIGNED_RESPONSE.request(SIGNED_RESPONSE.hostile(stage, edit)), SCHEMA)


def test_g143_no_issuer_in_the_response(stage):
    """G143: the control: a Response may leave its Issuer out."""
    RESPONSE.accepted(stage.bridge, lambda root: root.remove(root.find("{*}Issuer")))


@ALL
def test_g143_issuer_with_its_own_format(stage, surface):
    """G143: the control: Format `entity`, which is the default, may be written."""
    entity = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
    surface.accepted(stage.bridge, lambda root: [issuer.set("Format", entity) for issuer in root.iter("{*}Issuer")])


# G144, G145: mix-up of connections ------------------------------------------------------------------------------------


@everywhere
def test_g144_signed_by_another_idp(stage, surface):
    """G144: IdP-B's key under IdP-A's name at A's endpoint: B's key is none of A's."""
    root = surface.draft(stage.asked.id if surface.kind == "Response" else stage.pending.id, VICTIM_NAME_ID)
    how = {"signer": "other-idp"} if surface.binding == "redirect" else {}
    request = surface.request(surface.seal(root, signer="other-idp"), **how)
    stage.refused(request, "signature_invalid")


@everywhere
@pytest.mark.parametrize("signer", ["idp", "other-idp"])
def test_g144_at_the_endpoint_of_another_connection(stage, surface, signer):
    """G144: A's message, genuine or forged by B, at B's endpoint: it is not B's."""
    root = surface.draft(stage.asked.id if surface.kind == "Response" else stage.pending.id, VICTIM_NAME_ID)
    endpoint = surface.endpoint.replace("/sp/idp/", "/sp/other-idp/")
    root.set("Destination", endpoint)
    how = {"signer": signer} if surface.binding == "redirect" else {}
    request = surface.request(surface.seal(root, signer=signer), **how)
    stage.refused(replace(request, endpoint=endpoint), "issuer_mismatch")


def test_g144_another_idp_names_our_victim(stage):
    """G144: IdP-B's own genuine LogoutRequest for a NameID that is victim's at A ends nothing of A's."""
    name_id = VICTIM_NAME_ID.replace(idp.ENTITY_ID, OTHER_ENTITY_ID).replace(idp.SP, OTHER["sp"])
    for named in (VICTIM_NAME_ID, name_id):
        request = idp.logout_request(
            name_id=named,
            identifier=f"_lr-b{len(named)}",
            issuer=OTHER_ENTITY_ID,
            destination=OTHER["slo"],
            signed=False,
        )
        before = stage.bridge.keyspace()
        response = stage.bridge.deliver(
            stage.bridge.browser(), idp.redirect(request, endpoint=OTHER["slo"], signer="other-idp")
        )
        answer = sent(response)
        assert answer.root.get("InResponseTo") == request.get("ID")
        assert answer.location.startswith("https://other-idp.example/")
        assert {key for key in before if b":session:" in key} <= set(stage.bridge.keyspace())
    assert stage.bridge.is_signed_in(stage.victim)
    assert stage.bridge.is_signed_in(stage.alice)


def _of_other(stage, *, recipient, audience, destination, issuer=OTHER_ENTITY_ID):
    """A genuine Response by IdP-B that answers the request that went to IdP-A."""
    conditions = (
        f'<saml:Conditions NotOnOrAfter="{idp.instant(300)}"><saml:AudienceRestriction>'
        f"<saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
    )
    assertion = stage.assertion(issuer=issuer, confirmations=idp.bearer(recipient=recipient), conditions=conditions)
    for data in assertion.iter("{*}SubjectConfirmationData"):
        data.set("InResponseTo", stage.asked.id)
    idp.sign(assertion, "other-idp")
    root = idp.response(assertion, sign_assertion=False, issuer=issuer, destination=destination)
    root.set("InResponseTo", stage.asked.id)
    return idp.sign(root, "other-idp")


def test_g145_a_response_of_an_idp_that_was_not_asked(stage):
    """G145: sign-in was begun at A; B's Response, right in everything, is refused at B's ACS, and so it is at A's."""
    perfect = _of_other(stage, recipient=OTHER["acs"], audience=OTHER["sp"], destination=OTHER["acs"])
    stage.refused(idp.post(perfect, endpoint=OTHER["acs"]), "issuer_mismatch")
    for issuer in (OTHER_ENTITY_ID, idp.ENTITY_ID):
        ours = _of_other(stage, recipient=idp.ACS, audience=idp.SP, destination=idp.ACS, issuer=issuer)
        reason = "issuer_mismatch" if issuer == OTHER_ENTITY_ID else "signature_invalid"
        stage.refused(idp.post(ours, endpoint=idp.ACS), reason)


def test_g145_the_other_idp_is_fine_when_asked(stage):
    """G145: the control: the same Response is accepted from a browser that asked IdP-B."""
    browser = stage.bridge.browser()
    asked, stage.asked = stage.asked, stage.bridge.start_sign_in(browser, "other-idp")
    try:
        perfect = _of_other(stage, recipient=OTHER["acs"], audience=OTHER["sp"], destination=OTHER["acs"])
    finally:
        stage.asked = asked
    assert stage.bridge.deliver(browser, idp.post(perfect, endpoint=OTHER["acs"])).status_code == 303
    assert stage.bridge.is_signed_in(browser)


@pytest.mark.parametrize("name", ["nobody", "IDP", "idp%00", "..", "idp%2F..%2Fidp", "other-idp/", "idp "])
def test_g143_endpoints_of_nobody(stage, name):
    """G143: the genuine message at the endpoint of a connection that there is not."""
    for surface in SURFACES:
        request = surface.request(surface.hostile(stage))
        endpoint = surface.endpoint.replace("/sp/idp/", f"/sp/{name}/")
        stage.refused(replace(request, endpoint=endpoint), "issuer_unknown", "not_found")
