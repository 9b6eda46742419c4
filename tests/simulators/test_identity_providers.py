"""Every vendor's IdP with its preset: it passes all rules and the receipt is right; and what goes wrong without.

What goes wrong is a rule that the vendor refuses (`breach`), or a receipt that says less than it could.
"""

from dataclasses import dataclass, replace

import pytest

from tests import idp
from tests.running import running_bridge
from tests.simulators import microsoft, servers, services
from tests.simulators.message import Breach, Message

NO_INDEX = ()
TWO = ("_s1", "_s2")


@dataclass(frozen=True)
class Case:
    """A situation at a vendor: what its preset makes of it, and what a connection without one does.

    Outcomes are states on the receipt, or `breach: rule`. `logout`: its metadata names a logout URL. `alive`: the
    vendor's session after the logout with the preset.
    """

    vendor: type
    preset: str
    generic: str
    indexes: tuple = ("_s1",)
    logout: bool = True
    alive: bool = False

    @property
    def title(self):
        """Its name in the list of tests."""
        words = [self.vendor.__name__, "" if self.logout else "no logout URL", f"{len(self.indexes)} indexes"]
        return ", ".join(filter(None, words))


CASES = [
    Case(microsoft.EntraId, "answered", "sent"),
    Case(microsoft.EntraId, "answered", "sent", indexes=NO_INDEX),
    Case(microsoft.EntraId, "answered", "sent", logout=False),
    Case(microsoft.AdFs, "answered", "sent"),
    Case(microsoft.AdFs, "unsupported", "breach: with_session_index", indexes=NO_INDEX, alive=True),
    Case(microsoft.AdFs, "answered", "sent", logout=False),
    Case(microsoft.AdFsWithOthers, "partial", "sent"),
    Case(services.Okta, "answered", "sent"),
    Case(services.Okta, "unsupported", "breach: logout_endpoint", logout=False, alive=True),
    Case(services.GoogleWorkspace, "sent", "breach: malformed_request"),
    Case(services.Salesforce, "confirmed", "confirmed"),
    Case(services.Salesforce, "confirmed", "breach: first_session_index_only", indexes=TWO),
    Case(services.Salesforce, "unsupported", "breach: with_session_index", indexes=NO_INDEX, alive=True),
    Case(services.Salesforce, "unsupported", "breach: logout_endpoint", logout=False, alive=True),
    Case(services.SalesforceCommunity, "confirmed", "breach: first_session_index_only", indexes=TWO),
    Case(services.SalesforceSandbox, "confirmed", "breach: first_session_index_only", indexes=TWO),
    Case(services.OneLogin, "answered", "sent"),
    Case(services.OneLogin, "unsupported", "breach: logout_endpoint", logout=False, alive=True),
    Case(services.OneLoginExpired, "sent", "sent"),
    Case(services.PingOne, "confirmed", "breach: post_only"),
    Case(services.PingOne, "unsupported", "breach: logout_endpoint", logout=False, alive=True),
    Case(services.PingFederate, "partial", "partial"),
    Case(services.PingFederate, "unsupported", "breach: logout_endpoint", logout=False, alive=True),
    Case(services.LoginGov, "answered", "sent"),
    Case(services.Auth0, "confirmed", "confirmed"),
    Case(services.Auth0, "unsupported", "breach: with_session_index", indexes=NO_INDEX, alive=True),
    Case(services.Auth0Failing, "partial", "partial"),
    Case(services.Auth0Expired, "sent", "sent"),
    Case(servers.Keycloak, "confirmed", "confirmed"),
    Case(servers.Keycloak, "confirmed", "confirmed", indexes=NO_INDEX),
    Case(servers.Keycloak, "confirmed", "confirmed", logout=False),
    Case(servers.Shibboleth, "confirmed", "confirmed"),
    Case(servers.Shibboleth, "unsupported", "breach: logout_endpoint", logout=False, alive=True),
    Case(servers.SimpleSamlPhp, "confirmed", "confirmed"),
    Case(servers.SimpleSamlPhp, "unsupported", "breach: logout_endpoint", logout=False, alive=True),
    Case(servers.SimpleSamlPhpWithoutCookie, "confirmed", "confirmed", alive=True),
    Case(servers.LemonLdap, "confirmed", "confirmed"),
    Case(servers.LemonLdap, "unsupported", "breach: with_session_index", indexes=NO_INDEX, alive=True),
    Case(servers.Wso2, "unsupported", "breach: with_session_index", indexes=NO_INDEX, alive=True),
    Case(servers.OpenAm, "unsupported", "breach: with_session_index", indexes=NO_INDEX, alive=True),
    Case(servers.Authentic2, "confirmed", "confirmed", indexes=TWO),
    Case(servers.Spid, "confirmed", "confirmed", indexes=TWO),
]
VENDORS = list(dict.fromkeys(case.vendor for case in CASES))
# Whose rules every connection of ours keeps, so that there is nothing for a preset to know.
KEPT_BY_DEFAULT = {
    servers.Keycloak: "no EncryptedID leaves, and one endpoint takes logins and logouts",
    servers.Authentic2: "the NameID goes out with every qualifier, and a RelayState is never empty",
    servers.Spid: "the same, by whichever binding its metadata names first",
    services.OneLoginExpired: "nobody can make it answer; it is a state on the receipt",
    services.Auth0Expired: "the same",
    servers.SimpleSamlPhpWithoutCookie: "it says that it did what it did not, signed; nobody can tell",
    services.Auth0Failing: "a top-level PartialLogout is read as what it means",
}
WORSE = {"answered": ("sent",), "partial": ("sent",), "confirmed": (), "sent": (), "unsupported": ()}


