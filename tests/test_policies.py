"""Which policy holds for a logout: that of who asks, of an organisation, or of the tenant (product L2)."""

import pytest

from saml_slo.logout.reach import LOCAL
from saml_slo.policies import Policies
from saml_slo.protocol.messages import NameId
from saml_slo.protocol.policy import Federated, Propagation
from saml_slo.protocol.session import Login, Participant, Session
from tests.peers.conftest import Place

WAIVER = 'logout = "none"\nwaived_until = 2026-11-21\nwaiver = "x"\n'


def login(connection):
    """A sign-in through a connection."""
    return Login(
        connection=connection,
        name_id=NameId(value="alice"),
        session_indexes=(),
        authn_instant=0,
        assertion_id="_a",
        assertion_not_on_or_after=0,
        recorded_at=0,
    )


def participant(client_id):
    """An application's session."""
    return Participant(application=client_id, name_id=NameId(value="alice"), session_index="_s", since=0)


def session(*connections, applications=()):
    """A session of ours with these sign-ins and applications."""
    return Session(
        id="00-a",
        logins=tuple(map(login, connections)),
        created_at=0,
        absolute_ends_at=1,
        idle_ends_at=1,
        idle_lifetime=1,
        participants=tuple(map(participant, applications)),
    )


@pytest.fixture
def policies(tmp_path):
    """Make the policies of some files: organisations, connections and applications by name with their TOML."""
    place = Place(tmp_path)

    def make(*, organisations=None, connections=None, applications=None, **tenant):
        for name, toml in (organisations or {}).items():
            place.organisation(name, toml)
        for name, toml in (connections or {}).items():
            place.connection(name, toml)
        for name, toml in (applications or {}).items():
            place.application(name, toml)
        registry = place.registry()
        assert (registry.problems(), registry.warnings()) == ((), ())
        return Policies(registry=registry, **tenant)

    return make


# The identity provider ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "without", "with_param"),
    [("param", False, True), ("always", True, True), ("never", False, False), ("ask", False, True)],
)
@pytest.mark.parametrize("level", ["application", "organisation", "tenant"])
def test_every_word_means_the_same_on_every_level(policies, level, policy, without, with_param):
    """`param` follows the link, `ask` the person's answer, `always` and `never` nobody; `ask` alone makes us ask."""
    line = f'federated = "{policy}"'
    made = policies(
        organisations={"acme": line if level == "organisation" else ""},
        connections={"idp": 'organisation = "acme"'},
        applications={"shop": line if level == "application" else ""},
        **({"federated": Federated(policy)} if level == "tenant" else {}),
    )
    assert made.asks(login("idp"), "shop", param=False) is without
    assert made.asks(login("idp"), "shop", param=True) is with_param
    assert made.must_ask(session("idp"), "shop") is (policy == "ask")
    reach = made.reach([session("idp")], "shop", param=True)
    assert reach.asks(login("idp")) is with_param


def test_who_asks_is_nearer_than_the_organisation_and_that_than_the_tenant(policies):
    """The application's word counts before the organisation's, and that before the tenant's, for each IdP by itself."""
    made = policies(
        organisations={"acme": 'federated = "always"', "quiet": ""},
        connections={"idp": 'organisation = "acme"', "other": 'organisation = "quiet"', "free": ""},
        applications={"shop": 'federated = "never"', "wiki": 'organisation = "acme"'},
        federated=Federated.ASK,
    )
    assert made.federated_of(login("idp"), "shop") is Federated.NEVER
    assert made.federated_of(login("idp"), "wiki") is Federated.ALWAYS
    assert made.federated_of(login("idp"), None) is Federated.ALWAYS
    assert made.federated_of(login("idp"), "gone") is Federated.ALWAYS
    # The organisation of the application that asks decides nothing about another organisation's IdP.
    assert made.federated_of(login("free"), "wiki") is Federated.ASK
    assert made.federated_of(login("other"), None) is Federated.ASK
    assert made.federated_of(login("removed"), None) is Federated.ASK
    assert made.must_ask(session("idp", "free"), None)
    assert not made.must_ask(session("idp"), None)
    assert not made.must_ask(session(), None)


