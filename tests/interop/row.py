"""One row of the table: what was done, what was seen, and whether all that it expects holds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.interop.browser import Message

OK, FAIL, INFO, NOT_RUN = "OK", "FAIL", "INFO", "NOT RUN"
_COLOURS = {OK: "green", FAIL: "bold red", INFO: "cyan", NOT_RUN: "bold red"}
_WIDTH = 176
BEGAN, TOLD = "who began", "what they were told"  # two columns of the matrix


class NotTrueError(AssertionError):
    """What a row proves does not hold; the message says what was expected and what came."""


class NotRunError(Exception):
    """Something that a row, or all of them, needs is not here."""


@dataclass
class Row:
    """What a row found. `informational`: it holds, and tells of something that nobody should rely on.

    `matrix`: who began a logout, what they were told, and by each other party's name how it was asked and what came.
    """

    number: str
    title: str
    informational: bool = False
    done: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    receipt: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    matrix: dict[str, str] = field(default_factory=dict)
    verdict: str = ""
    seconds: float = 0.0

    def did(self, *what: str) -> None:
        """Note what was done."""
        self.done += what

    def saw(self, *what: str) -> None:
        """Note what was observed."""
        self.seen += what

    def passed(self, messages: Iterable[Message]) -> None:
        """Note the messages that went through the browser."""
        self.messages += [message.told for message in messages]

    def told(self, receipt: dict[str, Any]) -> None:
        """Note what the receipt says of each session; a second look at it is noted below the first."""
        if self.receipt:
            self.receipt.append("later:")
        for session in receipt["sessions"]:
            how = [session[fact] for fact in ("channel", "endpoint_source", "rung") if session[fact]]
            self.receipt.append(f"{session['name']}: {session['state']}" + (f" ({', '.join(how)})" if how else ""))

    @staticmethod
    def require(holds: object, what: str) -> None:
        """Require that something holds."""
        if not holds:
            raise NotTrueError(f"this does not hold: {what}")

    @staticmethod
    def expect(found: object, expected: object, what: str) -> None:
        """Require that two things are equal."""
        if found != expected:
            raise NotTrueError(f"{what}: expected {expected!r}, found {found!r}")


def print_table(rows: Iterable[Row], console: Console) -> None:
    """Print all rows as one table, as wide as the terminal; wide enough to be read where there is none."""
    if not console.is_terminal:
        console.width = _WIDTH
    table = Table(box=box.SQUARE, show_lines=True)
    table.add_column("row", no_wrap=True)
    for heading in ("what was done", "messages through the browser", "states on the receipt", "seen"):
        table.add_column(heading, ratio=1, overflow="fold")
    table.add_column("", no_wrap=True)
    for row in rows:
        done = [f"[bold]{row.title}[/bold]", *map(_plain, row.done)]
        verdict = f"[{_COLOURS[row.verdict]}]{row.verdict}[/]"
        parts = (done, *([_plain(line) for line in lines] for lines in (row.messages, row.receipt, row.seen)))
        table.add_row(row.number, *("\n".join(part) for part in parts), verdict)
    console.print(table)


def print_matrix(rows: Iterable[Row], console: Console) -> None:
    """Print peer by who began by binding: one line for each logout that had applications in it."""
    found = [row for row in rows if row.matrix]
    if not found:
        return
    parties = dict.fromkeys(name for row in found for name in row.matrix if name not in (BEGAN, TOLD))
    table = Table(box=box.SQUARE)
    table.add_column("row", no_wrap=True)
    for heading in (BEGAN, *parties, TOLD, ""):
        table.add_column(heading, overflow="fold")
    for row in found:
        cells = [row.matrix.get(name, "–") for name in (BEGAN, *parties, TOLD)]
        table.add_row(row.number, *cells, f"[{_COLOURS[row.verdict]}]{row.verdict}[/]")
    console.print(table)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
