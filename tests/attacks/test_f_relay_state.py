"""F131: RelayState belongs to what is signed by Redirect, and is never followed.

RelayState of up to 2,048 octets is accepted (the binding says 80, and real senders put their return URL into it); an
empty one is not an absent one.

The doors of applications have the same parser and bindings; test_f_applications.py knocks there.
"""

from dataclasses import replace
from urllib.parse import quote

import pytest

from saml_slo.wire.bindings.received import MAX_RELAY_STATE
from tests.attacks.surfaces import by_browser, by_redirect, signed_query
from tests.idp import deflated

WITHOUT, EMPTY, STATE, OTHER = None, "", "a", "b"


def _delivered(surface, octets, signed, delivered):
    """A query signed with one RelayState and delivered with another."""
    query = surface.request(octets, relay_state=signed).query
    part = b"" if signed is None else b"&RelayState=" + quote(signed, safe="").encode()
    new = b"" if delivered is None else b"&RelayState=" + quote(delivered, safe="").encode()
    if part:
        query = query.replace(part + b"&", b"&", 1)
    changed = query.replace(b"&SigAlg=", new + b"&SigAlg=", 1)
    return replace(surface.request(octets), query=changed)


@by_redirect
@pytest.mark.parametrize("signed", [WITHOUT, EMPTY, STATE])
@pytest.mark.parametrize("delivered", [WITHOUT, EMPTY, STATE, OTHER])
def test_f131_relay_state_is_signed(stage, surface, signed, delivered):
    """F131: taken away, added, emptied or replaced on the way: signature_invalid. An empty one is not an absent one."""
    if signed == delivered:
        surface.accepted(stage.bridge, request=lambda octets: _delivered(surface, octets, signed, delivered))
    else:
        stage.refused(_delivered(surface, surface.hostile(stage), signed, delivered), "signature_invalid")


@by_redirect
@pytest.mark.parametrize("position", ["first", "last"])
def test_f131_added_elsewhere(stage, surface, position):
    """F131: it does not help to add it where the signature's order would not have it."""
    request = surface.request(surface.hostile(stage))
    query = b"RelayState=a&" + request.query if position == "first" else request.query + b"&RelayState=a"
    stage.refused(replace(request, query=query), "signature_invalid")


@by_browser
@pytest.mark.parametrize(
    "state", ["a" * MAX_RELAY_STATE, "é" * (MAX_RELAY_STATE // 2), "https://evil.example/", "//evil", "javascript:x"]
)
def test_f131_relay_state_up_to_the_limit(stage, surface, state):
    """F131: up to 2,048 octets are accepted, and a URL in it is not followed: `accepted` looks where one ends up."""
    surface.accepted(stage.bridge, request=lambda octets: surface.request(octets, relay_state=state))


@by_browser
@pytest.mark.parametrize("state", ["a" * (MAX_RELAY_STATE + 1), "é" * (MAX_RELAY_STATE // 2 + 1), "a" * 50_000])
def test_f131_relay_state_beyond_the_limit(stage, surface, state):
    """F131: one octet more is refused, counted in octets and not in characters."""
    stage.refused(surface.request(surface.hostile(stage), relay_state=state), "message_too_large")


@by_redirect
@pytest.mark.parametrize("state", ["%FF", "%C0%AF", "%ED%A0%80", "%E2%82"])
def test_f131_relay_state_that_is_no_text(stage, surface, state):
    """F131: RelayState that is not UTF-8 is a decode_error, though it is signed."""
    value = quote(deflated(surface.hostile(stage)), safe="")
    stage.refused(signed_query(surface, value, relay_state=state), "decode_error")
