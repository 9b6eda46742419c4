"""F122, F123, F130: which parameters a message comes in, how often and in which order.

Each of SAML's parameters comes at most once, whatever way its name is spelled, and never a request beside a response
(CVE-2025-27773): otherwise one reader verifies the first and another one believes the last. Order does not matter, and
parameters of others are left alone. Whatever is refused here is refused before any signature is looked at.

The doors of applications have the same parser and bindings; test_f_applications.py knocks there.
"""

from dataclasses import replace
from itertools import permutations, product
from urllib.parse import quote

import pytest

from saml_slo.wire.bindings.redirect import DEFLATE
from tests import idp
from tests.attacks.forge import thinned
from tests.attacks.invariants import evil
from tests.attacks.surfaces import (
    ANSWER_REDIRECT,
    BY_BROWSER,
    REQUEST_REDIRECT,
    SPELLED,
    by_browser,
    by_post,
    by_redirect,
)

NAMES = ("message", "RelayState", "SigAlg", "Signature", "SAMLEncoding")


def _signed(surface, octets):
    """The usual signed request, with every parameter that a signature covers and SAMLEncoding."""
    request = surface.request(octets, relay_state="state")
    part = b"&SAMLEncoding=" + quote(DEFLATE, safe="").encode()
    if surface.binding == "post":
        return replace(request, body=request.body + part + b"&SigAlg=a&Signature=b")
    return replace(request, query=request.query + part)


def _parts(request):
    """The parameters of a query or form as they stand, in order: a list of [name, value]."""
    raw = (request.body or request.query).decode()
    return [part.partition("=")[::2] for part in raw.split("&")]


def _joined(request, parts):
    raw = "&".join(f"{name}={value}" for name, value in parts).encode()
    return replace(request, **{"body" if request.body else "query": raw})


def _evil_value(surface, stage):
    """The message parameter's value for a forged message, encoded as the binding does."""
    forged = _parts(surface.request(idp.octets(evil(surface.draft(stage.pending.id)))))
    return forged[0][1]


TWICE = thinned(list(product(NAMES, SPELLED, ("before", "behind", "last"), BY_BROWSER)), 7)


@pytest.mark.parametrize(
    ("name", "spelling", "where", "surface"), TWICE, ids=["-".join(map(str, member)) for member in TWICE]
)
def test_f122_a_parameter_twice(stage, surface, name, spelling, where):
    """F122: the same parameter twice, the forged one before or behind the signed one, is ambiguous."""
    name = surface.parameter if name == "message" else name
    request = _signed(surface, surface.hostile(stage))
    parts = _parts(request)
    position = [other for other, _ in parts].index(name)
    value = _evil_value(surface, stage) if name == surface.parameter else "x"
    twin = (SPELLED[spelling](name), value)
    parts.insert({"before": position, "behind": position + 1, "last": len(parts)}[where], twin)
    stage.refused(_joined(request, parts), "binding_ambiguous")


@by_browser
@pytest.mark.parametrize("value", ["", "same"])
@pytest.mark.parametrize("name", NAMES)
def test_f122_twice_and_no_difference(stage, surface, name, value):
    """F122: an empty twin, and one with the very same value, are ambiguous too: nobody guesses."""
    name = surface.parameter if name == "message" else name
    request = _signed(surface, surface.hostile(stage))
    parts = _parts(request)
    parts.append((name, dict(parts)[name] if value == "same" else ""))
    stage.refused(_joined(request, parts), "binding_ambiguous")


@by_browser
@pytest.mark.parametrize("spelling", SPELLED)
@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("other", ["forged", "empty"])
def test_f123_a_request_beside_a_response(stage, surface, spelling, order, other):
    """F123: a signed request and an unsigned forged response in one query or form, in either order, are ambiguous."""
    name = {"SAMLRequest": "SAMLResponse", "SAMLResponse": "SAMLRequest"}[surface.parameter]
    request = surface.request(surface.hostile(stage))
    parts = _parts(request)
    forged = (SPELLED[spelling](name), _evil_value(surface, stage) if other == "forged" else "")
    parts.insert(0 if order == "first" else len(parts), forged)
    stage.refused(_joined(request, parts), "binding_ambiguous")


