"""`saml-slo serve` as a process of its own, with two workers, on a free port of the loopback interface."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from tests import idp
from tests.running import descriptor, write_certs, write_connection

HOST = "bridge.example"
COMMAND = (sys.executable, "-m", "saml_slo", "serve")
PATIENCE = 120  # seconds for what takes one on an idle machine: a busy one is no failure


@dataclass
class Answer:
    """What came back, with the names that Flask's test client has."""

    status_code: int
    headers: http.client.HTTPMessage
    body: bytes

    def get_data(self, *, as_text=False):
        """Return the body."""
        return self.body.decode() if as_text else self.body


class Browser:
    """Cookies, and connections that stay with the worker that took them."""

    def __init__(self, port):
        self.port = port
        self.cookies = {}
        self.connections = []

    def connect(self):
        """Open a connection of its own, closed with the browser."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.connections.append(connection)
        connection.connect()
        return connection

    def close(self):
        """Close every connection."""
        for connection in self.connections:
            connection.close()

    def request(self, method, path, body=None, *, connection=None, **headers):
        """Send a request, by a new connection unless one is given, and take its cookies."""
        chosen = connection or self.connect()
        headers = {"Host": HOST, **headers}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        chosen.request(method, path, body, headers)
        response = chosen.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        for text in response.headers.get_all("Set-Cookie") or ():
            for name, morsel in SimpleCookie(text).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        if connection is None:
            chosen.close()
        return answer

    def get(self, path, **how):
        """Send a GET."""
        return self.request("GET", path, **how)

    def post(self, path, fields, **how):
        """Send a form."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, fields if isinstance(fields, bytes) else urlencode(fields), **form, **how)

    def raw(self, octets, *, timeout=PATIENCE):
        """Send octets and return all that comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(octets)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while chunk := connection.recv(65536):
                    received += chunk
            return received


@dataclass
class Serving:
    """A running server: its process, its port, and what it wrote to standard error."""

    process: subprocess.Popen
    folder: Path
    port: int
    browsers: list = field(default_factory=list)

    def browser(self):
        """Return a new browser, closed with the server."""
        self.browsers.append(Browser(self.port))
        return self.browsers[-1]

    def answers(self):
        """Say whether it is there for a new connection."""
        with contextlib.suppress(OSError):
            return self.browser().get("/healthz").status_code == 200
        return False

    def log(self):
        """Return the lines of its log so far."""
        return read_log(self.folder)

    def workers(self):
        """Return the ids of the worker processes."""
        return [pid for pid in children(self.process.pid) if is_alive(pid) and "redis" not in command_of(pid)]

    def redis_pid(self):
        """Return the id of the embedded Redis."""
        (pid,) = [pid for pid in children(self.process.pid) if "redis" in command_of(pid)]
        return pid

    def worker_of(self, connection):
        """Return the id of the worker that has a connection."""
        _, inode = self._end_of(connection)
        return wait_until(lambda: next((pid for pid in self.workers() if f"socket:[{inode}]" in sockets(pid)), None))

    def has_taken(self, connection):
        """Say whether the worker has read all that was sent by a connection."""
        queues, _ = self._end_of(connection)
        return queues.endswith(":00000000")

    def _end_of(self, connection):
        """Return the queues and the inode of the server's end of a connection."""
        mine = connection.sock.getsockname()[1]

        def found():  # a look at the table misses lines while others come and go
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
                _, local, remote, _, queues, _, _, _, _, inode, *_ = line.split()
                if (int(local[-4:], 16), int(remote[-4:], 16)) == (self.port, mine):
                    return queues, inode
            return None

        return wait_until(found)

    def stop(self, how=signal.SIGTERM):
        """End it as an operator does and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


def read_log(folder):
    """Return the JSON objects in the log."""
    whole, _, _ = (folder / "stderr").read_text().rpartition("\n")  # the last line may be on its way
    return [json.loads(line) for line in whole.splitlines()]


def children(pid):
    """Return the ids of the processes that a process started."""
    found = [Path(f"/proc/{pid}/task/{task}/children") for task in threads_of(pid)]
    return [int(child) for path in found for child in read_if_there(path).split()]


def threads_of(pid):
    """Return the ids of the threads of a process."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [path.name for path in Path(f"/proc/{pid}/task").iterdir()]
    return []


def command_of(pid):
    """Return the command line of a process, nothing of one that is gone."""
    return read_if_there(Path(f"/proc/{pid}/cmdline"))


def read_if_there(path):
    """Return what a file of /proc says, nothing once its process or thread has ended, be it between open and read."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def sockets(pid):
    """Return what the descriptors of a process are."""
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(link.readlink()))
    return found


def is_alive(pid):
    """Say whether a process runs; one that is dead and not buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=PATIENCE):
    """Wait for something that happens in another process; fail when it does not."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def environment(folder, **settings):
    """Return the environment of a server whose files are in a folder."""
    ours = {
        "public_url": f"https://{HOST}",
        "metadata_dir": folder / "metadata",
        "certs_dir": folder / "certs",
        "data_dir": folder / "var",
        "listen": "127.0.0.1:0",
        "workers": 2,
        "metrics_listen": "",  # the tests run servers side by side
        "redis_timeout": 10,  # seconds: a Redis that waits for a processor is not one that is away
        **settings,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SLO_")}
    return inherited | {f"SLO_{name.upper()}": str(value) for name, value in ours.items()}


def prepare(folder):
    """Write the connection `idp` and the keys."""
    write_connection(folder / "metadata", "idp", "", descriptor(idp.ENTITY_ID))
    write_certs(folder / "certs")


@contextlib.contextmanager
def serving(folder, *, command=COMMAND, **settings):
    """Run a server; whatever happens, nothing of it is left at the end."""
    prepare(folder)
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            command, stderr=stderr, stdin=subprocess.DEVNULL, cwd=folder, env=environment(folder, **settings)
        )
    try:

        def port():
            assert process.poll() is None, (folder / "stderr").read_text()
            return next((int(line["listen"].rpartition(":")[2]) for line in read_log(folder) if "listen" in line), None)

        server = Serving(process, folder, wait_until(port))
        wait_until(lambda: server.answers() and len(server.workers()) == 2)
        yield server
        for browser in server.browsers:
            browser.close()
    finally:
        left = [process.pid, *children(process.pid)] if process.poll() is None else []
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            for pid in filter(is_alive, left):
                os.kill(pid, signal.SIGKILL)
