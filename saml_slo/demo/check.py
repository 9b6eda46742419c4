"""`saml-slo demo --check`: signs in and out through every switch, and holds each receipt against what really happened.

What really happened is seen where it happened: at the identity provider's session and at the applications'. A receipt
that says more than that is a lie, whatever state it was expected to show. Where the Shop failed, the next case has it
answer again; the notice is sent anew by then, and the receipt is held against the Shop a second time.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from saml_slo.demo.browser import Browser
from saml_slo.demo.places import CONNECTION, LOOPBACK, NEWS, SHOP, Places
from saml_slo.demo.run import answers, ready_pages
from saml_slo.demo.switches import Switches
from saml_slo.errors import ConfigurationError

_TIMEOUT = 5  # seconds that the bridge gives an identity provider here: the least that it can be told
_SETTLE_SECONDS = 90  # two failures of the Shop after one another are tried again within 25
_START_SECONDS = 120
_INDEXES = {"none": 0, "one": 1, "three": 3}
PORT_OPTIONS = ("--port", "--idp-port", "--app-port", "--shop-port", "--news-port")  # in the order of Places
_LOGOUT_COOKIE = "__Host-slo-logout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One logout: how the switches are, what is asked for, and what the receipt and the provider shall show.

    `shop`: what the receipt says of the Shop as soon as the browser stops; None: nobody is signed in at Shop and News.
    """

    switches: Switches
    federated: bool = True
    state: str
    source: str | None = "metadata"
    rung: str | None = "session_index"
    idp_session_lives: bool = False
    shop: str | None = None


