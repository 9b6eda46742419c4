"""The URL of a provider's sign-out: what is known is filled in and encoded, what is not is left out (product P)."""

from dataclasses import replace

import pytest

from saml_slo.logout.requests import Unasked, upstream_request
from saml_slo.logout.transaction import Channel, State
from saml_slo.peers.methods.upstream import NEEDS, PLACES, missing, sign_out_url
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.method import Method
from saml_slo.protocol.peer import EndpointSource
from saml_slo.protocol.session import Login
from saml_slo.protocol.upstream import Upstream

KNOWN = dict.fromkeys(PLACES, "a b&c=d/é")
LOGIN = Login(
    connection="vendor",
    name_id=NameId(value="u-1"),
    session_indexes=("sid-1",),
    authn_instant=0,
    assertion_id="",
    assertion_not_on_or_after=0,
    recorded_at=0,
    tokens="sealed",
    token_names=("id_token", "access_token"),
)


def upstream(**parts):
    """A provider with these parts."""
    return Upstream(name="vendor", kind=Method.VENDOR_URL, logout_url="https://id.test/out", **parts)


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_filled_and_encoded(place):
    """Nothing of a token or name can add a parameter, leave the query or change the host."""
    made = sign_out_url(upstream(parameters=(("p", f"x{{{place}}}y"),)), "https://id.test/out", KNOWN)
    assert made == "https://id.test/out?p=xa%20b%26c%3Dd%2F%C3%A9y"


def test_a_parameter_with_something_unknown_is_left_out():
    """Half a parameter is a broken request; the others stay, in their order, behind the URL's own query."""
    provider = upstream(
        parameters=(("one", "1"), ("token", "{id_token}"), ("two", "{sid}-{user}"), ("state", "{state}"))
    )
    known = {"sid": "s", "user": "", "state": "_1"}
    assert sign_out_url(provider, "https://id.test/out?own=x", known) == "https://id.test/out?own=x&one=1&state=_1"


def test_what_a_place_holds_is_not_looked_at_again():
    """A token that looks like a place is text."""
    provider = upstream(parameters=(("p", "{user}{state}"),))
    made = sign_out_url(provider, "https://id.test/out", {"user": "{state}", "state": "_1"})
    assert made == "https://id.test/out?p=%7Bstate%7D_1"


@pytest.mark.parametrize("need", NEEDS)
def test_each_need_is_known_or_named(need):
    """P: with it the provider is asked; without it it is unsupported, and the sentence says what is missing."""
    provider = upstream(needs=(need,), client_id="c")
    asked = upstream_request(provider, LOGIN, 60_000)
    assert (asked.channel, asked.source) == (Channel.WINDOW, EndpointSource.CONFIGURATION)
    bare = replace(LOGIN, name_id=NameId(value=""), session_indexes=(), tokens=None, token_names=())
    refused = upstream_request(upstream(needs=(need,)), bare, 60_000)
    assert isinstance(refused, Unasked)
    assert refused.state is State.UNSUPPORTED
    assert refused.reason.startswith("Its sign-out needs ")
    assert missing(provider, {need: ""}) == (need,)
    assert missing(provider, {need: "x"}) == ()


def test_several_needs_are_all_named():
    """P: whoever mends it mends it once."""
    refused = upstream_request(upstream(needs=("id_token", "client_id")), replace(LOGIN, token_names=()), 60_000)
    assert "ID token" in refused.reason
    assert "client_id" in refused.reason
