"""What changed in a peer's metadata, in sentences: nothing for a copy that only was made anew."""

import pytest

from saml_slo.wire.metadata import read_idp_metadata
from saml_slo.wire.metadata_changes import changes
from saml_slo.wire.metadata_signature import fingerprint
from saml_slo.wire.metadata_sp import read_sp_metadata
from tests.keys import pair
from tests.wire.idp_metadata import NOW, endpoint, entity, key_descriptor, role
from tests.wire.sp_metadata import sp_entity

ONE, TWO = pair("idp").certificate, pair("idp-next").certificate
UNTIL = 'validUntil="2026-11-30T00:00:00Z"'


def idp(*, keys=(ONE,), endpoints=None, attributes="", **more):
    """An identity provider's facts."""
    text = entity(role(keys=key_descriptor(*keys), endpoints=endpoints), attributes=attributes, **more)
    return read_idp_metadata(text.encode(), now=NOW)


def told(old, new):
    """The sentences, and whether one of them is grave."""
    found = changes(old, new)
    return [change.text for change in found], any(change.grave for change in found)


@pytest.mark.parametrize(
    "attributes", ["", 'ID="_new"', 'cacheDuration="PT1H"', 'validUntil="2026-12-30T00:00:00Z"', UNTIL]
)
def test_a_document_made_anew_is_no_change(attributes):
    """Another ID, a later end, another cacheDuration: the facts are the same, so nobody is asked."""
    before = "" if attributes == "" else UNTIL if "validUntil" in attributes else ""
    assert changes(idp(attributes=before), idp(attributes=attributes)) == ()


def test_a_new_and_a_withdrawn_key_are_named():
    """Each key is named by subject, end and fingerprint, so that it can be compared by telephone."""
    (new,), grave = told(idp(), idp(keys=(ONE, TWO)))
    assert new.startswith("new signing key: ")
    assert fingerprint(TWO) in new
    assert not grave
    (gone,), _ = told(idp(keys=(ONE, TWO)), idp(keys=(TWO,)))
    assert gone.startswith("signing key gone: ")
    assert fingerprint(ONE) in gone


def test_a_moved_endpoint_is_named_with_both_places():
    """Where it was and where it is, by binding."""
    sso = endpoint("SingleSignOn", "https://idp.test/sso")
    before = idp(endpoints=sso + endpoint("SingleLogout", "https://idp.test/slo"))
    after = idp(endpoints=sso + endpoint("SingleLogout", "https://idp.test/out", "HTTP-POST"))
    texts, grave = told(before, after)
    assert texts == [
        "SingleLogoutService by redirect: now none, was 'https://idp.test/slo'",
        "SingleLogoutService by post: now 'https://idp.test/out', was none",
    ]
    assert not grave


def test_another_entity_is_grave():
    """A URL that suddenly publishes somebody else is never believed by itself."""
    texts, grave = told(idp(), idp(entity_id="https://other.test"))
    assert texts == ["it is of another entity: 'https://other.test', was 'https://idp.test/metadata'"]
    assert grave


@pytest.mark.parametrize(
    ("attributes", "words"),
    [('validUntil="2026-11-25T00:00:00Z"', "it is older than the one in force"), ("", "no longer says until when")],
)
def test_older_metadata_is_grave(attributes, words):
    """K235: older signed metadata after newer could bring a withdrawn key back."""
    (text,), grave = told(idp(attributes=UNTIL), idp(attributes=attributes))
    assert words in text
    assert grave


def test_what_an_application_may_change():
    """Consumers, encryption keys, whether it signs, how people are named."""
    before = read_sp_metadata(sp_entity(entity_id="https://shop.test").encode(), now=NOW)
    text = sp_entity(entity_id="https://shop.test").replace("https://", "https://new.")
    after = read_sp_metadata(text.replace("https://new.shop.test", "https://shop.test").encode(), now=NOW)
    texts, _ = told(before, after)
    assert any(text.startswith("AssertionConsumerService: now ") for text in texts)
    assert changes(before, before) == ()
