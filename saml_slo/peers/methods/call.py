"""A message from server to server, and what an answer means of which only HTTP speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from saml_slo.logout.events import Happening, PeerAnswered

_PAGES = ("text/html", "application/xhtml+xml")
_NEVER = 2**53  # milliseconds
_LONGEST_WAIT = 3_600_000  # milliseconds: as long as our own longest back-off


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One POST to a peer."""

    url: str
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back, at `at`. The names of `headers` are in lower case."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str]
    at: datetime


def meaning_of(request_id: str, reply: Reply, refusals: tuple[HTTPStatus, ...]) -> PeerAnswered:
    """Return what an answer to a signed call means (product T1).

    2xx confirms: our signature proved who calls, and TLS who answers. A page for people does not, whatever its status:
    it is the login page or the empty shell of an application that never saw our call (security K236). `refusals` are
    the statuses by which a peer says no. Anything else is no answer, and the call is repeated; not before the moment
    that Retry-After names (RFC 9110 10.2.3), and never after 410, which is meant for ever.
    """
    status, wait = reply.status, _wait(reply)
    if status in refusals:
        sentence = f"It refused our signed call (HTTP status {status})."
        return PeerAnswered(request_id, Happening.REFUSED, sentence, wait)
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        sentence = f"It gave an answer that cannot be used (HTTP status {status})."
        return PeerAnswered(request_id, Happening.DEADLINE, sentence, wait)
    if _is_page(reply):
        sentence = f"It answered with a page for people, which confirms nothing (HTTP status {status})."
        return PeerAnswered(request_id, Happening.DEADLINE, sentence, wait)
    return PeerAnswered(request_id, Happening.CONFIRMED, f"It confirmed our signed call (HTTP status {status}).")


def _is_page(reply: Reply) -> bool:
    """Say whether markup came; a framework that calls an empty text or "OK" text/html means no page by it."""
    media_type = reply.content_type.partition(";")[0].strip().lower()
    return media_type in _PAGES and reply.body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def _wait(reply: Reply) -> int:
    """Return for how many milliseconds the peer does not want to be asked again."""
    if reply.status == HTTPStatus.GONE:
        return _NEVER
    text = reply.headers.get("retry-after", "")[:64].strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]) * 1000, _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # the parser's own, for texts that are no date
        return 0
    if moment.tzinfo is None:  # "-0000", by which some say UTC
        moment = moment.replace(tzinfo=UTC)
    return min(max(0, int((moment - reply.at).total_seconds() * 1000)), _LONGEST_WAIT)
