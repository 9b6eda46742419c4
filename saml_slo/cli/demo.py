"""`saml-slo demo`: an identity provider, three applications and the bridge, to click through or to check."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from saml_slo.demo.places import NEWS, SHOP, Places
from saml_slo.demo.switches import POSITIONS, Switches

if TYPE_CHECKING:
    from saml_slo.demo.check import Result

_PORT: Final = click.IntRange(1, 65535)


def _switch_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each of the demo's switches."""
    for name, words in reversed(list(POSITIONS.items())):
        first, *_ = words
        option = f"--{name.replace('_', '-')}"
        text = " ".join(f"{word}: {sentence}" for word, sentence in words.items())
        command = click.option(option, name, type=click.Choice(list(words)), default=first, help=text)(command)
    return command


@click.command()
@click.option("--port", type=_PORT, default=8000, show_default=True, help="Port of the bridge.")
@click.option("--idp-port", type=_PORT, default=8001, show_default=True, help="Port of the identity provider.")
@click.option("--app-port", type=_PORT, default=8002, show_default=True, help="Port of the application.")
@click.option("--shop-port", type=_PORT, default=8003, show_default=True, help="Port of the Shop.")
@click.option("--news-port", type=_PORT, default=8004, show_default=True, help="Port of the News.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("var/demo"), show_default=True, help="Its files."
)
@click.option(
    "--timeout",
    type=click.IntRange(5, 3600),
    default=20,
    show_default=True,
    help="Seconds that an identity provider has for its answer.",
)
@click.option("--check", "checking", is_flag=True, help="Drive every switch without a browser and say what happened.")
@click.option("--json", "as_json", is_flag=True, help="With --check: one JSON document instead of a table.")
@_switch_options
def demo(  # noqa: PLR0917 - the options of a command
    port: int,
    idp_port: int,
    app_port: int,
    shop_port: int,
    news_port: int,
    folder: Path,
    timeout: int,
    *,
    checking: bool,
    as_json: bool,
    **switches: str,
) -> None:
    """Run an identity provider, three applications and the bridge, to click through in a browser."""
    if checking:
        sys.exit(_demo_check(as_json=as_json))
    from saml_slo.demo.run import run_demo  # noqa: PLC0415 - half a second that the other commands need not wait

    places = Places(port, idp_port, app_port, shop_port, news_port, folder.absolute())
    run_demo(places, Switches.of(switches), logout_timeout=timeout, announce=_announce)


def _demo_check(*, as_json: bool) -> int:
    """Run the check, print it, and return the exit code."""
    from saml_slo.demo.check import CASES, run_check  # noqa: PLC0415 - as above

    with Console(stderr=True).status("Starting a demo on free ports") as status:
        results = list(run_check(lambda case: status.update(f"{len(CASES)} sign-outs; switches now: {case.switches}")))
    wrong = sum(bool(result.wrong) for result in results)
    if as_json:
        click.echo(json.dumps({"ok": not wrong, "results": [result.as_json() for result in results]}))
        return int(wrong > 0)
    # Fits into 80 columns; "in truth" is what became of the session at the identity provider.
    table = Table("switches turned", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("here", "there", "asked at", "by", "in truth", ""):
        table.add_column(heading, no_wrap=True)
    for result in results:
        turned = _turned(result)
        table.add_row(
            turned if result.federated else f"{turned}; only here",
            result.here,
            result.there,
            result.source or "not asked",
            {"session_index": "SessionIndex", "name_id": "NameID", None: ""}[result.rung],
            "lives" if result.idp_session_lives else "gone",
            "[bold red]FAIL[/bold red]" if result.wrong else "[green]OK[/green]",
        )
    console = Console()
    console.print(table)
    console.print(_applications(results))
    for result in results:
        for sentence in result.wrong:
            console.print(f"{result.switches}: {sentence}", style="red", markup=False, highlight=False)
    console.print(f"{len(results) - wrong} of {len(results)} receipts say what really happened.")
    return int(wrong > 0)


def _applications(results: Sequence[Result]) -> Table:
    """Return what the receipts said of Shop and News, and what was true: when the browser stopped, and at the end."""
    table = Table("switches turned", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("Shop", "in truth", "at the end", "in truth", "News", "in truth"):
        table.add_column(heading, no_wrap=True)
    for result in results:
        if not result.applications:
            continue
        (first, last), (_, news) = result.applications[SHOP], result.applications[NEWS]
        cells = [cell for row in (first, last, news) for cell in (row.state, "lives" if row.lives else "gone")]
        table.add_row(_turned(result), *cells)
    return table


def _turned(result: Result) -> str:
    return ", ".join(f"{name.replace('_', ' ')}: {word}" for name, word in result.switches.items()) or "none"


def _announce(places: Places) -> None:
    console = Console(soft_wrap=True)
    console.print(f"\n  [bold]Open[/bold] {places.start}\n", highlight=False)
    for title, origin in (
        ("application", places.application),
        ("Shop", places.shop),
        ("News", places.news),
        ("identity provider", places.idp),
        ("bridge", places.bridge),
        ("its console", f"{places.start}/console"),
    ):
        console.print(f"  [dim]{title + ':':<18}[/dim] {origin}", highlight=False)
    console.print(
        f"  [dim]{'files and logs:':<18}[/dim] {places.folder}\n\n  Ctrl-C ends all of it.\n", highlight=False
    )