def test_the_receipt_says_whose_wish_it_was(policies):
    """An IdP that is left alone although the logout asked for it was left alone by policy."""
    made = policies(federated=Federated.NEVER)
    assert made.reach([session("idp")], None, param=False).kept == LOCAL
    assert "By the policy here" in made.reach([session("idp")], None, param=True).kept


# The other applications --------------------------------------------------------------------------------------------

APPLICATIONS = {
    "shop": f'{WAIVER}organisation = "acme"',
    "mine": f'{WAIVER}organisation = "acme"',
    "theirs": f'{WAIVER}organisation = "other"',
    "shared": WAIVER,
    "proxied": 'organisation = "other"\nlogout = "proxy"\nproxy_origins = ["https://wiki.test"]',
}
NAMES = (*APPLICATIONS, "removed")


def told(made, client_id, *connections):
    """The applications of a session that hear of a logout; every one that does not is told in a sentence why."""
    whole = session(*connections, applications=NAMES)
    reach = made.reach([whole], client_id, param=True)
    spared = {one.application: reach.spares(one) for one in whole.participants}
    assert all(why == "" or why.endswith(".") for why in spared.values())
    return [name for name, why in spared.items() if not why]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("all", ["shop", "mine", "theirs", "shared", "proxied", "removed"]),
        ("same_organisation", ["shop", "mine", "shared", "proxied", "removed"]),
        ("none", ["shop", "proxied"]),
    ],
)
@pytest.mark.parametrize("level", ["application", "organisation", "tenant"])
def test_every_propagation_means_the_same_on_every_level(policies, level, policy, expected):
    """Who asks is told, who asks us anyway too; one of no organisation is everybody's."""
    line = f'propagation = "{policy}"'
    made = policies(
        organisations={"acme": line if level == "organisation" else "", "other": ""},
        applications=APPLICATIONS | {"shop": APPLICATIONS["shop"] + (f"\n{line}" if level == "application" else "")},
        **({"propagation": Propagation(policy)} if level == "tenant" else {}),
    )
    assert told(made, "shop") == expected


def test_a_logout_belongs_to_who_asks_or_to_the_first_sign_in(policies):
    """Without an application's organisation it is the first sign-in's, of the session that an application is in."""
    made = policies(
        organisations={"acme": 'propagation = "same_organisation"', "other": ""},
        connections={"idp": 'organisation = "acme"', "foreign": 'organisation = "other"'},
        applications=APPLICATIONS,
        propagation=Propagation.NONE,
    )
    assert told(made, None, "idp", "foreign") == ["shop", "mine", "shared", "proxied", "removed"]
    assert told(made, "shared", "idp") == ["shop", "mine", "shared", "proxied", "removed"]
    # Of the organisation `other`, and of nobody, nothing is said, so the tenant's word counts.
    assert told(made, None, "foreign", "idp") == ["proxied"]
    assert told(made, "theirs", "idp") == ["theirs", "proxied"]
    assert told(made, None) == ["proxied"]
    first, second = session("foreign", applications=["theirs"]), session("idp", applications=["mine", "shop"])
    reach = made.reach([first, second], None, param=True)
    assert [bool(reach.spares(participant(name))) for name in ("theirs", "mine")] == [True, False]


def test_a_logout_of_nobody_in_particular_reaches_the_shared_ones(policies):
    """`same_organisation` without any organisation: those that an organisation owns are left alone."""
    made = policies(
        organisations={"acme": "", "other": ""},
        applications=APPLICATIONS,
        propagation=Propagation.SAME_ORGANISATION,
    )
    assert told(made, None) == ["shared", "proxied", "removed"]
