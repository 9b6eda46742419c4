"""B035 and its family: wrapping by SOAP, at both doors that take envelopes. Only the signed child of the Body counts.

The sender's own person is alice, the envelope speaks of the victim; what is genuine in it stands where nobody looks.
"""

from copy import deepcopy
from dataclasses import dataclass

import pytest
from lxml import etree

from saml_slo.protocol.envelope import HttpIn
from tests import idp
from tests.attacks.forge import DS
from tests.attacks.invariants import VICTIM_NAME_ID, deliver, open_stage
from tests.sp import SLO, SOAP, SSO, Sp

ONE = Sp("one", "idp-next", ("HTTP-Redirect", "SOAP"), soap_url="http://127.0.0.1:1/")
TWO = Sp("two", "other-idp", ("HTTP-POST",))
SIGNATURE = f"{{{DS}}}Signature"
PROFILE, MISSING, TYPE = "signature_profile_violation", "signature_missing", "unexpected_message_type"
DUPLICATE, COUNT = "duplicate_id", "assertion_count"
# What is no request is held to be an answer, and what has no Issuer to be nobody's, before it is the wrong type.
NO_REQUEST = (TYPE, "issuer_unknown", "binding_mismatch")
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"


@pytest.fixture(scope="module")
def stage(tmp_path_factory, redis_url, canary):
    """A stage on which alice and victim are signed in at an application as well."""
    folder = tmp_path_factory.mktemp("stage")
    with open_stage(folder, redis_url, canary, bindings=("Redirect", "POST"), sps=(ONE, TWO)) as stage:
        stage.told = {name: ONE.sign_in(stage.bridge, getattr(stage, name)) for name in ("alice", "victim")}
        yield stage


@dataclass(frozen=True)
class Door:
    """One of our endpoints that take SOAP, and who sends there."""

    name: str
    endpoint: str
    signer: str

    def request(self, stage, who, identifier):
        """An unsigned LogoutRequest of the one who sends here."""
        if self.name == "application":
            return ONE.logout_request(stage.bridge, stage.told[who], identifier=identifier)
        name_id = VICTIM_NAME_ID if who == "victim" else idp.NAME_ID
        return idp.logout_request(name_id=name_id, identifier=identifier, signed=False)

    def genuine(self, stage, identifier="_lr1"):
        """Signed, about alice, the sender's own person."""
        return idp.sign(self.request(stage, "alice", identifier), self.signer)

    def evil(self, stage, identifier="_evil"):
        """Not signed, about the victim."""
        return self.request(stage, "victim", identifier)

    def envelope(self, octets, content_type="text/xml"):
        """The POST of an envelope."""
        return HttpIn(method="POST", endpoint=self.endpoint, body=octets, content_type=content_type)


DOORS = (Door("application", SLO, "idp-next"), Door("idp", idp.SLO, "idp"))
each_door = pytest.mark.parametrize("door", DOORS, ids=[door.name for door in DOORS])


def text(element):
    """An element as text."""
    return etree.tostring(element, with_tail=False).decode()


def envelope(body, header="", more="", attributes="", namespace=SOAP):
    """An envelope as octets; body and header are elements or texts."""
    body, header = (part if isinstance(part, str) else text(part) for part in (body, header))
    header = f"<s:Header>{header}</s:Header>" if header else ""
    return f'<s:Envelope xmlns:s="{namespace}">{header}<s:Body{attributes}>{body}</s:Body>{more}</s:Envelope>'.encode()


def lent(genuine, evil):
    """The evil message with a copy of the genuine one's Signature."""
    evil.insert(1, deepcopy(genuine.find(SIGNATURE)))
    return evil


def as_named(genuine, evil):
    """The evil message with the genuine one's ID and Signature."""
    evil.set("ID", genuine.get("ID"))
    return lent(genuine, evil)


def inside(genuine, evil, tag):
    """The evil message with the genuine one somewhere below."""
    holder = etree.Element(tag)
    if tag.endswith("Object"):
        evil = lent(genuine, evil)
        evil.find(SIGNATURE).append(holder)
    else:
        evil.insert(1, holder)
    holder.append(genuine)
    return evil


def both(first, second, between=""):
    """Two elements as text."""
    return text(first) + between + text(second)


WRAPPED = {
    "header-genuine": (lambda g, e: envelope(e, header=g), (MISSING,)),
    "header-envelope": (lambda g, e: envelope(e, header=envelope(g).decode()), (MISSING,)),
    "header-genuine-signature-lent": (lambda g, e: envelope(lent(g, e), header=g), (PROFILE,)),
    "header-genuine-same-id": (lambda g, e: envelope(as_named(g, e), header=g), (DUPLICATE,)),
    "header-assertion": (lambda _, e: envelope(e, header=idp.sign(idp.assertion())), (MISSING, COUNT)),
    "beside-the-body": (lambda g, e: envelope(e, more=text(g)), (MISSING, TYPE)),
    "body-id": (lambda g, e: envelope(lent(g, e), attributes=f' ID="{g.get("ID")}"'), (PROFILE,)),
    "no-genuine-signature-lent": (lambda g, e: envelope(as_named(g, e)), ("signature_invalid",)),
    "two-messages": (lambda g, e: envelope(both(g, e)), (TYPE,)),
    "two-messages-evil-first": (lambda g, e: envelope(both(e, g)), (TYPE,)),
    "two-bodies": (lambda g, e: envelope(g, more=f"<s:Body>{text(e)}</s:Body>"), (TYPE,)),
    "two-bodies-evil-first": (lambda g, e: envelope(e, more=f"<s:Body>{text(g)}</s:Body>"), (TYPE,)),
    "in-a-holder": (lambda g, e: envelope(f"<x>{both(g, e)}</x>"), NO_REQUEST),
    "an-envelope-in-the-body": (lambda g, e: envelope(envelope(g).decode(), header=e), NO_REQUEST),
    "extensions": (lambda g, e: envelope(inside(g, e, f"{{{idp.SAMLP}}}Extensions")), (MISSING, PROFILE)),
    "object": (lambda g, e: envelope(inside(g, e, f"{{{DS}}}Object")), (PROFILE,)),
    "soap-1.2": (lambda g, e: envelope(g, header=e, namespace=SOAP_12), (TYPE,)),
    "no-envelope": (lambda g, _: etree.tostring(g), (TYPE,)),
}


