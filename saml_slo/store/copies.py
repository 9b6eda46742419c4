"""Metadata that was fetched, for all nodes: one of them fetches, each takes what it has not got yet.

What a part of a copy holds is its caller's (renewal/shared.py seals it, so that whoever can write to Redis cannot make
us trust a key).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import cast

from saml_slo.store import keys
from saml_slo.store.connect import guard
from saml_slo.store.steps import Steps

COPY_TTL = 90 * 86400 * 1000  # longer than any metadata waits for its next look


class Copies(Steps):
    """Copies of metadata by kind and name. Times are milliseconds."""

    def copy_states(self, sources: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Return the part `state` of each copy, None where there is none. One round trip for all."""
        if not sources:
            return []
        with guard():
            pipeline = self._redis.pipeline(transaction=False)
            for kind, name in sources:
                pipeline.hget(keys.copy(kind, name), "state")
            return cast("list[bytes | None]", pipeline.execute())

    def copy_part(self, kind: str, name: str, part: str) -> bytes | None:
        """Return one part of a copy."""
        with guard():
            return cast("bytes | None", self._redis.hget(keys.copy(kind, name), part))

    def forget_copy(self, kind: str, name: str) -> None:
        """Remove a copy whose peer is gone; a node that still has the peer writes it anew."""
        with guard():
            self._redis.delete(keys.copy(kind, name))

    def lease_copy(self, kind: str, name: str, lifetime: int) -> str | None:
        """Take the lease on a copy for this long; return its token, None where somebody else has it."""
        token = secrets.token_hex(16)
        with guard():
            taken = self._redis.set(keys.copy_lease(kind, name), token, nx=True, px=lifetime)
        return token if taken else None

    def write_copy(self, kind: str, name: str, token: str, parts: Mapping[str, bytes]) -> bool:
        """Write parts of a copy and end the lease; False, and nothing written, when the lease was lost meanwhile.

        An empty part is removed; parts that are not named stay.
        """
        arguments = [argument for part in parts.items() for argument in part]
        names = (keys.copy(kind, name), keys.copy_lease(kind, name))
        return bool(self._run("write_copy", names, (token, COPY_TTL, *arguments)))
