"""What is to be done next; the shell does it."""

from __future__ import annotations

from dataclasses import dataclass

from saml_slo.logout.transaction import Target


@dataclass(frozen=True, slots=True)
class AskPeer:
    """Send the browser to a peer with the LogoutRequest of this target."""

    target: Target


@dataclass(frozen=True, slots=True)
class ReturnUser:
    """Send the browser to the return URL: nothing is left to tell."""

    url: str


@dataclass(frozen=True, slots=True)
class ShowReceipt:
    """Show the person what happened, line by line."""


Command = AskPeer | ReturnUser | ShowReceipt
