"""Free ports on this machine."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on. Another program may take it before it is used: nothing can prevent that."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
