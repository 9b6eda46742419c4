"""Every preset: the exact request that leaves by /v2/logout?federated, or the sentence that says why none can.

Whether a SAML vendor would take that request is what its emulator in tests/simulators says.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from saml_slo.peers.connection_file import KEYS
from saml_slo.peers.preset import preset_names, read_preset
from saml_slo.protocol.method import Method
from tests import elsewhere, idp, providers_table
from tests.running import ORIGIN, running_bridge, sent

RETURN = "https%3A%2F%2Fbridge.example%2Flogout%2Freturn"
PRESETS = {name: read_preset(name, KEYS) for name in preset_names()}
MICROSOFT = f"/oauth2/v2.0/logout?id_token_hint=ID.T&post_logout_redirect_uri={RETURN}&state=STATE"


@dataclass(frozen=True)
class Case:
    """What leaves with a preset, STATE standing for the message's id; `state` of the row after the browser is back.

    `state` None: the provider brings nobody back. `more`: further lines of the connection's file.
    """

    url: str
    state: str | None = None
    more: str = ""


ASKED = {
    "aol": Case("https://login.aol.com/account/logout"),
    "auth0-v2": Case(
        f"https://corp.eu.auth0.test/v2/logout?client_id=our-id&returnTo={RETURN}%3Fstate%3DSTATE",
        "answered",
        'domain = "corp.eu.auth0.test"\nclient_id = "our-id"',
    ),
    "adfs-wsfed": Case(
        f"https://fs.corp.test/adfs/ls/?wa=wsignout1.0&wreply={RETURN}%2FSTATE", "answered", 'domain = "fs.corp.test"'
    ),
    "entra-oidc": Case(f"https://login.microsoftonline.com/corp.test{MICROSOFT}", "answered", 'domain = "corp.test"'),
    "entra-wsfed": Case(
        f"https://login.microsoftonline.com/corp.test/wsfed?wa=wsignout1.0&wreply={RETURN}",
        "sent",
        'domain = "corp.test"',
    ),
    "facebook": Case(f"https://www.facebook.com/logout.php?access_token=A%2FT%3D&next={RETURN}", "sent"),
    "fitbit": Case("https://www.fitbit.com/logout"),
    "github": Case("https://github.com/logout"),
    "google": Case("https://accounts.google.com/Logout"),
    "linkedin": Case("https://www.linkedin.com/m/logout"),
    "microsoft-365": Case(f"https://login.microsoftonline.com/common{MICROSOFT}", "answered"),
    "oidc": Case(
        f"https://id.corp.test/end?id_token_hint=ID.T&client_id=our-id&post_logout_redirect_uri={RETURN}&state=STATE",
        "answered",
        'logout_url = "https://id.corp.test/end"\nclient_id = "our-id"',
    ),
    "passport": Case("https://login.live.com/logout.srf"),
    "twitter": Case("https://x.com/logout"),
    "windows-live": Case(
        f"https://login.live.com/oauth20_logout.srf?client_id=our-id&redirect_uri={RETURN}",
        "sent",
        'client_id = "our-id"',
    ),
    "wsfed": Case(
        f"https://sts.corp.test/?wa=wsignout1.0&wreply={RETURN}%2FSTATE",
        "answered",
        'logout_url = "https://sts.corp.test/"',
    ),
    "yahoo": Case("https://login.yahoo.com/config/login?logout=1"),
    "yammer": Case(f"https://login.microsoftonline.com/common{MICROSOFT}", "answered"),
}
# Nothing leaves: the state on the receipt, and how its sentence begins.
NOT_ASKED = {
    "active-directory": ("unsupported", "Your browser signs in with your Windows session"),
    "database": ("confirmed", "The application checks passwords itself"),
    "ldap": ("confirmed", "The directory only checked a password"),
    "oauth1": ("unsupported", "OAuth 1.0 has no sign-out"),
    "oauth2": ("unsupported", "OAuth 2.0 has no sign-out"),
}
# Without what a sign-out needs it is not asked either: which preset, the further lines, what is missing.
LACKING = [
    ("facebook", "", "Its sign-out needs the access token of your sign-in, and the application handed none over."),
    ("windows-live", "", "Its sign-out needs our client_id there, and its configuration names none."),
    (
        "auth0-v2",
        'domain = "corp.eu.auth0.test"',
        "Its sign-out needs our client_id there, and its configuration names none.",
    ),
]


def the_bridge(tmp_path, redis_url, preset, more="", **settings):
    """A bridge with the connection `vendor`, which has this preset."""
    elsewhere.write_connection(tmp_path, "vendor", f'preset = "{preset}"\n{more}')
    return running_bridge(tmp_path, redis_url, **settings)


def row(bridge, browser, response):
    """The row of the provider on the receipt."""
    return bridge.receipt(browser, response)["sessions"][-1]


def state_in(url):
    """The id of our message, wherever in a URL it stands."""
    found = re.search(r"_[0-9a-f]{50}", url)
    return found[0] if found else None


@pytest.mark.parametrize("preset", sorted(ASKED))
def test_the_exact_request(tmp_path, redis_url, preset):
    """P: this URL and no other; who comes back goes on, and the receipt says no more than the return proves."""
    case = ASKED[preset]
    with the_bridge(tmp_path, redis_url, preset, case.more) as bridge:
        browser = bridge.browser()
        elsewhere.sign_in(bridge, browser, "vendor", id_token="ID.T", access_token="A/T=")
        response = elsewhere.logout(bridge, browser)
        assert response.status_code == 303
        location = response.headers["Location"]
        state = state_in(location)
        assert location.replace(state or "no state", "STATE") == case.url
        assert not bridge.is_signed_in(browser)
        if case.state is None:
            (handle,) = re.findall(r"__Host-slo-logout=([^;]+)", str(response.headers))
            found = row(bridge, browser, response=bridge.get(browser, f"/logout/{handle}/next"))
            assert (found["state"], found["endpoint"]) == ("sent", case.url)
            return
        parameters = dict(parse_qsl(urlsplit(location).query))
        (back,) = {value for value in parameters.values() if value.startswith(f"{ORIGIN}/logout/return")}
        if parameters.get("state"):
            back = f"{back}?state={state}"
        found = row(bridge, browser, bridge.get(browser, back.removeprefix(ORIGIN)))
        assert found["state"] == case.state
        assert found["ended"] == (case.state == "answered")
        assert PRESETS[preset].get("hint", "") in found["reason"]


@pytest.mark.parametrize("preset", sorted(NOT_ASKED))
def test_the_sentence_why_there_is_no_request(tmp_path, redis_url, preset):
    """P: nothing is sent, the receipt says why; where no session is left anywhere it says that."""
    state, sentence = NOT_ASKED[preset]
    with the_bridge(tmp_path, redis_url, preset) as bridge:
        browser = bridge.browser()
        elsewhere.sign_in(bridge, browser, "vendor", id_token="ID.T", access_token="A/T=")
        found = row(bridge, browser, elsewhere.logout(bridge, browser))
        assert (found["state"], found["endpoint"]) == (state, None)
        assert found["reason"].startswith(sentence)


@pytest.mark.parametrize(("preset", "more", "sentence"), LACKING)
def test_what_is_missing_is_named(tmp_path, redis_url, preset, more, sentence):
    """P: without its credentials a provider is unsupported with that reason, never a broken redirect."""
    with the_bridge(tmp_path, redis_url, preset, more) as bridge:
        browser = bridge.browser()
        elsewhere.sign_in(bridge, browser, "vendor", id_token="ID.T")
        found = row(bridge, browser, elsewhere.logout(bridge, browser))
        assert (found["state"], found["reason"]) == ("unsupported", sentence)


def test_the_needs_of_every_preset_are_tried():
    """Each preset that needs something is in the table of what is missing."""
    assert {name for name, values in PRESETS.items() if values.get("needs")} == {preset for preset, _, _ in LACKING}


def test_tokens_that_cannot_be_opened_any_more_lead_nowhere(tmp_path, redis_url):
    """P: the key was changed between sign-in and logout: no redirect without its token, and the receipt says so."""
    with the_bridge(tmp_path, redis_url, "facebook") as bridge:
        browser = bridge.browser()
        house = bridge.app.extensions["saml_slo"]
        elsewhere.sign_in(bridge, browser, "vendor", access_token="A")
        house.journey.asking.sealer._cipher = type(house.journey.asking.sealer)(b"x" * 32)._cipher
        found = row(bridge, browser, elsewhere.logout(bridge, browser))
        assert (found["state"], found["ended"]) == ("timed_out", False)
        assert found["reason"].startswith("Nothing could be sent to it")


def test_the_access_token_may_come_with_the_link(tmp_path, redis_url):
    """L1: `access_token` of /v2/logout is what the provider's sign-out gets."""
    with the_bridge(tmp_path, redis_url, "facebook") as bridge:
        browser = bridge.browser()
        elsewhere.sign_in(bridge, browser, "vendor")
        location = elsewhere.logout(bridge, browser, access_token="a&b").headers["Location"]
        assert location == f"https://www.facebook.com/logout.php?access_token=a%26b&next={RETURN}"


