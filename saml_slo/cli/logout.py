"""`saml-slo logout`: end somebody's sessions, after a look at what will end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from saml_slo.cli.group import as_json
from saml_slo.cli.terminal import PARTLY, agreed, console, dry_run, house, iso, moment, table, working, yes
from saml_slo.cli.whom import of_whom

if TYPE_CHECKING:
    from saml_slo.house import House
    from saml_slo.logout.transaction import Transaction
    from saml_slo.operations.forced import Planned
    from saml_slo.operations.whom import Whom


@click.command()
@of_whom
@click.option(
    "--reason",
    type=click.Choice(["admin", "user", "global-timeout"]),
    default="admin",
    show_default=True,
    help="What LogoutRequests say.",
)
@click.option(
    "--local", is_flag=True, help="Leave the sessions at identity providers alone, unless a policy says always."
)
@yes
@dry_run
@as_json
def logout(whom: Whom | None, *, reason: str, local: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """End the sessions of a person and tell whom they concern, without a browser; print the receipt.

    What can only be asked through a browser is unreachable, and the receipt says so. Exits with 0 when everything
    counts as ended, 3 when something does not, 1 when there was no session.
    """
    from saml_slo.operations import forced  # noqa: PLC0415 - half a second that `--help` need not wait
    from saml_slo.operations.attach import operator  # noqa: PLC0415 - as above
    from saml_slo.operations.whom import find  # noqa: PLC0415 - as above

    if whom is None:
        raise click.UsageError("name whose sessions end: --user, --name-id, --own-id or --session")
    with house() as parts:
        found = find(parts, whom)
        planned = forced.preview(parts, found.sessions, federated=not local)
        if not as_json:
            _print_plan(planned, found.tried)
        if not planned or dry_run:
            if as_json:
                click.echo(json.dumps({"would_end": _plan_facts(planned), "looked_in": list(found.tried)}))
            sys.exit(int(not planned))
        if not agreed("End these sessions?", given=yes, as_json=as_json):
            click.echo("Nothing was ended.", err=True)
            sys.exit(1)
        with working("Asking them"):
            done = forced.end(parts, whom, reason=forced.REASONS[reason], federated=not local, by=operator())
        if done is None:
            click.echo("The sessions ended by themselves meanwhile.", err=True)
            sys.exit(1)
        code = _tell(parts, done, as_json=as_json)
    sys.exit(code)


def _plan_facts(planned: Sequence[Planned]) -> list[dict[str, Any]]:
    return [{**asdict(one), "since": iso(one.since)} for one in planned]


def _print_plan(planned: Sequence[Planned], tried: Sequence[str]) -> None:
    out = console()
    if not planned:
        out.print("There is no living session. Looked for:")
        for place in tried:
            out.print(f"  {place}")
        return
    out.print("This would happen:")
    table(
        ("session", "whose", "since", "outlook", "how"),
        [
            (
                one.kind,
                one.name,
                moment(one.since),
                one.outlook,
                " ".join(filter(None, [one.method, one.channel, one.endpoint, one.reason])),
            )
            for one in planned
        ],
    )


def _tell(parts: House, done: Transaction, *, as_json: bool) -> int:
    """Print the receipt and return the exit code."""
    from saml_slo.journey import receipt_handle  # noqa: PLC0415 - as above
    from saml_slo.logout.receipt import receipt  # noqa: PLC0415 - as above

    told = receipt(done)
    url = f"{parts.settings.public_url}/logout/{receipt_handle(done)}"
    if as_json:
        from saml_slo.web.receipts import facts_of  # noqa: PLC0415 - as above

        click.echo(json.dumps({**facts_of(told), "receipt": url}))
    else:
        out = console()
        out.print(f"{told.summary}  Reference {told.reference}")
        table(
            ("session", "whose", "state", "why"),
            [(row.kind, row.name, row.label, row.reason) for row in told.rows],
        )
        out.print(f"Receipt, for 24 hours: {url}")
    return 0 if all(target.counts_as_ended for target in done.targets) else PARTLY
