"""How a connection or application is shown: for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from saml_slo.cli.terminal import console, iso, table

if TYPE_CHECKING:
    from saml_slo.operations.portrait import Portrait
    from saml_slo.peers.copies import CopyState


def facts_of(found: Portrait) -> dict[str, Any]:
    """Return a portrait for programs."""
    return {
        "kind": found.kind,
        "name": found.name,
        "title": found.title,
        "enabled": found.enabled,
        "speaks": found.speaks or None,
        "entity_id": found.entity_id or None,
        "logout": {
            "method": found.logout.method,
            "where": found.logout.where or None,
            "state": found.logout.state,
            "sentence": found.logout.sentence,
        },
        "give": dict(found.give),
        "valid_until": None if found.valid_until is None else found.valid_until.isoformat(),
        "cache_duration": found.cache_duration,
        "certificates": [
            {
                **asdict(certificate),
                "not_before": certificate.not_before.isoformat(),
                "not_after": certificate.not_after.isoformat(),
            }
            for certificate in found.certificates
        ],
        "values": [asdict(value) for value in found.values],
        "copy": None if found.copy is None else _copy_facts(found.copy),
        "problems": list(found.problems),
        "warnings": list(found.warnings),
    }


def _copy_facts(copy: CopyState) -> dict[str, Any]:
    return {
        "url": copy.url,
        "version": copy.version,
        "fetched_at": iso(copy.fetched_at * 1000) if copy.fetched_at else None,
        "checked_at": iso(copy.checked_at * 1000) if copy.checked_at else None,
        "next_at": iso(copy.next_at * 1000) if copy.next_at else None,
        "failure": copy.failure,
        "waits": list(copy.changes) if copy.pending else [],
        "can_roll_back": bool(copy.previous),
    }


def print_portrait(found: Portrait, *, everything: bool = True) -> None:
    """Print a portrait; without `everything` what a preview needs: values that are not simply the default."""
    from saml_slo.operations.portrait import words  # noqa: PLC0415 - half a second that `--help` need not wait

    out = console()
    state = "in force" if found.enabled else "not in force"
    out.print(f"{found.kind} {found.name}: {found.title}, {found.speaks or 'without SAML'}, {state}")
    if found.entity_id:
        out.print(f"  entity id      {found.entity_id}")
    out.print(f"  a logout uses  {' '.join(filter(None, [found.logout.method, found.logout.where]))}")
    out.print(f"                 {found.logout.sentence}")
    for what, url in found.give.items():
        out.print(f"  give it        {url}  ({what})")
    if found.valid_until is not None:
        out.print(f"  valid until    {found.valid_until:%Y-%m-%d %H:%M:%S}Z")
    for certificate in found.certificates:
        dates = f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}"
        out.print(f"  {certificate.use + ' key':<14} {certificate.key}, {dates}, SHA-256 {certificate.fingerprint}")
    if found.copy is not None and found.copy.url:
        _print_copy(found.copy)
    for kind, sentences in (("problem", found.problems), ("warning", found.warnings)):
        for sentence in sentences:
            out.print(f"  {kind:<14} {sentence}")
    shown = [value for value in found.values if everything or value.source != "default"]
    table(("value", "is", "from"), [(value.name, words(value.value), value.source) for value in shown])


def _print_copy(copy: CopyState) -> None:
    out = console()
    facts = _copy_facts(copy)
    out.print(f"  fetched from   {copy.url}, {facts['fetched_at'] or 'not yet'}; next {facts['next_at'] or 'at once'}")
    if copy.failure:
        out.print(f"                 last time it failed: {copy.failure}")
    for change in facts["waits"]:
        out.print(f"  waits          {change}")
