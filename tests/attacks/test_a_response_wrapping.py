"""Group A: signature wrapping in a Response at the ACS. The person who signs in is always whom the IdP signed for.

All cases of the group have all their runs here; the rest of their class is in test_a_generated_wrapping.py.
"""

import pytest
from lxml import etree

from tests import idp
from tests.attacks.forge import DS, sign
from tests.attacks.invariants import VICTIM_NAME_ID, evil
from tests.attacks.wrapping import SIGNATURE, assertion_of, post, rename_ids, signed_response, unsigned, with_evil
from tests.encrypting import encrypt

SAML, SAMLP = idp.SAML, idp.SAMLP
PROFILE, COUNT, DUPLICATE = "signature_profile_violation", "assertion_count", "duplicate_id"
MISSING, TYPE = "signature_missing", "unexpected_message_type"


def evil_response(stage, *, distinct):
    """An evil copy of `Rm` that keeps the Signature, and the original without it.

    Whoever copies a Response copies the Assertion's ID as well, which alone is refused; `distinct` renames that.
    """
    original = signed_response(stage)
    root = evil(original)
    if distinct:
        rename_ids(root)
    return root, unsigned(original)


def xsw1(stage, *, distinct=False):
    """The original Response as last child of the evil root's Signature."""
    root, original = evil_response(stage, distinct=distinct)
    root.find(SIGNATURE).append(original)
    return root


def xsw2(stage, *, distinct=False):
    """The original Response immediately before the evil root's Signature."""
    root, original = evil_response(stage, distinct=distinct)
    root.find(SIGNATURE).addprevious(original)
    return root


def xsw3(stage):
    """The evil Assertion before the signed one."""
    root, genuine, copy = with_evil(stage)
    genuine.addprevious(copy)
    return root


def xsw4(stage):
    """The signed Assertion as last child of the evil one."""
    root, genuine, copy = with_evil(stage)
    root.append(copy)
    copy.append(genuine)
    return root


def xsw5(stage):
    """The evil Assertion with the Signature, the original without it last in the Response."""
    root, genuine, copy = with_evil(stage, signature=True)
    root.replace(genuine, copy)
    root.append(unsigned(genuine))
    return root


def xsw6(stage):
    """The evil Assertion with the Signature, the original without it last in that Signature."""
    root, genuine, copy = with_evil(stage, signature=True)
    root.replace(genuine, copy)
    copy.find(SIGNATURE).append(unsigned(genuine))
    return root


def xsw7(stage, *, namespace, identifier=None):
    """The evil Assertion in Extensions before the signed one."""
    root, genuine, copy = with_evil(stage, identifier=identifier)
    extensions = etree.Element(f"{{{SAMLP}}}Extensions" if namespace else "Extensions")
    extensions.append(copy)
    genuine.addprevious(extensions)
    return root


def xsw8(stage, *, namespace, identifier=None):
    """The evil Assertion with the Signature, in whose Object is the original without it."""
    root, genuine, copy = with_evil(stage, signature=True, identifier=identifier)
    root.replace(genuine, copy)
    holder = etree.SubElement(copy.find(SIGNATURE), f"{{{DS}}}Object" if namespace else "Object")
    holder.append(unsigned(genuine))
    return root


def xsw10(stage):
    """The signed Assertion first, the evil one last."""
    root, _, copy = with_evil(stage)
    root.append(copy)
    return root


def sandwich(stage):
    """Evil, good, evil."""
    root, genuine, copy = with_evil(stage)
    genuine.addprevious(copy)
    root.append(evil(copy, "_evil2"))
    return root


def bundle(stage, *, alice_first):
    """Two Assertions, each validly signed, in one unsigned Response."""
    root = stage.response()
    other = idp.sign(stage.assertion(identifier="_a2", name_id=VICTIM_NAME_ID))
    root.insert(root.index(assertion_of(root)) + alice_first, other)
    return root


def in_advice(stage):
    """The signed Assertion in the Advice of an evil one."""
    root, genuine, copy = with_evil(stage)
    root.replace(genuine, copy)
    advice = etree.Element(f"{{{SAML}}}Advice")
    copy.find(f"{{{SAML}}}Conditions").addnext(advice)
    advice.append(genuine)
    return root


def encrypted_beside(stage, *, first):
    """An unsigned EncryptedAssertion that anybody can make with our public key, beside the signed Assertion."""
    root, genuine, copy = with_evil(stage)
    root.insert(root.index(genuine) + (not first), encrypt(copy))
    return root


def encrypted_alone(stage):
    """An unsigned EncryptedAssertion alone."""
    return stage.response(encrypt(stage.assertion(name_id=VICTIM_NAME_ID)), sign_assertion=False)


def below(stage, *, wrapper):
    """A signed Response below another root element."""
    root = etree.fromstring(wrapper)
    (root[-1] if len(root) else root).append(stage.response(sign_response=True))
    return root


