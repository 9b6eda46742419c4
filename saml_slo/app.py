"""create_app(settings): the only place where the parts are put together."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Flask, Response, abort, request

from saml_slo.asking import Asking
from saml_slo.bridge import Bridge
from saml_slo.certs import load_keys, load_secret
from saml_slo.config import Settings
from saml_slo.delivery.back_channel import BackChannel
from saml_slo.ending import Endings
from saml_slo.errors import ConfigurationError
from saml_slo.journey import Journey, Patience
from saml_slo.peer_logout import PeerLogout
from saml_slo.peers.problem import Problem
from saml_slo.peers.registry import Registry
from saml_slo.peers.return_urls import ReturnUrls
from saml_slo.policies import Policies
from saml_slo.protocol.policy import Federated
from saml_slo.signin import SignIn
from saml_slo.sso import SingleSignOn
from saml_slo.store.connect import connect
from saml_slo.store.store import Store
from saml_slo.web import errors, health, home, idp, jwks, login, logout, receipts, saml, status
from saml_slo.web.cookies import Cookies
from saml_slo.web.idp import SealedRequests
from saml_slo.web.respond import harden
from saml_slo.wire.bindings.post import MAX_BODY_BYTES
from saml_slo.wire.keys import OurKeys
from saml_slo.wire.sealed import Sealer
from saml_slo.worker import Sweeper

# Endpoints that load balancers call by address, under any Host and with HEAD as well as GET.
_FOR_MACHINES = frozenset({"health.healthz", "health.readyz", "static"})
_log = structlog.get_logger("saml_slo.app")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a server must start and stop around an application: `app.extensions["saml_slo"]`."""

    store: Store
    sweeper: Sweeper

    def stop(self) -> None:
        """Stop sweeping and let go of Redis."""
        self.sweeper.stop()
        self.store.close()


