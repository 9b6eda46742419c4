"""What an application says of a sign-in elsewhere is worth for its logout alone: it signs nobody in anywhere."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.api.calling import Caller, application, handle_of_browser
from tests.running import ORIGIN, running_bridge, sent
from tests.sp import Sp, Told

TRANSIENT, PERSISTENT = Sp("transient", "idp-next", more='name_id = "transient"\n'), Sp("persistent", "p256", more="")
PROVIDER = (
    'kind = "vendor_url"\nlogout_url = "https://NAME.example/out"\nreturns = true\n[parameters]\nnext = "{return_to}"\n'
)
NOT_TOLD = 'logout = "none"\nwaived_until = 2027-06-01\nwaiver = "It is being replaced."\n'
WITH_TOKEN = 'token = "{access_token}"\n'


def provider(folder, name, text):
    """Write the file of a provider that does not speak SAML."""
    connections = folder / "metadata" / "connections"
    connections.mkdir(parents=True, exist_ok=True)
    (connections / f"{name}.toml").write_text(text)


@pytest.fixture
def bridge(tmp_path, redis_url):
    """A bridge with two SAML applications, one that calls the API, and providers that do not speak SAML."""
    provider(tmp_path, "facebook", 'preset = "facebook"\n')
    short = 'kind = "none"\nwhy = "It has no sign-out."\nsession_lifetime = 7200\nidle_lifetime = 900\n'
    provider(tmp_path, "short", short)
    for name, more in (("plain", ""), ("other", ""), ("one", WITH_TOKEN), ("two", WITH_TOKEN)):
        provider(tmp_path, name, PROVIDER.replace("NAME", name) + more)
    with running_bridge(
        tmp_path, redis_url, sps=(TRANSIENT, PERSISTENT), applications={"shop": application("shop", NOT_TOLD)}
    ) as running:
        yield running


def brought(bridge, connection, **facts):
    """Let the application bind a session to the browser's, of somebody whom it signed in by this provider."""
    handle = handle_of_browser(bridge)
    answer = Caller(bridge, "shop").register("own-1", session=handle, connection=connection, **facts)
    assert answer.status_code == 201, answer.get_data(as_text=True)


def test_a_forced_sign_in_is_not_answered_by_what_another_application_says(bridge):
    """Core 3.4.1 (ForceAuthn): only a fresh assertion of an identity provider answers it."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.clock.move(60)
    away = TRANSIENT.ask(bridge, browser, ForceAuthn="true")
    assert away.headers["Location"].startswith("/login?")
    bridge.clock.move(1)
    brought(bridge, "facebook", access_token="EAAB")
    again = parse_qs(urlsplit(away.headers["Location"]).query)["request"][0]
    response = browser.get("/saml/idp/continue", query_string={"request": again}, base_url=ORIGIN)
    assert response.status_code == 303
    assert response.headers["Location"].startswith("/login?")


@pytest.mark.parametrize("sp", [TRANSIENT, PERSISTENT], ids=["transient", "persistent"])
def test_who_a_person_is_does_not_come_from_another_application(bridge, sp):
    """A1: the latest assertion answers, though an application told of a later sign-in elsewhere."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    before = sp.sign_in(bridge, browser)
    bridge.clock.move(60)
    brought(bridge, "facebook", access_token="EAAB")
    after = Told(sp, sent(sp.ask(bridge, browser)))
    assert after.status == ["Success"]
    assert after.name_id == before.name_id
    instant = after.message.root.find(".//{*}AuthnStatement").get("AuthnInstant")
    assert instant == before.message.root.find(".//{*}AuthnStatement").get("AuthnInstant")


def goes(bridge, browser, response):
    """Follow a logout from provider to provider; return every address to which the browser was sent."""
    found = []
    for _ in range(12):
        location = response.headers.get("Location", "")
        if location.startswith("https://"):
            found.append(location)
            response = bridge.get(browser, "/logout/return")
        elif location.startswith("/logout/"):
            response = bridge.get(browser, f"{location}/next")
    return found


def test_the_token_in_a_link_goes_to_one_provider_or_none(bridge):
    """An access token is a key to somebody's account at one provider; where two might be meant, neither is told."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    shop, handle = Caller(bridge, "shop"), handle_of_browser(bridge)
    for name in ("plain", "one", "two"):
        assert shop.register(f"own-{name}", session=handle, connection=name).status_code == 201
    addresses = goes(bridge, browser, bridge.logout(browser, federated="", access_token="key-of-one"))
    assert addresses
    assert not [address for address in addresses if "key-of-one" in address]


def test_the_token_in_a_link_goes_to_the_one_that_wants_it(bridge):
    """The control: with one provider that has a use for it, that one gets it."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    shop, handle = Caller(bridge, "shop"), handle_of_browser(bridge)
    for name in ("plain", "one"):
        assert shop.register(f"own-{name}", session=handle, connection=name).status_code == 201
    addresses = goes(bridge, browser, bridge.logout(browser, federated="", access_token="key-of-one"))
    assert [urlsplit(address).hostname for address in addresses if "key-of-one" in address] == ["one.example"]


def test_a_return_without_a_state_is_of_the_provider_that_was_asked_last(bridge):
    """T1: each of two that only send the browser back is waited for no longer once it did."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    shop, handle = Caller(bridge, "shop"), handle_of_browser(bridge)
    for name in ("plain", "other"):
        assert shop.register(f"own-{name}", session=handle, connection=name).status_code == 201
    response = bridge.logout(browser, federated="")
    assert response.headers["Location"].startswith("https://idp.example/")
    receipt = urlsplit(browser.get_cookie("__Host-slo-logout", domain="bridge.example").value).path
    for _ in range(3):
        bridge.get(browser, f"/logout/{receipt}/next")
        bridge.get(browser, "/logout/return")
    rows = {row["name"]: row for row in bridge.get(browser, f"/logout/{receipt}.json").get_json()["sessions"]}
    assert [(rows[name]["state"], rows[name]["open"]) for name in ("plain", "other")] == [("sent", False)] * 2


def test_what_a_later_registration_leaves_out_loosens_no_limit(bridge):
    """S3: a session of somebody who came by a provider with short lifetimes keeps them, named again or not."""
    shop = Caller(bridge, "shop")
    first = shop.register("cart-1", user="alice", connection="short").get_json()
    again = shop.register("cart-1", user="alice", expires_at="2026-11-20T20:00:00Z").get_json()
    assert again["ends_at"] == first["ends_at"]
    bridge.clock.move(600)
    touched = shop.touch("cart-1").get_json()
    assert touched["idle_ends_at"] == (bridge.clock.now + timedelta(seconds=900)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
