"""Every part, put together from the settings: what the web, the worker and the commands ask to do something."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from saml_slo.application_sessions import ApplicationSessions
from saml_slo.asking import Asking
from saml_slo.bridge import Bridge
from saml_slo.certs import KeyRing, Secret
from saml_slo.config import Settings
from saml_slo.delivery.back_channel import BackChannel
from saml_slo.ending import Endings
from saml_slo.errors import ConfigurationError
from saml_slo.forward import Forward
from saml_slo.journey import Journey, Patience
from saml_slo.naming import Naming
from saml_slo.operators import OperatorAccounts
from saml_slo.peer_logout import PeerLogout
from saml_slo.peers.problem import Problem
from saml_slo.peers.registry import Registry
from saml_slo.peers.remote_source import RemoteSources
from saml_slo.peers.return_urls import ReturnUrls
from saml_slo.policies import Policies
from saml_slo.preflight import MAX_ANSWER_BYTES, Preflight
from saml_slo.protocol.policy import Federated, Propagation
from saml_slo.question import Questions
from saml_slo.registration import Lifetimes
from saml_slo.remote_logout import RemoteLogout
from saml_slo.renewal.federations import Federations
from saml_slo.renewal.orphans import Orphans
from saml_slo.renewal.renewal import Renewal
from saml_slo.renewal.shared import SharedCopies
from saml_slo.reporting.gauges import Gauges
from saml_slo.reporting.metrics import Metrics
from saml_slo.reporting.reporter import Reporter
from saml_slo.signin import SignIn
from saml_slo.sso import SingleSignOn
from saml_slo.store.connect import connect
from saml_slo.store.store import Store
from saml_slo.wire.keys import OurKeys
from saml_slo.wire.metadata_role import MAX_METADATA_BYTES
from saml_slo.wire.sealed import Sealer
from saml_slo.worker import Sweeper

_log = structlog.get_logger("saml_slo.house")


def utc_now() -> datetime:
    """Return the time of day. Every part gets it as an argument named `clock`."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Every part that an endpoint may ask for. `secret` gives each use a key of its own."""

    settings: Settings
    clock: Callable[[], datetime]
    secret: Secret
    keys: KeyRing
    store: Store
    registry: Registry
    policies: Policies
    journey: Journey
    sign_in: SignIn
    sign_on: SingleSignOn
    forward: Forward
    bridge: Bridge
    peer_logout: PeerLogout
    remote: RemoteLogout
    operators: OperatorAccounts
    application_sessions: ApplicationSessions
    sweeper: Sweeper
    renewal: Renewal
    reporter: Reporter

    def measure(self) -> tuple[Metrics, Gauges]:
        """Begin to count what happens, and return what shows it. Raises OSError where there is no room for it."""
        metrics = Metrics()
        self.reporter.measure(metrics)
        return metrics, Gauges(store=self.store, registry=self.registry, keys=self.keys, clock=self.clock)

    def start(self) -> None:
        """Begin what happens without anybody asking: sweeping, renewing metadata of others, looking at our keys."""
        self.sweeper.start()
        self.renewal.start()
        self.keys.start()

    def stop(self) -> None:
        """Stop that, let deliveries that are under way end, and let go of Redis."""
        self.sweeper.stop()
        self.renewal.stop()
        self.keys.stop()
        self.journey.stop()
        self.store.close()


def build(settings: Settings, clock: Callable[[], datetime] = utc_now) -> House:
    """Return the parts; raises ConfigurationError before anything is served wrongly.

    The keys under `certs_dir` and the Redis of `redis_url` must be there: `saml-slo serve` sees to both.
    """
    if settings.redis_url is None:
        raise ConfigurationError(
            "no Redis was named",
            setting="SLO_REDIS_URL",
            expected="the URL of a Redis or Valkey",
            next_step="Set it, or start with `saml-slo serve`, which brings its own.",
        )
    keys = KeyRing(settings.certs_dir, report=_report_keys)
    secret = keys.secret
    reporter = Reporter()
    store = _store(settings, settings.redis_url, reporter)
    registry = Registry(settings.metadata_dir, settings.public_url, copies=settings.copies_dir, report=_report)
    endings = Endings(
        registry=registry,
        store=store,
        principal_secret=secret.derive("principal"),
        clock=clock,
        longest_session=settings.session_lifetime * 1000,
    )
    journey = _journey(settings, registry, store, endings, keys, clock, reporter)
    policies = Policies(
        registry=registry, federated=Federated(settings.federated), propagation=Propagation(settings.propagation)
    )
    remote = RemoteLogout(journey=journey, policies=policies)
    naming = Naming(registry=registry, principal=endings.principal, secret=secret.derive("name-id"))
    return House(
        settings=settings,
        clock=clock,
        secret=secret,
        keys=keys,
        store=store,
        registry=registry,
        policies=policies,
        journey=journey,
        sign_in=_sign_in(settings, journey, secret),
        sign_on=SingleSignOn(
            registry=registry,
            store=store,
            endings=endings,
            our_keys=keys.current,
            naming=naming,
            clock=clock,
            endpoint=f"{settings.public_url}/saml/idp/sso",
            lifetime=settings.sign_in_lifetime,
        ),
        forward=_forward(settings, journey, naming, secret),
        bridge=_bridge(settings, journey, policies, secret),
        peer_logout=PeerLogout(journey=journey, policies=policies),
        remote=remote,
        operators=OperatorAccounts(store=store, clock=clock),
        application_sessions=_application_sessions(settings, registry, store, secret, clock),
        sweeper=Sweeper(journey=journey, remote=remote, tells=settings.tell_expired),
        renewal=_renewal(settings, registry, store, secret, clock),
        reporter=reporter,
    )


