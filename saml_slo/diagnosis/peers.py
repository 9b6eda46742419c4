"""Each connection and each application: could a logout reach it, and what in its files will not last?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from saml_slo.delivery.egress import Egress
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.diagnosis.finding import Finding, Severity
from saml_slo.diagnosis.installation import EXPIRES_SOON, plain_http
from saml_slo.diagnosis.knowledge import Knowledge
from saml_slo.errors import ConfigurationError, MessageRefused
from saml_slo.journey import answer_way
from saml_slo.logout.endpoint import application_endpoint, idp_endpoint
from saml_slo.logout.transaction import Channel
from saml_slo.peers import coverage
from saml_slo.peers.connection_file import KEYS, ConnectionFile
from saml_slo.peers.peer_file import PeerFile
from saml_slo.peers.preset import read_preset
from saml_slo.peers.registry import Registry
from saml_slo.peers.toml_file import read_toml
from saml_slo.protocol.method import BACK_CHANNEL
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Application, Connection, EndpointSource, Peer
from saml_slo.protocol.upstream import Upstream
from saml_slo.wire.certificate_facts import certificate_facts

LOOK_UP_SECONDS = 3.0
_INSECURE = ("insecure_sha1", "insecure_aes_cbc", "insecure_inclusive_c14n")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDoctor:
    """Looks at peers. `now` is the moment for which validity is judged, `egress` says where calls may go."""

    registry: Registry
    egress: Egress
    knowledge: Knowledge
    now: datetime

    def connection(self, connection: Connection) -> Iterator[Finding]:
        """Look at one identity provider that speaks SAML."""
        subject, file = f"connection {connection.name}", self.registry.connection_file(connection.name)
        if not connection.enabled:
            yield _of(file, "connection.disabled", Severity.NOTE, subject, "It is not in force.", key="enabled")
        yield from self._validity(subject, file)
        yield from self._certificates(subject, file, connection)
        yield from self._idp_logout(subject, file, connection)
        yield from _answerable(subject, file, connection)
        yield from self._preset(subject, file, connection)
        yield from _switches(subject, file, connection)
        for endpoint in connection.single_logout:
            if endpoint.binding is Binding.SOAP:
                yield from self._callable(subject, file, endpoint.location, "SOAP logout endpoint")

    def upstream(self, upstream: Upstream) -> Iterator[Finding]:
        """Look at one provider that does not speak SAML."""
        row, subject = coverage.of_upstream(upstream), f"connection {upstream.name}"
        bad = row.state is coverage.State.OUT_OF_REACH
        yield Finding(
            code="logout.out_of_reach" if bad else "logout.endpoint",
            severity=Severity.WARNING if bad else Severity.OK,
            subject=subject,
            text=row.sentence,
            found=row.where,
        )

    def application(self, application: Application) -> Iterator[Finding]:
        """Look at one application."""
        subject = f"application {application.client_id}"
        file = self.registry.application_file(application.client_id)
        yield from self._validity(subject, file)
        yield from self._coverage(subject, file, application)
        if application.provider is not None:
            yield from self._certificates(subject, file, application.provider)
            yield from _answerable(subject, file, application.provider)
            yield from _switches(subject, file, application.provider)
        for url, what in back_channel_urls(application):
            yield from self._callable(subject, file, url, what)
        if not application.allowed_logout_urls:
            yield _of(
                file,
                "return_urls.application",
                Severity.NOTE,
                subject,
                "It names no return URL: a logout with its client_id ends on our page.",
                key="allowed_logout_urls",
            )
        yield from plain_http(application.allowed_logout_urls, subject, "allowed_logout_urls")

    # What both have ---------------------------------------------------------------------------------------------------

    def _validity(self, subject: str, file: PeerFile | None) -> Iterator[Finding]:
        until = None if file is None else file.valid_until
        if until is not None and self.now < until <= self.now + EXPIRES_SOON:
            yield _of(
                file,
                "metadata.expires",
                Severity.WARNING,
                subject,
                "Its metadata expires soon; from then on it is disabled.",
                expected=f"validUntil more than {EXPIRES_SOON.days} days ahead",
                found=f"{until:%Y-%m-%d %H:%M} UTC",
                next_step="Fetch its present metadata, or let it be fetched by itself.",
                metadata=True,
            )

    def _certificates(self, subject: str, file: PeerFile | None, peer: Peer) -> Iterator[Finding]:
        good = 0
        for der in peer.signing_certificates:
            facts = certificate_facts(der)
            if facts is None:
                continue
            named = f"{facts.short}, {facts.key}, valid until {facts.not_after:%Y-%m-%d}"
            if facts.not_after <= self.now:
                yield _of(
                    file,
                    "certificate.expired",
                    Severity.WARNING,
                    subject,
                    "A signing certificate has expired. We go by the key, but the peer will soon change it.",
                    found=named,
                    next_step="Ask for the peer's present metadata.",
                    metadata=True,
                )
            elif facts.not_after <= self.now + EXPIRES_SOON:
                yield _of(
                    file,
                    "certificate.expires",
                    Severity.WARNING,
                    subject,
                    "A signing certificate expires soon: expect a new key.",
                    expected=f"valid for more than {EXPIRES_SOON.days} days",
                    found=named,
                    next_step="Ask the peer when it changes, and save its new metadata before.",
                    metadata=True,
                )
            else:
                good += 1
        if good:
            yield _of(file, "certificate.ok", Severity.OK, subject, f"{good} signing certificate(s) in date")

    def _callable(self, subject: str, file: PeerFile | None, url: str, what: str) -> Iterator[Finding]:
        """Say whether the guard would let us call a URL."""
        try:
            self.egress.target(url, deadline=time.monotonic() + LOOK_UP_SECONDS)
        except DeliveryFailed as failed:
            unknown = failed.why in (Why.DNS, Why.LOCAL)
            yield _of(
                file,
                "egress.unknown" if unknown else "egress.refused",
                Severity.UNCHECKED if unknown else Severity.ERROR,
                subject,
                f"We cannot call its {what}: {failed.sentence}.",
                expected="a public address, or one that is listed",
                found=url,
                setting="" if unknown else "SLO_BACK_CHANNEL_ALLOW",
                next_step="Look the name up on this machine."
                if unknown
                else "List the host or network, if the address is right.",
            )
        else:
            yield _of(file, "egress.ok", Severity.OK, subject, f"its {what} may be called", found=url)

    # Identity providers -----------------------------------------------------------------------------------------------

    def _idp_logout(self, subject: str, file: PeerFile | None, connection: Connection) -> Iterator[Finding]:
        way, reason = idp_endpoint(connection, has_browser=True)
        if way is None:
            yield _no_way(file, subject, connection, reason)
            return
        how = f"asked by {way.binding.short} at {way.location} ({way.source})"
        if way.source is EndpointSource.LOGIN_URL:
            yield _of(
                file,
                "logout.login_url",
                Severity.WARNING,
                subject,
                "It has no logout URL, so our request goes to its login URL, which not every provider understands.",
                expected="a SingleLogoutService in its metadata, or a logout_url",
                found=how,
                key="login_url_fallback",
                next_step="Fetch its metadata anew, name a preset, or set login_url_fallback = false.",
            )
        else:
            yield _of(file, "logout.endpoint", Severity.OK, subject, how, found=f"offered: {_endpoints(connection)}")
        known = {endpoint.location for endpoint in (*connection.single_logout, *connection.single_sign_on)}
        if way.source is EndpointSource.OPERATOR and way.location not in known:
            yield _of(
                file,
                "logout.operator_url",
                Severity.WARNING if connection.single_logout else Severity.NOTE,
                subject,
                "Its logout_url is none of the logout endpoints in its metadata."
                if connection.single_logout
                else "Its logout_url is ours alone: its metadata has no logout endpoint to compare it with.",
                expected=_endpoints(connection),
                found=way.location,
                key="logout_url",
                next_step="Compare the two; without the key the metadata's endpoint is used."
                if connection.single_logout
                else "Make sure of it with the provider.",
            )
        if way.channel is Channel.WINDOW and not any(e.binding is Binding.SOAP for e in connection.single_logout):
            yield _of(
                file,
                "logout.needs_browser",
                Severity.NOTE,
                subject,
                "It can be asked through a browser only: logouts by API, operator or timeout do not reach it.",
            )

    def _preset(self, subject: str, file: ConnectionFile | None, connection: Connection) -> Iterator[Finding]:
        """Hold the metadata against what is known of vendors."""
        urls = [endpoint.location for endpoint in (*connection.single_sign_on, *connection.single_logout)]
        known = self.knowledge.recognise(connection.entity_id, urls)
        named = written(file).get("preset")
        if known is None or not known.presets:
            return
        if named is None:
            yield _of(
                file,
                "preset.missing",
                Severity.WARNING,
                subject,
                f"This is {known.title}, and no preset is named: its quirks are not met.",
                expected=f'preset = "{known.presets[0]}"',
                found=connection.entity_id,
                next_step="Add the preset to the file.",
            )
        elif named not in known.presets and named != "saml":
            yield _of(
                file,
                "preset.other",
                Severity.WARNING,
                subject,
                f"The metadata is of {known.title}, and the preset of somebody else.",
                expected=" or ".join(f'preset = "{name}"' for name in known.presets),
                found=f'preset = "{named}"',
                key="preset",
                next_step="Name the right preset, or give the connection the right metadata.",
            )
        vetoes = read_preset(known.presets[0], KEYS).get("login_url_fallback") is False
        if vetoes and connection.login_url_fallback and not connection.single_logout and not connection.logout_url:
            yield _of(
                file,
                "preset.fallback_vetoed",
                Severity.ERROR,
                subject,
                f"A LogoutRequest would go to the login URL, which {known.title} answers with an error or a sign-in.",
                expected="login_url_fallback = false",
                found="login_url_fallback = true",
                key="login_url_fallback",
                next_step=f'Remove the key and name preset = "{known.presets[0]}".',
            )

    # Applications -----------------------------------------------------------------------------------------------------

    def _coverage(self, subject: str, file: PeerFile | None, application: Application) -> Iterator[Finding]:
        row = coverage.of_application(application, self.now.date())
        severity, code = {
            coverage.State.BLIND: (Severity.ERROR, "application.blind"),
            coverage.State.WAIVER_OVER: (Severity.ERROR, "application.waiver_over"),
            coverage.State.WAIVED: (Severity.NOTE, "application.waived"),
            coverage.State.FRAME_ONLY: (Severity.NOTE, "application.frame_only"),
            coverage.State.TAKES_NO_PART: (Severity.NOTE, "application.takes_no_part"),
        }.get(row.state, (Severity.OK, "application.told"))
        advice = {
            Severity.ERROR: "Name a logout method in its file (logout = …), or a dated waiver.",
        }.get(severity, "")
        yield _of(file, code, severity, subject, row.sentence, found=row.where, key="logout", next_step=advice)


def back_channel_urls(application: Application) -> Iterator[tuple[str, str]]:
    """Yield what is called from here for an application: each URL and what it is."""
    method = application.logout
    if method is not None and method.kind in BACK_CHANNEL and method.uri is not None:
        yield method.uri, f"{method.kind} URL"
    elif application.provider is not None:
        way, _ = application_endpoint(application.provider)
        if way is not None and way.channel is Channel.BACK:
            yield way.location, "SOAP logout endpoint"
    if application.preflight_url is not None:
        yield application.preflight_url, "preflight URL"


def _no_way(file: PeerFile | None, subject: str, connection: Connection, reason: str) -> Finding:
    """Say what a provider is that takes no LogoutRequest."""
    if connection.logout_page is not None:
        return _of(
            file,
            "logout.page_only",
            Severity.NOTE,
            subject,
            "It takes no LogoutRequest: the browser visits its sign-out page, which says nothing to us.",
            found=connection.logout_page,
            key="logout_page",
        )
    return _of(
        file,
        "logout.out_of_reach",
        Severity.WARNING,
        subject,
        f"A federated logout ends nothing there. {reason}",
        expected="a SingleLogoutService by Redirect, POST or SOAP, or a logout_url",
        found=_endpoints(connection),
        key="logout_url",
        next_step="Switch single logout on at the provider and fetch its metadata anew, or set logout_url.",
    )


def _answerable(subject: str, file: PeerFile | None, peer: Peer) -> Iterator[Finding]:
    """Say whether the peer's own LogoutRequests through a browser could be answered, and where."""
    try:
        binding, location = answer_way(peer, Binding.REDIRECT)
    except MessageRefused:
        if peer.single_logout:
            yield _of(
                file,
                "logout.unanswerable",
                Severity.WARNING,
                subject,
                "Its LogoutRequests through a browser are refused: its metadata names nowhere to answer.",
                expected="a SingleLogoutService by HTTP-Redirect or HTTP-POST",
                found=_endpoints(peer),
                next_step="Let the peer offer one, or use SOAP alone.",
                metadata=True,
            )
        return
    if any(endpoint.response_location == location for endpoint in peer.single_logout):
        text = f"answers go to its ResponseLocation, by {binding.short}"
        yield _of(file, "logout.response_location", Severity.NOTE, subject, text, found=location)


