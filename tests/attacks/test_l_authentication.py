"""L237: whoever cannot prove which application they are gets one answer from every call, and nothing happens.

What a header may look like is tested closer to it in tests/api/test_auth.py; here every call of the API is tried.
"""

import pytest

from tests.api.calling import secret
from tests.attacks.callers import VICTIMS

SHOPS, BLOGS = f"shop.{secret('shop')}", f"blog.{secret('blog')}"
CALLS = {
    "register": ("PUT", "/api/v1/sessions/evil", {"json": {"user": "victim"}}),
    "read": ("GET", f"/api/v1/sessions/{VICTIMS}", {}),
    "touch": ("POST", f"/api/v1/sessions/{VICTIMS}/touch", {"json": {}}),
    "leave": ("DELETE", f"/api/v1/sessions/{VICTIMS}", {}),
    "logout-user": ("POST", "/api/v1/logouts", {"json": {"user": "victim"}}),
    "logout-session": ("POST", "/api/v1/logouts", {"json": {"session": VICTIMS}}),
    "logout-again": ("POST", "/api/v1/logouts", {"json": {"user": "victim"}, "key": "genuine-1"}),
    "receipt": ("GET", "/api/v1/logouts/" + "0" * 26, {}),
}
WRONG = {
    "none": (),
    "wrong": (("Authorization", f"Bearer blog.{'x' * 43}"),),
    "of-another-application": (("Authorization", f"Bearer blog.{secret('shop')}"),),
    "of-nobody": (("Authorization", f"Bearer nobody.{secret('blog')}"),),
    "two": (("Authorization", f"Bearer {SHOPS}"), ("Authorization", f"Bearer {BLOGS}")),
    "the-same-twice": (("Authorization", f"Bearer {BLOGS}"), ("Authorization", f"Bearer {BLOGS}")),
    "basic": (("Authorization", f"Basic {BLOGS}"),),
    "elsewhere": (("X-Api-Key", BLOGS), ("Proxy-Authorization", f"Bearer {BLOGS}"), ("Cookie", f"token={BLOGS}")),
}


def send(door, call, headers, **more):
    """Send a call with these headers and assert that it is refused."""
    method, path, how = call
    key = {"Idempotency-Key": how["key"]} if "key" in how else {}
    body = {name: value for name, value in how.items() if name != "key"}
    return door.refused(method, path, 401, "unauthorised", headers=[*headers, *key.items()], **body, **more)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", WRONG)
def test_l237_without_a_key_of_ones_own(door, kind, call):
    """L237: no call does anything, and each failure looks the same."""
    body, refusal = send(door, CALLS[call], WRONG[kind])
    assert refusal.response.headers["WWW-Authenticate"].startswith("Bearer")
    del body["reference"]
    assert body == _usual(door)
    assert door.blog.is_alive(VICTIMS)


def _usual(door):
    body, _ = send(door, CALLS["read"], ())
    del body["reference"]
    return body


@pytest.mark.parametrize("call", CALLS)
def test_l237_a_key_in_the_query(door, call):
    """L237: an address is logged by everything on its way; a key in it is none."""
    query = {"access_token": BLOGS, "authorization": f"Bearer {BLOGS}"}
    send(door, CALLS[call], (), query_string=query)


@pytest.mark.parametrize("tail", ["\n", "\0", "\r\n", "\t", " ", "\x7f", "%00", "%0a"])
def test_l237_a_tail_on_the_key(door, tail):
    """L237: what a server lets through behind a key makes it another key."""
    environ = {"HTTP_AUTHORIZATION": f"Bearer {BLOGS}{tail}"}
    for call in CALLS.values():
        send(door, call, (), environ_overrides=environ)


def test_l237_keys_are_not_logged(door):
    """J225: neither a right key nor a wrong one stands in any line."""
    send(door, CALLS["read"], WRONG["wrong"])
    send(door, CALLS["read"], (), query_string={"access_token": BLOGS})
    door.shop.read("mine-1")
    assert not any(text in repr(door.bridge.log) for text in (secret("blog"), secret("shop"), "x" * 43))
