"""E116, E118: messages that grow when they are inflated, and compression where there is none.

The Redirect binding inflates, at most to 256 KiB, one whole DEFLATE stream and nothing behind it; the POST binding does
not inflate at all.

The doors of applications have the same parser and bindings; test_e_applications.py knocks there.
"""

import gzip
import zlib
from base64 import b64encode
from functools import cache
from urllib.parse import quote

import pytest

from saml_slo.protocol.envelope import HttpIn
from saml_slo.wire.bindings.redirect import MAX_QUERY_BYTES
from saml_slo.wire.xml import MAX_MESSAGE_BYTES
from tests.attacks.surfaces import by_post, by_redirect, form, signed_query

MEGABYTE = 1024 * 1024


def _deflated(octets, *, level=9, wbits=-15, strategy=zlib.Z_DEFAULT_STRATEGY):
    deflater = zlib.compressobj(level, wbits=wbits, strategy=strategy)
    return deflater.compress(octets) + deflater.flush()


@cache
def _megabyte():
    deflater = zlib.compressobj(9, wbits=-15)
    return deflater.compress(b"A" * MEGABYTE) + deflater.flush(zlib.Z_FULL_FLUSH)


def _bomb(size):
    """So many octets of A, without ever having them in memory: a piece that ends in a full flush may be repeated."""
    return _megabyte() * (size // MEGABYTE) + _deflated(b"A" * (size % MEGABYTE))


def _quoted(octets):
    return quote(b64encode(octets).decode(), safe="")


@by_redirect
@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES + 1, MEGABYTE, 10 * MEGABYTE, 45 * MEGABYTE])
def test_e116_a_bomb_in_a_url(stage, surface, size):
    """E116: 50 MB of A fit into a URL; inflating stops at the limit and takes less than 8 MB."""
    request = signed_query(surface, _quoted(_bomb(size)))
    assert len(request.query) <= MAX_QUERY_BYTES
    refusal = stage.refused(request, "message_too_large")
    assert refusal.growth < 8 * MEGABYTE


@by_redirect
@pytest.mark.parametrize("size", [100 * MEGABYTE, 1024 * MEGABYTE])
def test_e116_a_bomb_too_large_for_a_url(stage, surface, size):
    """E116: 1 GB in 1 MB is not inflated at all: the URL is too long, a 414."""
    refusal = stage.refused(signed_query(surface, _quoted(_bomb(size))), "message_too_large", status=414)
    assert refusal.growth < 8 * MEGABYTE


@by_redirect
def test_e116_a_bomb_without_a_signature(stage, surface):
    """E116: 50 MB in 48,605 octets, and nobody needs a key to send them."""
    bomb = _deflated(b"A" * 50_000_000)
    value = b64encode(bomb).decode().replace("+", "%2B")
    assert len(value) < MAX_QUERY_BYTES - 20
    request = HttpIn(method="GET", endpoint=surface.endpoint, query=f"{surface.parameter}={value}".encode())
    assert stage.refused(request, "message_too_large").growth < 8 * MEGABYTE


@by_redirect
def test_e116_a_genuine_message_that_grows(stage, surface):
    """E116: a genuine message in front does not help: a megabyte of spaces behind its root is too much."""
    octets = surface.hostile(stage) + b" " * MEGABYTE
    stage.refused(signed_query(surface, _quoted(_deflated(octets))), "message_too_large")


@by_post
@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (MEGABYTE, "decode_error"),
        (50 * MEGABYTE, "decode_error"),
        (200 * MEGABYTE, "decode_error"),
        (1024 * MEGABYTE, "message_too_large"),
    ],
)
def test_e116_a_bomb_in_a_form(stage, surface, size, reason):
    """E116: the same by POST, where nothing is inflated; 1 GB in 1 MB is larger than a form may be."""
    refusal = stage.refused(form(surface, _quoted(_bomb(size))), reason, "xml_malformed")
    assert refusal.growth < 8 * MEGABYTE
    assert (refusal.reason == "message_too_large") == (reason == "message_too_large")


