"""`python -m tests.interop [ROW…]`: run every row, or those whose number begins with one of these; print the table.

Exit code 0 only when every row holds; 1 when one does not or was not run; 2 when there is no such row.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.interop import lab, rows_applications, rows_samlp, rows_simplesamlphp
from tests.interop.bridge import Bridge
from tests.interop.lab import Samlp, SimpleSamlPhp
from tests.interop.row import FAIL, INFO, NOT_RUN, OK, NotRunError, Row, print_matrix, print_table
from tests.interop.together import Together

_console = Console(highlight=False)


def main() -> int:
    """Run the rows and return the exit code."""
    arguments = argparse.ArgumentParser(prog="python -m tests.interop", description=__doc__)
    arguments.add_argument("rows", nargs="*", metavar="ROW", help="numbers of rows: 2, 5a, 10")
    arguments.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this new folder and leave logs and all")
    given = arguments.parse_args()
    wanted = tuple(given.rows)
    simplesamlphp, samlp = _chosen(rows_simplesamlphp.ROWS, wanted), _chosen(rows_samlp.ROWS, wanted)
    applications = _chosen(rows_applications.ROWS, wanted)
    if not simplesamlphp and not samlp and not applications:
        _console.print(f"There is no row {' '.join(wanted)}.")
        return 2
    begun = time.monotonic()
    done: list[Row] = []
    try:
        with _folder(given.keep) as folder, ExitStack() as running:
            lab.install("simplesamlphp", "SimpleSAMLphp")
            idp = running.enter_context(SimpleSamlPhp(folder / "ssp"))
            bridge = running.enter_context(Bridge(folder / "bridge"))
            parties = rows_simplesamlphp.Parties(bridge, idp)
            done += (_run(row, function, parties, bridge) for row, function in simplesamlphp)
            done += _run_with_node(samlp, applications, parties, folder)
    except NotRunError as reason:
        _console.print(f"NOT RUN: {reason}")
        return 1
    print_table(done, _console)
    print_matrix(done, _console)
    bad = [row.number for row in done if row.verdict in (FAIL, NOT_RUN)]
    told = sum(row.verdict == INFO for row in done)
    summary = f"{len(done) - len(bad)} of {len(done)} rows hold, {told} of them for information only"
    _console.print(f"{summary} ({time.monotonic() - begun:.0f} s)" + (f"; not: {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="saml-slo-interop-"))
    folder.chmod(0o711)  # httpd leaves root and must pass through
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _chosen(rows: Iterable[tuple[str, str, Callable]], wanted: tuple[str, ...]) -> list[tuple[Row, Callable]]:
    return [
        (Row(number, title), function)
        for number, title, function in rows
        if not wanted or any(number == name or number.rstrip("abcdefgh") == name for name in wanted)
    ]


def _run_with_node(
    samlp: list[tuple[Row, Callable]],
    applications: list[tuple[Row, Callable]],
    parties: rows_simplesamlphp.Parties,
    folder: Path,
) -> Iterator[Row]:
    """Run what needs npm, and apt for mellon; say why where they are not to be had."""
    rows = [*samlp, *applications]
    if not rows:
        return
    bridge = parties.bridge
    try:
        modules = Samlp.install(folder / "node")
        if applications:
            lab.install("mellon", "mod_auth_mellon")
    except NotRunError as reason:
        for row, _ in rows:
            row.verdict = NOT_RUN
            row.saw(str(reason))
            yield row
        return
    peers = rows_samlp.Peers(bridge, modules, folder / "samlp")
    for row, function in samlp:
        yield _run(row, function, peers, bridge)
    with Together(bridge, parties.idp, modules, folder / "applications") as together:
        for row, function in applications:
            yield _run(row, function, together, bridge)


def _run(row: Row, function: Callable[..., None], parties: Any, bridge: Bridge) -> Row:
    """Run one row. Whatever goes wrong in it is its failure, and the next one starts anew."""
    begun = time.monotonic()
    bridge.refusals()
    try:
        function(parties, row)
        row.verdict = INFO if row.informational else OK
    except Exception as error:  # noqa: BLE001
        row.verdict = FAIL
        row.saw(f"{type(error).__name__}: {error}")
        if not isinstance(error, AssertionError):
            traceback.print_exc()
    row.seconds = time.monotonic() - begun
    _console.print(f"{row.verdict:5} {row.number:4} {row.title} ({row.seconds:.1f} s)", markup=False)
    return row


def _stop(signum: int, _frame: object) -> None:
    """Turn the polite signals into an exception, so that everything that was started is stopped."""
    sys.exit(128 + signum)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)
    sys.exit(main())
