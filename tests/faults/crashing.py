"""A worker that dies at a chosen Redis command, and the proxy that kills it (fault F30).

`python -m tests.faults.crashing` builds the app on a proxied Redis and sends it one request. The proxy counts the
commands that come through and kills the process before the i-th is forwarded, after it was executed and before its
reply, or after the reply.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

from saml_slo.app import create_app
from saml_slo.config import Settings
from tests import idp
from tests.running import ORIGIN

BEFORE, EXECUTED, AFTER = "before", "executed", "after"


@dataclass
class Result:
    """How many commands came through, and whether the worker was killed."""

    commands: int
    killed: bool
    output: str


class Proxy:
    """Between one worker and Redis; kills the worker at command `number` (from 1), None: never."""

    def __init__(self, redis_socket, number, moment):
        self._redis, self._number, self._moment = redis_socket, number, moment
        self._lock, self.count, self.killed, self.worker = Lock(), 0, False, None
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}"
        Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Take no more connections."""
        self._server.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.socket(socket.AF_UNIX) as redis, suppress(OSError):
            redis.connect(self._redis)
            while command := client.recv(1 << 20):
                counts = not command.startswith((b"*1\r\n$4\r\nPING", b"*3\r\n$6\r\nCLIENT", b"*4\r\n$6\r\nCLIENT"))
                number = self._next() if counts else 0
                if number == self._number and self._moment == BEFORE:
                    return self._kill()
                redis.sendall(command)
                reply = redis.recv(1 << 20)
                if number == self._number and self._moment == EXECUTED:
                    return self._kill()
                client.sendall(reply)
                if number == self._number and self._moment == AFTER:
                    return self._kill()
        return None

    def _next(self):
        with self._lock:
            self.count += 1
            return self.count

    def _kill(self):
        self.killed = True
        os.kill(self.worker.pid, signal.SIGKILL)


def run(settings, request, cookies, redis_socket, crash=(None, AFTER)):
    """Let a worker of its own process handle one GET (path and query), killed at `crash`: command number, moment."""
    proxy = Proxy(redis_socket, *crash)
    told = {
        "settings": json.loads(settings.model_copy(update={"redis_url": proxy.url}).model_dump_json()),
        "request": request,
        "cookies": cookies,
    }
    proxy.worker = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.crashing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )
    output, _ = proxy.worker.communicate(json.dumps(told).encode(), timeout=120)
    proxy.close()
    return Result(proxy.count, proxy.killed, output.decode(errors="replace"))


def main():
    """Be the worker."""
    told = json.load(sys.stdin)
    app = create_app(Settings(**told["settings"]), clock=lambda: idp.NOW)
    browser = app.test_client()
    for name, value in told["cookies"].items():
        browser.set_cookie(name, value, domain="bridge.example", secure=True)
    response = browser.get(told["request"], base_url=ORIGIN)
    sys.stdout.write(f"{response.status_code} {response.headers.get('Location', '')}\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
