"""What is to be done next; the shell does it."""

from __future__ import annotations

from dataclasses import dataclass

from saml_slo.logout.transaction import Requester, Target
from saml_slo.protocol.status import Status


@dataclass(frozen=True, slots=True)
class AskPeer:
    """Send the browser (the window, or the frame that asked) to a peer with the LogoutRequest of this target."""

    target: Target


@dataclass(frozen=True, slots=True)
class ShowProgress:
    """Show the progress page: frames are still to be opened or answered, or the back channel is still at it."""


@dataclass(frozen=True, slots=True)
class CloseFrame:
    """The frame that brought this answer is done; the page around it shows the rest."""


@dataclass(frozen=True, slots=True)
class AnswerRequester:
    """Send the browser back to the peer that asked for this logout, with its LogoutResponse."""

    requester: Requester
    status: Status


@dataclass(frozen=True, slots=True)
class ReturnUser:
    """Send the browser to the return URL: nothing is left to tell."""

    url: str


@dataclass(frozen=True, slots=True)
class ShowReceipt:
    """Show the person what happened, line by line."""


Command = AskPeer | ShowProgress | CloseFrame | AnswerRequester | ReturnUser | ShowReceipt