def _store(settings: Settings, redis_url: str, reporter: Reporter) -> Store:
    return Store(
        connect(redis_url, timeout=settings.redis_timeout),
        report=reporter.committed,
        audit_lifetime=settings.audit_retention * 86_400_000,
    )


def _sign_in(settings: Settings, journey: Journey, secret: Secret) -> SignIn:
    return SignIn(
        registry=journey.registry,
        store=journey.store,
        endings=journey.endings,
        our_keys=journey.our_keys,
        clock=journey.clock,
        handle_secret=secret.derive("handle"),
        session_lifetime=settings.session_lifetime,
        idle_lifetime=settings.idle_lifetime,
        sign_in_lifetime=settings.sign_in_lifetime,
    )


def _renewal(
    settings: Settings, registry: Registry, store: Store, secret: Secret, clock: Callable[[], datetime]
) -> Renewal:
    return Renewal(
        registry=registry,
        sources=RemoteSources(settings.metadata_dir, settings.copies_dir, public_url=settings.public_url),
        shared=SharedCopies(store, secret.derive("metadata")),
        channel=BackChannel(allowed_private=settings.back_channel_allow, max_bytes=MAX_METADATA_BYTES),
        clock=clock,
        federations=Federations.of(
            settings.metadata_dir, settings.copies_dir, clock=clock, allowed=settings.back_channel_allow
        ),
        orphans=Orphans(settings.metadata_dir, settings.copies_dir),
    )


def _application_sessions(
    settings: Settings, registry: Registry, store: Store, secret: Secret, clock: Callable[[], datetime]
) -> ApplicationSessions:
    return ApplicationSessions(
        registry=registry,
        store=store,
        sealer=Sealer(secret.derive("tokens")),
        principal_secret=secret.derive("principal"),
        handle_secret=secret.derive("handle"),
        tenant=Lifetimes(absolute=settings.session_lifetime * 1000, idle=settings.idle_lifetime * 1000),
        clock=clock,
    )


def _journey(  # noqa: PLR0917 - the parts that it stands on
    settings: Settings,
    registry: Registry,
    store: Store,
    endings: Endings,
    keys: KeyRing,
    clock: Callable[[], datetime],
    reporter: Reporter,
) -> Journey:
    return Journey(
        registry=registry,
        store=store,
        endings=endings,
        asking=Asking(
            registry=registry,
            our_keys=keys.current,
            back_channel=BackChannel(allowed_private=settings.back_channel_allow),
            clock=clock,
            origin=settings.public_url,
            sealer=Sealer(keys.secret.derive("tokens")),
            webhook_secrets=keys.secret.webhook,
            delivered=reporter.delivered,
        ),
        our_keys=keys.current,
        clock=clock,
        patience=Patience(
            back=settings.back_channel_timeout, frame=settings.frame_timeout, window=settings.logout_timeout
        ),
    )


def _bridge(settings: Settings, journey: Journey, policies: Policies, secret: Secret) -> Bridge:
    preflight = Preflight(
        registry=journey.registry,
        back_channel=BackChannel(allowed_private=settings.back_channel_allow, max_bytes=MAX_ANSWER_BYTES),
        our_keys=journey.our_keys,
        clock=journey.clock,
        origin=settings.public_url,
        patience=settings.preflight_timeout,
    )
    return Bridge(
        journey=journey,
        policies=policies,
        questions=Questions(journey=journey, policies=policies, preflight=preflight),
        tenant_return_urls=ReturnUrls(settings.allowed_logout_urls),
        handle_secret=secret.derive("handle"),
    )


def _forward(settings: Settings, journey: Journey, naming: Naming, secret: Secret) -> Forward:
    return Forward(
        registry=journey.registry,
        store=journey.store,
        endings=journey.endings,
        naming=naming,
        sealer=Sealer(secret.derive("forward")),
        handle_secret=secret.derive("handle"),
        cookie_secret=secret.derive("application-cookie"),
        clock=journey.clock,
        origin=settings.public_url,
    )


def _report(problem: Problem) -> None:
    _log.warning(
        "configuration_problem",
        reason=problem.reason,
        file=str(problem.file),
        line=problem.line,
        message=problem.text,
    )


def _report_keys(found: OurKeys | ConfigurationError) -> None:
    if isinstance(found, OurKeys):
        _log.info("keys_in_force", signing=hashlib.sha256(found.signing.certificate).hexdigest())
    else:
        told = str(found).rstrip(".")
        _log.error(
            "keys_not_in_force",
            reason=found.reason,
            message=f"{told}. The keys of before stay in force, and the folder is read again when it changes.",
        )
