"""The `saml-slo` command: thin, one function for each command.

Exit codes: 0 done, 1 failed, 2 wrong usage. What went wrong is told on standard error in one block with the next step;
`--json` replaces the lines for people by one JSON document on standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.text import Text

from saml_slo import __version__
from saml_slo.config import Settings, load_settings
from saml_slo.errors import ConfigurationError, SloError


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
    for part, look in (("keys", _keys), ("metadata", _metadata), ("return URLs", _return_urls), ("redis", _redis)):
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
