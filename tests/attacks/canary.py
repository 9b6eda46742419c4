"""Traps that tell whether anybody followed a URL or opened a file that a message names."""

import ctypes
import os
import socketserver
import threading
from contextlib import contextmanager, suppress

_IN_OPEN = 0x20  # inotify(7); it sees libxml2's fopen as well, which an audit hook of Python does not


class Canary:
    """A listener on loopback and a file; each knows when it was touched."""

    def __init__(self, server, file, watch):
        self._server = server
        self._watch = watch
        self.file = file
        self.port = server.server_address[1]
        self.connections = 0

    @property
    def url(self):
        """A URL that leads to the listener."""
        return f"http://127.0.0.1:{self.port}/canary"

    def touched(self):
        """Say what was touched since the last call; an empty list is silence."""
        found = ["connection"] * self.connections
        self.connections = 0
        with suppress(BlockingIOError):
            found += ["open"] * (len(os.read(self._watch, 65536)) > 0)
        return found


@contextmanager
def listening(folder):
    """Set both traps in a folder; Linux only, like the embedded Redis."""
    file = folder / "canary.txt"
    file.write_text("canary")
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if watch < 0 or libc.inotify_add_watch(watch, bytes(file), _IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify")

    class Hit(socketserver.BaseRequestHandler):
        def handle(self):
            canary.connections += 1

    with socketserver.TCPServer(("127.0.0.1", 0), Hit) as server:
        canary = Canary(server, file, watch)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield canary
        finally:
            server.shutdown()
            thread.join()
            os.close(watch)
