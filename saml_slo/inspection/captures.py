"""From whatever somebody pasted to the captures in it; a HAR file holds many, the others one."""

from __future__ import annotations

import re

from saml_slo.inspection import curl, har
from saml_slo.inspection.source import (
    JWS,
    MAX_CAPTURE_BYTES,
    MAX_INPUT_BYTES,
    PARAMETER,
    Captured,
    not_found,
    of_base64,
    of_markup,
    of_parameters,
)


def captured_in(data: bytes) -> tuple[Captured, ...]:
    """Return every message in what was pasted, in order; raises RequestRefused when there is none."""
    if len(data) > MAX_INPUT_BYTES:
        raise not_found(f"it is larger than {MAX_INPUT_BYTES // 1024 // 1024} MiB")
    data = data.strip().removeprefix(b"\xef\xbb\xbf").lstrip()
    if data.startswith(b"{"):
        return har.requests_in(data)
    if len(data) > MAX_CAPTURE_BYTES:
        raise not_found(f"it is larger than {MAX_CAPTURE_BYTES // 1024 // 1024} MiB and no HAR file")
    if re.match(rb"curl(\.exe)?\s", data):
        return curl.requests_in(data.decode(errors="replace"))
    text = data.decode(errors="replace")
    if data.startswith(b"<"):
        return (of_markup(data, text),)
    if JWS.fullmatch(text):
        return (Captured(found_in="a token", token=text),)
    if PARAMETER.search(data):
        return (of_parameters(data, text),)
    return (of_base64(data),)
