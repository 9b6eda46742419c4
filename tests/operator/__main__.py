"""`python -m tests.operator`: play all of it, and say whether every fault was explained; `--write` makes the page.

Exit code 0 only when each command said what it must say.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tests.interop.lab import PROJECT, RETURN_TO, SimpleSamlPhp, install
from tests.interop.row import NotRunError
from tests.operator.clock import Clock
from tests.operator.faults import FAULTS
from tests.operator.person import LOGOUT_TIMEOUT, NAME, Operator
from tests.operator.transcript import NotTold

_console = Console(highlight=False, markup=False, soft_wrap=True)
PAGE = PROJECT / "docs" / "operator-transcript.md"
_BEFORE = """# A new operator, a real identity provider, and what is wrong

`make transcript` wrote this page: it starts SimpleSAMLphp 1.19 and our server in empty folders, makes one thing wrong
at a time, sends a person's browser through a logout, and types our commands. Every command and every answer below is
real; it fails when one of the sentences in the table is not told. `[…]` stands for lines that say that something is in
order; ports, identifiers and the day are made the same from run to run. [Finding out why](troubleshooting.md) explains
the words."""


def main() -> int:
    """Play all of it and return the exit code."""
    arguments = argparse.ArgumentParser(prog="python -m tests.operator", description=__doc__)
    arguments.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(one.__name__ for one in FAULTS))
    arguments.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(PROJECT)} when all is told")
    arguments.add_argument("--page", type=Path, metavar="FILE", help="write the page there, whatever came out")
    given = arguments.parse_args()
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="saml-slo-transcript-"))
    operator: Operator | None = None
    try:
        with ExitStack() as running:
            install("simplesamlphp", "SimpleSAMLphp")
            clock = Clock(folder / "clock")
            with clock.preloaded():
                idp = running.enter_context(SimpleSamlPhp(folder / "ssp"))
            operator = Operator(folder / "slo", idp, clock)
            _begin(operator)
            running.enter_context(operator.serving())
            for fault in FAULTS:
                if not given.faults or fault.__name__ in given.faults or fault is FAULTS[0]:
                    fault(operator)
    except NotRunError as reason:
        _console.print(f"NOT RUN: {reason}")
        return 1
    except NotTold as error:
        _console.print(f"NOT TOLD: {error}")
        return 1
    finally:
        if operator is not None and given.page is not None:
            given.page.write_text(operator.page.text(_BEFORE))
        shutil.rmtree(folder)
    if given.write:
        PAGE.write_text(operator.page.text(_BEFORE))
    for fault, command, sentence in operator.page.told:
        _console.print(f"{fault}: saml-slo {command[:60]}: {sentence}")
    _console.print(f"{len(operator.page.told)} sentences were told ({time.monotonic() - begun:.0f} s)")
    return 0


def _begin(operator: Operator) -> None:
    """From an empty folder to a connection."""
    page = operator.page
    page.say("## From an empty folder")
    page.type("check", "SLO_PUBLIC_URL in the environment, or public_url in saml_slo.toml", code=1)
    lines = [f'public_url = "{operator.origin}"', f'listen = "{operator.origin.removeprefix("http://")}"']
    lines += [
        "workers = 1",
        'metrics_listen = ""',
        f'allowed_logout_urls = ["{RETURN_TO}"]',
        f"logout_timeout = {LOGOUT_TIMEOUT}",
    ]
    operator.settings(*lines)
    page.type("keys")
    url = operator.idp.metadata_url
    page.type(f"connection add {NAME} --from {url} --yes", "not listed in SLO_BACK_CHANNEL_ALLOW", code=1)
    page.say("SimpleSAMLphp runs on this machine, so its address is listed:")
    operator.settings(*lines, 'back_channel_allow = ["127.0.0.1"]')
    page.type(
        f"connection add {NAME} --from {url} --yes", "This is SimpleSAMLphp", "It is asked by a signed LogoutRequest"
    )


def _stop(signum: int, _frame: object) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)
    sys.exit(main())
