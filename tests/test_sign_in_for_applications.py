"""An application without SAML signs its people in by a link, and learns by which handle it names their session (A2)."""

import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest

from saml_slo.store import tokens
from tests import idp
from tests.running import running_bridge

SECRET = "s" * 43
TOML = (
    'allowed_logout_urls = ["https://shop.example/*"]\nlogout = "webhook"\nlogout_uri = "https://shop.example/hook"\n'
)
SHOP = TOML + f'api_secrets = ["{hashlib.sha256(SECRET.encode()).hexdigest()}"]\n'


def returned(tmp_path, redis_url, toml, to, **query):
    """Sign in with a link; return where the person goes, and the handle that the application would be right to get."""
    with running_bridge(
        tmp_path, redis_url, applications={"shop": toml}, allowed_logout_urls=("https://else.example/*",)
    ) as bridge:
        browser = bridge.browser()
        request = bridge.start_sign_in(browser, returnTo=to, **query)
        response = bridge.deliver(browser, idp.post(bridge.answer(request), endpoint=idp.ACS))
        (key,) = bridge.redis.scan_iter("slo:*:session:*")
        secret = bridge.app.extensions["saml_slo"].secret.derive("handle")
        return response.headers["Location"], tokens.session_handle(secret, key.decode().rpartition(":")[2], "shop")


@pytest.mark.parametrize(
    "to", ["https://shop.example/in", "https://shop.example/in?a=b", "https://shop.example/in?a=b#top"]
)
def test_an_application_with_an_api_secret_gets_the_handle(tmp_path, redis_url, to):
    """The handle comes behind the URL's own parameters and before its fragment."""
    location, handle = returned(tmp_path, redis_url, SHOP, to, client_id="shop")
    parts = urlsplit(location)
    assert parse_qs(parts.query)["slo_session"] == [handle]
    assert location.replace(f"slo_session={handle}", "").rstrip("?&").replace("&#", "#") == to


@pytest.mark.parametrize(
    ("toml", "to", "query"),
    [
        (TOML, "https://shop.example/in", {"client_id": "shop"}),
        (SHOP, "https://else.example/in", {}),
    ],
    ids=["no API secret", "no client_id"],
)
def test_nobody_else_gets_one(tmp_path, redis_url, toml, to, query):
    """Who could not use a handle is not given one."""
    assert returned(tmp_path, redis_url, toml, to, **query)[0] == to
