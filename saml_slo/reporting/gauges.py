"""What is looked up when Prometheus asks: the backlog, Redis, and what is going to expire."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from saml_slo.certs import KeyRing
from saml_slo.errors import StoreUnavailable
from saml_slo.peers.registry import Registry
from saml_slo.store.store import Store
from saml_slo.wire.certificate_facts import certificate_facts

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

_OURS = "(ours)"  # no name of a peer has brackets


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gauges:
    """A collector for the library's registry: one pipeline to Redis, and a walk over the peers in memory."""

    store: Store
    registry: Registry
    keys: KeyRing
    clock: Callable[[], datetime]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every gauge as it is now."""
        yield from self._backlog()
        now = self.clock()
        certificates = _gauge(
            "slo_certificate_expiry_seconds",
            "Seconds until the first signing certificate of a peer expires; negative afterwards.",
            "kind",
            "peer",
        )
        for kind, peer, ders in self._certificates():
            ends = [end for end in map(_not_after, ders) if end is not None]
            if ends:
                certificates.add_metric((kind, peer), (min(ends) - now).total_seconds())
        yield certificates
        metadata = _gauge(
            "slo_metadata_expiry_seconds", "Seconds until the metadata of a peer is over (validUntil).", "kind", "peer"
        )
        for kind, peer, valid_until in self._metadata():
            if valid_until is not None:
                metadata.add_metric((kind, peer), (valid_until - now).total_seconds())
        yield metadata
        problems = _gauge(
            "slo_configuration_problems",
            "Files under metadata/, and a folder of our keys, that are not in force as they are.",
        )
        problems.add_metric((), len(self.registry.problems()) + (self.keys.problem() is not None))
        yield problems
        peers = _gauge("slo_peers_in_force", "Peers that are in force: idp or application.", "kind")
        peers.add_metric(("idp",), sum(connection.enabled for connection in self.registry.connections()))
        peers.add_metric(("application",), len(self.registry.applications()))
        yield peers

    def _backlog(self) -> Iterator[GaugeMetricFamily]:
        up = _gauge("slo_redis_up", "1 while Redis answers.")
        began = time.monotonic()
        try:
            backlog = self.store.backlog(int(self.clock().timestamp() * 1000))
        except StoreUnavailable:
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        for name, text, value in (
            (
                "slo_redis_seconds",
                "How long Redis took to count the backlog, three commands for each of 256 shards.",
                time.monotonic() - began,
            ),
            (
                "slo_due_entries",
                "Living sessions, and logouts of which something may still come.",
                float(backlog.entries),
            ),
            (
                "slo_overdue_entries",
                "Expiries, deadlines and retries whose moment has come and that nobody has taken yet.",
                float(backlog.overdue),
            ),
            ("slo_overdue_seconds", "How late the oldest of them is.", backlog.late / 1000),
        ):
            gauge = _gauge(name, text)
            gauge.add_metric((), value)
            yield gauge

    def _certificates(self) -> Iterator[tuple[str, str, tuple[bytes, ...]]]:
        for connection in self.registry.connections():
            yield "idp", connection.name, connection.signing_certificates
        for provider in self.registry.service_providers():
            yield "application", provider.name, provider.signing_certificates
        ours = self.keys.current()
        yield _OURS, "signing", ours.published_signing
        yield _OURS, "encryption", ours.published_encryption

    def _metadata(self) -> Iterator[tuple[str, str, datetime | None]]:
        for connection in self.registry.connections():
            file = self.registry.connection_file(connection.name)
            yield "idp", connection.name, None if file is None else file.valid_until
        for application in self.registry.applications():
            its_file = self.registry.application_file(application.client_id)
            yield "application", application.client_id, None if its_file is None else its_file.valid_until


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily as Family  # noqa: PLC0415 - see metrics.py

    return Family(name, text, labels=labels)


@lru_cache(8192)
def _not_after(der: bytes) -> datetime | None:
    facts = certificate_facts(der)
    return None if facts is None else facts.not_after
