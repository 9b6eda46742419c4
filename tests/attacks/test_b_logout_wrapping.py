"""Group B: signature wrapping and confusion of types in logout messages. Nobody is logged out but by the IdP's word.

B024 to B028, B032 and B034 run by POST and by Redirect; B035 is test_b_soap.py. What wraps AuthnRequests is in
test_g_authn_request.py and test_g_sign_on.py. B038 (a signed aggregate) waits until metadata signatures are verified:
until then the signature of metadata is not verified, and an operator's file is trusted because it is the operator's.
"""

from urllib.parse import quote

import pytest
from lxml import etree

from saml_slo.protocol.envelope import HttpIn
from tests import idp
from tests.attacks.forge import DS
from tests.attacks.invariants import evil
from tests.attacks.wrapping import SIGNATURE, unsigned

SAML, SAMLP = idp.SAML, idp.SAMLP
PROFILE, COUNT, TYPE = "signature_profile_violation", "assertion_count", "unexpected_message_type"
MISSING, SCHEMA = "signature_missing", "schema_violation"
EXTENSIONS = f"{{{SAMLP}}}Extensions"


def unsigned_redirect(message, *, parameter=None, endpoint=idp.SLO):
    """The browser's GET with a message and no signature in the query."""
    query = f"{parameter or idp.parameter_of(message)}={quote(idp.deflated(message), safe='')}"
    return HttpIn(method="GET", endpoint=endpoint, query=query.encode())


# A Redirect that the identity provider signed is more than an attacker has: then only the structure is wrong.
BY = {"post": idp.post, "redirect": unsigned_redirect, "signed-redirect": idp.redirect}
everyhow = pytest.mark.parametrize("by", BY)


def extensions_of(root):
    """New Extensions at their place, after the Issuer and the Signature."""
    extensions = etree.Element(EXTENSIONS)
    (root.find(SIGNATURE) if root.find(SIGNATURE) is not None else root[0]).addnext(extensions)
    return extensions


def object_of(root):
    """A new ds:Object in the Signature."""
    return etree.SubElement(root.find(SIGNATURE), f"{{{DS}}}Object")


def signature_kept(genuine, place):
    """The evil root has the genuine Signature; the genuine message without it is somewhere inside."""
    root = evil(genuine)
    place(root).append(unsigned(genuine))
    return root


def signature_inside(genuine, place):
    """The evil root has no Signature; the complete genuine message is somewhere inside."""
    root = unsigned(evil(genuine))
    place(root).append(genuine)
    return root


def itself(root):
    """The root, whose last child the other one becomes."""
    return root


def assertion_inside(genuine, place):
    """The evil root has no Signature; a captured signed Assertion is somewhere inside."""
    root = unsigned(evil(genuine))
    place(root).append(idp.sign(idp.assertion()))
    return root


REQUESTS = [
    pytest.param(signature_kept, extensions_of, (PROFILE,), id="B024"),
    pytest.param(signature_inside, extensions_of, (MISSING, PROFILE), id="B025"),
    pytest.param(assertion_inside, itself, (MISSING, COUNT), id="B026-child"),
    pytest.param(assertion_inside, extensions_of, (MISSING, COUNT), id="B026-extensions"),
    pytest.param(signature_kept, object_of, (PROFILE,), id="B027"),
    pytest.param(signature_inside, itself, (MISSING, PROFILE), id="B028"),
]


@everyhow
@pytest.mark.parametrize(("make", "place", "reasons"), REQUESTS)
def test_a_wrapped_logout_request_ends_nothing(stage, by, make, place, reasons):
    """A LogoutRequest whose signed part is not the whole of it is refused for its structure; victim stays signed in."""
    stage.refused(BY[by](make(stage.logout_request(), place)), *reasons)


@everyhow
@pytest.mark.parametrize(
    ("make", "place", "reasons"),
    [
        pytest.param(signature_inside, extensions_of, (MISSING, PROFILE), id="B032-extensions"),
        pytest.param(signature_inside, itself, (MISSING, PROFILE), id="B032-last-child"),
        pytest.param(signature_kept, object_of, (PROFILE,), id="B032-object"),
        pytest.param(signature_kept, extensions_of, (PROFILE,), id="B032-extensions-signature-kept"),
    ],
)
def test_a_wrapped_logout_response_confirms_nothing(stage, by, make, place, reasons):
    """B032: an old signed LogoutResponse inside an evil one does not answer the pending logout."""
    root = make(stage.logout_response(in_response_to="_old"), place)
    root.set("InResponseTo", stage.pending.id)
    stage.refused(BY[by](root), *reasons)


