"""What only the network can say, and is asked only when somebody wants it: TLS of what we call, clocks of the peers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from saml_slo.delivery.back_channel import BackChannel
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.diagnosis.finding import Finding, Severity
from saml_slo.diagnosis.peers import back_channel_urls
from saml_slo.logout.endpoint import idp_endpoint
from saml_slo.logout.transaction import Channel
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Application, Connection

_SECONDS = 5.0
_NOTICED = 5.0
# A page that every server answers and that does nothing; a peer's own endpoints might take a visit for a message.
_HARMLESS = "/robots.txt"


def knock_connection(channel: BackChannel, connection: Connection, clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Ask an identity provider's server for its time, and knock at its SOAP endpoints."""
    subject = f"connection {connection.name}"
    for endpoint in connection.single_logout:
        if endpoint.binding is Binding.SOAP:
            yield from _knock(channel, subject, endpoint.location, "SOAP logout endpoint")
    origins = [_origin(endpoint.location) for endpoint in connection.single_sign_on[:1]]
    yield from _clocks(channel, subject, origins, connection.skew, clock)
    way, _ = idp_endpoint(connection, has_browser=True)
    if way is not None and way.channel is not Channel.BACK and _origin(way.location) not in origins:
        yield from _host(channel, subject, way.location)


def knock_application(channel: BackChannel, application: Application) -> Iterator[Finding]:
    """Knock at what is called from here for an application."""
    for url, what in back_channel_urls(application):
        yield from _knock(channel, f"application {application.client_id}", url, what)


def _knock(channel: BackChannel, subject: str, url: str, what: str) -> Iterator[Finding]:
    """Open a verified connection to the server behind a URL; the URL itself is not called."""
    try:
        channel.send("HEAD", _origin(url) + _HARMLESS, deadline=time.monotonic() + _SECONDS)
    except DeliveryFailed as failed:
        if failed.sent and failed.why in (Why.REDIRECT, Why.PROTOCOL, Why.TOO_LARGE):
            yield _ok(subject, url, what)
            return
        yield Finding(
            code="online.unreachable",
            severity=Severity.ERROR,
            subject=subject,
            text=f"Its {what} cannot be called: {failed.sentence}.",
            expected="a connection with a certificate that this machine trusts",
            found=f"{url} ({failed.why})",
            next_step={
                Why.TLS: "Let this machine trust the CA of its certificate (update-ca-certificates, SSL_CERT_FILE).",
                Why.EGRESS: "List the host or network in SLO_BACK_CHANNEL_ALLOW, if the address is right.",
                Why.DNS: "Look the name up on this machine.",
            }.get(failed.why, "Look whether a firewall is in between, and whether the server runs."),
        )
        return
    yield _ok(subject, url, what)


def _host(channel: BackChannel, subject: str, url: str) -> Iterator[Finding]:
    """Say whether the host of a logout URL is there that browsers are sent to; it is not that of the sign-in."""
    try:
        channel.send("HEAD", _origin(url) + _HARMLESS, deadline=time.monotonic() + _SECONDS)
    except DeliveryFailed as failed:
        if not failed.sent:
            unknown = failed.why in (Why.EGRESS, Why.LOCAL)  # we may not ask, browsers may
            yield Finding(
                code="online.unreachable",
                severity=Severity.UNCHECKED if unknown else Severity.WARNING,
                subject=subject,
                text=f"Its logout URL is at another host than its sign-in, which does not answer: {failed.sentence}.",
                expected="a server where browsers find it",
                found=f"{url} ({failed.why})",
                next_step="Open that host in a browser. If it is not there: correct logout_url, or fetch new metadata.",
            )
            return
    yield _ok(subject, url, "logout URL's host")


def _ok(subject: str, url: str, what: str) -> Finding:
    text = f"its {what} is reached, with a certificate that is trusted"
    return Finding(code="online.reachable", severity=Severity.OK, subject=subject, text=text, found=_origin(url))


def _clocks(
    channel: BackChannel, subject: str, origins: Iterable[str], skew: int, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    for origin in origins:
        started = time.monotonic()
        try:
            answer = channel.send("HEAD", origin + _HARMLESS, deadline=started + _SECONDS)
        except DeliveryFailed as failed:
            yield _unknown(subject, origin, failed.sentence)
            continue
        theirs = _date(answer.headers.get("date", ""))
        if theirs is None:
            yield _unknown(subject, origin, "it names no Date")
            continue
        # Date has whole seconds, cut off; half of the round trip has passed since.
        off = (theirs - clock()).total_seconds() + 0.5 + (time.monotonic() - started) / 2
        if abs(off) <= _NOTICED:
            yield Finding(code="clock.peer", severity=Severity.OK, subject=subject, text="its clock agrees with ours")
            continue
        yield Finding(
            code="clock.peer",
            severity=Severity.ERROR if abs(off) > skew else Severity.WARNING,
            subject=subject,
            text="Its clock and ours differ.",
            expected=f"at most {skew} s (skew), better {_NOTICED:.0f} s",
            found=f"theirs is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} ours",
            setting="skew",
            next_step="Is ours right? Without a name `doctor --online` asks every peer. Set the wrong one right.",
        )


def _unknown(subject: str, origin: str, why: str) -> Finding:
    return Finding(
        code="clock.peer_unknown",
        severity=Severity.UNCHECKED,
        subject=subject,
        text=f"Its clock could not be asked: {why}.",
        found=origin,
        next_step="This machine may not reach it as browsers do; compare the times in a captured message instead.",
    )


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
