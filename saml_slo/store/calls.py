"""Calls of the API: each idempotency key is acted on once, and each application has so many calls in a span of time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from saml_slo.store import keys
from saml_slo.store.steps import Steps

LEASE = 15_000  # milliseconds after which a call that was begun and not finished may be taken over
RECORD_LIFETIME = 24 * 3600 * 1000


class Verdict(StrEnum):
    """What is to be done about a call with an idempotency key; the words of claim_call.lua."""

    YOURS = "yours"
    AGAIN = "again"
    RUNNING = "running"
    DONE = "done"
    NOTHING = "nothing"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Claim:
    """The verdict, and the id of the logout that the key stands for.

    `until` (milliseconds): from then on somebody else may take the call over; 0 where it is not this caller's.
    """

    verdict: Verdict
    logout_id: str
    until: int


class Calls(Steps):
    """Claim and settle calls, and lease them."""

    def claim_call(self, call: str, body: str, logout_id: str, now: int) -> Claim:
        """Claim a call; `call` is keys.call, `body` a digest, `logout_id` the one that this call would begin.

        A first call that never came back is taken over under the id that it had chosen: it has one effect. One round
        trip.
        """
        verdict, known, until = self._run("claim_call", (call,), (now, body, logout_id, LEASE, RECORD_LIFETIME))
        return Claim(Verdict(verdict.decode()), known.decode(), int(until))

    def settle_call(self, call: str, claim: Claim, verdict: Verdict | None) -> None:
        """Note that a claimed call is DONE or found NOTHING; None: it failed, and may be repeated at once.

        A call that somebody else took over meanwhile is theirs to settle. One round trip.
        """
        self._run("settle_call", (call,), (claim.logout_id, verdict or "", claim.until))

    def lease_calls(self, client_id: str, span: int, *, most: int, wanted: int, lifetime: int) -> int:
        """Return how many more calls of a span (its number) an application gets now; `lifetime` in milliseconds."""
        given: int = self._run("lease_calls", (keys.calls(client_id, span),), (most, wanted, lifetime))
        return given
