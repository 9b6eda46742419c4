"""`saml-slo audit`: what verified parties and operators did."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from saml_slo.cli.group import as_json
from saml_slo.cli.terminal import console, house, iso, moment, printable

if TYPE_CHECKING:
    from saml_slo.store.trails import Entry

_NOTHING = (
    "Nothing is recorded of this. What was refused is in the server's log alone: `saml-slo receipt CODE --log FILE`; "
    "`saml-slo inspect` says of a message why."
)
_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class _Moment(click.ParamType[int]):
    """A date or time (UTC unless it says otherwise), or how long ago: 30m, 12h, 7d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's
        """Return milliseconds."""
        try:
            if ago := _AGO.fullmatch(value):
                then = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            else:
                then = datetime.fromisoformat(value)
            return int((then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fail("write 2026-11-20, 2026-11-20T08:00:00Z, or how long ago: 30m, 12h, 7d", param, ctx)


@click.group()
def audit() -> None:
    """Read the audit trail: what verified parties and operators did. People stand in it as digests."""


@audit.command()
@click.option("--since", type=_Moment(), default="1d", show_default=True, help="The first moment.")
@click.option("--until", type=_Moment(), default=None, help="The last one; now, where it is left out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, instead of lines for people.")
def export(since: int, until: int | None, *, as_json: bool) -> None:
    """Write everything that happened in a span of time, the oldest first."""
    from saml_slo.operations.trail import everything  # noqa: PLC0415 - half a second that `--help` need not wait

    with house() as parts:
        _write(everything(parts, since, until), as_json=as_json)


@audit.command()
@click.option("--user", metavar="ID", help="A user id that applications register; of --application, or of all.")
@click.option("--name-id", metavar="N", help="The NameID of a person at --connection.")
@click.option("--connection", metavar="C", help="A connection, or that of --name-id.")
@click.option("--application", metavar="A", help="An application, or that of --user.")
@click.option("--message", metavar="ID", help="The ID or InResponseTo of a message.")
@click.option("--reference", metavar="CODE", help="The reference code of a logout.")
@click.option("--most", type=click.IntRange(1, 10_000), default=200, show_default=True, help="How many of the latest.")
@as_json
def find(  # noqa: PLR0917 - one for each way to look
    user: str | None,
    name_id: str | None,
    connection: str | None,
    application: str | None,
    message: str | None,
    reference: str | None,
    most: int,
    *,
    as_json: bool,
) -> None:
    """Find what is about a person, a connection, an application, a message or a logout; 1 when there is nothing."""
    from saml_slo.operations.trail import Sought  # noqa: PLC0415 - as above
    from saml_slo.operations.trail import find as find_entries  # noqa: PLC0415 - as above
    from saml_slo.operations.whom import Whom  # noqa: PLC0415 - as above

    if name_id is not None and connection is None:
        raise click.UsageError("a NameID belongs to a connection: name it with --connection")
    whom = None
    if user is not None or name_id is not None:
        whom = Whom(user=user, name_id=name_id, connection=connection, application=application)
        if whom.problem:
            raise click.UsageError(whom.problem)
    ways = [whom, message, reference, None if whom else connection, None if whom else application]
    if sum(way is not None for way in ways) != 1:
        raise click.UsageError("name one: a person, a connection, an application, a message or a reference")
    sought = Sought(
        whom=whom, connection=connection, application=application, message=message, reference=reference, most=most
    )
    with house() as parts:
        entries = find_entries(parts, sought)
    if as_json:
        from saml_slo.operations.trail import facts  # noqa: PLC0415 - as above

        click.echo(json.dumps({"entries": [facts(entry) | {"at": iso(entry.at)} for entry in entries]}))
    else:
        _write(entries, as_json=False)
        if not entries:
            click.echo(_NOTHING, err=True)
    sys.exit(int(not entries))


def _write(entries: Iterable[Entry], *, as_json: bool) -> None:
    from saml_slo.operations.trail import facts, sentence  # noqa: PLC0415 - as above

    out = console()
    for entry in entries:
        if as_json:
            click.echo(json.dumps(facts(entry) | {"at": iso(entry.at)}))
        else:
            out.print(f"{moment(entry.at)}  {printable(sentence(entry.happened))}")
