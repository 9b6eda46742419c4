"""Sessions of people whom the application signed in by a provider of its own (product A2, P)."""

import pytest

from tests import idp
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


# Two applications at one provider ------------------------------------------------------------------------------------

NOT_TOLD = 'logout = "none"\nwaived_until = 2027-06-01\nwaiver = "It is being replaced."\n'


@pytest.fixture
def two(tmp_path, redis_url):
    """A browser that is signed in, and `shop` and `blog`, whose sessions hang on it: caller and handle of each."""
    connections = tmp_path / "metadata" / "connections"
    connections.mkdir(parents=True)
    (connections / "facebook.toml").write_text('preset = "facebook"\n')
    files = {name: application(name, NOT_TOLD) for name in ("shop", "blog")}
    with running_bridge(tmp_path, redis_url, applications=files) as bridge:
        browser = bridge.browser()
        bridge.sign_in(browser)
        parties = ((Caller(bridge, name), handle_of_browser(bridge, name)) for name in files)
        yield bridge, browser, *parties


def brings(party, own_id, **facts):
    """Let an application bind a session to the browser's, of somebody whom it signed in by Facebook."""
    caller, handle = party
    assert caller.register(own_id, session=handle, connection="facebook", **facts).status_code in (200, 201)


def sign_out_at_facebook(bridge, browser, **link):
    """Sign out; return the addresses at Facebook to which the browser was sent."""
    found, response = [], bridge.logout(browser, federated="", **link)
    for _ in range(8):
        location = response.headers.get("Location", "")
        if location.startswith("/logout/"):
            response = bridge.get(browser, f"{location}/next")
        elif location.startswith("https://"):
            found.append(location)
            response = bridge.get(browser, "/logout/return")
    return [address for address in found if address.startswith("https://www.facebook.com/")]


def test_an_application_changes_nothing_that_another_one_brought(two):
    """A2: each has its own sign-in at the provider; neither its tokens nor its user are another one's to change."""
    bridge, _, shop, blog = two
    brings(shop, "s-1", access_token="shops", sid="f-1")
    before = stored(bridge)[0].logins[1]
    brings(blog, "b-1", id_token="eyJ.blogs.token", sid="f-2")
    brings(blog, "b-2", access_token="blogs")
    (session,) = stored(bridge)
    assert [(login.connection, login.application) for login in session.logins] == [
        ("idp", None),
        ("facebook", "shop"),
        ("facebook", "blog"),
    ]
    assert session.logins[1] == before
    opened = bridge.app.extensions["saml_slo"].journey.asking.open_tokens
    assert opened("facebook", session.logins[2].tokens) == {"id_token": "eyJ.blogs.token", "access_token": "blogs"}
    brings(shop, "s-1", access_token="newer")
    (session,) = stored(bridge)
    assert len(session.logins) == 3
    assert opened("facebook", session.logins[1].tokens)["access_token"] == "newer"
    assert opened("facebook", session.logins[2].tokens)["access_token"] == "blogs"


@pytest.mark.parametrize(
    ("asker", "token"), [(None, "shops"), ("shop", "shops"), ("blog", "blogs")], ids=["nobody", "shop", "blog"]
)
def test_one_browser_has_one_session_at_a_provider(two, asker, token):
    """S5: it is signed out there once: with what the application brought that asks, else with what came first."""
    bridge, browser, shop, blog = two
    brings(shop, "s-1", access_token="shops")
    brings(blog, "b-1", access_token="blogs")
    (address,) = sign_out_at_facebook(bridge, browser, **({} if asker is None else {"client_id": asker}))
    assert f"access_token={token}&" in address


def test_what_the_sign_out_needs_is_taken_from_whoever_has_it(two):
    """L3: an application that handed no token over does not keep the person signed in there."""
    bridge, browser, shop, blog = two
    brings(blog, "b-1")
    brings(shop, "s-1", access_token="shops")
    (address,) = sign_out_at_facebook(bridge, browser, client_id="blog")
    assert "access_token=shops&" in address


def test_the_token_in_an_applications_link_is_its_own(two):
    """L1: it is for the sign-in that this application brought, and stands for that one alone."""
    bridge, browser, shop, blog = two
    brings(shop, "s-1", access_token="shops")
    brings(blog, "b-1", access_token="blogs")
    (address,) = sign_out_at_facebook(bridge, browser, client_id="blog", access_token="fresh")
    assert "access_token=fresh&" in address


def test_an_application_brings_twenty_providers_to_a_session(two):
    """M244: what is there stays, and changes; one more is refused, and keeps nobody from signing in here."""
    bridge, browser, shop, _ = two
    caller, handle = shop
    folder = bridge.settings.metadata_dir / "connections"
    for number in range(21):
        (folder / f"p-{number}.toml").write_text('preset = "facebook"\n')
    bridge.app.extensions["saml_slo"].registry._next_check = 0.0
    for number in range(20):
        assert caller.register("s-1", session=handle, connection=f"p-{number}").status_code in (200, 201)
    refused(caller.register("s-1", session=handle, connection="p-20"), 409, "limit_reached")
    assert caller.register("s-1", session=handle, connection="p-19", access_token="t").status_code == 200
    bridge.sign_in(browser, name_id=idp.NAME_ID.replace("alice", "bob"))
    assert len(stored(bridge)[0].logins) == 22


def test_a_page_names_each_provider_once(two):
    """A3: of two applications that told of one provider, `connections` has it once."""
    bridge, browser, shop, blog = two
    brings(shop, "s-1")
    brings(blog, "b-1")
    assert bridge.get(browser, "/session/status").get_json()["connections"] == ["idp", "facebook"]
