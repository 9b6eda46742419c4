"""Why a delivery failed: one word for logs and metrics, one sentence for the receipt, the rest for the log."""

from __future__ import annotations

from enum import StrEnum


class Why(StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"  # nothing, or not enough, before the deadline
    REFUSED = "refused"  # no connection, or it broke
    TLS = "tls"  # not the host that we meant to speak to, as far as its certificate says
    TOO_LARGE = "too_large"
    REDIRECT = "redirect"  # it wants us to go elsewhere; we do not
    EGRESS = "egress"  # an address, or a URL, to which we do not speak
    PROTOCOL = "protocol"  # what came is no HTTP answer, or the connection closed before one
    DNS = "dns"
    LOCAL = "local"  # this machine: no more threads, sockets …


class DeliveryFailed(Exception):  # noqa: N818 - named as it is told: the delivery failed
    """A peer could not be asked, or gave no usable answer.

    `sentence` names the host as the URL does and no address, for a receipt may be read by anybody whose logout it is;
    `detail` is for the log. `sent`: octets of the request left, so the peer may have acted on it (security F45).
    """

    def __init__(self, why: Why, sentence: str, *, detail: str = "", sent: bool = False) -> None:
        super().__init__(sentence)
        self.why = why
        self.sentence = sentence
        self.detail = detail
        self.sent = sent

    def __str__(self) -> str:
        """Return everything on one line, for a log."""
        return f"{self.why}: {self.sentence}" + (f" ({self.detail})" if self.detail else "")
