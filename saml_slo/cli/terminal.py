"""What several commands print: tables, moments, questions; and the house that they stand on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import structlog
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from saml_slo.config import Settings, load_settings
from saml_slo.protocol import moments

if TYPE_CHECKING:
    from saml_slo.house import House

PARTLY = 3
yes = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")
dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")


def quiet() -> None:
    """Let errors of the parts below go to standard error, so that standard output is the answer alone.

    Their warnings are for the log of a server: a command says itself what it found, and `check` and `doctor` the rest.
    """
    if not structlog.is_configured():
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(40),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )


@contextmanager
def house() -> Iterator[House]:
    """Give every part, with the settings of this folder and environment."""
    from saml_slo.operations.attach import attached  # noqa: PLC0415 - half a second that `--help` need not wait

    quiet()
    with attached(load_settings()) as parts:
        yield parts


def settings_here() -> Settings:
    """Return the settings of this folder and environment."""
    quiet()
    return load_settings()


def note(settings: Settings, *acts: tuple[str, str]) -> None:
    """Record in the audit trail what was done to files; where no Redis can be reached, standard error says so."""
    from saml_slo.operations.attach import noted  # noqa: PLC0415 - half a second that `--help` need not wait

    if not noted(settings, *acts):
        click.echo("note: no Redis can be reached, so the audit trail does not have this", err=True)


def moment(milliseconds: int) -> str:
    """Return a time for people, in UTC."""
    return f"{moments.instant_of(milliseconds):%Y-%m-%d %H:%M:%S}Z"


def iso(milliseconds: int | None) -> str | None:
    """Return a time for programs, None for none."""
    return None if milliseconds is None else moments.iso(milliseconds)


class _Lines:
    """Where people read: one line after the other on standard output."""

    def print(self, text: str, *, style: str | None = None) -> None:
        """Print a line; what was said elsewhere is not taken for markup and moves no cursor, and nothing is cut."""
        Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(printable(text), style=style)


def console() -> _Lines:
    """Return where people read."""
    return _Lines()


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on standard error that something goes on which may take seconds; nothing where no person looks."""
    with Console(stderr=True).status(what):
        yield


def table(headings: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table whose cells wrap instead of being cut."""
    made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in headings:
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    Console(highlight=False).print(made)


def printable(text: str) -> str:
    """Return a text that came from elsewhere without what could move a cursor or hide in a line."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def agreed(question: str, *, given: bool, as_json: bool) -> bool:
    """Ask whether to go on. A program that wants JSON is not asked: it says --yes, or gets code 2."""
    if given:
        return True
    if as_json:
        raise click.UsageError("nothing was done: with --json nobody is asked, so add --yes or --dry-run")
    return click.confirm(question, default=False, err=True)
