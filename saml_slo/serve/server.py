"""What `saml-slo serve` runs: the parent of the worker processes, and what each worker begins with."""

from __future__ import annotations

import contextlib
import logging
import logging.config
import multiprocessing.connection
import multiprocessing.util
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.common import AbstractServer

from saml_slo.app import configure_logging, create_app
from saml_slo.certs import ensure_keys
from saml_slo.config import Settings
from saml_slo.errors import ConfigurationError, StoreUnavailable
from saml_slo.house import House
from saml_slo.reporting.listener import listen
from saml_slo.reporting.metrics import share
from saml_slo.serve.bodies import Gate
from saml_slo.serve.signals import end_new_workers_at_once, hear_every_signal
from saml_slo.serve.words import library_logging
from saml_slo.store.connect import check_server, connect, redacted
from saml_slo.store.embedded import EmbeddedRedis

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_THREADS: Final = 32  # requests of one worker at the same time: as many as it has connections to Redis
_CONNECTIONS: Final = 512  # of one worker; an idle one is closed after _HEAD_SECONDS
_HEAD_SECONDS: Final = 10
_HEAD_BYTES: Final = 128 * 1024  # request line and headers: 431 beyond; a request target over 65,534 bytes is a 414
_STOP_SECONDS: Final = 20  # for requests under way, before a worker is killed; Redis then has _REDIS_STOP_SECONDS
_REDIS_STOP_SECONDS: Final = 5
_ORPHAN_SECONDS: Final = 10  # the same for a worker whose parent is gone
_LOOK_SECONDS: Final = 0.5

_log = structlog.get_logger("saml_slo.serve")


class Application(Protocol):
    """What a builder makes: a WSGI application with a `House` in `extensions["saml_slo"]`, as app.create_app does."""

    extensions: dict[str, Any]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse, /) -> Iterable[bytes]:
        """Answer one request."""


Builder = Callable[[Settings], Application]


def serve(settings: Settings, *, build: Builder = create_app) -> None:
    """Serve until SIGTERM or SIGINT. Must be called in the main thread.

    `build` is called once here, so that whatever is wrong is told before anything listens, and once in each worker; it
    must be picklable. Raises ConfigurationError, or StoreUnavailable when the embedded Redis does not start; exits with
    code 1 when workers die as soon as they are started.
    """
    configure_logging(settings.log_level)
    logging.config.dictConfig(library_logging(settings.log_level))
    made = ensure_keys(settings.certs_dir, urlsplit(settings.public_url).hostname or "saml_slo")
    if made:
        _log.info("keys_made", folder=str(settings.certs_dir), files=made)
    with (
        _claimed(settings.listen, "SLO_LISTEN") as (host, port),
        _metrics(settings, port) as metrics,
        _redis(settings) as url,
    ):
        complete = settings.model_copy(update={"redis_url": url, "metrics_listen": metrics})
        parts = build(complete).extensions["saml_slo"]
        _say_who_uses_the_console(parts)
        parts.stop()
        _log.info(
            "serving",
            public_url=settings.public_url,
            listen=f"{host}:{port}",
            workers=settings.workers,
            metrics=metrics or None,
        )
        server = _granian(host, port, settings.workers, library_logging(settings.log_level))
        hear_every_signal()
        end_new_workers_at_once()
        server.serve(target_loader=partial(_load, complete, build, port, os.getpid()), wrap_loader=False)
    _log.info("stopped")


def _say_who_uses_the_console(parts: House) -> None:
    try:
        if not parts.store.has_operators():
            _log.info("console_has_no_operator", next_step="saml-slo console link")
    except StoreUnavailable as error:  # people sign out as soon as it is back; the console can wait
        _log.warning("console_not_asked", cause=error.cause)


def _granian(host: str, port: int, workers: int, log_config: dict[str, Any]) -> AbstractServer[Any]:
    server = Granian(
        "saml_slo",  # the target's name; what is served is what target_loader returns
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=_THREADS,
        backpressure=_CONNECTIONS,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=_HEAD_SECONDS * 1000, max_buffer_size=_HEAD_BYTES),
        log_level=LogLevels.warning,
        log_dictconfig=log_config,
        respawn_failed_workers=True,
        workers_kill_timeout=_STOP_SECONDS,
    )
    logging.getLogger("_granian").addFilter(partial(_is_true_here, server))
    return server


