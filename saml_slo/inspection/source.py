"""From whatever somebody pasted to the requests in it: a URL, form, log line, XML, HAR, curl line, HTML page or token.

A lenient look decides what it is; the octets of the message go on as they came, so that the server's own decoder
judges them. Sizes are capped before anything is decoded.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import zlib
from dataclasses import dataclass
from urllib.parse import quote, unquote, unquote_to_bytes

from saml_slo.errors import Reason, RequestRefused

MAX_INPUT_BYTES = 64 * 1024 * 1024  # a HAR of a whole sign-in holds every picture of it
MAX_CAPTURE_BYTES = 4 * 1024 * 1024
MAX_INFLATED = 1024 * 1024
FORM = "application/x-www-form-urlencoded"

PARAMETER = re.compile(rb"(?:^|[?&\s\"'])(SAMLRequest|SAMLResponse|logout_token)=")
# Anybody may have made what is searched: no search begins where one before it has been, or 1 MB would take hours.
_URL = re.compile(r"(?<![\w/:])(https?://[^\s\"'<>?]{1,2000})\?([^\s\"'<>]*)")
_REQUEST_LINE = re.compile(r"(?:GET|HEAD)\s+(/[^\s\"'?]*)\?([^\s\"']*)")
JWS = re.compile(r"(?<![\w-])eyJ[\w-]*\.[\w-]+\.[\w-]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/=_\s-]+")
_INPUT = re.compile(r"<input\b[^<>]*>", re.IGNORECASE)
_ACTION = re.compile(r"<form\b[^<>]*\baction\s*=\s*(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_NAME = re.compile(r"\bname\s*=\s*(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_VALUE = re.compile(r"\bvalue\s*=\s*(\"[^\"]*\"|'[^']*')", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One request as it was, or as it must have been. `url` is where it was sent, empty where that is not known.

    `token`: it is a signed token instead. `note` says what the capture leaves open.
    """

    found_in: str
    method: str = "GET"
    url: str = ""
    query: bytes = b""
    body: bytes = b""
    content_type: str = ""
    token: str = ""
    note: str = ""


def of_request(method: str, url: str, body: bytes, content_type: str, found_in: str) -> Captured | None:
    """Return a request of a HAR file or curl line as a capture, None where it carries no message."""
    # JSON can say half of a surrogate pair, which no page and no terminal takes.
    url, found_in = (text.encode(errors="backslashreplace").decode() for text in (url, found_in))
    query = url.partition("#")[0].partition("?")[2].encode()
    place = url.partition("?")[0].partition("#")[0]
    if match := re.search(rb"(?:^|&)logout_token=([^&]*)", body):
        return Captured(found_in=found_in, url=place, token=unquote(match[1].decode(errors="replace")))
    if method == "POST" and (PARAMETER.search(body) or b"Envelope" in body):
        return Captured(found_in=found_in, method="POST", url=place, query=query, body=body, content_type=content_type)
    if method in ("GET", "HEAD") and PARAMETER.search(b"&" + query):
        return Captured(found_in=found_in, url=place, query=query)
    return None


def not_found(why: str) -> RequestRefused:
    """Return the refusal of an input in which no message was found."""
    return RequestRefused(
        f"There is no message in this: {why}",
        reason=Reason.DECODE_ERROR,
        expected="a URL, form body, base64, XML, HAR file, curl line, HTML form, logout token or receipt",
        next_step="Copy the whole request from the browser's developer tools, or save them as a HAR file.",
    )


def of_markup(data: bytes, text: str) -> Captured:
    """Return the capture of XML, of a SOAP envelope, or of the page that a browser posts a message from."""
    if _INPUT.search(text) and (found := _form_of_page(text)):
        return found
    if b"Envelope" in data[:2000]:
        return Captured(found_in="a SOAP envelope", method="POST", body=data, content_type="text/xml")
    return of_xml(data, "XML")


