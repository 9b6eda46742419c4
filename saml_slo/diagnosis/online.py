"""What only the network can say, and is asked only when somebody wants it.

That is TLS of what we call, whether the pages are there to which browsers are sent, and the clocks of the peers. What
we call with messages is never called without one. A page for browsers is visited without a message and without cookies:
nobody is known there by that, and no session ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from saml_slo.delivery.back_channel import BackChannel
from saml_slo.delivery.failure import DeliveryFailed, Why
from saml_slo.diagnosis.finding import Finding, Severity
from saml_slo.diagnosis.own_clock import OwnClock
from saml_slo.diagnosis.peers import back_channel_urls
from saml_slo.logout.endpoint import idp_endpoint
from saml_slo.logout.transaction import Channel
from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Application, Connection

_SECONDS = 5.0
_NOTICED = 5.0
# A page that every server answers and that does nothing; what we call might take a visit for a message.
_HARMLESS = "/robots.txt"
_GONE = {404: "Not Found", 410: "Gone"}  # RFC 9110 15.5.5, 15.5.11
# Whose clock is wrong, by whether ours is kept right. One that nothing keeps right may be right all the same.
_WHOSE = {
    True: "The system of this machine keeps ours right, so theirs is likely wrong: tell them.",
    False: "Is ours right? Nothing on this machine keeps it so (chrony, systemd-timesyncd): look at ours first.",
    None: "Is ours right? Set the wrong one right.",
}


def knock_connection(channel: BackChannel, connection: Connection, clock: OwnClock) -> Iterator[Finding]:
    """Ask an identity provider's server for its time, knock at its SOAP endpoints, and visit its pages for browsers."""
    subject = f"connection {connection.name}"
    for endpoint in connection.single_logout:
        if endpoint.binding is Binding.SOAP:
            yield from _knock(channel, subject, endpoint.location, "SOAP logout endpoint")
    origins = [_origin(endpoint.location) for endpoint in connection.single_sign_on[:1]]
    yield from _clocks(channel, subject, origins, connection.skew, clock)
    silent: set[str] = set()
    for url, (binding, what) in _pages(connection).items():
        if _origin(url) not in silent:
            look = _visit if binding is Binding.REDIRECT else _host
            finding = look(channel, subject, url, what)
            if finding.code == "online.unreachable":
                silent.add(_origin(url))
            yield finding


def _pages(connection: Connection) -> dict[str, tuple[Binding, str]]:
    """Return what browsers are sent to, by URL: by which binding, and what it is."""
    endpoints = sorted(connection.single_sign_on, key=lambda one: one.binding is Binding.REDIRECT)  # which prevails
    pages = {one.location: (one.binding, "login URL") for one in endpoints}
    way, _ = idp_endpoint(connection, has_browser=True)
    if way is not None and way.channel is not Channel.BACK:
        pages.setdefault(way.location, (way.binding, "logout URL"))
    return pages


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


def _host(channel: BackChannel, subject: str, url: str, what: str) -> Finding:
    """Say whether the host is there of a page that takes forms alone, which may well say 404 to a visit."""
    try:
        channel.send("HEAD", _origin(url) + _HARMLESS, deadline=time.monotonic() + _SECONDS)
    except DeliveryFailed as failed:
        if not failed.sent:
            return _away(subject, url, what, failed)
    return _ok(subject, url, f"{what}'s host")


def _visit(channel: BackChannel, subject: str, url: str, what: str) -> Finding:
    """Say whether a page is there to which browsers are redirected. Whatever it answers to a visit, but 404 or 410."""
    try:
        status = channel.send("GET", url, deadline=time.monotonic() + _SECONDS).status
    except DeliveryFailed as failed:
        if not failed.sent:
            return _away(subject, url, what, failed)
        return _ok(subject, url, what)
    if status not in _GONE:
        return _ok(subject, url, what)
    return Finding(
        code="online.not_found",
        severity=Severity.WARNING,
        subject=subject,
        text=f"There is no page at its {what}: that is what it says to a visit without a message.",
        expected="a page, if only one that says that a message is missing",
        found=f"{url}: {status} {_GONE[status]}",
        next_step=f"Ask the identity provider for its {what}, and compare it with what we have, letter by letter.",
    )


def _away(subject: str, url: str, what: str, failed: DeliveryFailed) -> Finding:
    unknown = failed.why in (Why.EGRESS, Why.LOCAL)  # we may not ask, browsers may
    where = "logout_url" if what == "logout URL" else "its metadata"
    return Finding(
        code="online.unreachable",
        severity=Severity.UNCHECKED if unknown else Severity.WARNING,
        subject=subject,
        text=f"The server of its {what} does not answer from here: {failed.sentence}.",
        expected="a server where browsers find it",
        found=f"{url} ({failed.why})",
        next_step=f"Open it in a browser. If it is not there: correct {where}, or fetch new metadata.",
    )


def _ok(subject: str, url: str, what: str) -> Finding:
    safely = ", with a certificate that is trusted" if url.lower().startswith("https:") else ""
    text = f"its {what} is reached{safely}"
    return Finding(code="online.reachable", severity=Severity.OK, subject=subject, text=text, found=_origin(url))


def _clocks(
    channel: BackChannel, subject: str, origins: Iterable[str], skew: int, clock: OwnClock
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
        off = (theirs - clock.now()).total_seconds() + 0.5 + (time.monotonic() - started) / 2
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
            next_step=f"{_WHOSE[clock.kept_right()]} Without a name `doctor --online` asks every peer.",
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
