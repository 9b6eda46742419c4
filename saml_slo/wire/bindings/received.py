"""What a codec hands on: a parsed, unverified message and the facts of how it came."""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason
from saml_slo.protocol.names import Binding

REQUEST: Final = "SAMLRequest"
RESPONSE: Final = "SAMLResponse"
MAX_RELAY_STATE = 2048  # 80 octets is the binding's limit; mellon and others send their return URL

_SINGLE = frozenset({REQUEST, RESPONSE, "RelayState", "SigAlg", "Signature", "SAMLEncoding"})
_MAX_PARAMETERS = 64
_MAX_ESCAPES = 128 * 1024  # unquote_to_bytes takes 80 octets of memory for each; base64 has an escape in 20 letters


@dataclass(frozen=True, slots=True)
class DetachedSignature:
    """The signature of a Redirect message: over `octets`, the raw query as it came (Bindings 3.4.4.1).

    `algorithm` and `value` are None when their parameter is absent or empty; both must be there to verify.
    """

    algorithm: str | None
    value: bytes | None
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message that nobody has verified. `parameter` is the name under which it came."""

    root: _Element
    parameter: str
    binding: Binding
    endpoint: str
    relay_state: str | None = None
    detached: DetachedSignature | None = None


def split_parameters(encoded: bytes) -> dict[str, bytes]:
    """Return the SAML parameters of a query or form, decoded name → raw value.

    Names are compared decoded (`%53AMLRequest` is SAMLRequest); one that comes twice, or a request beside a response,
    is ambiguous (CVE-2025-27773). Other parameters are left alone.
    """
    parameters: dict[str, bytes] = {}
    pieces = encoded.split(b"&")
    if len(pieces) > _MAX_PARAMETERS:
        raise MessageRefused(
            Reason.BINDING_AMBIGUOUS, "too many parameters", expected=f"at most {_MAX_PARAMETERS}", got=str(len(pieces))
        )
    for piece in pieces:
        raw_name, _, raw_value = piece.partition(b"=")
        name = decode_text(raw_name)
        if name not in _SINGLE:
            continue
        if name in parameters:
            raise MessageRefused(Reason.BINDING_AMBIGUOUS, f"the parameter {name} came twice")
        parameters[name] = raw_value
    if REQUEST in parameters and RESPONSE in parameters:
        raise MessageRefused(Reason.BINDING_AMBIGUOUS, "SAMLRequest and SAMLResponse came together")
    return parameters


def the_message(parameters: dict[str, bytes]) -> tuple[str, bytes]:
    """Return the name and raw value of the one message parameter."""
    for name in (REQUEST, RESPONSE):
        if name in parameters:
            return name, parameters[name]
    raise MessageRefused(
        Reason.BINDING_MISMATCH, "there is no SAML message here", expected="SAMLRequest or SAMLResponse", got="neither"
    )


def percent_decoded(raw: bytes) -> bytes:
    """Return a form-encoded value as octets: `+` is a space, `%xx` an octet."""
    spaced = raw.replace(b"+", b" ")
    escapes = spaced.count(b"%")
    if escapes > _MAX_ESCAPES:
        raise MessageRefused(
            Reason.MESSAGE_TOO_LARGE, "a parameter has too many escapes", expected=f"at most {_MAX_ESCAPES}"
        )
    return unquote_to_bytes(spaced) if escapes else spaced


def decode_text(raw: bytes) -> str:
    """Return a form-encoded value as text; refuse what is not UTF-8."""
    try:
        return percent_decoded(raw).decode()
    except UnicodeDecodeError:
        raise MessageRefused(Reason.DECODE_ERROR, "a parameter is not UTF-8") from None


def decode_relay_state(parameters: dict[str, bytes]) -> str | None:
    """Return RelayState exactly, None when absent (an empty one is not absent)."""
    raw = parameters.get("RelayState")
    if raw is None:
        return None
    text = decode_text(raw)
    if len(text.encode()) > MAX_RELAY_STATE:
        raise MessageRefused(
            Reason.MESSAGE_TOO_LARGE, "RelayState is too long", expected=f"at most {MAX_RELAY_STATE} octets"
        )
    return text


def decode_base64(octets: bytes) -> bytes:
    """Return base64 of the standard alphabet with right padding; line breaks are tolerated and nothing else is."""
    compact = octets.replace(b"\r", b"").replace(b"\n", b"")
    # Python's strict mode knows the alphabet and where padding belongs, but lets `AAAA====` pass.
    if len(compact) % 4 or compact.endswith(b"==="):
        raise MessageRefused(Reason.DECODE_ERROR, "not base64", expected="the standard alphabet, padded")
    try:
        decoded = binascii.a2b_base64(compact, strict_mode=True)
    except binascii.Error as error:
        raise MessageRefused(Reason.DECODE_ERROR, "not base64", got=str(error)[:80]) from None
    # Before padding, two or four bits stand for nothing; one message shall not have many spellings (RFC 4648 3.5).
    if compact.endswith(b"=") and binascii.b2a_base64(decoded[-(len(decoded) % 3) :], newline=False) != compact[-4:]:
        raise MessageRefused(Reason.DECODE_ERROR, "not base64", expected="zeros in the bits that stand for nothing")
    return decoded
