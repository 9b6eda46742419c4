"""`saml-slo receipt`: from the code that somebody reads to you to what happened."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saml_slo.cli.group import as_json
from saml_slo.cli.terminal import console, house, iso, moment, printable

if TYPE_CHECKING:
    from saml_slo.logout.receipt import Row
    from saml_slo.operations.trail import Looked

_TROUBLE = ("sent", "refused", "timed_out", "unsupported")
_SHOWN = ("timestamp", "event", "reason", "message", "expected", "got", "setting", "method", "path", "cause", "request")


@click.command()
@click.argument("reference")
@click.option(
    "--log",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The server's log: where the code of a refused request is looked for.",
)
@as_json
def receipt(reference: str, log: Path | None, *, as_json: bool) -> None:
    """Show what a reference code is about: the receipt of a logout, or the refused request in the log.

    REFERENCE is the code on a page or receipt, the address or handle of a receipt, or the id of a logout. Exits with 1
    when nothing is found.
    """
    from saml_slo.operations.trail import look_up  # noqa: PLC0415 - half a second that `--help` need not wait

    with house() as parts:
        found = look_up(parts, reference)
    lines = [] if log is None else list(_lines(log, reference, found.logout_id))
    if as_json:
        click.echo(json.dumps({**_document(found), "log": lines}))
    else:
        _print(found)
        _print_log(reference, log, lines, known=found.logout_id is not None)
    sys.exit(int(found.logout_id is None and not lines))


def _document(found: Looked) -> dict[str, Any]:
    from saml_slo.operations.trail import facts  # noqa: PLC0415 - as above
    from saml_slo.web.receipts import facts_of  # noqa: PLC0415 - as above

    return {
        "logout": found.logout_id,
        "receipt": None if found.receipt is None else facts_of(found.receipt),
        "trail": [facts(entry) | {"at": iso(entry.at)} for entry in found.entries],
    }


def _print(found: Looked) -> None:
    from saml_slo.operations.trail import sentence  # noqa: PLC0415 - as above

    out = console()
    if found.receipt is not None:
        shown = found.receipt
        out.print(f"logout {found.logout_id}, reference {shown.reference}")
        out.print(f"begun {moment(shown.started_at)} by: {shown.initiator}; {shown.reason}")
        out.print(shown.summary)
        for row in shown.rows:
            _print_row(row)
        if any(not row.ended and row.state in _TROUBLE for row in shown.rows):
            out.print(
                "\nTo find out why: `saml-slo doctor --online`, and `saml-slo inspect` on what the browser recorded."
            )
    elif found.logout_id is not None:
        out.print(f"The receipt of logout {found.logout_id} is over (24 hours); this is what the audit trail has.")
    if found.receipt is not None:
        out.print("\nThe audit trail:")
    for entry in found.entries:
        out.print(f"{moment(entry.at)}  {printable(sentence(entry.happened))}")


def _print_row(row: Row) -> None:
    """Print one session of a receipt, as wide as its words are: tables of sentences cannot be read in a terminal."""
    out = console()
    out.print(f"\n{printable(row.name)} ({row.kind}): {row.state}, {'' if row.ended else 'not '}ended", style="bold")
    out.print(f"  {moment(row.changed_at)}  {printable(f'{row.reason} {row.advice}').rstrip()}")
    if row.channel is not None:
        named = {None: "", 0: ", naming the NameID alone", 1: ", naming 1 SessionIndex"}.get(
            row.session_indexes, f", naming {row.session_indexes} SessionIndex values"
        )
        how = row.channel if row.channel == row.method else f"{row.method} {row.channel}"
        out.print(f"  asked by {how} at {printable(row.endpoint or '')} ({row.endpoint_source}){named}")
    if row.retry_at is not None:
        out.print(f"  next attempt at {moment(row.retry_at)}")


def _print_log(reference: str, log: Path | None, lines: list[dict[str, Any]], *, known: bool) -> None:
    out = console()
    for line in lines:
        out.print("In the log:")
        for name in _SHOWN:
            if line.get(name) not in (None, ""):
                out.print(f"  {name + ':':<10} {printable(str(line[name]))}")
        for name, text in _advice(line):
            out.print(f"  {name + ':':<10} {text}")
    if known or lines:
        return
    query = shlex.quote(f'select(.reference == "{printable(reference)}")')
    out.print("No logout in the audit trail has this code.")
    out.print("The code of a request or message that was refused is in the server's log alone, with what was expected")
    out.print("and what came:")
    out.print(f"  jq {query} {'the-server.log' if log is None else log}")
    out.print(f"  saml-slo receipt {shlex.quote(printable(reference))} --log the-server.log")


def _advice(line: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what can be done about a message that was refused; the log has only what was wrong with it."""
    from saml_slo.errors import Reason  # noqa: PLC0415 - as above
    from saml_slo.inspection.advice import advice  # noqa: PLC0415 - as above

    if line.get("event") == "message_refused" and line.get("reason") in set(Reason):
        setting, next_step = advice(Reason(line["reason"]))
        yield from ((name, text) for name, text in (("setting", setting), ("next", next_step)) if text)


def _lines(log: Path, reference: str, logout_id: str | None) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log that have this code, or are about this logout; other programs' are passed over."""
    code = reference.strip().upper()
    wanted = [code.encode(), *([] if logout_id is None else [logout_id.encode()])]
    with log.open("rb") as lines:
        for octets in lines:
            if not any(word in octets for word in wanted):
                continue
            try:
                line = json.loads(octets)
            except ValueError:
                continue
            if not isinstance(line, dict):
                continue
            if line.get("reference") == code or (logout_id is not None and line.get("logout") == logout_id):
                yield line
