"""`saml-slo demo` as a process: it comes up, says where, and leaves nothing behind, however it ends."""

import contextlib
import os
import signal
import socket
import subprocess
import sys

import pytest

from saml_slo.demo.browser import Browser
from saml_slo.demo.check import PORT_OPTIONS, _free_ports
from tests.serving import PATIENCE, children, is_alive, wait_until


def command(ports, folder):
    """The command line of a demo."""
    options = [f"{option}={port}" for option, port in zip(PORT_OPTIONS, ports, strict=True)]
    return [sys.executable, "-m", "saml_slo", "demo", *options, "--folder", str(folder)]


@contextlib.contextmanager
def demo(folder):
    """Run a demo in a group of its own, as a terminal does; yields its process, its ports and its first words."""
    ports = _free_ports(len(PORT_OPTIONS))
    process = subprocess.Popen(
        command(ports, folder), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        words = b""
        while b"Ctrl-C" not in words:
            line = process.stdout.readline()
            assert line, f"it ended with {process.wait()}"
            words += line
        yield process, ports, words.decode()
    finally:
        left = descendants(process.pid) if process.poll() is None else []
        process.terminate()
        process.stdout.close()
        process.wait(PATIENCE)
        wait_until(lambda: not any(map(is_alive, left)))


def descendants(pid):
    """Everybody that a process started, and whom they started."""
    found = children(pid)
    return found + [each for child in found for each in descendants(child)]


def test_it_says_where_everything_is(tmp_path):
    """The printed start page answers, the parties that it names answer, and the applications know nobody."""
    with demo(tmp_path / "demo") as (_, (bridge, idp, application, shop, news), words):
        browser = Browser()
        for url in (
            f"http://bridge.localhost:{bridge}/demo",
            f"http://bridge.localhost:{bridge}/demo/console",
            f"http://idp.localhost:{idp}",
            f"http://app.localhost:{application}",
            f"http://shop.localhost:{shop}",
            f"http://news.localhost:{news}",
        ):
            assert url in words
            assert browser.open(url).status == 200
        assert browser.open(f"http://app.localhost:{application}").heading == "You are not signed in"
        assert browser.open(f"http://shop.localhost:{shop}").heading == "Shop: you are not signed in"
        assert browser.open(f"http://bridge.localhost:{bridge}/readyz").json()["ready"] is True
    assert {path.name for path in tmp_path.iterdir()} == {"demo"}


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind(tmp_path, end):
    """Nobody is left after Ctrl-C, which a terminal sends to the group, and after SIGKILL of the main process."""
    with demo(tmp_path) as (process, _, _):
        everybody = descendants(process.pid)
        assert len(everybody) >= 4  # two workers, Redis, the other parties
        os.killpg(process.pid, end) if end == signal.SIGINT else process.kill()
        assert process.wait(PATIENCE) == (0 if end == signal.SIGINT else -end)
        wait_until(lambda: not any(map(is_alive, everybody)))


@pytest.mark.parametrize(("place", "option"), list(enumerate(PORT_OPTIONS)))
def test_a_port_that_is_taken_is_named(tmp_path, place, option):
    """Which port it is, and by which option to choose another; exit code 1, and nobody is left."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = _free_ports(len(PORT_OPTIONS))
        ports[place] = taken.getsockname()[1]
        done = subprocess.run(command(ports, tmp_path), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert f"port {ports[place]} of this machine cannot be used" in done.stderr
    assert option in done.stderr


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path):
    """It is told that the folder has an owner; the first one goes on."""
    with demo(tmp_path) as (process, _, _):
        done = subprocess.run(
            command(_free_ports(len(PORT_OPTIONS)), tmp_path),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 1
        assert f"process {process.pid} owns the Redis there" in done.stderr
        assert process.poll() is None
