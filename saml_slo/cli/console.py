"""`saml-slo console`: who may use the console."""

from __future__ import annotations

import json

import click

from saml_slo.cli.group import as_json
from saml_slo.config import load_settings


@click.group()
def console() -> None:
    """Make or remove operators of the console at /console."""


@console.command()
@as_json
def link(*, as_json: bool) -> None:
    """Make the link with which one operator is made, or gets a new password; good once and for an hour."""
    from saml_slo.operations.attach import attached  # noqa: PLC0415 - half a second that the other commands need not wait

    settings = load_settings()
    with attached(settings) as house:
        url = f"{settings.public_url}/console/first?link={house.operators.new_link()}"
    if as_json:
        click.echo(json.dumps({"url": url}))
        return
    click.echo("Open this within an hour, and let nobody else see it:\n")
    click.echo(f"  {url}\n")


@console.command()
@as_json
def operators(*, as_json: bool) -> None:
    """List who may use the console."""
    from saml_slo.operations.attach import attached  # noqa: PLC0415 - as above

    with attached(load_settings()) as house:
        names = house.store.operators()
    if as_json:
        click.echo(json.dumps({"operators": list(names)}))
    elif names:
        click.echo("\n".join(names))
    else:
        click.echo("Nobody may use the console yet; `saml-slo console link` makes the first operator.")


@console.command()
@click.argument("name")
@as_json
def remove(name: str, *, as_json: bool) -> None:
    """Remove an operator; their sessions end at once."""
    from saml_slo.operations.attach import attached, operator  # noqa: PLC0415 - as above

    with attached(load_settings()) as house:
        removed = house.store.remove_operator(name)
        if removed:
            house.store.note(operator(), "operator-removed", name)
    if as_json:
        click.echo(json.dumps({"removed": removed}))
    elif removed:
        click.echo(f"{name} may not use the console any more.")
    else:
        click.echo(f"There is no operator {name}.", err=True)
    raise SystemExit(0 if removed else 1)
