"""Starts the parties, prints where they are, and stops them all.

The bridge is served in this process as `saml-slo serve` does it; the identity provider and the applications share a
child, which ends when we do.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from saml_slo.demo.places import CONNECTION, LOOPBACK, SHOP, Places
from saml_slo.demo.switches import Switches
from saml_slo.errors import ConfigurationError

_READY_SECONDS = 120
_LOOK_SECONDS = 0.02


def run_demo(
    places: Places, switches: Switches, *, logout_timeout: int = 20, announce: Callable[[Places], None] | None = None
) -> None:
    """Run until SIGTERM or Ctrl-C. Must be called in the main thread; `announce` is called when all pages answer.

    `logout_timeout` is how long the bridge waits for an identity provider, in seconds. Raises ConfigurationError.
    """
    places.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _parties(places, switches) as parties:
        # After the child was started, so that both processes import at the same time.
        from saml_slo.config import load_settings  # noqa: PLC0415
        from saml_slo.demo.bridge import create_demo_bridge  # noqa: PLC0415
        from saml_slo.serve.server import serve  # noqa: PLC0415

        settings = load_settings(
            public_url=places.bridge,
            metadata_dir=places.metadata_dir,
            certs_dir=places.certs_dir,
            data_dir=places.folder,
            redis_url=None,
            back_channel_allow=(f"{SHOP}.localhost",),
            allowed_logout_urls=(f"{places.application}/*",),
            logout_timeout=logout_timeout,
            listen=f"{LOOPBACK}:{places.bridge_port}",
            workers=2,
            metrics_listen="",
        )
        places.metadata_dir.mkdir(exist_ok=True)
        watch = _Watch(places, parties, announce)
        watch.start()
        with _stderr_in(places.folder / "bridge.log"):
            serve(settings, build=partial(create_demo_bridge, places=places))
        watch.end()


@contextlib.contextmanager
def _parties(places: Places, switches: Switches) -> Iterator[subprocess.Popen[bytes]]:
    """Run the process of the identity provider and the applications for as long as the block runs."""
    ports = (
        ("--idp-port", places.idp_port),
        ("--app-port", places.application_port),
        ("--shop-port", places.shop_port),
        ("--news-port", places.news_port),
    )
    _listen("--port", places.bridge_port).close()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_listen(option, port)) for option, port in ports]
        descriptors = [listener.fileno() for listener in sockets]
        log = stack.enter_context((places.folder / "parties.log").open("wb"))
        process = subprocess.Popen(  # noqa: S603 - our own module, with arguments of our own
            [
                sys.executable,
                "-P",
                "-m",
                "saml_slo.demo.parties",
                places.dump(),
                switches.dump(),
                *map(str, descriptors),
            ],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=descriptors,
            start_new_session=True,  # Ctrl-C at the terminal is for us
        )
    try:
        yield process
    finally:
        process.communicate()  # the end of its standard input is its end


def _listen(option: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"port {port} of this machine cannot be used: {error.strerror}",
            setting=option,
            expected="a free port",
            next_step=f"Stop the program that uses it, or choose another one with {option}.",
        ) from None
    return listener


@contextlib.contextmanager
def _stderr_in(path: Path) -> Iterator[None]:
    """Send what this process and its workers write to standard error into a file: the log of the bridge."""
    sys.stderr.flush()
    before = os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


class _Watch(threading.Thread):
    """Announces the demo as soon as all of them answer, and stops it when its other process ends by itself."""

    def __init__(
        self, places: Places, parties: subprocess.Popen[bytes], announce: Callable[[Places], None] | None
    ) -> None:
        super().__init__(daemon=True)
        self._places, self._parties, self._announce = places, parties, announce
        self._ending = self._failed = False

    def run(self) -> None:
        """Wait for the pages, announce, wait for the end."""
        deadline = time.monotonic() + _READY_SECONDS
        places = self._places
        pages = list(ready_pages(places))
        while pages and time.monotonic() < deadline and self._parties.poll() is None:
            if answers(*pages[0]):
                pages.pop(0)
            else:
                time.sleep(_LOOK_SECONDS)
        if not pages:
            if self._announce is not None:
                self._announce(places)
            self._parties.wait()
        if not self._ending:
            self._failed = True
            os.kill(os.getpid(), signal.SIGTERM)

    def end(self) -> None:
        """Say that the end is wanted; raises ConfigurationError when it was not."""
        self._ending = True
        if self._failed:
            raise ConfigurationError(
                "the demo's identity provider and applications did not start, or ended",
                file=self._places.folder / "parties.log",
                next_step="Its log says why; the bridge's is beside it.",
            )


def ready_pages(places: Places) -> tuple[tuple[str, str], ...]:
    """Return a page of each party, as origin and path; when all answer with 200, the demo can be used."""
    others = (places.application, places.shop, places.news, places.idp)
    # Its metadata for the connection: it has read the connection, and the applications, which are written before.
    return (*((origin, "/healthz") for origin in others), (places.bridge, f"/saml/sp/{CONNECTION}/metadata"))


def answers(origin: str, path: str) -> bool:
    """Say whether a page answers with 200."""
    port = urlsplit(origin).port or 0
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path, headers={"Host": urlsplit(origin).netloc})
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
