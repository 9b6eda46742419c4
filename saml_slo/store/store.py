"""The store: every step that reads or changes sessions and logouts, each atomic, each counted in round trips.

Round trips: a first sign-in 1, one that joins a session 3; a logout 2 (read, commit), an answer to it 2; a
LogoutRequest of a peer 2; a status check 1; a session that an application registers 2, 3 where it joins one of ours.
Every method raises StoreUnavailable when Redis does not do its part; a step that changes something may then have
happened or not, so each of them may be repeated and answers the same.
"""

from __future__ import annotations

from saml_slo.logout.transaction import Transaction
from saml_slo.store import keys
from saml_slo.store.backlog import Backlogs
from saml_slo.store.calls import Calls, Claim, Verdict
from saml_slo.store.checks import Checks, Look
from saml_slo.store.connect import ServerFacts, check_server, guard
from saml_slo.store.copies import Copies
from saml_slo.store.logouts import RECEIPT_LIFETIME, Ending, Found, Logouts
from saml_slo.store.operators import Operators
from saml_slo.store.registered import Registered
from saml_slo.store.sessions import Ended, SignInMarks
from saml_slo.store.trails import Trails

__all__ = ["Claim", "Ended", "Ending", "Found", "Look", "SignInMarks", "Store", "Verdict"]


class Store(Registered, Checks, Calls, Logouts, Copies, Backlogs, Trails, Operators):
    """Sessions and logouts in one Redis. Threads may share it; processes each make their own."""

    def due(self, now: int, limit: int) -> tuple[tuple[str, str], ...]:
        """Return what is due in all shards as (kind, id): `s` sessions, `l` logouts; at most `limit` of a shard."""
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for shard in keys.SHARDS:
                pipeline.zrangebyscore(keys.due(shard), "-inf", now, start=0, num=limit)
            found = pipeline.execute()
        entries = (member.decode().partition(":") for shard in found for member in shard)
        return tuple((kind, identifier) for kind, _, identifier in entries)

    def settle_due(self, transaction: Transaction) -> None:
        """Set when the sweeper looks at a logout again; never, where nothing more happens by itself."""
        shard = transaction.id[:2]
        with guard():
            for name, member in ((keys.waiting(shard), transaction.id), (keys.due(shard), f"l:{transaction.id}")):
                if transaction.due_at is None:
                    self._redis.zrem(name, member)
                else:
                    self._redis.zadd(name, {member: transaction.due_at})
                    if name == keys.waiting(shard):
                        self._redis.pexpire(name, RECEIPT_LIFETIME)

    def forget_due(self, kind: str, identifier: str) -> None:
        """Take an entry off the due times: what it points to is gone."""
        with guard():
            if kind == "l":
                self._redis.zrem(keys.waiting(identifier[:2]), identifier)
            self._redis.zrem(keys.due(identifier[:2]), f"{kind}:{identifier}")

    def close(self) -> None:
        """Let go of every connection to Redis."""
        self._redis.close()

    def check(self) -> ServerFacts:
        """Return what is to be known of the server; raise StoreUnavailable unless it answers and can be written."""
        facts = check_server(self._redis)
        with guard():
            self._redis.set(keys.READY, b"1", px=60_000)
        return facts
