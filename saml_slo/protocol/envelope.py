"""What comes in, what goes out, and the seal that says a message was verified.

`HttpIn` and `HttpOut` keep Flask out of everything below web/. `Verified` is the only form in which a message may reach
a decision: it cannot be built by hand, only wire/checks.py seals one (tests/test_architecture.py proves it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from saml_slo.protocol.names import Binding
from saml_slo.protocol.peer import Peer

M = TypeVar("M")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpIn:
    """One request as it came: raw octets, because a Redirect signature covers them (Bindings 3.4.4.1).

    `query` is the raw query string without `?`. `content_type` is the header as sent. `endpoint` is our own public URL
    of the endpoint, from the settings and never from the Host header.
    """

    method: str
    endpoint: str
    query: bytes = b""
    body: bytes = b""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the browser to `location` by 302/303 (HTTP-Redirect binding, or a return URL)."""

    location: str


@dataclass(frozen=True, slots=True)
class PostForm:
    """Send the browser to `action` by an auto-submitting form (HTTP-POST binding)."""

    action: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SoapBody:
    """Answer with this SOAP envelope, in the response to the request that asked (SOAP binding)."""

    xml: str


HttpOut = Redirect | PostForm | SoapBody


class Verified(Generic[M]):
    """A message that passed every check in wire/checks.py, read from the element that was signed.

    `signed` is False for the one case in which an unsigned message may get here: a LogoutResponse from a peer of
    which that is expected, which must still match a pending request (product T1 `answered`).
    """

    __slots__ = ("binding", "message", "peer", "relay_state", "signed")

    message: M
    peer: Peer
    binding: Binding
    relay_state: str | None
    signed: bool

    def __init__(self) -> None:
        """Refuse: a verified message is made by checking one, not by calling a constructor."""
        msg = "Verified is sealed by wire/checks.py only"
        raise TypeError(msg)

    @classmethod
    def _seal(cls, message: M, peer: Peer, binding: Binding, relay_state: str | None, *, signed: bool) -> Verified[M]:
        verified = object.__new__(cls)
        verified.message = message
        verified.peer = peer
        verified.binding = binding
        verified.relay_state = relay_state
        verified.signed = signed
        return verified
