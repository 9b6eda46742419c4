"""/console/connections and /console/applications: whom we talk to, what is in force, and what waits for a decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flask import Blueprint, Response, g

from saml_slo.delivery.egress import Egress
from saml_slo.diagnosis.finding import Finding, Severity
from saml_slo.diagnosis.knowledge import knowledge
from saml_slo.diagnosis.peers import PeerDoctor
from saml_slo.errors import ConfigurationError, Reason, RequestRefused
from saml_slo.house import House
from saml_slo.operations import listing, portrait, renewing
from saml_slo.operations.adding import PeerKind
from saml_slo.operations.listing import Line
from saml_slo.operations.portrait import Portrait
from saml_slo.peers.problem import Problem
from saml_slo.protocol.envelope import Redirect
from saml_slo.web.console.door import Door, page
from saml_slo.web.console.shown import (
    in_form,
    in_query,
    moment,
    nobody_asked,
    nothing_here,
    sentence,
    slice_of,
)
from saml_slo.web.respond import respond

_CHOICES = {"accept": (renewing.accept, "metadata-accepted"), "go-back": (renewing.go_back, "metadata-went-back")}
_NOT_LOOKED_UP = "egress.unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A line of the list, and whether metadata of it waits to be accepted."""

    line: Line
    waits: bool
    needs: bool


def blueprint(door: Door, house: House) -> Blueprint:
    """Return the pages of both kinds."""
    pages = Blueprint("console_peers", __name__)
    for kind in PeerKind:
        folder = f"/console/{kind.folder}"
        for rule, name, view in (
            (folder, "list", partial(_list, house, kind)),
            (f"{folder}/<name>", "one", partial(_one, house, kind)),
        ):
            pages.add_url_rule(rule, f"{kind}_{name}", _guarded(door, view), methods=["GET"])
        for choice in _CHOICES:
            view = partial(_choose, house, kind, choice)
            pages.add_url_rule(f"{folder}/<name>/{choice}", f"{kind}_{choice}", _guarded(door, view), methods=["POST"])
    return pages


def _guarded(door: Door, view: Callable[..., Response]) -> Callable[..., Response]:
    def seen(**arguments: str) -> Response:
        return view(**arguments)

    return door.operators_only(seen)


def _list(house: House, kind: PeerKind) -> Response:
    text, only = in_query("q"), in_query("show")
    now = house.clock()
    found = listing.lines(house, kind, text)
    if only == "attention":
        found = tuple(line for line in found if line.needs_somebody(now))
    shown = slice_of(found)
    copies = {line.name: listing.copy_of(house, kind, line.name) for line in shown.items}
    rows = [
        _Row(line=line, waits=bool(copy and copy.pending), needs=line.needs_somebody(now))
        for line, copy in ((line, copies[line.name]) for line in shown.items)
    ]
    federations = listing.federations(house) if kind is PeerKind.CONNECTION and not (text or only) else ()
    return page(
        "peers.html",
        federations=federations,
        seconds=_seconds,
        kind=kind,
        rows=rows,
        shown=shown,
        q=text,
        show=only,
        now=now,
    )


def _one(house: House, kind: PeerKind, name: str, *, told: str = "", status: int = 200) -> Response:
    found = _portrait(house, kind, name)
    if found is None:
        problems = _problems(house, kind, name)
        if not problems:
            raise nothing_here(str(kind), "a name of the list")
        return page("peer_refused.html", kind=kind, name=name, problems=problems)
    response = page(
        "peer.html",
        kind=kind,
        peer=found,
        findings=_findings(house, kind, name),
        told=told,
        now=house.clock(),
        seconds=_seconds,
        values=[value for value in found.values if value.source != "default"],
        defaults=[value for value in found.values if value.source == "default"],
        words=portrait.words,
        folder=str(house.settings.metadata_dir),
    )
    response.status_code = status
    return response


def _seconds(at: int) -> str:
    return moment(at * 1000)


def _choose(house: House, kind: PeerKind, choice: str, name: str) -> Response:
    """Accept metadata that waits, or go back to the copy before, if it is still what the operator saw."""
    choose, action = _CHOICES[choice]
    if _portrait(house, kind, name) is None and not _problems(house, kind, name):
        raise nothing_here(str(kind), "a name of the list")
    try:
        state = renewing.state_of(house, kind, name)
        seen = "" if state is None else state.pending if choice == "accept" else state.previous
        if not seen or seen != in_form("version"):
            raise RequestRefused(
                "This metadata changed since the page was shown",
                reason=Reason.BAD_REQUEST,
                expected="the version that the page showed",
                next_step="Open the page again and look at the changes.",
            )
        choose(house, kind, name)
    except ConfigurationError as error:
        return _one(house, kind, name, told=sentence(error), status=409)
    house.store.note(g.operator, action, f"{kind} {name}")
    return respond(Redirect(f"/console/{kind.folder}/{name}"))


def _portrait(house: House, kind: PeerKind, name: str) -> Portrait | None:
    copy = listing.copy_of(house, kind, name) if _is_known(house, kind, name) else None
    if kind is PeerKind.CONNECTION:
        return portrait.connection(house.registry, house.settings.metadata_dir, name, copy)
    return portrait.application(house.registry, name, house.clock().date(), copy)


def _is_known(house: House, kind: PeerKind, name: str) -> bool:
    """Say whether a name from an address is one of ours, before it becomes part of a path."""
    registry = house.registry
    file = registry.connection_file(name) if kind is PeerKind.CONNECTION else registry.application_file(name)
    return file is not None


def _problems(house: House, kind: PeerKind, name: str) -> tuple[Problem, ...]:
    folder = house.settings.metadata_dir / kind.folder
    return tuple(one for one in house.registry.problems() if one.file.parent == folder and one.file.stem == name)


def _findings(house: House, kind: PeerKind, name: str) -> list[Finding]:
    """Return what the doctor says, without asking name servers: a page does not wait for them."""
    doctor = PeerDoctor(
        registry=house.registry,
        egress=Egress(house.settings.back_channel_allow, resolve=nobody_asked),
        knowledge=knowledge(),
        now=house.clock(),
    )
    found: list[Finding] = []
    if kind is PeerKind.APPLICATION:
        application = house.registry.application(name)
        found = [] if application is None else list(doctor.application(application))
    elif (connection := house.registry.connection(name)) is not None:
        found = list(doctor.connection(connection))
    elif (upstream := house.registry.upstream(name)) is not None:
        found = list(doctor.upstream(upstream))
    order = [Severity.ERROR, Severity.WARNING, Severity.UNCHECKED, Severity.NOTE, Severity.OK]
    known = (finding for finding in found if finding.code != _NOT_LOOKED_UP)
    return sorted(known, key=lambda finding: order.index(finding.severity))
