"""The `saml-slo` command: thin, one function for each command.

Exit codes: 0 done, 1 failed, 2 wrong usage. What went wrong is told on standard error in one block with the next step;
`--json` replaces the lines for people by one JSON document on standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from saml_slo import __version__
from saml_slo.config import Settings, load_settings
from saml_slo.demo.places import Places
from saml_slo.demo.switches import POSITIONS, Switches
from saml_slo.errors import ConfigurationError, SloError

_PORT: Final = click.IntRange(1, 65535)


class _Command(click.Group):
    """A group of commands whose errors are told in words; anything else is our bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        try:
            return super().invoke(ctx)
        except SloError as error:
            _tell(error)
            ctx.exit(1)


def _tell(error: SloError) -> None:
    """Write an error as one block on standard error."""
    place = ""
    if isinstance(error, ConfigurationError) and error.file is not None:
        place = f"{error.file}:{error.line}: " if error.line else f"{error.file}: "
    text = Text()
    text.append("error: ", "bold red")
    text.append(f"{place}{error.message}\n")
    for label, words in (("expected", error.expected), ("got", error.got), ("setting", error.setting)):
        if words:
            text.append(f"  {label + ':':<9} ", "dim")
            text.append(f"{words}\n")
    if error.next_step:
        text.append(f"  {'next:':<9} ", "dim")
        text.append(f"{error.next_step}\n")
    Console(stderr=True, soft_wrap=True).print(text, end="", highlight=False)


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="saml-slo")
def main() -> None:
    """One logout ends every session, and says truthfully which.

    Settings come from the environment (SLO_PUBLIC_URL …) and from saml_slo.toml in this folder; README.md lists them.
    """


@main.command()
@click.option("--listen", metavar="HOST:PORT", help="Instead of SLO_LISTEN.")
@click.option("--workers", type=click.IntRange(1, 128), help="Instead of SLO_WORKERS.")
def serve(listen: str | None, workers: int | None) -> None:
    """Run the server; without SLO_REDIS_URL it brings its own Redis."""
    from saml_slo.serve import serve as run  # noqa: PLC0415 - half a second that the other commands need not wait

    given = {"listen": listen, "workers": workers}
    run(load_settings(**{name: value for name, value in given.items() if value is not None}))


def _switch_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each of the demo's switches."""
    for name, words in reversed(list(POSITIONS.items())):
        first, *_ = words
        option = f"--{name.replace('_', '-')}"
        text = " ".join(f"{word}: {sentence}" for word, sentence in words.items())
        command = click.option(option, name, type=click.Choice(list(words)), default=first, help=text)(command)
    return command


@main.command()
@click.option("--port", type=_PORT, default=8000, show_default=True, help="Port of the bridge.")
@click.option("--idp-port", type=_PORT, default=8001, show_default=True, help="Port of the identity provider.")
@click.option("--app-port", type=_PORT, default=8002, show_default=True, help="Port of the application.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("var/demo"), show_default=True, help="Its files."
)
@click.option(
    "--timeout",
    type=click.IntRange(5, 3600),
    default=20,
    show_default=True,
    help="Seconds that an identity provider has for its answer.",
)
@click.option("--check", "checking", is_flag=True, help="Drive every switch without a browser and say what happened.")
@click.option("--json", "as_json", is_flag=True, help="With --check: one JSON document instead of a table.")
@_switch_options
def demo(
    port: int,
    idp_port: int,
    app_port: int,
    folder: Path,
    timeout: int,
    *,
    checking: bool,
    as_json: bool,
    **switches: str,
) -> None:
    """Run an identity provider, an application and the bridge, to click through in a browser."""
    if checking:
        sys.exit(_demo_check(as_json=as_json))
    from saml_slo.demo.run import run_demo  # noqa: PLC0415 - as above

    places = Places(port, idp_port, app_port, folder.absolute())
    run_demo(places, Switches.of(switches), logout_timeout=timeout, announce=_announce)


