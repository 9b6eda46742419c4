"""A real reverse proxy before an application, configured by the very snippet of docs/forward-auth.md."""

import http
import http.client
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests import debian
from tests.interop.ports import free_port

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "forward-auth.md"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One program.

    `language` is that of its snippet in the document. `command` writes the files that belong around a snippet into a
    folder and returns what to run there; it is given the folder, the program, the port and the snippet. `program`
    returns where the program is, or None. `told` are the status codes with which a browser is refused: our server is
    `down`, it says that Redis is (`no_redis`), or that it is asked too often (`limited`).
    """

    name: str
    language: str
    command: Callable
    program: Callable
    get: str
    told: dict


@dataclass
class Proxy:
    """A running one, for the host `site`; its folder holds its configuration and logs."""

    kind: Kind
    site: str
    port: int
    folder: Path
    snippet: str
    trusted: Path
    process: subprocess.Popen | None = None

    def start(self):
        """Start it; it is not up yet."""
        command = self.kind.command(self.folder, self.kind.program(), self.port, self.snippet)
        # Go programs trust the authorities of SSL_CERT_FILE, and keep things of their own under their user's home.
        own = {"SSL_CERT_FILE": str(self.trusted), "HOME": str(self.folder), "PATH": os.environ["PATH"]}
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=own, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def stop(self):
        """End it; nobody answers at its port any more."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def is_up(self):
        """Wait until it knows its site, which may be later than it listens; False when it ended instead."""
        deadline = time.monotonic() + 60
        while self.process.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                if self._status() != http.HTTPStatus.NOT_FOUND:
                    return self.process.poll() is None
            assert time.monotonic() < deadline, f"{self.kind.name} did not start in a minute: {self.log()}"
            time.sleep(0.02)
        return False

    def _status(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", "/", headers={"Host": self.site})
            return connection.getresponse().status
        finally:
            connection.close()

    def log(self):
        """What it said on standard output and standard error."""
        return (self.folder / "output").read_text(errors="replace")[-2000:]


def snippet(kind, *, site, client_id, bridge, bridge_host, application, trusted):
    """The snippet of the documentation with the names of a test: two URLs without a path, hosts, a file of CAs."""
    text = re.findall(
        rf"^```{kind.language}\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (text,) = (part for part in text if "slo.example.com" in part)
    for old, new in (
        ("https://slo.example.com", bridge),
        ("slo.example.com", bridge_host),
        ("wiki.example.com", site),
        ("http://127.0.0.1:3000", application),
        ("127.0.0.1:3000", application.removeprefix("http://")),
        ("client_id=wiki", f"client_id={client_id}"),
        ("/forward/wiki", f"/forward/{client_id}"),
        ("/etc/ssl/certs/ca-certificates.crt", str(trusted)),
    ):
        text = text.replace(old, new)
    assert "example.com" not in text
    assert ":3000" not in text
    return text


@contextmanager
def proxy(kind, folder, *, site, port=None, trusted="/etc/ssl/certs/ca-certificates.crt", **names):
    """Run a proxy at a port of loopback, a free one unless it is given; `names` as `snippet` takes them."""
    assert kind.program() is not None, f"there is no {kind.name} here: {kind.get}"
    folder.mkdir()
    text = snippet(kind, site=site, trusted=trusted, **names)
    running = Proxy(kind, site, port or free_port(), folder, text, trusted)
    try:
        running.start()
        for _ in range(4):
            if running.is_up() or port is not None:
                break
            running.port = free_port()  # somebody has taken the other in between
            running.start()
        assert running.is_up(), running.log()
        yield running
    finally:
        running.stop()


# nginx ----------------------------------------------------------------------------------------------------------------

_NGINX = """
{user}
worker_processes 1;
pid nginx.pid;
error_log error.log info;
events {{ worker_connections 256; }}
http {{
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        {snippet}
    }}
}}
"""


def _nginx(folder, program, port, text):
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_NGINX.format(user=user, port=port, snippet=text))
    return [program, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"]


NGINX = Kind(
    name="nginx",
    language="nginx",
    command=_nginx,
    program=lambda: shutil.which("nginx") or shutil.which("/usr/sbin/nginx"),
    get="`make proxy-test` installs it (apt install nginx-light)",
    told={"down": 500, "no_redis": 500, "limited": 500},
)


# Caddy ----------------------------------------------------------------------------------------------------------------

_CADDY = """{{
    admin off
    auto_https off
    default_bind 127.0.0.1
}}
{snippet}"""


def _caddy(folder, program, port, text):
    # The site is on the first line; the world outside speaks https to it, which is not what is tried here.
    site, rest = text.split(" ", 1)
    (folder / "Caddyfile").write_text(_CADDY.format(snippet=f"http://{site}:{port} {rest}"))
    return [program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"]


CADDY = Kind(
    name="caddy",
    language="caddyfile",
    command=_caddy,
    program=lambda: debian.program("caddy", "usr/bin/caddy"),
    get="`make proxy-test` takes it out of its package (apt install caddy)",
    told={"down": 502, "no_redis": 503, "limited": 429},
)


# Traefik --------------------------------------------------------------------------------------------------------------

_TRAEFIK = """
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
entryPoints: {{web: {{address: "127.0.0.1:{port}"}}}}
providers: {{file: {{filename: dynamic.yml, watch: false}}}}
"""


def _traefik(folder, program, port, text):
    (folder / "traefik.yml").write_text(_TRAEFIK.format(port=port))
    (folder / "dynamic.yml").write_text(text)
    return [program, "--configFile=traefik.yml"]


TRAEFIK = Kind(
    name="traefik",
    language="yaml",
    command=_traefik,
    program=lambda: os.environ.get("SLO_TRAEFIK") or shutil.which("traefik"),
    get="`make traefik-test` fetches it and sets SLO_TRAEFIK to the program",
    told={"down": 500, "no_redis": 503, "limited": 429},
)

KINDS = {kind.name: kind for kind in (NGINX, CADDY, TRAEFIK)}
