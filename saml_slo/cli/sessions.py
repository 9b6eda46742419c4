"""`saml-slo sessions`: who is signed in, found by index and never by a scan."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from saml_slo.cli.group import as_json
from saml_slo.cli.terminal import console, house, iso, moment, printable, table
from saml_slo.cli.whom import of_whom

if TYPE_CHECKING:
    from saml_slo.house import House
    from saml_slo.operations.whom import Whom
    from saml_slo.protocol.session import Session


@click.command()
@of_whom
@click.option("--reveal", is_flag=True, help="Show NameIDs and user ids instead of digests.")
@as_json
def sessions(whom: Whom | None, *, reveal: bool, as_json: bool) -> None:
    """Show the living sessions of a person; without a filter count what is alive.

    A session is found by a user id, a NameID, an application's own session id or its id. Exits with 1 when there
    is none.
    """
    with house() as parts:
        if whom is None:
            _count(parts, as_json=as_json)
            return
        from saml_slo.operations.attach import operator  # noqa: PLC0415 - as in the other commands
        from saml_slo.operations.whom import find  # noqa: PLC0415 - half a second that `--help` need not wait

        found = find(parts, whom)
        if reveal:
            for session in found.sessions:
                parts.store.note(operator(), "session-revealed", session.id)
        facts = [facts_of(parts, session, reveal=reveal) for session in found.sessions]
        if as_json:
            click.echo(json.dumps({"sessions": facts, "looked_in": list(found.tried)}))
        else:
            _print(facts, found.tried)
    sys.exit(int(not facts))


def facts_of(parts: House, session: Session, *, reveal: bool) -> dict[str, Any]:
    """Return a session for programs; NameIDs and user ids as keyed digests unless they are to be revealed."""
    from saml_slo.operations.whom import digest_of  # noqa: PLC0415 - as above

    def shown(value: str) -> str:
        return value if reveal else f"#{digest_of(parts, value)}"

    return {
        "id": session.id,
        "since": iso(session.created_at),
        "idle_ends_at": iso(session.idle_ends_at),
        "ends_at_the_latest": iso(session.hard_ends_at),
        "logins": [
            {
                "connection": login.connection,
                "application": login.application,
                "name_id": shown(login.name_id.value),
                "format": login.name_id.format,
                "session_indexes": len(login.session_indexes),
                "since": iso(login.recorded_at),
                "idp_ends_at": iso(login.idp_ends_at),
            }
            for login in session.logins
        ],
        "participants": [
            {
                "application": part.application,
                "name_id": shown(part.name_id.value),
                "own_id": None if part.subject is None or part.subject.session is None else shown(part.subject.session),
                "since": iso(part.since),
            }
            for part in session.participants
        ],
    }


def _print(facts: Sequence[dict[str, Any]], tried: Sequence[str]) -> None:
    out = console()
    for session in facts:
        out.print(f"session {session['id']}, since {session['since']}")
        out.print(f"  ends when idle at {session['idle_ends_at']}, at the latest at {session['ends_at_the_latest']}")
        rows = [
            ("signed in at", login["connection"], printable(login["name_id"]), login["since"])
            for login in session["logins"]
        ]
        rows += [
            ("takes part", part["application"], printable(part["name_id"]), part["since"])
            for part in session["participants"]
        ]
        table(("what", "whom", "who is", "since"), rows)
    if not facts:
        out.print("There is no living session. Looked for:")
        for place in tried:
            out.print(f"  {place}")


def _count(parts: House, *, as_json: bool) -> None:
    from saml_slo.store.keys import SHARDS  # noqa: PLC0415 - as above

    counts = parts.store.counts()
    backlog = parts.store.backlog(parts.journey.now())
    sessions, logouts = sum(one.sessions for one in counts), sum(one.logouts for one in counts)
    if as_json:
        shards = {shard: one.sessions for shard, one in zip(SHARDS, counts, strict=True)}
        facts = {"sessions": sessions, "logouts_that_wait": logouts, "overdue": backlog.overdue, "shards": shards}
        click.echo(json.dumps({**facts, "as_of": iso(parts.journey.now())}))
        return
    used = [one.sessions for one in counts if one.sessions]
    out = console()
    out.print(f"{sessions} sessions are alive, and {logouts} logouts wait for something.")
    out.print(f"{len(used)} of {len(counts)} shards in use, {max(used, default=0)} sessions in the fullest.")
    out.print(f"{backlog.overdue} due times overdue, at {moment(parts.journey.now())}.")
    out.print("Name a person to see sessions: --user, --name-id with --connection, --own-id with --application.")