CASES = (
    Case(switches=Switches(), federated=False, state="kept", source=None, rung=None, idp_session_lives=True),
    Case(switches=Switches(shop="slow"), state="confirmed", shop="timed_out"),
    Case(switches=Switches(shop="down"), state="confirmed", shop="timed_out"),
    Case(switches=Switches(shop="refuses"), state="confirmed", shop="refused"),
    Case(switches=Switches(), state="confirmed", shop="confirmed"),
    Case(switches=Switches(news="ignores", answer="refuse"), state="refused", idp_session_lives=True, shop="confirmed"),
    Case(switches=Switches(answer="silent"), state="timed_out", idp_session_lives=True),
    Case(switches=Switches(answer="hangup"), state="timed_out", idp_session_lives=True),
    Case(switches=Switches(signature="unsigned"), state="timed_out"),
    Case(switches=Switches(), state="confirmed"),
    Case(switches=Switches(answer="refuse"), state="refused", idp_session_lives=True),
    Case(switches=Switches(answer="partial"), state="partial"),
    Case(switches=Switches(session_index="none"), state="confirmed", rung="name_id"),
    Case(switches=Switches(session_index="three"), state="confirmed"),
    Case(switches=Switches(signature="unsigned", bridge_accepts="unsigned"), state="answered"),
    Case(switches=Switches(logout_endpoint="none"), state="confirmed", source="login_url"),
    Case(
        switches=Switches(logout_endpoint="none", answer="silent"),
        state="timed_out",
        source="login_url",
        idp_session_lives=True,
    ),
    Case(switches=Switches(logout_endpoint="none", binding="post"), state="confirmed", source="login_url"),
    Case(switches=Switches(binding="post"), state="confirmed"),
    Case(switches=Switches(binding="post", answer="refuse"), state="refused", idp_session_lives=True),
    Case(switches=Switches(binding="post", signature="unsigned"), state="timed_out"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a receipt said of an application, and whether its session lived at that moment."""

    state: str
    ended: bool
    lives: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a case; `wrong` is empty when all of it is as it should be.

    `applications`: of Shop and News what was seen when the browser stopped, and at the end.
    """

    switches: dict[str, str]
    federated: bool
    here: str
    there: str
    source: str | None
    rung: str | None
    idp_session_lives: bool
    applications: dict[str, tuple[Row, Row]]
    wrong: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return this as JSON has it."""
        return asdict(self) | {"ok": not self.wrong}


@dataclass(frozen=True, slots=True)
class _Done:
    """A logout that was driven to where the browser stops."""

    case: Case
    receipt: str
    wrong: list[str]
    idp_session_lives: bool
    browser: Browser = field(default_factory=Browser)
    applications: dict[str, Row] = field(default_factory=dict)


def run_check(tell: Callable[[Case], None] = lambda _: None) -> Iterator[Result]:
    """Start a demo on free ports, drive every case, give the results in order, stop it. `tell` hears of each case."""
    with _demo() as places:
        done = []
        for case in CASES:
            tell(case)
            done.append(_drive(places, case))
        # The silent ones have had their time by now, or nearly: nobody waits for each of them.
        yield from (_result(places, each) for each in done)


def _drive(places: Places, case: Case) -> _Done:
    """Turn the switches, sign in, sign out, and look at all parties."""
    wrong: list[str] = []
    browser = Browser()
    browser.open(f"{places.idp}/switches", json.loads(case.switches.dump()))
    home = f"{places.application}/"
    choose = browser.open(f"{places.bridge}/login?connection={CONNECTION}&returnTo={home}")
    landed = browser.open(f"{places.idp}/sign-in", {"user": "alice", "handle": choose.hidden("handle") or ""})
    if not landed.url.startswith(home) or "signed_in=yes" not in landed.url:
        wrong.append(f"the sign-in ended at {landed.url[:80]} ({landed.status}): {landed.heading}")
    if _user(browser, places) != "alice":
        wrong.append("the identity provider has no session after the sign-in")
    wrong += [] if case.shop is None else _sign_in_at_both(browser, places)
    browser.open(f"{places.bridge}/v2/logout?{'federated&' * case.federated}returnTo={home}")
    if "signed_in=no" not in browser.open(home).url:
        wrong.append("the application says that the person is still signed in")
    handle = browser.cookie(_LOGOUT_COOKIE)
    if browser.open(f"{places.bridge}/session/status").status != 401:
        wrong.append("the bridge's session probe says that the session lives")
    url = f"{places.bridge}/logout/{handle}.json"
    seen = {} if case.shop is None else _applications(browser, places, browser.open(url).json())
    return _Done(case, url, wrong, _user(browser, places) is not None, browser, seen)


def _sign_in_at_both(browser: Browser, places: Places) -> list[str]:
    """Sign in at Shop and News, where nobody is asked any more; return what went wrong."""
    for origin in (places.shop, places.news):
        browser.open(f"{origin}/sign-in")
    names = ((SHOP, places.shop), (NEWS, places.news))
    return [f"nobody is signed in at {name}" for name, origin in names if not _lives(browser, origin)]


def _applications(browser: Browser, places: Places, receipt: dict[str, Any]) -> dict[str, Row]:
    """Return what a receipt says of Shop and News, and what is true."""
    rows = {row["name"]: row for row in receipt.get("sessions", ()) if row["kind"] == "application"}
    found = {}
    for name, origin in ((SHOP, places.shop), (NEWS, places.news)):
        row = rows.get(name.capitalize(), {})
        found[name] = Row(state=str(row.get("state")), ended=bool(row.get("ended")), lives=_lives(browser, origin))
    return found


def _lives(browser: Browser, origin: str) -> bool:
    """Say whether somebody is signed in at an application in this browser."""
    return bool(browser.open(f"{origin}/session.json").json()["signed_in"])


def _user(browser: Browser, places: Places) -> str | None:
    """Return who is signed in at the identity provider in this browser."""
    found: str | None = browser.open(f"{places.idp}/session.json").json()["user"]
    return found


def _result(places: Places, done: _Done) -> Result:
    """Wait until a logout is settled and hold its receipt against the facts."""
    case, wrong = done.case, list(done.wrong)
    receipt = _settled_receipt(done.browser, done.receipt)
    rows = {row["kind"]: row for row in receipt.get("sessions", ())}
    here, there = rows.get("session", {}), rows.get("idp", {})
    facts = (
        ("here", here.get("state"), "confirmed"),
        ("there", there.get("state"), case.state),
        ("source", there.get("endpoint_source"), case.source),
        ("rung", there.get("rung"), case.rung),
        (
            "SessionIndex values",
            there.get("session_indexes"),
            _INDEXES[case.switches.session_index] if case.rung else None,
        ),
        ("the identity provider's session lives", done.idp_session_lives, case.idp_session_lives),
        ("settled", receipt.get("settled"), True),
    )
    wrong += [f"{name}: {found}, expected {expected}" for name, found, expected in facts if found != expected]
    if there.get("ended") and done.idp_session_lives:
        wrong.append("the receipt claims an end that did not happen")
    last = _applications(done.browser, places, receipt) if done.applications else {}
    wrong += _wrong_of_applications(case, done.applications, last) if last else []
    return Result(
        switches=case.switches.turned,
        federated=case.federated,
        here=str(here.get("state")),
        there=str(there.get("state")),
        source=there.get("endpoint_source"),
        rung=there.get("rung"),
        idp_session_lives=done.idp_session_lives,
        applications={name: (first, last[name]) for name, first in done.applications.items()},
        wrong=tuple(wrong),
    )


def _wrong_of_applications(case: Case, first: dict[str, Row], last: dict[str, Row]) -> list[str]:
    """Return what is wrong about Shop and News when the browser stopped, and at the end."""
    told = ("answers", "slow")  # a slow Shop ends its session, only later than anybody waits
    facts = [
        ("the Shop at first", first[SHOP].state, case.shop),
        ("the Shop at the end", last[SHOP].state, "confirmed"),
        ("the Shop's session lives at the end", last[SHOP].lives, False),
        *((f"the News {when}", rows[NEWS].state, "sent") for when, rows in (("at first", first), ("at the end", last))),
        ("the News' session lives", last[NEWS].lives, case.switches.news == "ignores"),
    ]
    if case.switches.shop not in told:
        facts.append(("the Shop's session lives at first", first[SHOP].lives, True))
    wrong = [f"{name}: {found}, expected {expected}" for name, found, expected in facts if found != expected]
    lies = [name for rows in (first, last) for name, row in rows.items() if row.ended and row.lives]
    return wrong + [f"the receipt claims an end at {name} that did not happen" for name in lies]


def _settled_receipt(browser: Browser, url: str) -> dict[str, Any]:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        page = browser.open(url)
        receipt = page.json() if page.status == 200 else {}
        if receipt.get("settled") or page.status == 404 or time.monotonic() > deadline:
            return receipt
        time.sleep(0.2)


# ── A demo of its own ─────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _demo() -> Iterator[Places]:
    """Run a demo on free ports and in a folder of its own for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="slo-") as folder:
        ports = _free_ports(len(PORT_OPTIONS))
        bridge, idp, application, shop, news = ports
        places = Places(bridge, idp, application, shop, news, Path(folder))
        options = [f"{option}={port}" for option, port in zip(PORT_OPTIONS, ports, strict=True)]
        command = [sys.executable, "-P", "-m", "saml_slo", "demo", *options]
        command += ["--folder", folder, "--timeout", str(_TIMEOUT)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        try:
            _wait(places, process)
            yield places
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)
            if process.returncode is None:
                process.kill()


def _wait(places: Places, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    for origin, path in ready_pages(places):
        while not answers(origin, path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ConfigurationError(
                    f"the demo did not start: {origin} does not answer", next_step="What it said is above."
                )
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    """Return ports below those that the kernel gives to whoever asks for any: one of those may be taken by its use."""
    found: list[int] = []
    for port in random.sample(range(12_000, 32_000), 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            found.append(port)
        if len(found) == count:
            break
    return found
