"""`saml-slo explain`: which preconditions of a logout hold, and what it would do, without doing it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from saml_slo.cli.group import as_json
from saml_slo.config import load_settings
from saml_slo.errors import ConfigurationError

if TYPE_CHECKING:
    from saml_slo.diagnosis.explain import Explainer
    from saml_slo.diagnosis.explanation import Explanation
    from saml_slo.house import House
    from saml_slo.operations.whom import Whom

_MOST_TRIED = 50  # connections at which a NameID is looked for unless one is named
_STYLES = {"holds": "green", "weak": "yellow", "fails": "bold red"}


@click.command()
@click.option("--user", metavar="ID", help="A user id, or with --connection or --application a NameID there.")
@click.option("--connection", metavar="NAME", help="The identity provider that gave the NameID; alone: explain it.")
@click.option("--application", metavar="CLIENT_ID", help="The application that knows the person; alone: explain it.")
@click.option("--format", "name_id_format", metavar="URI", help="The Format of the NameID, where it is an unusual one.")
@click.option("--asked-by", metavar="CLIENT_ID", help="As if this application asked for the logout.")
@click.option("--local", is_flag=True, help="As if the link did not say federated.")
@click.option("--no-browser", is_flag=True, help="As if the API, an operator or a timeout began it.")
@as_json
def explain(
    user: str | None,
    connection: str | None,
    application: str | None,
    name_id_format: str | None,
    asked_by: str | None,
    *,
    local: bool,
    no_browser: bool,
    as_json: bool,
) -> None:
    """Say which preconditions of a logout hold, line by line, and in which order who would be asked.

    Reads the store and changes nothing. Exits with 1 when a condition does not hold.
    """
    if user is None and (connection is None) == (application is None):
        raise click.UsageError("name --user, or one of --connection and --application")
    from saml_slo.diagnosis.explain import Explainer  # noqa: PLC0415 - half a second that the other commands need not wait
    from saml_slo.operations.attach import attached  # noqa: PLC0415 - as above

    with attached(load_settings()) as house:
        explainer = Explainer(house=house, client_id=asked_by, federated=not local, has_browser=not no_browser)
        explanations: tuple[Explanation, ...]
        if user is None:
            explanations = (_of_peer(house, explainer, connection, application),)
        else:
            explanations = _of_person(house, explainer, _meant(house, user, connection, application, name_id_format))
    failed = any(explanation.fails for explanation in explanations)
    if as_json:
        document = {"ok": not failed, "explanations": [explanation.as_json() for explanation in explanations]}
        click.echo(json.dumps(document))
    else:
        _print(explanations)
    sys.exit(int(failed))


def _meant(
    house: House, user: str, connection: str | None, application: str | None, name_id_format: str | None
) -> Iterator[Whom]:
    """Yield whom a name may mean: without a peer a user id first, then a NameID of every connection."""
    from saml_slo.operations.whom import Whom  # noqa: PLC0415 - as above

    if connection is not None:
        yield Whom(name_id=user, connection=connection, format=name_id_format)
        return
    yield Whom(user=user, application=application)
    if application is not None:
        found = house.registry.application(application)
        if found is not None and found.provider is not None:
            yield Whom(name_id=user, application=application)
        return
    connections = house.registry.connections()
    for one in connections if len(connections) <= _MOST_TRIED else ():
        yield Whom(name_id=user, connection=one.name, format=name_id_format)


def _of_person(house: House, explainer: Explainer, meant: Iterator[Whom]) -> tuple[Explanation, ...]:
    from saml_slo.operations.whom import find  # noqa: PLC0415 - as above

    tried: list[str] = []
    for whom in meant:
        found = find(house, whom)
        if found.sessions:
            return explainer.sessions(found.sessions, found.tried)
        tried += found.tried
    if len(house.registry.connections()) > _MOST_TRIED and not any("connection" in words for words in tried):
        tried.append("no connection: there are too many to try each, so name it with --connection")
    return explainer.sessions((), tried)


def _of_peer(house: House, explainer: Explainer, connection: str | None, client_id: str | None) -> Explanation:
    registry = house.registry
    if connection is not None:
        if (found := registry.connection(connection)) is not None:
            return explainer.connection(found)
        if (upstream := registry.upstream(connection)) is not None:
            return explainer.upstream(upstream)
        known = [one.name for one in registry.connections()] + [one.name for one in registry.upstreams()]
        raise _nobody("connection", connection, known)
    application = registry.application(client_id or "")
    if application is None:
        raise _nobody("application", client_id or "", [one.client_id for one in registry.applications()])
    return explainer.application(application)


def _nobody(kind: str, name: str, known: list[str]) -> ConfigurationError:
    return ConfigurationError(
        f"there is no such {kind} here",
        expected=", ".join(known)[:500],
        got=ascii(name),
        setting=f"--{kind}",
        next_step="`saml-slo doctor` says which files are not in force.",
    )


def _print(explanations: tuple[Explanation, ...]) -> None:
    console = Console(soft_wrap=True)
    for explanation in explanations:
        console.print(Text(explanation.subject, "bold"))
        about = ""
        for condition in explanation.conditions:
            if condition.about not in (about, explanation.subject):
                console.print(Text(f"  {condition.about}"))
            about = condition.about
            mark = (f"{condition.state:<6}", _STYLES[condition.state])
            value = f"{condition.name}: {condition.value}"
            console.print(Text.assemble("    ", mark, " ", value, (f"  should be {condition.should_be}", "dim")))
            if condition.next_step and condition.state != "holds":
                console.print(Text.assemble(" " * 11, ("next: ", "dim"), condition.next_step))
        if explanation.plan:
            console.print(Text("  what the logout would do, in this order"))
        for number, step in enumerate(explanation.plan, 1):
            how = " ".join(filter(None, [step.how, step.channel and f"by {step.channel}", step.location]))
            more = ", ".join(filter(None, [step.source, step.rung]))
            line = f"    {number}. {step.name} ({step.kind}): {step.state}"
            console.print(Text(f"{line}{f', {how}' if how else ''}{f' ({more})' if more else ''}"))
            if step.reason:
                console.print(Text(f"       {step.reason}", "dim"))
