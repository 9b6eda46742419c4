"""L243: one key, one effect, one answer; a key cannot be turned against whoever used it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.attacks.callers import VICTIMS

LOGOUTS = ("POST", "/api/v1/logouts")


def test_l243_another_body_under_a_known_key(door):
    """L243: 422, and whoever the second body names stays signed in."""
    door.shop.register("key-1", user="first")
    assert door.shop.logout("key-1", user="first").status_code == 201
    headers = {**door.shop.authorization, "Idempotency-Key": "key-1"}
    for body in ({"user": "alice"}, {"session": "mine-1"}, {"user": "first", "reason": "admin"}):
        door.refused(*LOGOUTS, 422, "idempotency_conflict", headers=headers, json=body)
    assert door.shop.is_alive("mine-1")


def test_l243_the_same_call_in_another_spelling(door):
    """The control: order, spaces and escapes of the JSON make no other body."""
    door.shop.register("key-2", user="second")
    first = door.shop.call(
        "POST", "logouts", data=b'{"user":"second","reason":"user"}', headers={"Idempotency-Key": "k2"}
    )
    again = door.shop.call(
        "POST", "logouts", data=b'{ "reason" : "user", "user" : "s\\u0065cond" }', headers={"Idempotency-Key": "k2"}
    )
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()


def test_l243_keys_of_others_lead_nowhere(door):
    """L243: knowing another application's key shows and ends nothing of it."""
    door.blog.register("b-1", user="reader")
    theirs = door.blog.logout("secret-key", user="reader").get_json()
    answer = door.shop.logout("secret-key", user="reader")
    assert (answer.status_code, answer.get_json()["reference"]) == (200, None)
    assert theirs["reference"]


def test_l243_twins_in_parallel(door):
    """L243: sixteen at once, half with one body and half with another: one of the two has its effect, once."""
    for user in ("one", "two"):
        door.shop.register(f"twin-{user}", user=user)
    barrier = Barrier(16)

    def call(number):
        barrier.wait()
        return door.shop.logout("twins", user=("one", "two")[number % 2])

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(call, range(16)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 7 + [201] + [422] * 8
    assert len({answer.get_json()["id"] for answer in answers if answer.status_code != 422}) == 1
    assert [door.shop.is_alive("twin-one"), door.shop.is_alive("twin-two")].count(True) == 1
    door.shop.logout(user="one")
    door.shop.logout(user="two")
    assert door.blog.is_alive(VICTIMS)