@each_door
@pytest.mark.parametrize("name", WRAPPED)
def test_b035_a_signature_elsewhere_in_the_envelope_is_not_lent(stage, door, name):
    """B035: genuine parts in the Header, beside the Body or below the message do not speak for what stands in it."""
    make, reasons = WRAPPED[name]
    stage.refused(door.envelope(make(door.genuine(stage), door.evil(stage))), *reasons)


@each_door
def test_b035_a_signed_body_is_not_a_signed_message(stage, door):
    """WS-Security signs the Body from the Header; SAML wants the message signed, whoever signed the rest."""
    root = etree.fromstring(envelope(door.evil(stage), attributes=' ID="_body"'))
    body = root[0]
    idp.sign(body, door.signer)
    header = etree.Element(f"{{{SOAP}}}Header")
    header.append(body.find(SIGNATURE))
    root.insert(0, header)
    stage.refused(door.envelope(etree.tostring(root)), MISSING, PROFILE)


@each_door
def test_b035_what_the_header_says_is_not_done(stage, door):
    """The control: a genuine message in the Body is answered, and the evil one in its Header touches nobody."""
    genuine = idp.sign(door.request(stage, "alice", "_none"), door.signer)
    for index in genuine.iter("{*}SessionIndex"):
        index.text = "_nobody"
    genuine.remove(genuine.find(SIGNATURE))
    idp.sign(genuine, door.signer)
    response = deliver(stage.bridge.browser(), door.envelope(envelope(genuine, header=door.evil(stage))))
    assert response.status_code == 200
    assert etree.fromstring(response.data)[0][0].get("InResponseTo") == "_none"
    assert stage.bridge.is_signed_in(stage.alice)
    assert stage.bridge.is_signed_in(stage.victim)


@pytest.mark.parametrize(
    ("signer", "issuer", "reason"),
    [
        ("other-idp", ONE.entity_id, "signature_invalid"),
        ("idp", ONE.entity_id, "signature_invalid"),
        ("idp", idp.ENTITY_ID, "issuer_unknown"),
        ("idp-next", "https://nobody.example/saml", "issuer_unknown"),
        ("idp-next", idp.SP, "issuer_unknown"),
    ],
)
def test_g144_another_key_or_name_at_the_applications_door(stage, signer, issuer, reason):
    """G144: another application, the IdP or a stranger cannot ask by SOAP in an application's name, nor in its own."""
    evil = DOORS[0].evil(stage)
    evil.find("{*}Issuer").text = issuer
    stage.refused(DOORS[0].envelope(envelope(idp.sign(evil, signer))), reason)


@each_door
def test_an_answer_by_soap_nobody_waits_for(stage, door):
    """A LogoutResponse comes back on the connection that asked, never by itself; the pending logout stays pending."""
    answer = idp.sign(
        idp.logout_response(
            in_response_to=stage.pending.id,
            issuer=ONE.entity_id if door.name == "application" else idp.ENTITY_ID,
            destination=door.endpoint,
            signed=False,
        ),
        door.signer,
    )
    stage.refused(door.envelope(envelope(answer)), "binding_mismatch")


@each_door
def test_parameters_beside_an_envelope(stage, door):
    """One request, one message: an envelope does not come with a SAMLRequest in the URL."""
    asked = door.envelope(envelope(door.genuine(stage)))
    query = idp.query(door.evil(stage), signer=door.signer).encode()
    stage.refused(
        HttpIn(method="POST", endpoint=asked.endpoint, query=query, body=asked.body, content_type="text/xml"),
        "binding_ambiguous",
    )


@each_door
@pytest.mark.parametrize(
    "content_type", ["text/xml; charset=utf-16", "text/xml; charset=iso-8859-1", "application/xml", "text/plain", ""]
)
def test_another_type_is_no_envelope(stage, door, content_type):
    """SOAP 1.1 is text/xml in UTF-8; whatever else comes with an envelope is not read as one."""
    stage.refused(door.envelope(envelope(door.genuine(stage)), content_type), "binding_mismatch")


def test_an_authn_request_comes_by_no_envelope(stage):
    """Our metadata offers single sign-on by Redirect and POST; by SOAP it would be another profile (ECP)."""
    request = idp.sign(ONE.authn_request(stage.bridge), "idp-next")
    stage.refused(
        HttpIn(method="POST", endpoint=SSO, body=envelope(request), content_type="text/xml"), "binding_mismatch"
    )