def _demo_check(*, as_json: bool) -> int:
    """Run the check, print it, and return the exit code."""
    from saml_slo.demo.check import CASES, run_check  # noqa: PLC0415 - as above

    with Console(stderr=True).status("Starting a demo on free ports") as status:
        results = list(run_check(lambda case: status.update(f"{len(CASES)} sign-outs; switches now: {case.switches}")))
    wrong = sum(bool(result.wrong) for result in results)
    if as_json:
        click.echo(json.dumps({"ok": not wrong, "results": [result.as_json() for result in results]}))
        return int(wrong > 0)
    # Fits into 80 columns; "in truth" is what became of the session at the identity provider.
    table = Table("switches turned", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("here", "there", "asked at", "by", "in truth", ""):
        table.add_column(heading, no_wrap=True)
    for result in results:
        turned = ", ".join(f"{name.replace('_', ' ')}: {word}" for name, word in result.switches.items()) or "none"
        table.add_row(
            turned if result.federated else f"{turned}; only here",
            result.here,
            result.there,
            result.source or "not asked",
            {"session_index": "SessionIndex", "name_id": "NameID", None: ""}[result.rung],
            "lives" if result.idp_session_lives else "gone",
            "[bold red]FAIL[/bold red]" if result.wrong else "[green]OK[/green]",
        )
    console = Console()
    console.print(table)
    for result in results:
        for sentence in result.wrong:
            console.print(f"{result.switches}: {sentence}", style="red", markup=False, highlight=False)
    console.print(f"{len(results) - wrong} of {len(results)} receipts say what really happened.")
    return int(wrong > 0)


def _announce(places: Places) -> None:
    console = Console(soft_wrap=True)
    console.print(f"\n  [bold]Open[/bold] {places.start}\n", highlight=False)
    for title, origin in (
        ("application", places.application),
        ("identity provider", places.idp),
        ("bridge", places.bridge),
    ):
        console.print(f"  [dim]{title + ':':<18}[/dim] {origin}", highlight=False)
    console.print(
        f"  [dim]{'files and logs:':<18}[/dim] {places.folder}\n\n  Ctrl-C ends all of it.\n", highlight=False
    )


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines for people.")
def keys(*, as_json: bool) -> None:
    """Make the key files that are missing, and say which."""
    from saml_slo.certs import ensure_keys, load_keys, load_secret  # noqa: PLC0415 - as above

    settings = load_settings()
    made = ensure_keys(settings.certs_dir, urlsplit(settings.public_url).hostname or "saml_slo")
    load_keys(settings.certs_dir)
    load_secret(settings.certs_dir)
    if as_json:
        click.echo(json.dumps({"folder": str(settings.certs_dir), "made": made}))
    elif made:
        click.echo(f"Made in {settings.certs_dir}: {', '.join(made)}")
    else:
        click.echo(f"Nothing to make: the keys in {settings.certs_dir} are complete.")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines for people.")
def check(*, as_json: bool) -> None:
    """Check settings, keys, metadata files and Redis; exit with 1 when anything is wrong."""
    settings = load_settings()
    findings: list[_Finding] = []
    parts = {
        "keys": _keys,
        "metadata": _metadata,
        "return URLs": _return_urls,
        "back channel": _back_channel,
        "redis": _redis,
    }
    for part, look in parts.items():
        try:
            findings += (_Finding(part, *found) for found in look(settings))
        except SloError as error:
            findings.append(_Finding(part, "problem", str(error)))
    wrong = any(finding.kind == "problem" for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": not wrong, "findings": [asdict(finding) for finding in findings]}))
    else:
        _print(findings)
    sys.exit(int(wrong))


@dataclass(frozen=True, slots=True)
class _Finding:
    """One line of `check`; `kind` is ok, warning or problem."""

    part: str
    kind: str
    text: str


def _keys(settings: Settings) -> Iterator[tuple[str, str]]:
    from saml_slo.certs import load_keys, load_secret  # noqa: PLC0415 - as above

    if not (settings.certs_dir / "secret.key").exists():
        yield (
            "warning",
            f"{settings.certs_dir}: not complete; `saml-slo keys` or the first start makes what is missing",
        )
        return
    load_keys(settings.certs_dir)
    load_secret(settings.certs_dir)
    yield "ok", f"{settings.certs_dir}: complete"


def _metadata(settings: Settings) -> Iterator[tuple[str, str]]:
    from saml_slo.peers.registry import Registry  # noqa: PLC0415 - as above

    registry = Registry(settings.metadata_dir, settings.public_url)
    yield from (("problem", str(problem)) for problem in registry.problems())
    yield from (("warning", str(warning)) for warning in registry.warnings())
    usable = [connection.name for connection in registry.connections() if connection.enabled]
    if not usable:
        yield "warning", f"{settings.metadata_dir / 'connections'}: no connection is in force, so nobody can sign in"
    else:
        yield "ok", f"connections in force: {', '.join(usable)}"
    if registry.applications():
        yield "ok", f"applications: {', '.join(application.client_id for application in registry.applications())}"


def _return_urls(settings: Settings) -> Iterator[tuple[str, str]]:
    from saml_slo.peers.return_urls import ReturnUrls  # noqa: PLC0415 - as above

    ReturnUrls(settings.allowed_logout_urls)
    if not settings.allowed_logout_urls:
        yield "warning", "SLO_ALLOWED_LOGOUT_URLS is empty: links without client_id cannot name a returnTo"
    else:
        yield "ok", ", ".join(settings.allowed_logout_urls)


def _back_channel(settings: Settings) -> Iterator[tuple[str, str]]:
    from saml_slo.delivery.back_channel import BackChannel  # noqa: PLC0415 - as above

    BackChannel(allowed_private=settings.back_channel_allow)
    also = f"; also {', '.join(settings.back_channel_allow)}" if settings.back_channel_allow else ""
    yield "ok", f"public addresses{also}"


def _redis(settings: Settings) -> Iterator[tuple[str, str]]:
    from saml_slo.store.connect import check_server, connect, redacted  # noqa: PLC0415 - as above
    from saml_slo.store.embedded import find_program  # noqa: PLC0415 - as above

    if settings.redis_url is None:
        yield "ok", f"embedded: {find_program().label}; for production name a server of yours in SLO_REDIS_URL"
        return
    facts = check_server(connect(settings.redis_url, timeout=settings.redis_timeout))
    yield from (("problem", alarm) for alarm in facts.alarms)
    yield "ok", f"{facts.product} {facts.version} at {redacted(settings.redis_url)}"


def _print(findings: Iterable[_Finding]) -> None:
    console = Console(soft_wrap=True)
    for finding in findings:
        mark, style = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("problem", "bold red")}[
            finding.kind
        ]
        console.print(Text.assemble((f"{mark:<8}", style), f" {finding.part}: {finding.text}"), highlight=False)
