"""A real nginx before an application, configured by the very snippet of docs/forward-auth.md."""

import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "forward-auth.md"
PROGRAM = shutil.which("nginx") or "/usr/sbin/nginx"
_CONFIGURATION = """
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


@dataclass
class Nginx:
    """A running nginx; its folder holds its configuration and logs."""

    port: int
    folder: Path
    process: subprocess.Popen

    def stop(self):
        """End it; nobody answers at its port any more."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


def snippet(client_id, bridge, bridge_host, application):
    """The snippet of the documentation with the names of a test: two URLs without a path, and our Host."""
    (text,) = re.findall(r"^```nginx\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for old, new in (
        ("https://slo.example.com", bridge),
        ("slo.example.com", bridge_host),
        ("http://127.0.0.1:3000", application),
        ("client_id=wiki", f"client_id={client_id}"),
        ("/forward/wiki/", f"/forward/{client_id}/"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(folder, *, port, client_id, bridge, bridge_host, application):
    """Run nginx at a port of loopback, before an application; it asks the bridge under this Host."""
    assert Path(PROGRAM).exists(), "there is no nginx here: `make proxy-test` installs it (apt install nginx-light)"
    folder.mkdir()
    text = _CONFIGURATION.format(
        user="user root;" if os.geteuid() == 0 else "",
        port=port,
        snippet=snippet(client_id, bridge, bridge_host, application),
    )
    (folder / "nginx.conf").write_text(text)
    command = [PROGRAM, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    running = Nginx(port, folder, process)
    try:
        _wait(running)
        yield running
    finally:
        running.stop()
        process.stderr.close()


def _wait(running):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        assert running.process.poll() is None, running.process.stderr.read().decode()
        try:
            socket.create_connection(("127.0.0.1", running.port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("nginx did not start in time")
