"""Free ports on this machine."""

import os
import socket
from itertools import count

_RANGE = range(12_000, 32_000)  # below those that the kernel gives to whoever asks for any
_steps = count(os.getpid() * 37)  # programs that ask at the same time begin at places of their own


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on, and that nobody gets by chance before it is used."""
    for step in _steps:
        with socket.socket() as probe:
            try:
                probe.bind((host, port := _RANGE[step % len(_RANGE)]))
            except OSError:
                continue
            return port
    raise AssertionError
