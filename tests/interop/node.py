"""A program of the lab under node: started, waited for, stopped by its process id."""

import os
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

_START_SECONDS = 30


class Node:
    """A running program that says `/ready` on its port."""

    def __init__(self, script: Path, port: int, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                ["node", "--no-deprecation", str(script)],
                env={**os.environ, **environment, "PORT": str(port)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            self._wait(port, log)
        except BaseException:
            self.stop()
            raise

    def _wait(self, port: int, log: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=20):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{log.stem} did not start: {log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Stop it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
