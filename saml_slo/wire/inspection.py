"""One message on its way through the checks: what came, against whom it is held, and what is known so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from lxml.etree import _Element

from saml_slo.protocol.messages import AuthnRequest, Response
from saml_slo.protocol.peer import Connection, Peer, ServiceProvider
from saml_slo.wire.algorithms import AllowedAlgorithms, allowed_for
from saml_slo.wire.bindings.received import Received
from saml_slo.wire.encryption import DecryptionKeys
from saml_slo.wire.signature_profile import ProfiledSignature

M = TypeVar("M")


@dataclass(slots=True, kw_only=True)
class Inspection(Generic[M]):
    """The working state of `checks.verify_*`; each check reads what earlier ones established and may add to it.

    `certificates` are DER. `root_signed` and `assertion_signed` become True only by a verified signature over that very
    element.
    """

    received: Received
    peer: Peer
    now: datetime
    keys: DecryptionKeys | None = None
    expected_tag: str = ""
    expected_parameter: str = ""
    endpoint: str = ""
    assertion: _Element | None = None
    root_signed: bool = False
    assertion_signed: bool = False
    message: M | None = None
    signatures: dict[_Element, ProfiledSignature | None] = field(default_factory=dict)
    root: _Element = field(init=False)
    certificates: tuple[bytes, ...] = field(init=False)
    allowed: AllowedAlgorithms = field(init=False)

    def __post_init__(self) -> None:
        """Take the root of the message, and from the peer who may have signed it and how."""
        self.root = self.received.root
        self.certificates = self.peer.signing_certificates
        self.allowed = allowed_for(self.peer)

    def signature_of(self, element: _Element) -> ProfiledSignature | None:
        """Return the signature on an element, None when it has none; only checks after the structural one may ask."""
        if element not in self.signatures:
            msg = "a check asked for a signature before its structure was checked"
            raise RuntimeError(msg)
        return self.signatures[element]

    @property
    def read(self) -> M:
        """Return the message; only checks that stand after the reading one may ask."""
        if self.message is None:
            msg = "a check asked for the message before it was read"
            raise RuntimeError(msg)
        return self.message


@dataclass(slots=True, kw_only=True)
class ResponseInspection(Inspection[Response]):
    """A Response on its way: only an identity provider may send one."""

    peer: Connection


@dataclass(slots=True, kw_only=True)
class AuthnRequestInspection(Inspection[AuthnRequest]):
    """An AuthnRequest on its way: only an application may send one."""

    peer: ServiceProvider
