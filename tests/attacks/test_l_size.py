"""L241, M244: a body has 16 KiB, a user twenty sessions."""

import io
import time

import pytest

from saml_slo.web.api.body import MAX_BODY_BYTES
from tests.api.calling import refused
from tests.attacks.callers import VICTIMS

CALLS = [
    ("PUT", "/api/v1/sessions/evil"),
    ("POST", "/api/v1/logouts"),
    ("POST", "/api/v1/sessions/mine-1/touch"),
]
MEGABYTE = 1024 * 1024


def padded(size):
    """A registration of so many octets."""
    head, tail = b'{"user": "alice"', b"}"
    return head + b" " * (size - len(head) - len(tail)) + tail


class Endless(io.RawIOBase):
    """A body that never ends; counts what was read of it."""

    def __init__(self):
        self.taken = 0

    def readable(self):
        """It is for reading."""
        return True

    def readinto(self, buffer):
        """Give as much as is wanted."""
        self.taken += len(buffer)
        buffer[:] = b" " * len(buffer)
        return len(buffer)


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 10 * MEGABYTE])
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_l241_a_large_body(door, method, path, size):
    """L241: 413, before any of it is parsed."""
    door.refused(method, path, 413, "message_too_large", data=padded(size), content_type="application/json")


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_l241_a_body_without_end(door, method, path):
    """L241: without a Content-Length as much is read as may be there, and one octet more."""
    body = Endless()
    environ = {"wsgi.input": body, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": ""}
    door.refused(method, path, 413, "message_too_large", environ_overrides=environ)
    assert body.taken <= 8 * MAX_BODY_BYTES


def test_l241_a_body_of_the_largest_size(door):
    """The control: 16 KiB are taken."""
    answer = door.shop.call("PUT", "sessions/large-1", data=padded(MAX_BODY_BYTES))
    assert answer.status_code == 201
    door.shop.leave("large-1")


def test_l241_ten_thousand_ids(door):
    """L241: a call is about one user or one session; a list is no text."""
    ids = [f"u{number}" for number in range(10_000)]
    door.refused("POST", "/api/v1/logouts", 413, "message_too_large", json={"user": ids})
    door.refused("POST", "/api/v1/logouts", 400, "api_bad_request", json={"user": ids[:100]})
    assert door.blog.is_alive(VICTIMS)


def test_m244_a_user_with_a_flood_of_sessions(door):
    """M244: the twenty-first is refused and stores nothing; the logout of that user takes no longer for the flood."""
    for number in range(20):
        assert door.shop.register(f"flood-{number}", user="flood").status_code == 201
    keys = len(list(door.bridge.redis.scan_iter()))
    for number in range(200):
        refused(door.shop.register(f"more-{number}", user="flood"), 409, "limit_reached")
    assert len(list(door.bridge.redis.scan_iter())) <= keys
    begin = time.perf_counter()
    assert len(door.shop.logout(user="flood").get_json()["sessions"]) == 40
    assert time.perf_counter() - begin < 30
