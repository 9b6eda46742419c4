"""`saml-slo coverage`: who hears of a logout, and who does not (product A4)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from saml_slo.cli.group import as_json
from saml_slo.config import load_settings

if TYPE_CHECKING:
    from saml_slo.peers.coverage import Report, Row

_STYLES = {
    "covered": "green",
    "takes_no_part": "dim",
    "blind": "bold red",
    "waiver_over": "bold red",
}


@click.command()
@as_json
def coverage(*, as_json: bool) -> None:
    """Say who hears of a logout; exit with 1 when somebody is blind or a waiver is over."""
    from saml_slo.peers.coverage import coverage as report_of  # noqa: PLC0415 - half a second, as for the others
    from saml_slo.peers.registry import Registry  # noqa: PLC0415 - as above

    settings = load_settings()
    registry = Registry(settings.metadata_dir, settings.public_url, copies=settings.copies_dir)
    today = datetime.now(UTC).date()
    report = report_of(registry.applications(), registry.connections(), registry.upstreams(), today)
    # A file that is not in force may be that of somebody who should hear of a logout.
    problems = [str(problem) for problem in registry.problems()]
    if as_json:
        click.echo(json.dumps(_document(report, problems)))
    else:
        _print(report, problems)
    sys.exit(int(bool(report.uncovered or problems)))


def _document(report: Report, problems: list[str]) -> dict[str, object]:
    return {
        "ok": not (report.uncovered or problems),
        "applications": [_entry(row, "client_id") for row in report.applications],
        "providers": [_entry(row, "name") for row in report.providers],
        "problems": problems,
    }


def _entry(row: Row, name: str) -> dict[str, str | None]:
    return {
        name: row.name,
        "title": row.title,
        "method": row.method,
        "where": row.where or None,
        "state": row.state,
        "until": None if row.until is None else row.until.isoformat(),
        "sentence": row.sentence,
    }


def _print(report: Report, problems: list[str]) -> None:
    console = Console()
    for heading, rows in (("application", report.applications), ("identity provider", report.providers)):
        if rows:
            console.print(_table(heading, rows))
    for problem in problems:
        console.print(Text.assemble(("problem ", "bold red"), problem), soft_wrap=True, highlight=False)
    told = len(report.applications) - len(report.uncovered)
    summary = f"{told} of {len(report.applications)} applications need no attention."
    if names := ", ".join(row.name for row in report.uncovered):
        summary += f" These cannot be told of a logout: {names}."
    console.print(summary, highlight=False, markup=False, soft_wrap=True)


def _table(heading: str, rows: Iterable[Row]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(heading, overflow="fold")
    table.add_column("method", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("what happens", overflow="fold")
    for row in rows:
        name = row.name if row.title == row.name else f"{row.name} ({row.title})"
        where = f" {row.where}" if row.where else ""
        state = Text(row.state, _STYLES.get(row.state, "yellow"))
        table.add_row(Text(name), Text(row.method), state, Text(f"{row.sentence}{where}"))
    return table
