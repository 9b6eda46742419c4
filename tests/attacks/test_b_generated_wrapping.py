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