def test_the_table_of_providers_is_made_from_the_presets():
    """docs/providers.md lists every preset with what it sends; `python -m tests.providers_table` writes it anew."""
    text = providers_table.DOCUMENT.read_text(encoding="utf-8")
    assert providers_table.with_table(text) == text
    assert sorted(providers_table.presets_in(text)) == sorted(PRESETS)


def test_the_table_says_what_really_leaves():
    """The request that a row names is the one that the tests above saw leave, with its places filled in."""
    filled = {"return_to": f"{ORIGIN}/logout/return", "state": "STATE", "id_token": "ID.T", "access_token": "A/T="}
    filled |= {"client_id": "our-id"}
    for _, preset, kind, request in providers_table.rows():
        if kind is Method.NONE:
            assert request.startswith(NOT_ASKED[preset][1])
        elif kind is not Method.SAML:
            template = re.search(r"`GET ([^`]+)`", request)[1]
            own = dict(re.findall(r'^(\w+) = "(.*)"$', ASKED[preset].more, re.MULTILINE))
            template = template.replace("<logout_url>", own.get("logout_url", ""))
            for place, value in (filled | {"domain": own.get("domain", "")}).items():
                template = template.replace(f"{{{place}}}", value)
            assert unquote(ASKED[preset].url) == template, preset


