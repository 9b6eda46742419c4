"""How a peer hears that a session is over: the logout methods of applications (product L9) and of providers (P)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Method(StrEnum):
    """The language in which a peer is asked; the words that the configuration, receipts and metrics use."""

    SAML = "saml"
    # Of applications alone.
    OIDC_BACKCHANNEL = "oidc-backchannel"
    OIDC_FRONTCHANNEL = "oidc-frontchannel"
    WEBHOOK = "webhook"
    URL = "url"
    PROXY = "proxy"
    # Of applications (wsignoutcleanup1.0) and of providers (wsignout1.0).
    WSFED = "wsfed"
    # Of providers alone.
    OIDC = "oidc"
    VENDOR_URL = "vendor_url"
    # Of both: an application is waived, a provider cannot be asked.
    NONE = "none"


APPLICATION_METHODS = (
    Method.SAML,
    Method.OIDC_BACKCHANNEL,
    Method.OIDC_FRONTCHANNEL,
    Method.WSFED,
    Method.WEBHOOK,
    Method.URL,
    Method.PROXY,
    Method.NONE,
)
PROVIDER_KINDS = (Method.SAML, Method.WSFED, Method.OIDC, Method.VENDOR_URL, Method.NONE)
# Asked from server to server; every other method but saml needs somebody's browser.
BACK_CHANNEL = (Method.OIDC_BACKCHANNEL, Method.WEBHOOK)
# A frame that loaded proves nothing more (product T1).
CANNOT_ANSWER = (Method.OIDC_FRONTCHANNEL, Method.WSFED, Method.URL)


@dataclass(frozen=True, slots=True)
class Waiver:
    """Somebody decided that an application is not to be told, until the end of a day (UTC), and why."""

    until: date
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutMethod:
    """How an application that does not (only) speak SAML is told.

    `uri`: where, None for `saml`, `proxy` and `none`. `session_required`: an OpenID Connect application wants `iss` and
    `sid` (Back-Channel Logout 1.0 2.2). `audience`: the `aud` of its logout tokens, its client_id where None.
    `webhook_generation`: which of its derived secrets signs; the one before it signs beside it, so that it can be
    rolled. `trust_sent`: the operator takes a frame that was sent for ended. `waiver`: of the method `none` alone.
    """

    kind: Method
    uri: str | None = None
    session_required: bool = False
    audience: str | None = None
    webhook_generation: int = 1
    trust_sent: bool = False
    waiver: Waiver | None = None
