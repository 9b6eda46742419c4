"""E120, E121: games with the body, its type and length, and with the length of a URL.

A form is one media type in UTF-8, a body is as long as it says, and a query is at most 64 KiB. The test client speaks
WSGI: what only a server sees (a Content-Length twice, chunks that are cut off, a client that stops talking) is tested
against the real server by the suite of `serve`. Chunks without end are in test_e_size.py.

The doors of applications have the same parser and bindings; test_e_applications.py knocks there.
"""

import gzip
import io
import random
import zlib
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from saml_slo.wire.bindings.post import FORM
from saml_slo.wire.bindings.redirect import MAX_QUERY_BYTES
from tests import idp
from tests.attacks.surfaces import by_browser, by_post, by_redirect
from tests.running import ORIGIN

MEGABYTE = 1024 * 1024


def _posted(surface, body, **environ):
    """A function that posts a body with these WSGI variables over the usual ones; None takes one away."""
    usual = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": FORM}
    chosen = {name: value for name, value in {**usual, **environ}.items() if value is not None}

    def send(browser):
        return browser.open(urlsplit(surface.endpoint).path, method="POST", base_url=ORIGIN, environ_overrides=chosen)

    return send


def _body(surface, stage):
    return surface.request(surface.hostile(stage)).body


# What kind of body ---------------------------------------------------------------------------------------------------

TYPES = {
    "none": None,
    "empty": "",
    "text": "text/plain",
    "json": "application/json",
    "xml": "application/samlassertion+xml",
    "octets": "application/octet-stream",
    "almost": FORM + "x",
    "almost-2": "x" + FORM,
    "wildcard": "*/*",
    "utf-16": f"{FORM}; charset=utf-16",
    "utf-7": f"{FORM}; charset=utf-7",
    "latin-1": f"{FORM}; charset=iso-8859-1",
    "ebcdic": f"{FORM};charset=cp037",
    "empty-charset": f"{FORM}; charset=",
    "two-charsets": f"{FORM}; charset=utf-8; charset=utf-16",
    "charset-and-more": f"{FORM}; charset=utf-8; boundary=x",
    "boundary": f"{FORM}; boundary=x",
    "two-headers": f"{FORM},text/plain",
    "two-headers-reversed": f"text/plain, {FORM}",
    "two-equal-headers": f"{FORM}, {FORM}",
    "multipart": "multipart/form-data; boundary=x",
    "very-long": FORM + "; x=" + "a" * 100_000,
    "nul": FORM + "\0",
}


@by_post
@pytest.mark.parametrize("kind", TYPES)
def test_e120_content_type(stage, surface, kind):
    """E120: a genuine form under another Content-Type, charset, or two of them, is no form."""
    send = _posted(surface, _body(surface, stage), CONTENT_TYPE=TYPES[kind])
    stage.refused(send, "binding_mismatch")


@by_post
@pytest.mark.parametrize("kind", [FORM.upper(), f"{FORM};charset=UTF-8", f'{FORM} ; charset="utf-8"', f"{FORM};"])
def test_e120_content_type_of_a_form(stage, surface, kind):
    """E120: the control: the type in any case, with or without its charset."""
    surface.accepted(stage.bridge, request=lambda octets: replace(surface.request(octets), content_type=kind))


def _multipart(*parts):
    head = b"--x\r\nContent-Disposition: form-data; name="
    return b"".join(head + part + b"\r\n" for part in parts) + b"--x--\r\n"


@by_post
@pytest.mark.parametrize("how", ["field", "file", "1500-parts", "nested", "header-of-1-MB", "without-end"])
def test_e120_multipart(stage, surface, how):
    """E120: multipart is not the POST binding, whether the message is a field, a file or one of 1,500 parts."""
    value = idp.b64encode(surface.hostile(stage))
    name = f'"{surface.parameter}"'.encode()
    field = name + b"\r\n\r\n" + value
    body = {
        "field": lambda: _multipart(field),
        "file": lambda: _multipart(name + b'; filename="a.xml"\r\nContent-Type: text/xml\r\n\r\n' + value),
        "1500-parts": lambda: _multipart(*[b'"a%d"\r\n\r\nb' % number for number in range(1_500)], field),
        "nested": lambda: _multipart(b'"a"\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x', field),
        "header-of-1-MB": lambda: _multipart(b'"a"; x="' + b"y" * (400 * 1024) + b'"\r\n\r\n', field),
        "without-end": lambda: _multipart(field)[:-10],
    }[how]()
    send = _posted(surface, body, CONTENT_TYPE="multipart/form-data; boundary=x")
    stage.refused(send, "binding_mismatch")


CODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw-deflate": lambda body: zlib.compress(body, wbits=-15),
}


@by_post
@pytest.mark.parametrize("coding", CODINGS)
def test_e120_content_encoding(stage, surface, coding):
    """E120: a compressed body is not inflated, so there is no message in it."""
    send = _posted(surface, CODINGS[coding](_body(surface, stage)), HTTP_CONTENT_ENCODING=coding)
    stage.refused(send, "binding_mismatch", "decode_error")


@by_post
@pytest.mark.parametrize("size", [10 * MEGABYTE, 300 * MEGABYTE])
def test_e120_content_encoding_bomb(stage, surface, size):
    """E120: nor is a bomb: 300 MB in 300 kB costs no more than any other form without a message."""
    deflater = zlib.compressobj(9, wbits=31)
    piece = deflater.compress(b"A" * MEGABYTE) + deflater.flush(zlib.Z_FULL_FLUSH)
    send = _posted(surface, piece * (size // MEGABYTE), HTTP_CONTENT_ENCODING="gzip")
    refusal = stage.refused(send, "binding_mismatch", "decode_error", "binding_ambiguous")
    assert refusal.growth < 8 * MEGABYTE


# How long a body -----------------------------------------------------------------------------------------------------


@by_post
@pytest.mark.parametrize("missing", [1, 100, 100_000])
def test_e120_shorter_than_announced(stage, surface, missing):
    """E120: a body that ends before its Content-Length was cut off on the way, and is not a shorter message."""
    body = _body(surface, stage)
    stage.refused(_posted(surface, body, CONTENT_LENGTH=str(len(body) + missing)), "bad_request")


@by_post
@pytest.mark.parametrize("left", [0, 1, 20, 500, -1])
def test_e120_longer_than_announced(stage, surface, left):
    """E120: what comes behind Content-Length does not belong to the request."""
    body = _body(surface, stage)
    announced = left if left >= 0 else len(body) + left
    send = _posted(surface, body, CONTENT_LENGTH=str(announced))
    stage.refused(send, "decode_error", "xml_malformed", "binding_mismatch")


@by_post
@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "0x400", "1,000", "", " ", "9" * 400, "٣٠"])
def test_e120_no_length(stage, surface, length):
    """E120: a Content-Length that is no number, or one that nobody can send, is not believed and never a 500."""
    send = _posted(surface, _body(surface, stage), CONTENT_LENGTH=length)
    stage.refused(send, "binding_mismatch", "bad_request", "message_too_large")


# What is in the form -------------------------------------------------------------------------------------------------


@by_browser
@pytest.mark.parametrize(("fields", "accepted"), [(61, True), (64, True), (65, False), (1_000, False), (10_000, False)])
def test_e120_number_of_fields(stage, surface, fields, accepted):
    """E120: a form or query of 64 parameters is taken, of more it is refused."""

    def padded(octets):
        request = surface.request(octets)
        name = "body" if request.body else "query"
        present = getattr(request, name)
        more = b"".join(b"&a%d" % number for number in range(fields - 1 - present.count(b"&")))
        assert (present + more).count(b"&") == fields - 1
        return replace(request, **{name: present + more})

    if accepted:
        surface.accepted(stage.bridge, request=padded)
    else:
        request = padded(surface.hostile(stage))
        status = 414 if len(request.query) > MAX_QUERY_BYTES else None
        stage.refused(request, "binding_ambiguous", *(["message_too_large"] if status else []), status=status)


NAMES = {
    "nul-behind": "%00",
    "space-behind": "%20",
    "newline-behind": "%0A",
    "brackets": "[]",
    "index": "[0]",
    "dot": ".",
    "bom-behind": "%EF%BB%BF",
    "fullwidth": None,
    "lower-case": None,
    "utf-16": None,
    "encoded-twice": None,
    "overlong": None,
}


def _renamed(name, how):
    special = {
        "fullwidth": "\uff33AMLResponse",
        "lower-case": name.lower(),
        "utf-16": "".join(f"{letter}%00" for letter in name),
        "encoded-twice": "%2553" + name[1:],
        "overlong": "%C1%93" + name[1:],
    }
    return special.get(how) or name + NAMES[how]