STREAMS = {
    "plain": lambda octets: octets,
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "cut-off-by-one": lambda octets: _deflated(octets)[:-1],
    "cut-off-in-the-middle": lambda octets: _deflated(octets)[: len(octets) // 4],
    "never-finished": lambda octets: _unfinished(octets, zlib.Z_SYNC_FLUSH),
    "never-finished-full": lambda octets: _unfinished(octets, zlib.Z_FULL_FLUSH),
    "octet-behind": lambda octets: _deflated(octets) + b"\0",
    "stream-behind": lambda octets: _deflated(octets) + _deflated(b"<a/>"),
    "same-stream-behind": lambda octets: _deflated(octets) * 2,
    "octet-before": lambda octets: b"\0" + _deflated(octets),
    "empty-blocks": lambda _: b"\x00\x00\x00\xff\xff" * 3_000,
    "reserved-block": lambda _: b"\x07",
    "zeros": lambda _: b"\0" * 100,
    "nothing": lambda _: b"",
    "one-octet": lambda _: b"\x03",
    "distance-too-far": lambda _: bytes.fromhex("4b049880000000"),
}


def _unfinished(octets, flush):
    deflater = zlib.compressobj(9, wbits=-15)
    return deflater.compress(octets) + deflater.flush(flush)


@by_redirect
@pytest.mark.parametrize("how", STREAMS)
def test_e116_streams_that_are_none(stage, surface, how):
    """E116: not deflated, with a header, cut off, or with something behind it: no message, and no guess at one."""
    octets = STREAMS[how](surface.hostile(stage))
    stage.refused(signed_query(surface, _quoted(octets)), "decode_error")


@by_redirect
def test_e116_one_stream_of_something_else(stage, surface):
    """E116: a whole stream that inflates to nothing, or to another stream, is no XML; it is inflated once."""
    twice = _deflated(_deflated(surface.hostile(stage)))
    for stream in (_deflated(b""), twice):
        stage.refused(signed_query(surface, _quoted(stream)), "xml_malformed")


WAYS = {
    "stored": {"level": 0},
    "fastest": {"level": 1},
    "best": {"level": 9},
    "small-window": {"wbits": -9},
    "fixed-huffman": {"strategy": zlib.Z_FIXED},
    "huffman-only": {"strategy": zlib.Z_HUFFMAN_ONLY},
}


@by_redirect
@pytest.mark.parametrize("how", WAYS)
def test_e116_any_way_to_deflate(stage, surface, how):
    """E116: the control: however a message was deflated, one whole stream is accepted."""
    surface.accepted(
        stage.bridge, request=lambda octets: signed_query(surface, _quoted(_deflated(octets, **WAYS[how])))
    )


@by_redirect
def test_e116_exactly_at_the_limit(stage, surface):
    """E116: a message that inflates to exactly the limit is accepted, with one octet more it is refused."""

    def padded(octets, size):
        return signed_query(surface, _quoted(_deflated(octets + b"\n" * (size - len(octets)))))

    surface.accepted(stage.bridge, request=lambda octets: padded(octets, MAX_MESSAGE_BYTES))
    stage.refused(padded(surface.hostile(stage), MAX_MESSAGE_BYTES + 1), "message_too_large")


PACKED = {
    "deflate": _deflated,
    "stored": lambda octets: _deflated(octets, level=0),
    "with-declaration": lambda octets: _deflated(b'<?xml version="1.0"?>' + octets),
    "with-newline": lambda octets: _deflated(b"\n" + octets),
    "cut-off": lambda octets: _deflated(octets)[:-5],
}


@by_post
@pytest.mark.parametrize("how", PACKED)
def test_e118_deflated_in_a_form(stage, surface, how):
    """E118: a genuine message that is deflated in a POST, as pysaml2 takes it, is a decode_error."""
    stage.refused(form(surface, _quoted(PACKED[how](surface.hostile(stage)))), "decode_error")


@by_post
@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress], ids=["zlib", "gzip"])
def test_e118_other_compression_in_a_form(stage, surface, pack):
    """E118: compression that SAML does not know is not looked into: it is no XML."""
    stage.refused(form(surface, _quoted(pack(surface.hostile(stage)))), "xml_malformed", "decode_error")
