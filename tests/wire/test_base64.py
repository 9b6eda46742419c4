"""Base64 of a parameter is read strictly (security E119)."""

import binascii
import re
from itertools import product

import pytest

from saml_slo.errors import MessageRefused, Reason
from saml_slo.wire.bindings.received import decode_base64

GRAMMAR = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?")


def candidates():
    """Every string of up to four octets out of all kinds, of eight and twelve out of few, and one strange octet."""
    for length in range(5):
        yield from product(b"Az9+/=-_ !\x00\xff", repeat=length)
    yield from product(b"A=+-", repeat=8)
    yield from product(b"A=", repeat=12)
    for octet, place in product(range(256), range(8)):
        yield bytes([*b"QUJDREVG"[:place], octet, *b"QUJDREVG"[place + 1 :]])


def test_accepts_exactly_the_padded_standard_alphabet():
    """What is accepted is what RFC 4648 says in sections 4 and 3.5, whatever this Python's decoder tolerates."""
    for candidate in candidates():
        octets = bytes(candidate)
        if b"\n" in octets or b"\r" in octets:
            continue
        if GRAMMAR.fullmatch(octets):
            assert decode_base64(octets) == binascii.a2b_base64(octets)
        else:
            with pytest.raises(MessageRefused) as refused:
                decode_base64(octets)
            assert refused.value.reason is Reason.DECODE_ERROR


@pytest.mark.parametrize("octets", [b"QU\r\nJD", b"\nQUJD\n", b"QUJ\r\nDRQ=\n="])
def test_line_breaks_are_tolerated(octets):
    """Line breaks may stand anywhere, because senders wrap base64 at various columns."""
    assert decode_base64(octets) == binascii.a2b_base64(octets)


@pytest.mark.parametrize("octets", [b"QU JD", b"QUJD\t", b"QUJD\x0b", b"QUJD\xc2\xa0"])
def test_other_white_space_is_not(octets):
    """Nothing but line breaks is skipped."""
    with pytest.raises(MessageRefused):
        decode_base64(octets)
