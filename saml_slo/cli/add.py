"""`saml-slo connection add` and `saml-slo application add`: a look at what would be, then the files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from saml_slo.cli.group import as_json
from saml_slo.cli.portrait import facts_of, print_portrait
from saml_slo.cli.terminal import agreed, console, dry_run, note, settings_here, working, yes
from saml_slo.errors import ConfigurationError

if TYPE_CHECKING:
    from saml_slo.config import Settings
    from saml_slo.operations.adding import Given, New
    from saml_slo.operations.draft import Fetch, Trial
    from saml_slo.operations.portrait import Portrait
    from saml_slo.peers.problem import Problem

F = TypeVar("F", bound=Callable[..., Any])

_HELP = """Add {article} {word}: read its metadata, show what would be in force, and write its files after a yes.

Metadata from a file or standard input (-) is saved beside the {word}'s file. A URL stays the source: the server fetches
it again before it expires; --copy saves it once instead. What the registry would refuse is refused here in the same
words, and nothing is left behind.
"""


def add(word: str) -> click.Command:
    """Return the command for one kind of peer."""

    @click.command("add", help=_HELP.format(word=word, article="an" if word == "application" else "a"))
    @click.argument("name")
    @click.option("--from", "source", metavar="FILE|-|URL", help="The SAML metadata.")
    @_of_vendors(word)
    @click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="A key of its file; again for more.")
    @click.option("--copy", is_flag=True, help="Save what is at the URL, and do not fetch it again.")
    @yes
    @dry_run
    @as_json
    def command(
        name: str, source: str | None, settings: tuple[str, ...], preset: str | None = None, **flags: bool
    ) -> None:
        here = settings_here()
        given, fetch = _given(here, name, source, preset, settings, copy=flags["copy"])
        sys.exit(_add(here, word, given, fetch, flags))

    return command


def _of_vendors(word: str) -> Callable[[F], F]:
    """Return the option for a preset; only identity providers have them."""
    if word == "application":
        return lambda command: command
    text = "What is known of a vendor; without it the one that fits, none for none."
    return click.option("--preset", metavar="P", help=text)


def _given(
    settings: Settings, name: str, source: str | None, preset: str | None, keys: tuple[str, ...], *, copy: bool
) -> tuple[Given, Fetch]:
    """Return what the operator gave, and what fetches: a URL is asked once."""
    from saml_slo.operations.adding import Given, fetcher, keys_of, read_document  # noqa: PLC0415 - as elsewhere
    from saml_slo.wire.metadata_role import MAX_METADATA_BYTES  # noqa: PLC0415 - as above

    values = keys_of(keys)
    fetch = fetcher(settings)
    if source is None:
        return Given(name=name, preset=preset, keys=values), fetch
    if source == "-":
        return Given(
            name=name, document=sys.stdin.buffer.read(MAX_METADATA_BYTES + 1), preset=preset, keys=values
        ), fetch
    if source.lower().startswith(("https://", "http://")):
        with working("Fetching"):
            document = fetch(source)
        return Given(name=name, document=document, url="" if copy else source, preset=preset, keys=values), fetch
    return Given(name=name, document=read_document(Path(source)), preset=preset, keys=values), fetch


def _add(settings: Settings, word: str, given: Given, fetch: Fetch, flags: dict[str, bool]) -> int:
    from saml_slo.operations.adding import PeerKind, new_peer  # noqa: PLC0415 - as above
    from saml_slo.operations.draft import apply, trial  # noqa: PLC0415 - as above
    from saml_slo.operations.handing import hand_over  # noqa: PLC0415 - as above

    now = datetime.now(UTC)
    new = new_peer(settings, PeerKind(word), given, now)
    with working("Trying it"), trial(settings, new.draft, now=now, fetch=fetch) as tried:
        portrait = _checked(settings, new, given, tried, now)
    as_json = flags["as_json"]
    files = [str(settings.metadata_dir / name) for name in new.draft.files]
    if not as_json:
        _print(new, portrait, files)
    if not flags["dry_run"]:
        if not agreed(f"Add {word} {given.name}?", given=flags["yes"], as_json=as_json):
            click.echo("Nothing was written.", err=True)
            return 1
        apply(settings, new.draft)
        hand_over(settings, new.draft, fetch, now)
        note(settings, (f"{word}-added", f"{word} {given.name}"))
    if as_json:
        facts: dict[str, Any] = {"added": not flags["dry_run"], "files": files, "recognised": new.recognised or None}
        click.echo(json.dumps({**facts, "preset_guessed": new.guessed or None, **facts_of(portrait)}))
    elif not flags["dry_run"]:
        click.echo(f"Added {word} {given.name}; a running server takes it within seconds.")
        if given.url:
            click.echo(f"Its metadata is fetched again before it expires: `saml-slo {word} show {given.name}`.")
        for sentence in _next_steps(settings, portrait):
            click.echo(sentence)
    return 0


def _next_steps(settings: Settings, portrait: Portrait) -> Iterator[str]:
    """Say what is left to do on the other side; nothing where it speaks no SAML with us."""
    ours = portrait.give.get("metadata")
    if ours is not None:
        yield f"Next: give it our metadata, {ours}"
        if portrait.kind == "connection":
            yield f"Then people sign in at {settings.public_url}/login?connection={portrait.name}"


def _checked(settings: Settings, new: New, given: Given, tried: Trial, now: datetime) -> Portrait:
    """Return what would be in force, with the real places; raise what the registry would refuse."""
    from dataclasses import replace  # noqa: PLC0415 - as above

    from saml_slo.operations import portrait  # noqa: PLC0415 - as above
    from saml_slo.operations.adding import PeerKind, without_a_way  # noqa: PLC0415 - as above

    for problem in tried.refusals:
        raise _refusal(settings, new, given, problem)
    if new.kind is PeerKind.CONNECTION:
        found = portrait.connection(tried.registry, tried.folder, new.name)
    else:
        found = portrait.application(tried.registry, new.name, now.date())
    if found is None:
        raise ConfigurationError(f"{new.kind} {new.name} would not be in force, and nothing says why")
    without_a_way(new, tried.registry, now.date())
    here, real = str(tried.folder), str(settings.metadata_dir)
    return replace(
        found,
        values=tuple(replace(value, source=value.source.replace(here, real)) for value in found.values),
        warnings=tuple(str(warning) for warning in tried.warnings),
        problems=(),
    )


def _refusal(settings: Settings, new: New, given: Given, problem: Problem) -> ConfigurationError:
    """Return a problem with what it is about: the new files, what was fetched, or another file that would suffer."""
    if problem.file.parent != settings.metadata_dir / new.kind.folder:  # our copy, which nobody can look at
        return ConfigurationError(problem.text, line=problem.line, reason=problem.reason, got=given.url)
    text, next_step = problem.text, ""
    if problem.file.stem != new.name:
        text = f"{new.kind} {problem.file.stem} would not be in force any more: {text}"
    elif given.document is None and not given.keys:
        next_step = "Here its metadata is named with --from: a file, a URL, or - for standard input."
    return ConfigurationError(text, file=problem.file, line=problem.line, reason=problem.reason, next_step=next_step)


def _print(new: New, portrait: Portrait, files: list[str]) -> None:
    out = console()
    if new.guessed:
        out.print(f"This is {new.recognised}: preset {new.guessed} is taken; --preset none takes none.")
    elif new.recognised:
        out.print(f"This is {new.recognised}.")
    print_portrait(portrait, everything=False)
    for path in files:
        out.print(f"  would write    {path}")
