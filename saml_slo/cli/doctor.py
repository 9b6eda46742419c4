"""`saml-slo doctor`: what is wrong with this installation, its connections and applications, and what to do."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from saml_slo.cli.group import as_json
from saml_slo.config import load_settings
from saml_slo.errors import ConfigurationError

if TYPE_CHECKING:
    from saml_slo.diagnosis.finding import Finding
    from saml_slo.diagnosis.knowledge import KnownError

_STYLES = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "bold red", "unchecked": "magenta"}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--online", is_flag=True, help="Also ask the peers' servers: TLS of what we call, clocks, pages.")
@click.option("--error", "pasted", metavar="TEXT", help="Explain an error text or code of a vendor; - reads it.")
@click.option("--all", "everything", is_flag=True, help="Show what is in order as well.")
@as_json
def doctor(names: tuple[str, ...], pasted: str | None, *, online: bool, everything: bool, as_json: bool) -> None:
    """Examine the installation, every connection and every application, or those named.

    Exits with 1 when something is wrong, with 3 when something could not be found out. With --error it explains what a
    vendor's error text means for a logout, and where to change what; 1 when nothing known is in it.
    """
    if pasted is not None:
        sys.exit(_explain(sys.stdin.read(_MOST) if pasted == "-" else pasted, as_json=as_json))
    from saml_slo.diagnosis.finding import exit_code, of_error  # noqa: PLC0415 - half a second that others need not wait

    try:
        settings = load_settings()
    except ConfigurationError as error:
        findings: tuple[Finding, ...] = (of_error("settings.wrong", "installation", error),)
    else:
        from saml_slo.diagnosis.doctor import Doctor  # noqa: PLC0415 - as above

        with Console(stderr=True).status("Looking"):
            examination = Doctor(settings=settings, clock=lambda: datetime.now(UTC))
            findings = examination.examine(names, online=online)
    code = exit_code(findings)
    if as_json:
        click.echo(json.dumps({"ok": code == 0, "findings": [finding.as_json() for finding in findings]}))
    else:
        _print(findings, everything=everything)
    sys.exit(code)


_MOST = 64 * 1024


def _explain(text: str, *, as_json: bool) -> int:
    from saml_slo.diagnosis.knowledge import knowledge  # noqa: PLC0415 - as above

    found = knowledge().explain(text)
    if as_json:
        rows = [
            {name: getattr(error, name) for name in ("vendor", "title", "code", "meaning", "theirs", "ours", "source")}
            for error in found
        ]
        click.echo(json.dumps({"ok": bool(found), "errors": rows}))
        return int(not found)
    console = Console(soft_wrap=True)
    for error in found:
        _tell(console, error)
    if not found:
        console.print(
            "None of this is known here. If it is a SAML message, `saml-slo inspect` says what is in it; "
            "docs/troubleshooting.md goes from symptoms to causes."
        )
    return int(not found)


def _tell(console: Console, error: KnownError) -> None:
    console.print(Text.assemble((error.code, "bold"), f"  {error.title}"))
    console.print(Text(f"  {error.meaning}"))
    for name, value in (("there", error.theirs), ("here", error.ours), ("source", error.source)):
        if value:
            console.print(Text.assemble("  ", (f"{name + ':':<8}", "dim"), value))
    console.print()


def _print(findings: tuple[Finding, ...], *, everything: bool) -> None:
    from saml_slo.inspection.report import printable  # noqa: PLC0415 - as above

    console = Console(soft_wrap=True)
    subject = None
    for finding in findings:
        if finding.severity == "ok" and not everything:
            continue
        if finding.subject != subject:
            subject = finding.subject
            console.print(Text(subject, "bold"))
        mark = (f"{finding.severity:<10}", _STYLES[finding.severity])
        console.print(Text.assemble("  ", mark, printable(finding.text), (f"  [{finding.code}]", "dim")))
        place = f"{finding.file}:{finding.line}" if finding.line else finding.file
        for name, value in (
            ("expected", finding.expected),
            ("found", finding.found),
            ("where", place),
            ("setting", finding.setting),
            ("next", finding.next_step),
        ):
            if value and finding.severity != "ok":
                console.print(Text.assemble(" " * 12, (f"{name + ':':<10}", "dim"), printable(value)))
    counts = {word: sum(finding.severity == word for finding in findings) for word in _STYLES}
    told = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    console.print(Text(f"{told}." if told else "Nothing was examined."))
