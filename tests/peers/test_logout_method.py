"""How an application is told of a logout: each method has its keys, and a key of another one is a mistake (L9, A4)."""

from dataclasses import fields
from datetime import date, timedelta

import pytest

from saml_slo.protocol.method import APPLICATION_METHODS, LogoutMethod, Method, Waiver
from saml_slo.protocol.peer import Application
from saml_slo.protocol.policy import Federated, Propagation
from tests.peers.conftest import PUBLIC_URL
from tests.wire.idp_metadata import NOW
from tests.wire.sp_metadata import consumer, sp_entity, sp_role

TODAY = NOW.date()
URI = "https://shop.test/logout"
ENTITY_ID = "https://shop.test"
DIGESTS = ("0" * 63 + "a", "f" * 64)
PROXY = 'proxy_origins = ["https://wiki.test"]'
WAIVER = f'logout = "none"\nwaived_until = {TODAY + timedelta(days=30)}\nwaiver = "Its vendor works on it."'
WITHOUT_LOGOUT = sp_entity(sp_role(endpoints=consumer()), entity_id=ENTITY_ID)


def loaded(place, toml, **options):
    """The application that a file makes, without a problem."""
    place.application("shop", toml, **options)
    registry = place.registry()
    assert registry.problems() == ()
    return registry.application("shop")


def problem(place, toml, **options):
    """The one problem of a file that is not loaded."""
    place.application("shop", toml, **options)
    registry = place.registry()
    (found,) = registry.problems()
    assert registry.applications() == ()
    assert found.file == place.folder / "applications" / "shop.toml"
    return found


METHODS = {
    "saml": ("", LogoutMethod(kind=Method.SAML)),
    "oidc-backchannel": (
        f'logout_uri = "{URI}"\nsession_required = true\naudience = "https://shop.test/api"',
        LogoutMethod(kind=Method.OIDC_BACKCHANNEL, uri=URI, session_required=True, audience="https://shop.test/api"),
    ),
    "oidc-frontchannel": (
        f'logout_uri = "{URI}"\nsession_required = true\ntrust_sent = true',
        LogoutMethod(kind=Method.OIDC_FRONTCHANNEL, uri=URI, session_required=True, trust_sent=True),
    ),
    "wsfed": (f'logout_uri = "{URI}?x=y"', LogoutMethod(kind=Method.WSFED, uri=f"{URI}?x=y")),
    "webhook": (
        f'logout_uri = "{URI}"\nwebhook_generation = 1000',
        LogoutMethod(kind=Method.WEBHOOK, uri=URI, webhook_generation=1000),
    ),
    "url": (f'logout_uri = "{URI}"\ntrust_sent = true', LogoutMethod(kind=Method.URL, uri=URI, trust_sent=True)),
    "proxy": (PROXY, LogoutMethod(kind=Method.PROXY)),
    "none": (
        f'waived_until = {TODAY}\nwaiver = " Its vendor works on it. "',
        LogoutMethod(kind=Method.NONE, waiver=Waiver(TODAY, "Its vendor works on it.")),
    ),
}


@pytest.mark.parametrize("method", APPLICATION_METHODS)
def test_every_method_has_its_keys(place, method):
    """Each method that an application can have is read with all of its keys, also beside SAML metadata."""
    toml, expected = METHODS[method]
    assert loaded(place, f'logout = "{method}"\n{toml}', entity_id=ENTITY_ID).logout == expected


def test_every_field_of_a_method_has_a_key():
    """What a method knows can be configured."""
    keys = {line.partition(" = ")[0] for toml, _ in METHODS.values() for line in toml.splitlines()}
    renamed = {"uri": "logout_uri", "waiver": "waived_until"}
    assert {renamed.get(field.name, field.name) for field in fields(LogoutMethod)} - {"kind"} <= keys


