"""`saml-slo inspect`: what is this message, would we accept it, and if not, why."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from saml_slo.cli.group import as_json
from saml_slo.config import Settings, load_settings
from saml_slo.errors import ConfigurationError

if TYPE_CHECKING:
    from saml_slo.inspection import Inspector, Report
    from saml_slo.inspection.report import Step
    from saml_slo.wire.keys import OurKeys

_STATES = {"ok": "green", "failed": "bold red", "not reached": "dim", "not checked": "yellow"}
_VERDICTS = {
    "accepted": ("would be accepted", "bold green"),
    "refused": ("would be refused", "bold red"),
    "sent_by_us": ("sent by us", "bold cyan"),
    "not_a_message": ("no message", "bold yellow"),
}


class _Instant(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Take an ISO time; one without a zone is UTC."""
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time: write 2026-11-20T06:26:00Z", param, ctx)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


@click.command()
@click.argument("capture", metavar="[FILE|-|CAPTURE]", default="-")
@click.option("--peer", metavar="NAME", help="The connection or application whose message it is, where it is unclear.")
@click.option("--at", type=_Instant(), metavar="TIME", help="Judge it at this time (2026-11-20T06:26:00Z), not now.")
@click.option("--reveal", is_flag=True, help="Show NameIDs, attributes and SessionIndex values instead of digests.")
@as_json
def inspect(capture: str, peer: str | None, at: datetime | None, *, reveal: bool, as_json: bool) -> None:
    """Decode a message from anywhere and say whether we would accept it, and if not, why.

    Takes a file, standard input (-) or the capture itself: a URL, a form body, base64, XML, a line of an access log, a
    HAR file, a curl line, a page with a form, a logout token, a signed receipt. Needs no server and no network.
    """
    from saml_slo.inspection import captured_in, compared  # noqa: PLC0415 - half a second that the other commands need not wait

    settings = load_settings()
    inspector = _inspector(settings, at)
    reports = compared(inspector.inspect(one, peer=peer, reveal=reveal) for one in captured_in(_read(capture)))
    good = all(report.verdict in ("accepted", "sent_by_us") for report in reports)
    if as_json:
        click.echo(json.dumps({"ok": good, "messages": [report.as_json() for report in reports]}))
    else:
        for number, report in enumerate(reports, 1):
            _print(report, f"{number} of {len(reports)}, " if len(reports) > 1 else "")
    sys.exit(int(not good))


def _read(capture: str) -> bytes:
    from saml_slo.inspection.source import MAX_INPUT_BYTES  # noqa: PLC0415 - as above

    if capture == "-":
        if sys.stdin.isatty():
            click.echo("Paste the capture, then Ctrl-D on a line of its own.", err=True)
        return sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
    path = Path(capture)
    try:
        if path.is_file():
            with path.open("rb") as file:
                return file.read(MAX_INPUT_BYTES + 1)
    except OSError as error:
        if len(capture) < 200:  # noqa: PLR2004 - a longer one is no path, which the system says as an error
            raise ConfigurationError("the file cannot be read", file=path, got=error.strerror or str(error)) from None
    if len(capture) < 200 and "=" not in capture:  # noqa: PLR2004 - as above
        raise ConfigurationError(
            "there is no such file",
            file=path,
            next_step="Name a file, paste the capture in quotes, or send it on standard input.",
        )
    return capture.encode(errors="replace")


def _inspector(settings: Settings, at: datetime | None) -> Inspector:
    from saml_slo.inspection import Inspector  # noqa: PLC0415 - as above
    from saml_slo.peers.registry import Registry  # noqa: PLC0415 - as above

    def clock() -> datetime:
        return at or datetime.now(UTC)

    registry = Registry(settings.metadata_dir, settings.public_url, copies=settings.copies_dir, now=clock)
    return Inspector(registry=registry, public_url=settings.public_url, keys=_keys(settings), clock=clock)


def _keys(settings: Settings) -> OurKeys | None:
    """Return our keys, None where there are none: most messages can be judged without."""
    from saml_slo.certs import load_keys  # noqa: PLC0415 - as above

    try:
        return load_keys(settings.certs_dir)
    except ConfigurationError as error:
        click.echo(f"note: our keys cannot be read, so nothing is decrypted: {error}", err=True)
        return None


def _print(report: Report, which: str) -> None:
    from saml_slo.inspection.report import printable  # noqa: PLC0415 - as above

    console = Console(soft_wrap=True)
    words, style = _VERDICTS[report.verdict]
    console.print(Text.assemble((report.kind, "bold"), f"  {which}{printable(report.found_in)}: ", (words, style)))
    console.print(Text(f"  {printable(report.summary)}"))
    for name, value in (
        ("binding", report.binding),
        ("issuer", report.issuer),
        ("destination", report.destination),
        ("our endpoint", report.endpoint),
        ("sender here", report.peer),
        ("RelayState", report.relay_state if report.relay_state is not None else "absent" if report.binding else ""),
        *((fact.name, fact.value) for fact in report.facts),
    ):
        if value:
            _line(console, name, printable(value))
    for time in report.times:
        _line(console, time.name, f"{printable(time.value)}  ({time.against_our_clock})")
    for signature in report.signatures:
        made = f"good: {signature.signer}" if signature.signer else f"not good: {signature.problem}"
        how = " ".join(filter(None, [signature.algorithm, signature.digest]))
        _line(console, "signature", printable(f"on {signature.where}, {how}; {made}"))
        if signature.remark:
            _line(console, "", printable(signature.remark))
    if not report.signatures and report.steps and report.binding:
        _line(console, "signature", "none")
    for note in report.notes:
        _line(console, "note", printable(note))
    for step in report.steps:
        _step(console, step)
    console.print()


def _step(console: Console, step: Step) -> None:
    from saml_slo.inspection.report import printable  # noqa: PLC0415 - as above

    console.print(Text.assemble("  ", (f"{step.state:<12}", _STATES[step.state]), f"{step.name}: {step.says}"))
    if step.state != "failed":
        return
    reason = f" ({step.reason})" if step.reason else ""
    for name, value in (
        ("why", f"{step.message}{reason}"),
        ("expected", step.expected),
        ("got", step.got),
        ("setting", step.setting),
        ("next", step.next_step),
    ):
        if value:
            console.print(Text.assemble(" " * 14, (f"{name + ':':<10}", "dim"), printable(value)))


def _line(console: Console, name: str, value: str) -> None:
    console.print(Text.assemble("  ", (f"{name + (':' if name else ''):<30}", "dim"), f" {value}"))