def _is_true_here(server: AbstractServer[Any], record: logging.LogRecord) -> bool:
    words = record.getMessage()
    if "Python threads" in words:  # its advice to use fewer is for busy ones; ours wait for Redis and for bodies
        return False
    # Two of its threads wait for the end of each worker; the one that comes second takes the worker for one that lives.
    killed = re.match(r"Killing worker-(\d+)", words)
    return killed is None or not multiprocessing.connection.wait([server.wrks[int(killed[1]) - 1].inner.sentinel], 0)


@contextlib.contextmanager
def _redis(settings: Settings) -> Iterator[str]:
    """Give the URL of the Redis to use: the one that is named, or our own for as long as the block runs."""
    if settings.redis_url is None:
        with EmbeddedRedis(settings.data_dir / "redis", stop_timeout=_REDIS_STOP_SECONDS) as server:
            _log.info(
                "embedded_redis",
                server=server.server,
                folder=str(settings.data_dir / "redis"),
                message="Sessions live in an embedded Redis. For production name a server of yours in SLO_REDIS_URL.",
            )
            yield server.url
        return
    client = connect(settings.redis_url, timeout=settings.redis_timeout)
    try:
        facts = check_server(client)
        _log.info("redis", url=redacted(settings.redis_url), server=f"{facts.product} {facts.version}")
        for alarm in facts.alarms:
            _log.warning("redis_alarm", message=alarm)
    except StoreUnavailable as error:  # it may come back; until then requests are answered with 503
        _log.error("redis_unavailable", url=redacted(settings.redis_url), cause=error.cause, message=str(error))
    finally:
        client.close()
    yield settings.redis_url


@contextlib.contextmanager
def _metrics(settings: Settings, port: int) -> Iterator[str]:
    """Give the address at which the workers show metrics, empty where they do not; `port` tells servers apart."""
    if not settings.metrics_listen:
        yield ""
        return
    with _claimed(settings.metrics_listen, "SLO_METRICS_LISTEN") as (host, metrics_port):
        share(settings.data_dir / "metrics" / str(port))
        yield f"{host}:{metrics_port}"


@contextlib.contextmanager
def _claimed(listen: str, setting: str) -> Iterator[tuple[str, int]]:
    """Give the address to listen on and keep it for us.

    The workers share it by SO_REUSEPORT, which would let a second server of this user in without a word. So it is first
    bound without; the socket stays bound and never listens. Port 0 becomes the free port that the kernel chose.
    """
    host, _, digits = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        if not host or int(digits) not in range(65536):
            raise ValueError  # noqa: TRY301 - the same story as a port that is no number
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(host, int(digits), type=socket.SOCK_STREAM)
    except (ValueError, OSError):
        raise ConfigurationError(
            "there is no such address to listen on", setting=setting, expected="127.0.0.1:8000", got=listen
        ) from None
    with socket.socket(family, kind, protocol) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(address)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {listen}: {error.strerror}",
                setting=setting,
                expected="a free port of an address of this machine",
                next_step="Stop the program that uses it, or choose another port.",
            ) from None
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield str(address[0]), holder.getsockname()[1]


# ── In a worker ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _load(settings: Settings, build: Builder, port: int, parent: int) -> WSGIApplication:
    """Make what a worker serves, and start what runs beside it; granian calls this in the new process."""
    hear_every_signal()
    os.setpgrp()  # Ctrl-C at a terminal is for the parent, who stops its workers in order
    configure_logging(settings.log_level)
    app = build(settings)
    parts = app.extensions["saml_slo"]
    if settings.metrics_listen:
        _show_metrics(parts, settings.metrics_listen)
    parts.start()
    # A worker leaves by os._exit: of all that runs at the end of a process, only the finalizers of multiprocessing do.
    multiprocessing.util.Finalize(None, parts.stop, exitpriority=10)
    gate = Gate(app)
    threading.Thread(target=_watch, args=(parent, gate, port), name="watch", daemon=True).start()
    return gate


def _show_metrics(parts: House, address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        listen(host, int(port), *parts.measure())
    except OSError as error:  # people sign out all the same
        _log.error("metrics_not_shown", address=address, message=str(error))


def _watch(parent: int, gate: Gate, port: int) -> None:
    """End this worker when its parent is gone, and every body that does not arrive."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
        gate.close_slow_connections(port)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORPHAN_SECONDS)
    os._exit(1)
