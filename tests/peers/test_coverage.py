"""The coverage report says of everybody whether a logout reaches them (product A4)."""

from datetime import timedelta

import pytest

from saml_slo.peers.coverage import State, coverage
from saml_slo.protocol.method import Method
from saml_slo.protocol.upstream import Upstream
from tests.wire.idp_metadata import NOW, endpoint, entity, role
from tests.wire.sp_metadata import consumer, sp_entity, sp_role

TODAY = NOW.date()
SECRETS = f'api_secrets = ["{"a" * 64}"]\n'


def report(place, today=TODAY, upstreams=()):
    """The report about a folder of files, which are all in force."""
    registry = place.registry()
    assert registry.problems() == ()
    return coverage(registry.applications(), registry.connections(), upstreams, today)


def sp(location=None, binding="HTTP-Redirect"):
    """A service provider's metadata with one logout endpoint or none."""
    logout = "" if location is None else endpoint("SingleLogout", location, binding)
    return sp_entity(sp_role(endpoints=logout + consumer()), entity_id="https://sp.test")


@pytest.mark.parametrize(
    ("toml", "options", "method", "where", "state", "words"),
    [
        ("", {}, Method.NONE, "", State.TAKES_NO_PART, "no session"),
        ('logout = "url"\nlogout_uri = "https://a.test/x"', {}, Method.URL, "", State.TAKES_NO_PART, "no session"),
        ("", {"xml": sp("https://a.test/o")}, Method.SAML, "https://a.test/o", State.COVERED, "through the browser"),
        ("", {"xml": sp("https://a.test/s", "SOAP")}, Method.SAML, "https://a.test/s", State.COVERED, "by SOAP"),
        ("", {"xml": sp()}, Method.SAML, "", State.BLIND, "no logout endpoint"),
        ('logout_url = "https://a.test/u"', {"xml": sp()}, Method.SAML, "https://a.test/u", State.COVERED, "answers"),
        (
            SECRETS + 'logout = "oidc-backchannel"\nlogout_uri = "https://a.test/b"',
            {},
            Method.OIDC_BACKCHANNEL,
            "https://a.test/b",
            State.COVERED,
            "called from here",
        ),
        (
            SECRETS + 'logout = "webhook"\nlogout_uri = "https://a.test/w"',
            {"xml": sp()},
            Method.WEBHOOK,
            "https://a.test/w",
            State.COVERED,
            "tried again",
        ),
        *(
            (
                SECRETS + f'logout = "{kind}"\nlogout_uri = "https://a.test/f"',
                {},
                kind,
                "https://a.test/f",
                State.FRAME_ONLY,
                "cannot answer;",
            )
            for kind in (Method.OIDC_FRONTCHANNEL, Method.WSFED, Method.URL)
        ),
        (
            SECRETS + 'logout = "url"\nlogout_uri = "https://a.test/f"\ntrust_sent = true',
            {},
            Method.URL,
            "https://a.test/f",
            State.FRAME_ONLY,
            "counts as ended",
        ),
        (
            'proxy_origins = ["https://a.test"]\nlogout = "proxy"',
            {},
            Method.PROXY,
            "",
            State.COVERED,
            "asks us about each request",
        ),
    ],
)
def test_every_application_has_its_row(place, toml, options, method, where, state, words):  # noqa: PLR0917 - one row
    """Method, address, state and a sentence, by what the file and the metadata say."""
    place.application("shop", f'display_name = "Shop"\n{toml}', **options)
    (row,) = report(place).applications
    assert (row.name, row.title, row.method, row.where, row.state) == ("shop", "Shop", method, where, state)
    assert words in row.sentence
    assert row.until is None


def test_a_waiver_is_shown_with_its_day(place):
    """On its last day it holds, on the next one somebody has something to do."""
    place.application("shop", f'{SECRETS}logout = "none"\nwaived_until = {TODAY}\nwaiver = "No endpoint yet."')
    (row,) = report(place).applications
    assert (row.state, row.until) == (State.WAIVED, TODAY)
    assert row.sentence == f"It is not to be told until {TODAY}: No endpoint yet."
    assert report(place).uncovered == ()
    later = report(place, TODAY + timedelta(days=1))
    assert later.uncovered == later.applications
    assert later.applications[0].state is State.WAIVER_OVER
    assert later.applications[0].sentence == f"It was not to be told until {TODAY}: No endpoint yet."


def test_the_blind_are_counted(place):
    """Only who is blind or whose waiver is over is uncovered; frames, waivers and bystanders are not."""
    place.application("blind", xml=sp().replace("https://sp.test", "https://blind.test"))
    place.application("bystander")
    place.application("frame", f'{SECRETS}logout = "url"\nlogout_uri = "https://a.test/f"')
    found = report(place)
    assert [row.name for row in found.applications] == ["blind", "bystander", "frame"]
    assert [row.name for row in found.uncovered] == ["blind"]


@pytest.mark.parametrize(
    ("toml", "endpoints", "where", "state", "words"),
    [
        ("", "both", "https://idp.test/slo", State.COVERED, "signed LogoutRequest"),
        ("", "sso", "https://idp.test/sso", State.LOGIN_URL, "login URL"),
        ("login_url_fallback = false", "sso", "", State.OUT_OF_REACH, "may not be used"),
        ('logout_url = "https://idp.test/x"', "sso", "https://idp.test/x", State.COVERED, "answers"),
    ],
)
def test_every_connection_has_its_row(place, toml, endpoints, where, state, words):  # noqa: PLR0917 - one row
    """Whether a federated logout can reach the identity provider, and where."""
    xml = endpoint("SingleSignOn", "https://idp.test/sso")
    if endpoints == "both":
        xml = endpoint("SingleLogout", "https://idp.test/slo") + xml
    place.connection("idp", toml, xml=entity(role(endpoints=xml), entity_id="https://idp.test"))
    (row,) = report(place).providers
    assert (row.name, row.method, row.where, row.state) == ("idp", Method.SAML, where, state)
    assert words in row.sentence


def upstream(kind=Method.OIDC, **options):
    """A provider that does not speak SAML."""
    return Upstream(name="google", kind=kind, **{"logout_url": "https://op.test/out"} | options)


@pytest.mark.parametrize(
    ("provider", "state", "words"),
    [
        (upstream(returns=True, return_proves=True), State.COVERED, "comes back to us"),
        (upstream(returns=True, return_proves=True, needs=("id_token",)), State.COVERED, "needs the id token"),
        (upstream(needs=("client_id",)), State.OUT_OF_REACH, "client_id"),
        (upstream(needs=("client_id",), client_id="x", returns=True, return_proves=True), State.COVERED, "sent there"),
        (upstream(Method.VENDOR_URL), State.PAGE_ONLY, "stays there"),
        (upstream(Method.VENDOR_URL, returns=True), State.PAGE_ONLY, "proves nothing"),
        (upstream(Method.NONE, logout_url=None, why="It has no sign-out."), State.OUT_OF_REACH, "It has no sign-out."),
        (upstream(logout_url=None), State.OUT_OF_REACH, "no way to sign out"),
    ],
)
def test_every_other_provider_has_its_row(place, provider, state, words):
    """Providers that do not speak SAML stand among the connections, in the order of names."""
    place.connection("a")
    place.connection("z")
    rows = report(place, upstreams=(provider,)).providers
    assert [row.name for row in rows] == ["a", "google", "z"]
    assert (rows[1].method, rows[1].state, words in rows[1].sentence) == (provider.kind, state, True)
    assert rows[1].where == ("" if state is State.OUT_OF_REACH else "https://op.test/out")
