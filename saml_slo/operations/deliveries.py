"""Back-channel deliveries that failed and wait for their next attempt: list them, hurry one, give one up (T5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from saml_slo.errors import ConfigurationError
from saml_slo.house import House
from saml_slo.logout.events import OperatorDecided
from saml_slo.logout.transaction import Target, Transaction
from saml_slo.store import tokens
from saml_slo.store.keys import SHARDS

# How many logouts of a shard are looked at; a shard that has more is named.
LOOK_AT = 2_000
_SHARDS_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One target that waits. `id` names it here: that of its latest message. Times in milliseconds."""

    id: str
    logout: str
    reference: str
    kind: str
    peer: str
    name: str
    method: str
    endpoint: str
    attempts: int
    state: str
    reason: str
    next_at: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some deliveries, by shard and then the soonest first. `next_shard`: where the next page begins, None at the end.

    `cut`: shards of which not every logout was looked at, so that more may wait there.
    """

    deliveries: tuple[Delivery, ...]
    next_shard: str | None
    cut: tuple[str, ...]


def page(house: House, *, after: str = SHARDS[0], limit: int = 100, peer: str | None = None) -> Page:
    """Return the deliveries of the shards from `after` on, until `limit` is reached at the end of a shard.

    `peer`: of this application or connection alone. It takes two round trips for 32 shards, and reads logouts that wait
    for something alone.
    """
    found: list[Delivery] = []
    cut: list[str] = []
    begin = SHARDS.index(after)
    for first in range(begin, len(SHARDS), _SHARDS_AT_ONCE):
        for waiting in house.store.waiting_logouts(SHARDS[first : first + _SHARDS_AT_ONCE], most=LOOK_AT):
            found += [one for logout in waiting.logouts for one in _of(logout) if peer in (None, one.peer)]
            cut += [waiting.shard] if waiting.cut else []
            if len(found) >= limit and waiting.shard != SHARDS[-1]:
                following = SHARDS[SHARDS.index(waiting.shard) + 1]
                return Page(deliveries=tuple(found), next_shard=following, cut=tuple(cut))
    return Page(deliveries=tuple(found), next_shard=None, cut=tuple(cut))


def retry(house: House, identifier: str) -> Target:
    """Try a delivery now, wait for its answer, and return what became of it. Raises ConfigurationError if none waits.

    Its next attempt is made due in one commit, so that the worker takes over what this process does not finish.
    """
    transaction, target = _waiting(house, identifier)
    store, now = house.store, house.journey.now()
    due = store.advance_logout(transaction, [OperatorDecided(target.id, again=True)], now).transaction
    step = house.journey.tick(due)
    after = house.journey.deliver(step.transaction, step.deliver) if step.deliver else step.transaction
    return after.target(target.id) or target


def drop(house: House, identifier: str) -> Target:
    """Give a delivery up: it is not tried again, and the receipt says that an operator decided so."""
    transaction, target = _waiting(house, identifier)
    now = house.journey.now()
    after = house.store.advance_logout(transaction, [OperatorDecided(target.id, again=False)], now).transaction
    return after.target(target.id) or target


def _waiting(house: House, identifier: str) -> tuple[Transaction, Target]:
    logout_id = tokens.logout_id_of_message(identifier)
    transaction = None if logout_id is None else house.store.read_logout(logout_id)
    target = None if transaction is None else transaction.target(identifier)
    if transaction is None or target is None:
        raise ConfigurationError(
            "there is no such delivery",
            expected="an id from `saml-slo deliveries list`, of a logout of the last 24 hours",
            got=ascii(identifier[:80]),
        )
    if target.retry_at is None:
        said = target.reason.rstrip(".") or f"its state is {target.state}"
        raise ConfigurationError(
            f"this delivery to {target.peer} does not wait for another attempt",
            got=f"{target.state}: {said}",
            next_step="Look at the receipt of the logout.",
        )
    return transaction, target


def _of(transaction: Transaction) -> Iterator[Delivery]:
    waiting: Sequence[Target] = [target for target in transaction.targets if target.retry_at is not None]
    for target in sorted(waiting, key=lambda one: one.retry_at or 0):
        request = target.request
        yield Delivery(
            id=target.id,
            logout=transaction.id,
            reference=transaction.reference,
            kind=str(target.kind),
            peer=target.peer,
            name=target.name,
            method="" if request is None else request.how,
            endpoint="" if request is None else request.location,
            attempts=len(target.earlier) + 1,
            state=str(target.state),
            reason=target.reason,
            next_at=target.retry_at or 0,
            until=0 if request is None else request.retry_until,
        )
