"""`saml-slo deliveries`: notices that failed and wait for their next attempt."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from saml_slo.cli.group import as_json
from saml_slo.cli.terminal import PARTLY, agreed, console, house, iso, moment, table, working, yes
from saml_slo.errors import ConfigurationError

if TYPE_CHECKING:
    from saml_slo.house import House
    from saml_slo.logout.transaction import Target


@click.group()
def deliveries() -> None:
    """List, hurry or give up back-channel notices that wait for another attempt."""


@deliveries.command("list")
@click.option("--peer", metavar="NAME", help="Only those to this application or connection.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="About how many at once.")
@click.option("--after", metavar="SHARD", default="00", help="Where to go on, as the page before said.")
@as_json
def list_(peer: str | None, limit: int, after: str, *, as_json: bool) -> None:
    """List what waits, by shard and then the soonest first."""
    from saml_slo.operations.deliveries import page  # noqa: PLC0415 - half a second that `--help` need not wait
    from saml_slo.store.keys import SHARDS  # noqa: PLC0415 - as above

    if after not in SHARDS:
        raise click.BadParameter("two hex digits, as the page before said", param_hint="--after")
    with house() as parts:
        found = page(parts, after=after, limit=limit, peer=peer)
    if as_json:
        rows = [{**asdict(one), "next_at": iso(one.next_at), "until": iso(one.until)} for one in found.deliveries]
        click.echo(json.dumps({"deliveries": rows, "next": found.next_shard, "incomplete_shards": list(found.cut)}))
        return
    out = console()
    for one in found.deliveries:
        out.print(f"{one.id}")
        out.print(f"  to {one.name} ({one.peer}) by {one.method} at {one.endpoint}; logout {one.reference}")
        out.print(f"  {one.attempts} attempts, {one.state}: {one.reason}")
        out.print(f"  next {moment(one.next_at)}, until {moment(one.until)}")
    out.print(f"{len(found.deliveries)} wait.")
    if found.next_shard is not None:
        out.print(f"There may be more: --after {found.next_shard}")
    if found.cut:
        out.print(f"Not every logout was looked at in shards {', '.join(found.cut)}: more may wait there.")


@deliveries.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@as_json
def retry(ids: tuple[str, ...], *, as_json: bool) -> None:
    """Try these now instead of later, and say what came of it; 3 when some did not go through."""
    from saml_slo.operations.deliveries import retry as again  # noqa: PLC0415 - half a second that `--help` need not wait

    with house() as parts:
        sys.exit(_each(parts, ids, again, as_json=as_json))


@deliveries.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@yes
@as_json
def drop(ids: tuple[str, ...], *, yes: bool, as_json: bool) -> None:
    """Give these up: they are not tried again, and the receipt says that an operator decided so."""
    from saml_slo.operations.deliveries import drop as give_up  # noqa: PLC0415 - half a second that `--help` need not wait

    question = f"Give up {len(ids)} deliveries? As far as we know, the people stay signed in there."
    if not agreed(question, given=yes, as_json=as_json):
        click.echo("Nothing was given up.", err=True)
        sys.exit(1)
    with house() as parts:
        sys.exit(_each(parts, ids, give_up, as_json=as_json, gives_up=True))


def _each(
    parts: House,
    ids: Sequence[str],
    act: Callable[[House, str], Target],
    *,
    as_json: bool,
    gives_up: bool = False,
) -> int:
    """Do it to each, print what came of it, and return the exit code."""
    from saml_slo.operations.attach import operator  # noqa: PLC0415 - as above

    action = "delivery-dropped" if gives_up else "delivery-retried"
    rows: list[dict[str, object]] = []
    for identifier in ids:
        try:
            with working("Asking"):
                target = act(parts, identifier)
            parts.store.note(operator(), action, f"{target.peer} {identifier}")
        except ConfigurationError as error:
            rows.append(
                {"id": identifier, "peer": "", "done": False, "state": "", "reason": str(error), "next_at": None}
            )
            continue
        done = gives_up or target.counts_as_ended
        rows.append(
            {
                "id": identifier,
                "peer": target.peer,
                "done": done,
                "state": str(target.state),
                "reason": target.reason,
                "next_at": iso(target.retry_at),
            }
        )
    good = sum(bool(row["done"]) for row in rows)
    if as_json:
        click.echo(json.dumps({"ok": good == len(rows), "deliveries": rows}))
    else:
        table(("id", "to", "state", "why", "next"), [_cells(row) for row in rows])
    return 0 if good == len(rows) else PARTLY if good else 1


def _cells(row: dict[str, object]) -> tuple[str, ...]:
    return tuple(str(row[name] or "") for name in ("id", "peer", "state", "reason", "next_at"))
