"""`saml-slo keys`: our own key files, and how they are rolled over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from saml_slo.cli.group import as_json
from saml_slo.cli.terminal import console, note, settings_here, table

if TYPE_CHECKING:
    from saml_slo.config import Settings
    from saml_slo.operations.rollover import Rollover

_force = click.option("--force", is_flag=True, help="Do it although peers may not have read our metadata yet.")
_IN_FORCE = (
    "Servers on this machine take it over within seconds, without a restart. Put the folder on every other node now: "
    "the dates count from this moment."
)


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def keys(context: click.Context, *, as_json: bool) -> None:
    """Make the key files that are missing, and say where a rollover stands.

    A rollover is three steps, each with its earliest date: next, switch, finish.
    """
    if context.invoked_subcommand is not None:
        return
    from saml_slo.certs import ensure_keys, load_secret  # noqa: PLC0415 - half a second that `--help` need not wait
    from saml_slo.operations.rollover import look  # noqa: PLC0415 - as above

    settings = settings_here()
    made = ensure_keys(settings.certs_dir, _common_name(settings))
    load_secret(settings.certs_dir)
    state = look(settings.certs_dir)
    if as_json:
        click.echo(json.dumps({"folder": str(settings.certs_dir), "made": made, **_facts(state)}))
        return
    if made:
        click.echo(f"Made in {settings.certs_dir}: {', '.join(made)}")
    else:
        click.echo(f"Nothing to make: the keys in {settings.certs_dir} are complete.")
    _print(state)


@keys.command("next")
@as_json
def next_(*, as_json: bool) -> None:
    """Begin a rollover: publish the certificate that will sign, and a new encryption key."""
    _take("next", as_json=as_json, force=False)


@keys.command()
@_force
@as_json
def switch(*, force: bool, as_json: bool) -> None:
    """Let the published key sign; refuses before peers have had time to read it."""
    _take("switch", as_json=as_json, force=force)


@keys.command()
@_force
@as_json
def finish(*, force: bool, as_json: bool) -> None:
    """Remove the keys of before; refuses as long as somebody may still use them."""
    _take("finish", as_json=as_json, force=force)


def _take(word: str, *, as_json: bool, force: bool) -> None:
    from saml_slo.operations.rollover import Step, look, take  # noqa: PLC0415 - as above

    settings = settings_here()
    now = datetime.now(UTC)
    done = take(settings.certs_dir, Step(word), common_name=_common_name(settings), now=now, force=force)
    note(settings, (f"keys-{word}", "keys"))
    state = look(settings.certs_dir)
    if as_json:
        click.echo(json.dumps({"done": list(done), **_facts(state)}))
        return
    for sentence in done:
        click.echo(f"Done: {sentence}.")
    click.echo(_IN_FORCE)
    _print(state)


def _common_name(settings: Settings) -> str:
    return urlsplit(settings.public_url).hostname or "saml_slo"


def _facts(state: Rollover) -> dict[str, Any]:
    return {
        "stage": state.stage,
        "next_step": f"saml-slo keys {state.step}",
        "earliest": None if state.earliest is None else state.earliest.isoformat(timespec="seconds"),
        "certificates": [
            {
                "file": one.file,
                "role": one.role,
                "key": one.facts.key,
                "sha256": one.facts.fingerprint,
                "not_after": one.facts.not_after.isoformat(),
            }
            for one in state.certificates
        ],
    }


def _print(state: Rollover) -> None:
    table(
        ("certificate", "is for", "key", "until", "SHA-256"),
        [
            (one.file, one.role, one.facts.key, f"{one.facts.not_after:%Y-%m-%d}", one.facts.fingerprint)
            for one in state.certificates
        ],
    )
    when = "at any time" if state.earliest is None else f"not before {state.earliest:%Y-%m-%d %H:%M}Z"
    console().print(f"Rollover: {state.stage}. Next: saml-slo keys {state.step}, {when}.")
