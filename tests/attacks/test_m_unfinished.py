"""M245: whatever is begun and never finished, by whom nobody knows, costs the store nothing that lasts."""

import secrets

import pytest

from tests.api.calling import SHOP_AND_BLOG
from tests.proxied import toml
from tests.running import ORIGIN, running_bridge
from tests.sp import Sp

ONE = Sp("one", "idp-next")
TIMES = 25


def begin_sign_in(bridge, browser):
    """A sign-in by a link."""
    return browser.get("/login?connection=idp", base_url=ORIGIN)


def begin_sign_on(bridge, browser):
    """A sign-in that an application asks for."""
    return ONE.ask(bridge, browser)


def begin_at_the_proxy(bridge, browser):
    """A request to an application behind a proxy, and the way to us."""
    away = browser.get("/forward/wiki/start", base_url=ORIGIN, headers={"X-Original-URI": "/" + "a" * 1000})
    return browser.get(away.headers["Location"])


def come_back_to_the_proxy(bridge, browser):
    """A code that nobody made."""
    return browser.get(f"/forward/wiki/callback?code={'A' * 500}", base_url=ORIGIN)


def log_out(bridge, browser):
    """A logout of nobody, with a cookie that looks like one of ours."""
    browser.set_cookie("__Host-slo", f"3f.{secrets.token_urlsafe(32)}", domain="bridge.example", secure=True)
    browser.set_cookie(
        "__Host-slo-logout", f"3f{'0' * 24}.{secrets.token_urlsafe(16)}", domain="bridge.example", secure=True
    )
    return browser.get("/v2/logout?scope=everywhere&federated", base_url=ORIGIN)


def answer_a_question(bridge, browser):
    """The form of a question that nobody asked."""
    return browser.post("/v2/logout/confirm", data={"token": "0" * 64, "choice": "here"}, base_url=ORIGIN)


def come_back_from_a_provider(bridge, browser):
    """A return that belongs to no logout."""
    return browser.get(f"/logout/return?state=_{secrets.token_hex(25)}", base_url=ORIGIN)


def read_a_receipt(bridge, browser):
    """A handle that opens nothing."""
    return browser.get(f"/logout/3f{secrets.token_hex(12)}.{secrets.token_urlsafe(16)}", base_url=ORIGIN)


def call_the_api(bridge, browser):
    """A call of somebody without a secret, with a key of its own."""
    headers = {"Authorization": f"Bearer shop.{'x' * 43}", "Idempotency-Key": secrets.token_hex(8)}
    return browser.post("/api/v1/logouts", json={"user": secrets.token_hex(8)}, headers=headers, base_url=ORIGIN)


def check_as_the_proxy(bridge, browser):
    """A status check with a cookie that is none."""
    browser.set_cookie("__Host-slo-app", f"{secrets.token_hex(17)}.{'A' * 22}", domain="bridge.example", secure=True)
    return browser.get("/session/status?client_id=wiki", base_url=ORIGIN)


ROADS = [
    begin_sign_in,
    begin_sign_on,
    begin_at_the_proxy,
    come_back_to_the_proxy,
    log_out,
    answer_a_question,
    come_back_from_a_provider,
    read_a_receipt,
    call_the_api,
    check_as_the_proxy,
]


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.__name__)
def test_m245_what_is_never_finished_leaves_nothing(tmp_path, redis_url, road):
    """M245: no key, however often it is begun; what must be remembered rides with the browser."""
    files = {**SHOP_AND_BLOG, "wiki": toml()}
    with running_bridge(tmp_path, redis_url, applications=files, sps=(ONE,)) as bridge:
        before = bridge.keyspace()
        for _ in range(TIMES):
            assert road(bridge, bridge.browser()).status_code < 500
        assert bridge.keyspace() == before


def test_m245_a_check_with_an_invented_cookie_lasts_a_second(tmp_path, redis_url):
    """The one road that writes: our own status counts whoever asks, in a key that ends by itself at once."""
    with running_bridge(tmp_path, redis_url) as bridge:
        for _ in range(TIMES):
            browser = bridge.browser()
            browser.set_cookie("__Host-slo", f"3f.{secrets.token_urlsafe(32)}", domain="bridge.example", secure=True)
            assert bridge.get(browser, "/session/status").status_code == 401
        for key in bridge.redis.scan_iter():
            assert key.startswith(b"slo:{checks:")
            assert 0 < bridge.redis.pttl(key) <= 1000
