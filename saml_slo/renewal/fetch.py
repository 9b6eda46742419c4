"""Fetch a document by a conditional GET: new octets, "nothing new", or one sentence about why not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus

from saml_slo.delivery.back_channel import Answer, BackChannel
from saml_slo.delivery.failure import DeliveryFailed, Why

SECONDS = 20.0  # for one document of at most 4 MiB
_ACCEPT = "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8"
_MAX_VALIDATOR = 300  # characters of an ETag that we would send back


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: `document` is None when what we have is still good. The validators are for the next time."""

    document: bytes | None
    etag: str = ""
    last_modified: str = ""


class FetchFailed(Exception):  # noqa: N818 - named as it is told: the fetch failed
    """Nothing came that could be looked at; the text is one sentence for the operator.

    `why` is the delivery's word, None where an answer came that is none.
    """

    def __init__(self, sentence: str, why: Why | None = None) -> None:
        super().__init__(sentence)
        self.why = why


def fetch(
    channel: BackChannel, url: str, *, etag: str = "", last_modified: str = "", seconds: float = SECONDS
) -> Fetched:
    """Return what is published at `url`, or raise FetchFailed.

    `etag` and `last_modified` are those of what we have, empty to have it sent in any case. Redirects are not followed:
    a document is believed because of its address, so a new address is for the operator to write down.
    """
    headers = {"Accept": _ACCEPT}
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    try:
        answer = channel.send("GET", url, headers=headers, deadline=time.monotonic() + seconds)
    except DeliveryFailed as failure:
        raise FetchFailed(_told(failure), failure.why) from None
    if answer.status == HTTPStatus.NOT_MODIFIED:
        return Fetched(None, etag, last_modified)
    if answer.status != HTTPStatus.OK:
        raise FetchFailed(f"the server answered with status {answer.status}")
    if not answer.body.strip():
        raise FetchFailed("the server answered with an empty document")
    return Fetched(answer.body, _validator(answer, "etag"), _validator(answer, "last-modified"))


def _told(failure: DeliveryFailed) -> str:
    if failure.why is Why.REDIRECT and failure.detail:
        where = ascii(failure.detail)
        return f"{failure.sentence}; it leads to {where}: write that address into the file if it is the publisher's own"
    return failure.sentence


def _validator(answer: Answer, name: str) -> str:
    """Return a header to be sent back the next time; one that could not be a header is left out."""
    value = answer.headers.get(name, "")
    return value if len(value) <= _MAX_VALIDATOR and value.isascii() and value.isprintable() else ""