@pytest.fixture
def meet(tmp_path, redis_url):
    """Run a bridge with a vendor and a connection's TOML; return both."""
    stack = []

    def meeting(vendor, toml):
        vendor.write(tmp_path, toml)
        running = running_bridge(tmp_path, redis_url)
        bridge = running.__enter__()
        stack.append(running)
        vendor.meet(bridge)
        return vendor

    yield meeting
    for running in stack:
        running.__exit__(None, None, None)


def outcome(vendor, case):
    """Sign in and log out everywhere; return what became of it."""
    browser = vendor.bridge.browser()
    vendor.sign_in(browser, indexes=case.indexes)
    try:
        row = vendor.log_out(browser)
    except Breach as breach:
        return f"breach: {breach.rule}"
    assert not vendor.bridge.is_signed_in(browser)
    return row["state"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_with_its_preset(meet, case):
    """The whole federated logout passes every rule, and the receipt says what became of the vendor's session."""
    vendor = meet(case.vendor(has_logout=case.logout), f'preset = "{case.vendor.preset}"')
    assert outcome(vendor, case) == case.preset
    assert any(session.alive for session in vendor.sessions) == case.alive


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_without_a_preset(meet, case):
    """The same situation with an empty file: a rule is broken, the receipt says less, or there was nothing to know."""
    assert outcome(meet(case.vendor(has_logout=case.logout), ""), case) == case.generic


@pytest.mark.parametrize(
    "vendor", [services.OneLoginExpired, services.Auth0Expired], ids=lambda vendor: vendor.__name__
)
def test_a_silent_vendor_is_a_state(meet, vendor):
    """T1: no answer and no error page; when its time is over the receipt says so, and who comes back sees it."""
    them = meet(vendor(), f'preset = "{vendor.preset}"')
    browser = them.bridge.browser()
    them.sign_in(browser)
    assert them.log_out(browser)["state"] == "sent"
    them.bridge.clock.move(them.bridge.settings.logout_timeout + 1)
    row = them.row(browser)
    assert (row["state"], row["ended"]) == ("timed_out", False)


def test_a_generic_connection_fails_where_the_vendor_has_a_rule():
    """Each vendor has a case in which its preset matters, or a sentence why none can."""
    for vendor in VENDORS:
        differs = [case for case in CASES if case.vendor is vendor and case.preset != case.generic]
        assert bool(differs) != (vendor in KEPT_BY_DEFAULT), vendor
        for case in differs:
            assert case.generic.startswith("breach: ") or case.generic in WORSE[case.preset], case


# The emulators themselves ---------------------------------------------------------------------------------------------


def unsigned(message):
    """Take the signature off."""
    for signature in message.root.findall("{*}Signature"):
        message.root.remove(signature)
    return replace(message, query=message.query and message.query.partition("&SigAlg=")[0], parameters={})


def edited(attribute, value):
    """Return what sets an attribute of the message, None to take it off."""

    def edit(message):
        message.root.set(attribute, value)
        return message

    return edit


def renamed(value=None, **attributes):
    """Return what changes the NameID."""

    def edit(message):
        name_id = message.root.find("{*}NameID")
        name_id.text = value or name_id.text
        for name, text in attributes.items():
            name_id.set(name, text)
        return message

    return edit


def without_name(message):
    """Take the NameID out."""
    message.root.remove(message.root.find("{*}NameID"))
    return message


def indexed(*indexes):
    """Return what replaces the SessionIndex values."""

    def edit(message):
        for index in message.root.findall("{*}SessionIndex"):
            message.root.remove(index)
        for index in indexes:
            message.root.append(idp.element(f"<samlp:SessionIndex>{index}</samlp:SessionIndex>"))
        return message

    return edit


def relayed(value):
    """Return what changes the RelayState."""
    return lambda message: replace(message, parameters={**message.parameters, "RelayState": value})


def issued_by(message):
    """Change the Issuer."""
    message.root.find("{*}Issuer").text = "https://somebody-else.example"
    return message


def to_the_login_url(message):
    """Send it to the login URL."""
    return replace(message, location=message.location.rpartition("/")[0] + "/login")


BREACHES = {
    "signed": unsigned,
    "issuer": issued_by,
    "destination": edited("Destination", "https://somewhere.example/"),
    "logout_endpoint": to_the_login_url,
    "identifier": edited("ID", "1abc"),
    "plain_name_id": without_name,
    "known_name_id": renamed("mallory"),
    "same_name_id": renamed(SPNameQualifier="another"),
    "with_session_index": indexed(),
    "known_session_index": indexed("_other"),
    "first_session_index_only": indexed("_s1", "_s2"),
    "short_session_index": indexed("x" * 513),
    "relay_state": relayed(""),
    "time_window": edited("IssueInstant", "2026-11-20T05:26:00Z"),
}
ELSEWHERE = {"redirect_only", "post_only"}  # the cases above send by the other binding


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.__name__)
def test_an_emulator_enforces_each_of_its_rules(meet, vendor):
    """A message that is right but for one thing is refused by the rule of that thing, and the session there lives."""
    if vendor is services.GoogleWorkspace:
        return  # it refuses every message
    them = meet(vendor(), f'preset = "{vendor.preset}"')
    browser = them.bridge.browser()
    them.sign_in(browser, indexes=TWO)
    response = them.bridge.logout(browser, federated="")
    names = {rule.__name__ for rule in vendor.rules}
    for rule in vendor.rules:
        if rule.__name__ in ELSEWHERE:
            continue
        message = BREACHES[rule.__name__](Message.of(response))
        with pytest.raises(Breach) as refused:
            rule(them, message)
        assert refused.value.rule == rule.__name__
        with pytest.raises(Breach) as refused:
            them.receive(message)
        assert refused.value.rule in names
        assert all(session.alive for session in them.sessions)
    them.receive(Message.of(response))
