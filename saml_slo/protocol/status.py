"""Status codes of a response (Core 3.2.2.2)."""

from __future__ import annotations

from dataclasses import dataclass

_PREFIX = "urn:oasis:names:tc:SAML:2.0:status:"

SUCCESS = _PREFIX + "Success"
REQUESTER = _PREFIX + "Requester"
RESPONDER = _PREFIX + "Responder"
PARTIAL_LOGOUT = _PREFIX + "PartialLogout"
UNKNOWN_PRINCIPAL = _PREFIX + "UnknownPrincipal"
NO_PASSIVE = _PREFIX + "NoPassive"
NO_AUTHN_CONTEXT = _PREFIX + "NoAuthnContext"
INVALID_NAME_ID_POLICY = _PREFIX + "InvalidNameIDPolicy"
PROXY_COUNT_EXCEEDED = _PREFIX + "ProxyCountExceeded"


@dataclass(frozen=True, slots=True)
class Status:
    """The outcome that a responder states: top-level code, the nested codes below it in order, optional text.

    `message` is free text from the peer: show it only escaped, log it only shortened.
    """

    code: str
    nested: tuple[str, ...] = ()
    message: str | None = None

    @property
    def is_success(self) -> bool:
        """Say whether the top-level code is Success; the second level may still say PartialLogout."""
        return self.code == SUCCESS

    @property
    def is_partial_logout(self) -> bool:
        """Say whether PartialLogout stands on any level; Auth0's samlp puts it on the top one."""
        return PARTIAL_LOGOUT in (self.code, *self.nested)

    def __str__(self) -> str:
        """Return the codes without their common prefix, outermost first: `Responder/RequestDenied`."""
        return "/".join(code.removeprefix(_PREFIX) for code in (self.code, *self.nested))
