"""What a commit changed about a logout that somebody will want to know later: results, and that it came to rest."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from saml_slo.logout.transaction import Target, Transaction


class Rest(StrEnum):
    """How a logout came to rest: nothing more happens by itself (`Transaction.settled`)."""

    ENDED = "ended"
    PARTIAL = "partial"


def results(before: Transaction, after: Transaction) -> Iterator[Target]:
    """Yield the targets of which something came in this step: an answer, a deadline, a peer that cannot answer.

    That a failed delivery failed again is none until it is given up: the receipt has the latest (product T5). A target
    that the logout did not have before comes in whatever state.
    """
    yield from after.targets[len(before.targets) :]
    for was, now in zip(before.targets, after.targets, strict=False):
        if (was.state, was.awaited) == (now.state, now.awaited):
            if was.retry_at is not None and now.retry_at is None:
                yield now  # an operator gave it up
            continue
        if now.is_open:
            continue
        if now.retry_at is None or not now.earlier:
            yield now


def rest(before: Transaction | None, after: Transaction) -> Rest | None:
    """Say how a logout came to rest in this step, None when it did not; `before` is None for the first step."""
    if not after.settled or (before is not None and before.settled):
        return None
    return Rest.ENDED if all(target.counts_as_ended for target in after.targets) else Rest.PARTIAL
