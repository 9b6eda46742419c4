"""The rest of group B's class: the evil copy, or the genuine message, at every place of a logout message.

By Redirect the identity provider's signature over the query is good, which is more than an attacker has: what is
refused there is refused for the structure of the document and for nothing else.
"""

import pytest

from tests import idp
from tests.attacks.forge import thinned
from tests.attacks.invariants import WRAPPING
from tests.attacks.wrapping import Document, members

EXTENSIONS = (
    '<samlp:Extensions><aslo:Asynchronous xmlns:aslo="urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"/>'
    "</samlp:Extensions>"
)
DOCUMENTS = (
    Document("request", lambda stage: stage.logout_request(extensions=EXTENSIONS)),
    Document("answer", lambda stage: stage.logout_response(extensions=EXTENSIONS)),
)


class _Template:
    """A stage for the time at which tests are collected: its documents have the same shape."""

    logout_request = staticmethod(idp.logout_request)
    logout_response = staticmethod(idp.logout_response)


MEMBERS = [
    pytest.param(member, id=member.id)
    for document in DOCUMENTS
    for member in members(document, document.make(_Template))
]


@pytest.mark.parametrize("member", thinned(MEMBERS, 3))
def test_generated_wrapping_by_post_is_refused(stage, member):
    """Two copies of what is signed are refused wherever the second one stands."""
    stage.refused(idp.post(member.build(member.document.make(stage))), *WRAPPING)


@pytest.mark.parametrize("member", thinned(MEMBERS, 7))
def test_generated_wrapping_by_redirect_is_refused(stage, member):
    """The same with a good signature over the query: an embedded one is held to the same structure."""
    stage.refused(idp.redirect(member.build(member.document.make(stage))), *WRAPPING)


def _kinds(stage):
    """One unsigned message of every kind that an identity provider signs, by what it is."""
    response = stage.response(sign_assertion=False)
    return {
        "assertion": stage.assertion(identifier="_a3"),
        "response": response,
        "request": stage.logout_request(signed=False),
        "answer": stage.logout_response(signed=False),
        "other-request": stage.logout_request(signed=False, identifier="_lr2", indexes=("_s2",)),
        "other-answer": stage.logout_response(signed=False, in_response_to="_old"),
    }


KINDS = ("assertion", "response", "request", "answer", "other-request", "other-answer")
TRANSPLANTS = [(one, other) for one in KINDS for other in KINDS[1:4] if one != other]


@pytest.mark.parametrize(("donor", "recipient"), TRANSPLANTS)
def test_generated_transplant_is_refused(stage, donor, recipient):
    """A captured Signature put into a message of another kind, or another message, that has been given its ID.

    Nothing is wrong with the structure of such a message: it is what was signed that differs.
    """
    kinds = _kinds(stage)
    signature, root = idp.sign(kinds[donor])[1], kinds[recipient]
    root.set("ID", kinds[donor].get("ID"))
    root.insert(1, signature)
    stage.refused(idp.post(root, endpoint=idp.ACS if recipient == "response" else idp.SLO), "signature_invalid")