@by_browser
@pytest.mark.parametrize("how", NAMES)
def test_e120_names_that_are_nearly_right(stage, surface, how):
    """E120: a parameter whose name only a lenient framework takes for ours is not ours."""
    octets = surface.hostile(stage)
    usual = f"{surface.parameter}=".encode()
    other = f"{_renamed(surface.parameter, how)}=".encode()
    request = surface.request(octets)
    name = "body" if request.body else "query"
    changed = replace(request, **{name: getattr(request, name).replace(usual, other, 1)})
    reasons = ("decode_error",) if how == "overlong" else ("binding_mismatch",)
    stage.refused(changed, *reasons)


@by_post
@pytest.mark.parametrize(
    "junk", [b"", b"&", b"=", b"&&&", b"x", b"\0", b"%", b"SAMLResponse", b"=SAMLResponse", b"\xff"]
)
def test_e120_bodies_without_a_message(stage, surface, junk):
    """E120: nothing, only separators, or a name without a value: a 400 and nothing else."""
    stage.refused(_posted(surface, junk), "binding_mismatch", "xml_malformed", "decode_error")


@by_post
def test_e120_random_bodies(stage, surface):
    """E120: a body of random octets is a 400."""
    dice = random.Random(120)
    for _ in range(10):
        stage.refused(_posted(surface, dice.randbytes(2_000)), "binding_mismatch", "decode_error")


@by_post
@pytest.mark.parametrize("separator", [b";", b"\n", b"|"])
def test_e120_other_separators(stage, surface, separator):
    """E120: only `&` separates parameters: what stands behind another sign belongs to the message's value."""
    body = _body(surface, stage) + separator + b"foo=1"
    stage.refused(_posted(surface, body), "decode_error", "binding_mismatch")


@by_post
@pytest.mark.parametrize("header", ["HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_X_METHOD_OVERRIDE"])
def test_e120_the_method_is_the_method(stage, surface, header):
    """E120: a header that wants to be the method is not asked: a query in a POST stays ambiguous."""
    query = idp.redirect(surface.hostile(stage), endpoint=surface.endpoint, parameter=surface.parameter).query
    send = _posted(surface, b"", QUERY_STRING=query.decode(), **{header: "GET"})
    stage.refused(send, "binding_ambiguous")


# How long a URL ------------------------------------------------------------------------------------------------------


def _long(surface, octets, size):
    """The signed query with a parameter of no interest that makes it exactly so long."""
    request = surface.request(octets)
    return replace(request, query=request.query + b"&foo=" + b"A" * (size - len(request.query) - 5))


@by_redirect
@pytest.mark.parametrize("size", [4_094, 8_190, 9_000, 32 * 1024, MAX_QUERY_BYTES])
def test_e121_urls_up_to_the_limit(stage, surface, size):
    """E121: a query of 9 kB, which many servers refuse, and of up to 64 KiB is taken."""
    surface.accepted(stage.bridge, request=lambda octets: _long(surface, octets, size))


@by_redirect
def test_e121_a_long_message(stage, surface):
    """E121: a signed message that is long itself, and cannot be compressed, is taken."""
    noise = random.Random(121).randbytes(20_000).hex()

    def edit(root):
        text = f'<samlp:Extensions><x:a xmlns:x="urn:x">{noise}</x:a></samlp:Extensions>'
        root.insert(1, idp.element(text))

    sizes = []

    def request(octets):
        made = surface.request(octets)
        sizes.append(len(made.query))
        return made

    surface.accepted(stage.bridge, edit, request=request)
    assert 20_000 < sizes[0] <= MAX_QUERY_BYTES


@by_redirect
@pytest.mark.parametrize("size", [MAX_QUERY_BYTES + 1, 100_000, MEGABYTE])
def test_e121_urls_beyond_the_limit(stage, surface, size):
    """E121: one octet more, and a megabyte, is a 414; the bridge lives."""
    request = _long(surface, surface.hostile(stage), size)
    assert len(request.query) == size
    stage.refused(request, "message_too_large", status=414)
    surface.accepted(stage.bridge)


@by_redirect
@pytest.mark.parametrize("size", [MAX_QUERY_BYTES + 1, MEGABYTE])
def test_e121_long_values_of_each_parameter(stage, surface, size):
    """E121: it does not matter which parameter is long."""
    genuine = surface.request(surface.hostile(stage), relay_state="a")
    for name in (surface.parameter, "RelayState", "SigAlg", "Signature"):
        query = genuine.query.replace(f"{name}=".encode(), f"{name}=".encode() + b"A" * size)
        stage.refused(replace(genuine, query=query), "message_too_large", status=414)