def of_xml(xml: bytes, found_in: str) -> Captured:
    """Return bare XML as the form in which it would have come."""
    # The name of the parameter is read off the root element, as far as it can be seen.
    root = re.search(rb"<(?![?!])[^\s/>]+", xml)
    name = b"SAMLRequest" if root and root[0].endswith(b"Request") else b"SAMLResponse"
    body = name + b"=" + quote(base64.b64encode(xml), safe="").encode()
    note = "Bare XML has no binding: it is held to be a form, and a signature in a URL cannot be seen."
    return Captured(found_in=found_in, method="POST", body=body, content_type=FORM, note=note)


def _form_of_page(text: str) -> Captured | None:
    fields = {}
    for tag in _INPUT.findall(text)[:200]:
        name, value = _NAME.search(tag), _VALUE.search(tag)
        if name and value:
            fields[html.unescape(name[1][1:-1])] = html.unescape(value[1][1:-1])
    if not fields.keys() & {"SAMLRequest", "SAMLResponse"}:
        return None
    action = _ACTION.search(text)
    body = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()).encode()
    return Captured(
        found_in="a page with a form",
        method="POST",
        url=html.unescape(action[1][1:-1]) if action else "",
        body=body,
        content_type=FORM,
    )


def of_parameters(data: bytes, text: str) -> Captured:
    """Return the capture of a text with SAML parameters: a URL, a line of an access log, a query, a form body."""
    if (found := _URL.search(text)) and PARAMETER.search(b"?" + found[2].encode()):
        return Captured(found_in="a URL", url=found[1], query=found[2].partition("#")[0].encode())
    if (found := _REQUEST_LINE.search(text)) and PARAMETER.search(b"?" + found[2].encode()):
        return Captured(found_in="a request line", url=found[1], query=found[2].encode())
    pairs = data.strip(b"?&\"' \t\r\n")
    start = PARAMETER.search(data)
    if start and not re.match(rb"[A-Za-z]\w*=", pairs):
        pairs = data[start.start(1) :]
    pairs = b"".join(pairs.split())
    if match := re.search(rb"(?:^|&)logout_token=([^&]*)", pairs):
        return Captured(found_in="a form with a logout token", token=unquote(match[1].decode(errors="replace")))
    value = re.search(rb"SAMLRe(?:quest|sponse)=([^&]*)", pairs)
    if value and b"Signature=" not in pairs and opened(value[1]).lstrip().startswith(b"<") and not _deflated(value[1]):
        return Captured(found_in="a form body", method="POST", body=pairs, content_type=FORM)
    return Captured(found_in="a query", query=pairs)


def of_base64(data: bytes) -> Captured:
    """Return the capture of a bare value: base64 of XML or of compressed XML, percent-encoded or not."""
    compact = b"".join(unquote_to_bytes(data).split())
    if not compact or not _BASE64.fullmatch(compact):
        raise not_found("it has none of the known forms")
    compact = compact.replace(b"-", b"+").replace(b"_", b"/")
    xml = opened(compact)
    if not xml.lstrip().startswith(b"<"):
        raise not_found("as base64 it holds neither XML nor compressed XML")
    if not _deflated(compact):
        return of_xml(xml, "base64")
    root = re.search(rb"<(?![?!])[^\s/>]+", xml)
    name = b"SAMLRequest" if root and root[0].endswith(b"Request") else b"SAMLResponse"
    padded = compact.rstrip(b"=") + b"=" * (-len(compact.rstrip(b"=")) % 4)
    return Captured(
        found_in="compressed base64",
        query=name + b"=" + quote(padded, safe="").encode(),
        note="The signature of a Redirect message stands in the URL: paste the whole URL to have it checked.",
    )


def opened(value: bytes) -> bytes:
    """Return what base64 holds, inflated where it is compressed, for a look; empty where it is neither."""
    decoded = _decoded(value)
    if decoded.lstrip()[:1] == b"<":
        return decoded
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(decoded, MAX_INFLATED)
    except zlib.error:
        return b""


def _deflated(value: bytes) -> bool:
    return _decoded(value).lstrip()[:1] != b"<"


def _decoded(value: bytes) -> bytes:
    compact = b"".join(unquote_to_bytes(value.replace(b"+", b"%2B")).split())
    try:
        return binascii.a2b_base64(compact.rstrip(b"=") + b"=" * (-len(compact.rstrip(b"=")) % 4))
    except binascii.Error:
        return b""