def test_every_preset_says_where_its_facts_come_from():
    """Each file begins with a comment that names the vendor and has the word Source."""
    folder = Path(__file__).parents[2] / "saml_slo" / "peers" / "presets"
    for path in folder.glob("*.toml"):
        head = path.read_text(encoding="utf-8").partition("\nkind =")[0]
        assert all(line.startswith("# ") for line in head.splitlines()), path
        assert "# Source: " in head, path


@dataclass(frozen=True)
class Saml:
    """What a SAML preset makes of metadata with logout by Redirect and POST, of two SessionIndex values, and of less.

    `alone`: the request when the sign-in gave no SessionIndex; `fallback`: when the metadata names no logout URL.
    """

    binding: str = "redirect"
    indexes: tuple = ("_s1", "_s2")
    alone: str = "asked"
    fallback: str = "https://idp.example/sso"


NO_INDEX = "It wants a SessionIndex and gave none at sign-in, so it cannot be asked."
VETO = "The identity provider has no logout URL, and its login URL may not be used for one."
PAGE = "https://accounts.google.com/Logout"
SAML = {
    "adfs": Saml(alone=NO_INDEX),
    "auth0": Saml(alone=NO_INDEX, fallback=VETO),
    "authentik": Saml(fallback=VETO),
    "entra": Saml(),
    "google-workspace": Saml(fallback=PAGE),
    "keycloak": Saml(),
    "lemonldap": Saml(alone=NO_INDEX, fallback=VETO),
    "login-gov": Saml(fallback=VETO),
    "okta": Saml(fallback=VETO),
    "onelogin": Saml(fallback=VETO),
    "openam": Saml(alone=NO_INDEX, fallback=VETO),
    "pingfederate": Saml(fallback=VETO),
    "pingone": Saml(binding="post", fallback=VETO),
    "salesforce": Saml(indexes=("_s1",), alone=NO_INDEX, fallback=VETO),
    "salesforce-community": Saml(indexes=("_s1",), alone=NO_INDEX, fallback=VETO),
    "salesforce-sandbox": Saml(indexes=("_s1",), alone=NO_INDEX, fallback=VETO),
    "saml": Saml(),
    "shibboleth": Saml(fallback=VETO),
    "simplesamlphp": Saml(fallback=VETO),
    "wso2": Saml(alone=NO_INDEX),
}
TWO = idp.authn_statement("_s1") + idp.authn_statement("_s2")
NONE = idp.authn_statement("X").replace('SessionIndex="X"', "")


