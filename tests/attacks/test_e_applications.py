"""Group E at the doors of applications: size, decompression, decoding. The limits are the same for everybody."""

import gzip
import zlib
from base64 import b64encode
from dataclasses import replace
from urllib.parse import quote

import pytest

from saml_slo.wire.bindings.post import MAX_BODY_BYTES
from tests import idp
from tests.attacks.application_surfaces import (
    ONE,
    POSTS,
    REDIRECTS,
    SURFACES,
    at_each_door,
    by_post,
    by_redirect,
    each,
    open_application_stage,
)
from tests.attacks.test_e_base64 import SPELLINGS
from tests.attacks.test_e_deflate import STREAMS, _bomb
from tests.attacks.test_e_entities import BOMBS
from tests.attacks.test_e_size import FLOODS, _planted

MEGABYTE = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
BY_BROWSER = REDIRECTS + POSTS


@pytest.fixture(scope="module")
def stage(tmp_path_factory, redis_url, canary):
    """A stage with applications."""
    with open_application_stage(tmp_path_factory.mktemp("stage"), redis_url, canary) as stage:
        yield stage


def carrying(surface, octets):
    """The request whose message parameter is these octets in base64, signed where the binding signs the query."""
    return spelled(surface, b64encode(octets).decode())


def spelled(surface, text):
    """The request whose message parameter is this text."""
    value = quote(text.encode("latin-1"), safe="")
    if surface.binding == "post":
        return replace(idp.post(b"<a/>", endpoint=surface.endpoint), body=f"{surface.parameter}={value}".encode())
    query = f"{surface.parameter}={value}&SigAlg={quote(idp.RSA_SHA256, safe='')}"
    signature = quote(b64encode(idp.detached(query.encode(), ONE.signer)).decode(), safe="")
    request = idp.redirect(b"<a/>", endpoint=surface.endpoint, parameter=surface.parameter, signer=ONE.signer)
    return replace(request, query=f"{query}&Signature={signature}".encode())


@each(BOMBS, 3)
def test_e112_entities(stage, surface, name):
    """E112: no entity is expanded, whatever it would become."""
    doctype, reference = BOMBS[name]
    octets = surface.hostile(stage).replace(b"</saml:Issuer>", reference.encode() + b"</saml:Issuer>", 1)
    request = surface.request(doctype.encode() + octets)
    reasons = ("xml_forbidden_construct", "xml_malformed", "message_too_large")
    stage.refused(request, *reasons, browser=stage.alice, status=414 if len(request.query) > 64 * 1024 else None)


@at_each_door
@pytest.mark.parametrize("place", ["element", "attribute"])
def test_e113_a_file(stage, canary, surface, place):
    """E113: no file is opened, and nothing of it shows anywhere."""
    octets = surface.hostile(stage)
    old, new = (
        (b"</saml:Issuer>", b"&x;</saml:Issuer>")
        if place == "element"
        else (b' Version="2.0"', b' Version="2.0" Consent="&x;"')
    )
    doctype = f'<!DOCTYPE x [<!ENTITY x SYSTEM "{canary.file.as_uri()}">]>'.encode()
    request = surface.request(doctype + octets.replace(old, new, 1))
    refusal = stage.refused(request, "xml_forbidden_construct", "xml_malformed", browser=stage.alice)
    assert b"canary" not in refusal.response.get_data()
    assert "canary.txt" not in str(refusal.line)


@each(FLOODS, 3)
def test_e114_e115_floods(stage, surface, name):
    """E114, E115: many children, attributes, namespaces or levels are refused before they cost anything."""
    content, *reasons = FLOODS[name]
    request = surface.request(_planted(surface.hostile(stage), content))
    if len(request.body) > MAX_BODY_BYTES or len(request.query) > 64 * 1024:
        reasons = ["message_too_large"]
    status = 414 if len(request.query) > 64 * 1024 else None
    stage.refused(request, *reasons, browser=stage.alice, status=status)


@by_redirect
@pytest.mark.parametrize("size", [MEGABYTE, 45 * MEGABYTE])
def test_e116_a_bomb_in_a_url(stage, surface, size):
    """E116: inflating stops at the limit."""
    refusal = stage.refused(carrying(surface, _bomb(size)), "message_too_large", browser=stage.alice)
    assert refusal.growth < 8 * MEGABYTE


@each(STREAMS, 2, REDIRECTS)
def test_e116_streams_that_are_none(stage, surface, name):
    """E116: not deflated, cut off, or with something behind it: no message, and no guess at one."""
    stage.refused(carrying(surface, STREAMS[name](surface.hostile(stage))), "decode_error", browser=stage.alice)


@by_post
@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, lambda octets: zlib.compress(octets)[2:-4]])
def test_e118_a_packed_form(stage, surface, pack):
    """E118: what is inflated by Redirect is not inflated in a form or an envelope."""
    stage.refused(carrying(surface, pack(surface.hostile(stage))), "decode_error", "xml_malformed", browser=stage.alice)


@each(SPELLINGS, 5, BY_BROWSER)
def test_e119_other_spellings(stage, surface, name):
    """E119: a genuine message whose base64 is spelled in another way is a decode_error."""
    octets = surface.hostile(stage)
    text = b64encode(octets).decode() if surface.binding == "post" else idp.deflated(octets)
    stage.refused(spelled(surface, SPELLINGS[name](text)), "decode_error", browser=stage.alice)


TYPES = {
    "none": "",
    "text": "text/plain",
    "json": "application/json",
    "multipart": "multipart/form-data; boundary=x",
    "utf-16": f"{FORM}; charset=utf-16",
    "almost": FORM + "x",
}


@by_post
@pytest.mark.parametrize("kind", TYPES)
def test_e120_a_body_of_another_type(stage, surface, kind):
    """E120: a form is one media type in UTF-8, at these doors too."""
    request = replace(surface.request(surface.hostile(stage)), content_type=TYPES[kind])
    stage.refused(request, "binding_mismatch", "decode_error", browser=stage.alice)


@pytest.mark.parametrize("surface", POSTS[:1] + SURFACES[4:5], ids=str)
@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 10 * MEGABYTE])
def test_e120_a_body_that_is_too_long(stage, surface, size):
    """E120: one octet beyond the limit is a 413, unread."""
    request = surface.request(surface.hostile(stage))
    padded = replace(request, body=request.body + b"&" * (size - len(request.body)))
    stage.refused(padded, "message_too_large", browser=stage.alice)


@pytest.mark.parametrize("surface", POSTS[:1], ids=str)
def test_e120_ten_thousand_fields(stage, surface):
    """E120: more fields than a message has are refused, not read one by one."""
    request = surface.request(surface.hostile(stage))
    many = replace(request, body=request.body + b"".join(b"&f%d=v" % number for number in range(10_000)))
    stage.refused(many, "binding_ambiguous", "decode_error", "message_too_large", browser=stage.alice)


@by_redirect
@pytest.mark.parametrize("size", [64 * 1024 + 1, MEGABYTE])
def test_e121_a_url_that_is_too_long(stage, surface, size):
    """E121: a 414."""
    request = surface.request(surface.hostile(stage))
    longer = replace(request, query=request.query + b"&x=" + b"a" * size)
    stage.refused(longer, "message_too_large", status=414, browser=stage.alice)
