"""`saml-slo export` and `saml-slo import`: everything under metadata/ as one document, and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saml_slo.cli.group import as_json
from saml_slo.cli.terminal import PARTLY, agreed, console, dry_run, note, settings_here, working, yes
from saml_slo.errors import ConfigurationError

if TYPE_CHECKING:
    from saml_slo.config import Settings
    from saml_slo.operations.draft import Draft, Fetch

_output = click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")


@click.command()
@_output
@as_json
def export(output: Path | None, *, as_json: bool) -> None:
    """Write connections, applications, organisations and federations as one JSON document, without secrets.

    Exits with 3 when something had to be left out, which is said on standard error and in the document.
    """
    from saml_slo.operations.bundle import export as made  # noqa: PLC0415 - half a second that `--help` need not wait

    found = made(settings_here())
    document = found.encoded(datetime.now(UTC))
    if output is None:
        click.echo(document)
    else:
        try:
            output.write_bytes(document + b"\n")
        except OSError as error:
            raise ConfigurationError("the bundle cannot be written", file=output, got=error.strerror or "") from None
        if as_json:
            facts = {"file": str(output), "files": sorted(found.files), "left_out": list(found.left_out)}
            click.echo(json.dumps(facts))
        else:
            click.echo(f"{len(found.files)} files in {output}.")
    for sentence in found.left_out:
        click.echo(f"left out: {sentence}", err=True)
    sys.exit(PARTLY if found.left_out else 0)


class _Import(click.Group):
    """A group in which the word `bundle` may be left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["bundle", *args]
        return super().parse_args(ctx, args)


@click.group("import", cls=_Import)
def import_() -> None:
    """Take files over: a bundle of `saml-slo export`, or SimpleSAMLphp's metadata. All of it or nothing."""


@import_.command()
@click.argument("file", metavar="FILE|-")
@click.option("--replace", is_flag=True, help="Files that are here with another content are replaced.")
@click.option("--offline", is_flag=True, help="Do not ask for metadata at URLs; the server does that.")
@yes
@dry_run
@as_json
def bundle(file: str, *, replace: bool, offline: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Take a bundle over, after trying all of it: what the registry would refuse refuses the whole."""
    from saml_slo.operations.adding import fetcher  # noqa: PLC0415 - half a second that `--help` need not wait
    from saml_slo.operations.bundle import MAX_BUNDLE_BYTES, read  # noqa: PLC0415 - as above
    from saml_slo.peers.toml_file import read_limited  # noqa: PLC0415 - as above

    settings = settings_here()
    data = sys.stdin.buffer.read(MAX_BUNDLE_BYTES) if file == "-" else read_limited(Path(file), MAX_BUNDLE_BYTES)
    found = read(settings, data, replace=replace)
    facts = {"new": list(found.new), "replaced": list(found.replaced), "same": list(found.same)}
    notes = [f"not in the bundle: {sentence}" for sentence in found.left_out]
    flags = {"yes": yes, "dry_run": dry_run, "as_json": as_json}
    sys.exit(take(settings, found.draft, None if offline else fetcher(settings), facts, notes=notes, flags=flags))


@import_.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", "names", metavar="ENTITY_ID=NAME", multiple=True, help="What an entity is called here.")
@click.option("--set", "keys", metavar="KEY=VALUE", multiple=True, help="A key for every file; again for more.")
@click.option("--certs", type=click.Path(path_type=Path), help="Where its `certificate` files lie; else ../cert.")
@click.option("--waived-until", metavar="DATE", help="For service providers without a logout endpoint, with --waiver.")
@click.option("--waiver", metavar="TEXT", help="Why those are not told of a logout.")
@yes
@dry_run
@as_json
def simplesamlphp(
    folder: Path,
    *,
    names: tuple[str, ...],
    keys: tuple[str, ...],
    certs: Path | None,
    waived_until: str | None,
    waiver: str | None,
    **flags: bool,
) -> None:
    """Take over the saml20-idp-remote.php and saml20-sp-remote.php of a metadata folder of SimpleSAMLphp.

    Nothing of PHP is run: arrays of literals are read, and what would have to be run is refused with its line. The
    peers must be given our metadata, because our entity ids differ from SimpleSAMLphp's.
    """
    from saml_slo.operations.adding import keys_of  # noqa: PLC0415 - half a second that `--help` need not wait
    from saml_slo.operations.simplesamlphp import Options, read_folder  # noqa: PLC0415 - as above

    if (waived_until is None) != (waiver is None):
        raise click.UsageError("--waived-until and --waiver belong together")
    waived = keys_of([f"waived_until={waived_until}"]) | {"waiver": waiver} if waiver is not None else {}
    settings = settings_here()
    called = dict(_named(text) for text in names)
    options = Options(names=called, keys=keys_of(keys), waiver=waived, certificates=certs)
    taken = read_folder(settings, folder, options, datetime.now(UTC))
    facts = {"new": [f"{kind} {name} ({entity_id})" for kind, name, entity_id in taken.names]}
    sys.exit(take(settings, taken.draft, None, facts, notes=taken.notes, flags=flags))


def _named(text: str) -> tuple[str, str]:
    """Return entity id and name; an entity id may have equals signs in it."""
    entity_id, separator, name = text.rpartition("=")
    if not separator:
        raise click.BadParameter("write ENTITY_ID=NAME", param_hint="--name")
    return entity_id, name


def take(
    settings: Settings,
    draft: Draft,
    fetch: Fetch | None,
    facts: dict[str, Any],
    *,
    notes: Sequence[str],
    flags: dict[str, bool],
) -> int:
    """Try a draft, show what it is, ask, and make it; return the exit code. Nothing is written where one is refused."""
    from saml_slo.operations.draft import apply, trial  # noqa: PLC0415 - as above
    from saml_slo.operations.handing import hand_over  # noqa: PLC0415 - as above

    as_json = flags["as_json"]
    now = datetime.now(UTC)
    with working("Trying it"), trial(settings, draft, now=now, fetch=fetch) as tried:
        refusals = [str(problem) for problem in tried.refusals]
        warnings = [*notes, *map(str, tried.warnings), *map(str, tried.later)]
    facts = {**facts, "refusals": refusals, "warnings": warnings}
    if not as_json:
        _print(facts)
    if refusals or not draft.files or flags["dry_run"]:
        if as_json:
            click.echo(json.dumps({"imported": False, **facts}))
        elif refusals:
            click.echo("Nothing was imported.", err=True)
        return int(bool(refusals))
    if not agreed("Write these files?", given=flags["yes"], as_json=as_json):
        click.echo("Nothing was imported.", err=True)
        return 1
    apply(settings, draft)
    if fetch is not None:
        hand_over(settings, draft, fetch, now)
    note(settings, *(("file-imported", name) for name in draft.files if name.endswith(".toml")))
    click.echo(json.dumps({"imported": True, **facts}) if as_json else f"Imported {len(draft.files)} files.")
    return 0


def _print(facts: dict[str, Any]) -> None:
    out = console()
    for word, names in facts.items():
        for name in names:
            out.print(f"{word.removesuffix('s') if word in ('refusals', 'warnings') else word:<9} {name}")
