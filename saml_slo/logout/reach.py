"""How far a logout reaches: by policy, some sessions are left alive on purpose (product L2, propagation)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from saml_slo.protocol.session import Login, Participant

LOCAL = "This logout was for here only, so you are still signed in there."
TIMEOUT = "Our session here ended because its time was over; that says nothing about your session there."


def _every(_: Login) -> bool:
    return True


def _none(_: Login) -> bool:
    return False


def _nobody(_: Participant) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """`asks`: whether the IdP behind a login is asked. `spares`: why an application is not told, empty when it is.

    `kept`: the sentence on the receipt about an IdP that is not asked. `asker`: the application that wants the logout.
    """

    asks: Callable[[Login], bool] = _every
    spares: Callable[[Participant], str] = _nobody
    kept: str = LOCAL
    asker: str | None = None


EVERYWHERE = Reach()
EXPIRED = Reach(asks=_none, kept=TIMEOUT)
