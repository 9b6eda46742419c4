"""The plan: ours first, then the IdPs; the endpoint ladder and the SessionIndex ladder (product L2 to L6)."""

from itertools import count

import pytest

from saml_slo.logout.endpoint import idp_endpoint
from saml_slo.logout.plan import Planner, plan_logout
from saml_slo.logout.reach import EVERYWHERE, Reach
from saml_slo.logout.transaction import Kind, Rung, State
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Connection, Endpoint, EndpointSource
from saml_slo.protocol.session import Login, Session

SSO = Endpoint(binding=Binding.REDIRECT, location="https://idp.example/sso")
REDIRECT = Endpoint(binding=Binding.REDIRECT, location="https://idp.example/slo/redirect")
POST = Endpoint(binding=Binding.POST, location="https://idp.example/slo/post")
SOAP = Endpoint(binding=Binding.SOAP, location="https://idp.example/slo/soap")


def connection(name="idp", **settings):
    """A connection with these settings."""
    given = {
        "entity_id": name,
        "sp_entity_id": "sp",
        "acs_url": "",
        "slo_url": "",
        "metadata_url": "",
        "single_sign_on": (SSO,),
        "signing_certificates": (),
    }
    return Connection(name=name, **{**given, **settings})


def login(name="idp", indexes=("_s1",), at=1):
    """A login through a connection."""
    return Login(
        connection=name,
        name_id=NameId(value="alice"),
        session_indexes=indexes,
        authn_instant=at,
        assertion_id="_a",
        assertion_not_on_or_after=0,
        recorded_at=at,
    )


def plan(*logins, connections=None, federated=True):
    """The plan for a session with these logins."""
    session = Session(id="3f", logins=logins, created_at=1, absolute_ends_at=9, idle_ends_at=9, idle_lifetime=9)
    known = {found.name: found for found in connections or [connection(single_logout=(REDIRECT,))]}
    planner = Planner(
        connections=known,
        applications={},
        ids=(f"_{number}" for number in count()),
        now=5,
        back_patience=5_000,
        frame_patience=5_000,
        window_patience=60_000,
    )
    return plan_logout(planner, (session,), "3f", EVERYWHERE if federated else Reach(asks=lambda _: False))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"single_logout": (SOAP, POST, REDIRECT)}, (Binding.REDIRECT, REDIRECT.location, EndpointSource.METADATA)),
        ({"single_logout": (POST,)}, (Binding.POST, POST.location, EndpointSource.METADATA)),
        (
            {"single_logout": (REDIRECT, POST), "logout_binding": Binding.POST},
            (Binding.POST, POST.location, EndpointSource.METADATA),
        ),
        (
            {"single_logout": (REDIRECT,), "logout_url": "https://idp.example/mine"},
            (Binding.REDIRECT, "https://idp.example/mine", EndpointSource.OPERATOR),
        ),
        (
            {"logout_url": "https://idp.example/mine", "logout_binding": Binding.POST},
            (Binding.POST, "https://idp.example/mine", EndpointSource.OPERATOR),
        ),
        ({}, (Binding.REDIRECT, SSO.location, EndpointSource.LOGIN_URL)),
    ],
)
def test_the_logout_url_is_the_operators_then_the_metadatas_then_the_login_url(settings, expected):
    """L3: the operator's setting, the SingleLogoutService by binding preference, else the login URL."""
    endpoint, reason = idp_endpoint(connection(**settings), has_browser=True)
    assert (endpoint.binding, endpoint.location, endpoint.source) == expected
    assert reason == ""


@pytest.mark.parametrize("settings", [{"login_url_fallback": False}, {"single_sign_on": (SOAP,)}])
def test_without_a_way_to_ask_the_idp_is_unsupported_and_the_reason_is_a_sentence(settings):
    """A vetoed fallback, SOAP alone, or no endpoint at all: nobody is asked, and the receipt says why."""
    made = plan(login(), connections=[connection(**settings)])
    idp = made.targets[1]
    assert (idp.state, idp.request) == (State.UNSUPPORTED, None)
    assert idp.reason.endswith(".")


def test_every_session_index_goes_into_the_request():
    """L4, first rung: all recorded indexes of the login in one request."""
    request = plan(login(indexes=("_s1", "_s2"))).targets[1].request
    assert request.session_indexes == ("_s1", "_s2")
    assert request.rung is Rung.SESSION_INDEX


def test_only_the_first_index_where_the_vendor_keeps_only_one():
    """`first_session_index_only` (Salesforce): one index."""
    known = [connection(single_logout=(REDIRECT,), first_session_index_only=True)]
    assert plan(login(indexes=("_s1", "_s2")), connections=known).targets[1].request.session_indexes == ("_s1",)


def test_a_missing_session_index_is_asked_by_name_id_alone():
    """L4, second rung: none recorded, none invented."""
    request = plan(login(indexes=())).targets[1].request
    assert (request.session_indexes, request.rung) == ((), Rung.NAME_ID)


def test_each_idp_is_asked_with_the_index_of_its_own_login_in_the_order_of_sign_in():
    """S5, L6: two logins, two targets, each with its own SessionIndex; our session first and confirmed."""
    known = [connection(name, single_logout=(REDIRECT,)) for name in ("b", "a")]
    made = plan(login("b", ("_b",), 1), login("a", ("_a",), 2), connections=known)
    assert [(t.kind, t.peer, t.state) for t in made.targets] == [
        (Kind.SESSION, "", State.CONFIRMED),
        (Kind.IDP, "b", State.WAITING),
        (Kind.IDP, "a", State.WAITING),
    ]
    assert [t.request.session_indexes for t in made.targets[1:]] == [("_b",), ("_a",)]
    assert len({t.id for t in made.targets}) == len(made.targets)


def test_without_federated_the_idp_is_kept_and_named():
    """L2, T4: the IdP is no target, and the receipt says that its session lives on."""
    made = plan(login(), federated=False)
    assert [t.kind for t in made.targets] == [Kind.SESSION]
    assert [kept.peer for kept in made.kept] == ["idp"]


def test_a_connection_that_was_removed_is_a_state_not_an_error():
    """K235: removing an IdP that has live sessions."""
    idp = plan(login("gone")).targets[1]
    assert (idp.state, idp.name) == (State.UNSUPPORTED, "gone")
    assert "removed" in idp.reason
