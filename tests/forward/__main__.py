"""`python -m tests.forward [pytest arguments]`: install nginx with apt where it is missing (root), run this folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forward.nginx import PROGRAM

_INSTALL = (("apt-get", "update", "-qq"), ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "nginx-light"))


def main(arguments):
    """Return the exit code of the tests, or 1 where there is no nginx to be had."""
    if not Path(PROGRAM).exists():
        if os.geteuid():
            print("nginx is not installed, this user is not root, and apt needs root.")  # noqa: T201 - to the terminal
            return 1
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # installed, not started
        for command in _INSTALL:
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=600)
    os.environ["SLO_PROXY_TESTS"] = "1"
    return pytest.main([str(Path(__file__).parent), *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