def test_every_saml_preset_is_here():
    """The tables above and this one together are all presets."""
    assert {*ASKED, *NOT_ASKED, *SAML} == {*PRESETS}


@pytest.mark.parametrize("preset", sorted(SAML))
def test_the_exact_logout_request(tmp_path, redis_url, preset):
    """P, L3, L4: the binding, the URL, the NameID to the letter, these SessionIndex values, signed with RSA-SHA256."""
    case = SAML[preset]
    with running_bridge(tmp_path, redis_url, toml=f'preset = "{preset}"', bindings=("Redirect", "POST")) as bridge:
        browser = bridge.browser()
        bridge.sign_in(browser, statements=TWO)
        request = sent(elsewhere.logout(bridge, browser))
        assert (request.binding, request.location) == (case.binding, "https://idp.example/slo")
        assert tuple(request.texts("SessionIndex")) == case.indexes
        name_id, given = request.root.find("{*}NameID"), idp.element(idp.NAME_ID)
        assert (name_id.text, dict(name_id.attrib)) == (given.text, dict(given.attrib))
        algorithm = request.parameters.get("SigAlg") or request.root.find(".//{*}SignatureMethod").get("Algorithm")
        assert algorithm == idp.RSA_SHA256
        assert request.root.get("Destination") == request.location
        bridge.clock.move(1)
        bridge.sign_in(browser, statements=NONE)
        response = elsewhere.logout(bridge, browser)
        if case.alone == "asked":
            assert sent(response).texts("SessionIndex") == []
        else:
            found = row(bridge, browser, response)
            assert (found["state"], found["reason"]) == ("unsupported", case.alone)


@pytest.mark.parametrize("preset", sorted(SAML))
def test_what_leaves_without_a_logout_url(tmp_path, redis_url, preset):
    """L3: the login URL, unless the preset vetoes it; then the vendor's page, or the sentence why nothing leaves."""
    case = SAML[preset]
    with running_bridge(tmp_path, redis_url, toml=f'preset = "{preset}"', bindings=()) as bridge:
        browser = bridge.browser()
        bridge.sign_in(browser)
        response = elsewhere.logout(bridge, browser)
        if case.fallback == VETO:
            found = row(bridge, browser, response)
            assert (found["state"], found["reason"]) == ("unsupported", VETO)
        elif case.fallback == PAGE:
            assert response.headers["Location"] == PAGE
            found = row(bridge, browser, bridge.get(browser, "/logout/return"))
            assert (found["state"], found["method"]) == ("sent", "vendor_url")
            assert found["reason"].endswith(PRESETS[preset]["logout_hint"])
        else:
            assert sent(response).location == case.fallback
