"""E119: base64 that several decoders read in several ways.

Line breaks are tolerated, because senders wrap base64 at various columns. Nothing else is: no blank, no letter of
another alphabet, no padding too little, too much or in the middle, no second segment, no bits that stand for nothing.
Replay is told by the message, not by its spelling.

The doors of applications have the same parser and bindings; test_e_applications.py knocks there.
"""

from base64 import b64encode, standard_b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest

from tests.attacks.invariants import deliver
from tests.attacks.surfaces import POSTS, REDIRECTS, RESPONSE, by_browser, form, signed_query, someone, twin
from tests.idp import deflated


def _encoded(surface, octets):
    """The message as the binding encodes it, before percent-encoding."""
    return b64encode(octets).decode() if surface.binding == "post" else deflated(octets)


def _request(surface, text):
    """The request with this text as the value of the message, percent-encoded where it has to be."""
    value = quote(text.encode("latin-1"), safe="")
    return form(surface, value) if surface.binding == "post" else signed_query(surface, value)


def _middle(junk):
    """Put something between two quanta in the middle."""
    return lambda text: text[: len(text) // 8 * 4] + junk + text[len(text) // 8 * 4 :]


def _every(width, junk):
    return lambda text: junk.join(text[start : start + width] for start in range(0, len(text), width))


SPELLINGS = {
    "space": _middle(" "),
    "four-spaces": _middle("    "),
    "space-every-64": _every(64, " "),
    "tab": _middle("\t"),
    "vertical-tab": _middle("\x0b"),
    "form-feed": _middle("\x0c"),
    "nul": _middle("\0"),
    "backspace": _middle("A\x08"),
    "no-break-space": _middle("\xa0"),
    "next-line": _middle("\x85"),
    "exclamation-mark": _middle("!*"),
    "four-strangers": _middle("!*!*"),
    "hyphen": _middle("-"),
    "quotes": lambda text: f'"{text}"',
    "space-before": lambda text: " " + text,
    "space-behind": lambda text: text + " ",
    "padding-before": lambda text: "====" + text,
    "padding-behind": lambda text: text + "====",
    "one-more-padding": lambda text: text + "=",
    "padding-in-the-middle": _middle("="),
    "four-paddings-in-the-middle": _middle("===="),
    "comment": lambda text: text + "#x",
    "ampersand": lambda text: text + "&x",
    "data-url": lambda text: "data:;base64," + text,
    "percent-encoded-twice": lambda text: quote(text + "=", safe=""),
    "html-reference": _middle("&#10;"),
    "mime": lambda text: f"=?utf-8?B?{text}?=",
    "pem": lambda text: f"-----BEGIN-----\n{text}\n-----END-----",
    "twice": lambda text: text * 2 if text.endswith("=") else text + "====" + text,
    "another-behind": lambda text: text.rstrip("=") + "==" + b64encode(b"<a/>").decode(),
    "one-letter-more": lambda text: text.rstrip("=") + "A" * ((1 - len(text.rstrip("="))) % 4),
    "lower-half-of-unicode": _middle("\xe9"),
}


@by_browser
@pytest.mark.parametrize("how", SPELLINGS)
def test_e119_other_spellings(stage, surface, how):
    """E119: a genuine message whose base64 is spelled in another way is a decode_error, signed or not."""
    octets = surface.hostile(stage)
    stage.refused(_request(surface, SPELLINGS[how](_encoded(surface, octets))), "decode_error")


def _with_padding(surface, octets, wanted):
    """The encoded message, lengthened by spaces behind its root until its base64 ends in so many paddings."""
    for _ in range(64):
        text = _encoded(surface, octets)
        if len(text) - len(text.rstrip("=")) == wanted:
            return text
        octets += b" "
    pytest.fail("no such message")
    return None


@by_browser
@pytest.mark.parametrize("padding", [1, 2])
@pytest.mark.parametrize("how", ["none", "one-missing", "dots", "bits"])
def test_e119_padding(stage, surface, padding, how):
    """E119: padding left out, written otherwise, or bits before it that stand for nothing: a decode_error."""
    text = _with_padding(surface, surface.hostile(stage), padding)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = text.rstrip("=")[-1]
    text = {
        "none": text.rstrip("="),
        "one-missing": text[:-1],
        "dots": text.rstrip("=") + "." * padding,
        "bits": text.rstrip("=")[:-1] + alphabet[alphabet.index(last) + 1] + "=" * padding,
    }[how]
    stage.refused(_request(surface, text), "decode_error")


@by_browser
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_e119_right_padding(stage, surface, padding):
    """E119: the control: with no, one and two paddings, each where it belongs, the message is accepted."""
    surface.accepted(stage.bridge, request=lambda octets: _request(surface, _with_padding(surface, octets, padding)))


@by_browser
def test_e119_the_alphabet_of_urls(stage, surface):
    """E119: `-` and `_` are not the letters of this alphabet, in a URL neither."""
    octets = surface.hostile(stage)
    text = _encoded(surface, octets)
    while not {"+", "/"} & set(text):
        octets += b"\n"
        text = _encoded(surface, octets)
    for letter, other in (("+", "-"), ("/", "_")):
        if letter in text:
            stage.refused(_request(surface, text.replace(letter, other)), "decode_error")
    assert urlsafe_b64encode(b"\xfb\xff") != standard_b64encode(b"\xfb\xff")


BREAKS = {
    "newline-every-76": _every(76, "\n"),
    "crlf-every-64": _every(64, "\r\n"),
    "crlf-everywhere": _every(1, "\r\n"),
    "odd-columns": _every(7, "\n"),
    "carriage-returns": _every(64, "\r"),
    "before": lambda text: "\r\n\n" + text,
    "behind": lambda text: text + "\r\n",
}


@by_browser
@pytest.mark.parametrize("how", BREAKS)
def test_e119_line_breaks(stage, surface, how):
    """E119: the control: line breaks anywhere are tolerated, in a form and in a signed query."""
    surface.accepted(stage.bridge, request=lambda octets: _request(surface, BREAKS[how](_encoded(surface, octets))))


@pytest.mark.parametrize("surface", POSTS, ids=str)
def test_e119_a_form_writes_a_space_for_plus(stage, surface):
    """E119: in a form `+` is a space; a sender that does not escape it sends blanks, and is refused."""
    octets = surface.hostile(stage)
    while b"+" not in b64encode(octets):
        octets += b" \n"
    stage.refused(form(surface, b64encode(octets).decode()), "decode_error")


@pytest.mark.parametrize("surface", REDIRECTS, ids=str)
def test_e119_what_is_not_signed_is_not_the_same(stage, surface):
    """E119: by Redirect the spelling is signed: line breaks that were put in on the way are refused."""
    text = deflated(surface.hostile(stage))
    genuine = signed_query(surface, quote(text, safe="")).query.decode()
    broken = genuine.replace(quote(text, safe=""), quote(text[:64] + "\n" + text[64:], safe=""))
    assert broken != genuine
    request = signed_query(surface, "x")
    stage.refused(type(request)(method="GET", endpoint=surface.endpoint, query=broken.encode()), "signature_invalid")


@pytest.mark.parametrize("how", BREAKS)
def test_e119_another_spelling_is_a_replay(stage, how):
    """E119: a Response that was taken is not taken again in another spelling."""
    bridge = stage.bridge
    browser = bridge.browser()
    octets = RESPONSE.seal(RESPONSE.draft(bridge.start_sign_in(browser).id, someone()))
    again = twin(bridge, browser)
    assert deliver(browser, RESPONSE.request(octets)).status_code == 303
    text = BREAKS[how](b64encode(octets).decode())
    stage.refused(_request(RESPONSE, text), "replayed", browser=again)