def test_every_field_of_an_application_has_a_key(place):
    """Each field that is not derived is set by its key, without any metadata."""
    toml = f"""
    logout = "webhook"
    logout_uri = "{URI}"
    api_secrets = ["{DIGESTS[0]}", "{DIGESTS[1]}"]
    users = "staff-1"
    proxy_origins = ["https://Wiki.test:443", "https://wiki.test:8443", "http://app.localhost:8002"]
    connection = "okta"
    preflight_url = "https://shop.test/busy"
    organisation = "acme"
    federated = "ask"
    propagation = "same_organisation"
    session_lifetime = 2678400
    idle_lifetime = 60
    display_name = "Shop"
    allowed_logout_urls = ["https://shop.test/bye"]
    """
    place.organisation("acme")
    application = loaded(place, toml)
    assert application == Application(
        client_id="shop",
        display_name="Shop",
        allowed_logout_urls=("https://shop.test/bye",),
        logout=LogoutMethod(kind=Method.WEBHOOK, uri=URI),
        api_secrets=DIGESTS,
        users="staff-1",
        proxy_origins=("https://wiki.test", "https://wiki.test:8443", "http://app.localhost:8002"),
        connection="okta",
        preflight_url="https://shop.test/busy",
        organisation="acme",
        federated=Federated.ASK,
        propagation=Propagation.SAME_ORGANISATION,
        session_lifetime=2678400,
        idle_lifetime=60,
    )
    unset = [field.name for field in fields(Application) if getattr(application, field.name) == field.default]
    assert unset == ["provider"]
    assert application.user_space == "staff-1"


