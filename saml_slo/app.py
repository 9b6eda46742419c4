"""create_app(settings): the parts behind their endpoints, and what guards all of them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Flask, Response, abort, request

from saml_slo.config import Settings
from saml_slo.house import House, build, utc_now
from saml_slo.lines import request_begins, request_ends
from saml_slo.peers.registry import Registry
from saml_slo.web import errors, forward, health, home, idp, jwks, login, logout, receipts, returned, saml, status
from saml_slo.web.api import document, logouts, paths, sessions
from saml_slo.web.api.door import Door
from saml_slo.web.confirm import Confirmation
from saml_slo.web.console import pages as console
from saml_slo.web.cookies import Cookies
from saml_slo.web.guard import Guard
from saml_slo.web.published import Published
from saml_slo.web.respond import harden
from saml_slo.web.sealed_requests import SealedRequests
from saml_slo.wire.bindings.post import MAX_BODY_BYTES

# Endpoints that load balancers call by address, under any Host and with HEAD as well as GET.
_FOR_MACHINES = frozenset({"health.healthz", "health.readyz", "static"})
_STATUS = "status.status"


def create_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> Flask:
    """Return the WSGI application; raises ConfigurationError before it serves anything wrongly.

    The keys under `certs_dir` and the Redis of `redis_url` must be there: `saml-slo serve` sees to both.
    """
    house = build(settings, clock)
    app = Flask("saml_slo.web", static_folder="static", template_folder="templates")
    # One more than a form may have: a body without Content-Length is cut off here and not refused, so that the codec,
    # which refuses it, must be able to see that there was more.
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False  # two slashes are another path, and a message there is not sent on to us
    paths.install(app)
    errors.install(app, house.reporter.refused)
    cookies = Cookies(house.secret.derive("cookie"), settings.sign_in_lifetime)
    checks = status.Checks(
        store=house.store,
        registry=house.registry,
        forward=house.forward,
        cookies=cookies,
        clock=clock,
        rate=settings.status_rate,
        checked=house.reporter.checked,
    )
    for blueprint in (*_blueprints(house, cookies), *_api(house), *console.blueprints(house), status.blueprint(checks)):
        app.register_blueprint(blueprint)
    _install_guards(app, settings, house.registry)
    _install_front_door(app, settings, checks)
    app.extensions["saml_slo"] = house
    return app


def _blueprints(house: House, cookies: Cookies) -> Iterator[Blueprint]:
    settings, clock, secret = house.settings, house.clock, house.secret
    guard = Guard(secret.derive("guard"), clock, asks=settings.silent_sign_in == "ask")
    sealed = SealedRequests(secret.derive("sign-on"))
    yield home.blueprint(house.registry, house.store, house.bridge, cookies, clock)
    yield login.blueprint(
        sign_in=house.sign_in,
        bridge=house.bridge,
        registry=house.registry,
        cookies=cookies,
        sealed=sealed,
        guard=guard,
    )
    published = Published(keys=house.keys.current, clock=clock, signs=settings.sign_metadata)
    yield saml.blueprint(
        sign_in=house.sign_in,
        bridge=house.bridge,
        peer_logout=house.peer_logout,
        registry=house.registry,
        cookies=cookies,
        guard=guard,
        published=published,
    )
    yield idp.blueprint(
        sign_on=house.sign_on,
        bridge=house.bridge,
        peer_logout=house.peer_logout,
        registry=house.registry,
        cookies=cookies,
        guard=guard,
        sealed=sealed,
        published=published,
        origin=settings.public_url,
    )
    confirmation = Confirmation(secret.derive("confirmation"), clock)
    yield logout.blueprint(house.bridge, house.registry, cookies=cookies, confirmation=confirmation, guard=guard)
    yield receipts.blueprint(
        house.bridge, house.registry, keys=house.keys.current, clock=clock, origin=settings.public_url
    )
    yield returned.blueprint(house.bridge, house.registry, cookies)
    yield jwks.blueprint(house.keys.current, settings.public_url)
    yield forward.blueprint(house.forward, cookies, sealed)
    yield health.blueprint(house.store, house.registry)


def _api(house: House) -> Iterator[Blueprint]:
    origin = house.settings.public_url
    door = Door(registry=house.registry, store=house.store, clock=house.clock, rate=house.settings.api_rate)
    yield sessions.blueprint(house.application_sessions, door, origin=origin)
    yield logouts.blueprint(
        logouts.Logouts(sessions=house.application_sessions, remote=house.remote, store=house.store),
        door,
        origin=origin,
    )
    yield document.blueprint(origin)


def _hosts(public_url: str) -> frozenset[str]:
    """Return the values of Host under which we answer."""
    host = urlsplit(public_url).netloc
    return frozenset((host, f"{host}:{443 if public_url.startswith('https:') else 80}"))


def _install_front_door(app: Flask, settings: Settings, checks: status.Checks) -> None:
    door = status.FrontDoor(
        app.wsgi_app,
        checks,
        hosts=_hosts(settings.public_url),
        https=settings.public_url.startswith("https:"),
        refresh=checks.registry.refresh,
    )
    app.wsgi_app = door  # type: ignore[method-assign]  # as Flask's documentation has it


def _install_guards(app: Flask, settings: Settings, registry: Registry) -> None:
    hosts = _hosts(settings.public_url)
    https = settings.public_url.startswith("https:")

    @app.before_request
    def begin_lines() -> None:
        request_begins(request.headers.get(settings.request_id_header) if settings.request_id_header else None)

    @app.teardown_request
    def end_lines(_: BaseException | None) -> None:
        request_ends()

    @app.before_request
    def only_our_origin() -> None:
        if request.endpoint in _FOR_MACHINES:
            return
        # Every URL is made from the settings, so a foreign Host could change nothing; it is refused all the same.
        if request.host.lower() not in hosts:
            abort(400, "This server does not answer under that name.")
        # Flask answers HEAD by running GET; a link checker must not sign anybody out.
        if request.method == "HEAD":
            abort(405)
        # Nor may a browser that only guesses where its person goes next (security J215); what it asks of an application
        # behind a proxy is that application's business.
        purpose = f"{request.headers.get('Sec-Purpose', '')} {request.headers.get('Purpose', '')}"
        if "prefetch" in purpose and request.endpoint != _STATUS:
            abort(400, "This page is not for prefetching.")
        registry.refresh()

    @app.after_request
    def hardened(response: Response) -> Response:
        return harden(response, https=https)


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
