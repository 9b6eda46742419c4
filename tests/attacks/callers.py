"""The API door of a stage: applications that may call it, and the one way to attack it (group L).

`Door.refused` sends a hostile call and asserts that it is refused, and that I1 to I8 hold; genuine calls go through
before the first and after the last attack of a module.
"""

from contextlib import contextmanager
from itertools import count

from tests.api.calling import SHOP_AND_BLOG, Caller, refused
from tests.attacks.invariants import open_stage
from tests.running import ORIGIN

VICTIMS = "victim-1"  # the session that nobody may end, touch or take over
_numbers = count(1)


class Door:
    """A stage whose bridge has `shop`, of which the attacker has the secret, and `blog`, whose people are victims."""

    def __init__(self, stage):
        self.stage, self.bridge = stage, stage.bridge
        self.shop, self.blog = Caller(stage.bridge, "shop"), Caller(stage.bridge, "blog")
        assert self.shop.register("mine-1", user="alice").status_code == 201
        assert self.blog.register(VICTIMS, user="victim").status_code == 201
        self.accepts_genuine_calls()

    def accepts_genuine_calls(self):
        """Assert that every call goes through for whom it is meant; this also leases the calls that follow."""
        for caller in (self.shop, self.blog):
            name = f"genuine-{next(_numbers)}"
            assert caller.register(name, user=name).status_code == 201
            assert caller.touch(name).status_code == 200
            assert caller.read(name).status_code == 200
            logout = caller.logout(name, user=name)
            assert logout.status_code == 201
            assert caller.call("GET", f"logouts/{logout.get_json()['id']}").status_code == 200
            other = f"genuine-{next(_numbers)}"
            assert caller.register(other, user=other).status_code == 201
            assert caller.leave(other).status_code == 204
        assert self.blog.is_alive(VICTIMS)

    def refused(self, method, path, status, reason, **how):
        """Send a call and assert that it is refused with this status and reason; return the JSON of the answer.

        `how`: what the test client takes; without headers it is the call of `shop`.
        """
        headers = how.pop("headers", self.shop.authorization)

        def send(browser):
            return browser.open(path, method=method, headers=headers, base_url=ORIGIN, **how)

        refusal = self.stage.refused(send, reason, browser=self.bridge.browser(), status=status)
        body = refused(refusal.response, status, reason)
        assert body["reference"] == refusal.line["reference"]
        assert refusal.response.headers["Content-Type"] == "application/json"
        assert not [name for name, _ in refusal.response.headers if name.startswith("Access-Control-")]
        return body, refusal


@contextmanager
def open_door(folder, redis_url, canary, **settings):
    """Open a stage with its API door; genuine calls are accepted before and after."""
    chosen = {"applications": SHOP_AND_BLOG, "bindings": ("Redirect", "POST"), "api_rate": 1_000_000, **settings}
    with open_stage(folder, redis_url, canary, **chosen) as stage:
        door = Door(stage)
        yield door
        if not stage.broken:
            door.accepts_genuine_calls()
