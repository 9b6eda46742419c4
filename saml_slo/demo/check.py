"""`saml-slo demo --check`: signs in and out through every switch, and holds each receipt against what really happened.

What really happened is seen where it happened: at the identity provider's session and at the application. A receipt
that says more than that is a lie, whatever state it was expected to show.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from saml_slo.demo.browser import Browser
from saml_slo.demo.places import CONNECTION, LOOPBACK, Places
from saml_slo.demo.run import answers
from saml_slo.demo.switches import Switches
from saml_slo.errors import ConfigurationError

_TIMEOUT = 5  # seconds that the bridge gives an identity provider here: the least that it can be told
_SETTLE_SECONDS = 20
_START_SECONDS = 60
_INDEXES = {"none": 0, "one": 1, "three": 3}
_LOGOUT_COOKIE = "__Host-slo-logout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One logout: how the switches are, what is asked for, and what the receipt and the provider shall show."""

    switches: Switches
    federated: bool = True
    state: str
    source: str | None = "metadata"
    rung: str | None = "session_index"
    idp_session_lives: bool = False


CASES = (
    Case(switches=Switches(), federated=False, state="kept", source=None, rung=None, idp_session_lives=True),
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
class Result:
    """What came of a case; `wrong` is empty when all of it is as it should be."""

    switches: dict[str, str]
    federated: bool
    here: str
    there: str
    source: str | None
    rung: str | None
    idp_session_lives: bool
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


def run_check(tell: Callable[[Case], None] = lambda _: None) -> Iterator[Result]:
    """Start a demo on free ports, drive every case, give the results in order, stop it. `tell` hears of each case."""
    with _demo() as places:
        done = []
        for case in CASES:
            tell(case)
            done.append(_drive(places, case))
        # The silent ones have had their time by now, or nearly: nobody waits for each of them.
        yield from (_result(Browser(), each) for each in done)


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
    browser.open(f"{places.bridge}/v2/logout?{'federated&' * case.federated}returnTo={home}")
    if "signed_in=no" not in browser.open(home).url:
        wrong.append("the application says that the person is still signed in")
    handle = browser.cookie(_LOGOUT_COOKIE)
    if browser.open(f"{places.bridge}/session/status").status != 401:
        wrong.append("the bridge's session probe says that the session lives")
    lives = _user(browser, places) is not None
    return _Done(case, f"{places.bridge}/logout/{handle}.json", wrong, lives)


def _user(browser: Browser, places: Places) -> str | None:
    """Return who is signed in at the identity provider in this browser."""
    found: str | None = browser.open(f"{places.idp}/session.json").json()["user"]
    return found


def _result(browser: Browser, done: _Done) -> Result:
    """Wait until a logout is settled and hold its receipt against the facts."""
    case, wrong = done.case, list(done.wrong)
    receipt = _settled_receipt(browser, done.receipt)
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
    return Result(
        switches=case.switches.turned,
        federated=case.federated,
        here=str(here.get("state")),
        there=str(there.get("state")),
        source=there.get("endpoint_source"),
        rung=there.get("rung"),
        idp_session_lives=done.idp_session_lives,
        wrong=tuple(wrong),
    )


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
        bridge, idp, application = _free_ports(3)
        places = Places(bridge, idp, application, Path(folder))
        ports = ("--port", places.bridge_port, "--idp-port", places.idp_port, "--app-port", places.application_port)
        command = [sys.executable, "-P", "-m", "saml_slo", "demo", *map(str, ports)]
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
    for origin, path in (
        (places.application, "/healthz"),
        (places.idp, "/healthz"),
        (places.bridge, f"/saml/sp/{CONNECTION}/metadata"),
    ):
        while not answers(origin, path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ConfigurationError(
                    f"the demo did not start: {origin} does not answer", next_step="Its words are above."
                )
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
