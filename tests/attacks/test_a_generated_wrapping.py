"""The rest of group A's class: the evil copy, or the genuine element, at every place of every kind of Response.

Whatever became of signatures and IDs, the refusal is for the document's structure and comes before any cryptography.
"""

from copy import deepcopy

import pytest
from lxml import etree

from tests import idp
from tests.attacks.forge import DS, follow, slots, thinned
from tests.attacks.invariants import VICTIM_NAME_ID, WRAPPING
from tests.attacks.wrapping import (
    SIGNATURE,
    Document,
    assertion_of,
    members,
    post,
    signed_response,
    unsigned,
    with_evil,
)
from tests.encrypting import encrypt

SAML, SAMLP = idp.SAML, idp.SAMLP
PROFILE, COUNT, DUPLICATE = "signature_profile_violation", "assertion_count", "duplicate_id"
MISSING = "signature_missing"

DOCUMENTS = (
    Document("signed-assertion", lambda stage: stage.response(), assertion_of),
    Document("signed-response", signed_response),
    Document("signed-response-assertion", signed_response, assertion_of),
    Document("both-signed-assertion", lambda stage: stage.response(sign_response=True), assertion_of),
    Document("both-signed-response", lambda stage: stage.response(sign_response=True)),
)


class _Template:
    """A stage for the time at which tests are collected: its documents have the same shape."""

    @staticmethod
    def response(inside=None, **how):
        return idp.response(inside, **how)


# A Response with two signatures has the places of the others and more.
MEMBERS = [
    pytest.param(member, id=member.id)
    for document in DOCUMENTS
    for member in thinned(members(document, document.make(_Template)), 7 if document.name.startswith("both") else 3)
]


@pytest.mark.parametrize("member", MEMBERS)
def test_generated_wrapping_is_refused_for_its_structure(stage, member):
    """Two copies of what is signed are refused wherever the second one stands."""
    stage.refused(post(member.build(member.document.make(stage))), *WRAPPING)


def _nests():
    """What an attacker may encrypt with our public key around or beside a captured signed Assertion."""

    def nothing_signed(genuine, copy):
        return copy

    def signed_in_advice(genuine, copy):
        advice = etree.Element(f"{{{SAML}}}Advice")
        copy.find(f"{{{SAML}}}Conditions").addnext(advice)
        advice.append(genuine)
        return copy

    def signed_in_attribute(genuine, copy):
        copy.append(
            idp.element(
                '<saml:AttributeStatement><saml:Attribute Name="x"><saml:AttributeValue/></saml:Attribute>'
                "</saml:AttributeStatement>"
            )
        )
        copy[-1][0][0].append(genuine)
        return copy

    def signed_in_signature(genuine, copy):
        copy.insert(1, deepcopy(genuine.find(SIGNATURE)))
        holder = etree.SubElement(copy.find(SIGNATURE), f"{{{DS}}}Object")
        holder.append(unsigned(genuine))
        return copy

    def signature_kept(genuine, copy):
        copy.insert(1, genuine.find(SIGNATURE))
        return copy

    def signature_kept_same_id(genuine, copy):
        copy.insert(1, genuine.find(SIGNATURE))
        copy.set("ID", genuine.get("ID"))
        return copy

    def a_response(genuine, copy):
        return idp.response(genuine, sign_assertion=False, identifier="_r2")

    def an_encrypted_assertion(genuine, copy):
        return encrypt(genuine)

    def a_name_id(genuine, copy):
        return idp.element(VICTIM_NAME_ID)

    return {
        "nothing-signed": (nothing_signed, MISSING),
        "signed-in-advice": (signed_in_advice, COUNT),
        "signed-in-attribute": (signed_in_attribute, COUNT),
        "signed-in-signature": (signed_in_signature, PROFILE),
        "signature-kept": (signature_kept, PROFILE),
        # Nothing is wrong with its structure: a signed Assertion whose content was changed.
        "signature-kept-same-id": (signature_kept_same_id, "signature_invalid"),
        "a-response": (a_response, COUNT),
        "an-encrypted-assertion": (an_encrypted_assertion, COUNT),
        "a-name-id": (a_name_id, COUNT),
    }


@pytest.mark.parametrize("nest", list(_nests()))
def test_generated_encrypted_wrapping_is_refused(stage, nest):
    """What comes out of a decryption is held to the same rules as what was there before it."""
    make, reason = _nests()[nest]
    root, genuine, copy = with_evil(stage)
    root.remove(genuine)
    root.append(encrypt(make(genuine, copy)))
    stage.refused(post(root), reason)


SPELLINGS = ("ID", "Id", "id", "iD", "{http://www.w3.org/XML/1998/namespace}id", "{urn:x}Id")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_generated_id_of_an_encrypted_assertion_is_unique(stage, spelling):
    """An element outside may not have the ID of the Assertion that comes out of a decryption."""
    root = stage.response(encrypt(idp.sign(stage.assertion())), sign_assertion=False)
    detail = etree.SubElement(root.find(f"{{{SAMLP}}}Status"), f"{{{SAMLP}}}StatusDetail")
    etree.SubElement(detail, "{urn:x}e").set(spelling, "_a1")
    stage.refused(post(root), DUPLICATE)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("sign_response", [False, True])
def test_generated_id_in_an_encrypted_assertion_is_unique(stage, spelling, sign_response):
    """What comes out of a decryption may not have the ID of the Response around it, signed or not."""
    value = '<saml:Attribute Name="x"><saml:AttributeValue><e/></saml:AttributeValue></saml:Attribute>'
    inside = stage.assertion(more=f"<saml:AttributeStatement>{value}</saml:AttributeStatement>")
    next(inside.iter("e")).set(spelling, "_r1")
    root = stage.response(encrypt(idp.sign(inside)), sign_assertion=False, sign_response=sign_response)
    stage.refused(post(root), DUPLICATE)


@pytest.mark.parametrize("index", range(5))
def test_generated_encrypted_assertion_beside_a_signed_one(stage, index):
    """A016 at every place of the Response, and in a signed Assertion too: two assertions are one too many."""
    root, genuine, copy = with_evil(stage)
    (root if index < 4 else genuine).insert(index, encrypt(copy))
    stage.refused(post(root), COUNT)


@pytest.mark.parametrize(("path", "index"), slots(idp.assertion()))
@pytest.mark.parametrize("signed", ["moved", "stray"])
def test_generated_signature_in_an_encrypted_assertion(stage, path, index, signed):
    """C079 after a decryption: a good Signature at any other place of the Assertion, alone or beside the right one."""
    assertion = stage.assertion()
    place, signature = follow(assertion, path), deepcopy(idp.sign(stage.assertion())[1])
    if signed == "stray":
        idp.sign(assertion)
        index += path == () and index > 1
    elif (path, index) == ((), 1):
        index = 2
    place.insert(index, signature)
    stage.refused(post(stage.response(encrypt(assertion), sign_assertion=False)), PROFILE)


def test_a_signed_response_with_an_encrypted_signed_assertion_is_accepted(stage):
    """The control of the encrypted cases: the same with nothing wrong signs its person in."""
    encrypted = encrypt(idp.sign(stage.assertion()))
    assert idp.check(post(stage.response(encrypted, sign_assertion=False))).message.assertion.id == "_a1"