def utc_now() -> datetime:
    """Return the time of day. Every part gets it as an argument named `clock`."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _House:
    """Every part that an endpoint may ask for."""

    keys: OurKeys
    store: Store
    registry: Registry
    sign_in: SignIn
    sign_on: SingleSignOn
    bridge: Bridge
    peer_logout: PeerLogout
    cookies: Cookies
    sealed: SealedRequests
    sweeper: Sweeper


def _build(settings: Settings, redis_url: str, clock: Callable[[], datetime]) -> _House:
    keys, secret = load_keys(settings.certs_dir), load_secret(settings.certs_dir)
    store = Store(connect(redis_url, timeout=settings.redis_timeout))
    registry = Registry(settings.metadata_dir, settings.public_url, report=_report)
    endings = Endings(registry=registry, store=store, principal_secret=secret.derive("principal"), clock=clock)
    back_channel = BackChannel(allowed_private=settings.back_channel_allow)
    journey = Journey(
        registry=registry,
        store=store,
        endings=endings,
        asking=Asking(
            registry=registry,
            our_keys=keys,
            back_channel=back_channel,
            clock=clock,
            origin=settings.public_url,
            sealer=Sealer(secret.derive("tokens")),
            webhook_secrets=secret.webhook,
        ),
        our_keys=keys,
        clock=clock,
        patience=Patience(
            back=settings.back_channel_timeout, frame=settings.frame_timeout, window=settings.logout_timeout
        ),
    )
    policies = Policies(registry=registry, federated=Federated(settings.federated))
    return _House(
        keys=keys,
        store=store,
        registry=registry,
        sign_in=SignIn(
            registry=registry,
            store=store,
            endings=endings,
            our_keys=keys,
            clock=clock,
            session_lifetime=settings.session_lifetime,
            idle_lifetime=settings.idle_lifetime,
            sign_in_lifetime=settings.sign_in_lifetime,
        ),
        sign_on=SingleSignOn(
            registry=registry,
            store=store,
            endings=endings,
            our_keys=keys,
            secret=secret.derive("name-id"),
            clock=clock,
            endpoint=f"{settings.public_url}/saml/idp/sso",
            lifetime=settings.sign_in_lifetime,
        ),
        bridge=Bridge(journey=journey, policies=policies, tenant_return_urls=ReturnUrls(settings.allowed_logout_urls)),
        peer_logout=PeerLogout(journey=journey, decryption=keys.decryption, policies=policies),
        cookies=Cookies(secret.derive("cookie"), settings.sign_in_lifetime),
        sealed=SealedRequests(secret.derive("sign-on")),
        sweeper=Sweeper(journey=journey),
    )


def create_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> Flask:
    """Return the WSGI application; raises ConfigurationError before it serves anything wrongly.

    The keys under `certs_dir` and the Redis of `redis_url` must be there: `saml-slo serve` sees to both.
    """
    if settings.redis_url is None:
        raise ConfigurationError(
            "no Redis was named",
            setting="SLO_REDIS_URL",
            expected="the URL of a Redis or Valkey",
            next_step="Set it, or start with `saml-slo serve`, which brings its own.",
        )
    house = _build(settings, settings.redis_url, clock)
    app = Flask("saml_slo.web", static_folder="static", template_folder="templates")
    # One more than a form may have: a body without Content-Length is cut off here and not refused, so that the codec,
    # which refuses it, must be able to see that there was more.
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False  # two slashes are another path, and a message there is not sent on to us
    errors.install(app)
    for blueprint in _blueprints(house, settings, clock):
        app.register_blueprint(blueprint)
    _install_guards(app, settings, house.registry)
    app.extensions["saml_slo"] = Parts(house.store, house.sweeper)
    return app


def _blueprints(house: _House, settings: Settings, clock: Callable[[], datetime]) -> Iterator[Blueprint]:
    yield home.blueprint(house.registry, house.store, house.cookies, clock)
    yield login.blueprint(
        sign_in=house.sign_in,
        bridge=house.bridge,
        registry=house.registry,
        cookies=house.cookies,
        sealed=house.sealed,
    )
    yield saml.blueprint(
        sign_in=house.sign_in,
        bridge=house.bridge,
        peer_logout=house.peer_logout,
        registry=house.registry,
        cookies=house.cookies,
        keys=house.keys,
        clock=clock,
    )
    yield idp.blueprint(
        sign_on=house.sign_on,
        bridge=house.bridge,
        peer_logout=house.peer_logout,
        registry=house.registry,
        cookies=house.cookies,
        sealed=house.sealed,
        keys=house.keys,
        clock=clock,
        origin=settings.public_url,
    )
    yield logout.blueprint(house.bridge, house.registry, house.cookies)
    yield receipts.blueprint(
        house.bridge, house.registry, key=house.keys.signing, clock=clock, origin=settings.public_url
    )
    yield jwks.blueprint(house.keys)
    yield status.blueprint(house.store, house.cookies, clock)
    yield health.blueprint(house.store, house.registry)


def _install_guards(app: Flask, settings: Settings, registry: Registry) -> None:
    host = urlsplit(settings.public_url).netloc
    https = settings.public_url.startswith("https:")

    @app.before_request
    def only_our_origin() -> None:
        if request.endpoint in _FOR_MACHINES:
            return
        # Every URL is made from the settings, so a foreign Host could change nothing; it is refused all the same.
        if request.host.lower() not in (host, f"{host}:{443 if https else 80}"):
            abort(400, "This server does not answer under that name.")
        # Flask answers HEAD by running GET; a link checker must not sign anybody out.
        if request.method == "HEAD":
            abort(405)
        # Nor may a browser that only guesses where its person goes next (security J215).
        if "prefetch" in f"{request.headers.get('Sec-Purpose', '')} {request.headers.get('Purpose', '')}":
            abort(400, "This page is not for prefetching.")
        registry.refresh()

    @app.after_request
    def hardened(response: Response) -> Response:
        return harden(response, https=https)


def _report(problem: Problem) -> None:
    _log.warning(
        "configuration_problem",
        reason=problem.reason,
        file=str(problem.file),
        line=problem.line,
        message=problem.text,
    )


def configure_logging(level: str) -> None:
    """Write one JSON object a line to standard error; control characters are escaped by the encoder."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
