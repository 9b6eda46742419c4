"""Sessions of people whom the application signed in by a provider of its own (product A2, P)."""

import pytest

from tests.api.calling import Caller, application, handle_of_browser, refused, stored
from tests.running import ORIGIN, running_bridge

HUB = application("shop", 'logout = "webhook"\nlogout_uri = "https://shop.example/hook"\n')
TOKEN = "EAAB-access-token"


@pytest.fixture
def providers(tmp_path, redis_url):
    """A bridge that knows Facebook, and the application."""
    connections = tmp_path / "metadata" / "connections"
    connections.mkdir(parents=True)
    (connections / "facebook.toml").write_text('preset = "facebook"\n')
    (connections / "closed.toml").write_text('preset = "facebook"\nenabled = false\n')
    with running_bridge(tmp_path, redis_url, applications={"shop": HUB}) as bridge:
        yield bridge, Caller(bridge, "shop")


def test_a_session_brings_what_its_providers_sign_out_needs(providers):
    """A2: the person's browser is sent to the provider with the token of that sign-in, by the link of the session."""
    bridge, shop = providers
    answer = shop.register("cart-1", user="alice", connection="facebook", access_token=TOKEN)
    url = answer.get_json()["logout_url"].removeprefix(ORIGIN)
    response = bridge.get(bridge.browser(), f"{url}&federated")
    browser_goes = response.headers["Location"]
    if browser_goes.startswith("/logout/"):  # the webhook is still under way
        browser_goes = bridge.get(bridge.browser(), f"{browser_goes}/next").headers["Location"]
    assert browser_goes.startswith("https://www.facebook.com/logout.php?")
    assert f"access_token={TOKEN}" in browser_goes


def test_tokens_rest_encrypted(providers):
    """A2: nobody who reads Redis can use them, and the next registration does not seal them anew for nothing."""
    bridge, shop = providers
    brought = {"user": "alice", "connection": "facebook", "access_token": TOKEN, "id_token": "eyJ.id.token"}
    shop.register("cart-1", **brought)
    stored_octets = b"".join(bridge.redis.get(name) for name in bridge.redis.scan_iter("slo:*:session:*"))
    assert TOKEN.encode() not in stored_octets
    assert b"eyJ" not in stored_octets
    assert shop.register("cart-1", **brought).status_code == 200
    assert shop.register("cart-1", user="alice", connection="facebook").status_code == 200
    (session,) = stored(bridge)
    assert (session.version, session.logins[0].token_names) == (1, ("id_token", "access_token"))
    shop.register("cart-1", user="alice", connection="facebook", access_token="newer")
    (session,) = stored(bridge)
    asking = bridge.app.extensions["saml_slo"].journey.asking
    assert asking.open_tokens("facebook", session.logins[0].tokens) == {
        "id_token": "eyJ.id.token",
        "access_token": "newer",
    }


def test_a_provider_joins_the_logins_of_a_session_of_ours(providers):
    """S5: a browser session may hold both, the company's sign-in and the application's own."""
    bridge, shop = providers
    bridge.sign_in(bridge.browser())
    shop.register("c", session=handle_of_browser(bridge), connection="facebook", access_token=TOKEN, sid="f-1")
    (session,) = stored(bridge)
    assert [login.connection for login in session.logins] == ["idp", "facebook"]
    assert (session.logins[1].assertion_id, session.logins[1].session_indexes) == ("", ("f-1",))


def test_a_saml_connection_is_refused_in_words(providers):
    """Its people sign in here; nobody but the identity provider says who they are."""
    _, shop = providers
    body = refused(shop.register("cart-1", user="alice", connection="idp"), 400, "api_bad_request")
    assert "/login" in body["next_step"]
    assert body["setting"] == "connection"


@pytest.mark.parametrize("name", ["nobody", "closed"])
def test_a_connection_that_is_not_in_force_is_refused(providers, name):
    """A typing error is no silent default."""
    _, shop = providers
    refused(shop.register("cart-1", user="alice", connection=name), 404, "connection_unknown")


def test_logout_tokens_name_what_the_application_registered(tmp_path, redis_url):
    """A2: issuer, sub and sid are its own; where it registers neither, they are its user and session (BCL 2.4)."""
    toml = 'logout = "oidc-backchannel"\nlogout_uri = "https://shop.example/bcl"\n'
    with running_bridge(tmp_path, redis_url, applications={"shop": application("shop", toml)}) as bridge:
        shop = Caller(bridge, "shop")
        shop.register("cart-1", user="alice")
        shop.register("cart-2", user="bob", sub="bob@id", issuer="https://id.example")
        subjects = {one.participants[0].subject.session: one.participants[0].subject for one in stored(bridge)}
        assert (subjects["cart-1"].sub, subjects["cart-1"].sid) == ("alice", "cart-1")
        assert (subjects["cart-2"].issuer, subjects["cart-2"].sub, subjects["cart-2"].sid) == (
            "https://id.example",
            "bob@id",
            None,
        )
