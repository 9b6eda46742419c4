"""`saml-slo connection` and `saml-slo application`: list, show, remove, refresh, accept, rollback; add is in add.py."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from saml_slo.cli.add import add
from saml_slo.cli.group import as_json
from saml_slo.cli.portrait import facts_of, print_portrait
from saml_slo.cli.terminal import PARTLY, agreed, console, dry_run, house, iso, note, settings_here, table, working, yes
from saml_slo.errors import ConfigurationError

if TYPE_CHECKING:
    from saml_slo.config import Settings
    from saml_slo.house import House
    from saml_slo.operations.adding import PeerKind
    from saml_slo.operations.portrait import Portrait
    from saml_slo.operations.renewing import Renewed
    from saml_slo.peers.registry import Registry


def group_of(word: str) -> click.Group:
    """Return the group of commands about one kind of peer."""
    group = click.Group(word, help=f"Add, list, show and remove {word}s, and renew metadata that is fetched.")
    for command in (add, _list, _show, _remove, _refresh, _accept, _rollback):
        group.add_command(command(word))
    return group


def _registry(settings: Settings) -> Registry:
    from saml_slo.peers.registry import Registry  # noqa: PLC0415 - half a second that `--help` need not wait

    return Registry(settings.metadata_dir, settings.public_url, copies=settings.copies_dir)


def _kind(word: str) -> PeerKind:
    from saml_slo.operations.adding import PeerKind  # noqa: PLC0415 - as above

    return PeerKind(word)


def portrait_of(settings: Settings, registry: Registry, word: str, name: str) -> Portrait | None:
    """Return what is in force of one peer, with what is known of its copy."""
    from saml_slo.operations import portrait  # noqa: PLC0415 - as above
    from saml_slo.peers.copies import CopyFiles  # noqa: PLC0415 - as above

    copy = CopyFiles(settings.copies_dir, f"{word}s", name).read_state()
    if word == "connection":
        return portrait.connection(registry, settings.metadata_dir, name, copy)
    return portrait.application(registry, name, datetime.now(UTC).date(), copy)


def _list(word: str) -> click.Command:
    @click.command("list", help=f"List every {word}, in force or not, and what its logout uses; 1 with problems.")
    @as_json
    def list_(*, as_json: bool) -> None:
        settings = settings_here()
        registry = _registry(settings)
        with working("Reading"):
            found = [portrait_of(settings, registry, word, name) for name in _names(registry, word)]
        portraits = [one for one in found if one is not None]
        folder = settings.metadata_dir / f"{word}s"
        problems = [str(problem) for problem in registry.problems() if problem.file.parent == folder]
        if as_json:
            click.echo(json.dumps({f"{word}s": [_row(one) for one in portraits], "problems": problems}))
        else:
            headings = ("name", "title", "speaks", "in force", "logout", "valid until", "certificate until")
            table(headings, [tuple(_row(one).values()) for one in portraits])
            for problem in problems:
                console().print(f"problem {problem}")
        sys.exit(int(bool(problems)))

    return list_


def _names(registry: Registry, word: str) -> list[str]:
    if word == "application":
        return sorted(one.client_id for one in registry.applications())
    return sorted([*(one.name for one in registry.connections()), *(one.name for one in registry.upstreams())])


def _row(one: Portrait) -> dict[str, Any]:
    signing = [certificate.not_after for certificate in one.certificates if certificate.use == "signing"]
    return {
        "name": one.name,
        "title": one.title,
        "speaks": one.speaks or "not SAML",
        "in_force": "yes" if one.enabled else "no",
        "logout": f"{one.logout.method} {one.logout.state}",
        "valid_until": "" if one.valid_until is None else f"{one.valid_until:%Y-%m-%d %H:%MZ}",
        "certificate_until": f"{max(signing):%Y-%m-%d}" if signing else "",
    }


def _show(word: str) -> click.Command:
    @click.command("show", help=f"Show everything that is in force of a {word}, and where each value comes from.")
    @click.argument("name")
    @as_json
    def show(name: str, *, as_json: bool) -> None:
        settings = settings_here()
        registry = _registry(settings)
        found = portrait_of(settings, registry, word, name)
        if found is None:
            raise _not_here(settings, registry, word, name)
        if as_json:
            click.echo(json.dumps(facts_of(found)))
        else:
            print_portrait(found)

    return show


def _not_here(settings: Settings, registry: Registry, word: str, name: str) -> ConfigurationError:
    """Return the error for a name that is not in force: why, where its file is there."""
    for problem in registry.problems():
        if problem.file.parent == settings.metadata_dir / f"{word}s" and problem.file.stem == name:
            return ConfigurationError(
                f"{word} {name} is not in force: {problem.text}", file=problem.file, line=problem.line
            )
    return ConfigurationError(f"there is no {word} {name} here", next_step=f"`saml-slo {word} list` lists them.")


def _remove(word: str) -> click.Command:
    @click.command("remove", help=f"Remove the files of a {word}, after saying who refers to it.")
    @click.argument("name")
    @yes
    @dry_run
    @as_json
    def remove(name: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
        from saml_slo.operations.draft import apply  # noqa: PLC0415 - as above
        from saml_slo.operations.handing import forget  # noqa: PLC0415 - as above
        from saml_slo.operations.removing import removal  # noqa: PLC0415 - as above

        settings = settings_here()
        found = removal(settings, _registry(settings), _kind(word), name)
        facts = {
            "files": list(map(str, found.files)),
            "kept": list(map(str, found.kept)),
            "applications": list(found.applications),
            "unknown": found.unknown,
        }
        if not as_json:
            out = console()
            out.print("These files are to be removed:")
            for path in found.files:
                out.print(f"  {path}")
            for path in found.kept:
                out.print(f"  (stays, because another file names it: {path})")
            if found.applications:
                out.print(f"These applications sign their people in through it: {', '.join(found.applications)}")
            out.print(found.unknown)
            out.print("enabled = false in its file ends sign-ins as well, and keeps its sessions known.")
        if dry_run:
            if as_json:
                click.echo(json.dumps({"removed": False, **facts}))
            return
        if not agreed(f"Remove {word} {name}?", given=yes, as_json=as_json):
            click.echo("Nothing was removed.", err=True)
            sys.exit(1)
        apply(settings, found.draft)
        forget(settings, _kind(word), name)
        note(settings, (f"{word}-removed", f"{word} {name}"))
        click.echo(json.dumps({"removed": True, **facts}) if as_json else f"Removed {word} {name}.")

    return remove


def _refresh(word: str) -> click.Command:
    @click.command(
        "refresh", help="Fetch the metadata now and show what changed; 3 when a change waits, 1 when it failed."
    )
    @click.argument("name")
    @as_json
    def refresh(name: str, *, as_json: bool) -> None:
        from saml_slo.operations.renewing import refresh as renew  # noqa: PLC0415 - as above

        sys.exit(_choose(word, name, renew, as_json=as_json))

    return refresh


def _accept(word: str) -> click.Command:
    @click.command("accept", help="Accept changed metadata that waits, after showing the changes.")
    @click.argument("name")
    @yes
    @as_json
    def accept(name: str, *, yes: bool, as_json: bool) -> None:
        from saml_slo.operations.renewing import accept as take  # noqa: PLC0415 - as above

        asked = _Asked("Accept these changes?", "metadata-accepted", given=yes)
        sys.exit(_choose(word, name, take, as_json=as_json, asked=asked))

    return accept


def _rollback(word: str) -> click.Command:
    @click.command("rollback", help="Go back to the copy before; what was in force waits until it is accepted.")
    @click.argument("name")
    @yes
    @as_json
    def rollback(name: str, *, yes: bool, as_json: bool) -> None:
        from saml_slo.operations.renewing import go_back  # noqa: PLC0415 - as above

        question = "Go back to the copy before? Newer metadata waits until it is accepted."
        asked = _Asked(question, "metadata-went-back", given=yes)
        sys.exit(_choose(word, name, go_back, as_json=as_json, asked=asked))

    return rollback


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked before a choice, whether the answer was given with it, and its word in the audit trail."""

    question: str
    action: str
    given: bool


