"""A HAR file (HTTP Archive 1.2), as every browser's developer tools save it: the requests that carry a message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import quote

from saml_slo.inspection.source import FORM, Captured, not_found, of_request

MAX_ENTRIES = 20_000
MAX_MESSAGES = 200


def requests_in(data: bytes) -> tuple[Captured, ...]:
    """Return every request that carries a message, in the order in which they were made."""
    try:
        entries = json.loads(data)["log"]["entries"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise not_found("it is JSON, but no HAR file") from None
    if not isinstance(entries, list) or len(entries) > MAX_ENTRIES:
        raise not_found(f"it is a HAR file without entries, or with more than {MAX_ENTRIES}")
    found = list(islice(_messages(entries), MAX_MESSAGES))
    if not found:
        raise not_found(f"it is a HAR file of {len(entries)} requests, and none of them carries one")
    if len(found) == MAX_MESSAGES:
        found[-1] = replace(found[-1], note=f"Only the first {MAX_MESSAGES} messages of the file are looked at.")
    return tuple(found)


def _messages(entries: list[Any]) -> Iterator[Captured]:
    for number, entry in enumerate(entries, 1):
        request = entry.get("request") if isinstance(entry, dict) else None
        if not isinstance(request, dict):
            continue
        method, url = str(request.get("method", "")).upper(), str(request.get("url", ""))
        body, content_type = _posted(request.get("postData"))
        started = str(entry.get("startedDateTime", ""))[:40]
        place = f"entry {number} of the HAR file{f', {started}' if started else ''}"
        if captured := of_request(method, url, body, content_type, place):
            yield captured


def _posted(data: object) -> tuple[bytes, str]:
    if not isinstance(data, dict):
        return b"", ""
    content_type = str(data.get("mimeType", ""))
    text, parameters = data.get("text"), data.get("params")
    if isinstance(text, str) and text:
        return text.encode(errors="replace"), content_type
    if not isinstance(parameters, list):
        return b"", content_type
    pairs = [(str(one.get("name", "")), str(one.get("value", ""))) for one in parameters if isinstance(one, dict)]
    body = "&".join(f"{name}={_encoded(value)}" for name, value in pairs)
    return body.encode(errors="replace"), content_type or FORM


def _encoded(value: str) -> str:
    # Some browsers save parameters as they were sent, others decoded; base64 has no percent sign of its own.
    return value if "%" in value else quote(value, safe="", errors="replace")