def _switches(subject: str, file: PeerFile | None, peer: Peer) -> Iterator[Finding]:
    for name in _INSECURE:
        if getattr(peer, name):
            yield _of(
                file,
                "switch.insecure",
                Severity.WARNING,
                subject,
                "It is allowed an algorithm that is broken.",
                expected=f"{name} = false",
                found=f"{name} = true",
                key=name,
                next_step="Let the peer change its algorithms, then remove the key.",
            )


def written(file: ConnectionFile | None) -> dict[str, Any]:
    """Return what the file itself says, without its preset; empty where it cannot be read any more."""
    if file is None:
        return {}
    try:
        return dict(read_toml(file.path, KEYS).values)
    except ConfigurationError:
        return {}  # broken since it was read: the registry tells


def _endpoints(peer: Peer) -> str:
    return ", ".join(f"{one.binding.short} {one.location}" for one in peer.single_logout) or "none"


def _of(
    file: PeerFile | None,
    code: str,
    severity: Severity,
    subject: str,
    text: str,
    *,
    key: str = "",
    metadata: bool = False,
    setting: str = "",
    **more: str,
) -> Finding:
    """Return a finding about a peer, with the line of a key where the file has it."""
    path: Path | None = None if file is None else file.metadata_path if metadata else file.path
    return Finding(
        code=code,
        severity=severity,
        subject=subject,
        text=text,
        file="" if path is None else str(path),
        line=None if file is None or not key else file.lines.get(key),
        setting=setting or key,
        **more,
    )