def _choose(
    word: str,
    name: str,
    choice: Callable[[House, PeerKind, str], Renewed],
    *,
    as_json: bool,
    asked: _Asked | None = None,
) -> int:
    """Make a choice about fetched metadata, print what came of it, and return the exit code."""
    from saml_slo.operations.attach import operator  # noqa: PLC0415 - as above
    from saml_slo.operations.renewing import state_of  # noqa: PLC0415 - as above

    kind = _kind(word)
    with house() as parts:
        before = state_of(parts, kind, name) if asked and not asked.given else None
        if before is not None and not as_json:
            for change in before.changes:
                console().print(f"  {change}")
        if asked and not agreed(asked.question, given=asked.given, as_json=as_json):
            click.echo("Nothing was changed.", err=True)
            return 1
        with working("Looking"):
            done = choice(parts, kind, name)
        if asked:
            parts.store.note(operator(), asked.action, f"{kind} {name}")
    state = done.state
    facts = {
        "url": state.url,
        "version": state.version,
        "fetched_at": iso(state.fetched_at * 1000) if state.fetched_at else None,
        "next_at": iso(state.next_at * 1000) if state.next_at else None,
        "failure": state.failure,
        "differences": list(done.differences),
        "waits": list(state.changes) if state.pending else [],
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        _print_renewed(word, name, done, facts, chosen=asked is not None)
    return 1 if state.failure else PARTLY if state.pending and not asked else 0


def _print_renewed(word: str, name: str, done: Renewed, facts: dict[str, Any], *, chosen: bool) -> None:
    out = console()
    state = done.state
    if state.failure:
        out.print(f"Not renewed: {state.failure}")
    elif done.first:
        out.print(f"In force now, from {state.url}")
    elif not done.differences:
        out.print("What is in force says the same as before.")
    else:
        out.print("Taken; running servers follow within ten seconds:" if chosen else "This has changed:")
    for difference in done.differences:
        out.print(f"  {difference}")
    if state.pending:
        out.print("This waits until it is accepted:")
        for change in state.changes:
            out.print(f"  {change}")
        out.print(f"`saml-slo {word} accept {name}` takes it.")
    out.print(f"Fetched {facts['fetched_at'] or 'never'}, next {facts['next_at'] or 'at once'}.")


connection = group_of("connection")
application = group_of("application")
