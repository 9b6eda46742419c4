"""Sessions that an application registers which speaks SAML: it is told of their end by SAML, in its own names (L9)."""

import pytest

from tests.api.calling import Caller, application, handle_of_browser
from tests.running import running_bridge
from tests.sp import SoapEndpoint, Sp


@pytest.fixture
def parties(tmp_path, redis_url):
    """A bridge, the application `docs`, calling, the endpoint at which it takes LogoutRequests, and its SAML side."""
    with SoapEndpoint(signer="idp-next") as endpoint:
        toml = 'connection = "idp"\n' + application("docs", 'logout = "saml"\n')
        sp = Sp("docs", "idp-next", bindings=("SOAP",), soap_url=endpoint.url, more=toml)
        endpoint.entity_id = sp.entity_id
        with running_bridge(tmp_path, redis_url, sps=(sp,), back_channel_allow=("127.0.0.1",)) as bridge:
            endpoint.clock = bridge.clock
            yield bridge, Caller(bridge, "docs"), endpoint, sp


def named(request):
    """The NameID and the SessionIndex of a LogoutRequest."""
    return request.find("{*}NameID").text, [index.text for index in request.iter("{*}SessionIndex")]


def test_the_request_says_what_the_application_registered(parties):
    """Its id of the person is the NameID, its session id the SessionIndex: by names of ours it would find nothing."""
    _, docs, endpoint, _ = parties
    docs.register("web-1", user="alice")
    answer = docs.logout(user="alice")
    assert [(row["name"], row["state"]) for row in answer.get_json()["sessions"]][1:] == [("docs", "confirmed")]
    assert [named(request) for request in endpoint.asked] == [("alice", ["web-1"])]


def test_a_session_without_a_user_is_named_by_its_id(parties):
    """Bound to one of ours it has no user; what was signed in by SAML is told of as our assertion named it."""
    bridge, docs, endpoint, sp = parties
    browser = bridge.browser()
    told = sp.sign_in(bridge, browser)
    assert docs.register("web-1", session=handle_of_browser(bridge, "docs")).status_code == 201
    docs.logout(session="web-1")
    assert sorted(named(request) for request in endpoint.asked) == sorted(
        [(told.name_id, [told.session_index]), ("web-1", ["web-1"])]
    )