@pytest.mark.parametrize(
    ("toml", "line", "words"),
    [
        ('logout = "smoke signals"', 1, "one of saml, oidc-backchannel, oidc-frontchannel, wsfed, webhook, url, proxy"),
        ('logout = "vendor_url"', 1, "one of saml"),
        *(
            (f'\nlogout = "{method}"', 2, f"logout = {method} needs a logout_uri")
            for method in METHODS
            if method[0] in "owu"
        ),
        *(
            (f'logout = "{method}"\n{METHODS[method][0]}\nlogout_uri = "{URI}"', None, "logout_uri does not belong to")
            for method in ("saml", "proxy", "none")
        ),
        (f'logout_uri = "{URI}"', 1, "an application without logout"),
        (
            f'logout = "webhook"\nlogout_uri = "{URI}"\nsession_required = true',
            3,
            'logout = "oidc-backchannel" or "oidc-',
        ),
        (f'logout = "oidc-frontchannel"\nlogout_uri = "{URI}"\naudience = "x"', 3, 'logout = "oidc-backchannel"'),
        (f'logout = "oidc-backchannel"\nlogout_uri = "{URI}"\naudience = ""', 3, "visible characters"),
        (
            f'logout = "webhook"\nlogout_uri = "{URI}"\ntrust_sent = true',
            3,
            "trust_sent does not belong to logout = webhook",
        ),
        (f'logout = "url"\nlogout_uri = "{URI}"\nwebhook_generation = 2', 3, 'expected: logout = "webhook"'),
        (f'logout = "webhook"\nlogout_uri = "{URI}"\nwebhook_generation = 0', 3, "from 1 to 1000"),
        (f'logout = "webhook"\nlogout_uri = "{URI}"\nwebhook_generation = 1001', 3, "from 1 to 1000"),
        (f'logout = "webhook"\nlogout_uri = "{URI}"\nwebhook_generation = true', 3, "from 1 to 1000"),
        ('logout = "webhook"\nlogout_uri = "http://shop.test/"', 2, "it is http"),
        ('logout = "webhook"\nlogout_uri = "https://shop.test/#x"', 2, "it has a fragment"),
        ('logout = "url"\nlogout_uri = "javascript:alert(1)"', 2, "does not begin with"),
        ('logout = "webhook"\nlogout_uri = "https://169.254.169.254/latest"', 2, "nobody can be"),
        ('logout = "webhook"\nlogout_uri = "https://a@b.test/"', 2, "a user name"),
        (f'logout = "url"\nlogout_uri = "{PUBLIC_URL}/v2/logout"', 2, "one of this service's own URLs"),
        (f'logout = "url"\nlogout_uri = "{PUBLIC_URL.upper()}"', 2, "one of this service's own URLs"),
        (f'preflight_url = "{PUBLIC_URL}/api"', 1, "one of this service's own URLs"),
        ('preflight_url = "http://shop.test/busy"', 1, "it is http"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_a_mistake_is_told_with_its_line(place, toml, line, words):
    """A key without its method, a method without its key, and an address that cannot be one."""
    found = problem(place, toml, entity_id=ENTITY_ID)
    assert words in found.text
    assert found.line == line or line is None


def test_http_needs_its_key(place):
    """`insecure_http` is for the application's own addresses too, and a mistake where it has none."""
    toml = 'insecure_http = true\nlogout = "url"\nlogout_uri = "http://shop.test/bye"'
    assert loaded(place, toml).logout.uri == "http://shop.test/bye"
    assert loaded(place, f'insecure_http = true\nlogout = "proxy"\n{PROXY.replace("https", "http")}').proxy_origins
    assert loaded(place, 'insecure_http = true\npreflight_url = "http://shop.test/x"').preflight_url
    assert problem(place, "insecure_http = true").line == 1


# Waivers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "line", "words"),
    [
        ('logout = "none"', 1, "needs a waiver"),
        (f'logout = "none"\nwaived_until = {TODAY}', 1, "needs a waiver"),
        ('logout = "none"\nwaiver = "because"', 1, "needs a waiver"),
        (f'logout = "none"\nwaived_until = {TODAY}\nwaiver = " "', 3, "one line of 1 to 256 characters"),
        (f'logout = "none"\nwaived_until = "{TODAY}"\nwaiver = "because"', 2, "without quotation marks"),
        (f'logout = "none"\nwaived_until = {TODAY}T10:00:00Z\nwaiver = "because"', 2, "a date such as"),
        (
            f'logout = "none"\nwaived_until = {TODAY + timedelta(days=401)}\nwaiver = "because"',
            2,
            "the waiver is too long",
        ),
        ('logout = "none"\nwaived_until = 9999-12-31\nwaiver = "because"', 2, "the waiver is too long"),
        (f'waived_until = {TODAY}\nwaiver = "because"', 1, 'expected: logout = "none"'),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_a_waiver_has_a_day_and_a_reason(place, toml, line, words):
    """A4: nobody is waived for ever, and nobody without a word why."""
    found = problem(place, toml)
    assert (found.line, words in found.text) == (line, True)


def test_a_waiver_of_400_days_is_taken(place):
    """The longest waiver ends on the 400th day from today."""
    until = TODAY + timedelta(days=400)
    assert loaded(place, f'logout = "none"\nwaived_until = {until}\nwaiver = "because"').logout.waiver.until == until


def test_a_waiver_that_is_over_is_a_warning(place):
    """On the day after, without any change of a file, the warning appears; the application stays in force."""
    place.application("shop", f'api_secrets = ["{DIGESTS[0]}"]\nlogout = "none"\nwaived_until = {TODAY}\nwaiver = "x"')
    registry = place.registry()
    assert registry.warnings() == ()
    place.later((86400 - NOW.hour * 3600 - NOW.minute * 60 - NOW.second) + 1)
    registry.refresh()
    (warning,) = registry.warnings()
    assert (warning.file.name, warning.line) == ("shop.toml", 3)
    assert f"the waiver ended with {TODAY}" in warning.text
    assert place.reported == [warning]
    assert registry.application("shop").logout.waiver == Waiver(TODAY, "x")
    assert place.registry().application("shop")


def test_a_waiver_of_long_ago_is_loaded_too(place):
    """A restart after the waiver's end must not turn the application off."""
    application = loaded(place, f'api_secrets = []\nlogout = "none"\nwaived_until = {date(2020, 1, 1)}\nwaiver = "x"')
    assert application.logout.waiver.until == date(2020, 1, 1)


# Taking part in sessions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [f'api_secrets = ["{DIGESTS[0]}"]', PROXY])
@pytest.mark.parametrize("options", [{}, {"entity_id": ENTITY_ID}])
def test_who_takes_part_must_be_told_or_waived(place, part, options):
    """A4: an application with sessions of its own and no logout method is refused, whether it speaks SAML or not."""
    found = problem(place, f"\n{part}", **options)
    assert found.line == 2
    assert "nobody could tell it of a logout" in found.text
    assert "waived_until" in found.text
    assert loaded(place, f"{part}\n{WAIVER}", **options).logout.waiver


def test_who_takes_no_part_needs_nothing(place):
    """Return URLs alone, or no secrets at all, are no sessions."""
    assert loaded(place, 'allowed_logout_urls = "https://shop.test/"').logout is None
    assert loaded(place, "api_secrets = []").logout is None
    assert place.registry().warnings() == ()


def test_saml_without_a_logout_endpoint_is_loaded_with_a_warning(place):
    """Its sign-in goes on working; another method or a waiver ends the warning."""
    assert loaded(place, "", xml=WITHOUT_LOGOUT).provider
    (warning,) = place.registry().warnings()
    assert "its metadata has no SingleLogoutService" in warning.text
    assert "waiver" in warning.text
    for toml in (WAIVER, f'logout = "webhook"\nlogout_uri = "{URI}"', f'logout_url = "{URI}"'):
        assert loaded(place, toml, xml=WITHOUT_LOGOUT).provider
        assert place.registry().warnings() == ()


def test_saml_must_be_possible_where_it_is_named(place):
    """`logout = "saml"` needs metadata, and an endpoint in it."""
    assert "shop.xml beside this file" in problem(place, 'logout = "saml"').text
    found = problem(place, '\nlogout = "saml"', xml=WITHOUT_LOGOUT)
    assert (found.line, "metadata with a SingleLogoutService" in found.text) == (2, True)


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        (f'"{DIGESTS[0]}"', "an array of up to 2 SHA-256 digests"),
        (f'["{DIGESTS[0]}", "{DIGESTS[1]}", "{"1" * 64}"]', "an array of up to 2"),
        (f'["{DIGESTS[1].upper()}"]', "64 lower-case hex digits"),
        (f'["{DIGESTS[0][1:]}"]', "64 lower-case hex digits"),
        (f'["sha256:{DIGESTS[0]}"]', "64 lower-case hex digits"),
        ("[1]", "64 lower-case hex digits"),
    ],
)
def test_secrets_are_digests(place, secrets, words):
    """A secret in the clear, or a third one, is refused."""
    assert words in problem(place, f"api_secrets = {secrets}\n{WAIVER}").text


@pytest.mark.parametrize("name", ['""', '"Staff"', '"a_b"', f'"{"a" * 64}"', "1"])
def test_a_space_of_users_has_a_plain_name(place, name):
    """Lower-case letters, digits and hyphens."""
    assert "1 to 63 lower-case letters" in problem(place, f"users = {name}").text


@pytest.mark.parametrize(
    ("origins", "words"),
    [
        ('"https://wiki.test"', "an array of 1 to 100 origins"),
        ("[]", "an array of 1 to 100 origins"),
        ("[1]", "an array of 1 to 100 origins"),
        ('["https://wiki.test/"]', "scheme, host and port alone"),
        ('["https://wiki.test/x"]', "scheme, host and port alone"),
        ('["https://wiki.test?x"]', "scheme, host and port alone"),
        ('["https://wiki.test#x"]', "it has a fragment"),
        ('["https://*.wiki.test"]', "not allowed there"),
        ('["https://wiki.test", "http://b.test"]', "it is http"),
        ('["wiki.test"]', "does not begin with"),
        (f'["{PUBLIC_URL}"]', "one of this service's own URLs"),
    ],
)
def test_proxy_origins_are_origins(place, origins, words):
    """Scheme, host and port, https, none of our own."""
    found = problem(place, f'logout = "proxy"\nproxy_origins = {origins}')
    assert (found.line, words in found.text) == (2, True)


def test_the_method_proxy_needs_origins(place):
    """Nobody would ask us about its requests."""
    found = problem(place, f'api_secrets = ["{DIGESTS[0]}"]\nlogout = "proxy"')
    assert (found.line, "proxy_origins" in found.text) == (2, True)


def test_an_origin_belongs_to_one_application(place):
    """Its cookie can be of one only: of the second by name the origin does not count, and the rest stays in force."""
    place.application("a", f'logout = "proxy"\n{PROXY}')
    place.application("b", 'logout = "proxy"\n\nproxy_origins = ["https://WIKI.test:443", "https://b.test"]')
    registry = place.registry()
    (found,) = registry.problems()
    assert (found.file.name, found.line) == ("b.toml", 3)
    assert "application a has the proxy origin https://wiki.test already" in found.text
    assert [application.proxy_origins for application in registry.applications()] == [
        ("https://wiki.test",),
        ("https://b.test",),
    ]


def test_a_connection_is_for_those_who_sign_in(place):
    """Behind a proxy people sign in through it; without metadata and proxy it could have no effect."""
    assert problem(place, 'connection = "okta"').line == 1
    place.connection("okta")
    assert loaded(place, f'logout = "proxy"\n{PROXY}\nconnection = "okta"').connection == "okta"
    assert place.registry().warnings() == ()
    application = loaded(place, 'connection = "okta"', entity_id=ENTITY_ID)
    assert application.connection == application.provider.connection == "okta"
    assert (
        "connection ping is not in force" in warning_of(place, f'logout = "proxy"\n{PROXY}\nconnection = "ping"').text
    )


def warning_of(place, toml):
    """The one warning about an application's file."""
    place.application("shop", toml)
    (warning,) = place.registry().warnings()
    return warning