AUTHN_REQUEST = (
    f'<p:AuthnRequest xmlns:p="{SAMLP}" xmlns:a="{SAML}" ID="_q1" Version="2.0" IssueInstant="{idp.instant()}" '
    f'Destination="{idp.SLO}"><a:Issuer>{idp.ENTITY_ID}</a:Issuer></p:AuthnRequest>'
)


def _authn_request(_stage, *, signed):
    root = etree.fromstring(AUTHN_REQUEST)
    return idp.sign(root) if signed else root


CONFUSIONS = [
    pytest.param(
        lambda stage, **how: stage.logout_response(**how), "SAMLRequest", idp.SLO, id="B034-answer-as-request"
    ),
    pytest.param(
        lambda stage, **how: stage.logout_request(**how), "SAMLResponse", idp.SLO, id="B034-request-as-answer"
    ),
    pytest.param(_authn_request, "SAMLRequest", idp.SLO, id="B034-authn-request-at-slo"),
    pytest.param(_authn_request, "SAMLResponse", idp.SLO, id="B034-authn-request-as-answer"),
]


@pytest.mark.parametrize("by", ["post", "redirect"])
@pytest.mark.parametrize(("make", "parameter", "endpoint"), CONFUSIONS)
def test_a_genuine_message_of_another_type_is_not_taken(stage, by, make, parameter, endpoint):
    """B034: the parameter and the endpoint say what must come; a signed message of another type is refused as such."""
    message = make(stage, signed=by == "post")
    stage.refused(getattr(idp, by)(message, parameter=parameter, endpoint=endpoint), TYPE)


@pytest.mark.parametrize("parameter", ["SAMLRequest", "SAMLResponse"])
@pytest.mark.parametrize("kind", ["logout_request", "logout_response", "authn_request"])
def test_b034_no_logout_message_signs_anybody_in(stage, kind, parameter):
    """B034: at the ACS nothing but a Response is read, under whatever parameter a genuine message comes."""
    message = (
        _authn_request(stage, signed=True) if kind == "authn_request" else getattr(stage, kind)(destination=idp.ACS)
    )
    stage.refused(idp.post(message, parameter=parameter, endpoint=idp.ACS), TYPE)


@pytest.mark.parametrize("by", ["post", "redirect"])
@pytest.mark.parametrize("parameter", ["SAMLRequest", "SAMLResponse"])
def test_b034_no_response_ends_anything(stage, by, parameter):
    """B034: a genuine signed Response at the SLO endpoint is no answer to a logout."""
    message = stage.response(sign_response=True)
    stage.refused(getattr(idp, by)(message, parameter=parameter), TYPE)


@pytest.mark.parametrize("by", ["post", "redirect"])
@pytest.mark.parametrize(
    "namespace", ["", "urn:x", "urn:oasis:names:tc:SAML:1.0:protocol", SAML, f"{SAMLP}#", SAMLP.upper()]
)
@pytest.mark.parametrize("kind", ["logout_request", "logout_response"])
def test_generated_type_is_namespace_and_name(stage, by, namespace, kind):
    """B034: a root with the right local name in another namespace is another type, though it is validly signed."""
    message = getattr(stage, kind)(signed=False)
    parameter = idp.parameter_of(message)
    message.tag = etree.QName(namespace or None, etree.QName(message).localname)
    if by == "post":
        idp.sign(message)
    stage.refused(getattr(idp, by)(message, parameter=parameter), TYPE)


@pytest.mark.parametrize("by", ["post", "redirect"])
@pytest.mark.parametrize(
    "name", ["logoutRequest", "LOGOUTREQUEST", "LogoutRequestType", "ManageNameIDRequest", "Logout"]
)
def test_generated_type_is_spelled_to_the_letter(stage, by, name):
    """B034: a root of the right namespace with another name is another type, though it is validly signed."""
    message = stage.logout_request(signed=False)
    message.tag = f"{{{SAMLP}}}{name}"
    if by == "post":
        idp.sign(message)
    stage.refused(getattr(idp, by)(message, parameter="SAMLRequest"), TYPE)
