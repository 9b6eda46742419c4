"""`saml-slo check`: whatever a start would trip over."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import click
from rich.console import Console
from rich.text import Text

from saml_slo.cli.group import as_json
from saml_slo.config import Settings, load_settings
from saml_slo.errors import SloError


@click.command()
@as_json
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
    from saml_slo.certs import load_keys, load_secret  # noqa: PLC0415 - half a second that the other commands need not wait

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

    registry = Registry(settings.metadata_dir, settings.public_url, copies=settings.copies_dir)
    yield from (("problem", str(problem)) for problem in registry.problems())
    yield from (("warning", str(warning)) for warning in registry.warnings())
    usable = [connection.name for connection in registry.connections() if connection.enabled]
    if not usable:
        yield "warning", f"{settings.metadata_dir / 'connections'}: no connection is in force, so nobody can sign in"
    else:
        yield "ok", f"connections in force: {', '.join(usable)}"
    if others := [upstream.name for upstream in registry.upstreams() if upstream.enabled]:
        yield "ok", f"providers that do not speak SAML: {', '.join(others)}"
    for federation in registry.federations():
        if cache := federation.cache():
            text = f"{cache.count} of {cache.facts.total} entities are kept"
            yield "ok", f"federation {federation.name}: {text}"
    if organisations := registry.organisations():
        yield "ok", f"organisations: {', '.join(organisation.name for organisation in organisations)}"
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
