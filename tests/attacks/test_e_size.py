"""E114, E115: messages that are large, wide or deep. What lies at a limit is accepted, what lies beyond it refused.

The doors of applications have the same parser and bindings; test_e_applications.py knocks there.
"""

import io
from copy import deepcopy
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from lxml import etree

from saml_slo.wire.bindings.post import FORM, MAX_BODY_BYTES
from saml_slo.wire.xml import MAX_ATTRIBUTES, MAX_DEPTH, MAX_MESSAGE_BYTES, MAX_NAMESPACE_DECLARATIONS, MAX_TAGS
from tests import idp
from tests.attacks.surfaces import ANSWER_POST, ANSWER_REDIRECT, POSTS, REQUEST_REDIRECT, RESPONSE, everywhere
from tests.running import ORIGIN

FORBIDDEN = "xml_forbidden_construct"
MEGABYTE = 1024 * 1024


def _inside(content):
    """An edit that puts content into the message's Extensions, before it is signed."""
    return lambda root: root.insert(1, idp.element(f"<samlp:Extensions>{content}</samlp:Extensions>"))


def _planted(octets, content):
    """Octets put into Extensions behind the Issuer without a parser, which could not take them either."""
    issuer = b"</saml:Issuer>"
    return octets.replace(issuer, issuer + b"<samlp:Extensions>" + content + b"</samlp:Extensions>", 1)


def _nested(levels):
    return b'<a xmlns="urn:x">' + b"<a>" * (levels - 1) + b"</a>" * levels


def _wide(attributes):
    return b'<a xmlns="urn:x" ' + b" ".join(b'a%d="v"' % number for number in range(attributes)) + b"/>"


FLOODS = {
    "200000-children": (b"<a/>" * 200_000, "message_too_large"),
    "60000-children": (b'<a xmlns="urn:x"/>' + b"<a/>" * 60_000, FORBIDDEN),
    "9000-children": (b"<x:a xmlns:x='urn:x'/>" * 9_000, FORBIDDEN),
    "9000-children-open-and-closed": (b'<a xmlns="urn:x">' + b"<a></a>" * 9_000 + b"</a>", FORBIDDEN),
    "65-attributes": (_wide(MAX_ATTRIBUTES + 1), FORBIDDEN),
    "5000-attributes": (_wide(5_000), FORBIDDEN),
    "20000-attributes": (_wide(20_000), FORBIDDEN),
    "60000-attributes": (_wide(60_000), "message_too_large"),
    "3000-namespaces": (b"<a " + b" ".join(b'xmlns:n%d="urn:%d"' % (n, n) for n in range(3_000)) + b"/>", FORBIDDEN),
    "10-MB-of-text": (b"A" * 10 * MEGABYTE, "message_too_large"),
    "300-levels": (_nested(300), "xml_malformed"),
    "10000-levels": (_nested(10_000), "xml_malformed"),
    "10000-open": (b"<a>" * 10_000, "xml_malformed"),
    "100000-levels": (_nested(100_000), "message_too_large"),
    "80000-open": (b"<a>" * 80_000, "xml_malformed"),
}


@everywhere
@pytest.mark.parametrize("flood", FLOODS)
def test_e114_e115_floods(stage, surface, flood):
    """E114, E115: many children, attributes, namespaces or levels are refused before they cost anything."""
    content, *reasons = FLOODS[flood]
    request = surface.request(_planted(surface.hostile(stage), content))
    if len(request.body) > MAX_BODY_BYTES or len(request.query) > 64 * 1024:
        reasons = ["message_too_large"]
    stage.refused(request, *reasons, status=414 if len(request.query) > 64 * 1024 else None)


# At each limit the message is accepted, one beyond it is refused ------------------------------------------------------

LIMITS = {
    "depth": (lambda most: _nested(most).decode(), "xml_malformed"),
    "attributes": (lambda most: _wide(most).decode(), FORBIDDEN),
}


@everywhere
@pytest.mark.parametrize("limit", LIMITS)
def test_e114_e115_at_the_limit(stage, surface, limit):
    """E114, E115: as deep and as wide as allowed is accepted, one more is refused."""
    make, reason = LIMITS[limit]
    above = 4 if surface.binding == "soap" else 2  # the elements in which it stands
    most = MAX_DEPTH - above if limit == "depth" else MAX_ATTRIBUTES
    surface.accepted(stage.bridge, _inside(make(most)))
    stage.refused(surface.request(surface.hostile(stage, _inside(make(most + 1)))), reason)


def _longer(root, number):
    wrapper = next(root.iter("{urn:x}a"))
    wrapper.text = (wrapper.text or "") + "P" * number


