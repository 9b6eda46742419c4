"""`python -m tests.forward PROXY… [pytest arguments]`: get what is missing, run this folder with these proxies."""

import os
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest

from tests import debian
from tests.forward.proxy import CADDY, KINDS, NGINX, TRAEFIK

_INSTALL = (("apt-get", "update", "-qq"), ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "nginx-light"))


def main(arguments):
    """Return the exit code of the tests, or 1 where a proxy is not to be had."""
    chosen = list(takewhile(KINDS.__contains__, arguments))
    if not chosen:
        print(f"Name proxies first: {', '.join(KINDS)}.")  # noqa: T201 - to the terminal
        return 1
    if NGINX.name in chosen and NGINX.program() is None:
        if os.geteuid():
            print("nginx is not installed, this user is not root, and apt needs root.")  # noqa: T201 - to the terminal
            return 1
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # installed, not started
        for command in _INSTALL:
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=600)
    if CADDY.name in chosen:
        debian.fetch("caddy", "usr/bin/caddy")
    if TRAEFIK.name in chosen and TRAEFIK.program() is None:
        print(f"There is no traefik here: {TRAEFIK.get}.")  # noqa: T201 - to the terminal
        return 1
    os.environ["SLO_PROXY_TESTS"] = " ".join(chosen)
    return pytest.main([str(Path(__file__).parent), *arguments[len(chosen) :]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