SOAP = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header/><s:Body/></s:Envelope>'
ARTIFACT_RESPONSE = (
    f'<p:ArtifactResponse xmlns:p="{SAMLP}" xmlns:a="{SAML}" ID="_x1" Version="2.0" IssueInstant="{idp.instant()}" '
    f'InResponseTo="_q1" Destination="{idp.ACS}"><a:Issuer>{idp.ENTITY_ID}</a:Issuer><p:Status><p:StatusCode '
    f'Value="{idp.SUCCESS}"/></p:Status><p:Extensions/></p:ArtifactResponse>'
)
SAML11 = "urn:oasis:names:tc:SAML:1.0:"


def saml11_assertion(stage):
    """The Assertion as SAML 1.1 would have it, validly signed."""
    assertion = etree.fromstring(
        etree.tostring(stage.assertion()).replace(SAML.encode(), f"{SAML11}assertion".encode())
    )
    assertion.set("AssertionID", "_a1")
    return sign(assertion, at=0).getparent()


def saml11(stage, *, place):
    """A SAML 1.1 Assertion: as the root, in a SAML 1.1 Response, in a SAML 2.0 Response."""
    assertion = saml11_assertion(stage)
    if place == "root":
        return assertion
    root = stage.response(assertion, sign_assertion=False)
    if place == "response":
        return etree.fromstring(etree.tostring(root).replace(SAMLP.encode(), f"{SAML11}protocol".encode()))
    return root


def signature_above(stage, *, first):
    """The Assertion's genuine Signature as a child of the Response, the Assertion evil under the ID that it names."""
    root, genuine, copy = with_evil(stage, signature=True, identifier=None)
    root.replace(genuine, copy)
    signature = copy.find(SIGNATURE)
    if first:
        root.insert(1, signature)
    else:
        root.append(signature)
    return root


def signature_above_unchanged(stage):
    """The same with the genuine Assertion: even then the Signature is not where it was made."""
    root = stage.response()
    root.insert(1, assertion_of(root).find(SIGNATURE))
    return root


def case(name, make, *reasons, **how):
    """One case: its id, the maker of its document, the reasons of which one must be in the log."""
    return pytest.param(lambda stage: make(stage, **how), reasons, id=name)


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        case("A001", xsw1, PROFILE, DUPLICATE),
        case("A001-distinct-ids", xsw1, PROFILE, COUNT, distinct=True),
        case("A002", xsw2, PROFILE, DUPLICATE),
        case("A002-distinct-ids", xsw2, PROFILE, COUNT, distinct=True),
        case("A003", xsw3, COUNT),
        case("A004", xsw4, COUNT),
        case("A005", xsw5, COUNT),
        case("A006", xsw6, PROFILE),
        case("A007-samlp", xsw7, DUPLICATE, namespace=True),
        case("A007-no-namespace", xsw7, DUPLICATE, namespace=False),
        case("A007-samlp-other-id", xsw7, COUNT, namespace=True, identifier="_evil"),
        case("A007-no-namespace-other-id", xsw7, COUNT, namespace=False, identifier="_evil"),
        case("A008-ds", xsw8, PROFILE, DUPLICATE, namespace=True),
        case("A008-no-namespace", xsw8, PROFILE, DUPLICATE, namespace=False),
        case("A008-ds-other-id", xsw8, PROFILE, namespace=True, identifier="_evil"),
        case("A008-no-namespace-other-id", xsw8, PROFILE, namespace=False, identifier="_evil"),
        case("A009", xsw10, COUNT),
        case("A009-evil-good-evil", sandwich, COUNT),
        case("A010-alice-first", bundle, COUNT, alice_first=True),
        case("A010-victim-first", bundle, COUNT, alice_first=False),
        case("A014", in_advice, COUNT),
        case("A016-before", encrypted_beside, COUNT, first=True),
        case("A016-after", encrypted_beside, COUNT, first=False),
        case("A016-alone", encrypted_alone, MISSING),
        case("A018-foreign-root", below, TYPE, wrapper="<x:w xmlns:x='urn:x'/>"),
        case("A018-soap", below, TYPE, wrapper=SOAP),
        case("A018-artifact-response", below, TYPE, wrapper=ARTIFACT_RESPONSE),
        case("A021-root", saml11, TYPE, place="root"),
        case("A021-response", saml11, TYPE, place="response"),
        case("A021-inside", saml11, COUNT, place="inside"),
        case("A023-evil-after-issuer", signature_above, PROFILE, first=True),
        case("A023-evil-last", signature_above, PROFILE, first=False),
        case("A023-genuine", signature_above_unchanged, PROFILE),
    ],
)
def test_a_wrapped_response_signs_nobody_in(stage, make, reasons):
    """A Response in which what is signed and what could be read are two things is refused before it is believed."""
    stage.refused(post(make(stage)), *reasons)


@pytest.mark.parametrize("browser", ["alice", "victim"])
def test_a010_a_bundle_changes_no_session(stage, browser):
    """A010: neither of two bundled Assertions opens or joins a session, whoever delivers them."""
    stage.refused(post(bundle(stage, alice_first=True)), COUNT, browser=getattr(stage, browser))