def _more_elements(root, number):
    wrapper = next(root.iter("{urn:x}a"))
    for _ in range(number):
        etree.SubElement(wrapper, "{urn:x}a")


def _more_namespaces(root, number):
    wrapper = next(root.iter("{urn:x}a"))
    for _ in range(number):
        etree.SubElement(wrapper, f"{{urn:n{len(wrapper)}}}a")


COUNTED = {
    "octets": (MAX_MESSAGE_BYTES, len, _longer, "message_too_large"),
    "tags": (MAX_TAGS, lambda octets: octets.count(b"<"), _more_elements, FORBIDDEN),
    "namespaces": (MAX_NAMESPACE_DECLARATIONS, lambda octets: octets.count(b"xmlns"), _more_namespaces, FORBIDDEN),
}


@everywhere
@pytest.mark.parametrize("limit", COUNTED)
@pytest.mark.parametrize("beyond", [0, 1], ids=["at", "beyond"])
def test_e114_exactly(stage, surface, limit, beyond):
    """E114: a message of exactly the largest size, or of most tags or namespaces, is accepted; one more is not."""
    most, measure, grow, reason = COUNTED[limit]

    def edit(root):
        _inside('<x:a xmlns:x="urn:x"/>')(root)
        grow(root, 1)
        grow(root, most + beyond - measure(surface.seal(deepcopy(root))))

    if beyond:
        octets = surface.hostile(stage, edit)
        assert measure(octets) == most + 1
        stage.refused(surface.request(octets), reason)
    else:
        surface.accepted(stage.bridge, edit)


# The body of a POST, before anything is decoded -----------------------------------------------------------------------


def _padded(request, size):
    """The form, with a parameter of no interest that makes it exactly so large."""
    body = request.body + b"&foo="
    return replace(request, body=body + b"A" * (size - len(body)))


@pytest.mark.parametrize("surface", POSTS, ids=str)
def test_e114_form_at_the_limit(stage, surface):
    """E114: a form of 512 KiB is taken, with one octet more it is a 413."""
    surface.accepted(stage.bridge, request=lambda octets: _padded(surface.request(octets), MAX_BODY_BYTES))
    stage.refused(_padded(surface.request(surface.hostile(stage)), MAX_BODY_BYTES + 1), "message_too_large")


class Body(io.RawIOBase):
    """A body of so many octets (None: endless) that is made while it is read, and counts how much was taken of it."""

    def __init__(self, size, start=b"SAMLResponse="):
        self.left, self.taken, self.start = size, 0, start

    def readable(self):
        """It can be read."""
        return True

    def readinto(self, buffer):
        """Give as much as is asked for."""
        length = len(buffer) if self.left is None else min(len(buffer), self.left)
        head, self.start = self.start[:length], self.start[length:]
        buffer[:length] = head + b"A" * (length - len(head))
        self.taken += length
        if self.left is not None:
            self.left -= length
        return length


def _streamed(surface, body, **how):
    """A function that posts a stream."""
    environ = {"wsgi.input": body, **how}
    path = urlsplit(surface.endpoint).path
    return lambda browser: browser.open(
        path, method="POST", base_url=ORIGIN, content_type=FORM, environ_overrides=environ
    )


@pytest.mark.parametrize("surface", [RESPONSE, ANSWER_POST], ids=str)
@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 2, 10 * MEGABYTE, 100 * MEGABYTE, 10**15])
def test_e114_announced(stage, surface, size):
    """E114: a body that says that it is too large is a 413, and not one octet of it is read."""
    body = Body(size)
    stage.refused(_streamed(surface, body, CONTENT_LENGTH=str(size)), "message_too_large")
    assert body.taken == 0


@pytest.mark.parametrize("surface", [RESPONSE, ANSWER_POST], ids=str)
@pytest.mark.parametrize("size", [10 * MEGABYTE, 100 * MEGABYTE, None], ids=["10-MB", "100-MB", "endless"])
def test_e114_e120_chunked(stage, surface, size):
    """E114, E120: chunks without end are read as far as the limit and no further."""
    body = Body(size)
    request = _streamed(surface, body, **{"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"})
    stage.refused(request, "message_too_large")
    assert body.taken <= MAX_BODY_BYTES + 64 * 1024


@pytest.mark.parametrize("surface", [REQUEST_REDIRECT, ANSWER_REDIRECT], ids=str)
def test_e114_one_text_of_the_largest_size(stage, surface):
    """E114: by Redirect the largest message, which is small when compressed, costs no more than any other."""
    octets = _planted(surface.hostile(stage), b"A" * (MAX_MESSAGE_BYTES - 4_000))
    stage.refused(surface.request(octets), "schema_violation")