def test_f123_two_genuine_messages(stage):
    """F123: a genuine LogoutRequest and a genuine LogoutResponse, each signed, in one query: neither is taken."""
    request = REQUEST_REDIRECT.request(REQUEST_REDIRECT.hostile(stage))
    answer = ANSWER_REDIRECT.request(ANSWER_REDIRECT.hostile(stage))
    for first, second in permutations((request.query, answer.query)):
        stage.refused(replace(request, query=first + b"&" + second), "binding_ambiguous")


@by_post
@pytest.mark.parametrize("name", ["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding"])
@pytest.mark.parametrize("spelling", SPELLED)
def test_f123_parameters_in_the_url_of_a_post(stage, surface, name, spelling):
    """F123: one of SAML's parameters in the URL of a form, under whatever spelling, is ambiguous."""
    request = surface.request(surface.hostile(stage))
    stage.refused(replace(request, query=f"{SPELLED[spelling](name)}=x".encode()), "binding_ambiguous")


# F130: order ----------------------------------------------------------------------------------------------------------

ORDERS = list(permutations(("message", "RelayState", "SigAlg", "Signature")))


@by_redirect
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_f130_any_order(stage, surface, order):
    """F130: the control: in whatever order they come, the signature is over message, RelayState, SigAlg."""

    def request(octets):
        made = surface.request(octets, relay_state="https://idp.example/?a=b&c=d")
        found = dict(_parts(made))
        names = [surface.parameter if name == "message" else name for name in order]
        return _joined(made, [(name, found[name]) for name in names])

    surface.accepted(stage.bridge, request=request)


EXTRAS = {
    "foo-last": lambda query: query + b"&foo=1",
    "foo-first": lambda query: b"foo=1&" + query,
    "foo-between": lambda query: query.replace(b"&SigAlg", b"&foo=1&SigAlg"),
    "empty-parts": lambda query: b"&&" + query.replace(b"&", b"&&") + b"&&",
    "name-only": lambda query: query + b"&foo",
    "value-only": lambda query: query + b"&=foo",
    "foo-twice": lambda query: b"foo=1&" + query + b"&foo=2",
    "tracking": lambda query: query + b"&utm_source=x&fbclid=y",
    "other-case": lambda query: query + b"&samlresponse=x&SAMLREQUEST=y&relaystate=z&sigalg=&SIGNATURE=",
    "look-alike": lambda query: query + b"&SAMLResponse2=x&xSAMLRequest=y&Signature.=z",
    "semicolon": lambda query: query + b"&foo=1;SAMLRequest=x",
    "encoded-ampersand": lambda query: query + b"&foo=1%26SAMLResponse=x",
    "fragment": lambda query: query + b"&foo=#SAMLRequest=x",
    "many": lambda query: query + b"".join(b"&f%d=1" % number for number in range(50)),
}


@by_redirect
@pytest.mark.parametrize("how", EXTRAS)
def test_f130_parameters_of_others(stage, surface, how):
    """F130: the control: parameters that are not SAML's, and empty ones, are left alone and not signed."""

    def request(octets):
        made = surface.request(octets, relay_state="a")
        return replace(made, query=EXTRAS[how](made.query))

    surface.accepted(stage.bridge, request=request)


@by_redirect
@pytest.mark.parametrize("spelling", SPELLED)
def test_f130_names_in_other_spellings(stage, surface, spelling):
    """F130: a name is compared decoded, so a sender that percent-encodes names signs what the binding says."""

    def request(octets):
        made = surface.request(octets, relay_state="a")
        return _joined(made, [(SPELLED[spelling](name), value) for name, value in _parts(made)])

    surface.accepted(stage.bridge, request=request)
